"""Where the tensors that are written come from: any mapping, or another checkpoint.

A source first says what it has, so that everything that cannot be written is found
before anything is, and then gives one tensor at a time.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, Iterator, Mapping, NamedTuple, Tuple

import numpy as np

from legacy_restore import errors
from legacy_restore.checkpoint import dtypes
from legacy_restore.checkpoint.checkpoint import Checkpoint
from legacy_restore.checkpoint.slice_specs import as_slices, is_whole
from legacy_restore.checkpoint.slices import (
    TensorSlice,
    count_elements,
    whole_part,
)
from legacy_restore.checkpoint.storable import (
    NotStorableError,
    storable,
    stored_dtype,
)
from legacy_restore.checkpoint.tensor_bytes import count_bytes
from legacy_restore.checkpoint.tensor_entry import TensorEntry
from legacy_restore.report.findings import KINDS, Finding, errors_of
from legacy_restore.report.refusal import refusal_text


@dataclasses.dataclass(frozen=True)
class Planned:
    """A tensor that is going to be written.

    Attributes:
      key: Its name.
      dtype: Its type in the file.
      shape: Its shape.
      slices: The parts in which it is written, or one that is all of it.
      sizes: Bytes of each; of slices of strings that come from a file an estimate.
    """

    key: str
    dtype: dtypes.DType
    shape: Tuple[int, ...]
    slices: Tuple[TensorSlice, ...]
    sizes: Tuple[int, ...]


class Part(NamedTuple):
    """A slice of a tensor and its values."""

    part: TensorSlice
    values: np.ndarray


class Source(abc.ABC):
    """Tensors by key."""

    def __init__(
        self,
        tensors: Mapping[str, Any],
        slices: Mapping[str, Any],
        dtype_names: Mapping[str, str],
    ) -> None:
        """Takes the arguments of ``write_checkpoint``."""
        self.tensors = tensors
        self.slices = slices
        self.dtype_names = dtype_names

    @abc.abstractmethod
    def plan(self, key: str) -> Planned:
        """Returns what is to be written of a tensor.

        Raises:
          NotStorableError: No checkpoint can hold it.
          SlicesError: The slices that are asked for do not make it up.
        """

    @abc.abstractmethod
    def parts(self, planned: Planned) -> Iterator[Part]:
        """Gives the values of the slices of a tensor, all of one tensor in memory."""


def source_of(
    tensors: Mapping[str, Any],
    slices: Mapping[str, Any],
    dtype_names: Mapping[str, str],
) -> Source:
    """Returns the source for a mapping.

    Raises:
      CorruptCheckpointError: It is a checkpoint, and files of it are not all there.
    """
    if isinstance(tensors, Checkpoint):
        return CheckpointSource(tensors, slices, dtype_names)
    return ArraySource(tensors, slices, dtype_names)


class ArraySource(Source):
    """A mapping to arrays, or to what NumPy makes arrays of."""

    def plan(self, key: str) -> Planned:
        """Returns what is to be written of a tensor."""
        array, dtype = storable(self.tensors[key], self.dtype_names.get(key))
        slices = self._slices_of(key, array.shape)
        sizes = tuple(count_bytes(_cut(array, one)) for one in slices)
        return Planned(key, dtype, array.shape, slices, sizes)

    def parts(self, planned: Planned) -> Iterator[Part]:
        """Gives the values of the slices of a tensor."""
        found = storable(self.tensors[planned.key], self.dtype_names.get(planned.key))
        if (found.array.shape, found.dtype) != (planned.shape, planned.dtype):
            reason = "it has another shape or dtype when it is asked for again"
            finding = Finding(KINDS["value-not-storable"], planned.key, reason)
            raise errors.UsageError(
                f"tensor {planned.key!r}: {reason}", findings=[finding]
            )
        for one in planned.slices:
            yield Part(one, _cut(found.array, one))

    def _slices_of(self, key: str, shape: Tuple[int, ...]) -> Tuple[TensorSlice, ...]:
        if key in self.slices:
            return as_slices(self.slices[key], shape)
        return (whole_part(shape),)


class CheckpointSource(Source):
    """A checkpoint that is open: its dtypes and slices are kept."""

    tensors: Checkpoint

    def __init__(
        self,
        tensors: Checkpoint,
        slices: Mapping[str, Any],
        dtype_names: Mapping[str, str],
    ) -> None:
        """Takes the arguments of ``write_checkpoint``.

        Raises:
          CorruptCheckpointError: Files are missing or too short. What is in a V1 file
            is listed nowhere else: nobody would miss it.
        """
        super().__init__(tensors, slices, dtype_names)
        found = errors_of(tensors.findings)
        if found:
            raise errors.CorruptCheckpointError(
                refusal_text(f"{tensors.prefix} is not copied", found),
                path=tensors.prefix,
                findings=found,
            )

    def plan(self, key: str) -> Planned:
        """Returns what is to be written of a tensor."""
        entry = self.tensors.entry(key)
        found = dtypes.BY_NAME.get(entry.dtype)
        if found is None or found.numpy_name is None:
            raise NotStorableError(f"dtype {entry.dtype} has no NumPy counterpart")
        dtype = stored_dtype(found, self.dtype_names.get(key))
        if key not in self.slices:
            slices = entry.slices or (whole_part(entry.shape),)
            return _planned(entry, dtype, slices)
        if not entry.is_complete:
            raise NotStorableError("only part of it is in the file to be sliced")
        return _planned(entry, dtype, as_slices(self.slices[key], entry.shape))

    def parts(self, planned: Planned) -> Iterator[Part]:
        """Gives the values of the slices of a tensor."""
        stored = self.tensors.entry(planned.key).slices
        if planned.slices == stored:
            for part, values in self.tensors.read_parts(planned.key):
                yield Part(part, values)
            return
        array = self.tensors[planned.key]
        for one in planned.slices:
            yield Part(one, _cut(array, one))


def _cut(array: np.ndarray, part: TensorSlice) -> np.ndarray:
    """The values of a slice; of a scalar that is all of it, NumPy would take it out."""
    return array if is_whole(part, array.shape) else array[part.as_index()]


def _planned(
    entry: TensorEntry, dtype: dtypes.DType, slices: Tuple[TensorSlice, ...]
) -> Planned:
    """Divides the bytes of a tensor by the elements of its slices."""
    if len(slices) == 1 and is_whole(slices[0], entry.shape):
        return Planned(entry.key, dtype, entry.shape, slices, (entry.nbytes,))
    total = max(entry.num_stored, 1)
    sizes = (entry.nbytes * count_elements(one.shape) // total for one in slices)
    return Planned(entry.key, dtype, entry.shape, slices, tuple(sizes))
