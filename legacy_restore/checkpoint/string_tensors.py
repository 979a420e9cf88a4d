"""The elements of a string tensor, without NumPy.

A string tensor is stored as the varint length of each element, the masked CRC32C of
those lengths (see ``checksum``), and the elements one after the other
(``WriteStringTensor`` in ``tensorflow/core/util/tensor_bundle/tensor_bundle.cc``).
"""

from __future__ import annotations

import struct
from typing import List

from legacy_restore.checkpoint import checksum
from legacy_restore.checkpoint.entries import BundleEntry
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.wire import FormatError, read_varint

_LENGTHS_CRC_BYTES = 4


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


def check_crc(crc: int, entry: BundleEntry) -> None:
    """Demands that contents have the checksum that the index says.

    Raises:
      FormatError: They have another one.
    """
    if crc != checksum.unmask(entry.crc32c):
        raise FormatError(
            f"its checksum is {checksum.mask(crc):#010x}, the index says "
            f"{entry.crc32c:#010x}"
        )


def read_elements(
    file: PositionedFile, entry: BundleEntry, is_big_endian: bool
) -> List[bytes]:
    """Reads a string tensor, and verifies its checksums.

    Args:
      file: The data file that the entry points into.
      entry: What the index says about the tensor or the slice.
      is_big_endian: Whether the file's numbers begin with their highest byte.

    Returns:
      The elements in row-major order.

    Raises:
      FormatError: The data are not in the file or do not match their checksum.
    """
    check_range(file, entry)
    byte_order = ">" if is_big_endian else "<"
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
    check_crc(crc, entry)
    elements: List[bytes] = []
    for length in lengths:
        elements.append(data[end : end + length])
        end += length
    return elements
