"""Running the command in processes of its own."""

import os
import subprocess
import sys

from tests.cli.warm_start import is_possible, run_warm
from tests.conftest import ROOT

DIGITS = ROOT / "examples" / "digits"

_TIMEOUT = 240


def run(*arguments, cwd=DIGITS, script=("-m", "legacy_restore")):
    """Runs the command and returns the finished process, its outputs as text."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [*script, *map(str, arguments)]
    if is_possible() and script[0] != "-c":
        return run_warm(command, cwd, environment, _TIMEOUT)
    return subprocess.run(
        [sys.executable, *command],
        cwd=str(cwd),
        env=environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
    )


def assert_light(*arguments):
    """Runs the command, which has to end well and load none of what takes time."""
    program = (
        "import sys\n"
        f"sys.argv = {['legacy-restore', *map(str, arguments)]!r}\n"
        "from legacy_restore.cli.main import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as done:\n"
        "    assert done.code == 0\n"
        "assert not {'tensorflow', 'numpy', 'absl'} & set(sys.modules)\n"
    )
    done = run(script=("-c", program))
    assert done.returncode == 0, done.stderr


DENOISER = (
    "--model=denoiser=checkpoints/denoiser",
    "--builder=denoiser=models:build_denoiser",
)
CLASSIFIER = (
    "--model=classifier=checkpoints/classifier",
    "--builder=classifier=models:build_classifier",
)
