"""Single values of a table file, one block in memory at a time.

A V1 checkpoint is one table with all values in it (see ``table_blocks``), and may be
larger than memory. Only its index block is kept here; to find a key, the one data block
that can have it is read and verified.
"""

from __future__ import annotations

import bisect
from typing import Dict, List, NamedTuple, Optional

from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.table_blocks import (
    BlockHandle,
    Span,
    list_blocks,
    read_block,
    spans_of,
)
from legacy_restore.checkpoint.wire import FormatError

# TensorFlow ends a block past 256 KiB: what is much larger holds one large value, and
# is read for one key. The others hold thousands of small ones and are kept for them.
_MAX_KEPT_BYTES = 1 << 20

# Keys may share their beginnings, so that a small damaged block can declare keys that
# fill any memory. The values of a V1 file repeat the names in full: what its keys take
# is no more than the block itself and some bytes for each.
_MAX_KEY_GROWTH = 16
_MIN_KEY_BYTES = 1 << 20


class _Block(NamedTuple):
    contents: bytes
    spans: Dict[bytes, Span]


class TableLookup:
    """The values of a table file by their keys; several threads may use it at once."""

    def __init__(self, file: PositionedFile) -> None:
        """Reads the index block.

        Args:
          file: The table file; it stays open and is the caller's to close.

        Raises:
          FormatError: The file is no table, or its index block is damaged.
          UnsupportedCheckpointError: It is compressed in an unknown way.
          MissingDependencyError: It is compressed with snappy and ``cramjam`` is not
            installed.
        """
        self._file = file
        self._blocks: List[BlockHandle] = []
        key_bytes = 0
        for block in list_blocks(file):
            if self._blocks and block.last_key <= self._blocks[-1].last_key:
                raise FormatError(f"key {block.last_key!r} is out of order")
            if block.offset + block.size > file.size:
                raise FormatError(
                    f"block at byte {block.offset} has {block.size} bytes, the file "
                    f"{file.size}"
                )
            key_bytes += len(block.last_key)
            _check_key_bytes(key_bytes, file.size)
            self._blocks.append(block)
        self._last_keys = [block.last_key for block in self._blocks]
        self._kept: Optional[Dict[int, _Block]] = None

    def get(self, key: bytes) -> Optional[memoryview]:
        """Returns the value of a key, or None if the table does not have it.

        Raises:
          FormatError: The block is damaged.
          UnsupportedCheckpointError: It is compressed in an unknown way.
          MissingDependencyError: It is compressed with snappy and ``cramjam`` is not
            installed.
        """
        number = bisect.bisect_left(self._last_keys, key)
        if number == len(self._blocks):
            return None
        block = self._block(number)
        span = block.spans.get(key)
        if span is None:
            return None
        return memoryview(block.contents)[span.start : span.end]

    def _block(self, number: int) -> _Block:
        # Threads may replace what is kept at any time: it is looked at once.
        kept = self._kept
        if kept is not None and number in kept:
            return kept[number]
        place = self._blocks[number]
        contents = read_block(self._file, place)
        spans = _spans_by_key(contents, place)
        block = _Block(contents, spans)
        if len(contents) <= _MAX_KEPT_BYTES:
            self._kept = {number: block}
        return block


def _spans_by_key(contents: bytes, block: BlockHandle) -> Dict[bytes, Span]:
    spans: Dict[bytes, Span] = {}
    previous = None
    key_bytes = 0
    for span in spans_of(contents, block):
        if previous is not None and span.key <= previous:
            raise FormatError(f"key {span.key!r} is out of order")
        previous = span.key
        key_bytes += len(span.key)
        _check_key_bytes(key_bytes, len(contents))
        spans[span.key] = span
    return spans


def _check_key_bytes(key_bytes: int, data_bytes: int) -> None:
    if key_bytes > max(_MIN_KEY_BYTES, _MAX_KEY_GROWTH * data_bytes):
        raise FormatError(f"keys take {key_bytes} bytes in {data_bytes}")
