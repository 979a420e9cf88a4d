"""Which values a checkpoint can hold, and what is said of the others."""

import datetime

import numpy as np
import pytest

from legacy_restore.checkpoint.storable import NotStorableError, storable
from tests.checkpoint.builders import strings


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        (True, "bool", ()),
        (3, "int64", ()),
        (1 << 63, "uint64", ()),
        (1.5, "float64", ()),
        (1j, "complex128", ()),
        (np.float32(1), "float32", ()),
        ([1, 2], "int64", (2,)),
        (((1.5, 2),), "float64", (1, 2)),
        ([np.float16(1)], "float16", (1,)),
        ([np.zeros(2, np.int8)], "int8", (1, 2)),
        (np.zeros([2, 0], np.uint16), "uint16", (2, 0)),
        (np.zeros(2, ">f8"), "float64", (2,)),
        (np.zeros(2, np.longlong), "int64", (2,)),
        (np.matrix([[1.0]]), "float64", (1, 1)),
        (b"", "string", ()),
        (b"a\0", "string", ()),
        (np.bytes_(b"ab"), "string", ()),
        ([b"a", b"b\0"], "string", (2,)),
        (np.array([b"abc", b""]), "string", (2,)),
        (np.zeros([0], object), "string", (0,)),
    ],
)
def test_values_that_are_taken(value, dtype, shape):
    found = storable(value)
    assert (found.dtype.name, found.array.shape) == (dtype, shape)
    assert not isinstance(found.array, np.matrix)


def test_strings_keep_nul_bytes_at_their_ends():
    assert storable(b"a\0").array.item() == b"a\0"
    assert storable([[b"a\0"], [b"\0\0"]]).array.tolist() == [[b"a\0"], [b"\0\0"]]
    assert storable(strings(b"a\0")).array.tolist() == [b"a\0"]


class Odd:
    def __array__(self, *args, **options):
        raise RuntimeError("not here")


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("text", "encode"),
        (["text"], "encode"),
        (np.array(["text"]), "encode"),
        (strings("text"), "encode"),
        (strings(b"a", 1), None),
        (strings(b"a", bytearray(b"b")), None),
        ([b"a", 1], None),
        ([b"a", "b"], "encode"),
        (bytearray(b"a"), "frombuffer"),
        (memoryview(b"a"), "frombuffer"),
        (None, None),
        ([None], None),
        ({"a": 1}, None),
        ({1, 2}, None),
        (Odd(), None),
        ([], "np.zeros"),
        ([[]], "np.zeros"),
        ([[1], [1, 2]], None),
        ([[1, 2], 3], None),
        ([np.zeros(2), np.zeros(3)], None),
        (1 << 64, None),
        ([1 << 64, 1], None),
        ([(1 << 53) + 1, 0.5], None),
        (np.zeros(2, [("x", "f4"), ("y", "i4")]), "array['x']"),
        (np.zeros(2, "V3"), None),
        (np.array(["2020-01-01"], "M8[D]"), "int64"),
        (np.zeros(1, "m8[s]"), "int64"),
        (datetime.datetime(2020, 1, 1), None),
        (np.zeros(1, np.longdouble), "float64"),
        (np.zeros(1, np.clongdouble), "complex128"),
        (np.ma.masked_array([1.0, 2.0], [False, True]), "filled"),
    ],
)
def test_values_that_are_refused(value, hint):
    with pytest.raises(NotStorableError) as caught:
        storable(value)
    assert caught.value.reason
    assert hint is None or hint in caught.value.hint


def test_integers_that_a_float_cannot_hold_are_not_rounded():
    assert storable([1 << 53, 0.5]).dtype.name == "float64"
    with pytest.raises(NotStorableError, match="lose digits"):
        storable([(1 << 53) + 1, 0.5])


@pytest.mark.parametrize(
    ("dtype", "name"),
    [("i1", "qint8"), ("u1", "quint8"), ("i4", "qint32"), ("i2", "qint16")],
)
def test_quantized_dtypes_are_named(dtype, name):
    array = np.zeros(2, dtype)
    assert storable(array).dtype.name == array.dtype.name
    assert storable(array, name).dtype.name == name
    for other in ("float32", "float3", 8, None, "string", "variant"):
        if other is not None:
            with pytest.raises(NotStorableError):
                storable(array, other)


@pytest.mark.parametrize(
    "name", ["bfloat16", "float8_e5m2", "float8_e4m3fn", "int4", "uint4", "int2"]
)
def test_types_of_ml_dtypes(name):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.arange(2).astype(getattr(ml_dtypes, name))
    assert storable(array).dtype.name == name


@pytest.mark.parametrize("name", ["float8_e3m4", "float6_e2m3fn", "float8_e8m0fnu"])
def test_types_of_ml_dtypes_that_tensorflow_lacks(name):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    with pytest.raises(NotStorableError, match=name):
        storable(np.arange(2).astype(getattr(ml_dtypes, name)))
