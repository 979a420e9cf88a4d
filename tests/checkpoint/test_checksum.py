"""Tests of the CRC32C as TensorFlow stores it."""

import numpy as np
import pytest

from legacy_restore.checkpoint import checksum
from tests.checkpoint.builders import strings


# RFC 3720, B.4.
@pytest.mark.parametrize(
    "data, crc",
    [
        (b"", 0),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(reversed(range(32))), 0x113FDB5C),
    ],
)
def test_crc_has_the_values_of_the_standard(data, crc):
    assert checksum.crc32c(data) == crc


def test_extending_piece_by_piece_gives_the_crc_of_the_whole():
    data = bytes(range(256)) * 5
    crc = 0
    for start in range(0, len(data), 100):
        crc = checksum.extend(crc, data[start : start + 100])
    assert crc == checksum.crc32c(data)


def test_extending_takes_an_array_of_bytes():
    data = bytes(range(64))
    array = np.frombuffer(data, np.uint8)
    assert checksum.extend(0, array) == checksum.crc32c(data)


@pytest.mark.parametrize("crc", [0, 1, 0x7FFF, 0x8000, 0x8A9136AA, 0xFFFFFFFF])
def test_mask_is_undone_and_differs_from_the_crc(crc):
    assert checksum.unmask(checksum.mask(crc)) == crc
    assert checksum.mask(crc) != crc
    assert checksum.mask(checksum.mask(crc)) != crc
    assert 0 <= checksum.mask(crc) <= 0xFFFFFFFF


def test_mask_rotates_and_adds_as_the_format_says():
    assert checksum.mask(0) == 0xA282EAD8
    assert checksum.mask(0x8000) == 0xA282EAD9
    assert checksum.mask(1) == 0xA284EAD8


def test_tensor_crc_is_that_of_the_bytes_in_row_major_order():
    array = np.arange(24, dtype=np.float32).reshape([4, 6])
    expected = checksum.crc32c(array.tobytes())
    assert checksum.tensor_crc(array) == expected
    assert checksum.tensor_crc(np.asfortranarray(array)) == expected
    assert checksum.tensor_crc(np.repeat(array, 2, axis=1)[:, ::2]) == expected


def test_tensor_crc_goes_on_over_chunks():
    array = np.arange(3 << 18, dtype=np.float32)[1:]
    assert checksum.tensor_crc(array) == checksum.crc32c(array.tobytes())


@pytest.mark.parametrize("shape", [[], [0], [3, 0, 2], [1]])
def test_tensor_crc_takes_scalars_and_empty_arrays(shape):
    array = np.full(shape, 2.5)
    assert checksum.tensor_crc(array) == checksum.crc32c(array.tobytes())


def test_crc_of_strings_covers_their_lengths():
    together = checksum.tensor_crc(strings(b"ab", b"c"))
    assert checksum.tensor_crc(strings(b"a", b"bc")) != together
    assert checksum.tensor_crc(strings(b"ab", b"c")) == together


def test_lengths_beyond_32_bits_count_with_eight_bytes():
    expected = checksum.crc32c(bytes([3, 0, 0, 0]) + bytes([0, 0, 0, 0, 1, 0, 0, 0]))
    assert checksum.string_lengths_crc([3, 1 << 32]) == expected


def test_lengths_count_in_the_byte_order_of_the_file():
    expected = checksum.crc32c(bytes([0, 0, 0, 3]))
    assert checksum.string_lengths_crc([3], ">") == expected
