"""Writing V2 checkpoints, tensor by tensor.

The counterpart of ``bundle``. The bytes go to data files in a directory beside the
prefix while the tensors come in; ``finish`` writes the index, waits until all is on the
disk, reads everything back and only then moves it to its place (see ``placing``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import operator
import os
import sys
from types import TracebackType
from typing import Dict, Iterator, List, Optional, Tuple, Type

from legacy_restore import errors
from legacy_restore.checkpoint.bundle import Bundle
from legacy_restore.checkpoint.dtypes import DType
from legacy_restore.checkpoint.entries import MAX_SHARDS, BundleEntry, BundleHeader
from legacy_restore.checkpoint.entries_writer import encode_entry, encode_header
from legacy_restore.checkpoint.files import PositionedFile, absolute_path
from legacy_restore.checkpoint.placing import (
    INDEX,
    META,
    PrefixLike,
    checked_prefix,
    copy_file,
    directory_beside,
    existing_findings,
    place,
    sync_file,
)
from legacy_restore.checkpoint.shard_writer import BytesError, Piece, ShardWriter
from legacy_restore.checkpoint.slice_specs import is_whole, part_fault, part_text
from legacy_restore.checkpoint.slices import (
    Extent,
    TensorSlice,
    any_overlap,
    slice_key,
)
from legacy_restore.checkpoint.table import read_table
from legacy_restore.checkpoint.table_writer import TableWriter
from legacy_restore.checkpoint.tensor_bytes import StoredTensor
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.report.findings import KINDS, Finding, errors_of
from legacy_restore.report.refusal import refusal_text


@dataclasses.dataclass(frozen=True)
class _Sliced:
    """A tensor that is written in slices, and which there are so far."""

    key: str
    dtype: DType
    shape: Tuple[int, ...]
    parts: List[TensorSlice] = dataclasses.field(default_factory=list)

    def as_entry(self) -> BundleEntry:
        slices = (tuple(map(Extent, one.start, one.shape)) for one in self.parts)
        return BundleEntry(self.dtype, self.shape, 0, 0, 0, 0, tuple(slices))


class BundleWriter:
    """Writes one checkpoint; a context manager that leaves nothing if not finished.

    Example::

        with BundleWriter("out/model.ckpt", num_shards=2) as writer:
            writer.add("step", stored_array(step, dtypes.BY_NAME["int64"]))
            writer.add("kernel", stored_array(kernel, dtypes.BY_NAME["float32"]), 1)
            writer.finish()

    A tensor whose bytes cannot be got - its chunks raise - is not in the checkpoint,
    and others may be added after it. Slices need not make up a tensor.

    Attributes:
      prefix: The prefix that is written.
      num_shards: Number of data files.
    """

    def __init__(
        self, prefix: PrefixLike, num_shards: int = 1, *, overwrite: bool = False
    ) -> None:
        """Takes what is to be written; ``with`` begins.

        Args:
          prefix: Path stem of the files; its directory has to be there.
          num_shards: Number of data files.
          overwrite: Permits to replace a checkpoint that has the prefix.

        Raises:
          UsageError: The prefix or the number cannot be meant.
          WriteError: There is a checkpoint already.
        """
        self.prefix = checked_prefix(prefix)
        # The current directory may be another one when the writer finishes.
        self._target = absolute_path(self.prefix)
        self.num_shards = _checked_shards(num_shards)
        self._overwrite = overwrite
        self._stack = contextlib.ExitStack()
        self._directory: Optional[str] = None
        self._pieces: Dict[bytes, Piece] = {}
        self._sliced: Dict[bytes, _Sliced] = {}
        self._shards: Optional[ShardWriter] = None
        self._refuse_existing()

    def __enter__(self) -> BundleWriter:
        with self._system():
            directory = self._stack.enter_context(directory_beside(self._target))
        written = os.path.join(directory, os.path.basename(self._target))
        self._shards = ShardWriter(written, self.num_shards, self._system)
        self._directory = directory
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._directory = None
        try:
            self._close_shards()
        finally:
            self._stack.__exit__(kind, error, trace)

    def add(self, key: str, tensor: StoredTensor, shard: int = 0) -> None:
        """Writes a tensor in one piece.

        Args:
          key: Its name, not empty.
          tensor: Its bytes.
          shard: Number of the data file.

        Raises:
          UsageError: The key is there already or cannot be one, there is no such data
            file, or the bytes do not fit dtype, shape or checksum.
          WriteError: The system refuses; the checkpoint is not written.
          ClosedError: The writer is finished, or was not begun.
        """
        name = encoded_key(key)
        self._refuse_duplicate(key, name)
        self._pieces[name] = self._write(key, tensor, shard)

    def add_slice(
        self,
        key: str,
        shape: Tuple[int, ...],
        part: TensorSlice,
        tensor: StoredTensor,
        shard: int = 0,
    ) -> None:
        """Writes a part of a tensor.

        Like TensorFlow's ``BundleWriter::AddSlice``, it writes a slice that is all of
        the tensor as the tensor.

        Args:
          key: The tensor's name, not empty.
          shape: Shape of the whole tensor.
          part: Which part of it this is; none has an element of another one.
          tensor: The part's bytes.
          shard: Number of the data file.

        Raises:
          UsageError: As ``add``; or the part is empty, no part of the shape or not of
            the tensor's shape, has elements of another one, or shape or dtype of the
            whole are not those of the parts before.
          WriteError: The system refuses; the checkpoint is not written.
          ClosedError: The writer is finished, or was not begun.
        """
        if is_whole(part, shape):
            _check_part(key, shape, part, tensor)
            self.add(key, tensor, shard)
            return
        name = encoded_key(key)
        _check_part(key, shape, part, tensor)
        if name not in self._sliced:
            self._refuse_duplicate(key, name)
        whole = self._sliced.get(name) or _Sliced(key, tensor.dtype, tuple(shape))
        if (whole.dtype, whole.shape) != (tensor.dtype, tuple(shape)):
            raise _refused(key, "its slices are of different shapes or dtypes")
        extents = tuple(map(Extent, part.start, part.shape))
        part_name = slice_key(name, extents)
        self._refuse_duplicate(key, part_name)
        self._pieces[part_name] = self._write(key, tensor, shard)
        self._sliced[name] = whole
        whole.parts.append(part)

    def copy_graph(self, path: str) -> None:
        """Copies a file to stand beside the checkpoint as its graph (``.meta``).

        Raises:
          WriteError: The system refuses; the checkpoint is not written.
          ClosedError: The writer is finished, or was not begun.
        """
        directory = self._require_begun()
        name = os.path.basename(self._target) + META
        with self._system():
            copy_file(path, os.path.join(directory, name))

    def finish(self) -> None:
        """Writes the index, reads everything back and moves it to its place.

        Raises:
          UsageError: Slices of a tensor overlap.
          WriteError: The system refuses, what was written cannot be read back, or there
            is a checkpoint by now. Nothing is left, and what was there is there.
          ClosedError: The writer is finished, or was not begun.
        """
        directory = self._require_begun()
        self._directory = None
        try:
            self._check_overlaps()
            with self._system():
                self._finish_in(directory)
            if not self._overwrite:
                self._refuse_existing()
            with self._system():
                place(directory, self._target)
        except BaseException:
            self._close_shards()
            self._stack.__exit__(*sys.exc_info())
            raise
        self._stack.close()

    def _close_shards(self) -> None:
        if self._shards is not None:
            with contextlib.suppress(OSError):  # What is open is not kept.
                self._shards.close()

    def _finish_in(self, directory: str) -> None:
        """Writes the index and compares all files with what they shall be."""
        assert self._shards is not None
        self._shards.finish()
        prefix = os.path.join(directory, os.path.basename(self._target))
        pairs = self._pairs()
        with open(prefix + INDEX, "xb") as file:
            table = TableWriter(file)
            for key in sorted(pairs):
                table.add(key, pairs[key])
            table.finish()
        sync_file(prefix + INDEX)
        _compare_index(prefix, pairs)
        self._shards.compare(self._pieces.values())

    def _pairs(self) -> Dict[bytes, bytes]:
        """The contents of the index."""
        header = BundleHeader(self.num_shards, is_big_endian=False)
        pairs = {b"": encode_header(header)}
        for name, piece in self._pieces.items():
            pairs[name] = encode_entry(piece.entry)
        for name, whole in self._sliced.items():
            pairs[name] = encode_entry(whole.as_entry())
        return pairs

    def _write(self, key: str, tensor: StoredTensor, shard: int) -> Piece:
        self._require_begun()
        assert self._shards is not None
        try:
            return self._shards.write(tensor, shard)
        except BytesError as error:
            raise _refused(key, str(error)) from error

    def _require_begun(self) -> str:
        if self._directory is None:
            raise errors.ClosedError(
                f"the writer of {self.prefix} is finished, or was not begun",
                hint="with BundleWriter(...) as writer",
            )
        return self._directory

    def _refuse_existing(self) -> None:
        with self._system():
            found = [] if self._overwrite else existing_findings(self._target)
        if found:
            text = refusal_text(f"{self.prefix} is not written", found)
            raise errors.WriteError(text, findings=found)

    def _refuse_duplicate(self, key: str, name: bytes) -> None:
        if name in self._pieces or name in self._sliced:
            raise _refused(key, "there is such a key already")

    def _check_overlaps(self) -> None:
        for whole in self._sliced.values():
            if any_overlap(whole.parts):
                raise _refused(whole.key, "its slices overlap", "slices-mismatch")

    @contextlib.contextmanager
    def _system(self) -> Iterator[None]:
        """Turns what the system and our readers say of our files into our error."""
        try:
            yield
        except (OSError, FormatError, errors.CheckpointError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            finding = Finding(KINDS["save-failed"], self.prefix, reason)
            text = f"{self.prefix} cannot be written; nothing is left"
            raise errors.WriteError(
                refusal_text(text, [finding]), findings=[finding]
            ) from error


def _compare_index(prefix: str, pairs: Dict[bytes, bytes]) -> None:
    """Reads an index and compares it with what was written.

    Raises:
      FormatError: It differs, or the data files are not as long as it says.
      CheckpointError: It cannot be read.
    """
    with contextlib.closing(Bundle(prefix)) as bundle:
        faults = errors_of(bundle.findings())
        if faults:
            raise FormatError(f"{faults[0].subject}: {faults[0].kind.title}")
    with contextlib.closing(PositionedFile(prefix + INDEX)) as file:
        if dict(read_table(file)) != pairs:
            raise FormatError("the index is not what was written")


def encoded_key(key: str) -> bytes:
    """Returns a key as it stands in an index.

    Raises:
      UsageError: It is no text, empty (the header has that key), or has a surrogate
        that stands for no byte.
    """
    if not isinstance(key, str):
        raise _refused(repr(key), "a key has to be a str")
    if not key:
        raise _refused(repr(key), "a key has to have a character")
    try:
        return key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise _refused(repr(key), f"no UTF-8 can hold it: {error.reason}") from error


def _checked_shards(num_shards: int) -> int:
    try:
        count = None if isinstance(num_shards, bool) else operator.index(num_shards)
    except TypeError:
        count = None
    if count is None or not 1 <= count <= MAX_SHARDS:
        raise errors.UsageError(
            f"shards={num_shards!r}: a number from 1 to {MAX_SHARDS} is needed"
        )
    return count


def _check_part(
    key: str, shape: Tuple[int, ...], part: TensorSlice, tensor: StoredTensor
) -> None:
    reason = part_fault(shape, part)
    if reason is not None:
        raise _refused(key, reason, "slices-mismatch")
    if tuple(tensor.shape) != part.shape:
        raise _refused(key, f"values of {list(tensor.shape)} for {part_text(part)}")


def _refused(
    key: str, reason: str, kind: str = "value-not-storable"
) -> errors.UsageError:
    finding = Finding(KINDS[kind], key, reason)
    return errors.UsageError(
        refusal_text("the tensor is not written", [finding]), findings=[finding]
    )
