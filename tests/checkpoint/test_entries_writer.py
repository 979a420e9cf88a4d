"""Entries of an index: what is written is what the reader reads."""

from hypothesis import given
from hypothesis import strategies as st

from legacy_restore.checkpoint import dtypes
from legacy_restore.checkpoint.entries import (
    BundleEntry,
    BundleHeader,
    parse_entry,
    parse_header,
)
from legacy_restore.checkpoint.entries_writer import encode_entry, encode_header
from legacy_restore.checkpoint.slices import Extent
from tests.checkpoint import golden
from tests.checkpoint.builders import pairs_of

SIZES = st.integers(0, 1 << 40)
EXTENTS = st.one_of(
    st.builds(Extent), st.builds(Extent, SIZES, st.integers(0, 1 << 40))
)


@given(st.integers(0, 99_999), st.booleans())
def test_headers(num_shards, is_big_endian):
    header = BundleHeader(num_shards, is_big_endian)
    assert parse_header(encode_header(header)) == header


@given(
    st.lists(SIZES, max_size=5).map(tuple),
    st.integers(0, 99_998),
    SIZES,
    SIZES,
    st.integers(0, 0xFFFFFFFF),
    st.lists(st.lists(EXTENTS, max_size=4).map(tuple), max_size=4).map(tuple),
    st.sampled_from([dtypes.BY_NAME["string"], dtypes.from_number(77)]),
)
def test_entries(shape, shard, offset, size, crc, slices, dtype):
    entry = BundleEntry(dtype, shape, shard, offset, size, crc, slices)
    assert parse_entry(encode_entry(entry)) == entry


def test_entries_of_tensorflow_are_written_byte_by_byte():
    count = 0
    for prefix in golden.prefixes("V2"):
        for key, value in pairs_of(golden.path_of(prefix) + ".index").items():
            if key == b"":
                assert encode_header(parse_header(value)) == value
            else:
                assert encode_entry(parse_entry(value)) == value
            count += 1
    assert count > 6000
