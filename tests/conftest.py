"""Settings for all tests."""

import os
import pathlib
import signal

import pytest
from hypothesis import HealthCheck, settings

# TensorFlow reads it when it is imported, which some test modules do at their top.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A shell starts what runs in its background with interrupts ignored, and children
# inherit that: tests that interrupt a program would wait for nothing.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says what else runs on the machine, and nothing of the code.
settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture
def golden():
    """The folder of checkpoints that old TensorFlow releases wrote."""
    return ROOT / "tests" / "golden"
