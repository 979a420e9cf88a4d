"""Boxes on a grid of integers: which two share a cell, and what none of them covers.

The slices of a partitioned tensor are such boxes. A file may declare hundred thousands
of them, cut in any way: to compare each with each takes hours.

Parts that are cut along the same lines, as TensorFlow's partitioners cut them, are told
apart by where they begin. All others are divided: the space is cut at the edge of a
box, and each half looked at with the boxes that reach into it, until a box fills what
is left (another box there has cells in common with it) or none is there (a gap).
"""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple


class Box(NamedTuple):
    """A box: all points from ``start`` up to, without, ``end`` on each axis."""

    start: Tuple[int, ...]
    end: Tuple[int, ...]

    @property
    def is_empty(self) -> bool:
        """Whether no point is in it; a box without axes holds one."""
        return any(start >= end for start, end in zip(self.start, self.end))

    def meets(self, other: Box) -> bool:
        """Returns whether the two have a point in common; neither is empty."""
        return all(
            start < other_end and other_start < end
            for start, end, other_start, other_end in zip(*self, *other)
        )


class _Region(NamedTuple):
    """A part of space and the numbers of the boxes that reach into it."""

    space: Box
    inside: List[int]


class _Cut(NamedTuple):
    axis: int
    place: int


def find_overlap(boxes: Sequence[Box]) -> Optional[Tuple[int, int]]:
    """Returns the numbers of two boxes with a point in common, None without such.

    Args:
      boxes: Boxes of one number of axes; empty ones share nothing.
    """
    filled = [number for number, box in enumerate(boxes) if not box.is_empty]
    if len(filled) < 2:
        return None
    if _is_cut_alike([boxes[number] for number in filled]):
        return _find_equal_starts(boxes, filled)
    left = len(filled) ** 2
    waiting = [_Region(_around(boxes, filled), filled)]
    while waiting:
        space, inside = waiting.pop()
        left -= len(inside)
        if left < 0:  # Boxes that no cut divides well: then no worse than this.
            return _compare_all(boxes, filled)
        if len(inside) < 2:
            continue
        filling = _find_filling(boxes, space, inside)
        if filling is not None:
            other = next(number for number in inside if number != filling)
            return min(filling, other), max(filling, other)
        waiting += _halves(boxes, space, inside)
    return None


def find_gap(space: Box, boxes: Sequence[Box]) -> Optional[Box]:
    """Returns a part of ``space`` that no box covers, None if they cover all of it.

    Args:
      space: What is to be covered.
      boxes: Boxes of as many axes, which do not overlap.
    """
    if space.is_empty:
        return None
    numbers = range(len(boxes))
    inside = [n for n in numbers if not boxes[n].is_empty and boxes[n].meets(space)]
    waiting = [_Region(space, inside)]
    while waiting:
        space, inside = waiting.pop()
        if not inside:
            return space
        if _find_filling(boxes, space, inside) is None:
            waiting += reversed(_halves(boxes, space, inside))
    return None


def _is_cut_alike(boxes: Sequence[Box]) -> bool:
    """Whether on every axis two boxes have the same place, or nothing in common."""
    for axis in range(len(boxes[0].start)):
        places = sorted({(box.start[axis], box.end[axis]) for box in boxes})
        if any(one[1] > other[0] for one, other in zip(places, places[1:])):
            return False
    return True


def _find_equal_starts(
    boxes: Sequence[Box], numbers: Sequence[int]
) -> Optional[Tuple[int, int]]:
    seen: Dict[Tuple[int, ...], int] = {}
    for number in numbers:
        first = seen.setdefault(boxes[number].start, number)
        if first != number:
            return first, number
    return None


def _compare_all(
    boxes: Sequence[Box], numbers: Sequence[int]
) -> Optional[Tuple[int, int]]:
    for place, number in enumerate(numbers):
        for other in numbers[:place]:
            if boxes[number].meets(boxes[other]):
                return other, number
    return None


def _around(boxes: Sequence[Box], numbers: Sequence[int]) -> Box:
    """The smallest box around some."""
    starts = zip(*(boxes[number].start for number in numbers))
    ends = zip(*(boxes[number].end for number in numbers))
    return Box(tuple(map(min, starts)), tuple(map(max, ends)))


def _find_filling(
    boxes: Sequence[Box], space: Box, inside: Sequence[int]
) -> Optional[int]:
    """The number of a box that fills a part of space, or None."""
    for number in inside:
        start, end = boxes[number]
        if all(one <= other for one, other in zip(start, space.start)) and all(
            one >= other for one, other in zip(end, space.end)
        ):
            return number
    return None


def _halves(boxes: Sequence[Box], space: Box, inside: Sequence[int]) -> List[_Region]:
    axis, place = _best_cut(boxes, space, inside)
    end = (*space.end[:axis], place, *space.end[axis + 1 :])
    start = (*space.start[:axis], place, *space.start[axis + 1 :])
    return [
        _Region(
            Box(space.start, end), [n for n in inside if boxes[n].start[axis] < place]
        ),
        _Region(
            Box(start, space.end), [n for n in inside if boxes[n].end[axis] > place]
        ),
    ]


def _best_cut(boxes: Sequence[Box], space: Box, inside: Sequence[int]) -> _Cut:
    """The cut at the edge of a box that leaves the fewest in the larger half."""
    best: Optional[_Cut] = None
    best_cost = (0, 0)
    for axis, (low, high) in enumerate(zip(*space)):
        starts = [boxes[number].start[axis] for number in inside]
        ends = [boxes[number].end[axis] for number in inside]
        edges = sorted(edge for edge in (*starts, *ends) if low < edge < high)
        if not edges:
            continue
        place = edges[len(edges) // 2]
        before = sum(start < place for start in starts)
        behind = sum(end > place for end in ends)
        cost = (max(before, behind), before + behind)
        if best is None or cost < best_cost:
            best, best_cost = _Cut(axis, place), cost
    assert best is not None  # A box that does not fill a space has an edge in it.
    return best
