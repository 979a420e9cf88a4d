"""All pairs of a table file, in order; or of those of its blocks that are sound.

The layout of such files is described in ``table_blocks``.
"""

from __future__ import annotations

from typing import Iterator, List, NamedTuple, Optional

from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.table_blocks import (
    MAX_KEY_BYTES,
    BlockHandle,
    list_blocks,
    spans_of,
    try_block,
)
from legacy_restore.checkpoint.wire import FormatError


class Pair(NamedTuple):
    """One key of a table and its value."""

    key: bytes
    value: bytes


class DataBlock(NamedTuple):
    """What one block of a table holds, or why that cannot be relied on.

    Attributes:
      handle: Where it is.
      pairs: Its pairs in order; of a damaged block what can be made out, which may be
        anything.
      fault: Why it cannot be relied on, or None.
    """

    handle: BlockHandle
    pairs: List[Pair]
    fault: Optional[Exception]


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
    previous: Optional[bytes] = None
    key_bytes = 0
    for handle in list_blocks(file):
        block = _read_pairs(file, handle, MAX_KEY_BYTES - key_bytes)
        key_bytes += sum(len(pair.key) for pair in block.pairs)
        block = _in_order(block, previous)
        if block.fault is None and block.pairs:
            previous = block.pairs[-1].key
        yield block


def _read_pairs(
    file: PositionedFile, handle: BlockHandle, max_key_bytes: int
) -> DataBlock:
    contents, fault = try_block(file, handle)
    pairs: List[Pair] = []
    try:
        for key, start, end in spans_of(contents, handle, max_key_bytes):
            pairs.append(Pair(key, contents[start:end]))
    except FormatError as error:
        fault = fault or error
    return DataBlock(handle, pairs, fault)


def _in_order(block: DataBlock, previous: Optional[bytes]) -> DataBlock:
    """Returns the block, with a fault if its keys do not come after another one."""
    if block.fault is not None:
        return block
    for pair in block.pairs:
        if previous is not None and pair.key <= previous:
            fault = FormatError(f"key {pair.key!r} is out of order")
            return block._replace(fault=fault)
        previous = pair.key
    return block
