"""Variables that a distribution strategy keeps on several devices."""

import subprocess
import sys

from tests.conftest import ROOT


def test_mirrored_variables_are_restored_on_all_devices():
    # Devices of a process are set before TensorFlow is used.
    done = subprocess.run(
        [sys.executable, "-m", "tests.eager.distributed"],
        cwd=str(ROOT),
        capture_output=True,
        check=False,
    )
    assert done.stdout.decode().splitlines() == ["ok"], done.stderr.decode()
