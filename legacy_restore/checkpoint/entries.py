"""The protocol buffers inside the index of a V2 checkpoint.

The index maps the empty key to a ``BundleHeaderProto`` and every other key to a
``BundleEntryProto`` (``tensorflow/core/protobuf/tensor_bundle.proto``)::

    BundleHeaderProto   1 num_shards  2 endianness (0 little, 1 big)  3 version
    VersionDef          1 producer  2 min_consumer  3 bad_consumers (repeated)
    BundleEntryProto    1 dtype  2 shape  3 shard_id  4 offset  5 size
                        6 crc32c (fixed32, masked)  7 slices (repeated)
    TensorShapeProto    2 dim (repeated: 1 size)  3 unknown_rank
    TensorSliceProto    1 extent (repeated: 1 start, 2 length)
"""

from __future__ import annotations

import dataclasses
import functools
from typing import List, NamedTuple, Optional, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint import dtypes
from legacy_restore.checkpoint.slices import Extent, count_elements
from legacy_restore.checkpoint.wire import (
    BYTES,
    Field,
    FormatError,
    Varint,
    read_fields,
    unpack_varints,
)

# The version of the formats V1 and V2 that this reader understands.
_FORMAT_VERSION = 1

# TensorFlow writes the shard's number with five digits.
MAX_SHARDS = 99_999

# TensorShape::MaxDimensions() in TensorFlow.
_MAX_RANK = 254


@dataclasses.dataclass(frozen=True)
class BundleHeader:
    """What the index says about the whole checkpoint.

    Attributes:
      num_shards: Number of data files.
      is_big_endian: Whether numbers are stored with their highest byte first.
    """

    num_shards: int
    is_big_endian: bool


class BundleEntry(NamedTuple):
    """What the index says about one tensor, or about one slice of one.

    Attributes:
      dtype: Type of the elements.
      shape: Shape of the whole tensor, or of the slice.
      shard: Number of the data file.
      offset: Position of the first byte in that file.
      size: Number of bytes.
      crc32c: Masked CRC32C of the contents.
      slices: The extents of each slice of a partitioned tensor, else empty.
    """

    dtype: dtypes.DType
    shape: Tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc32c: int
    slices: Tuple[Tuple[Extent, ...], ...]

    @property
    def num_elements(self) -> int:
        """Number of elements, 1 for a scalar."""
        return count_elements(self.shape)


def parse_header(data: bytes) -> BundleHeader:
    """Decodes the header and checks that this reader may read the checkpoint.

    Raises:
      FormatError: The data are no header.
      UnsupportedCheckpointError: The version gates exclude this reader, as
        ``CheckVersions`` of ``tensorflow/core/framework/versions.cc`` decides it.
    """
    num_shards = 0
    endianness = 0
    version = b""
    for field in read_fields(data):
        if field.number == 1:
            num_shards = field.as_signed()
        elif field.number == 2:
            endianness = field.as_int()
        elif field.number == 3:
            version = field.as_bytes()
    if not 0 <= num_shards <= MAX_SHARDS:
        raise FormatError(f"declares {num_shards} data files")
    if endianness not in (0, 1):
        raise FormatError(f"declares byte order {endianness}")
    check_version(version)
    return BundleHeader(num_shards, is_big_endian=endianness == 1)


def check_version(data: bytes) -> None:
    """Checks that this reader may read files of a ``VersionDef``.

    Both formats have had one version: ``kTensorBundleVersion`` and
    ``TF_CHECKPOINT_VERSION`` are 1.

    Raises:
      FormatError: The data are no ``VersionDef``.
      UnsupportedCheckpointError: They exclude this reader, as ``CheckVersions`` of
        ``tensorflow/core/framework/versions.cc`` decides it.
    """
    min_consumer = 0
    bad_consumers: List[int] = []
    for field in read_fields(data):
        if field.number == 2:
            min_consumer = field.as_signed()
        elif field.number == 3:
            bad_consumers.extend(_repeated_varints(field))
    if min_consumer > _FORMAT_VERSION:
        raise errors.UnsupportedCheckpointError(
            f"needs a reader of format version {min_consumer}; this one reads version "
            f"{_FORMAT_VERSION}"
        )
    if _FORMAT_VERSION in bad_consumers:
        raise errors.UnsupportedCheckpointError(
            f"forbids readers of format version {_FORMAT_VERSION}, such as this one"
        )


def _repeated_varints(field: Field) -> List[int]:
    """Values of a repeated number, which come packed (proto3) or one by one."""
    if field.wire_type == BYTES:
        return unpack_varints(field.as_bytes())
    return [field.as_signed()]


def parse_entry(data: bytes) -> BundleEntry:
    """Decodes the entry of a tensor or of a slice.

    Raises:
      FormatError: The data are no entry, or contradict themselves.
    """
    return _parse_usual(data) or _parse_any(data)


# The tags of fields 1 to 6 of an entry, each with its wire type.
_DTYPE, _SHAPE, _SHARD, _OFFSET, _SIZE, _CRC = 0x08, 0x12, 0x18, 0x20, 0x28, 0x35


def _parse_usual(data: bytes) -> Optional[BundleEntry]:
    """Decodes an entry such as nearly all are, None for any other.

    It is what takes most of the time of opening a large index: one pass over the bytes,
    no object for each field. Whatever is not as TensorFlow writes it - slices, unknown
    fields, other wire types, numbers above 63 bits, an end within a field - is left to
    ``_parse_any``, so that there is one place that says what is wrong.
    """
    dtype = shard = offset = size = crc = 0
    shape = b""
    position = 0
    try:
        end = len(data)
        while position < end:
            tag = data[position]
            value = data[position + 1]
            position += 2
            if tag == _CRC:
                crc = int.from_bytes(data[position - 1 : position + 3], "little")
                position += 3
                continue
            if value >= 0x80:
                value, position = _continue_varint(data, value, position)
            if tag == _SHAPE:
                if position + value > end:
                    return None
                shape = data[position : position + value]
                position += value
            elif tag == _OFFSET:
                offset = value
            elif tag == _SIZE:
                size = value
            elif tag == _DTYPE:
                dtype = value
            elif tag == _SHARD:
                shard = value
            else:
                return None
    except IndexError:
        return None
    found = _type_of(dtype, shape)
    if position != end or found.nbytes not in (None, size):
        return None
    return BundleEntry(found.dtype, found.shape, shard, offset, size, crc, ())


class _Type(NamedTuple):
    """Dtype and shape, and how many bytes that takes; None where that varies."""

    dtype: dtypes.DType
    shape: Tuple[int, ...]
    nbytes: Optional[int]


@functools.lru_cache(maxsize=1024)  # Many tensors are of few types.
def _type_of(number: int, shape_data: bytes) -> _Type:
    dtype, shape = dtypes.from_number(number), parse_shape(shape_data)
    itemsize = dtype.itemsize
    nbytes = None if itemsize is None else itemsize * count_elements(shape)
    return _Type(dtype, shape, nbytes)


def _continue_varint(data: bytes, value: int, position: int) -> Varint:
    """Decodes the rest of a varint of at most 63 bits.

    Raises:
      IndexError: The data end within it, or it is longer.
    """
    value &= 0x7F
    for shift in range(7, 63, 7):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return Varint(value, position)
    raise IndexError("longer than 63 bits")


def _parse_any(data: bytes) -> BundleEntry:
    dtype = 0
    shape: Tuple[int, ...] = ()
    shard = offset = size = crc = 0
    slices: List[Tuple[Extent, ...]] = []
    for field in read_fields(data):
        if field.number == 1:
            dtype = field.as_int()
        elif field.number == 2:
            shape = parse_shape(field.as_bytes())
        elif field.number == 3:
            shard = field.as_signed()
        elif field.number == 4:
            offset = field.as_signed()
        elif field.number == 5:
            size = field.as_signed()
        elif field.number == 6:
            crc = field.as_int()
        elif field.number == 7:
            slices.append(parse_slice(field.as_bytes()))
    if offset < 0 or size < 0 or shard < 0:
        raise FormatError(f"shard {shard}, offset {offset}, size {size}")
    entry = BundleEntry(
        dtypes.from_number(dtype), shape, shard, offset, size, crc, tuple(slices)
    )
    _check_size(entry)
    return entry


def _check_size(entry: BundleEntry) -> None:
    itemsize = entry.dtype.itemsize
    if entry.slices or itemsize is None:
        return
    if entry.size != entry.num_elements * itemsize:
        raise FormatError(
            f"{entry.dtype.name}{list(entry.shape)} takes "
            f"{entry.num_elements * itemsize} bytes, {entry.size} are stored"
        )


@functools.lru_cache(maxsize=1024)  # Many tensors have one of few shapes.
def parse_shape(data: bytes) -> Tuple[int, ...]:
    """Decodes a ``TensorShapeProto``.

    Raises:
      FormatError: The data are none, or no tensor has such a shape.
    """
    sizes: List[int] = []
    for field in read_fields(data):
        if field.number == 2:
            sizes.append(_parse_dimension(field.as_bytes()))
        elif field.number == 3 and field.as_int():
            raise FormatError("shape of unknown rank")
    if len(sizes) > _MAX_RANK:
        raise FormatError(f"rank {len(sizes)}")
    return tuple(sizes)


def _parse_dimension(data: bytes) -> int:
    size = 0
    for field in read_fields(data):
        if field.number == 1:
            size = field.as_signed()
    if size < 0:
        raise FormatError(f"dimension of size {size}")
    return size


@functools.lru_cache(maxsize=1024)  # A V1 file lists every whole tensor with one.
def parse_slice(data: bytes) -> Tuple[Extent, ...]:
    """Decodes a ``TensorSliceProto``.

    Raises:
      FormatError: The data are none, or no slice has such an extent.
    """
    return tuple(
        _parse_extent(field.as_bytes())
        for field in read_fields(data)
        if field.number == 1
    )


@functools.lru_cache(maxsize=1024)  # Slices of one tensor share most of theirs.
def _parse_extent(data: bytes) -> Extent:
    start = 0
    length = None
    for field in read_fields(data):
        if field.number == 1:
            start = field.as_signed()
        elif field.number == 2:
            length = field.as_signed()
    if start < 0 or (length is not None and length < 0):
        raise FormatError(f"slice from {start} of length {length}")
    return Extent(start, length)
