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
from legacy_restore.checkpoint.bundle_index import BundleIndex, read_index
from legacy_restore.checkpoint.data_files import (
    Need,
    StoredEntry,
    lookalike_at,
    needs_of,
    shard_path,
    size_finding,
)
from legacy_restore.checkpoint.entries import BundleEntry
from legacy_restore.checkpoint.faults import (
    corrupt,
    incomplete_tensor,
    limits_of_tensor,
    not_there,
)
from legacy_restore.checkpoint.files import PositionedFile, absolute_path, identity_of
from legacy_restore.checkpoint.lookalikes import Lookalike
from legacy_restore.checkpoint.reader import TensorReader
from legacy_restore.checkpoint.slices import TensorSlice
from legacy_restore.checkpoint.stored_bytes import check_range
from legacy_restore.checkpoint.string_tensors import read_elements
from legacy_restore.checkpoint.tensor_entry import StoredPart, TensorEntry
from legacy_restore.checkpoint.tensor_faults import EntryFault, fault_of_tensor
from legacy_restore.checkpoint.wire import FormatError, MissingDataError
from legacy_restore.report.findings import Finding

# ``tensors`` imports NumPy, which takes longer than to list what a checkpoint holds: it
# is imported where a tensor is read.
if TYPE_CHECKING:
    import numpy as np

    from legacy_restore.checkpoint.copied_bytes import CopiedPart
    from legacy_restore.checkpoint.tensor_bytes import Chunk

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
        self._begin(prefix)
        self._open()

    @classmethod
    def of_index(cls, prefix: str, index: BundleIndex) -> Bundle:
        """Returns the tensors of an index that was read otherwise, such as in part."""
        bundle = cls.__new__(cls)
        bundle._begin(prefix)
        bundle._take(index)
        bundle._open_shards()
        return bundle

    def _begin(self, prefix: str) -> None:
        self.prefix = prefix
        self._files: Dict[int, PositionedFile] = {}
        self._lookalikes: Dict[int, Optional[Lookalike]] = {}
        self._listed: Optional[Dict[str, TensorEntry]] = None
        self._is_closed = False
        self._files_lock = threading.Lock()

    def _take(self, index: BundleIndex) -> None:
        self.header, self.entries, self.slices, self._identity = index
        self._listed = None
        self._directory = os.path.dirname(absolute_path(self.prefix))

    def close(self) -> None:
        """Closes the data files that were opened; may be called twice."""
        with self._files_lock:
            self._is_closed = True
            self._close_files()

    def shard_path(self, shard: int) -> str:
        """Returns the path of a data file."""
        return shard_path(self.prefix, shard, self.header.num_shards)

    def tensor_entries(self) -> Dict[str, TensorEntry]:
        """Returns what the index says about each tensor, by key."""
        if self._listed is None:
            self._listed = {key: self._tensor_entry(key) for key in self.entries}
        return self._listed

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
            for part, (_, stored) in zip(entry.parts, self._parts(entry.key))
        ]

    def paths(self) -> List[str]:
        """Returns the paths of all files, the index first."""
        shards = range(self.header.num_shards)
        return [self.prefix + ".index", *(self.shard_path(shard) for shard in shards)]

    def read(self, key: str) -> np.ndarray:
        """Reads a tensor, as ``TensorReader.read`` says."""
        from legacy_restore.checkpoint import tensors

        entry = self.entries[key]
        if key in self.slices and not self._tensor_entry(key).is_complete:
            tensor = self._tensor_entry(key)
            stored_text = f"{tensor.num_stored} of {tensor.num_elements} elements"
            raise incomplete_tensor(key, self.prefix, stored_text)
        if key not in self.slices:
            with self._faults_of(key, None, entry):
                return self._read_entry(entry)
        for part, entry in self.slices[key]:
            with self._faults_of(key, part, entry):
                check_range(self._file(entry.shard), entry)
        with self._faults_of(key, None, self.entries[key]):
            whole = tensors.allocate(self.entries[key].dtype, self.entries[key].shape)
        for part, entry in self.slices[key]:
            with self._faults_of(key, part, entry):
                whole[part.as_index()] = self._read_entry(entry)
        return whole

    def read_slices(self, key: str) -> Iterator[Tuple[TensorSlice, np.ndarray]]:
        """Reads the slices of a tensor, as ``TensorReader.read_slices`` says."""
        for part, entry in self.slices[key]:
            with self._faults_of(key, part, entry):
                values = self._read_entry(entry)
            yield part, values

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
        with self._faults_of(key, None, entry):
            byte_order = ">" if self.header.is_big_endian else "<"
            (element,) = read_elements(self._file(entry.shard), entry, byte_order)
        return element

    def verify(self, key: str) -> None:
        """Reads a tensor's bytes and compares them with their checksums.

        Raises:
          CorruptCheckpointError: The data are missing, too short or do not match.
          UnsupportedCheckpointError: Nobody can tell, for such a dtype.
        """
        from legacy_restore.checkpoint import tensors

        faults: List[EntryFault] = []
        for part, entry in self._parts(key):
            try:
                file = self._file(entry.shard)
                tensors.verify_tensor(file, entry, self.header.is_big_endian)
            except FormatError as error:
                faults.append(self._entry_fault(part, entry, error))
        if faults:
            raise fault_of_tensor(key, self.prefix, faults)

    def copied_parts(self, key: str) -> Iterator[CopiedPart]:
        """Yields the parts of a tensor as another V2 checkpoint stores them.

        Raises:
          UnsupportedCheckpointError: Their byte order cannot be turned round.
        """
        from legacy_restore.checkpoint import copied_bytes
        from legacy_restore.checkpoint.tensor_bytes import StoredTensor

        parts = self._tensor_entry(key).parts
        for part, (stored, entry) in zip(parts, self._parts(key)):
            with self._faults_of(key, stored, entry):
                copied_bytes.check_copyable(entry, self.header.is_big_endian)
            chunks = self._copied_chunks(key, stored, entry)
            crc = copied_bytes.stored_crc(entry)
            tensor = StoredTensor(entry.dtype, entry.shape, chunks, crc)
            yield copied_bytes.CopiedPart(part, entry.shard, tensor)

    def _copied_chunks(
        self, key: str, part: Optional[TensorSlice], entry: BundleEntry
    ) -> Iterator[Chunk]:
        from legacy_restore.checkpoint.copied_bytes import copied_chunks

        with self._faults_of(key, part, entry):
            file = self._file(entry.shard)
            yield from copied_chunks(file, entry, self.header.is_big_endian)

    def needs(self) -> Dict[int, Need]:
        """Returns what the tensors demand of each data file, by its number."""
        return needs_of(
            StoredEntry(key, entry)
            for key in self.entries
            for _, entry in self._parts(key)
        )

    def file_findings(self) -> List[Finding]:
        """Returns what is wrong with the data files, from their sizes alone."""
        found = (
            size_finding(self.shard_path(shard), need, self._size(shard))
            for shard, need in self.needs().items()
        )
        return [finding for finding in found if finding is not None]

    def _size(self, shard: int) -> Optional[int]:
        """The size of a data file that is open: it may be deleted by now."""
        return self._files[shard].size if shard in self._files else None

    def _open(self) -> None:
        path = self.prefix + ".index"
        for _ in range(_MAX_ATTEMPTS):
            index = read_index(path)
            self._take(index)
            self._open_shards()
            # The index is deleted first and written last: while it is the same one, the
            # data files are those that it speaks of.
            now = identity_of(path)
            if now == index.identity:
                return
            self._close_files()
            self._files.clear()
            if now is None:
                raise not_there(path, "it was deleted while it was opened")
        raise corrupt(path, f"it was written anew {_MAX_ATTEMPTS} times meanwhile")

    def _close_files(self) -> None:
        for file in self._files.values():
            file.close()

    def _open_shards(self) -> None:
        """Opens the data files that tensors are in, as far as they are there."""
        parts = (part for key in self.entries for part in self._parts(key))
        shards = sorted({entry.shard for _, entry in parts})
        for shard in shards[:_MAX_OPENED_AT_ONCE]:
            with contextlib.suppress(FormatError):  # It is a finding.
                self._file(shard)

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

    def _parts(self, key: str) -> Iterator[Tuple[Optional[TensorSlice], BundleEntry]]:
        """The entries of a tensor's slices, or its own where it has none."""
        if key not in self.slices:
            yield None, self.entries[key]
        for stored in self.slices.get(key, ()):
            yield stored.part, stored.entry

    @contextlib.contextmanager
    def _faults_of(
        self, key: str, part: Optional[TensorSlice], entry: BundleEntry
    ) -> Iterator[None]:
        """Turns faults of a tensor's bytes into errors that name it."""
        try:
            with limits_of_tensor(key, self.prefix):
                yield
        except FormatError as error:
            fault = self._entry_fault(part, entry, error)
            raise fault_of_tensor(key, self.prefix, [fault]) from error

    def _entry_fault(
        self, part: Optional[TensorSlice], entry: BundleEntry, error: FormatError
    ) -> EntryFault:
        path = self.shard_path(entry.shard)
        found = self.lookalike(entry.shard)
        is_zero = found is None and self._is_zero(entry)
        now = identity_of(self._absolute(self.prefix + ".index"))
        is_replaced = self._identity not in (None, now)
        return EntryFault(error, part, path, found, is_zero, is_replaced)

    def lookalike(self, shard: int) -> Optional[Lookalike]:
        """Returns what a damaged data file is instead of one, if that is known."""
        if shard not in self._lookalikes:
            path = self._absolute(self.shard_path(shard))
            self._lookalikes[shard] = lookalike_at(path)
        return self._lookalikes[shard]

    def _is_zero(self, entry: BundleEntry) -> bool:
        try:
            file = self._file(entry.shard)
            return entry.size > 0 and file.is_zero(entry.offset, entry.size)
        except FormatError:
            return False

    def _absolute(self, path: str) -> str:
        """A path of ours, also where the current directory is another one by now."""
        return os.path.join(self._directory, os.path.basename(path))

    def _read_entry(self, entry: BundleEntry) -> np.ndarray:
        from legacy_restore.checkpoint import tensors

        return tensors.read_tensor(
            self._file(entry.shard), entry, self.header.is_big_endian
        )

    def _file(self, shard: int) -> PositionedFile:
        with self._files_lock:
            if shard not in self._files:
                if self._is_closed:  # What is opened now, nobody would close.
                    raise ValueError("the data files are closed")
                path = self.shard_path(shard)
                try:
                    self._files[shard] = PositionedFile(self._absolute(path))
                except OSError as error:
                    raise MissingDataError(f"{path}: {error.strerror}") from error
            return self._files[shard]
