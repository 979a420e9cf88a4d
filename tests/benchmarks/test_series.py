"""The benchmark of series runs at tiny sizes, and refuses wrong restores."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytest.importorskip("tensorflow")
sys.path.insert(0, str(ROOT / "benchmarks"))

import cases
import memory
import series_cases
import series_child

PROGRAM = ROOT / "benchmarks" / "series.py"
TINY = cases.Case("tiny", variables=3, width=4, models=3)
VARIANTS = [
    variant for series in series_cases.SERIES.values() for variant in series.variants
]


@pytest.fixture(scope="module")
def prefixes(tmp_path_factory):
    path = tmp_path_factory.mktemp("series")
    found = {scope: str(path / scope / "model.ckpt") for scope in TINY.scopes}
    series_child.write(dataclasses.asdict(TINY), found)
    return found


def run(*flags, tmp_path):
    """Runs the benchmark to its end; returns exit code, stdout and stderr."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *flags],
        capture_output=True,
        env=environment,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("kind", cases.KINDS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_restores_and_measures(prefixes, variant, kind):
    found = series_child.run(dataclasses.asdict(TINY), prefixes, kind, variant)
    assert 0 < found["seconds_last"] <= found["seconds_all"]
    assert 0 < found["seconds_second"] <= found["seconds_all"]
    assert (found["peak_bytes"] is None) == (not memory.is_available())
    assert found["remark"] is None or not memory.is_available()
    # Only who makes a Saver for each checkpoint has a graph that grows.
    assert (found["operations_added"] > 0) == (variant == "Saver each time")


@pytest.mark.parametrize("variant", ["Saver each time", "Saver.restore"])
def test_a_wrong_restore_is_no_result(prefixes, monkeypatch, variant):
    saver = series_child.tf.train.Saver
    real = saver.restore
    first = prefixes["model_0"]
    monkeypatch.setattr(
        saver, "restore", lambda self, session, _: real(self, session, first)
    )
    with pytest.raises(AssertionError, match="another value in the session"):
        series_child.run(dataclasses.asdict(TINY), prefixes, "resource", variant)


def test_a_swap_that_does_nothing_is_no_result(prefixes, monkeypatch):
    monkeypatch.setattr(
        "legacy_restore.graph.restored.RestoredModel.swap", lambda *_, **__: None
    )
    with pytest.raises(AssertionError, match="another value in the session"):
        series_child.run(dataclasses.asdict(TINY), prefixes, "ref", "swap")


def test_variants_have_names_of_their_own():
    assert set(VARIANTS) == set(series_child.BY_NAME)


def test_the_command_measures_and_leaves_no_files(tmp_path):
    flags = ["--case=sweep", "--kind=ref", "--scale=0.02", "--rounds=1", "--json"]
    code, out, err = run(*flags, tmp_path=tmp_path)
    assert code == 0, err
    [result] = json.loads(out)
    assert result["case"]["models"] == 45
    assert tuple(result["variants"]) == series_cases.SERIES["sweep"].variants
    first, saver, swap = result["variants"].values()
    assert first["speed_against_first"] == 1
    assert first["operations_added"] > 0
    assert saver["operations_added"] == swap["operations_added"] == 0
    assert all(len(one["runs"]) == 1 for one in (first, saver, swap))
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize("flags", [["--rounds=0"], ["--case=vast"], ["--scale=-1"]])
def test_what_cannot_be_meant_is_usage(tmp_path, flags):
    code, out, err = run(*flags, tmp_path=tmp_path)
    assert code == 2, err
    assert out == ""
