"""Which files hold weights that Keras saved: told from their bytes, not their names.

- HDF5 (``.h5``, ``.weights.h5``, and what TensorFlow 1 saved as ``.keras``): a
  signature at byte 0, or behind a user block at 512, 1024 and so on (HDF5 File Format
  Specification, II.A).
- A zip archive (``.keras``) with ``config.json`` and ``model.weights.h5``, which is an
  HDF5 file, not compressed (``keras/src/saving/saving_lib.py``).
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from typing import Any, Dict, NamedTuple, Optional

from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.wire import FormatError

HDF5 = "HDF5"
KERAS = "Keras"

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_USER_BLOCKS = (0, 512, 1024, 2048)
_ZIP_SIGNATURE = b"PK\3\4"
_CONFIG = "config.json"
_WEIGHTS = "model.weights.h5"
_LOCAL_HEADER_BYTES = 30
# A description of the layers, read whole: those of the largest models take a few MB.
_MAX_CONFIG_BYTES = 256 << 20


class WindowOfFile(io.RawIOBase):
    """Some bytes of a file as a file of their own, for libraries that want one."""

    def __init__(self, file: PositionedFile, start: int, size: int) -> None:
        """Shows ``size`` bytes from ``start``."""
        super().__init__()
        self._file = file
        self._start = start
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def tell(self) -> int:
        """Returns the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves the position, and returns it."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}
        self._at = max(origin[whence] + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer as far as there are bytes, and returns how many there were."""
        view = memoryview(buffer).cast("B")
        count = max(min(len(view), self._size - self._at), 0)
        try:
            self._file.read_into(self._start + self._at, view[:count])
        except FormatError as error:
            raise OSError(str(error)) from error
        self._at += count
        return count


class ArchivedWeights(NamedTuple):
    """What a ``.keras`` file holds.

    Attributes:
      start: Position of the first byte of its weights.
      size: Number of bytes of them.
      crc32: Their CRC32, as the archive says it.
      config: The configuration of the model.
    """

    start: int
    size: int
    crc32: int
    config: Dict[str, Any]


def keras_format_of(path: str) -> Optional[str]:
    """Returns ``"HDF5"`` or ``"Keras"``; None of every other file."""
    if not os.path.isfile(path):
        return None
    try:
        file = PositionedFile(path)
    except (OSError, FormatError):
        return None
    try:
        if _begins(file, 0, _ZIP_SIGNATURE):
            return KERAS if _is_archive(file) else None
        is_hdf5 = any(_begins(file, at, _HDF5_SIGNATURE) for at in _USER_BLOCKS)
        return HDF5 if is_hdf5 else None
    except FormatError:
        return None
    finally:
        file.close()


def read_archive(file: PositionedFile) -> ArchivedWeights:
    """Finds the weights in a ``.keras`` file; nothing is unpacked to a disk.

    Raises:
      FormatError: The archive is damaged, or not as Keras writes it.
    """
    try:
        with zipfile.ZipFile(_whole(file)) as archive:
            weights = archive.getinfo(_WEIGHTS)
            if weights.compress_type != zipfile.ZIP_STORED or weights.flag_bits & 1:
                hint = f"unzip it, and name {_WEIGHTS}"
                raise FormatError("its weights are compressed or encrypted", hint)
            if archive.getinfo(_CONFIG).file_size > _MAX_CONFIG_BYTES:
                raise FormatError(f"{_CONFIG} is longer than that of any model")
            config = json.loads(archive.read(_CONFIG).decode("utf-8"))
    except FormatError:
        raise
    except Exception as error:  # zipfile raises many kinds for what is damaged.
        raise FormatError(f"the archive is damaged: {error}") from error
    header = file.read(weights.header_offset, _LOCAL_HEADER_BYTES)
    if not header.startswith(_ZIP_SIGNATURE):
        raise FormatError("the archive is damaged: its weights are not where it says")
    lengths = sum(int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    start = weights.header_offset + _LOCAL_HEADER_BYTES + lengths
    if start + weights.file_size > file.size:
        raise FormatError("the archive is damaged: its weights are not all there")
    config = config if isinstance(config, dict) else {}
    return ArchivedWeights(start, weights.file_size, weights.CRC, config)


def _begins(file: PositionedFile, at: int, signature: bytes) -> bool:
    if file.size < at + len(signature):
        return False
    return file.read(at, len(signature)) == signature


def _is_archive(file: PositionedFile) -> bool:
    try:
        with zipfile.ZipFile(_whole(file)) as archive:
            return {_CONFIG, _WEIGHTS} <= set(archive.namelist())
    except Exception:  # As in read_archive: another file, or a damaged one.
        return False


def _whole(file: PositionedFile) -> io.BufferedReader:
    return io.BufferedReader(WindowOfFile(file, 0, file.size))
