"""The protocol-buffer wire format, as far as checkpoint files need it.

A message is a sequence of fields. Each begins with a varint, ``number << 3 | type``:
type 0 is a varint, 1 eight bytes, 2 a length and that many bytes, 5 four bytes. Types
3 and 4 (groups) occur in no message that TensorFlow writes. Reading them with a few
lines of code keeps the reader free of the protobuf package, of which TensorFlow 1.15
(below 3.21) and 2.21 (6.31 and later) cannot share a version.

The format is described at https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from typing import Iterator, List, NamedTuple, Optional, Union

VARINT = 0
FIXED64 = 1
BYTES = 2
FIXED32 = 5

Data = Union[bytes, memoryview]
"""A message, or the bytes in one."""

_MAX_VARINT_BYTES = 10


class FormatError(ValueError):
    """Bytes that contradict their format; readers add the file and re-raise.

    It never leaves the packages ``checkpoint`` and ``graphdef``.

    Attributes:
      hint: What to do next, or None.
    """

    def __init__(self, reason: str, hint: Optional[str] = None) -> None:
        """Takes what contradicts the format, in words."""
        super().__init__(reason)
        self.hint = hint


class OtherFileError(FormatError):
    """A file of another kind in the place of one that is read."""


class MissingDataError(FormatError):
    """Data that a file should have and has not: what there is may be sound."""


class UndecidedError(FormatError):
    """Data of which nobody here can tell whether they are sound."""


class Varint(NamedTuple):
    """A decoded varint and where the bytes after it begin."""

    value: int
    end: int


class Field(NamedTuple):
    """One field of a message.

    Attributes:
      number: The field's number in its message.
      wire_type: One of ``VARINT``, ``FIXED64``, ``BYTES`` and ``FIXED32``.
      value: An unsigned integer, or the bytes of a ``BYTES`` field.
    """

    number: int
    wire_type: int
    value: Union[int, Data]

    def as_int(self) -> int:
        """Returns the unsigned value.

        Raises:
          FormatError: The field holds bytes.
        """
        if not isinstance(self.value, int):
            raise FormatError(f"field {self.number} holds bytes, not a number")
        return self.value

    def as_signed(self) -> int:
        """Returns the value as TensorFlow's ``int32`` and ``int64`` fields hold it."""
        value = self.as_int()
        return value - (1 << 64) if value >= 1 << 63 else value

    def as_bytes(self) -> bytes:
        """Returns the bytes.

        Raises:
          FormatError: The field holds a number.
        """
        return bytes(self.as_data())

    def as_data(self) -> Data:
        """Returns the bytes, of a message that is a view as a view: they may be many.

        Raises:
          FormatError: The field holds a number.
        """
        if isinstance(self.value, int):
            raise FormatError(f"field {self.number} holds a number, not bytes")
        return self.value


def read_varint(data: Data, start: int) -> Varint:
    """Decodes a varint of at most 64 bits.

    Raises:
      FormatError: The data end within it, or it has more than 64 bits.
    """
    if start < len(data) and data[start] < 0x80:  # Almost all have one byte.
        return Varint(data[start], start + 1)
    value = 0
    for count in range(_MAX_VARINT_BYTES):
        position = start + count
        if position >= len(data):
            raise FormatError("ends within a varint")
        byte = data[position]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            if value >= 1 << 64:
                raise FormatError("varint has more than 64 bits")
            return Varint(value, position + 1)
    raise FormatError("varint has more than 10 bytes")


def unpack_varints(data: Data) -> List[int]:
    """Decodes a packed sequence of varints.

    Raises:
      FormatError: The data end within one.
    """
    values = []
    position = 0
    while position < len(data):
        value, position = read_varint(data, position)
        values.append(value)
    return values


def read_fields(data: Data) -> Iterator[Field]:
    """Yields the fields of a message in their order.

    Raises:
      FormatError: The data are no message.
    """
    position = 0
    size = len(data)
    while position < size:
        tag = data[position]  # Tags and most numbers take one byte: no call for those.
        position += 1
        if tag >= 0x80:
            tag, position = read_varint(data, position - 1)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise FormatError("field number 0")
        if wire_type in (VARINT, BYTES):
            value = data[position] if position < size else 0x80
            position += 1
            if value >= 0x80:
                value, position = read_varint(data, position - 1)
            if wire_type == VARINT:
                yield Field(number, wire_type, value)
                continue
            length = value
        elif wire_type in (FIXED32, FIXED64):
            length = 4 if wire_type == FIXED32 else 8
        else:
            raise FormatError(f"wire type {wire_type} in field {number}")
        end = position + length
        if end > size:
            raise FormatError(f"field {number} reaches beyond its message")
        raw = data[position:end]
        position = end
        if wire_type == BYTES:
            yield Field(number, wire_type, raw)
        else:
            yield Field(number, wire_type, int.from_bytes(raw, "little"))
