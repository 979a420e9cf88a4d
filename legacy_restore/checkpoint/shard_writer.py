"""The data files of a V2 checkpoint that is being written.

Tensors are put behind one another. The bytes of one that failed on its way are
overwritten by the next, or cut off at the end.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
from typing import Callable, ContextManager, Dict, Iterable, List, Optional, Tuple

import numpy as np

from legacy_restore.checkpoint import checksum
from legacy_restore.checkpoint.data_files import shard_path
from legacy_restore.checkpoint.entries import BundleEntry
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.placing import sync_file
from legacy_restore.checkpoint.tensor_bytes import StoredTensor
from legacy_restore.checkpoint.wire import FormatError

_CHUNK_BYTES = 1 << 20


class BytesError(ValueError):
    """The bytes of a tensor do not fit what is said of it.

    It never leaves the package ``checkpoint``.
    """


@dataclasses.dataclass(frozen=True)
class Piece:
    """A tensor, or a slice of one, that was written.

    Attributes:
      entry: Its entry in the index.
      raw_crc: CRC32C of the stored bytes, which of strings is not that of the entry.
    """

    entry: BundleEntry
    raw_crc: int


class ShardWriter:
    """Writes the data files of one checkpoint."""

    def __init__(
        self,
        prefix: str,
        num_shards: int,
        system: Callable[[], ContextManager[None]],
    ) -> None:
        """Begins; makes no file yet.

        Args:
          prefix: Path stem of the files.
          num_shards: Their number.
          system: What turns errors of the system into the writer's own. Those of
            whoever makes the chunks must not pass for such.
        """
        self._prefix = prefix
        self._sizes = [0] * num_shards
        self._system = system
        self._open: Optional[Tuple[int, io.FileIO]] = None

    def write(self, tensor: StoredTensor, shard: int) -> Piece:
        """Writes a tensor behind what is in a data file.

        Raises:
          BytesError: There is no such data file, or the bytes do not fit dtype, shape
            or checksum.
        """
        if not 0 <= shard < len(self._sizes):
            raise BytesError(f"it is for data file {shard} of {len(self._sizes)}")
        offset = self._sizes[shard]
        size = crc = raw_crc = 0
        for chunk in tensor.chunks:
            data = memoryview(chunk.stored)
            if tensor.size is not None and size + data.nbytes > tensor.size:
                raise BytesError(f"it has more than {tensor.size} bytes")
            raw_crc = checksum.extend(raw_crc, chunk.stored)
            covered = chunk.stored if chunk.covered is None else chunk.covered
            crc = raw_crc if tensor.size is not None else checksum.extend(crc, covered)
            with self._system():
                self._write_at(shard, offset + size, data)
            size += data.nbytes
        if tensor.size is not None and size != tensor.size:
            raise BytesError(f"it has {size} bytes instead of {tensor.size}")
        stored_crc = checksum.mask(crc) if tensor.crc32c is None else tensor.crc32c
        if tensor.size is not None and checksum.unmask(stored_crc) != crc:
            raise BytesError("its bytes do not match the checksum that is given")
        self._sizes[shard] = offset + size
        entry = BundleEntry(
            tensor.dtype, tuple(tensor.shape), shard, offset, size, stored_crc, ()
        )
        return Piece(entry, raw_crc)

    def finish(self) -> None:
        """Waits until all data files are on the disk, also those without a tensor."""
        self.close()
        for shard, size in enumerate(self._sizes):
            with open(self._path(shard), "ab") as file:
                file.truncate(size)
            sync_file(self._path(shard))

    def close(self) -> None:
        """Closes the file that is open; may be called twice."""
        if self._open is not None:
            file, self._open = self._open[1], None
            file.close()

    def compare(self, pieces: Iterable[Piece]) -> None:
        """Reads the files and compares them with what was written.

        Raises:
          FormatError: They differ, or cannot be read.
          OSError: One cannot be opened.
        """
        by_shard: Dict[int, List[Piece]] = {}
        for piece in pieces:
            by_shard.setdefault(piece.entry.shard, []).append(piece)
        for shard, found in by_shard.items():
            with contextlib.closing(PositionedFile(self._path(shard))) as file:
                for piece in found:
                    _compare(file, piece)

    def _path(self, shard: int) -> str:
        return shard_path(self._prefix, shard, len(self._sizes))

    def _write_at(self, shard: int, offset: int, data: memoryview) -> None:
        file = self._file(shard)
        file.seek(offset)
        while data.nbytes:
            # Without a buffer: what it held would be written later, or never.
            data = data[file.write(data) or 0 :]

    def _file(self, shard: int) -> io.FileIO:
        """A data file; one is open at a time, as there may be very many."""
        if self._open is None or self._open[0] != shard:
            self.close()
            path = self._path(shard)
            mode = "rb+" if os.path.exists(path) else "xb"
            self._open = shard, io.FileIO(path, mode)
        return self._open[1]


def _compare(file: PositionedFile, piece: Piece) -> None:
    entry = piece.entry
    buffer = np.empty(min(entry.size, _CHUNK_BYTES), np.uint8)
    crc = 0
    for start in range(0, entry.size, _CHUNK_BYTES):
        chunk = buffer[: entry.size - start]
        file.read_into(entry.offset + start, chunk.data)
        crc = checksum.extend(crc, chunk)
    if crc != piece.raw_crc:
        raise FormatError(f"{file.path}: what is read is not what was written")
