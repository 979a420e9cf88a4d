"""The stored form of tensors: bytes, checksums, and how little memory they take."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legacy_restore import errors
from legacy_restore.checkpoint import checksum, dtypes, tensor_bytes
from legacy_restore.checkpoint.tensor_bytes import (
    count_bytes,
    stored_array,
    stored_raw,
)
from tests.checkpoint.builders import memory_below, strings, varint

FLOAT = dtypes.BY_NAME["float32"]
STRING = dtypes.BY_NAME["string"]


def stored_and_crc(tensor):
    stored, crc = b"", 0
    for chunk in tensor.chunks:
        stored += bytes(chunk.stored)
        crc = checksum.extend(
            crc, chunk.stored if chunk.covered is None else chunk.covered
        )
    return stored, crc


def layouts(array):
    yield array
    yield np.array(array, order="F")
    yield np.array(array, array.dtype.newbyteorder(">"))
    yield np.array(array, array.dtype.newbyteorder(">"), order="F")
    wide = np.zeros([2 * size for size in array.shape], array.dtype)
    view = wide[(*(slice(None, None, 2) for _ in array.shape), ...)]
    view[...] = array
    yield view
    reverse = (*(slice(None, None, -1) for _ in array.shape), ...)
    yield np.array(array[reverse])[reverse]
    read_only = array.copy()
    read_only.setflags(write=False)
    yield read_only


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5), (2, 3, 4), (0,), (3, 0, 2)])
@pytest.mark.parametrize(
    "dtype", ["f4", "f8", "f2", "i1", "i8", "u2", "c8", "c16", "?", "i4"]
)
def test_every_layout_gives_the_bytes_of_the_array(dtype, shape, monkeypatch):
    monkeypatch.setattr(tensor_bytes, "_CHUNK_BYTES", 24)
    random = np.random.RandomState(0)
    array = np.array(random.randint(0, 255, shape) - 100).astype(dtype)
    found = dtypes.BY_NAME[array.dtype.name]
    for one in layouts(array):
        assert np.array_equal(one, array)
        stored, crc = stored_and_crc(stored_array(one, found))
        assert stored == array.astype(array.dtype.newbyteorder("<")).tobytes()
        assert crc == checksum.crc32c(stored)
        assert count_bytes(one) == len(stored)


def test_signalling_nans_keep_their_bits_in_every_layout():
    bits = np.uint32([0x7F800001, 0xFFA00000, 0x7FC00000, 0x80000000])
    for one in layouts(bits.view("f4").reshape(2, 2)):
        # NumPy's own conversions may make quiet ones: compare where it made none.
        expected = one.astype("<f4").tobytes() if one.dtype.isnative else None
        if expected == bits.tobytes():
            assert stored_and_crc(stored_array(one, FLOAT))[0] == bits.tobytes()
    swapped = bits.byteswap().view(">f4")
    assert stored_and_crc(stored_array(swapped, FLOAT))[0] == bits.tobytes()
    pairs = bits.view("c8")
    assert stored_and_crc(stored_array(pairs, dtypes.BY_NAME["complex64"])) == (
        bits.tobytes(),
        checksum.crc32c(bits.tobytes()),
    )


def test_broadcast_arrays_are_written_out():
    array = np.broadcast_to(np.float32([1, 2]), (3, 2))
    stored, _ = stored_and_crc(stored_array(array, FLOAT))
    assert stored == np.float32([1, 2] * 3).tobytes()


@pytest.mark.parametrize("layout", ["C", "F", "strided", "swapped"])
def test_a_large_tensor_takes_no_second_copy(layout):
    array = np.zeros([1024, 4096], np.float32)
    if layout == "F":
        array = array.T
    elif layout == "strided":
        array = array[::2, ::2]
    elif layout == "swapped":
        array = array.view(">f4")
    with memory_below(8 << 20):
        total = sum(len(chunk.stored) for chunk in stored_array(array, FLOAT).chunks)
    assert total == 4 * array.size


def expected_strings(elements):
    """As ``WriteStringTensor`` of ``tensor_bundle.cc`` writes them."""
    lengths = [len(one) for one in elements]
    covered = b"".join(
        struct.pack("<I" if length <= 0xFFFFFFFF else "<Q", length)
        for length in lengths
    )
    crc = struct.pack("<I", checksum.mask(checksum.crc32c(covered)))
    text = b"".join(elements)
    stored = b"".join(map(varint, lengths)) + crc + text
    return stored, checksum.crc32c(covered + crc + text)


@given(st.lists(st.binary(max_size=50), max_size=30))
def test_strings(elements):
    array = strings(*elements)
    expected = expected_strings(elements)
    assert stored_and_crc(stored_array(array, STRING)) == expected
    assert count_bytes(array) == len(expected[0])
    assert checksum.tensor_crc(array) == expected[1]


def test_strings_in_chunks(monkeypatch):
    monkeypatch.setattr(tensor_bytes, "_CHUNK_BYTES", 10)
    monkeypatch.setattr(tensor_bytes, "_CHUNK_LENGTHS", 3)
    elements = [b"", b"ab", b"x" * 9, b"y" * 11, b"z" * 25, b"", b"\0\xff"] * 3
    array = strings(*elements)
    assert stored_and_crc(stored_array(array, STRING)) == expected_strings(elements)
    assert max(len(c.stored) for c in stored_array(array, STRING).chunks) <= 10


class Long(bytes):
    """A string that says that it has more than 4 GiB."""

    def __len__(self):
        return (1 << 32) + 5


def test_lengths_above_4_gib_are_covered_in_eight_bytes():
    lengths, covered = next(iter(stored_array(strings(b"a", Long()), STRING).chunks))
    assert covered == struct.pack("<IQ", 1, (1 << 32) + 5)
    assert lengths == varint(1) + varint((1 << 32) + 5)


def test_raw_bytes_need_a_checksum_where_elements_have_no_size():
    for dtype in (STRING, dtypes.BY_NAME["variant"], dtypes.from_number(99)):
        with pytest.raises(errors.UsageError, match="checksum"):
            stored_raw(dtype, (1,), [b"abc"])
        assert stored_raw(dtype, (1,), [b"abc"], 5).crc32c == 5
    chunks = [b"abcd", bytearray(b"ef"), memoryview(b"gh"), b""]
    stored, crc = stored_and_crc(stored_raw(FLOAT, (2,), chunks))
    assert (stored, crc) == (b"abcdefgh", checksum.crc32c(b"abcdefgh"))
