"""The contents of one tensor: from a range of a data file to an array.

A tensor of fixed-size elements is stored as its bytes in row-major order. A string
tensor is stored as the varint length of each element, the masked CRC32C of those
lengths (see ``checksum``), and the elements one after the other.
"""

from __future__ import annotations

import struct
import sys
from typing import List

import numpy as np

from legacy_restore import errors
from legacy_restore.checkpoint import checksum
from legacy_restore.checkpoint.entries import BundleEntry
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.wire import FormatError, read_varint

_CHUNK_BYTES = 1 << 20
_LENGTHS_CRC_BYTES = 4


def allocate(entry: BundleEntry) -> np.ndarray:
    """Returns an array of the entry's shape and dtype, its elements not set.

    Raises:
      UnsupportedCheckpointError: NumPy cannot hold the dtype or the shape.
      MissingDependencyError: The dtype needs ``ml_dtypes``.
    """
    dtype = entry.dtype.to_numpy()
    try:
        return np.empty(entry.shape, dtype)
    except ValueError as error:
        raise errors.UnsupportedCheckpointError(
            f"NumPy cannot hold {entry.dtype.name}{list(entry.shape)}: {error}"
        ) from error


def check_range(file: PositionedFile, entry: BundleEntry) -> None:
    """Demands that the file has the bytes that an entry speaks of.

    To be called before anything is allocated: a damaged entry may declare any size.

    Raises:
      FormatError: It has not, or they cannot hold the elements.
    """
    if entry.offset + entry.size > file.size:
        raise FormatError(
            f"bytes {entry.offset} to {entry.offset + entry.size} are wanted of "
            f"{file.path}, which has {file.size}"
        )
    # Every string takes at least the byte of its length.
    if entry.dtype.name == "string" and entry.num_elements > entry.size:
        raise FormatError(f"{entry.num_elements} strings in {entry.size} bytes")


def read_tensor(
    file: PositionedFile, entry: BundleEntry, is_big_endian: bool
) -> np.ndarray:
    """Reads a tensor that is stored in one piece, and verifies its checksum.

    Args:
      file: The data file that the entry points into.
      entry: What the index says about the tensor or the slice.
      is_big_endian: Whether the file's numbers begin with their highest byte.

    Returns:
      The values in the byte order of this machine; strings as an object array of
      ``bytes``.

    Raises:
      FormatError: The data are not in the file or do not match their checksum.
      UnsupportedCheckpointError: NumPy cannot hold the dtype.
      MissingDependencyError: The dtype needs ``ml_dtypes``.
    """
    check_range(file, entry)
    if entry.dtype.name == "string":
        return _read_strings(file, entry, ">" if is_big_endian else "<")
    array = allocate(entry)
    # ml_dtypes arrays have no buffer interface of their own: fill them as bytes.
    flat = array.reshape(-1).view(np.uint8)
    crc = 0
    for start in range(0, entry.size, _CHUNK_BYTES):
        chunk = flat[start : start + _CHUNK_BYTES]
        crc = _read_chunk(file, entry.offset + start, chunk, crc)
    _compare(crc, entry)
    if is_big_endian != (sys.byteorder == "big"):
        _swap_bytes(array)
    return array


def verify_tensor(
    file: PositionedFile, entry: BundleEntry, is_big_endian: bool
) -> None:
    """Verifies a tensor's checksum without making an array of it.

    Args:
      file: The data file that the entry points into.
      entry: What the index says about the tensor or the slice.
      is_big_endian: Whether the file's numbers begin with their highest byte.

    Raises:
      FormatError: The data are not in the file or do not match their checksum.
    """
    check_range(file, entry)
    if entry.dtype.name == "string":
        _read_strings(file, entry, ">" if is_big_endian else "<")
        return
    buffer = np.empty(min(entry.size, _CHUNK_BYTES), np.uint8)
    crc = 0
    for start in range(0, entry.size, _CHUNK_BYTES):
        chunk = buffer[: entry.size - start]
        crc = _read_chunk(file, entry.offset + start, chunk, crc)
    _compare(crc, entry)


def _read_chunk(file: PositionedFile, offset: int, chunk: np.ndarray, crc: int) -> int:
    """Fills a chunk; returns the CRC32C of all up to its end."""
    file.read_into(offset, chunk.data)
    return checksum.extend(crc, chunk)


def _swap_bytes(array: np.ndarray) -> None:
    if array.dtype.kind == "V":  # bfloat16, which NumPy cannot swap.
        array = array.view(np.dtype(f"u{array.dtype.itemsize}"))
    array.byteswap(inplace=True)


def _compare(crc: int, entry: BundleEntry) -> None:
    if crc != checksum.unmask(entry.crc32c):
        raise FormatError(
            f"its checksum is {checksum.mask(crc):#010x}, the index says "
            f"{entry.crc32c:#010x}"
        )


def _read_strings(
    file: PositionedFile, entry: BundleEntry, byte_order: str
) -> np.ndarray:
    data = file.read(entry.offset, entry.size)
    lengths: List[int] = []
    position = 0
    for _ in range(entry.num_elements):
        length, position = read_varint(data, position)
        lengths.append(length)
    end = position + _LENGTHS_CRC_BYTES
    if end + sum(lengths) != entry.size:
        raise FormatError(f"strings of {sum(lengths)} bytes in {entry.size} bytes")
    raw_lengths_crc = data[position:end]
    crc = checksum.string_lengths_crc(lengths, byte_order)
    (stored,) = struct.unpack(byte_order + "I", raw_lengths_crc)
    if crc != checksum.unmask(stored):
        raise FormatError("the lengths of its strings do not match their checksum")
    crc = checksum.extend(checksum.extend(crc, raw_lengths_crc), data[end:])
    _compare(crc, entry)
    return _string_array(entry, data, lengths, end)


def _string_array(
    entry: BundleEntry, data: bytes, lengths: List[int], start: int
) -> np.ndarray:
    array = allocate(entry)
    flat = array.reshape(-1)
    for number, length in enumerate(lengths):
        flat[number] = data[start : start + length]
        start += length
    return array
