"""Wire format: what is written is what the reader reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legacy_restore.checkpoint import wire, wire_writer
from tests.checkpoint import builders

INT64 = st.integers(-(1 << 63), (1 << 64) - 1)


@given(INT64)
def test_varints_are_read_back(value):
    data = wire_writer.varint(value)
    assert data == builders.varint(value)
    assert wire.read_varint(data, 0) == (value & ((1 << 64) - 1), len(data))
    if value >= 0:
        assert wire_writer.varint_size(value) == len(data)


@given(st.integers(1, 500), INT64.filter(bool), st.binary(max_size=200))
def test_fields_are_read_back(number, value, data):
    message = wire_writer.number_field(number, value)
    message += wire_writer.bytes_field(number, data)
    message += wire_writer.fixed32_field(number, value & 0xFFFFFFFF)
    fields = list(wire.read_fields(message))
    assert [one.number for one in fields] == [number] * len(fields)
    assert fields[0].as_int() == value & ((1 << 64) - 1)
    assert fields[1].as_bytes() == data
    if value & 0xFFFFFFFF:
        assert fields[2].as_int() == value & 0xFFFFFFFF


def test_default_values_are_left_out_but_for_those_of_a_oneof():
    assert wire_writer.number_field(1, 0) == b""
    assert wire_writer.fixed32_field(1, 0) == b""
    assert wire_writer.present_number_field(2, 0) == b"\x10\0"
    assert wire_writer.bytes_field(2, b"") == b"\x12\0"


@pytest.mark.parametrize(("value", "size"), [(0, 1), (127, 1), (128, 2), (1 << 63, 10)])
def test_sizes_of_varints(value, size):
    assert wire_writer.varint_size(value) == size == len(wire_writer.varint(value))
