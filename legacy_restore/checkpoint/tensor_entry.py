"""What a checkpoint says about one tensor, whatever its format."""

from __future__ import annotations

import dataclasses
from typing import Optional, Tuple

from legacy_restore.checkpoint.slices import (
    TensorSlice,
    count_elements,
    count_stored,
    whole_part,
)

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""The key under which an object-based checkpoint says what was saved."""


@dataclasses.dataclass(frozen=True)
class TensorEntry:
    """What a checkpoint says about one tensor, without its values.

    Attributes:
      key: The tensor's name inside the checkpoint.
      dtype: TensorFlow's name of the dtype, such as ``bfloat16`` or ``string``.
      shape: The shape of the whole tensor.
      nbytes: Bytes stored for it, over all slices. The format V1 lists no sizes, and
        packs integers: there it is what the stored elements take in memory, and 0 for
        strings.
      shard: Number of the data file, or None for a partitioned tensor.
      slices: The parts of a partitioned tensor, else empty.
      crc32c: Masked CRC32C as stored, or None for a partitioned tensor, whose slices
        have one each, and for every tensor of the format V1, which has none.
      holder: What the file itself says keeps it, ``"optimizer"`` or ``"metrics"``; None
        where it says nothing, as all but files of Keras.
    """

    key: str
    dtype: str
    shape: Tuple[int, ...]
    nbytes: int
    shard: Optional[int]
    slices: Tuple[TensorSlice, ...]
    crc32c: Optional[int]
    holder: Optional[str] = None

    @property
    def num_elements(self) -> int:
        """Number of elements, 1 for a scalar."""
        return count_elements(self.shape)

    @property
    def parts(self) -> Tuple[TensorSlice, ...]:
        """The parts in which it is stored: its slices, or one that is all of it."""
        return self.slices or (whole_part(self.shape),)

    @property
    def num_stored(self) -> int:
        """Number of elements that are in the file."""
        return count_stored(self.shape, self.slices)

    @property
    def is_complete(self) -> bool:
        """Whether the slices make up the whole tensor; TensorFlow writes some alone."""
        return not self.slices or self.num_stored == self.num_elements


@dataclasses.dataclass(frozen=True)
class StoredPart:
    """Where a tensor, or one slice of a partitioned tensor, is stored.

    What a format does not say of a part is None.

    Attributes:
      part: What it is of the tensor.
      shard: Number of the data file.
      path: Path of the data file.
      offset: Position of its first byte in that file.
      nbytes: Bytes it takes there.
      crc32c: Masked CRC32C as stored.
    """

    part: TensorSlice
    shard: Optional[int] = None
    path: Optional[str] = None
    offset: Optional[int] = None
    nbytes: Optional[int] = None
    crc32c: Optional[int] = None
