"""Tests of the protocol buffers inside an index."""

import pytest

from legacy_restore import errors
from legacy_restore.checkpoint.entries import (
    MAX_SHARDS,
    _parse_any,
    _parse_usual,
    parse_entry,
    parse_header,
)
from legacy_restore.checkpoint.slices import Extent
from legacy_restore.checkpoint.wire import FormatError
from tests.checkpoint.builders import (
    entry,
    fixed32,
    header,
    message,
    number,
    parts_along,
    varint,
)


def test_header_says_shards_and_byte_order():
    little = parse_header(header(num_shards=3))
    assert (little.num_shards, little.is_big_endian) == (3, False)
    assert parse_header(header(endianness=1)).is_big_endian


@pytest.mark.parametrize("num_shards", [-1, MAX_SHARDS + 1, 1 << 40])
def test_header_with_an_impossible_number_of_shards_is_refused(num_shards):
    with pytest.raises(FormatError):
        parse_header(header(num_shards=num_shards))


@pytest.mark.parametrize("endianness", [2, -1])
def test_header_with_an_unknown_byte_order_is_refused(endianness):
    with pytest.raises(FormatError):
        parse_header(header(endianness=endianness))


@pytest.mark.parametrize("min_consumer", [0, 1])
def test_checkpoint_for_readers_of_this_version_is_read(min_consumer):
    assert parse_header(header(min_consumer=min_consumer)).num_shards == 1


@pytest.mark.parametrize("min_consumer", [2, 1 << 31 - 1])
def test_checkpoint_for_later_readers_is_refused_by_its_version(min_consumer):
    with pytest.raises(errors.UnsupportedCheckpointError, match=str(min_consumer)):
        parse_header(header(min_consumer=min_consumer))


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "one by one"])
def test_checkpoint_that_forbids_this_version_is_refused(packed):
    forbids_others = header(bad_consumers=[0, 2, 300], packed=packed)
    assert parse_header(forbids_others).num_shards == 1
    with pytest.raises(errors.UnsupportedCheckpointError):
        parse_header(header(bad_consumers=[0, 300, 1], packed=packed))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xff", id="no message"),
        pytest.param(message(1, b"ab"), id="shards as bytes"),
        pytest.param(number(3, 1), id="version as a number"),
        pytest.param(message(3, b"\xff"), id="version no message"),
        pytest.param(message(3, message(3, b"\xff")), id="packed numbers cut off"),
    ],
)
def test_header_that_contradicts_the_format_is_refused(data):
    with pytest.raises(FormatError):
        parse_header(data)


def test_entry_says_all_of_a_tensor():
    found = parse_entry(entry(3, (2, 5), 7, 1 << 40, 40, 0xFFFFFFFF))
    assert (found.dtype.name, found.shape, found.shard) == ("int32", (2, 5), 7)
    assert (found.offset, found.size, found.crc32c) == (1 << 40, 40, 0xFFFFFFFF)
    assert found.slices == ()
    assert found.num_elements == 10


def test_absent_fields_are_zero_as_proto3_has_it():
    found = parse_entry(number(1, 4) + number(5, 1))
    assert (found.shape, found.shard, found.offset, found.crc32c) == ((), 0, 0, 0)


def test_unknown_fields_are_passed_over():
    data = number(90, 1) + message(91, b"\xff") + entry(4, (3,), size=3)
    assert parse_entry(data).shape == (3,)


def test_slices_come_with_their_extents():
    slices = [(Extent(3, 2), Extent()), (Extent(5, 2), Extent())]
    found = parse_entry(entry(1, (7, 4), slices=slices))
    assert list(found.slices) == slices


def test_unknown_dtype_is_kept_whatever_its_size():
    found = parse_entry(entry(77, (3,), size=5))
    assert found.dtype.itemsize is None
    assert "77" in found.dtype.name


def dims(*sizes):
    return message(2, b"".join(message(2, number(1, size)) for size in sizes))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(entry(1, (-1,), size=4), id="negative dimension"),
        pytest.param(entry(1, (-1, -1), size=4), id="two negative dimensions"),
        pytest.param(entry(1, (2,), offset=-8, size=8), id="negative offset"),
        pytest.param(entry(1, (2,), size=-8), id="negative size"),
        pytest.param(entry(1, (2,), shard=-1, size=8), id="negative shard"),
        pytest.param(entry(1, (2,), size=7), id="size too small"),
        pytest.param(entry(1, (2,), size=9), id="size too large"),
        pytest.param(entry(1, (1 << 32, 1 << 32), size=0), id="product of 2**64"),
        pytest.param(entry(1, (1 << 62,), size=0), id="bytes of 2**64"),
        pytest.param(entry(1, (1 << 62, 1 << 62), size=4), id="huge dimensions"),
        pytest.param(number(1, 1) + dims(*[1] * 255) + number(5, 4), id="rank 255"),
        pytest.param(message(2, number(3, 1)), id="unknown rank"),
        pytest.param(message(1, b"ab"), id="dtype as bytes"),
        pytest.param(number(2, 3), id="shape as a number"),
        pytest.param(message(2, b"\xff"), id="shape no message"),
        pytest.param(message(2, message(2, b"\xff")), id="dimension no message"),
        pytest.param(message(6, b"abcd"), id="checksum as bytes"),
        pytest.param(entry(1, (7,), slices=[(Extent(-1, 2),)]), id="negative start"),
        pytest.param(entry(1, (7,), slices=[(Extent(1, -2),)]), id="negative length"),
        pytest.param(message(7, number(1, 1)), id="extent as a number"),
        pytest.param(varint(1 << 3), id="ends within a field"),
        pytest.param(fixed32(6, 1)[:-1], id="ends within the checksum"),
    ],
)
def test_entry_that_contradicts_itself_or_the_format_is_refused(data):
    with pytest.raises(FormatError):
        parse_entry(data)


def test_rank_254_is_the_highest_that_tensorflow_has():
    found = parse_entry(number(1, 1) + dims(*[1] * 254) + number(5, 4))
    assert len(found.shape) == 254


def outcome(parse, data):
    """What a function makes of some bytes: an entry, or the text of its error."""
    try:
        return parse(data)
    except FormatError as error:
        return str(error)


def test_the_fast_way_says_what_the_general_way_says():
    usual = [
        entry(1, [2, 3], 0, 1 << 40, 24, 0xDEADBEEF),
        entry(7, [4], 3, 200, 300, 1),
        entry(1, [], 0, 0, 4) + number(9, 1),
        entry(1, [], 0, -1, 4),
        entry(1, [2], 0, 0, 0, slices=parts_along(0, [2], [1, 1])),
        entry(99, [1 << 62, 1 << 62], 0, 0, 5),
        entry(1, [2], 0, 0, 9),
    ]
    for data in usual:
        for end in range(len(data) + 1):
            changed = data[:end]
            assert outcome(parse_entry, changed) == outcome(_parse_any, changed)
        for position in range(len(data)):
            for value in (0x00, 0x7F, 0x80, 0xFF, data[position] ^ 1, 0x35, 0x12):
                changed = data[:position] + bytes([value]) + data[position + 1 :]
                assert outcome(parse_entry, changed) == outcome(_parse_any, changed)


def test_entries_as_tensorflow_writes_them_go_the_fast_way():
    data = entry(1, [2, 3], 1, 1 << 40, 24, 0xDEADBEEF)
    assert _parse_usual(data) == _parse_any(data)
    assert _parse_usual(entry(1, [2], 0, -1, 8)) is None


def test_any_bytes_have_the_same_outcome_both_ways():
    hypothesis = pytest.importorskip("hypothesis")

    @hypothesis.settings(max_examples=300, deadline=None)
    @hypothesis.given(hypothesis.strategies.binary(max_size=24))
    def compare(data):
        assert outcome(parse_entry, data) == outcome(_parse_any, data)

    compare()
