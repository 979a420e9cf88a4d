"""The stored form of one tensor: from an array to the bytes of a data file.

The counterpart of ``tensors``, which describes the layout. Bytes come in chunks, so
that writing a tensor takes no second copy of it, in whatever layout it is in memory:
transposed, strided or with its highest bytes first. They are always in little-endian
order.

What a checksum covers is not always what is stored: of a string tensor it covers the
lengths in another encoding (see ``checksum``).
"""

from __future__ import annotations

import dataclasses
import struct
from typing import Any, Iterable, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np

from legacy_restore import errors
from legacy_restore.checkpoint import checksum, dtypes
from legacy_restore.checkpoint.slices import count_elements
from legacy_restore.checkpoint.wire_writer import varint, varint_size

_CHUNK_BYTES = 1 << 20
_CHUNK_LENGTHS = 1 << 16
_LENGTHS_CRC_BYTES = 4


class Chunk(NamedTuple):
    """Some bytes of a tensor; valid until the next chunk is asked for.

    Attributes:
      stored: What is written: ``bytes``, or a contiguous array or view of ``uint8``.
      covered: What the tensor's checksum covers instead, where it is something else.
    """

    stored: Any
    covered: Optional[bytes] = None


@dataclasses.dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor, or a slice of one, in the form in which it is stored.

    Attributes:
      dtype: Type of the elements.
      shape: Shape of the tensor or of the slice.
      chunks: The bytes.
      crc32c: The masked checksum to store, or None for the one of ``chunks``.
    """

    dtype: dtypes.DType
    shape: Tuple[int, ...]
    chunks: Iterable[Chunk]
    crc32c: Optional[int] = None

    @property
    def size(self) -> Optional[int]:
        """Number of bytes that such a tensor takes, or None where that varies."""
        if self.dtype.itemsize is None:
            return None
        return count_elements(self.shape) * self.dtype.itemsize


def stored_array(array: np.ndarray, dtype: dtypes.DType) -> StoredTensor:
    """Returns an array in its stored form.

    Args:
      array: Values of the NumPy type of ``dtype``, in any layout and byte order;
        strings as an object array of ``bytes``.
      dtype: Their type in the file.
    """
    chunks = _of_strings(array) if dtype.name == "string" else _of_numbers(array)
    return StoredTensor(dtype, array.shape, chunks)


def stored_raw(
    dtype: dtypes.DType,
    shape: Tuple[int, ...],
    chunks: Iterable[bytes],
    crc32c: Optional[int] = None,
) -> StoredTensor:
    """Returns a tensor whose stored bytes are known, also of a dtype that NumPy lacks.

    Args:
      dtype: Type of the elements.
      shape: Shape of the tensor or of the slice.
      chunks: The bytes as a little-endian checkpoint holds them.
      crc32c: The masked checksum that goes with them. None computes that of the bytes,
        which is the right one for elements of a fixed size only.

    Raises:
      UsageError: There is no checksum, and the elements have no fixed size.
    """
    if crc32c is None and dtype.itemsize is None:
        raise errors.UsageError(
            f"of stored bytes of dtype {dtype.name} the checksum has to be given"
        )
    return StoredTensor(dtype, shape, map(_raw_chunk, chunks), crc32c)


def _raw_chunk(data: Any) -> Chunk:
    # google_crc32c takes no memoryview, and NumPy makes no array of nothing.
    return Chunk(np.frombuffer(data, np.uint8) if len(data) else b"")


def count_bytes(array: np.ndarray) -> int:
    """Returns the number of bytes that an array takes in a file.

    Args:
      array: Numbers, or an object array of ``bytes``.
    """
    if array.dtype != object:
        return int(array.size) * array.dtype.itemsize
    sizes = (varint_size(len(one)) + len(one) for one in array.flat)
    return sum(sizes) + _LENGTHS_CRC_BYTES


def _of_numbers(array: np.ndarray) -> Iterator[Chunk]:
    raw = _as_integers(array)
    if raw.size == 0:
        return
    little = raw.dtype.newbyteorder("<")
    pieces = np.nditer(
        raw,
        flags=["external_loop", "buffered"],
        op_dtypes=[little],
        casting="equiv",
        order="C",
        buffersize=max(_CHUNK_BYTES // raw.dtype.itemsize, 1),
    )
    for piece in pieces:
        yield Chunk(np.ascontiguousarray(piece).view(np.uint8))


def _as_integers(array: np.ndarray) -> np.ndarray:
    """The bit patterns: conversions of numbers would make signalling NaNs quiet ones.

    NumPy also cannot swap the bytes of the types that it does not know itself.
    """
    if array.dtype.kind == "c":
        return array  # A pair of numbers; NumPy copies and swaps each as it is.
    integers = np.dtype(f"u{array.dtype.itemsize}")
    if not array.dtype.isnative:
        integers = integers.newbyteorder()
    return array.view(integers)


def _of_strings(array: np.ndarray) -> Iterator[Chunk]:
    elements = array.reshape(-1)
    crc = 0
    for start in range(0, len(elements), _CHUNK_LENGTHS):
        lengths = [len(one) for one in elements[start : start + _CHUNK_LENGTHS]]
        covered = checksum.packed_lengths(lengths)
        crc = checksum.extend(crc, covered)
        yield Chunk(b"".join(map(varint, lengths)), covered)
    yield Chunk(struct.pack("<I", checksum.mask(crc)))
    gathered: List[bytes] = []
    size = 0
    for element in elements:
        if size + len(element) > _CHUNK_BYTES:
            yield Chunk(b"".join(gathered))
            gathered, size = [], 0
        if len(element) > _CHUNK_BYTES:
            yield from _cut(element)
        else:
            gathered.append(element)
            size += len(element)
    yield Chunk(b"".join(gathered))


def _cut(data: bytes) -> Iterator[Chunk]:
    for start in range(0, len(data), _CHUNK_BYTES):
        yield Chunk(data[start : start + _CHUNK_BYTES])
