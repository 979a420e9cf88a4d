"""CRC32C as TensorFlow uses it.

TensorFlow stores a CRC32C (Castagnoli) in *masked* form, because the CRC of bytes that
contain CRCs is weak: ``mask(crc) = rotate_right(crc, 15) + 0xa282ead8`` modulo 2**32
(``tensorflow/core/lib/hash/crc32c.h``). The CRC of a tensor covers the bytes of its
elements; that of a string tensor the lengths of its elements, each as a little-endian
``uint32`` (``uint64`` above 4 GiB), then the masked CRC of those lengths as a
``uint32``, then the elements (``tensor_bundle.cc``, ``WriteStringTensor``).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Sequence

import google_crc32c

if TYPE_CHECKING:
    import numpy as np

_MASK_DELTA = 0xA282EAD8
_CHUNK_BYTES = 1 << 20
_UINT32_MAX = 0xFFFFFFFF


def mask(crc: int) -> int:
    """Returns the form of a CRC32C that files hold."""
    rotated = (crc >> 15) | (crc << 17)
    return (rotated + _MASK_DELTA) & _UINT32_MAX


def unmask(masked: int) -> int:
    """Returns the CRC32C of its masked form."""
    rotated = (masked - _MASK_DELTA) & _UINT32_MAX
    return ((rotated >> 17) | (rotated << 15)) & _UINT32_MAX


def crc32c(data: bytes) -> int:
    """Returns the CRC32C of some bytes."""
    return int(google_crc32c.value(data))


def extend(crc: int, data: Any) -> int:
    """Returns the CRC32C of what ``crc`` covers followed by ``data``.

    Args:
      crc: CRC32C of the bytes before.
      data: ``bytes``, or a contiguous array of ``uint8``.
    """
    return int(google_crc32c.extend(crc, data))


def string_lengths_crc(lengths: Sequence[int], byte_order: str = "<") -> int:
    """Returns the CRC32C of the lengths of a string tensor's elements.

    Args:
      lengths: Length of each element in bytes.
      byte_order: ``<`` or ``>``, the byte order of the machine that wrote the file.
    """
    return extend_lengths(0, lengths, byte_order)


def extend_lengths(crc: int, lengths: Sequence[int], byte_order: str = "<") -> int:
    """Returns the CRC32C of what ``crc`` covers followed by lengths of strings."""
    return extend(crc, packed_lengths(lengths, byte_order))


def packed_lengths(lengths: Sequence[int], byte_order: str = "<") -> bytes:
    """Returns the lengths of string elements in the form that checksums cover."""
    if max(lengths, default=0) <= _UINT32_MAX:
        layout = f"{len(lengths)}I"
    else:
        layout = "".join("I" if length <= _UINT32_MAX else "Q" for length in lengths)
    return struct.pack(byte_order + layout, *lengths)


def tensor_crc(array: np.ndarray) -> int:
    """Returns the CRC32C that TensorFlow stores, unmasked, for a tensor.

    Args:
      array: The values in any memory layout, of any dtype whose elements have a fixed
        size, or an object array of ``bytes`` for a string tensor.
    """
    import numpy as np

    if array.dtype == object:
        return _string_tensor_crc(array)
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    crc = 0
    for start in range(0, flat.size, _CHUNK_BYTES):
        crc = extend(crc, flat[start : start + _CHUNK_BYTES])
    return crc


def _string_tensor_crc(array: np.ndarray) -> int:
    elements = [bytes(element) for element in array.reshape(-1)]
    crc = string_lengths_crc([len(element) for element in elements])
    crc = extend(crc, struct.pack("<I", mask(crc)))
    for element in elements:
        crc = extend(crc, element)
    return crc
