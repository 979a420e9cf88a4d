"""The benchmark of saved graphs runs at tiny sizes, and refuses wrong restores."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT

pytest.importorskip("tensorflow")
sys.path.insert(0, str(ROOT / "benchmarks"))

import memory
import saved_graphs_cases
import saved_graphs_child

from legacy_restore.tf import tf

PROGRAM = ROOT / "benchmarks" / "saved_graphs.py"


@pytest.fixture(scope="module", params=["ref", "resource"])
def prefix(request, tmp_path_factory):
    found = tmp_path_factory.mktemp("graphs") / "model" / "model.ckpt"
    saved_graphs_child.write(str(found), request.param, layers=2)
    return str(found)


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("variant", saved_graphs_cases.VARIANTS)
def test_every_variant_restores_and_measures(prefix, variant, copies):
    found = saved_graphs_child.run(prefix, "output:0", variant, copies)
    assert found["seconds"] > 0
    assert found["operations"] > 10 * copies
    assert (found["peak_bytes"] is None) == (not memory.is_available())


def test_a_wrong_restore_ends_it(prefix):
    with tf.Graph().as_default(), tf.Session() as session:
        wrong = tf.Variable(np.zeros([8, 8], np.float32))
        session.run(wrong.initializer)
        with pytest.raises(AssertionError, match="another value"):
            saved_graphs_child.compare(
                session, {"layer_0/weights": wrong}, prefix=prefix
            )
        with pytest.raises(AssertionError, match="no variable"):
            saved_graphs_child.compare(session, {"other": wrong}, prefix=prefix)


def test_the_program_prints_json(tmp_path):
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--case=training", "--kind=ref", "--rounds=1"]
        + ["--scale=0.01", "--copies=2", "--json"],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    results = json.loads(done.stdout.decode())
    (result,) = results
    assert result["copies"] == 2
    assert set(result["variants"]) == set(saved_graphs_cases.VARIANTS)
    assert os.listdir(tmp_path) == []
