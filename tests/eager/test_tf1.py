"""Programs of TensorFlow 1.15 that execute eagerly."""

import subprocess
import sys

import pytest

from legacy_restore.tf import IS_TF1
from tests.conftest import ROOT


@pytest.mark.skipif(not IS_TF1, reason="a program of TensorFlow 1")
def test_an_eager_program_of_tensorflow_1_restores():
    # What executes eagerly is switched before a process does anything else.
    done = subprocess.run(
        [sys.executable, "-m", "tests.eager.eager_tf1"],
        cwd=str(ROOT),
        capture_output=True,
        check=False,
    )
    assert done.stdout.decode().splitlines()[-1:] == ["ok"], done.stderr.decode()
