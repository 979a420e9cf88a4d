"""Tests of boxes: overlaps and gaps, however space is cut."""

import itertools

import pytest

from legacy_restore.checkpoint.boxes import Box, find_gap, find_overlap


def box(start, shape):
    return Box(tuple(start), tuple(a + b for a, b in zip(start, shape)))


def grid(*sizes):
    ones = (1,) * len(sizes)
    return [box(start, ones) for start in itertools.product(*map(range, sizes))]


def pinwheel():
    """Four boxes around a fifth: no straight cut leaves all of them whole."""
    return [
        box((0, 0), (2, 1)),
        box((2, 0), (1, 2)),
        box((1, 2), (2, 1)),
        box((0, 1), (1, 2)),
        box((1, 1), (1, 1)),
    ]


@pytest.mark.parametrize("sizes", [(20_000,), (140, 140), (27, 27, 27)])
def test_tens_of_thousands_of_parts_take_no_time(sizes):
    # Hours, if each is compared with each; half a minute, if with those in its row.
    boxes = grid(*sizes)
    assert find_overlap(boxes) is None
    assert find_overlap([*boxes, boxes[-7]]) == (len(boxes) - 7, len(boxes))
    whole = box([0] * len(sizes), sizes)
    assert find_gap(whole, boxes) is None
    assert find_gap(whole, [*boxes[:-3], *boxes[-2:]]) == boxes[-3]


def test_bricks_that_no_line_divides_are_told_apart():
    rows = [
        [box((row, start), (1, 7)) for start in range(-(row % 7), 2000, 7)]
        for row in range(60)
    ]
    boxes = [one for row in rows for one in row]
    assert find_overlap(boxes) is None
    assert find_overlap([*boxes, box((30, 1000), (2, 1))]) is not None


def test_boxes_that_no_cut_leaves_whole_are_told_apart():
    boxes = pinwheel()
    assert find_overlap(boxes) is None
    assert find_gap(box((0, 0), (3, 3)), boxes) is None
    assert find_gap(box((0, 0), (3, 3)), boxes[:-1]) == boxes[-1]
    assert find_overlap([*boxes[:-1], box((0, 0), (2, 2))]) is not None


def test_bars_across_each_other_in_three_directions_are_told_apart():
    boxes = []
    for a, b in itertools.product(range(5), repeat=2):
        boxes += [
            box((2 * a, 2 * b, 0), (1, 1, 10)),
            box((2 * a + 1, 0, 2 * b), (1, 10, 1)),
            box((0, 2 * a + 1, 2 * b + 1), (10, 1, 1)),
        ]
    assert find_overlap(boxes) is None
    assert find_overlap([*boxes, box((0, 0, 3), (1, 1, 1))]) is not None


def test_boxes_without_axes_are_one_point():
    point = Box((), ())
    assert find_overlap([point, point]) == (0, 1)
    assert find_gap(point, []) == point
    assert find_gap(point, [point]) is None


def test_empty_boxes_share_and_cover_nothing():
    empty = box((1, 1), (0, 5))
    assert find_overlap([empty, empty, box((0, 0), (9, 9))]) is None
    assert find_gap(box((0, 0), (2, 0)), []) is None
    assert find_gap(box((0, 0), (2, 2)), [empty]) == box((0, 0), (2, 2))


def test_boxes_of_many_axes_are_told_apart():
    rank = 254
    starts = [[int(one == axis) for one in range(rank)] for axis in range(rank)]
    boxes = [box(start, (1,) * rank) for start in starts]
    assert find_overlap(boxes) is None
    assert find_overlap([*boxes, boxes[9]]) == (9, rank)


def test_overlaps_and_gaps_are_those_found_point_by_point():
    hypothesis = pytest.importorskip("hypothesis")
    some = hypothesis.strategies

    def boxes_of(rank):
        starts = some.tuples(*[some.integers(0, 4)] * rank)
        shapes = some.tuples(*[some.integers(0, 4)] * rank)
        return some.lists(some.builds(box, starts, shapes), min_size=1, max_size=8)

    @hypothesis.settings(deadline=None, max_examples=500, derandomize=True)
    @hypothesis.given(some.integers(1, 3).flatmap(boxes_of))
    def check(boxes):
        points = [
            set(itertools.product(*map(range, one.start, one.end))) for one in boxes
        ]
        pairs = {
            (a, b)
            for a, b in itertools.combinations(range(len(boxes)), 2)
            if points[a] & points[b]
        }
        found = find_overlap(boxes)
        assert found in pairs if pairs else found is None
        if pairs:
            return
        space = box((0,) * len(boxes[0].start), (6,) * len(boxes[0].start))
        gap = find_gap(space, boxes)
        inside = set(itertools.product(range(6), repeat=len(boxes[0].start)))
        free = inside - set().union(*points)
        if not free:
            assert gap is None
        else:
            assert set(itertools.product(*map(range, gap.start, gap.end))) <= free
            assert not gap.is_empty

    check()
