"""String tensors: the length of each element, a checksum of these, the elements.

The lengths are varints; behind them stands their masked CRC32C (see ``checksum``) in
four bytes, then the elements one after the other
(``tensorflow/core/util/tensor_bundle/tensor_bundle.cc``, ``WriteStringTensor``).
"""

from __future__ import annotations

import struct
from typing import Callable, List

from legacy_restore.checkpoint import checksum
from legacy_restore.checkpoint.entries import BundleEntry
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.stored_bytes import check_crc, check_range
from legacy_restore.checkpoint.streams import RangeStream
from legacy_restore.checkpoint.wire import FormatError

_LENGTHS_CRC_BYTES = 4


def read_elements(
    file: PositionedFile, entry: BundleEntry, byte_order: str
) -> List[bytes]:
    """Reads the elements of a string tensor, and verifies their checksums.

    Args:
      file: The data file.
      entry: What the index says about the tensor.
      byte_order: ``<`` or ``>``, that of the machine that wrote the file.

    Returns:
      The elements in row-major order.

    Raises:
      FormatError: The data are not in the file or contradict themselves, or the
        checksums.
    """
    check_range(file, entry)
    lengths: List[int] = []
    stream = RangeStream(file, entry.offset, entry.size)
    crc = _check_lengths(stream, entry, byte_order, lengths.extend)
    data = stream.take(stream.left)
    check_crc(checksum.extend(crc, data), entry)
    elements: List[bytes] = []
    start = 0
    for length in lengths:
        elements.append(data[start : start + length])
        start += length
    return elements


def strings_crc(file: PositionedFile, entry: BundleEntry, byte_order: str) -> int:
    """Returns the CRC32C of a string tensor; a chunk of it is in memory at a time.

    Raises:
      FormatError: The lengths contradict their checksum or the size of the tensor.
    """
    stream = RangeStream(file, entry.offset, entry.size)
    crc = _check_lengths(stream, entry, byte_order, len)
    for chunk in stream.chunks(stream.left):
        crc = checksum.extend(crc, chunk)
    return crc


def _check_lengths(
    stream: RangeStream,
    entry: BundleEntry,
    byte_order: str,
    keep: Callable[[List[int]], object],
) -> int:
    """Takes lengths and their checksum; returns the CRC32C up to the elements."""
    crc = total = 0
    for lengths in stream.varints(entry.num_elements):
        total += sum(lengths)
        # The checksum is looked at below, but nothing may grow beyond the file.
        if total > entry.size:
            raise FormatError(f"strings of {total} bytes in {entry.size} bytes")
        crc = checksum.extend_lengths(crc, lengths, byte_order)
        keep(lengths)
    if total + _LENGTHS_CRC_BYTES != stream.left:
        raise FormatError(f"strings of {total} bytes in {entry.size} bytes")
    raw = stream.take(_LENGTHS_CRC_BYTES)
    (stored,) = struct.unpack(byte_order + "I", raw)
    if crc != checksum.unmask(stored):
        raise FormatError("the lengths of its strings do not match their checksum")
    return checksum.extend(crc, raw)
