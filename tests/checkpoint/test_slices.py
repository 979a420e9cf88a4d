"""Tests of slices and of the keys under which they are stored."""

import itertools

import pytest

from legacy_restore.checkpoint.slices import (
    Extent,
    TensorSlice,
    any_overlap,
    count_stored,
    covers,
    gap_in,
    overlapping,
    slice_key,
    tensor_of_slice_key,
)
from tests.checkpoint import golden
from tests.checkpoint.builders import pairs_of

ALL = Extent()


def keys_of_slices(folder):
    index = pairs_of(golden.path_of(folder + "/model.ckpt.index"))
    return {key for key in index if key.startswith(b"\0")}


def slices_along(name, axis, other_axis, *bounds):
    """The keys of the slices between bounds on one axis of two."""
    keys = set()
    for start, end in zip(bounds, bounds[1:]):
        extents = [other_axis, other_axis]
        extents[axis] = Extent(start, end - start)
        keys.add(slice_key(name, extents))
    return keys


def test_keys_are_those_that_tensorflow_wrote():
    # A Saver names the length of an axis that is taken whole.
    expected = set()
    for slot in (b"", b"/Adagrad"):
        expected |= slices_along(b"rows" + slot, 0, Extent(0, 4), 0, 3, 5, 7)
        expected |= slices_along(b"columns" + slot, 1, Extent(0, 3), 0, 4, 7, 10)
    assert keys_of_slices("tf1_15_partitioned") == expected


def test_keys_of_starts_from_64_are_those_that_tensorflow_wrote():
    # Up to 5,899: numbers of one byte (below 64) and of two (below 8,192).
    expected = slices_along(b"net/block3/embedding", 0, ALL, *range(5901))
    assert keys_of_slices("tf1_15_many") == expected


@pytest.mark.parametrize(
    "start, encoded",
    [
        (0, "80"),
        (63, "bf"),
        (64, "c040"),
        (8191, "dfff"),
        (8192, "e02000"),
        (1048575, "efffff"),
        (1048576, "f0100000"),
        ((1 << 62) - 1, "ffbfffffffffffffff"),
        (1 << 62, "ffc04000000000000000"),
        ((1 << 63) - 1, "ffc07fffffffffffffff"),
    ],
)
def test_starts_have_the_length_of_their_size(start, encoded):
    # As the table in ordered_code.cc has it: seven bits in a first byte, and so on.
    key = slice_key(b"n", [Extent(start, 1)])
    assert key == b"\0" + b"n\0\1" + b"\1\1" + bytes.fromhex(encoded) + b"\x81"


def test_whole_axis_has_length_minus_one():
    assert slice_key(b"n", [ALL]) == b"\0" + b"n\0\1" + b"\1\1" + b"\x80" + b"\x7f"


def test_nul_and_ff_in_names_are_escaped():
    assert slice_key(b"a\0b\xffc", []) == b"\0" + b"a\0\xffb\xff\0c\0\1" + b"\0"


def test_keys_sort_as_their_slices():
    starts = [0, 1, 63, 64, 65, 8191, 8192, 1 << 20, 1 << 27, 1 << 40, 1 << 62]
    keys = [slice_key(b"n", [Extent(start, 1)]) for start in starts]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_part_selects_its_elements():
    part = TensorSlice((2, 0), (3, 4))
    assert part.as_index() == (slice(2, 5), slice(0, 4))


def naive_overlap(parts):
    return any(a.overlaps(b) for a, b in itertools.combinations(parts, 2))


@pytest.mark.parametrize(
    "a, b, expected",
    [
        (((0,), (3,)), ((3,), (2,)), False),
        (((0,), (3,)), ((2,), (2,)), True),
        (((0, 0), (2, 2)), ((0, 2), (2, 2)), False),
        (((0, 0), (2, 2)), ((1, 1), (2, 2)), True),
        (((0, 0), (2, 2)), ((2, 2), (2, 2)), False),
        (((), ()), ((), ()), True),
    ],
)
def test_overlap_needs_a_common_element(a, b, expected):
    parts = [TensorSlice(*a), TensorSlice(*b)]
    assert parts[0].overlaps(parts[1]) is expected
    assert any_overlap(parts) is expected
    assert any_overlap(parts[::-1]) is expected


def test_parts_cover_what_they_hold_together():
    rows = [TensorSlice((0, 0), (2, 5)), TensorSlice((2, 0), (1, 5))]
    assert covers(rows, TensorSlice((0, 0), (3, 5)))
    assert covers(rows, TensorSlice((1, 1), (2, 3)))
    assert covers(rows[1:], TensorSlice((2, 0), (1, 5)))
    assert not covers(rows, TensorSlice((2, 0), (2, 5)))
    assert not covers(rows[1:], TensorSlice((1, 0), (2, 5)))
    assert not covers([], TensorSlice((0,), (1,)))


def test_elements_of_all_parts_are_counted():
    assert count_stored((3, 5), [TensorSlice((0, 0), (2, 5))]) == 10
    assert count_stored((3, 5), []) == 15


def test_one_part_or_none_overlaps_nothing():
    assert not any_overlap([])
    assert not any_overlap([TensorSlice((0,), (3,))])


def test_overlap_among_many_is_found_as_by_comparing_all():
    hypothesis = pytest.importorskip("hypothesis")
    some = hypothesis.strategies

    def parts_of(rank):
        starts = some.tuples(*[some.integers(0, 6)] * rank)
        shapes = some.tuples(*[some.integers(1, 3)] * rank)
        return some.lists(some.builds(TensorSlice, starts, shapes), max_size=6)

    @hypothesis.settings(deadline=None, max_examples=200, derandomize=True)
    @hypothesis.given(some.integers(1, 3).flatmap(parts_of))
    def check(parts):
        assert any_overlap(parts) is naive_overlap(parts)

    check()


@pytest.mark.parametrize("is_tall", [True, False], ids=["rows", "columns"])
def test_overlap_among_thousands_is_found_in_reasonable_time(is_tall):
    def part(start):
        place = ((start, 0), (1, 9)) if is_tall else ((0, start), (9, 1))
        return TensorSlice(*place)

    parts = [part(start) for start in range(50_000)]
    assert not any_overlap(parts)
    assert any_overlap([*parts, parts[49_000]])


def test_overlap_and_gap_are_named_by_their_places():
    rows = [TensorSlice((0, 0), (2, 5)), TensorSlice((3, 0), (1, 5))]
    assert overlapping(rows) is None
    assert str(gap_in((4, 5), rows)) == "[2:3,0:5]"
    assert gap_in((2, 5), rows[:1]) is None
    both = overlapping([*rows, TensorSlice((1, 4), (1, 1))])
    assert tuple(map(str, both)) == ("[0:2,0:5]", "[1:2,4:5]")


def test_random_keys_of_slices_name_their_tensor():
    hypothesis = pytest.importorskip("hypothesis")
    some = hypothesis.strategies
    lengths = some.one_of(some.none(), some.integers(0, (1 << 63) - 1))
    extents = some.builds(Extent, some.integers(0, (1 << 63) - 1), lengths)
    names = some.lists(some.sampled_from([b"\0", b"\xff", b"\1", b"a/b"])).map(b"".join)

    @hypothesis.settings(deadline=None, max_examples=300, derandomize=True)
    @hypothesis.given(names, some.lists(extents, max_size=4))
    def check(name, spec):
        assert tensor_of_slice_key(slice_key(name, spec)) == name

    check()


@pytest.mark.parametrize("key", [b"", b"a", b"\0", b"\0abc", b"\0a\0b\0\1"])
def test_other_keys_name_no_tensor(key):
    assert tensor_of_slice_key(key) is None
