"""V2 checkpoints: an index, and data files that hold the tensors.

A checkpoint with the prefix ``model.ckpt-100`` consists of ``model.ckpt-100.index``, a
table file (see ``table``) of protocol buffers (see ``entries``), and of data files
``model.ckpt-100.data-00000-of-00002`` and so on, plain bytes into which the entries
point (``tensorflow/core/util/tensor_bundle/tensor_bundle.h``).
"""

from __future__ import annotations

import os
import threading
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from legacy_restore.checkpoint import tensors
from legacy_restore.checkpoint.entries import (
    BundleEntry,
    BundleHeader,
    parse_entry,
    parse_header,
)
from legacy_restore.checkpoint.faults import (
    corrupt_tensor,
    faults_of,
    incomplete_tensor,
    not_there,
)
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.slices import (
    TensorSlice,
    any_overlap,
    count_stored,
    slice_key,
)
from legacy_restore.checkpoint.table import Pair, read_table
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names

# TensorFlow reads the index through a cache and sets no limit. A million keys with
# long names take less than 200 MB; what is larger is not an index.
_MAX_INDEX_BYTES = 1 << 30


class Slice(NamedTuple):
    """A stored slice of a partitioned tensor and where its bytes are."""

    part: TensorSlice
    entry: BundleEntry


class Bundle:
    """The tensors of a V2 checkpoint, read when asked for.

    Attributes:
      prefix: Path stem of the files.
      header: What the index says about the whole.
      entries: What the index says about each tensor, by key, in the index's order.
      slices: The slices of each partitioned tensor, by key.
    """

    format = "V2"

    def __init__(self, prefix: str) -> None:
        """Reads the index; opens no data file.

        Args:
          prefix: Path stem of the files, ``<prefix>.index`` among them.

        Raises:
          LocationError: There is no index.
          CorruptCheckpointError: The index is damaged.
          UnsupportedCheckpointError: The index needs another reader.
          MissingDependencyError: The index is compressed and ``cramjam`` is missing.
        """
        self.prefix = prefix
        pairs = _read_index(prefix + ".index")
        with faults_of(prefix + ".index"):
            self.header = _header_of(pairs)
            by_key = {pair.key: _parse(pair) for pair in pairs[1:]}
            _check_shards(self.header, by_key)
            self.slices = _collect_slices(by_key)
            self.entries: Mapping[str, BundleEntry] = _listed(by_key)
        self._files: Dict[int, PositionedFile] = {}
        self._files_lock = threading.Lock()

    def close(self) -> None:
        """Closes the data files that were opened; may be called twice."""
        with self._files_lock:
            for file in self._files.values():
                file.close()

    def shard_path(self, shard: int) -> str:
        """Returns the path of a data file."""
        return f"{self.prefix}.data-{shard:05d}-of-{self.header.num_shards:05d}"

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
        entry = self.entries[key]
        if not self.is_complete(key):
            raise incomplete_tensor(key, self.prefix, self._stored_text(key))
        try:
            if key not in self.slices:
                return self._read_entry(entry)
            for stored in self.slices[key]:
                tensors.check_range(self._file(stored.entry.shard), stored.entry)
            whole = tensors.allocate(entry)
            for stored in self.slices[key]:
                whole[stored.part.as_index()] = self._read_entry(stored.entry)
            return whole
        except FormatError as error:
            raise corrupt_tensor(key, self.prefix, str(error)) from error

    def is_complete(self, key: str) -> bool:
        """Returns whether all elements of a tensor are stored."""
        return self._count_stored(key) == self.entries[key].num_elements

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

    def verify(self, key: str) -> None:
        """Reads a tensor's bytes and compares them with their checksums.

        Raises:
          CorruptCheckpointError: The data are missing, too short or do not match.
        """
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

    def incomplete_findings(self) -> List[Finding]:
        """Returns a remark on tensors of which slices are missing, if there are any."""
        keys = sorted(key for key in self.slices if not self.is_complete(key))
        if not keys:
            return []
        count = f"{len(keys)} tensor" + ("" if len(keys) == 1 else "s")
        message = f"of {count} only some slices are in the file: {cut_names(keys)}"
        return [Finding(KINDS["incomplete-tensor"], self.prefix, message)]

    def _count_stored(self, key: str) -> int:
        parts = [stored.part for stored in self.slices.get(key, ())]
        return count_stored(self.entries[key].shape, parts)

    def _stored_text(self, key: str) -> str:
        return f"{self._count_stored(key)} of {self.entries[key].num_elements} elements"

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
            size = os.stat(path).st_size
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


def _read_index(path: str) -> List[Pair]:
    with faults_of(path):
        try:
            file = PositionedFile(path)
        except OSError as error:
            raise not_there(path, str(error.strerror)) from error
        try:
            if file.size > _MAX_INDEX_BYTES:
                raise FormatError(f"{file.size} bytes are too many for an index")
            return list(read_table(file))
        finally:
            file.close()


def _header_of(pairs: List[Pair]) -> BundleHeader:
    if not pairs or pairs[0].key != b"":
        raise FormatError("has no header")
    return parse_header(pairs[0].value)


def _parse(pair: Pair) -> BundleEntry:
    try:
        return parse_entry(pair.value)
    except FormatError as error:
        raise FormatError(f"entry {_text(pair.key)!r}: {error}") from error


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")


def _collect_slices(by_key: Dict[bytes, BundleEntry]) -> Dict[str, List[Slice]]:
    """Takes the slices' own entries out of ``by_key`` and groups them by tensor."""
    partitioned = [key for key, entry in by_key.items() if entry.slices]
    return {_text(key): _slices_of(key, by_key) for key in partitioned}


def _slices_of(key: bytes, by_key: Dict[bytes, BundleEntry]) -> List[Slice]:
    whole = by_key[key]
    found: List[Slice] = []
    for extents in whole.slices:
        entry = by_key.pop(slice_key(key, extents), None)
        if entry is None:
            raise FormatError(f"entry {_text(key)!r} lists a slice that is not there")
        if len(extents) != len(whole.shape):
            raise FormatError(f"a slice of {_text(key)!r} has {len(extents)} axes")
        part = TensorSlice(
            start=tuple(extent.start for extent in extents),
            shape=tuple(
                size if extent.length is None else extent.length
                for extent, size in zip(extents, whole.shape)
            ),
        )
        found.append(Slice(part, entry))
    _check_slices(_text(key), whole, found)
    return found


def _check_slices(key: str, whole: BundleEntry, found: List[Slice]) -> None:
    """Demands that the slices are parts of the whole, and none has part of another.

    They need not make up the whole. TensorFlow writes slots of a partitioned variable
    that were made in a scope under a name for each part, every one of them with the
    shape of the whole variable (``tensorflow/python/training/slot_creator.py``). No
    slice gets lost unseen: the index's blocks have checksums of their own.
    """
    for stored in found:
        ends = (
            start + size for start, size in zip(stored.part.start, stored.part.shape)
        )
        if any(end > size for end, size in zip(ends, whole.shape)):
            raise FormatError(f"a slice of {key!r} reaches beyond its shape")
        if stored.entry.shape != stored.part.shape or stored.entry.slices:
            raise FormatError(f"a slice of {key!r} has another shape than it declares")
        if stored.entry.dtype != whole.dtype:
            raise FormatError(f"a slice of {key!r} has another dtype than the whole")
    if any_overlap([stored.part for stored in found]):
        raise FormatError(f"slices of {key!r} overlap")


def _check_shards(header: BundleHeader, by_key: Mapping[bytes, BundleEntry]) -> None:
    for key, entry in by_key.items():
        if not entry.slices and entry.shard >= header.num_shards:
            raise FormatError(
                f"entry {_text(key)!r} is in data file {entry.shard} of "
                f"{header.num_shards}"
            )


def _listed(by_key: Dict[bytes, BundleEntry]) -> Dict[str, BundleEntry]:
    return {_text(key): entry for key, entry in by_key.items()}
