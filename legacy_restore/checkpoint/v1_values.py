"""The values of one slice of a V1 checkpoint: from a ``TensorProto`` to an array.

A ``TensorProto`` (``tensorflow/core/framework/tensor.proto``) has a repeated field for
each kind of element, in row-major order. V1 files use these and leave its dtype and its
shape out (``tensorflow/core/util/saved_tensor_slice_util.h``)::

    1 dtype  2 tensor_shape  4 tensor_content (never used)
    5 float_val   6 double_val   7 int_val (all integers of up to 32 bits, quantized
    types too)   8 string_val   9 scomplex_val (real and imaginary parts in turn)
    10 int64_val   11 bool_val   12 dcomplex_val   13 half_val (the bits as a number)
    16 uint32_val   17 uint64_val

Numbers come packed, all of them in one field, or each in a field of its own.
"""

from __future__ import annotations

import array
from typing import Iterator, List, Mapping, NamedTuple, Tuple, Union

import numpy as np

from legacy_restore import errors
from legacy_restore.checkpoint.dtypes import DType
from legacy_restore.checkpoint.entries import parse_shape
from legacy_restore.checkpoint.slices import count_elements
from legacy_restore.checkpoint.wire import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    Data,
    FormatError,
    read_fields,
)

# Varints are decoded piece by piece: every step takes several times their memory.
_PIECE_BYTES = 1 << 18
_MAX_VARINT_BYTES = 10


class _Encoding(NamedTuple):
    """How elements of a dtype are stored.

    Attributes:
      field: Number of the field that holds them.
      wire_type: The wire type of one number, or ``BYTES`` for strings.
      numbers: NumPy's type of one number.
      per_element: How many numbers make an element.
    """

    field: int
    wire_type: int
    numbers: str
    per_element: int = 1


_ENCODINGS: Mapping[str, _Encoding] = {
    "float32": _Encoding(5, FIXED32, "<f4"),
    "float64": _Encoding(6, FIXED64, "<f8"),
    "int32": _Encoding(7, VARINT, "int32"),
    "int16": _Encoding(7, VARINT, "int16"),
    "int8": _Encoding(7, VARINT, "int8"),
    "uint16": _Encoding(7, VARINT, "uint16"),
    "uint8": _Encoding(7, VARINT, "uint8"),
    "qint32": _Encoding(7, VARINT, "int32"),
    "qint16": _Encoding(7, VARINT, "int16"),
    "qint8": _Encoding(7, VARINT, "int8"),
    "quint16": _Encoding(7, VARINT, "uint16"),
    "quint8": _Encoding(7, VARINT, "uint8"),
    "string": _Encoding(8, BYTES, "object"),
    "complex64": _Encoding(9, FIXED32, "<f4", per_element=2),
    "int64": _Encoding(10, VARINT, "int64"),
    "bool": _Encoding(11, VARINT, "bool"),
    "complex128": _Encoding(12, FIXED64, "<f8", per_element=2),
    "float16": _Encoding(13, VARINT, "uint16"),
    "bfloat16": _Encoding(13, VARINT, "uint16"),
    "uint32": _Encoding(16, VARINT, "uint32"),
    "uint64": _Encoding(17, VARINT, "uint64"),
}

_FIXED_BYTES = {FIXED32: 4, FIXED64: 8}

_DTYPE = 1
_SHAPE = 2
_VERSION = 3
_FIRST_VALUES = 4

_Piece = Union[Data, np.ndarray]


def has_place_for(dtype: DType) -> bool:
    """Returns whether the format has a field for elements of a dtype."""
    return dtype.name in _ENCODINGS


def least_bytes(dtype: DType, num_elements: int) -> int:
    """Returns how many bytes some elements take in a file at least.

    Raises:
      UnsupportedCheckpointError: The format has no place for such elements.
    """
    encoding = _encoding_of(dtype)
    each = _FIXED_BYTES.get(encoding.wire_type, 1)
    return num_elements * encoding.per_element * each


def read_values(data: Data, dtype: DType, shape: Tuple[int, ...]) -> np.ndarray:
    """Decodes the values of a slice.

    Args:
      data: An encoded ``TensorProto``.
      dtype: Type of the elements.
      shape: Shape of the slice.

    Returns:
      An array in the byte order of this machine; strings as an object array of
      ``bytes``.

    Raises:
      FormatError: It holds other values, or another number of them.
      UnsupportedCheckpointError: The format has no place for such elements, or NumPy
        cannot hold them.
      MissingDependencyError: The dtype needs ``ml_dtypes``.
    """
    target = dtype.to_numpy()
    values = decode_values(data, dtype, shape)
    if values.dtype != object:  # Which has no view as another type.
        values = values.view(target)
    try:
        return values.reshape(shape)
    except ValueError as error:
        raise errors.UnsupportedCheckpointError(
            f"NumPy cannot hold {dtype.name}{list(shape)}: {error}"
        ) from error


def decode_values(data: Data, dtype: DType, shape: Tuple[int, ...]) -> np.ndarray:
    """Decodes the values of a slice to an array of one axis.

    It is that of the numbers in the file: the bits of half-precision numbers, real and
    imaginary parts one after the other. Arguments and errors are those of
    ``read_values``, but that neither NumPy nor ``ml_dtypes`` need to have the dtype.
    """
    encoding = _encoding_of(dtype)
    count = count_elements(shape) * encoding.per_element
    pieces = _pieces(data, dtype, shape, encoding)
    if encoding.wire_type == BYTES:
        return _strings(pieces, count)
    if encoding.wire_type == VARINT:
        return _integers(pieces, count, np.dtype(encoding.numbers))
    return _reals(pieces, count, np.dtype(encoding.numbers))


def _encoding_of(dtype: DType) -> _Encoding:
    try:
        return _ENCODINGS[dtype.name]
    except KeyError:
        raise errors.UnsupportedCheckpointError(
            f"the format V1 has no place for the dtype {dtype.name}"
        ) from None


def _pieces(
    data: Data, dtype: DType, shape: Tuple[int, ...], encoding: _Encoding
) -> List[_Piece]:
    """The encoded values: packed numbers, runs of single numbers, or strings."""
    pieces: List[_Piece] = []
    single = array.array("Q")
    for field in read_fields(data):
        if field.number == encoding.field:
            if field.wire_type == BYTES:
                _flush(single, pieces)
                if field.value or encoding.wire_type == BYTES:
                    pieces.append(field.as_data())
            elif field.wire_type == encoding.wire_type:
                single.append(field.as_int())
            else:
                raise FormatError(f"values have the wire type {field.wire_type}")
        elif field.number == _DTYPE:
            if field.as_int() not in (0, dtype.number):
                raise FormatError(f"values declare dtype number {field.as_int()}")
        elif field.number == _SHAPE:
            declared = parse_shape(field.as_bytes())
            if declared and declared != shape:
                raise FormatError(f"values declare the shape {list(declared)}")
        elif field.number >= _FIRST_VALUES and field.value not in (0, b""):
            raise FormatError(f"has values in field {field.number}")
    _flush(single, pieces)
    return pieces


def _flush(single: array.array[int], pieces: List[_Piece]) -> None:
    if single:
        pieces.append(np.array(single, np.uint64))
        del single[:]


def _check_count(found: int, count: int) -> None:
    if found != count:
        raise FormatError(f"{count} values are declared, {found} are stored")


def _strings(pieces: List[_Piece], count: int) -> np.ndarray:
    _check_count(len(pieces), count)
    found = np.empty(count, object)
    for number, piece in enumerate(pieces):
        found[number] = bytes(piece)
    return found


def _reals(pieces: List[_Piece], count: int, dtype: np.dtype) -> np.ndarray:
    bits = np.dtype(f"<u{dtype.itemsize}")
    runs = []
    for piece in pieces:
        if isinstance(piece, np.ndarray):
            runs.append(piece.astype(bits).view(dtype))
            continue
        if len(piece) % dtype.itemsize:
            raise FormatError(f"values end within one of {dtype.itemsize} bytes")
        runs.append(np.frombuffer(piece, dtype))
    _check_count(sum(map(len, runs)), count)
    found = np.empty(count, dtype.newbyteorder("="))
    start = 0
    for run in runs:
        found[start : start + len(run)] = run
        start += len(run)
    return found


def _integers(pieces: List[_Piece], count: int, dtype: np.dtype) -> np.ndarray:
    _check_count(sum(map(_count_of, pieces)), count)
    found = np.empty(count, dtype)
    start = 0
    for piece in pieces:
        runs = [piece] if isinstance(piece, np.ndarray) else _decoded(piece)
        for run in runs:
            end = start + len(run)
            found[start:end] = _narrowed(run, dtype)
            start = end
    return found


def _count_of(piece: _Piece) -> int:
    """The number of varints; every one ends with a byte below 0x80."""
    if isinstance(piece, np.ndarray):
        return len(piece)
    raw = np.frombuffer(piece, np.uint8)
    if len(raw) and raw[-1] >= 0x80:
        raise FormatError("ends within a varint")
    return sum(
        int(np.count_nonzero(raw[start : start + _PIECE_BYTES] < 0x80))
        for start in range(0, len(raw), _PIECE_BYTES)
    )


def _decoded(packed: Data) -> Iterator[np.ndarray]:
    """Yields the numbers of packed varints, some at a time."""
    raw = np.frombuffer(packed, np.uint8)
    start = 0
    while start < len(raw):
        piece = raw[start : start + _PIECE_BYTES]
        ends = np.flatnonzero(piece < 0x80)
        if not len(ends):
            raise FormatError(f"varint has more than {_MAX_VARINT_BYTES} bytes")
        yield _varints(piece, ends)
        start += int(ends[-1]) + 1


def _varints(raw: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Decodes varints of which the last bytes are at ``ends``."""
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends + 1 - starts
    longest = int(lengths.max())
    if longest > _MAX_VARINT_BYTES:
        raise FormatError(f"varint has more than {_MAX_VARINT_BYTES} bytes")
    if longest == _MAX_VARINT_BYTES and (raw[ends[lengths == longest]] > 1).any():
        raise FormatError("varint has more than 64 bits")
    numbers = np.zeros(len(ends), np.uint64)
    for place in range(longest):
        has = np.flatnonzero(lengths > place)
        bits = (raw[starts[has] + place] & 0x7F).astype(np.uint64)
        numbers[has] |= bits << np.uint64(7 * place)
    return numbers


def _narrowed(numbers: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Numbers of 64 bits as their own type; a wrapped one would be another value."""
    if dtype == np.uint64:
        return numbers
    signed = numbers.view(np.int64)
    if dtype == np.bool_:
        low, high = 0, 1
    else:
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    if len(signed) and (signed.min() < low or signed.max() > high):
        raise FormatError(f"a value is not between {low} and {high}")
    return signed.astype(dtype)
