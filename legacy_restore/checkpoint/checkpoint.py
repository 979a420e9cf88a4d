"""What ``open_checkpoint`` gives: a checkpoint as a read-only mapping."""

from __future__ import annotations

import contextlib
import threading
from typing import (
    TYPE_CHECKING,
    Dict,
    Iterator,
    List,
    Mapping,
    Optional,
    Tuple,
)

from legacy_restore import errors
from legacy_restore.checkpoint import checksum
from legacy_restore.checkpoint.closed_on_exit import ClosedOnExit
from legacy_restore.checkpoint.faults import corrupt_tensor
from legacy_restore.checkpoint.reader import TensorReader
from legacy_restore.checkpoint.resolved import Location
from legacy_restore.checkpoint.slices import TensorSlice
from legacy_restore.checkpoint.tensor_entry import (
    OBJECT_GRAPH_KEY,
    StoredPart,
    TensorEntry,
)
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.report.findings import Finding

if TYPE_CHECKING:  # Listing what a checkpoint holds does without these.
    import numpy as np

    from legacy_restore.checkpoint.copied_bytes import CopiedPart
    from legacy_restore.checkpoint.keras_layout import Dataset
    from legacy_restore.checkpoint.objects import ObjectGraph
    from legacy_restore.report.verify_report import VerifyReport


class Checkpoint(ClosedOnExit, Mapping[str, "np.ndarray"]):
    """A checkpoint on disk: keys to NumPy arrays, read when asked for.

    The keys are those that TensorFlow lists, sorted. Reading a tensor verifies its
    checksum, or in the format V1 those of the blocks that it is in. Tensors may be read
    from several threads at once.

    Example::

        with lr.open_checkpoint("runs/encoder") as checkpoint:
            for key in checkpoint:
                print(key, checkpoint.entry(key).shape)
            kernel = checkpoint["dense/kernel"]

    Attributes:
      location: Where it was found, and how.
      format: ``"V2"`` or ``"V1"``.
    """

    def __init__(self, reader: TensorReader, location: Location) -> None:
        """Wraps an open reader; ``open_checkpoint`` is the way to get one."""
        self._reader = reader
        self._is_closed = False
        self._digest: Optional[str] = None
        self._digest_lock = threading.Lock()
        self._objects: Optional[ObjectGraph] = None
        self._objects_lock = threading.Lock()
        entries = reader.tensor_entries()
        self._entries: Dict[str, TensorEntry] = {
            key: entries[key] for key in sorted(entries)
        }
        self.location = location
        self.format = reader.format

    @property
    def prefix(self) -> str:
        """What TensorFlow's functions take: a path stem, or a V1 path or pattern."""
        return self._reader.prefix

    @property
    def findings(self) -> List[Finding]:
        """What there is to say about the location, the files' sizes and the slices."""
        return [*self.location.findings, *self._reader.findings()]

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of what the checkpoint holds.

        It covers the sorted keys with dtype, shape and the CRC32C of the contents, so
        it is the same however the tensors are spread over data files, and in V1 and V2.
        Partitioned tensors are read for it, and all tensors of the format V1; one of
        which slices are missing counts by the slices that are there.
        """
        with self._digest_lock:
            if self._digest is None:
                self._digest = self._compute_digest()
            return self._digest

    @property
    def is_object_based(self) -> bool:
        """Whether it says which objects were saved, as ``tf.train.Checkpoint`` does."""
        entry = self._entries.get(OBJECT_GRAPH_KEY)
        return entry is not None and (entry.dtype, entry.shape) == ("string", ())

    @property
    def objects(self) -> Optional[ObjectGraph]:
        """The objects that were saved; None for a name-based checkpoint.

        Read and verified when it is first asked for, without NumPy.

        Raises:
          CorruptCheckpointError: The tensor that holds the object graph is missing,
            damaged, or contradicts itself.
          ClosedError: The checkpoint was closed.
        """
        if not self.is_object_based:
            return None
        with self._objects_lock:
            if self._objects is None:
                self._objects = self._read_objects()
            return self._objects

    def keras_datasets(self) -> Tuple[Dataset, ...]:
        """Returns where a file of Keras has its tensors, layers in their order.

        Empty for a checkpoint of TensorFlow.
        """
        return self._reader.keras_datasets()

    def entry(self, key: str) -> TensorEntry:
        """Returns what the checkpoint says about a tensor, without reading it.

        Raises:
          KeyNotFoundError: There is no such key.
        """
        try:
            return self._entries[key]
        except KeyError:
            raise self._unknown(key) from None

    def entries(self) -> List[TensorEntry]:
        """Returns the entries of all tensors, sorted by key."""
        return list(self._entries.values())

    def contents_crc(self, key: str) -> int:
        """Returns the CRC32C, unmasked, of a tensor's contents.

        It is the stored one where the file has one that covers the whole tensor in
        this machine's byte order; else the tensor is read, and it is computed.

        Raises:
          KeyNotFoundError: There is no such key.
          CorruptCheckpointError: The tensor had to be read and is damaged.
          UnsupportedCheckpointError: Only some slices of it are stored.
        """
        entry = self.entry(key)
        if entry.crc32c is not None and self.has_crcs:
            return checksum.unmask(entry.crc32c)
        return checksum.tensor_crc(self[key])

    @property
    def has_crcs(self) -> bool:
        """Whether ``slice_crcs`` knows all checksums without reading a tensor."""
        return self._reader.has_crcs

    def slice_crcs(self, key: str) -> Dict[TensorSlice, int]:
        """Returns the CRC32C, unmasked, of each part in which a tensor is stored.

        A tensor that is stored in one piece is one part.

        Raises:
          KeyNotFoundError: There is no such key.
          CorruptCheckpointError: The tensor had to be read and is damaged.
        """
        entry = self.entry(key)
        if not entry.slices:
            return {entry.parts[0]: self.contents_crc(key)}
        if self.has_crcs:
            return self._reader.stored_crcs(key)
        with self._while_open():
            read = self._reader.read_slices(key)
            return {part: checksum.tensor_crc(values) for part, values in read}

    def stored_parts(self, key: str) -> List[StoredPart]:
        """Returns where each part of a tensor is stored, as far as the format says.

        Raises:
          KeyNotFoundError: There is no such key.
        """
        return self._reader.stored_parts(self.entry(key))

    def read_parts(self, key: str) -> Iterator[Tuple[TensorSlice, np.ndarray]]:
        """Reads a tensor part by part: by its slices, else all of it at once.

        So that also a tensor is read of which only some slices are stored.

        Yields:
          Each part and its values, as ``__getitem__`` gives them.

        Raises:
          KeyNotFoundError: There is no such key.
          CorruptCheckpointError: The data are missing, too short or do not match
            their checksum.
          UnsupportedCheckpointError: NumPy cannot hold the dtype.
          MissingDependencyError: The dtype needs ``ml_dtypes``.
          ClosedError: The checkpoint was closed.
        """
        entry = self.entry(key)
        with self._while_open():
            if entry.slices:
                yield from self._reader.read_slices(key)
            else:
                yield entry.parts[0], self._reader.read(key)

    def copied_parts(self, key: str) -> Iterator[CopiedPart]:
        """Yields a tensor part by part in the form in which a V2 checkpoint stores it.

        The bytes are read, and compared with their checksums, when they are taken.

        Raises:
          KeyNotFoundError: There is no such key.
          UnsupportedCheckpointError: No V2 checkpoint that is written here holds them.
          ClosedError: The checkpoint was closed.
        """
        with self._while_open():
            yield from self._reader.copied_parts(self.entry(key).key)

    def verify_tensor(self, key: str) -> None:
        """Reads a tensor's bytes and verifies them, also of a dtype NumPy lacks.

        Raises:
          CorruptCheckpointError: The data are missing, too short or do not match
            their checksum.
          UnsupportedCheckpointError: Nobody can tell: the dtype is not known.
        """
        with self._while_open():
            self._reader.verify(self.entry(key).key)

    def verify(self) -> VerifyReport:
        """Verifies every tensor and every file; a chunk is in memory at a time.

        Where ``open_checkpoint`` refuses, ``verify_checkpoint`` does the same.

        Raises:
          ClosedError: The checkpoint was closed.
        """
        from legacy_restore.checkpoint.verifying import verify_reader

        with self._while_open():
            return verify_reader(self._reader, self.location)

    def paths(self) -> List[str]:
        """Returns the paths of the files that it consists of."""
        return self._reader.paths()

    def close(self) -> None:
        """Closes the files; may be called twice."""
        self._is_closed = True
        self._reader.close()

    def __getitem__(self, key: str) -> np.ndarray:
        """Reads a tensor; strings come as an object array of ``bytes``.

        Raises:
          KeyNotFoundError: There is no such key.
          CorruptCheckpointError: The data are missing, too short or do not match
            their checksum.
          UnsupportedCheckpointError: NumPy cannot hold the dtype, or only some slices
            of the tensor are stored.
          MissingDependencyError: The dtype needs ``ml_dtypes``.
          ClosedError: The checkpoint was closed.
        """
        with self._while_open():
            return self._reader.read(self.entry(key).key)

    @contextlib.contextmanager
    def _while_open(self) -> Iterator[None]:
        closed = errors.ClosedError(f"the checkpoint {self.prefix} was closed")
        if self._is_closed:
            raise closed
        try:
            yield
        except (ValueError, errors.CheckpointError) as error:
            # By another thread, meanwhile: what the system opened since may have the
            # number of a file that was closed, and looks damaged.
            if self._is_closed:
                raise closed from error
            raise

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<Checkpoint {self.prefix!r}: {self.format}, {len(self)} tensors>"

    def _read_objects(self) -> ObjectGraph:
        from legacy_restore.checkpoint.objects import decode_objects

        with self._while_open():
            data = self._reader.read_string(OBJECT_GRAPH_KEY)
        try:
            return decode_objects(data, self._entries)
        except FormatError as error:
            raise corrupt_tensor(OBJECT_GRAPH_KEY, self.prefix, str(error)) from error

    def _unknown(self, key: str) -> errors.KeyNotFoundError:
        import difflib

        near = difflib.get_close_matches(str(key), self._entries, n=3)
        return errors.KeyNotFoundError(
            f"{self.prefix} has no key {key!r}",
            path=self.prefix,
            hint=("did you mean " + " or ".join(map(repr, near))) if near else None,
        )

    def _compute_digest(self) -> str:
        import hashlib

        digest = hashlib.sha256()
        for key, entry in self._entries.items():
            crc = self._contents_text(entry)
            line = f"{key}\0{entry.dtype}\0{list(entry.shape)}\0{crc}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def _contents_text(self, entry: TensorEntry) -> str:
        if entry.is_complete:
            return f"{self.contents_crc(entry.key):08x}"
        crcs = self.slice_crcs(entry.key).items()
        parts = sorted((part.start, part.shape, crc) for part, crc in crcs)
        return ",".join(
            f"{list(start)}{list(shape)}{crc:08x}" for start, shape, crc in parts
        )
