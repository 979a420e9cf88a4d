"""What every format's reader gives: a checkpoint is the same thing to all callers."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, ClassVar, Dict, Iterator, List, Tuple

from legacy_restore.checkpoint.slices import TensorSlice
from legacy_restore.checkpoint.tensor_entry import StoredPart, TensorEntry
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names

if TYPE_CHECKING:
    import numpy as np

    from legacy_restore.checkpoint.copied_bytes import CopiedPart
    from legacy_restore.checkpoint.keras_layout import Dataset


class TensorReader(abc.ABC):
    """The tensors of one checkpoint, read when asked for, from several threads at once.

    Attributes:
      format: Name of the format, ``"V2"`` or ``"V1"``.
      prefix: What TensorFlow's own functions take to read the same files.
    """

    format: ClassVar[str]
    prefix: str

    @abc.abstractmethod
    def tensor_entries(self) -> Dict[str, TensorEntry]:
        """Returns what the files say about each tensor, by key."""

    @abc.abstractmethod
    def paths(self) -> List[str]:
        """Returns the paths of all files, those that list the tensors first."""

    @abc.abstractmethod
    def findings(self) -> List[Finding]:
        """Returns what there is to say about the files without reading a tensor."""

    def incomplete_findings(self) -> List[Finding]:
        """Returns a remark on tensors of which slices are missing, if there are any."""
        entries = self.tensor_entries()
        keys = sorted(key for key, entry in entries.items() if not entry.is_complete)
        if not keys:
            return []
        count = f"{len(keys)} tensor" + ("" if len(keys) == 1 else "s")
        message = f"of {count} only some slices are in the file: {cut_names(keys)}"
        return [Finding(KINDS["incomplete-tensor"], self.prefix, message)]

    def keras_datasets(self) -> Tuple[Dataset, ...]:
        """Returns where a file of Keras has its tensors; nothing of other formats."""
        return ()

    @property
    @abc.abstractmethod
    def has_crcs(self) -> bool:
        """Whether each tensor or slice has a CRC32C in this machine's byte order."""

    @abc.abstractmethod
    def stored_crcs(self, key: str) -> Dict[TensorSlice, int]:
        """Returns the stored CRC32C, unmasked, of each slice of a partitioned tensor.

        To be called only where ``has_crcs`` is true.
        """

    def stored_parts(self, entry: TensorEntry) -> List[StoredPart]:
        """Returns where each part of a tensor is stored, as far as the format says."""
        return [StoredPart(part) for part in entry.parts]

    @abc.abstractmethod
    def read(self, key: str) -> np.ndarray:
        """Reads a tensor, assembled from its slices where it is partitioned.

        Args:
          key: One of ``tensor_entries``.

        Returns:
          The values in the byte order of this machine; strings as an object array of
          ``bytes``.

        Raises:
          CorruptCheckpointError: The data are missing, too short or do not match
            their checksum.
          UnsupportedCheckpointError: NumPy cannot hold the dtype, or only some slices
            of the tensor are stored.
          MissingDependencyError: The dtype needs ``ml_dtypes``.
        """

    @abc.abstractmethod
    def read_slices(self, key: str) -> Iterator[Tuple[TensorSlice, np.ndarray]]:
        """Reads the slices of a partitioned tensor, one after the other.

        Yields:
          Each slice and its values, as ``read`` gives them.

        Raises:
          CorruptCheckpointError: The data are missing, too short or do not match
            their checksum.
          UnsupportedCheckpointError: NumPy cannot hold the dtype.
          MissingDependencyError: The dtype needs ``ml_dtypes``.
        """

    @abc.abstractmethod
    def copied_parts(self, key: str) -> Iterator[CopiedPart]:
        """Yields the parts of a tensor as a V2 checkpoint stores them, not decoded.

        A tensor in one piece is one part. The bytes are read and verified when their
        chunks are taken, which raises as ``verify`` does.

        Raises:
          UnsupportedCheckpointError: No V2 checkpoint that is written here can hold
            them.
        """

    def read_string(self, key: str) -> bytes:
        """Reads a tensor that is one string; a format may do it without NumPy.

        Args:
          key: A key of a string tensor without axes.

        Raises:
          CorruptCheckpointError: The data are missing, too short or do not match
            their checksum.
        """
        return bytes(self.read(key).item())

    @abc.abstractmethod
    def verify(self, key: str) -> None:
        """Reads a tensor's bytes and compares them with their checksums.

        Raises:
          CorruptCheckpointError: The data are missing, too short or do not match.
          UnsupportedCheckpointError: Nobody can tell, for such a dtype.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Closes the files; may be called twice."""
