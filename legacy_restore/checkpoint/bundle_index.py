"""The index of a V2 checkpoint: which tensors there are and where their bytes lie.

It is a table file (see ``table``) of protocol buffers (see ``entries``). Reading it
takes neither NumPy nor the data files.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, NamedTuple

from legacy_restore.checkpoint.entries import (
    BundleEntry,
    BundleHeader,
    parse_entry,
    parse_header,
)
from legacy_restore.checkpoint.faults import faults_of, not_there
from legacy_restore.checkpoint.files import FileIdentity, PositionedFile
from legacy_restore.checkpoint.slices import (
    TensorSlice,
    any_overlap,
    part_of,
    reaches_beyond,
    slice_key,
)
from legacy_restore.checkpoint.table import Pair, read_table
from legacy_restore.checkpoint.wire import FormatError

# TensorFlow reads the index through a cache and sets no limit. A million keys with
# long names take less than 200 MB; what is larger is not an index.
_MAX_INDEX_BYTES = 1 << 30


class Slice(NamedTuple):
    """A stored slice of a partitioned tensor and where its bytes are."""

    part: TensorSlice
    entry: BundleEntry


class BundleIndex(NamedTuple):
    """What an index holds.

    Attributes:
      header: What it says about the whole.
      entries: What it says about each tensor, by key, in the index's order.
      slices: The slices of each partitioned tensor, by key.
      identity: Which file it was read from.
    """

    header: BundleHeader
    entries: Mapping[str, BundleEntry]
    slices: Mapping[str, List[Slice]]
    identity: FileIdentity


def read_index(path: str) -> BundleIndex:
    """Reads an index.

    Raises:
      LocationError: There is no such file.
      CorruptCheckpointError: It is damaged.
      UnsupportedCheckpointError: It needs another reader.
      MissingDependencyError: It is compressed and ``cramjam`` is missing.
    """
    with faults_of(path):
        file = _open(path)
        try:
            pairs = _read_pairs(file)
        finally:
            file.close()
        header = _header_of(pairs)
        by_key = {pair.key: _parse(pair) for pair in pairs[1:]}
        _check_shards(header, by_key)
        slices = _collect_slices(by_key)
        return BundleIndex(header, _listed(by_key), slices, file.identity)


def _open(path: str) -> PositionedFile:
    try:
        return PositionedFile(path)
    except OSError as error:
        raise not_there(path, str(error.strerror)) from error


def _read_pairs(file: PositionedFile) -> List[Pair]:
    if file.size > _MAX_INDEX_BYTES:
        raise FormatError(f"{file.size} bytes are too many for an index")
    return list(read_table(file))


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
        found.append(Slice(part_of(extents, whole.shape), entry))
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
        if reaches_beyond(stored.part, whole.shape):
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
