r"""Table files: sorted pairs of keys and values, as LevelDB lays them out.

TensorFlow keeps the index of a V2 checkpoint, and the whole of a V1 checkpoint, in
such a file (``tensorflow/core/lib/io/format.cc``, ``block.cc``, ``table.cc``)::

    data block ... data block   meta index block   index block   footer

- *Footer*, the last 48 bytes: the handles (varint offset, varint size) of the meta
  index block and of the index block, padding to 40 bytes, and the magic number
  ``0xdb4775248b80fb57`` in little-endian order.
- *Block*: the contents, one byte for the compression (0 none, 1 snappy) and the masked
  CRC32C of both in four bytes. Handles do not count those five bytes.
- *Contents*: entries, then the restart points as ``uint32`` and their number. An entry
  is three varints - bytes shared with the key before, bytes of its own, size of the
  value - then the rest of the key and the value. At a restart point nothing is shared.
- *Index block*: one entry for each data block; the value is the block's handle.

The meta index block is never used by TensorFlow and not read here either.
"""

from __future__ import annotations

import struct
from typing import Iterator, List, NamedTuple, Optional

from legacy_restore import errors
from legacy_restore.checkpoint import checksum
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.wire import FormatError, read_varint

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5
_UNCOMPRESSED = 0
_SNAPPY = 1

# A snappy copy element of three bytes yields at most 64: nothing honest grows more.
_MAX_SNAPPY_GROWTH = 22

# Keys may share their beginnings, so a damaged file of some bytes can declare keys
# that fill any memory. A million long names take less than 200 MB.
_MAX_KEY_BYTES = 1 << 30


class Pair(NamedTuple):
    """One key of a table and its value."""

    key: bytes
    value: bytes


class DataBlock(NamedTuple):
    """What one block of a table holds, or why that cannot be relied on.

    Attributes:
      offset: Position of its first byte.
      size: Number of its bytes without compression and checksum.
      bound: A key that is not before its last one.
      pairs: Its pairs in order; of a damaged block what can be made out, which may be
        anything.
      fault: Why it cannot be relied on, or None.
    """

    offset: int
    size: int
    bound: bytes
    pairs: List[Pair]
    fault: Optional[Exception]


class _Handle(NamedTuple):
    offset: int
    size: int


def is_table(file: PositionedFile) -> bool:
    """Returns whether the file ends with a table's magic number."""
    if file.size < _FOOTER_BYTES:
        return False
    magic = file.read(file.size - 8, 8)
    return int.from_bytes(magic, "little") == _MAGIC


def read_table(file: PositionedFile) -> Iterator[Pair]:
    """Yields all pairs of a table file in the order of their keys.

    Every block's checksum is verified before its contents are looked at.

    Raises:
      FormatError: The file is no table, or a block is damaged.
      UnsupportedCheckpointError: A block is compressed in an unknown way.
      MissingDependencyError: A block is compressed with snappy and ``cramjam`` is not
        installed.
    """
    for block in read_blocks(file):
        if block.fault is not None:
            raise block.fault
        yield from block.pairs


def read_blocks(file: PositionedFile) -> Iterator[DataBlock]:
    """Yields the data blocks of a table file, damaged ones too, in their order.

    Raises:
      FormatError: The file is no table, or the block that lists the others is damaged.
      UnsupportedCheckpointError: That block is compressed in an unknown way.
      MissingDependencyError: That block is compressed with snappy and ``cramjam`` is
        not installed.
    """
    if not is_table(file):
        raise FormatError(f"not a table file (bad magic number; {file.size} bytes)")
    footer = file.read(file.size - _FOOTER_BYTES, _FOOTER_BYTES)
    _, position = _read_handle(footer, 0)
    index_handle, _ = _read_handle(footer, position)
    listed = _read_block(file, index_handle)
    if listed.fault is not None:
        raise listed.fault
    previous: Optional[bytes] = None
    key_bytes = block_bytes = 0
    for bound, value in listed.pairs:
        handle, _ = _read_handle(value, 0)
        block_bytes += handle.size + _TRAILER_BYTES
        # Else a small file could name one block any number of times.
        if block_bytes > file.size and not _reaches_beyond(file, handle):
            raise FormatError("its blocks overlap")
        block = _read_block(file, handle, _MAX_KEY_BYTES - key_bytes)
        key_bytes += sum(len(pair.key) for pair in block.pairs)
        block = _in_order(block, previous)._replace(bound=bound)
        if block.fault is None and block.pairs:
            previous = block.pairs[-1].key
        yield block


def _reaches_beyond(file: PositionedFile, handle: _Handle) -> bool:
    return handle.offset + handle.size + _TRAILER_BYTES > file.size


def _in_order(block: DataBlock, previous: Optional[bytes]) -> DataBlock:
    """Returns the block, with a fault if its keys do not come after another one."""
    if block.fault is not None:
        return block
    for pair in block.pairs:
        if previous is not None and pair.key <= previous:
            return block._replace(
                fault=FormatError(f"key {pair.key!r} is out of order")
            )
        previous = pair.key
    return block


class _HandleEnd(NamedTuple):
    handle: _Handle
    end: int


def _read_handle(data: bytes, start: int) -> _HandleEnd:
    offset, middle = read_varint(data, start)
    size, end = read_varint(data, middle)
    return _HandleEnd(_Handle(offset, size), end)


def _read_block(
    file: PositionedFile, handle: _Handle, max_key_bytes: int = _MAX_KEY_BYTES
) -> DataBlock:
    offset, size = handle
    pairs: List[Pair] = []
    fault: Optional[Exception] = None
    try:
        raw = file.read(offset, size + _TRAILER_BYTES)
        (stored,) = struct.unpack("<I", raw[size + 1 :])
        is_sound = checksum.crc32c(raw[: size + 1]) == checksum.unmask(stored)
        if not is_sound:
            fault = _fault_at(offset, "does not match its checksum")
        contents = _decompress(raw[:size], raw[size])
        pairs.extend(_read_entries(contents, max_key_bytes))
    except FormatError as error:
        fault = fault or _fault_at(offset, str(error))
    except errors.LegacyRestoreError as error:
        fault = fault or error
    return DataBlock(offset, size, b"", pairs, fault)


def _fault_at(offset: int, reason: str) -> FormatError:
    return FormatError(f"block at byte {offset}: {reason}")


def _decompress(data: bytes, compression: int) -> bytes:
    if compression == _UNCOMPRESSED:
        return data
    if compression != _SNAPPY:
        raise errors.UnsupportedCheckpointError(
            f"a block is compressed in an unknown way (type {compression})"
        )
    declared, _ = read_varint(data, 0)
    if declared > _MAX_SNAPPY_GROWTH * len(data):
        raise FormatError(f"snappy data of {len(data)} bytes declare {declared}")
    try:
        import cramjam
    except ImportError as error:
        raise errors.MissingDependencyError(
            "a block is compressed with snappy, which needs the package cramjam",
            hint="pip install 'legacy_restore[snappy]'",
        ) from error
    try:
        result = bytes(cramjam.snappy.decompress_raw(data))
    except Exception as error:  # cramjam has one exception type, not always exported.
        raise FormatError(f"snappy data cannot be decompressed: {error}") from error
    if len(result) != declared:
        raise FormatError(f"snappy data declare {declared} bytes, hold {len(result)}")
    return result


def _read_entries(contents: bytes, max_key_bytes: int) -> Iterator[Pair]:
    if len(contents) < 4:
        raise FormatError("has no room for its restart points")
    (restarts,) = struct.unpack("<I", contents[-4:])
    end = len(contents) - 4 - 4 * restarts
    if restarts == 0 or end < 0:
        raise FormatError(
            f"declares {restarts} restart points in {len(contents)} bytes"
        )
    entries = contents[:end]
    position = key_bytes = 0
    key = b""
    while position < end:
        shared, position = read_varint(entries, position)
        unshared, position = read_varint(entries, position)
        value_size, position = read_varint(entries, position)
        if shared > len(key):
            raise FormatError("an entry shares more than the key before it has")
        value_start = position + unshared
        value_end = value_start + value_size
        if value_end > end:
            raise FormatError("an entry reaches beyond its block")
        key_bytes += shared + unshared
        if key_bytes > max_key_bytes:
            raise FormatError(f"its keys take more than {max_key_bytes} bytes")
        key = key[:shared] + entries[position:value_start]
        yield Pair(key, entries[value_start:value_end])
        position = value_end
