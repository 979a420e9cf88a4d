"""Files read at given positions.

Positioned reads instead of a memory map: when another process truncates the file, a
read comes up short, which is an error, where a map would end this process (SIGBUS).
Nothing here moves a shared file offset, so threads may read from one file at once.
"""

from __future__ import annotations

import os
import re
import stat
import threading
from typing import NamedTuple, Optional

from legacy_restore.checkpoint.wire import FormatError

_CHUNK_BYTES = 1 << 20


class FileIdentity(NamedTuple):
    """What tells a file from another one that takes its path.

    Attributes:
      device: Number of the file system.
      inode: Number of the file there.
      size: Size in bytes.
      modified: When it was written to, in nanoseconds.
    """

    device: int
    inode: int
    size: int
    modified: int


class PositionedFile:
    """A regular file, open for reading at any position.

    Attributes:
      path: The path that was opened.
      size: Size in bytes when it was opened.
      identity: Which file it was when it was opened.
    """

    def __init__(self, path: str) -> None:
        """Opens the file.

        Args:
          path: Path of a regular file.

        Raises:
          OSError: It cannot be opened.
          FormatError: It is no regular file.
        """
        self.path = path
        # Opening a named pipe would wait for a writer: look before.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise FormatError("not a regular file")
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115
        self.identity = _identity(os.fstat(self._file.fileno()))
        self.size = self.identity.size
        self._seek_lock = threading.Lock()

    def close(self) -> None:
        """Closes the file; may be called twice."""
        self._file.close()

    def read(self, offset: int, size: int) -> bytes:
        """Returns ``size`` bytes from ``offset``.

        Raises:
          FormatError: The range is not in the file, the file has become shorter, or
            the disk fails.
        """
        self._check_range(offset, size)
        buffer = bytearray(size)
        self.read_into(offset, memoryview(buffer))
        return bytes(buffer)

    def is_zero(self, offset: int, size: int) -> bool:
        """Returns whether all of ``size`` bytes from ``offset`` are zero.

        Raises:
          FormatError: The range is not in the file, or the disk fails.
        """
        for start in range(offset, offset + size, _CHUNK_BYTES):
            chunk = self.read(start, min(offset + size - start, _CHUNK_BYTES))
            if chunk != bytes(len(chunk)):
                return False
        return True

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fills ``target`` from ``offset``.

        Args:
          offset: Position of the first byte.
          target: Writable, one-dimensional view of bytes.

        Raises:
          FormatError: The range is not in the file, the file has become shorter, or
            the disk fails.
        """
        self._check_range(offset, len(target))
        done = 0
        while done < len(target):
            try:
                count = self._read_some(offset + done, target[done:])
            except OSError as error:
                raise FormatError(f"cannot be read: {error.strerror}") from error
            if count == 0:
                raise FormatError(
                    f"ends at byte {offset + done}; it had {self.size} bytes when it "
                    "was opened"
                )
            done += count

    def _check_range(self, offset: int, size: int) -> None:
        if offset < 0 or size < 0 or offset + size > self.size:
            raise FormatError(
                f"bytes {offset} to {offset + size} are wanted of a file of "
                f"{self.size} bytes"
            )

    def _read_some(self, offset: int, target: memoryview) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [target], offset)
        with self._seek_lock:  # Windows and macOS before Python 3.7 have no preadv.
            self._file.seek(offset)
            return self._file.readinto(target) or 0


def identity_of(path: str) -> Optional[FileIdentity]:
    """Returns which file a path leads to now; None where it leads to none."""
    try:
        return _identity(os.stat(path))
    except OSError:
        return None


def _identity(status: os.stat_result) -> FileIdentity:
    return FileIdentity(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
    )


def absolute_path(path: str) -> str:
    """Returns a path that leads to the same file whatever directory is the current one.

    Where ``link`` is a symbolic link, ``link/..`` is the directory above the one that
    it leads to. ``os.path.abspath`` and TensorFlow (``FileSystem::CleanPath`` in
    ``tensorflow/core/platform/file_system.cc``) drop both parts, which may lead to
    another checkpoint.
    """
    directory, name = os.path.split(path)
    if os.pardir in re.split(r"[\\/]", directory):
        directory = os.path.realpath(directory)
    return os.path.join(os.path.abspath(directory), name)
