"""What the files of a V1 checkpoint say they hold, put together.

Every file lists the slices in it, with dtype and shape of the whole tensor
(``v1_entries``); slices of one tensor may be in different files
(``tensorflow/core/util/tensor_slice_reader.cc``).
"""

from __future__ import annotations

import dataclasses
from typing import Callable, Dict, Iterable, List, NamedTuple, Set, Tuple

from legacy_restore.checkpoint import dtypes
from legacy_restore.checkpoint.faults import faults_of
from legacy_restore.checkpoint.slices import (
    Extent,
    TensorSlice,
    any_overlap,
    count_elements,
    part_of,
    reaches_beyond,
)
from legacy_restore.checkpoint.v1_entries import SavedTensor
from legacy_restore.checkpoint.wire import FormatError


class StoredSlice(NamedTuple):
    """A slice of a tensor and where its values are.

    Attributes:
      part: Which part of the tensor it is.
      shard: Number of the file.
      extents: How the file declares that part, of which its key is made.
    """

    part: TensorSlice
    shard: int
    extents: Tuple[Extent, ...]


@dataclasses.dataclass(frozen=True)
class V1Tensor:
    """What the files say about one tensor.

    Attributes:
      name: Its name, not decoded.
      dtype: Type of the elements.
      shape: Shape of the whole tensor.
      stored: Its slices, over all files.
    """

    name: bytes
    dtype: dtypes.DType
    shape: Tuple[int, ...]
    stored: Tuple[StoredSlice, ...]

    @property
    def is_partitioned(self) -> bool:
        """Whether it is stored otherwise than in one piece."""
        return len(self.stored) > 1 or self.stored[0].part.shape != self.shape


class Listed(NamedTuple):
    """What one file of a checkpoint lists.

    Attributes:
      shard: Number of the file.
      path: Its path.
      tensors: The tensors that it has slices of.
    """

    shard: int
    path: str
    tensors: Iterable[SavedTensor]


OnFault = Callable[[str, str, FormatError], None]
"""What is told of a tensor that is at fault, in which file, and why; it may raise."""


def refuse(key: str, path: str, error: FormatError) -> None:
    """Raises the fault of a tensor as one of the file.

    Raises:
      CorruptCheckpointError: Always.
    """
    with faults_of(path):
        raise error


def collect_tensors(
    files: Iterable[Listed], on_fault: OnFault = refuse
) -> Dict[str, V1Tensor]:
    """Puts together what the files of a checkpoint list.

    The slices of a tensor need not make up the whole, as in a V2 checkpoint.

    Args:
      files: What each file lists.
      on_fault: Called for each tensor of which a slice is no part, two slices overlap,
        or two files contradict each other. If it returns, the tensor is left out.

    Returns:
      The tensors by their names.
    """
    whole: Dict[bytes, SavedTensor] = {}
    stored: Dict[bytes, List[StoredSlice]] = {}
    last_path: Dict[bytes, str] = {}
    lost: Set[bytes] = set()
    for file in files:
        for tensor in file.tensors:
            last_path[tensor.name] = file.path
            try:
                first = whole.setdefault(tensor.name, tensor)
                _check_same(first, tensor)
                found = stored.setdefault(tensor.name, [])
                found += _slices_of(tensor, file.shard)
            except FormatError as error:
                on_fault(_text(tensor.name), file.path, error)
                lost.add(tensor.name)
    for name in [name for name in stored if name not in lost]:
        try:
            _check_slices(name, stored[name])
        except FormatError as error:
            on_fault(_text(name), last_path[name], error)
            lost.add(name)
    return {
        _text(name): V1Tensor(name, one.dtype, one.shape, tuple(stored[name]))
        for name, one in whole.items()
        if name not in lost
    }


def _check_same(first: SavedTensor, tensor: SavedTensor) -> None:
    if (first.dtype, first.shape) != (tensor.dtype, tensor.shape):
        raise FormatError(
            f"tensor {_text(tensor.name)!r} is {tensor.dtype.name}"
            f"{list(tensor.shape)} here and {first.dtype.name}{list(first.shape)} "
            "elsewhere"
        )


def _slices_of(tensor: SavedTensor, shard: int) -> List[StoredSlice]:
    if not tensor.slices:
        raise FormatError(f"tensor {_text(tensor.name)!r} is listed without a slice")
    found = []
    for extents in tensor.slices:
        if len(extents) != len(tensor.shape):
            raise FormatError(
                f"a slice of {_text(tensor.name)!r} has {len(extents)} axes"
            )
        part = part_of(extents, tensor.shape)
        if reaches_beyond(part, tensor.shape):
            raise FormatError(
                f"a slice of {_text(tensor.name)!r} reaches beyond its shape"
            )
        found.append(StoredSlice(part, shard, extents))
    return found


def _check_slices(name: bytes, slices: List[StoredSlice]) -> None:
    if len(slices) == 1:
        return
    parts = [one.part for one in slices]
    full = [part for part in parts if count_elements(part.shape)]
    if any_overlap(full) or len(set(parts)) < len(parts):
        raise FormatError(f"slices of {_text(name)!r} overlap")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
