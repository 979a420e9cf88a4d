"""The contents of one tensor: from a range of a data file to an array.

A tensor of fixed-size elements is stored as its bytes in row-major order; for others
see ``string_tensors`` and ``variant_tensors``.
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
from legacy_restore.checkpoint.stored_bytes import check_crc, check_range
from legacy_restore.checkpoint.string_tensors import read_elements, strings_crc
from legacy_restore.checkpoint.variant_tensors import variants_crc
from legacy_restore.checkpoint.wire import (
    UndecidedError,
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
    array = allocate(entry.dtype, entry.shape)
    if entry.dtype.name == "string":
        _fill(array, read_elements(file, entry, _order(is_big_endian)))
        return array
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
      MissingDataError: The data are not in the file.
      UndecidedError: How TensorFlow makes the checksum of such a dtype is not known,
        and it is not that of the bytes.
      FormatError: The data do not match their checksum.
    """
    check_range(file, entry)
    if entry.dtype.name == "string":
        check_crc(strings_crc(file, entry, _order(is_big_endian)), entry)
        return
    if entry.dtype.name == "variant":
        check_crc(variants_crc(file, entry, _order(is_big_endian)), entry)
        return
    crc = _bytes_crc(file, entry)
    if entry.dtype.itemsize is None and crc != checksum.unmask(entry.crc32c):
        raise UndecidedError(
            f"how the checksum of dtype {entry.dtype.name} is made is not known"
        )
    check_crc(crc, entry)


def _order(is_big_endian: bool) -> str:
    return ">" if is_big_endian else "<"


def _bytes_crc(file: PositionedFile, entry: BundleEntry) -> int:
    buffer = np.empty(min(entry.size, _CHUNK_BYTES), np.uint8)
    crc = 0
    for start in range(0, entry.size, _CHUNK_BYTES):
        chunk = buffer[: entry.size - start]
        crc = _read_chunk(file, entry.offset + start, chunk, crc)
    return crc


def _read_chunk(file: PositionedFile, offset: int, chunk: np.ndarray, crc: int) -> int:
    """Fills a chunk; returns the CRC32C of all up to its end."""
    file.read_into(offset, chunk.data)
    return checksum.extend(crc, chunk)


def _swap_bytes(array: np.ndarray) -> None:
    if array.dtype.kind == "V":  # bfloat16, which NumPy cannot swap.
        array = array.view(np.dtype(f"u{array.dtype.itemsize}"))
    array.byteswap(inplace=True)


def _fill(array: np.ndarray, elements: List[bytes]) -> None:
    flat = array.reshape(-1)
    for number, element in enumerate(elements):
        flat[number] = element
