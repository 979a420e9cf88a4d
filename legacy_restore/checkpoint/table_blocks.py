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
from typing import Iterator, NamedTuple, Optional

from legacy_restore import errors
from legacy_restore.checkpoint import checksum
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.lookalikes import recognize
from legacy_restore.checkpoint.wire import FormatError, OtherFileError, read_varint

_AGAIN = "download or copy the file again"
_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5
_UNCOMPRESSED = 0
_SNAPPY = 1

MAX_SNAPPY_GROWTH = 22
"""How many times larger a block may be than what is stored of it.

A snappy copy element of three bytes yields at most 64: nothing honest grows more.
"""

MAX_KEY_BYTES = 1 << 30
"""How much memory the keys of a table may take.

Keys may share their beginnings, so a damaged file of some bytes can declare keys that
fill any memory. A million long names take less than 200 MB.
"""


class BlockHandle(NamedTuple):
    """Where a data block is, as the index block has it.

    Attributes:
      last_key: A key not before the block's last one, and before the next block's.
      offset: Position of its first byte.
      size: Number of bytes, without the trailer.
    """

    last_key: bytes
    offset: int
    size: int


class Contents(NamedTuple):
    """What a block holds, not compressed any more, and whether it can be relied on.

    Attributes:
      data: The contents; of a damaged block what can be made out, which may be
        anything.
      fault: Why they cannot be relied on, or None.
    """

    data: bytes
    fault: Optional[Exception]


class Span(NamedTuple):
    """A key, and where in the contents of its block the value lies."""

    key: bytes
    start: int
    end: int


def is_table(file: PositionedFile) -> bool:
    """Returns whether the file ends with a table's magic number."""
    if file.size < _FOOTER_BYTES:
        return False
    magic = file.read(file.size - 8, 8)
    return int.from_bytes(magic, "little") == _MAGIC


def list_blocks(file: PositionedFile) -> Iterator[BlockHandle]:
    """Yields where the data blocks of a table file are, as its index block has it.

    The index block's checksum is verified, its order is not.

    Raises:
      FormatError: The file is no table, or its index block is damaged.
      UnsupportedCheckpointError: It is compressed in an unknown way.
      MissingDependencyError: It is compressed with snappy and ``cramjam`` is not
        installed.
    """
    if not is_table(file):
        raise _no_table(file)
    footer = file.read(file.size - _FOOTER_BYTES, _FOOTER_BYTES)
    _, position = _read_handle(b"", footer, 0)
    index, _ = _read_handle(b"", footer, position)
    contents = read_block(file, index)
    block_bytes = 0
    for last_key, start, end in spans_of(contents, index):
        block, _ = _read_handle(last_key, contents[start:end], 0)
        block_bytes += block.size + _TRAILER_BYTES
        # Else a small file could name one block any number of times.
        if block_bytes > file.size and not _reaches_beyond(file, block):
            raise FormatError("its blocks overlap")
        yield block


class _HandleEnd(NamedTuple):
    handle: BlockHandle
    end: int


def _read_handle(last_key: bytes, data: bytes, start: int) -> _HandleEnd:
    offset, middle = read_varint(data, start)
    size, end = read_varint(data, middle)
    return _HandleEnd(BlockHandle(last_key, offset, size), end)


def _no_table(file: PositionedFile) -> FormatError:
    found = recognize(file)
    if found is not None:
        return OtherFileError(str(found), found.hint)
    end = file.read(max(file.size - _FOOTER_BYTES, 0), min(file.size, _FOOTER_BYTES))
    if not end.strip(b"\0"):
        reason = "it ends in zeros: it was not written or copied to its end"
        return FormatError(reason, _AGAIN)
    # The first key is empty: nothing is shared, and nothing is its own.
    if file.read(0, min(file.size, 2)) == b"\0\0":
        reason = f"it begins as a table and is cut off: {file.size} bytes are not all"
        return FormatError(reason, _AGAIN)
    return FormatError(f"not a table file (bad magic number; {file.size} bytes)")


def _reaches_beyond(file: PositionedFile, block: BlockHandle) -> bool:
    return block.offset + block.size + _TRAILER_BYTES > file.size


def read_block(file: PositionedFile, block: BlockHandle) -> bytes:
    """Returns the contents of a block, verified and not compressed any more.

    Raises:
      FormatError: It is damaged.
      UnsupportedCheckpointError: It is compressed in an unknown way.
      MissingDependencyError: It is compressed with snappy and ``cramjam`` is not
        installed.
    """
    contents = try_block(file, block)
    if contents.fault is not None:
        raise contents.fault
    return contents.data


def try_block(file: PositionedFile, block: BlockHandle) -> Contents:
    """Returns the contents of a block, also of a damaged one."""
    fault: Optional[Exception] = None
    try:
        # Both at once would have to be cut, and that copied: blocks may be large.
        data = file.read(block.offset, block.size)
        trailer = file.read(block.offset + block.size, _TRAILER_BYTES)
        (stored,) = struct.unpack("<I", trailer[1:])
        crc = checksum.extend(checksum.crc32c(data), trailer[:1])
        if crc != checksum.unmask(stored):
            fault = fault_at(block, "does not match its checksum")
        return Contents(_decompress(data, trailer[0]), fault)
    except FormatError as error:
        return Contents(b"", fault or fault_at(block, str(error)))
    except errors.LegacyRestoreError as error:
        return Contents(b"", fault or error)


def fault_at(block: BlockHandle, reason: str) -> FormatError:
    """Returns the error for a block."""
    return FormatError(f"block at byte {block.offset}: {reason}")


def _decompress(data: bytes, compression: int) -> bytes:
    if compression == _UNCOMPRESSED:
        return data
    if compression != _SNAPPY:
        raise errors.UnsupportedCheckpointError(
            f"a block is compressed in an unknown way (type {compression})"
        )
    declared, _ = read_varint(data, 0)
    if declared > MAX_SNAPPY_GROWTH * len(data):
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


def spans_of(
    contents: bytes, block: BlockHandle, max_key_bytes: int = MAX_KEY_BYTES
) -> Iterator[Span]:
    """Yields the keys of a block in their order, and where their values are.

    Args:
      contents: What ``read_block`` gives.
      block: The block, for the texts of errors.
      max_key_bytes: How many bytes the keys may take together.

    Raises:
      FormatError: The contents contradict themselves.
    """
    try:
        yield from _read_entries(contents, max_key_bytes)
    except FormatError as error:
        raise fault_at(block, str(error)) from error


def _read_entries(contents: bytes, max_key_bytes: int) -> Iterator[Span]:
    if len(contents) < 4:
        raise FormatError("has no room for its restart points")
    (restarts,) = struct.unpack("<I", contents[-4:])
    end = len(contents) - 4 - 4 * restarts
    if restarts == 0 or end < 0:
        raise FormatError(
            f"declares {restarts} restart points in {len(contents)} bytes"
        )
    position = key_bytes = 0
    key = b""
    while position < end:
        head = contents[position : position + 3]
        if len(head) == 3 and max(head) < 0x80:  # Almost all: a byte for each.
            shared, unshared, value_size = head
            position += 3
        else:
            shared, position = read_varint(contents, position)
            unshared, position = read_varint(contents, position)
            value_size, position = read_varint(contents, position)
        if shared > len(key):
            raise FormatError("an entry shares more than the key before it has")
        value_start = position + unshared
        value_end = value_start + value_size
        if value_end > end:
            raise FormatError("an entry reaches beyond its block")
        key_bytes += shared + unshared
        if key_bytes > max_key_bytes:
            raise FormatError(f"its keys take more than {max_key_bytes} bytes")
        key = key[:shared] + contents[position:value_start]
        yield Span(key, value_start, value_end)
        position = value_end
