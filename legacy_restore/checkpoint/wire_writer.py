"""Writing the protocol-buffer wire format, as far as checkpoint files need it.

The counterpart of ``wire``. Fields that have their default value are not written, as
in every message of proto3.
"""

from __future__ import annotations

import struct

from legacy_restore.checkpoint.wire import BYTES, FIXED32, VARINT

_UINT64_MASK = (1 << 64) - 1


def varint(value: int) -> bytes:
    """Returns a number, seven bits a byte; a negative one as TensorFlow's ``int64``."""
    value &= _UINT64_MASK
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def varint_size(value: int) -> int:
    """Returns the number of bytes that ``varint`` takes for a number from 0 on."""
    return max(value.bit_length() + 6, 7) // 7


def number_field(number: int, value: int) -> bytes:
    """Returns a field that holds a varint, nothing for 0."""
    return _tag(number, VARINT) + varint(value) if value else b""


def present_number_field(number: int, value: int) -> bytes:
    """Returns a field that holds a varint and is there for 0 too (a ``oneof``)."""
    return _tag(number, VARINT) + varint(value)


def fixed32_field(number: int, value: int) -> bytes:
    """Returns a field that holds four bytes, nothing for 0."""
    return _tag(number, FIXED32) + struct.pack("<I", value) if value else b""


def bytes_field(number: int, data: bytes) -> bytes:
    """Returns a field that holds bytes or a message, also an empty one."""
    return _tag(number, BYTES) + varint(len(data)) + data


def _tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)
