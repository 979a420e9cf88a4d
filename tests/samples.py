"""Real checkpoints of public projects, for tests that skip where they are absent."""

import os
import pathlib

import pytest

_VARIABLE = "LEGACY_RESTORE_SAMPLES"
_BESIDE = pathlib.Path(__file__).resolve().parents[2] / "shared" / "checkpoints"


def sample(*parts: str) -> str:
    """Returns a path below the folder of samples; skips the test without it."""
    root = pathlib.Path(os.environ.get(_VARIABLE, _BESIDE))
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no {'/'.join(parts)} below {_VARIABLE}={root}")
    return str(path)
