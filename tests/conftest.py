"""Settings for all tests."""

import os
import pathlib

import pytest

# TensorFlow reads it when it is imported, which some test modules do at their top.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture
def golden():
    """The folder of checkpoints that old TensorFlow releases wrote."""
    return ROOT / "tests" / "golden"
