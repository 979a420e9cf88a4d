"""V1 checkpoints: table files that hold the tensors themselves.

TensorFlow wrote this format up to 0.11, and later where ``write_version`` asked for it.
A checkpoint is one table file (see ``table``), or one for each shard (see
``v1_files``); each lists the tensors in it under the empty key and holds every slice of
one under a key of its own (see ``v1_entries``). The blocks of a table have checksums,
the tensors have none (``tensorflow/core/util/tensor_slice_reader.cc``).
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Callable, Dict, Iterator, List, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint.faults import (
    corrupt,
    corrupt_tensor,
    faults_of,
    incomplete_tensor,
    limits_of,
    limits_of_tensor,
    not_there,
    unsupported_tensor,
)
from legacy_restore.checkpoint.files import PositionedFile, identity_of
from legacy_restore.checkpoint.reader import TensorReader
from legacy_restore.checkpoint.slices import (
    TensorSlice,
    count_stored,
    part_of,
    slice_key,
)
from legacy_restore.checkpoint.table_blocks import MAX_SNAPPY_GROWTH
from legacy_restore.checkpoint.table_lookup import TableLookup
from legacy_restore.checkpoint.tensor_entry import TensorEntry
from legacy_restore.checkpoint.v1_entries import (
    SavedTensor,
    parse_metadata,
    parse_saved_slice,
)
from legacy_restore.checkpoint.v1_files import METADATA_KEY, shard_set_of_pattern
from legacy_restore.checkpoint.v1_index import (
    Listed,
    OnFault,
    StoredSlice,
    V1Tensor,
    collect_tensors,
    refuse,
)
from legacy_restore.checkpoint.wire import Data, FormatError
from legacy_restore.report.findings import KINDS, Finding

# ``tensors`` and ``v1_values`` import NumPy, which takes longer than to list what a
# checkpoint holds: they are imported where a tensor is read.
if TYPE_CHECKING:
    import numpy as np

    from legacy_restore.checkpoint.copied_bytes import CopiedPart
    from legacy_restore.checkpoint.tensor_bytes import Chunk

# Writing a checkpoint takes far longer than opening one.
_MAX_ATTEMPTS = 5

ListTensors = Callable[[int, str], List[SavedTensor]]
"""Gives what a file lists from the number of its shard and its path."""


class V1Files(TensorReader):
    """The tensors of a V1 checkpoint, read when asked for.

    Attributes:
      prefix: Path of the file, or pattern of the shards' paths.
      tensors: What the files say about each tensor, by key.
      lost: Why others cannot be had, by key; empty unless it was opened ``tolerantly``.
      lost_files: What is wrong with files that list nothing, likewise.
    """

    format = "V1"

    def __init__(self, prefix: str) -> None:
        """Reads what the files list; they stay open.

        Args:
          prefix: Path of the file, or pattern of the shards' paths with their number.

        Raises:
          LocationError: There is no such file.
          CorruptCheckpointError: What lists the tensors is damaged.
          UnsupportedCheckpointError: It needs another reader.
          MissingDependencyError: It is compressed and ``cramjam`` is missing.
        """
        self._begin(prefix)
        self._open(self._list, refuse)

    @classmethod
    def tolerantly(cls, prefix: str) -> V1Files:
        """Reads what files list that may be damaged.

        One that lists nothing costs what it holds and no more; so does a tensor about
        which files contradict each other.

        Raises:
          LegacyRestoreError: As the constructor, if none of the files can be read.
        """
        files = cls.__new__(cls)
        files._begin(prefix)
        files._open(files._try_list, files._lose)
        return files

    def _begin(self, prefix: str) -> None:
        self.prefix = prefix
        # What exists literally wins, also over a pattern.
        shards = None if os.path.isfile(prefix) else shard_set_of_pattern(prefix)
        self._paths = [prefix] if shards is None else shards.paths()
        self._files: Dict[int, PositionedFile] = {}
        self._tables: Dict[int, TableLookup] = {}
        self.lost: Dict[str, str] = {}
        self.lost_files: Dict[int, errors.LegacyRestoreError] = {}

    def _open(self, list_tensors: ListTensors, on_fault: OnFault) -> None:
        try:
            self._open_all(list_tensors, on_fault)
        except BaseException:
            self.close()
            raise

    def _open_all(self, list_tensors: ListTensors, on_fault: OnFault) -> None:
        """Opens all files and takes what they list.

        A training job may delete or rename them one by one meanwhile, so that some
        would be of another step than the others, or seem to be missing.
        """
        for _ in range(_MAX_ATTEMPTS):
            try:
                self._take_lists(list_tensors, on_fault)
                if self._are_unchanged():
                    return
            except errors.CorruptCheckpointError:
                if self._are_unchanged():
                    raise
            self.close()
            for found in (self._files, self._tables, self.lost, self.lost_files):
                found.clear()
        reason = f"it was written anew {_MAX_ATTEMPTS} times meanwhile"
        raise corrupt(self.prefix, reason)

    def _take_lists(self, list_tensors: ListTensors, on_fault: OnFault) -> None:
        self.tensors = collect_tensors(
            (
                Listed(shard, path, list_tensors(shard, path))
                for shard, path in enumerate(self._paths)
            ),
            on_fault,
        )
        if not self._tables:
            gone = not_there(self._paths[0], "No such file or directory")
            raise next(iter(self.lost_files.values()), gone)

    def close(self) -> None:
        """Closes the files; may be called twice."""
        for file in self._files.values():
            file.close()

    def paths(self) -> List[str]:
        """Returns the paths of all files, in the order of the shards."""
        return list(self._paths)

    def tensor_entries(self) -> Dict[str, TensorEntry]:
        """Returns what the files say about each tensor, by key."""
        return {key: _entry_of(key, one) for key, one in self.tensors.items()}

    def findings(self) -> List[Finding]:
        """Returns what there is to say about missing files and slices."""
        lost = [one for error in self.lost_files.values() for one in error.findings]
        return [*lost, *self._missing_findings(), *self.incomplete_findings()]

    @property
    def has_crcs(self) -> bool:
        """Always false: only the blocks of the tables have checksums."""
        return False

    def stored_crcs(self, key: str) -> Dict[TensorSlice, int]:
        """Raises ``NotImplementedError``: there are none."""
        raise NotImplementedError("V1 stores no checksums of tensors")

    def read(self, key: str) -> np.ndarray:
        """Reads a tensor, assembled from its slices where it is partitioned.

        Args:
          key: A key of ``tensors``.

        Returns:
          The values in the byte order of this machine; strings as an object array of
          ``bytes``.

        Raises:
          CorruptCheckpointError: The values are missing, of another number or kind, or
            in a block that does not match its checksum.
          UnsupportedCheckpointError: NumPy or the format cannot hold the dtype, or only
            some slices of the tensor are stored.
          MissingDependencyError: The dtype needs ``ml_dtypes``.
        """
        tensor = self.tensors[key]
        entry = _entry_of(key, tensor)
        if not entry.is_complete:
            stored_text = f"{entry.num_stored} of {entry.num_elements} elements"
            raise incomplete_tensor(key, self.prefix, stored_text)
        if not tensor.is_partitioned:
            return self._read_slice(key, tensor.stored[0])
        whole = self._allocate(key)
        for stored in tensor.stored:
            whole[stored.part.as_index()] = self._read_slice(key, stored)
        return whole

    def read_slices(self, key: str) -> Iterator[Tuple[TensorSlice, np.ndarray]]:
        """Reads the slices of a partitioned tensor, one after the other.

        Yields:
          Each slice and its values, as ``read`` gives them.

        Raises:
          CorruptCheckpointError: As ``read``.
          UnsupportedCheckpointError: NumPy or the format cannot hold the dtype.
          MissingDependencyError: The dtype needs ``ml_dtypes``.
        """
        for stored in self.tensors[key].stored:
            yield stored.part, self._read_slice(key, stored)

    def verify(self, key: str) -> None:
        """Reads the blocks of a tensor and compares them with their checksums.

        That they hold as many values of its dtype as it has elements is verified too.

        Raises:
          CorruptCheckpointError: They are missing or do not match.
        """
        from legacy_restore.checkpoint import v1_values

        tensor = self.tensors[key]
        for stored in tensor.stored:
            with self._faults_of(key, stored):
                data = self._data(tensor, stored)
                if v1_values.has_place_for(tensor.dtype):
                    v1_values.decode_values(data, tensor.dtype, stored.part.shape)

    def copied_parts(self, key: str) -> Iterator[CopiedPart]:
        """Yields the parts of a tensor as a V2 checkpoint stores them.

        The values of one part are in memory at a time, and the blocks that they are in.

        Raises:
          UnsupportedCheckpointError: The format has no place for the dtype.
        """
        from legacy_restore.checkpoint import v1_values
        from legacy_restore.checkpoint.copied_bytes import CopiedPart
        from legacy_restore.checkpoint.tensor_bytes import StoredTensor

        tensor = self.tensors[key]
        if not v1_values.has_place_for(tensor.dtype):
            reason = f"the format V1 has no place for the dtype {tensor.dtype.name}"
            raise unsupported_tensor(key, self.prefix, reason)
        for stored in tensor.stored:
            chunks = self._copied_chunks(key, stored)
            copied = StoredTensor(tensor.dtype, stored.part.shape, chunks)
            yield CopiedPart(stored.part, stored.shard, copied)

    def _copied_chunks(self, key: str, stored: StoredSlice) -> Iterator[Chunk]:
        from legacy_restore.checkpoint import v1_values
        from legacy_restore.checkpoint.tensor_bytes import stored_array

        dtype = self.tensors[key].dtype
        with self._faults_of(key, stored):
            data = self._data(self.tensors[key], stored)
            values = v1_values.decode_values(data, dtype, stored.part.shape)
        # Numbers of the same bits: NumPy need not have the dtype.
        yield from stored_array(values, dtype).chunks

    def _are_unchanged(self) -> bool:
        """Whether the paths still lead to the files that were opened."""
        return all(
            identity_of(self._paths[shard]) == file.identity
            for shard, file in self._files.items()
        )

    def _list(self, shard: int, path: str) -> List[SavedTensor]:
        """Opens a file, if it is there, and returns what it lists."""
        with faults_of(path):
            try:
                file = PositionedFile(path)
            except FileNotFoundError:
                return []
            except OSError as error:
                raise not_there(path, str(error.strerror)) from error
            self._files[shard] = file
            table = self._tables[shard] = TableLookup(file)
            value = table.get(METADATA_KEY)
            if value is None:
                raise FormatError("is a table without a list of tensors")
            return parse_metadata(value)

    def _try_list(self, shard: int, path: str) -> List[SavedTensor]:
        """Returns what a file lists, nothing if that is damaged."""
        try:
            return self._list(shard, path)
        except errors.LegacyRestoreError as error:
            self._tables.pop(shard, None)
            self.lost_files[shard] = error
            return []

    def _lose(self, key: str, path: str, error: FormatError) -> None:
        self.lost.setdefault(key, f"{path}: {error}")

    @property
    def lacks_files(self) -> bool:
        """Whether files are missing or list nothing: any may have slices of tensors."""
        return len(self._tables) < len(self._paths)

    def _missing_findings(self) -> List[Finding]:
        return [
            Finding(
                KINDS["shard-missing"],
                path,
                f"it is one of {len(self._paths)} files; which tensors it holds is "
                "listed nowhere else",
            )
            for shard, path in enumerate(self._paths)
            if shard not in self._files and shard not in self.lost_files
        ]

    def _allocate(self, key: str) -> np.ndarray:
        """Makes the array for a partitioned tensor, if the files can hold its slices.

        What they declare may be any size.
        """
        from legacy_restore.checkpoint import tensors, v1_values

        tensor = self.tensors[key]
        shards = {stored.shard for stored in tensor.stored}
        room = MAX_SNAPPY_GROWTH * sum(self._files[shard].size for shard in shards)
        elements = _entry_of(key, tensor).num_elements
        with limits_of_tensor(key, self.prefix):
            if v1_values.least_bytes(tensor.dtype, elements) > room:
                reason = f"its {elements} elements cannot be in {room} bytes"
                raise corrupt_tensor(key, self.prefix, reason)
            return tensors.allocate(tensor.dtype, tensor.shape)

    def _read_slice(self, key: str, stored: StoredSlice) -> np.ndarray:
        from legacy_restore.checkpoint import v1_values

        tensor = self.tensors[key]
        with self._faults_of(key, stored):
            data = self._data(tensor, stored)
            with limits_of_tensor(key, self.prefix):
                return v1_values.read_values(data, tensor.dtype, stored.part.shape)

    @contextlib.contextmanager
    def _faults_of(self, key: str, stored: StoredSlice) -> Iterator[None]:
        """Turns faults of a slice into errors that name its tensor."""
        try:
            yield
        except FormatError as error:
            path = self._paths[stored.shard]
            raise corrupt_tensor(key, path, str(error)) from error

    def _data(self, tensor: V1Tensor, stored: StoredSlice) -> Data:
        """The encoded values of a slice, after the checks that need no NumPy."""
        with limits_of(self._paths[stored.shard]):
            key = slice_key(tensor.name, stored.extents)
            value = self._tables[stored.shard].get(key)
        if value is None:
            raise FormatError("values that are listed are not there")
        saved = parse_saved_slice(value)
        is_same = saved.name == tensor.name and len(saved.extents) == len(tensor.shape)
        if not is_same or part_of(saved.extents, tensor.shape) != stored.part:
            raise FormatError("values are those of another tensor or slice")
        return saved.data


def _entry_of(key: str, tensor: V1Tensor) -> TensorEntry:
    parts = tuple(stored.part for stored in tensor.stored)
    return TensorEntry(
        key=key,
        dtype=tensor.dtype.name,
        shape=tensor.shape,
        # The files list no sizes: what the elements take in memory, and in a V2 file.
        nbytes=count_stored(tensor.shape, parts) * (tensor.dtype.itemsize or 0),
        shard=None if tensor.is_partitioned else tensor.stored[0].shard,
        slices=parts if tensor.is_partitioned else (),
        crc32c=None,
    )
