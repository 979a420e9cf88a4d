"""Tests of the protocol-buffer wire format."""

import pytest

from legacy_restore.checkpoint import wire
from tests.checkpoint.builders import fixed32, message, number, varint


@pytest.mark.parametrize(
    "value, encoded",
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (300, "ac02"),
        (1 << 63, "80808080808080808001"),
        ((1 << 64) - 1, "ffffffffffffffffff01"),
    ],
)
def test_varint_is_decoded_up_to_64_bits(value, encoded):
    data = b"\x7f" + bytes.fromhex(encoded) + b"\x7f"
    assert wire.read_varint(data, 1) == (value, len(data) - 1)


@pytest.mark.parametrize(
    "encoded", ["", "80", "ffff", "ffffffffffffffffff02", "8080808080808080808000"]
)
def test_varint_that_ends_early_or_is_too_long_is_refused(encoded):
    with pytest.raises(wire.FormatError):
        wire.read_varint(bytes.fromhex(encoded), 0)


def test_packed_varints_are_unpacked():
    assert wire.unpack_varints(varint(1) + varint(300) + varint(0)) == [1, 300, 0]


def test_packed_varints_that_end_within_one_are_refused():
    with pytest.raises(wire.FormatError):
        wire.unpack_varints(varint(300)[:1])


def test_fields_of_every_wire_type_come_in_their_order():
    data = number(1, 5) + message(2, b"ab") + fixed32(3, 7) + b"\x21" + b"\x08" * 8
    assert [(f.number, f.wire_type, f.value) for f in wire.read_fields(data)] == [
        (1, wire.VARINT, 5),
        (2, wire.BYTES, b"ab"),
        (3, wire.FIXED32, 7),
        (4, wire.FIXED64, 0x0808080808080808),
    ]


def test_negative_number_comes_back_from_its_ten_bytes():
    (field,) = wire.read_fields(number(1, -5))
    assert field.as_signed() == -5
    assert field.as_int() == (1 << 64) - 5


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x00\x01", id="field number 0"),
        pytest.param(b"\x0b", id="group start"),
        pytest.param(b"\x0c", id="group end"),
        pytest.param(b"\x0e\x00", id="wire type 6"),
        pytest.param(b"\x08", id="no value"),
        pytest.param(b"\x0a\x03ab", id="bytes beyond the end"),
        pytest.param(b"\x0d\x01\x02\x03", id="three bytes of four"),
        pytest.param(b"\x09" + bytes(7), id="seven bytes of eight"),
        pytest.param(b"\x0a" + varint(1 << 63), id="length beyond any file"),
    ],
)
def test_message_that_contradicts_the_format_is_refused(data):
    with pytest.raises(wire.FormatError):
        list(wire.read_fields(data))


def test_field_of_the_other_type_is_refused():
    of_number, of_bytes = wire.read_fields(number(1, 5) + message(2, b"ab"))
    with pytest.raises(wire.FormatError):
        of_number.as_bytes()
    with pytest.raises(wire.FormatError):
        of_bytes.as_int()
    with pytest.raises(wire.FormatError):
        of_bytes.as_signed()


def test_random_messages_come_back():
    hypothesis = pytest.importorskip("hypothesis")
    some = hypothesis.strategies
    numbers = some.integers(1, (1 << 29) - 1)
    fields = some.one_of(
        some.tuples(some.just(wire.VARINT), numbers, some.integers(0, (1 << 64) - 1)),
        some.tuples(some.just(wire.BYTES), numbers, some.binary()),
        some.tuples(some.just(wire.FIXED32), numbers, some.integers(0, (1 << 32) - 1)),
    )
    write = {wire.VARINT: number, wire.BYTES: message, wire.FIXED32: fixed32}

    @hypothesis.settings(deadline=None, max_examples=200, derandomize=True)
    @hypothesis.given(some.lists(fields))
    def check(expected):
        data = b"".join(write[kind](where, value) for kind, where, value in expected)
        found = [
            (one.wire_type, one.number, one.value) for one in wire.read_fields(data)
        ]
        assert found == expected

    check()


def test_random_bytes_are_fields_or_refused():
    hypothesis = pytest.importorskip("hypothesis")

    @hypothesis.settings(deadline=None, max_examples=500, derandomize=True)
    @hypothesis.given(hypothesis.strategies.binary())
    def check(data):
        for read in (wire.read_fields, wire.unpack_varints):
            try:
                found = list(read(data))
            except wire.FormatError:
                continue
            assert len(found) <= len(data)

    check()
