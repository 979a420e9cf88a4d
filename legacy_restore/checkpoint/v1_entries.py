"""The protocol buffers inside a V1 checkpoint.

The table maps the empty key to the list of all tensors in the file, and the key of each
slice (see ``slices``) to its values. Both are a ``SavedTensorSlices``
(``tensorflow/core/util/saved_tensor_slice.proto``), the one with ``meta``, the other
with ``data``::

    SavedTensorSlices     1 meta  2 data
    SavedTensorSliceMeta  1 tensor (repeated SavedSliceMeta)  2 versions
    SavedSliceMeta        1 name  2 shape  3 type  4 slice (repeated TensorSliceProto)
    SavedSlice            1 name  2 slice  3 data (TensorProto)

A tensor that is stored in one piece is listed with one slice, which takes all axes
whole. ``TensorProto`` is decoded in ``v1_values``, the other messages in ``entries``.
"""

from __future__ import annotations

import dataclasses
from typing import List, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint import dtypes
from legacy_restore.checkpoint.entries import check_version, parse_shape, parse_slice
from legacy_restore.checkpoint.slices import Extent, count_elements
from legacy_restore.checkpoint.wire import VARINT, Data, FormatError, read_fields

# TensorFlow counts elements in an int64.
_MAX_ELEMENTS = (1 << 63) - 1


@dataclasses.dataclass(frozen=True)
class SavedTensor:
    """What a file says about one tensor of which it holds slices.

    Attributes:
      name: The tensor's name, not decoded: keys are made of it.
      dtype: Type of the elements.
      shape: Shape of the whole tensor.
      slices: The extents of each slice in this file.
    """

    name: bytes
    dtype: dtypes.DType
    shape: Tuple[int, ...]
    slices: Tuple[Tuple[Extent, ...], ...]


@dataclasses.dataclass(frozen=True)
class SavedSlice:
    """One slice of a tensor with its values.

    Attributes:
      name: The tensor's name.
      extents: What the slice takes of each axis.
      data: Its values, an encoded ``TensorProto``.
    """

    name: bytes
    extents: Tuple[Extent, ...]
    data: Data


def parse_metadata(value: Data) -> List[SavedTensor]:
    """Decodes the value of the empty key and checks that this reader may read the file.

    Raises:
      FormatError: It is no list of tensors, or contradicts itself.
      UnsupportedCheckpointError: The version gates exclude this reader, or it is the
        header of a V2 index.
    """
    tensors: List[SavedTensor] = []
    version = b""
    for field in read_fields(_member(value, 1)):
        if field.number == 1:
            tensors.append(_parse_tensor(field.as_bytes()))
        elif field.number == 2:
            version += field.as_bytes()
    check_version(version)
    return tensors


def is_metadata(value: Data) -> bool:
    """Returns whether the value of an empty key is that of a V1 checkpoint."""
    try:
        return not _is_header(value)
    except FormatError:
        return True  # A damaged one: parsing it says what is wrong.


def parse_saved_slice(value: Data) -> SavedSlice:
    """Decodes the value of a slice's key.

    Raises:
      FormatError: It is no slice.
    """
    name = b""
    extents: Tuple[Extent, ...] = ()
    data: Data = b""
    for field in read_fields(_member(value, 2)):
        if field.number == 1:
            name = field.as_bytes()
        elif field.number == 2:
            extents = parse_slice(field.as_bytes())
        elif field.number == 3:
            data = _joined(data, field.as_data())
    return SavedSlice(name, extents, data)


def _member(value: Data, number: int) -> Data:
    """The field ``meta`` (1) or ``data`` (2) of a ``SavedTensorSlices``."""
    if number == 1 and _is_header(value):
        raise errors.UnsupportedCheckpointError(
            "it is the index of a V2 checkpoint under another name",
            hint="give it its name back: that of its data files, then .index",
        )
    found: Data = b""
    for field in read_fields(value):
        if field.number == number:
            found = _joined(found, field.as_data())
        elif field.number in (1, 2):
            raise FormatError("has both a list of tensors and values")
    return found


def _joined(before: Data, data: Data) -> Data:
    # A message that comes in two parts is their concatenation, as protobuf defines it.
    return bytes(before) + bytes(data) if before else data


def _is_header(value: Data) -> bool:
    """Whether it is a ``BundleHeaderProto``: numbers, where a list would be bytes."""
    return any(
        field.number in (1, 2) and field.wire_type == VARINT
        for field in read_fields(value)
    )


def _parse_tensor(data: bytes) -> SavedTensor:
    name = b""
    shape: Tuple[int, ...] = ()
    dtype = 0
    slices: List[Tuple[Extent, ...]] = []
    for field in read_fields(data):
        if field.number == 1:
            name = field.as_bytes()
        elif field.number == 2:
            shape = parse_shape(field.as_bytes())
        elif field.number == 3:
            dtype = field.as_int()
        elif field.number == 4:
            slices.append(parse_slice(field.as_bytes()))
    if count_elements(shape) > _MAX_ELEMENTS:
        raise FormatError(f"tensor {_text(name)!r} has the shape {list(shape)}")
    return SavedTensor(name, dtypes.from_number(dtype), shape, tuple(slices))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
