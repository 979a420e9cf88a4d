"""Writing the protocol buffers inside the index of a V2 checkpoint.

The counterpart of ``entries``, which describes them. What stands in fields and their
order are those of ``BundleWriter`` (``tensor_bundle.cc``), byte by byte.
"""

from __future__ import annotations

import functools
from typing import Sequence, Tuple

from legacy_restore.checkpoint.entries import BundleEntry, BundleHeader
from legacy_restore.checkpoint.slices import Extent
from legacy_restore.checkpoint.wire_writer import (
    bytes_field,
    fixed32_field,
    number_field,
    present_number_field,
)

# kTensorBundleVersion; readers of every version may read it (min_consumer 0).
_PRODUCER = 1


def encode_header(header: BundleHeader) -> bytes:
    """Returns the ``BundleHeaderProto`` of a checkpoint."""
    return b"".join(
        [
            number_field(1, header.num_shards),
            number_field(2, int(header.is_big_endian)),
            bytes_field(3, number_field(1, _PRODUCER)),
        ]
    )


def encode_entry(entry: BundleEntry) -> bytes:
    """Returns the ``BundleEntryProto`` of a tensor or of a slice."""
    return b"".join(
        [
            number_field(1, entry.dtype.number),
            bytes_field(2, _encode_shape(entry.shape)),
            number_field(3, entry.shard),
            number_field(4, entry.offset),
            number_field(5, entry.size),
            fixed32_field(6, entry.crc32c),
            *(bytes_field(7, _encode_slice(extents)) for extents in entry.slices),
        ]
    )


@functools.lru_cache(maxsize=1024)  # Many tensors have one of few shapes.
def _encode_shape(shape: Tuple[int, ...]) -> bytes:
    return b"".join(bytes_field(2, number_field(1, size)) for size in shape)


def _encode_slice(extents: Sequence[Extent]) -> bytes:
    return b"".join(bytes_field(1, _encode_extent(extent)) for extent in extents)


def _encode_extent(extent: Extent) -> bytes:
    """An axis that is taken whole is an empty message."""
    if extent.length is None:
        return b""
    return number_field(1, extent.start) + present_number_field(2, extent.length)
