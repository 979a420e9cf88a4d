"""From the stored bytes of one tensor to those of another checkpoint, not decoded.

What a V2 checkpoint holds is copied as it is if its numbers begin with their lowest
byte, as what is written here always does: also elements that NumPy has no type for. Of
a *big-endian* checkpoint (``BundleHeaderProto.endianness``) the bytes of numbers are
turned round. Strings have no byte order, but the checksum of their lengths does, and is
in the middle of their bytes: both are made anew (``tensor_bundle.cc``,
``WriteStringTensor``). What a variant or an element of an unknown dtype holds cannot be
turned round without decoding it.

Everything is compared with its checksums on the way, a chunk in memory at a time. That
is said when the last chunk is asked for: what was taken until then is to be forgotten.
"""

from __future__ import annotations

import struct
from typing import Iterator, NamedTuple, Optional

import numpy as np

from legacy_restore import errors
from legacy_restore.checkpoint import checksum
from legacy_restore.checkpoint.entries import BundleEntry
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.slices import TensorSlice
from legacy_restore.checkpoint.stored_bytes import check_crc, check_range
from legacy_restore.checkpoint.streams import RangeStream
from legacy_restore.checkpoint.tensor_bytes import Chunk, StoredTensor
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.checkpoint.wire_writer import varint

_CHUNK_BYTES = 1 << 20
_CRC_BYTES = 4
_COMPLEX = ("complex64", "complex128")


class CopiedPart(NamedTuple):
    """A tensor, or a slice of one, in the form in which it is stored.

    Attributes:
      part: What it is of the tensor.
      shard: Number of the file that it comes from.
      tensor: Its bytes, to be taken once; damaged ones raise errors that name it.
    """

    part: TensorSlice
    shard: int
    tensor: StoredTensor


def check_copyable(entry: BundleEntry, is_big_endian: bool) -> None:
    """Demands that the bytes of such a tensor can be copied.

    Raises:
      UnsupportedCheckpointError: They are in a byte order that nobody can turn round.
    """
    name = entry.dtype.name
    if is_big_endian and entry.dtype.itemsize is None and name != "string":
        raise errors.UnsupportedCheckpointError(
            f"it was written with the highest byte first, and elements of dtype {name} "
            "cannot be turned round without knowing what is in them"
        )


def copied_chunks(
    file: PositionedFile, entry: BundleEntry, is_big_endian: bool
) -> Iterator[Chunk]:
    """Yields the bytes of a tensor as a little-endian checkpoint holds them.

    Args:
      file: The data file that the entry points into.
      entry: What the index says about the tensor or the slice.
      is_big_endian: Whether the file's numbers begin with their highest byte.

    Raises:
      FormatError: The data are not in the file or do not match their checksums.
      UnsupportedCheckpointError: As ``check_copyable``.
    """
    check_copyable(entry, is_big_endian)
    check_range(file, entry)
    if entry.dtype.name == "string":
        yield from _of_strings(file, entry, ">" if is_big_endian else "<")
    elif entry.dtype.name == "variant":
        yield from _of_variants(file, entry)
    else:
        yield from _of_elements(file, entry, is_big_endian)


def stored_crc(entry: BundleEntry) -> Optional[int]:
    """Returns the checksum to hand on, None where it is to be made of the chunks.

    That of an unknown dtype is made nobody knows how, and only handed on.
    """
    is_known = entry.dtype.itemsize is not None or entry.dtype.name in (
        "string",
        "variant",
    )
    return None if is_known else entry.crc32c


def _of_elements(
    file: PositionedFile, entry: BundleEntry, is_big_endian: bool
) -> Iterator[Chunk]:
    itemsize = entry.dtype.itemsize or 1
    width = itemsize // 2 if entry.dtype.name in _COMPLEX else itemsize
    buffer = np.empty(min(entry.size, _CHUNK_BYTES), np.uint8)
    crc = 0
    for start in range(0, entry.size, _CHUNK_BYTES):
        chunk = buffer[: entry.size - start]
        file.read_into(entry.offset + start, chunk.data)
        crc = checksum.extend(crc, chunk)
        if is_big_endian and width > 1:
            chunk = chunk.view(f"u{width}").byteswap().view(np.uint8)
        yield Chunk(chunk)
    if entry.dtype.itemsize is not None:
        check_crc(crc, entry)


def _of_strings(
    file: PositionedFile, entry: BundleEntry, byte_order: str
) -> Iterator[Chunk]:
    stream = RangeStream(file, entry.offset, entry.size)
    crc = little_crc = total = 0
    for lengths in stream.varints(entry.num_elements):
        total += sum(lengths)
        if total > entry.size:
            raise FormatError(f"strings of {total} bytes in {entry.size} bytes")
        crc = checksum.extend_lengths(crc, lengths, byte_order)
        covered = checksum.packed_lengths(lengths)
        little_crc = checksum.extend(little_crc, covered)
        yield Chunk(b"".join(map(varint, lengths)), covered)
    if total + _CRC_BYTES != stream.left:
        raise FormatError(f"strings of {total} bytes in {entry.size} bytes")
    raw = stream.take(_CRC_BYTES)
    if crc != checksum.unmask(struct.unpack(byte_order + "I", raw)[0]):
        raise FormatError("the lengths of its strings do not match their checksum")
    crc = checksum.extend(crc, raw)
    yield Chunk(struct.pack("<I", checksum.mask(little_crc)))
    for piece in stream.chunks(stream.left):
        crc = checksum.extend(crc, piece)
        yield Chunk(piece)
    check_crc(crc, entry)


def _of_variants(file: PositionedFile, entry: BundleEntry) -> Iterator[Chunk]:
    stream = RangeStream(file, entry.offset, entry.size)
    crc = 0
    for number in range(entry.num_elements):
        length = stream.take_varint()
        covered = struct.pack("<Q", length)
        crc = checksum.extend(crc, covered)
        yield Chunk(varint(length), covered)
        for piece in stream.chunks(length):
            crc = checksum.extend(crc, piece)
            yield Chunk(piece)
        raw = stream.take(_CRC_BYTES)
        if crc != checksum.unmask(struct.unpack("<I", raw)[0]):
            raise FormatError(f"its element {number} does not match its checksum")
        crc = checksum.extend(crc, raw)
        yield Chunk(raw)
    if stream.left:
        raise FormatError(f"{stream.left} bytes are left behind its last element")
    check_crc(crc, entry)
