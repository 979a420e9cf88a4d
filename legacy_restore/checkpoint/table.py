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
from typing import Iterator, NamedTuple

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
    if not is_table(file):
        raise FormatError(f"not a table file (bad magic number; {file.size} bytes)")
    footer = file.read(file.size - _FOOTER_BYTES, _FOOTER_BYTES)
    _, position = _read_handle(footer, 0)
    index_handle, _ = _read_handle(footer, position)
    previous = None
    key_bytes = 0
    for index_pair in _read_block(file, index_handle):
        data_handle, _ = _read_handle(index_pair.value, 0)
        for pair in _read_block(file, data_handle):
            if previous is not None and pair.key <= previous:
                raise FormatError(f"key {pair.key!r} is out of order")
            key_bytes += len(pair.key)
            if key_bytes > _MAX_KEY_BYTES:
                raise FormatError(f"its keys take more than {_MAX_KEY_BYTES} bytes")
            previous = pair.key
            yield pair


class _HandleEnd(NamedTuple):
    handle: _Handle
    end: int


def _read_handle(data: bytes, start: int) -> _HandleEnd:
    offset, middle = read_varint(data, start)
    size, end = read_varint(data, middle)
    return _HandleEnd(_Handle(offset, size), end)


def _read_block(file: PositionedFile, handle: _Handle) -> Iterator[Pair]:
    where = f"block at byte {handle.offset}"
    try:
        raw = file.read(handle.offset, handle.size + _TRAILER_BYTES)
        covered = raw[: handle.size + 1]
        (stored,) = struct.unpack("<I", raw[handle.size + 1 :])
        if checksum.crc32c(covered) != checksum.unmask(stored):
            raise FormatError("does not match its checksum")
        contents = _decompress(raw[: handle.size], raw[handle.size])
        yield from _read_entries(contents)
    except FormatError as error:
        raise FormatError(f"{where}: {error}") from error


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


def _read_entries(contents: bytes) -> Iterator[Pair]:
    if len(contents) < 4:
        raise FormatError("has no room for its restart points")
    (restarts,) = struct.unpack("<I", contents[-4:])
    end = len(contents) - 4 - 4 * restarts
    if restarts == 0 or end < 0:
        raise FormatError(
            f"declares {restarts} restart points in {len(contents)} bytes"
        )
    entries = contents[:end]
    position = 0
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
        key = key[:shared] + entries[position:value_start]
        yield Pair(key, entries[value_start:value_end])
        position = value_end
