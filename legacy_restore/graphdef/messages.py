"""Protocol buffers of any size, read from a file piece by piece.

``checkpoint/wire.py`` decodes messages that are in memory. A saved graph may have
hundreds of megabytes, nearly all of it the values of constants, which nobody asks for
here: a ``Message`` is a range of a file, its fields are read through a window, and a
field that is not looked into is stepped over by its length.

What a message gives is bounded twice. Text is read only up to ``MAX_TEXT``; and whoever
makes an object for each element of a list counts it with ``Message.count``, because
elements of two bytes would else become objects of two hundred.
"""

from __future__ import annotations

from typing import Dict, Iterator, List, NamedTuple, Union

from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.wire import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    FormatError,
    read_varint,
    unpack_varints,
)

MAX_TEXT = 1 << 20
"""Longest name in bytes; what is longer was never a name."""

MAX_OBJECTS = 2_000_000
"""Most nodes, functions, variables, different names and other objects of one file.

A node counts as two or three. The largest graphs that people report have some hundred
thousand, and TensorFlow reads no graph beyond 2 GiB.
"""

# Small enough to hold one for each level of nesting, large enough for few reads.
_WINDOW = 256 << 10

# A tag and a length take at most ten bytes each.
_MAX_HEAD = 20


class BytesInMemory:
    """Bytes that are read as an open file is."""

    def __init__(self, data: bytes) -> None:
        """Takes the bytes."""
        self._data = data
        self.size = len(data)

    def read(self, offset: int, size: int) -> bytes:
        """Returns ``size`` bytes from ``offset``."""
        return self._data[offset : offset + size]


def message_of(data: bytes) -> Message:
    """Returns bytes that are in memory already as one message."""
    return Source(BytesInMemory(data)).root()


class Source:
    """An open file, the window of it that was read last, and what was made of it."""

    def __init__(self, file: Union[PositionedFile, BytesInMemory]) -> None:
        """Takes an open file; closing it stays with the caller."""
        self._file = file
        self.window = b""
        self.begin = 0
        self._texts: Dict[bytes, str] = {}
        self._objects = 0

    def root(self) -> Message:
        """Returns the whole file as one message."""
        return Message(self, 0, self._file.size)

    def load(self, position: int) -> None:
        """Moves the window so that it begins at a position."""
        size = min(_WINDOW, self._file.size - position)
        self.window = self._file.read(position, size)
        self.begin = position

    def read(self, start: int, end: int) -> bytes:
        """Returns a range, from the window where it is there."""
        offset = start - self.begin
        if offset < 0 or end - self.begin > len(self.window):
            if end - start > _WINDOW:
                return self._file.read(start, end - start)
            self.load(start)
            offset = 0
        return self.window[offset : offset + end - start]

    def shared_text(self, start: int, end: int) -> str:
        """Returns a text of which there are many equal ones, such as a node's op."""
        data = self.read(start, end)
        text = self._texts.get(data)
        if text is None:
            self.count()
            text = self._texts[data] = _decode(data)
        return text

    def count(self) -> None:
        """Counts one more object made of this file.

        Raises:
          FormatError: There are more than ``MAX_OBJECTS``.
        """
        self._objects += 1
        if self._objects > MAX_OBJECTS:
            raise FormatError(f"holds more than {MAX_OBJECTS:,} objects")


class Part(NamedTuple):
    """One field of a message.

    Attributes:
      number: The field's number in its message.
      value: An unsigned integer, or the range of a field that has a length.
    """

    number: int
    value: Union[int, Message]

    def message(self) -> Message:
        """Returns the range of a field that has a length.

        Raises:
          FormatError: The field holds a number.
        """
        if isinstance(self.value, int):
            raise FormatError(f"field {self.number} holds a number, not bytes")
        return self.value

    def text(self) -> str:
        """Returns the field as text."""
        return self.message().text()

    def integer(self) -> int:
        """Returns the field as ``int32`` and ``int64`` fields hold it.

        Raises:
          FormatError: The field holds bytes.
        """
        if not isinstance(self.value, int):
            raise FormatError(f"field {self.number} holds bytes, not a number")
        return self.value - (1 << 64) if self.value >= 1 << 63 else self.value

    def integers(self) -> List[int]:
        """Returns the elements of a repeated ``int64`` that this field adds.

        They come packed (proto3) or one by one (proto2).
        """
        if isinstance(self.value, int):
            return [self.integer()]
        values = unpack_varints(self.value.data())
        return [value - (1 << 64) if value >= 1 << 63 else value for value in values]


class Entry(NamedTuple):
    """One entry of a map; an absent value is empty."""

    key: str
    value: Message


class Message:
    """A range of a file that holds a message, or the bytes of a text."""

    __slots__ = ("_source", "end", "start")

    def __init__(self, source: Source, start: int, end: int) -> None:
        """Takes positions in the file."""
        self._source = source
        self.start = start
        self.end = end

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.end - self.start

    def data(self) -> bytes:
        """Returns the bytes.

        Raises:
          FormatError: There are more than ``MAX_TEXT``.
        """
        if self.size > MAX_TEXT:
            raise FormatError(f"a text of {self.size:,} bytes")
        return self._source.read(self.start, self.end)

    def text(self) -> str:
        """Returns the bytes as text; what is no UTF-8 stays as surrogates."""
        return _decode(self.data())

    def shared_text(self) -> str:
        """Returns the bytes as text that is kept once, however often it occurs."""
        if self.size > MAX_TEXT:
            raise FormatError(f"a text of {self.size:,} bytes")
        return self._source.shared_text(self.start, self.end)

    def count(self) -> None:
        """Counts one object that is made of this message.

        Raises:
          FormatError: There are too many.
        """
        self._source.count()

    def entry(self) -> Entry:
        """Returns the message as an entry of a ``map<string, ...>``."""
        key, value = "", Message(self._source, self.end, self.end)
        for part in self.fields():
            if part.number == 1:
                key = part.message().shared_text()
            elif part.number == 2:
                value = part.message()
        return Entry(key, value)

    def fields(self) -> Iterator[Part]:
        """Yields the fields in their order; those that have a length are not read.

        Raises:
          FormatError: The range holds no message.
        """
        source, position, end = self._source, self.start, self.end
        window, begin = source.window, source.begin
        while position < end:
            offset = position - begin
            if offset < 0 or min(offset + _MAX_HEAD, end - begin) > len(window):
                source.load(position)
                window, begin, offset = source.window, position, 0
            tag, offset = read_varint(window, offset)
            number, wire_type = tag >> 3, tag & 7
            if number == 0:
                raise FormatError("field number 0")
            if wire_type == VARINT:
                value, offset = read_varint(window, offset)
                position = begin + offset
                if position > end:
                    raise FormatError(f"field {number} reaches beyond its message")
                yield Part(number, value)
                continue
            if wire_type == BYTES:
                length, offset = read_varint(window, offset)
            elif wire_type in (FIXED32, FIXED64):
                length = 4 if wire_type == FIXED32 else 8
            else:
                raise FormatError(f"wire type {wire_type} in field {number}")
            start = begin + offset
            position = start + length
            if position > end:
                raise FormatError(f"field {number} reaches beyond its message")
            if wire_type == BYTES:
                yield Part(number, Message(source, start, position))
            else:
                raw = window[offset : offset + length]
                yield Part(number, int.from_bytes(raw, "little"))


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
