"""Opening a checkpoint: from a location to a mapping of tensors."""

from __future__ import annotations

from legacy_restore.checkpoint.checkpoint import Checkpoint
from legacy_restore.checkpoint.formats import open_reader
from legacy_restore.checkpoint.location import LocationLike, resolve_location


def open_checkpoint(location: LocationLike) -> Checkpoint:
    """Opens a checkpoint for reading, without TensorFlow.

    The index is read and verified at once, tensors when they are asked for.

    Args:
      location: A prefix, any file of the checkpoint, a directory, ``dir@latest``,
        ``dir@12000``, a state file, or a SavedModel directory.

    Returns:
      A read-only mapping from keys to arrays, and a context manager.

    Raises:
      LocationError: No checkpoint is there, or several could be meant.
      CorruptCheckpointError: The index is damaged. Faults of the data files are in
        ``findings`` and raised when an affected tensor is read.
      UnsupportedCheckpointError: The checkpoint is of a kind that is not read.
      MissingDependencyError: The index is compressed with snappy, and ``cramjam`` is
        not installed.
    """
    resolved = resolve_location(location)
    return Checkpoint(open_reader(resolved.prefix), resolved)
