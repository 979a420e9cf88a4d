"""What a checkpoint says about one tensor, whatever its format."""

from __future__ import annotations

import dataclasses
from typing import Optional, Tuple

from legacy_restore.checkpoint.slices import (
    TensorSlice,
    count_elements,
    count_stored,
)


@dataclasses.dataclass(frozen=True)
class TensorEntry:
    """What a checkpoint says about one tensor, without its values.

    Attributes:
      key: The tensor's name inside the checkpoint.
      dtype: TensorFlow's name of the dtype, such as ``bfloat16`` or ``string``.
      shape: The shape of the whole tensor.
      nbytes: Bytes stored for it, over all slices.
      shard: Number of the data file, or None for a partitioned tensor.
      slices: The parts of a partitioned tensor, else empty.
      crc32c: Masked CRC32C as stored, or None for a partitioned tensor, whose slices
        have one each.
    """

    key: str
    dtype: str
    shape: Tuple[int, ...]
    nbytes: int
    shard: Optional[int]
    slices: Tuple[TensorSlice, ...]
    crc32c: Optional[int]

    @property
    def num_elements(self) -> int:
        """Number of elements, 1 for a scalar."""
        return count_elements(self.shape)

    @property
    def num_stored(self) -> int:
        """Number of elements that are in the file."""
        return count_stored(self.shape, self.slices)

    @property
    def is_complete(self) -> bool:
        """Whether the slices make up the whole tensor; TensorFlow writes some alone."""
        return self.num_stored == self.num_elements
