"""The contents of one tensor: from a range of a data file to an array.

A tensor of fixed-size elements is stored as its bytes in row-major order; strings are
in ``string_tensors``.
"""

from __future__ import annotations

import sys
from typing import List, Tuple

import numpy as np

from legacy_restore import errors
from legacy_restore.checkpoint import checksum
from legacy_restore.checkpoint.dtypes import DType
from legacy_restore.checkpoint.entries import BundleEntry
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.string_tensors import (
    check_crc,
    check_range,
    read_elements,
)

_CHUNK_BYTES = 1 << 20


def allocate(dtype: DType, shape: Tuple[int, ...]) -> np.ndarray:
    """Returns an array of a dtype and a shape, its elements not set.

    Raises:
      UnsupportedCheckpointError: NumPy cannot hold the dtype or the shape.
      MissingDependencyError: The dtype needs ``ml_dtypes``.
    """
    try:
        return np.empty(shape, dtype.to_numpy())
    except ValueError as error:
        raise errors.UnsupportedCheckpointError(
            f"NumPy cannot hold {dtype.name}{list(shape)}: {error}"
        ) from error


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
        return _string_array(entry, read_elements(file, entry, is_big_endian))
    array = allocate(entry.dtype, entry.shape)
    # ml_dtypes arrays have no buffer interface of their own: fill them as bytes.
    flat = array.reshape(-1).view(np.uint8)
    crc = 0
    for start in range(0, entry.size, _CHUNK_BYTES):
        chunk = flat[start : start + _CHUNK_BYTES]
        crc = _read_chunk(file, entry.offset + start, chunk, crc)
    check_crc(crc, entry)
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
        read_elements(file, entry, is_big_endian)
        return
    buffer = np.empty(min(entry.size, _CHUNK_BYTES), np.uint8)
    crc = 0
    for start in range(0, entry.size, _CHUNK_BYTES):
        chunk = buffer[: entry.size - start]
        crc = _read_chunk(file, entry.offset + start, chunk, crc)
    check_crc(crc, entry)


def _read_chunk(file: PositionedFile, offset: int, chunk: np.ndarray, crc: int) -> int:
    """Fills a chunk; returns the CRC32C of all up to its end."""
    file.read_into(offset, chunk.data)
    return checksum.extend(crc, chunk)


def _swap_bytes(array: np.ndarray) -> None:
    if array.dtype.kind == "V":  # bfloat16, which NumPy cannot swap.
        array = array.view(np.dtype(f"u{array.dtype.itemsize}"))
    array.byteswap(inplace=True)


def _string_array(entry: BundleEntry, elements: List[bytes]) -> np.ndarray:
    array = allocate(entry.dtype, entry.shape)
    flat = array.reshape(-1)
    for number, element in enumerate(elements):
        flat[number] = element
    return array
