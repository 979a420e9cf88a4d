"""Writing table files, as LevelDB lays them out.

The counterpart of ``table``, which describes the format. Blocks end where TensorFlow
ends them and index keys are shortened as it shortens them (``table_builder.cc``,
``block_builder.cc``), so that the same pairs give the same file, byte by byte:

- A data block ends with the first entry that brings it to 256 KiB, restart points
  counted; every 16th entry is a restart point. Nothing is compressed, as TensorFlow's
  ``BundleWriter`` asks for.
- The key of a block in the index block is the shortest string that is not before the
  block's last key and before the first key of the next block.
"""

from __future__ import annotations

import struct
from typing import IO, Optional, Tuple

from legacy_restore.checkpoint import checksum
from legacy_restore.checkpoint.wire_writer import varint

_MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
_FOOTER_BYTES = 48
_UNCOMPRESSED = b"\0"

_BLOCK_BYTES = 256 << 10
_RESTART_INTERVAL = 16
_INDEX_RESTART_INTERVAL = 1


class _Block:
    """The contents of a block that grows.

    Attributes:
      last_key: The key that was added last, or empty.
    """

    def __init__(self, restart_interval: int) -> None:
        self._restart_interval = restart_interval
        self._entries = bytearray()
        self._restarts = [0]
        self._count = 0
        self.last_key = b""

    @property
    def is_empty(self) -> bool:
        return self._count == 0

    @property
    def size(self) -> int:
        """Size in bytes if it ended here."""
        return len(self._entries) + 4 * len(self._restarts) + 4

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self._count and self._count % self._restart_interval == 0:
            self._restarts.append(len(self._entries))
        else:
            shared = _count_shared(self.last_key, key)
        self._entries += varint(shared) + varint(len(key) - shared)
        self._entries += varint(len(value)) + key[shared:] + value
        self._count += 1
        self.last_key = key

    def contents(self) -> bytes:
        trailer = [*self._restarts, len(self._restarts)]
        return bytes(self._entries) + struct.pack(f"<{len(trailer)}I", *trailer)


class TableWriter:
    """Writes a table file, pair by pair in the order of the keys."""

    def __init__(self, file: IO[bytes]) -> None:
        """Begins a table.

        Args:
          file: A binary file, open for writing and empty.
        """
        self._file = file
        self._offset = 0
        self._block = _Block(_RESTART_INTERVAL)
        self._index = _Block(_INDEX_RESTART_INTERVAL)
        self._previous: Optional[bytes] = None
        # The handle of a block whose index key the first key after it decides.
        self._pending: Optional[Tuple[bytes, bytes]] = None
        self._is_finished = False

    def add(self, key: bytes, value: bytes) -> None:
        """Adds a pair.

        Raises:
          ValueError: The key is not behind the one before, or the table is finished.
          OSError: The file cannot be written.
        """
        if self._is_finished:
            raise ValueError("the table is finished")
        if self._previous is not None and key <= self._previous:
            raise ValueError(f"key {key!r} is not behind {self._previous!r}")
        if self._pending is not None:
            last_key, handle = self._pending
            self._index.add(shortest_separator(last_key, key), handle)
            self._pending = None
        self._block.add(key, value)
        self._previous = key
        if self._block.size >= _BLOCK_BYTES:
            self._end_block()

    def finish(self) -> None:
        """Writes what is left, the index block and the footer.

        Raises:
          ValueError: The table is finished.
          OSError: The file cannot be written.
        """
        if self._is_finished:
            raise ValueError("the table is finished")
        self._is_finished = True
        self._end_block()
        if self._pending is not None:
            last_key, handle = self._pending
            self._index.add(short_successor(last_key), handle)
        meta_index = self._write(_Block(_RESTART_INTERVAL).contents())
        handles = meta_index + self._write(self._index.contents())
        self._file.write(handles.ljust(_FOOTER_BYTES - len(_MAGIC), b"\0") + _MAGIC)

    def _end_block(self) -> None:
        if self._block.is_empty:
            return
        handle = self._write(self._block.contents())
        self._pending = (self._block.last_key, handle)
        self._block = _Block(_RESTART_INTERVAL)

    def _write(self, contents: bytes) -> bytes:
        """Writes a block with its trailer; returns its handle."""
        covered = contents + _UNCOMPRESSED
        crc = checksum.mask(checksum.crc32c(covered))
        self._file.write(covered + struct.pack("<I", crc))
        handle = varint(self._offset) + varint(len(contents))
        self._offset += len(covered) + 4
        return handle


def _count_shared(one: bytes, other: bytes) -> int:
    count = 0
    for first, second in zip(one, other):
        if first != second:
            break
        count += 1
    return count


def shortest_separator(key: bytes, limit: bytes) -> bytes:
    """Returns a short string from ``key`` on that is before ``limit``.

    As ``FindShortestSeparator`` in TensorFlow's ``table_builder.cc``: the first byte in
    which they differ is raised by one, if it is then still below that of ``limit``.
    """
    shared = _count_shared(key, limit)
    if shared >= min(len(key), len(limit)):
        return key
    byte = key[shared]
    if byte < 0xFF and byte + 1 < limit[shared]:
        return key[:shared] + bytes([byte + 1])
    return key


def short_successor(key: bytes) -> bytes:
    """Returns a short string from ``key`` on (``FindShortSuccessor``)."""
    for position, byte in enumerate(key):
        if byte != 0xFF:
            return key[:position] + bytes([byte + 1])
    return key
