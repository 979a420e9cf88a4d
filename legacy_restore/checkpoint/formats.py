"""Which reader a checkpoint needs."""

from __future__ import annotations

from legacy_restore.checkpoint.bundle import Bundle
from legacy_restore.checkpoint.reader import TensorReader


def open_reader(prefix: str) -> TensorReader:
    """Opens the checkpoint with a prefix, in whatever format it is.

    Args:
      prefix: What TensorFlow's own functions take to read the checkpoint.

    Raises:
      LocationError: There is no such checkpoint.
      CorruptCheckpointError: What lists its tensors is damaged.
      UnsupportedCheckpointError: It needs another reader.
      MissingDependencyError: It is compressed with snappy, and ``cramjam`` is missing.
    """
    return Bundle(prefix)
