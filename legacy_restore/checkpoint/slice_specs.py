"""The slices that a caller asks for, checked."""

from __future__ import annotations

import operator
from typing import Any, Optional, Sequence, Tuple, Union

from legacy_restore.checkpoint.slices import TensorSlice, any_overlap, count_stored

SliceLike = Union[TensorSlice, Tuple[Sequence[int], Sequence[int]]]


class SlicesError(ValueError):
    """Slices that are no partition of a tensor; it never leaves ``checkpoint``."""


def as_slices(given: Any, shape: Tuple[int, ...]) -> Tuple[TensorSlice, ...]:
    """Returns slices that make up a tensor.

    Args:
      given: ``TensorSlice`` objects, or pairs of start and shape.
      shape: The shape of the whole.

    Raises:
      SlicesError: One is none or is no part of the tensor, or together they leave out
        elements or have some twice.
    """
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence):
        raise SlicesError(f"{given!r} is no list of slices")
    slices = tuple(map(_as_slice, given))
    for part in slices:
        reason = part_fault(shape, part)
        if reason is not None:
            raise SlicesError(reason)
    if any_overlap(slices):
        raise SlicesError("slices overlap")
    if not slices:
        raise SlicesError("there is no slice")
    missing = count_stored(shape, ()) - count_stored(shape, slices)
    if missing:
        raise SlicesError(f"{missing} elements of {list(shape)} are in no slice")
    return slices


def is_whole(part: TensorSlice, shape: Tuple[int, ...]) -> bool:
    """Returns whether a slice is all of a tensor."""
    return part == TensorSlice((0,) * len(shape), tuple(shape))


def part_fault(shape: Tuple[int, ...], part: TensorSlice) -> Optional[str]:
    """Returns why this can be no slice of a tensor of that shape, or None.

    TensorFlow takes no slice that is empty (``TensorSlice::Parse``), unless it is all
    of the tensor.
    """
    text = part_text(part)
    if not len(part.start) == len(part.shape) == len(shape):
        return f"{text} has not the axes of {list(shape)}"
    if any(start < 0 for start in (*part.start, *part.shape)):
        return f"{text} begins before 0"
    ends = (start + size for start, size in zip(part.start, part.shape))
    if any(end > size for end, size in zip(ends, shape)):
        return f"{text} reaches beyond {list(shape)}"
    if 0 in part.shape and not is_whole(part, shape):
        return f"{text} is empty"
    return None


def part_text(part: TensorSlice) -> str:
    """Returns a slice as messages show it."""
    return f"the slice {list(part.shape)} from {list(part.start)}"


def _as_slice(given: Any) -> TensorSlice:
    if isinstance(given, TensorSlice):
        return given
    try:
        start, shape = given
        return TensorSlice(
            tuple(map(operator.index, start)), tuple(map(operator.index, shape))
        )
    except (TypeError, ValueError) as error:
        raise SlicesError(f"{given!r} is no pair of start and shape") from error
