"""A range of a file read from its beginning to its end, a chunk at a time.

For contents of which only the reading tells how long their parts are: what is in memory
at once is a chunk, whatever the file declares.
"""

from __future__ import annotations

from typing import Iterator, List

from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.wire import FormatError, read_varint

_CHUNK_BYTES = 1 << 20
_MAX_VARINT_BYTES = 10


class RangeStream:
    """Bytes of a file, read in order.

    Attributes:
      left: Number of bytes of the range that were not taken yet.
    """

    def __init__(self, file: PositionedFile, offset: int, size: int) -> None:
        """Begins at ``offset`` of a range of ``size`` bytes, which the file has."""
        self._file = file
        self._offset = offset
        self._unread = size
        self._buffer = b""
        self._position = 0

    @property
    def left(self) -> int:
        """Number of bytes of the range that were not taken yet."""
        return self._unread + len(self._buffer) - self._position

    def take(self, size: int) -> bytes:
        """Takes some bytes, all at once.

        Raises:
          FormatError: The range has not as many, or the file cannot be read.
        """
        return b"".join(self.chunks(size))

    def chunks(self, size: int) -> Iterator[bytes]:
        """Takes some bytes in pieces.

        Raises:
          FormatError: The range has not as many, or the file cannot be read.
        """
        if size > self.left:
            raise FormatError(f"{size} bytes are declared where {self.left} are left")
        while size:
            if self._position == len(self._buffer):
                self._fill()
            piece = self._buffer[self._position : self._position + size]
            self._position += len(piece)
            size -= len(piece)
            yield piece

    def take_varint(self) -> int:
        """Takes a varint.

        Raises:
          FormatError: There is none, or the file cannot be read.
        """
        while self._unread and len(self._buffer) - self._position < _MAX_VARINT_BYTES:
            self._fill()
        value, self._position = read_varint(self._buffer, self._position)
        return value

    def varints(self, count: int) -> Iterator[List[int]]:
        """Takes varints in lists of some thousands.

        Raises:
          FormatError: The range has not as many, or the file cannot be read.
        """
        while count:
            some = min(count, 1 << 14)
            yield [self.take_varint() for _ in range(some)]
            count -= some

    def _fill(self) -> None:
        """Puts the next chunk behind what was not taken of the one before."""
        count = min(self._unread, _CHUNK_BYTES)
        chunk = self._file.read(self._offset, count)
        self._buffer = self._buffer[self._position :] + chunk
        self._position = 0
        self._offset += count
        self._unread -= count
