"""The index of a V2 checkpoint: which tensors there are and where their bytes lie.

It is a table file (see ``table``) of protocol buffers (see ``entries``). Reading it
takes neither NumPy nor the data files.
"""

from __future__ import annotations

import contextlib
from typing import (
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
)

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
    overlapping,
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
      identity: Which file it was read from, or None where it was put together.
    """

    header: BundleHeader
    entries: Mapping[str, BundleEntry]
    slices: Mapping[str, List[Slice]]
    identity: Optional[FileIdentity] = None


OnFault = Callable[[bytes, FormatError], None]
"""What is told of a key whose entry is at fault; it may raise."""


def read_index(path: str) -> BundleIndex:
    """Reads an index.

    Raises:
      LocationError: There is no such file.
      CorruptCheckpointError: It is damaged.
      UnsupportedCheckpointError: It needs another reader.
      MissingDependencyError: It is compressed and ``cramjam`` is missing.
    """
    with faults_of(path), open_index(path) as file:
        pairs = list(read_table(file))
        index = index_of(_header_of(pairs), pairs[1:], _raise)
        return index._replace(identity=file.identity)


@contextlib.contextmanager
def open_index(path: str) -> Iterator[PositionedFile]:
    """Opens the file of an index.

    Raises:
      LocationError: There is no such file.
      FormatError: It is not regular, or too large.
    """
    try:
        file = PositionedFile(path)
    except OSError as error:
        raise not_there(path, str(error.strerror)) from error
    try:
        if file.size > _MAX_INDEX_BYTES:
            raise FormatError(f"{file.size} bytes are too many for an index")
        yield file
    finally:
        file.close()


def index_of(
    header: BundleHeader,
    pairs: Iterable[Pair],
    on_fault: OnFault,
) -> BundleIndex:
    """Returns what the pairs of an index say, without those that are at fault.

    Args:
      header: The value of the empty key, decoded.
      pairs: All other keys and their values.
      on_fault: Called for each key whose entry contradicts itself or others.
    """
    by_key: Dict[bytes, BundleEntry] = {}
    for key, value in pairs:
        try:
            entry = parse_entry(value)
            _check_shard(header, entry)
        except FormatError as error:
            on_fault(key, FormatError(f"entry {text_of(key)!r}: {error}"))
        else:
            by_key[key] = entry
    slices: Dict[str, List[Slice]] = {}
    for key in [key for key, entry in by_key.items() if entry.slices]:
        if key not in by_key:  # A slice that lists slices, and was told of already.
            continue
        try:
            slices[text_of(key)] = _slices_of(key, by_key)
        except FormatError as error:
            on_fault(key, error)
            _drop(key, by_key)
    entries = {text_of(key): entry for key, entry in by_key.items()}
    return BundleIndex(header, entries, slices)


def _raise(key: bytes, error: FormatError) -> None:
    raise error


def _header_of(pairs: List[Pair]) -> BundleHeader:
    if not pairs or pairs[0].key != b"":
        raise FormatError("has no header")
    return parse_header(pairs[0].value)


def text_of(key: bytes) -> str:
    """Returns a key as text; bytes that are none come back when it is encoded."""
    return key.decode("utf-8", "surrogateescape")


def _check_shard(header: BundleHeader, entry: BundleEntry) -> None:
    if not entry.slices and entry.shard >= header.num_shards:
        raise FormatError(f"is in data file {entry.shard} of {header.num_shards}")


def _drop(key: bytes, by_key: Dict[bytes, BundleEntry]) -> None:
    """Takes a partitioned tensor out, and whatever is left of its slices."""
    for extents in by_key.pop(key).slices:
        by_key.pop(slice_key(key, extents), None)


def _slices_of(key: bytes, by_key: Dict[bytes, BundleEntry]) -> List[Slice]:
    whole = by_key[key]
    found: List[Slice] = []
    for extents in whole.slices:
        entry = by_key.pop(slice_key(key, extents), None)
        if entry is None:
            raise FormatError(f"entry {text_of(key)!r} lists a slice that is not there")
        if len(extents) != len(whole.shape):
            raise FormatError(f"a slice of {text_of(key)!r} has {len(extents)} axes")
        found.append(Slice(part_of(extents, whole.shape), entry))
    _check_slices(text_of(key), whole, found)
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
    both = overlapping([stored.part for stored in found])
    if both is not None:
        raise FormatError(f"slices {both[0]} and {both[1]} of {key!r} overlap")
