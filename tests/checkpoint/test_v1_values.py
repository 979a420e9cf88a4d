"""Tests of the values of V1 files: TensorProto messages to arrays."""

import contextlib
import struct

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import dtypes, v1_values
from legacy_restore.checkpoint.wire import FormatError
from tests.checkpoint.builders import fixed32, memory_below, message, number, varint
from tests.checkpoint.v1_builders import shape_proto, values_of

FLOAT = dtypes.BY_NAME["float32"]
INT32 = dtypes.BY_NAME["int32"]


def read(data, dtype, shape):
    return v1_values.read_values(data, dtypes.BY_NAME[dtype], shape)


def is_of_numpy(name):
    return dtypes.BY_NAME[name].numpy_name == name and name != "bfloat16"


@pytest.mark.parametrize(
    "name",
    [name for name in sorted(v1_values._ENCODINGS) if is_of_numpy(name)],
)
def test_numbers_of_every_dtype_come_back_bit_by_bit(name):
    random = np.random.RandomState(1)
    itemsize = np.dtype(name).itemsize
    array = random.randint(0, 256, 24 * itemsize).astype(np.uint8).view(name)
    if name == "bool":
        array = random.randint(0, 2, 24).astype(bool)
    array = array.reshape([2, 3, 4])
    found = read(values_of(array), name, (2, 3, 4))
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()
    assert found.flags.writeable


@pytest.mark.parametrize(
    "name, stored_as", [("qint8", "int8"), ("quint8", "uint8"), ("qint32", "int32")]
)
def test_quantized_numbers_are_those_of_their_integers(name, stored_as):
    array = np.array([np.iinfo(stored_as).min, np.iinfo(stored_as).max], stored_as)
    found = read(values_of(array, name), name, (2,))
    assert found.dtype == array.dtype
    assert list(found) == list(array)


def test_bfloat16_is_its_bits():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    bits = [0x3F80, 0xFF80, 0x8000]
    data = message(13, b"".join(map(varint, bits)))
    found = read(data, "bfloat16", (3,))
    assert found.dtype == np.dtype(ml_dtypes.bfloat16)
    assert list(found.view(np.uint16)) == bits


def test_packed_and_single_numbers_are_one_sequence():
    single = b"".join(number(7, one) for one in (3, -4))
    data = message(7, varint(1) + varint(2)) + single + message(7, varint(5))
    assert list(read(data, "int32", (5,))) == [1, 2, 3, -4, 5]
    bits = struct.unpack("<I", struct.pack("<f", -2.5))[0]
    data = fixed32(5, bits) + message(5, struct.pack("<2f", 1.0, 0.5))
    assert list(read(data, "float32", (3,))) == [-2.5, 1.0, 0.5]


def test_a_view_is_read_without_a_copy_of_the_message():
    array = np.arange(1 << 20, dtype=np.float32)
    data = memoryview(values_of(array))
    with memory_below(array.nbytes + (1 << 20)):
        assert read(data, "float32", array.shape)[-1] == array[-1]


def test_integers_are_decoded_in_pieces():
    array = np.arange(-(1 << 19), 1 << 19, dtype=np.int64)
    data = values_of(array)
    with memory_below(array.nbytes + (24 << 20)):
        found = read(data, "int64", array.shape)
    assert np.array_equal(found, array)


def test_random_integers_come_back():
    hypothesis = pytest.importorskip("hypothesis")
    some = hypothesis.strategies

    @hypothesis.settings(deadline=None, max_examples=200, derandomize=True)
    @hypothesis.given(
        numbers=some.lists(some.integers(-(2**63), 2**63 - 1), max_size=40),
        packed=some.lists(some.booleans(), min_size=40, max_size=40),
        piece=some.integers(10, 64),
    )
    def check(numbers, packed, piece):
        data = b"".join(
            message(10, varint(one)) if is_packed else number(10, one)
            for one, is_packed in zip(numbers, packed)
        )
        whole = message(10, b"".join(map(varint, numbers)))
        before = v1_values._PIECE_BYTES
        v1_values._PIECE_BYTES = piece
        try:
            for form in (data, whole):
                assert list(read(form, "int64", (len(numbers),))) == numbers
        finally:
            v1_values._PIECE_BYTES = before

    check()


def test_random_bytes_are_an_error_of_ours_or_values():
    hypothesis = pytest.importorskip("hypothesis")
    some = hypothesis.strategies

    @hypothesis.settings(deadline=None, max_examples=300, derandomize=True)
    @hypothesis.given(
        raw=some.binary(max_size=60),
        dtype=some.sampled_from(["int32", "float32", "string", "bool", "complex64"]),
        count=some.integers(0, 5),
    )
    def check(raw, dtype, count):
        for data in (raw, message(5, raw), message(7, raw), message(8, raw)):
            with contextlib.suppress(FormatError):
                assert read(data, dtype, (count,)).shape == (count,)

    check()


@pytest.mark.parametrize(
    "data, match",
    [
        (b"", "4 values are declared, 0 are stored"),
        (message(5, b"1234" * 3), "4 values are declared, 3"),
        (message(5, b"1234" * 5), "4 values are declared, 5"),
        (message(5, b"1234" * 3 + b"12"), "within one"),
        (message(7, b"\1\2\3\4"), "field 7"),
        (message(5, b"1234" * 4) + number(7, 1), "field 7"),
        (message(5, b"1234" * 4) + message(4, b"1234" * 4), "field 4"),
        (message(5, b"1234" * 4) + number(1, 3), "dtype number 3"),
        (message(5, b"1234" * 4) + message(2, shape_proto([4])), "shape"),
        (number(5, 1), "wire type"),
    ],
)
def test_values_that_contradict_what_is_declared_are_refused(data, match):
    with pytest.raises(FormatError, match=match):
        v1_values.read_values(data, FLOAT, (2, 2))


def test_dtype_and_shape_may_be_said_again():
    said = number(1, 1) + message(2, shape_proto([2, 2])) + number(3, 0)
    data = said + message(5, bytes(16)) + message(4, b"")
    assert v1_values.read_values(data, FLOAT, (2, 2)).shape == (2, 2)


@pytest.mark.parametrize(
    "packed, match",
    [
        (b"\x80" * 11 + b"\1", "more than 10 bytes"),
        (b"\xff" * 9 + b"\2", "more than 64 bits"),
        (b"\1\x80", "within a varint"),
        (varint(1 << 31), "not between"),
        (varint(-(1 << 31) - 1), "not between"),
    ],
)
def test_damaged_integers_are_refused(packed, match):
    with pytest.raises(FormatError, match=match):
        v1_values.read_values(message(7, packed), INT32, (1,))


@pytest.mark.parametrize(
    "dtype, value", [("int8", 128), ("uint8", -1), ("bool", 2), ("uint16", 65536)]
)
def test_integers_beyond_their_dtype_are_refused(dtype, value):
    field = 11 if dtype == "bool" else 7
    with pytest.raises(FormatError, match="not between"):
        read(message(field, varint(value)), dtype, (1,))


@pytest.mark.parametrize("dtype", ["float32", "int32", "string", "bool"])
def test_nothing_is_allocated_for_values_that_are_not_there(dtype):
    with memory_below(1 << 20), pytest.raises(FormatError, match="are stored"):
        read(message(5, b"1234") if dtype == "float32" else b"", dtype, (1 << 50,))


def test_dtype_without_a_field_is_refused_by_name():
    with pytest.raises(errors.UnsupportedCheckpointError, match="int4"):
        v1_values.decode_values(b"", dtypes.BY_NAME["int4"], (1,))
    with pytest.raises(errors.UnsupportedCheckpointError, match="resource"):
        read(b"", "resource", ())


def test_rank_beyond_numpys_is_refused_as_unsupported():
    with pytest.raises(errors.UnsupportedCheckpointError, match="NumPy"):
        read(message(5, b"1234"), "float32", (1,) * 200)


def test_strings_keep_their_bytes():
    data = b"".join(message(8, one) for one in (b"", b"nul\0", b"\xff"))
    found = read(data, "string", (3, 1))
    assert found.dtype == object
    assert found.tolist() == [[b""], [b"nul\0"], [b"\xff"]]
