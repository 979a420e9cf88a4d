"""Slices of partitioned tensors, and the keys under which they are stored.

A partitioned tensor has an entry of its own, which lists its slices and holds no data,
and one entry for each slice, whose key is made of the tensor's name and the slice's
extent in TensorFlow's *ordered code* (``tensorflow/core/lib/strings/ordered_code.cc``,
``tensorflow/core/util/saved_tensor_slice_util.cc``). A slice names for each axis a
start and a length; an axis that is taken whole has start 0 and length -1 in the key.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import re
from typing import Optional, Sequence, Tuple

from legacy_restore.checkpoint.boxes import Box, find_gap, find_overlap

_WHOLE_AXIS = -1
_STRING_END = b"\x00\x01"
_ESCAPED = re.compile(rb"\x00\xff|\xff\x00")
_KEY_OF_SLICE = re.compile(
    rb"\x00((?:[^\x00\xff]|\x00\xff|\xff\x00)*)\x00\x01", re.DOTALL
)


def count_elements(shape: Sequence[int]) -> int:
    """Returns the number of elements of a shape, 1 for a scalar."""
    count = 1
    for size in shape:
        count *= size
    return count


@dataclasses.dataclass(frozen=True)
class Extent:
    """What a slice takes of one axis.

    Attributes:
      start: First index.
      length: Number of indices, or None for the whole axis.
    """

    start: int = 0
    length: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class TensorSlice:
    """The part of a partitioned tensor that one stored slice holds.

    Attributes:
      start: First index on each axis.
      shape: Number of indices on each axis.
    """

    start: Tuple[int, ...]
    shape: Tuple[int, ...]

    def __str__(self) -> str:
        ends = map(operator.add, self.start, self.shape)
        return f"[{','.join(f'{start}:{end}' for start, end in zip(self.start, ends))}]"

    def as_index(self) -> Tuple[slice, ...]:
        """Returns the index that selects this part of the whole array."""
        return tuple(
            slice(start, start + length)
            for start, length in zip(self.start, self.shape)
        )

    def as_box(self) -> Box:
        """Returns the part as where it begins and ends."""
        return Box(self.start, tuple(map(operator.add, self.start, self.shape)))

    def overlaps(self, other: TensorSlice) -> bool:
        """Returns whether the two parts have an element in common."""
        return all(
            start < other_start + other_length and other_start < start + length
            for start, length, other_start, other_length in zip(
                self.start, self.shape, other.start, other.shape
            )
        )


def part_of(extents: Sequence[Extent], whole: Sequence[int]) -> TensorSlice:
    """Returns the part of a tensor that a slice takes.

    Args:
      extents: What the slice takes of each axis.
      whole: Shape of the tensor, of the same rank.
    """
    return TensorSlice(
        start=tuple(extent.start for extent in extents),
        shape=tuple(
            size if extent.length is None else extent.length
            for extent, size in zip(extents, whole)
        ),
    )


def reaches_beyond(part: TensorSlice, whole: Sequence[int]) -> bool:
    """Returns whether a part of a tensor has elements outside of its shape."""
    ends = (start + size for start, size in zip(part.start, part.shape))
    return any(end > size for end, size in zip(ends, whole))


def whole_part(shape: Sequence[int]) -> TensorSlice:
    """Returns the part of a tensor that is all of it."""
    return TensorSlice((0,) * len(shape), tuple(shape))


def count_stored(whole: Sequence[int], parts: Sequence[TensorSlice]) -> int:
    """Returns how many elements of a tensor are stored.

    Args:
      whole: Its shape.
      parts: The slices of it that are stored; none if it is stored in one piece.
    """
    if not parts:
        return count_elements(whole)
    return sum(count_elements(part.shape) for part in parts)


def covers(parts: Sequence[TensorSlice], wanted: TensorSlice) -> bool:
    """Returns whether every element of a part is in one of some others.

    As TensorFlow decides which slices it can restore
    (``tensorflow/core/util/tensor_slice_set.cc``).

    Args:
      parts: Parts of one tensor that do not overlap.
      wanted: A part of the same tensor.
    """
    found = sum(_count_common(part, wanted) for part in parts)
    return found == count_elements(wanted.shape)


def _count_common(one: TensorSlice, other: TensorSlice) -> int:
    count = 1
    for start, size, other_start, other_size in zip(
        one.start, one.shape, other.start, other.shape
    ):
        end = min(start + size, other_start + other_size)
        count *= max(end - max(start, other_start), 0)
    return count


def any_overlap(parts: Sequence[TensorSlice]) -> bool:
    """Returns whether any two parts of one tensor have an element in common."""
    return overlapping(parts) is not None


def overlapping(
    parts: Sequence[TensorSlice],
) -> Optional[Tuple[TensorSlice, TensorSlice]]:
    """Returns two parts of one tensor with an element in common, None without such."""
    found = find_overlap([part.as_box() for part in parts])
    return None if found is None else (parts[found[0]], parts[found[1]])


def gap_in(whole: Sequence[int], parts: Sequence[TensorSlice]) -> Optional[TensorSlice]:
    """Returns a part of a tensor that is in none of some others, None without such.

    Args:
      whole: The tensor's shape.
      parts: Parts of it that do not overlap.
    """
    space = Box((0,) * len(whole), tuple(whole))
    gap = find_gap(space, [part.as_box() for part in parts])
    if gap is None:
        return None
    return TensorSlice(gap.start, tuple(map(operator.sub, gap.end, gap.start)))


def tensor_of_slice_key(key: bytes) -> Optional[bytes]:
    """Returns the name of the tensor that a slice's key begins with, None for others.

    Such a key begins with a number 0, then the name, escaped and ended.
    """
    match = _KEY_OF_SLICE.match(key)
    if match is None:
        return None
    return _ESCAPED.sub(lambda one: one.group()[:1], match.group(1))


def slice_key(name: bytes, extents: Sequence[Extent]) -> bytes:
    """Returns the key of the entry that holds a slice of the tensor ``name``."""
    parts = [_unsigned(0), _string(name), _unsigned(len(extents))]
    for extent in extents:
        length = _WHOLE_AXIS if extent.length is None else extent.length
        parts.append(_signed(extent.start))
        parts.append(_signed(length))
    return b"".join(parts)


def _unsigned(value: int) -> bytes:
    """One byte for the length, then the value in as few big-endian bytes as it has."""
    length = (value.bit_length() + 7) // 8
    return bytes([length]) + value.to_bytes(length, "big")


@functools.lru_cache(maxsize=64)  # All slices of a tensor have its name.
def _string(value: bytes) -> bytes:
    r"""The bytes with ``\x00`` and ``\xff`` escaped, ended by ``\x00\x01``."""
    escapes = {0x00: b"\x00\xff", 0xFF: b"\xff\x00"}
    escaped = b"".join(escapes.get(byte, bytes([byte])) for byte in value)
    return escaped + _STRING_END


@functools.lru_cache(maxsize=1024)
def _signed(value: int) -> bytes:
    """A big-endian number whose leading bits tell its length.

    For n bytes the first n bits repeat the inverted sign, followed by the sign itself,
    so that longer positive numbers sort behind shorter ones and negative ones before.
    """
    magnitude = ~value if value < 0 else value
    length = magnitude.bit_length() // 7 + 1
    body = value & ((1 << 8 * length) - 1)
    header = ((1 << length) - 1) << (7 * length)
    return (body ^ header).to_bytes(length, "big")
