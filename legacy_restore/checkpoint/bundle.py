"""V2 checkpoints: an index, and data files that hold the tensors.

A checkpoint with the prefix ``model.ckpt-100`` consists of ``model.ckpt-100.index``, a
table file (see ``table``) of protocol buffers (see ``entries``), and of data files
``model.ckpt-100.data-00000-of-00002`` and so on, plain bytes into which the entries
point (``tensorflow/core/util/tensor_bundle/tensor_bundle.h``).
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Dict, Iterator, List, Optional, Tuple

from legacy_restore.checkpoint import checksum
from legacy_restore.checkpoint.bundle_index import read_index
from legacy_restore.checkpoint.entries import BundleEntry
from legacy_restore.checkpoint.faults import (
    corrupt,
    corrupt_tensor,
    incomplete_tensor,
    not_there,
)
from legacy_restore.checkpoint.files import PositionedFile, identity_of
from legacy_restore.checkpoint.reader import TensorReader
from legacy_restore.checkpoint.slices import TensorSlice
from legacy_restore.checkpoint.string_tensors import check_range, read_elements
from legacy_restore.checkpoint.tensor_entry import StoredPart, TensorEntry
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.report.findings import KINDS, Finding

# ``tensors`` imports NumPy, which takes longer than to list what a checkpoint holds: it
# is imported where a tensor is read.
if TYPE_CHECKING:
    import numpy as np


# More files than that are opened when they are read: a process may open 1,024 in all.
_MAX_OPENED_AT_ONCE = 128

# Writing a checkpoint takes far longer than opening one.
_MAX_ATTEMPTS = 5


class Bundle(TensorReader):
    """The tensors of a V2 checkpoint, read when asked for.

    Attributes:
      prefix: Path stem of the files.
      header: What the index says about the whole.
      entries: What the index says about each tensor, by key, in the index's order.
      slices: The slices of each partitioned tensor, by key.
    """

    format = "V2"

    def __init__(self, prefix: str) -> None:
        """Reads the index and opens the data files.

        They stay readable then, whatever a training job deletes or writes anew under
        the same prefix. Data files that are not there are findings.

        Args:
          prefix: Path stem of the files, ``<prefix>.index`` among them.

        Raises:
          LocationError: There is no index, or the checkpoint was deleted meanwhile.
          CorruptCheckpointError: The index is damaged.
          UnsupportedCheckpointError: The index needs another reader.
          MissingDependencyError: The index is compressed and ``cramjam`` is missing.
        """
        self.prefix = prefix
        self._files: Dict[int, PositionedFile] = {}
        self._files_lock = threading.Lock()
        self._open()

    def close(self) -> None:
        """Closes the data files that were opened; may be called twice."""
        with self._files_lock:
            for file in self._files.values():
                file.close()

    def shard_path(self, shard: int) -> str:
        """Returns the path of a data file."""
        return f"{self.prefix}.data-{shard:05d}-of-{self.header.num_shards:05d}"

    def tensor_entries(self) -> Dict[str, TensorEntry]:
        """Returns what the index says about each tensor, by key."""
        return {key: self._tensor_entry(key) for key in self.entries}

    def findings(self) -> List[Finding]:
        """Returns what there is to say about the files' sizes and the slices."""
        return [*self.file_findings(), *self.incomplete_findings()]

    @property
    def has_crcs(self) -> bool:
        """Whether the stored checksums are those of values in little-endian order."""
        return not self.header.is_big_endian

    def stored_crcs(self, key: str) -> Dict[TensorSlice, int]:
        """Returns the stored CRC32C, unmasked, of each slice of a tensor."""
        stored = self.slices[key]
        return {one.part: checksum.unmask(one.entry.crc32c) for one in stored}

    def stored_parts(self, entry: TensorEntry) -> List[StoredPart]:
        """Returns where each part of a tensor is stored."""
        return [
            StoredPart(
                part=part,
                shard=stored.shard,
                path=self.shard_path(stored.shard),
                offset=stored.offset,
                nbytes=stored.size,
                crc32c=stored.crc32c,
            )
            for part, stored in zip(entry.parts, self._stored_entries(entry.key))
        ]

    def paths(self) -> List[str]:
        """Returns the paths of all files, the index first."""
        shards = range(self.header.num_shards)
        return [self.prefix + ".index", *(self.shard_path(shard) for shard in shards)]

    def read(self, key: str) -> np.ndarray:
        """Reads a tensor, assembled from its slices where it is partitioned.

        Args:
          key: A key of ``entries``.

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
        from legacy_restore.checkpoint import tensors

        entry = self.entries[key]
        if key in self.slices and not self._tensor_entry(key).is_complete:
            tensor = self._tensor_entry(key)
            stored_text = f"{tensor.num_stored} of {tensor.num_elements} elements"
            raise incomplete_tensor(key, self.prefix, stored_text)
        try:
            if key not in self.slices:
                return self._read_entry(entry)
            for stored in self.slices[key]:
                check_range(self._file(stored.entry.shard), stored.entry)
            whole = tensors.allocate(entry.dtype, entry.shape)
            for stored in self.slices[key]:
                whole[stored.part.as_index()] = self._read_entry(stored.entry)
            return whole
        except FormatError as error:
            raise corrupt_tensor(key, self.prefix, str(error)) from error

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
        for stored in self.slices[key]:
            try:
                values = self._read_entry(stored.entry)
            except FormatError as error:
                raise corrupt_tensor(key, self.prefix, str(error)) from error
            yield stored.part, values

    def read_string(self, key: str) -> bytes:
        """Reads a tensor that is one string, without NumPy.

        Args:
          key: A key of a string tensor without axes.

        Raises:
          CorruptCheckpointError: The data are missing, too short or do not match
            their checksum.
        """
        entry = self.entries[key]
        if key in self.slices:
            return super().read_string(key)
        try:
            file = self._file(entry.shard)
            (element,) = read_elements(file, entry, self.header.is_big_endian)
        except FormatError as error:
            raise corrupt_tensor(key, self.prefix, str(error)) from error
        return element

    def verify(self, key: str) -> None:
        """Reads a tensor's bytes and compares them with their checksums.

        Raises:
          CorruptCheckpointError: The data are missing, too short or do not match.
        """
        from legacy_restore.checkpoint import tensors

        try:
            for entry in self._stored_entries(key):
                tensors.verify_tensor(
                    self._file(entry.shard), entry, self.header.is_big_endian
                )
        except FormatError as error:
            raise corrupt_tensor(key, self.prefix, str(error)) from error

    def file_findings(self) -> List[Finding]:
        """Returns what is wrong with the data files, from their sizes alone."""
        needed: Dict[int, int] = {}
        owners: Dict[int, List[str]] = {}
        for key in self.entries:
            for entry in self._stored_entries(key):
                end = entry.offset + entry.size
                needed[entry.shard] = max(needed.get(entry.shard, 0), end)
                owners.setdefault(entry.shard, []).append(key)
        found = (
            self._shard_finding(shard, needed[shard], owners[shard])
            for shard in sorted(needed)
        )
        return [finding for finding in found if finding is not None]

    def _open(self) -> None:
        path = self.prefix + ".index"
        for _ in range(_MAX_ATTEMPTS):
            index = read_index(path)
            self.header, self.entries, self.slices = index[:3]
            is_whole = self._open_shards()
            now = identity_of(path)
            # TensorFlow deletes the index first, and writes it last.
            if now == index.identity or (now is None and is_whole):
                return
            self.close()
            self._files.clear()
            if now is None:
                raise not_there(path, "it was deleted while it was opened")
        raise corrupt(path, f"it was written anew {_MAX_ATTEMPTS} times meanwhile")

    def _open_shards(self) -> bool:
        """Opens the data files that tensors are in; returns whether all are open."""
        stored = (one for key in self.entries for one in self._stored_entries(key))
        shards = sorted({entry.shard for entry in stored})
        for shard in shards[:_MAX_OPENED_AT_ONCE]:
            with contextlib.suppress(FormatError):  # It is a finding.
                self._file(shard)
        return len(self._files) == len(shards)

    def _tensor_entry(self, key: str) -> TensorEntry:
        whole = self.entries[key]
        slices = self.slices.get(key, ())
        return TensorEntry(
            key=key,
            dtype=whole.dtype.name,
            shape=whole.shape,
            nbytes=sum(part.entry.size for part in slices) if slices else whole.size,
            shard=None if slices else whole.shard,
            slices=tuple(part.part for part in slices),
            crc32c=None if slices else whole.crc32c,
        )

    def _stored_entries(self, key: str) -> List[BundleEntry]:
        if key in self.slices:
            return [stored.entry for stored in self.slices[key]]
        return [self.entries[key]]

    def _shard_finding(
        self, shard: int, needed: int, keys: List[str]
    ) -> Optional[Finding]:
        path = self.shard_path(shard)
        names = f"{len(set(keys))} tensors, {keys[0]} among them"
        try:
            is_open = shard in self._files
            size = self._files[shard].size if is_open else os.stat(path).st_size
        except OSError as error:
            return Finding(
                KINDS["shard-missing"],
                path,
                f"{error.strerror}; it holds {names}",
                expected=f"{needed} bytes",
            )
        if size >= needed:
            return None
        return Finding(
            KINDS["shard-truncated"],
            path,
            f"it holds {names}",
            expected=f"{needed} bytes",
            found=f"{size} bytes",
        )

    def _read_entry(self, entry: BundleEntry) -> np.ndarray:
        from legacy_restore.checkpoint import tensors

        return tensors.read_tensor(
            self._file(entry.shard), entry, self.header.is_big_endian
        )

    def _file(self, shard: int) -> PositionedFile:
        with self._files_lock:
            if shard not in self._files:
                path = self.shard_path(shard)
                try:
                    self._files[shard] = PositionedFile(path)
                except OSError as error:
                    raise FormatError(f"{path}: {error.strerror}") from error
            return self._files[shard]
