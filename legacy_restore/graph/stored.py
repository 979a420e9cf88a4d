"""Whether a value is the one that a checkpoint stores, by its checksum."""

from __future__ import annotations

import contextlib
from typing import Dict, Iterator, Sequence

import numpy as np

from legacy_restore import errors
from legacy_restore.checkpoint import (
    Checkpoint,
    TensorEntry,
    TensorSlice,
    checksum,
    open_checkpoint,
)
from legacy_restore.graph.plan import Opened, file_stamps
from legacy_restore.planning.spec import Part


def equals_stored(opened: Opened, entry: TensorEntry, value: np.ndarray) -> bool:
    """Returns whether a value has the shape and the checksum of a stored tensor.

    Args:
      opened: The checkpoint.
      entry: The tensor.
      value: The value, of the tensor's dtype.

    Raises:
      LegacyRestoreError: The checkpoint has no checksum for it, and cannot be read.
    """
    if tuple(value.shape) != entry.shape:
        return False
    crcs = _stored_crcs(opened, entry.key)
    return all(
        checksum.tensor_crc(_cut(value, part)) == crc for part, crc in crcs.items()
    )


def pieces_equal_stored(
    opened: Opened,
    entry: TensorEntry,
    pieces: Sequence[Part],
    values: Sequence[np.ndarray],
) -> bool:
    """Returns whether parts of a whole that is not in the graph equal stored slices.

    Args:
      opened: The checkpoint.
      entry: The tensor.
      pieces: Which parts of it they are.
      values: Their values.

    Raises:
      UnsupportedCheckpointError: The file is cut in another way, so that it has no
        checksum for one of them.
    """
    crcs = _stored_crcs(opened, entry.key)
    known = [crcs.get(piece.place) for piece in pieces]
    for value, crc in zip(values, known):
        if crc is not None and checksum.tensor_crc(value) != crc:
            return False
    if None in known:
        raise errors.UnsupportedCheckpointError(
            "only part of it is in the graph, and the checkpoint is cut into other "
            "slices, with no checksum of that part"
        )
    return True


def _cut(value: np.ndarray, part: TensorSlice) -> np.ndarray:
    # A scalar that is indexed would be no array any more.
    return value if part.shape == value.shape else value[part.as_index()]


def _stored_crcs(opened: Opened, key: str) -> Dict[TensorSlice, int]:
    if opened.checkpoint.has_crcs:
        return opened.checkpoint.slice_crcs(key)
    # It has to be read: from files opened for that, and closed again.
    with reopened(opened) as again:
        return again.slice_crcs(key)


@contextlib.contextmanager
def reopened(opened: Opened) -> Iterator[Checkpoint]:
    """Opens the files of a plan again, and closes them.

    Raises:
      CheckpointError: They cannot be read, or are no longer those of the plan: also
        where they were replaced while they were read.
    """
    with open_checkpoint(opened.prefix + ".index") as again:
        _raise_if_replaced(opened)
        yield again
        _raise_if_replaced(opened)


def _raise_if_replaced(opened: Opened) -> None:
    if file_stamps(opened.stamps) != dict(opened.stamps):
        raise errors.CheckpointError(
            f"the files of {opened.prefix} were replaced since the restore was planned"
        )
