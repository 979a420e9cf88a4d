"""``legacy-restore rules``, and rule packs on the command line."""

import json

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore.mapping.packs.registry import PACKS
from tests.cli.commands import assert_light, run
from tests.conftest import ROOT

BUILDER = """
import tensorflow.compat.v1 as tf

def build():
    with tf.variable_scope("rnn/basic_lstm_cell"):
        kernel = tf.get_variable("kernel", [4, 8])
        return {"y": kernel + tf.get_variable("bias", [8])}
"""


def test_it_lists_the_packs_and_shows_some():
    done = run("rules")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(PACKS)
    done = run("rules", "rnn-1.2", "rnn-1.2", "--json")
    assert [one["name"] for one in json.loads(done.stdout)["packs"]] == ["rnn-1.2"]
    page = (ROOT / "docs" / "names.md").read_text(encoding="utf-8")
    assert run("rules", "--markdown").stdout == page


def test_a_pack_that_there_is_not_is_usage():
    done = run("rules", "rnn-1.3")
    assert done.returncode == 2
    assert "rnn-1.2" in done.stderr


def test_it_needs_no_tensorflow():
    assert_light("rules")


@pytest.fixture
def old_model(tmp_path):
    """A model of today, and a checkpoint with the names of TensorFlow 1.0."""
    (tmp_path / "cells.py").write_text(BUILDER)
    values = {"weights": np.ones([4, 8], np.float32), "biases": np.zeros(8, np.float32)}
    named = {f"rnn/basic_lstm_cell/{name}": one for name, one in values.items()}
    lr.write_checkpoint(str(tmp_path / "old.ckpt"), named)
    return ["--model=cell=old.ckpt", "--builder=cell=cells:build"]


def test_packs_may_be_named_for_one_model_or_all(old_model, tmp_path):
    pytest.importorskip("tensorflow")
    done = run("plan", *old_model, "--json", cwd=tmp_path)
    findings = [one["id"] for one in json.loads(done.stdout)["findings"]]
    assert (done.returncode, findings) == (0, ["rule-pack"])
    for flag in ("--rules=rnn-1.2", "--rules=cell:rnn-1.2"):
        done = run("plan", *old_model, flag, "--json", cwd=tmp_path)
        assert (done.returncode, json.loads(done.stdout)["findings"]) == (0, [])
    done = run("plan", *old_model, "--rules=rnn-1.0", cwd=tmp_path)
    assert done.returncode == 1
    assert "rule pack rnn-1.0" in done.stdout
    for flag in ("--rules=other:rnn-1.2", "--rules=cell:none-such", "--rules=cell:"):
        assert run("plan", *old_model, flag, cwd=tmp_path).returncode == 2
