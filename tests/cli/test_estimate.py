"""``legacy-restore estimate``: the figures of its models, and their flags."""

import json

import numpy as np
import pytest

import legacy_restore as lr
from tests.cli.commands import run


@pytest.fixture
def checkpoint(tmp_path):
    values = {
        "dense/kernel": np.ones([100, 10], np.float64),
        "dense/bias": np.ones([10], np.float64),
        "dense/kernel/Adam": np.ones([100, 10], np.float64),
        "dense/kernel/Adam_1": np.ones([100, 10], np.float64),
    }
    return lr.write_checkpoint(tmp_path / "m", values)


def estimated(*arguments):
    done = run("estimate", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_weights_and_training_state_are_told_apart(checkpoint):
    found = estimated(f"--model=m={checkpoint}")
    assert (found["weights"], found["training_state"]) == (8080, 16000)


def test_models_are_estimated_as_they_are_restored(checkpoint):
    name = f"--model=m={checkpoint}"
    cast = estimated(name, "--cast=m:.*=>float32")
    assert cast["weights"] == 4040
    without = estimated(name, "--exclude=m:dense/bias")
    only = estimated(name, "--only=m:dense/kernel")
    assert without == only
    model = lr.Model("m", lambda: None, checkpoint, exclude=["dense/bias"])
    assert without["weights"] == lr.estimate([model]).weights


def test_rule_packs_are_those_of_a_plan(tmp_path):
    cell = "rnn/cudnn_compatible_lstm_cell/kernel"
    prefix = lr.write_checkpoint(tmp_path / "m", {cell: np.ones([4, 8], np.float32)})
    cast = "--cast=m:rnn/lstm_cell/kernel=>float16"
    for pack in ("m:cudnn-rnn", "cudnn-rnn"):
        found = estimated(f"--model=m={prefix}", f"--rules={pack}", cast, prefix)
        assert found["weights"] == 64 + 128
    done = run("estimate", f"--model=m={prefix}", "--rules=cudnn-rn")
    assert done.returncode == 2
    assert "cudnn-rnn" in done.stderr


@pytest.mark.parametrize(
    "flag",
    [
        "--cast=a:w=>float32",
        "--only=a:w",
        "--exclude=a:w",
        "--cast=m:w",
        "--rules=a:rnn-1.2",
    ],
)
def test_flags_that_cannot_be_meant(checkpoint, flag):
    done = run("estimate", f"--model=m={checkpoint}", flag)
    assert done.returncode == 2
    assert flag.partition("=")[0] in done.stderr
