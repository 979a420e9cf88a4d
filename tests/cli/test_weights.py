"""``--weights``: raw ones, or their moving averages."""

import json

import pytest

from tests.cli.commands import DENOISER, run
from tests.graph.helpers import numbers, write

BUILDERS = """
from legacy_restore.tf import tf


def build():
    return tf.identity(tf.get_variable("w", [2]))
"""


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint with a weight and its average, beside a module that fits it."""
    (tmp_path / "nets.py").write_text(BUILDERS)
    average = "w/ExponentialMovingAverage"
    return write(tmp_path / "m", {"w": numbers([2]), average: numbers([2], 1)})


def test_averaged_and_raw_weights_of_one_checkpoint(checkpoint, tmp_path):
    flags = [
        flag
        for name in ("averaged", "raw")
        for flag in (f"--model={name}={checkpoint}", f"--builder={name}=nets:build")
    ]
    done = run("restore", *flags, "--weights=averaged:ema", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["check"]["ok"]
    keys = [model["rows"][0]["key"] for model in report["restore"]["models"]]
    assert keys == ["w/ExponentialMovingAverage", "w"]


def test_a_checkpoint_without_averages_is_refused():
    done = run("plan", *DENOISER, "--weights=denoiser:ema")
    assert done.returncode == 1, done.stderr
    assert "no moving averages" in done.stdout
    done = run("restore", *DENOISER, "--weights=denoiser:ema")
    assert done.returncode == 1
    assert "--weights=denoiser:raw" in done.stderr
