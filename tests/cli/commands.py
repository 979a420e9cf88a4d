"""Running the command in processes of its own."""

import os
import subprocess
import sys

from tests.conftest import ROOT

DIGITS = ROOT / "examples" / "digits"


def run(*arguments, cwd=DIGITS, script=("-m", "legacy_restore"), **more):
    """Runs the command and returns the finished process, its outputs as text."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *script, *arguments],
        cwd=str(cwd),
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        **more,
    )


DENOISER = (
    "--model=denoiser=checkpoints/denoiser",
    "--builder=denoiser=models:build_denoiser",
)
CLASSIFIER = (
    "--model=classifier=checkpoints/classifier",
    "--builder=classifier=models:build_classifier",
)
