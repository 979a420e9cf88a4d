"""Whether a value is the one that a checkpoint stores, by its checksum."""

from __future__ import annotations

from typing import Dict, Optional, Sequence

import numpy as np

from legacy_restore import errors
from legacy_restore.checkpoint import (
    Checkpoint,
    TensorEntry,
    TensorSlice,
    checksum,
    open_prefix,
)
from legacy_restore.checkpoint.closed_on_exit import ClosedOnExit
from legacy_restore.planning.spec import Part
from legacy_restore.restoring.opened import Opened, file_stamps


class StoredTensors(ClosedOnExit):
    """What a plan's checkpoint stores, to compare values with; a context manager.

    A V2 checkpoint has a checksum of every tensor. Where there is none the tensors are
    read, from files that are opened once and closed in the end.
    """

    def __init__(self, opened: Opened) -> None:
        """Opens nothing yet.

        Args:
          opened: The checkpoint.
        """
        self._opened = opened
        self._again: Optional[Checkpoint] = None

    def equals(self, entry: TensorEntry, value: np.ndarray) -> bool:
        """Returns whether a value has the shape and the checksum of a stored tensor.

        Args:
          entry: The tensor.
          value: The value, of the tensor's dtype.

        Raises:
          LegacyRestoreError: The checkpoint has no checksum for it, and cannot be read.
        """
        if tuple(value.shape) != entry.shape:
            return False
        return all(
            checksum.tensor_crc(_cut(value, part)) == crc
            for part, crc in self._crcs(entry.key).items()
        )

    def pieces_equal(
        self,
        entry: TensorEntry,
        pieces: Sequence[Part],
        values: Sequence[np.ndarray],
    ) -> bool:
        """Returns whether parts of a whole that is not in the graph equal stored ones.

        Args:
          entry: The tensor.
          pieces: Which parts of it they are.
          values: Their values.

        Raises:
          UnsupportedCheckpointError: The file is cut in another way, so that it has no
            checksum for one of them.
        """
        crcs = self._crcs(entry.key)
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

    def read(self, key: str) -> np.ndarray:
        """Reads a tensor.

        Raises:
          CheckpointError: It cannot be read, or the files are no longer those of the
            plan: also where they were replaced while they were read.
        """
        checkpoint = self._reopened()
        value = checkpoint[key]
        self._raise_if_replaced()
        return value

    def _crcs(self, key: str) -> Dict[TensorSlice, int]:
        if self._opened.checkpoint.has_crcs:
            return self._opened.checkpoint.slice_crcs(key)
        crcs = self._reopened().slice_crcs(key)
        self._raise_if_replaced()
        return crcs

    def _reopened(self) -> Checkpoint:
        if self._again is None:
            self._again = open_prefix(self._opened.prefix)
        self._raise_if_replaced()
        return self._again

    def _raise_if_replaced(self) -> None:
        stamps = self._opened.stamps
        if file_stamps(stamps) != dict(stamps):
            raise errors.CheckpointError(
                f"the files of {self._opened.prefix} were replaced since the restore "
                "was planned"
            )

    def close(self) -> None:
        """Closes what was opened."""
        if self._again is not None:
            self._again.close()


class HeldTensors(StoredTensors):
    """The same of files that are held open from the start.

    What becomes of their names then changes nothing: a training job may delete them.
    """

    def __init__(self, opened: Opened) -> None:
        """Opens the checkpoint.

        Raises:
          CheckpointError: It cannot be opened, or its files are not those of the plan.
        """
        super().__init__(opened)
        self._is_held = False
        try:
            self._reopened()
        except BaseException:
            self.close()
            raise
        self._is_held = True

    def __enter__(self) -> HeldTensors:
        return self

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint, open until this is closed."""
        return self._reopened()

    def verify(self, key: str) -> None:
        """Compares a tensor with its checksum.

        Raises:
          CheckpointError: It is damaged.
        """
        self._reopened().verify_tensor(key)

    def _raise_if_replaced(self) -> None:
        if not self._is_held:
            super()._raise_if_replaced()


def _cut(value: np.ndarray, part: TensorSlice) -> np.ndarray:
    # A scalar that is indexed would be no array any more.
    return value if part.shape == value.shape else value[part.as_index()]
