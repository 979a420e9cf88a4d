"""What a cast does to values is counted; TensorFlow's own cast gives the same ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from legacy_restore.restoring import casting
from legacy_restore.restoring.casting import cast_values
from legacy_restore.tf import IS_TF1, tf

NAMES = ["float16", "float32", "float64", "int8", "int32", "int64", "uint8", "uint64"]


def cast(values, dtype):
    array = np.asarray(values)
    stored = tf.as_dtype(array.dtype).name
    return cast_values(array, stored, dtype, tf.as_dtype(dtype).as_numpy_dtype)


@pytest.mark.parametrize(
    ("values", "dtype", "count", "largest", "first"),
    [
        (np.int64([1, -129, 300, 127]), "int8", 2, "300", (1,)),
        (np.int32([[0, 1], [2, -1]]), "uint8", 1, "-1", (1, 1)),
        (np.uint64([2**63, 2**63 - 1]), "int64", 1, str(2**63), (0,)),
        (np.int64([-1, 2**63 - 1]), "uint64", 1, "-1", (0,)),
        (np.float32([1, 7e4, -8e4]), "float16", 2, "-80000.0", (1,)),
        (np.float64([1e39, 3e38]), "float32", 1, "1e+39", (0,)),
        (np.float32([2**31, 2**31 - 128]), "int32", 1, "2147483600.0", (0,)),
        (
            np.float64([2.0**63, -(2.0**63)]),
            "int64",
            1,
            "9.223372036854775807e+18",
            (0,),
        ),
        (np.float32([np.nan, np.inf, 3]), "int32", 2, "nan", (0,)),
        (np.int32([70000, 65504]), "float16", 1, "70000", (0,)),
        (np.int32([0, 1, 2]), "bool", 1, "2", (2,)),
        (np.float32([0, 0.5, np.nan]), "bool", 2, "nan", (1,)),
        (np.complex128([1e39j, 1]), "complex64", 1, "1e+39j", (0,)),
        (np.float64([1e39]), "complex64", 1, "1e+39", (0,)),
        (np.float32([3.4e38, 1]), "bfloat16", 1, "3.4e+38", (0,)),
    ],
)
def test_what_does_not_fit_is_counted(values, dtype, count, largest, first):
    report = cast(values, dtype).report
    assert report.elements == values.size
    assert (report.overflows, report.first) == (count, first)
    if "nan" in largest:
        assert report.largest == largest
    else:
        assert complex(report.largest) == pytest.approx(complex(largest))


def test_what_fits_is_no_overflow():
    fine = [
        (np.float32([np.inf, -np.inf, np.nan, 65504]), "float16"),
        (np.float64([np.inf, np.nan, 3e38]), "bfloat16"),
        (np.float64([127.9, -128.9]), "int8"),
        (np.int64([2**53 + 1]), "float64"),
        (np.float64([0, 1]), "bool"),
        (np.bool_([True]), "float16"),
        (np.int8([-5]), "complex64"),
        (np.float64([5e-324]), "float32"),
    ]
    for values, dtype in fine:
        assert cast(values, dtype).report.overflows == 0, dtype


def test_what_is_rounded_is_measured():
    report = cast(np.float64([1, 1 + 2**-30, 3]), "float32").report
    assert report.rounded == 1
    assert report.largest_error == pytest.approx(2**-30)
    report = cast(np.int64([2**53 + 1, 5]), "float64").report
    assert report.rounded == 1
    assert report.largest_error == pytest.approx(2.0**-53)
    report = cast(np.float32([2.5, -3]), "int32").report
    assert (report.rounded, report.largest_error) == (1, pytest.approx(0.2))
    assert cast(np.float32([1e-30]), "float16").report.largest_error == 1
    report = cast(np.float32([1, 1.00390625]), "bfloat16").report
    assert report.rounded == 1


@pytest.mark.parametrize(
    ("stored", "dtype"),
    [("float32", "float64"), ("int32", "float64"), ("int8", "int64"), ("bool", "int8")],
)
def test_a_cast_that_rounds_nothing_says_so(stored, dtype):
    report = cast(np.array([0, 1, 1], stored), dtype).report
    assert (report.rounded, report.overflows, report.elements) == (0, 0, 3)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (3, 2)])
def test_shapes_stay(shape):
    found = cast(np.full(shape, 1.5), "float16")
    assert found.values.shape == shape
    assert found.values.dtype == np.float16


def test_chunks_make_no_difference(monkeypatch):
    values = np.float64(np.random.RandomState(0).uniform(-9e4, 9e4, (50, 7)))
    whole = cast(values, "float16")
    monkeypatch.setattr(casting, "_CHUNK", 3)
    found = cast(values, "float16")
    assert found.report == whole.report
    assert found.values.tobytes() == whole.values.tobytes()


@st.composite
def numbers(draw):
    stored = draw(st.sampled_from(NAMES))
    return draw(arrays.arrays(stored, draw(st.integers(0, 8))))


@given(numbers(), st.sampled_from([*NAMES, "bfloat16"]))
def test_values_are_those_of_exact_arithmetic(values, dtype):
    found = cast(values, dtype)
    overflows = rounded = 0
    for before, after in zip(values.tolist(), found.values.astype(np.float64).tolist()):
        if before != before or before in (float("inf"), float("-inf")):
            overflows += dtype.startswith(("int", "uint"))
            continue
        if dtype.startswith(("int", "uint")):
            info = np.iinfo(dtype)
            overflows += not info.min <= int(before) <= info.max
            rounded += int(before) != before and info.min <= int(before) <= info.max
        else:
            overflows += np.isinf(after)
            rounded += not np.isinf(after) and after != before
    assert found.report.overflows == overflows
    assert found.report.rounded == rounded


@given(numbers(), st.sampled_from(NAMES))
def test_tensorflow_casts_what_fits_to_the_same_values(values, dtype):
    found = cast(values, dtype)
    if found.report.overflows:
        return
    with tf.Graph().as_default(), tf.Session() as session:
        expected = session.run(tf.cast(tf.constant(values), dtype))
    assert expected.dtype == found.values.dtype
    assert expected.tobytes() == found.values.tobytes()


@pytest.mark.skipif(IS_TF1, reason="TensorFlow 1.15 has no such dtypes")
def test_bytes_that_eight_bit_floats_cannot_hold_are_told():
    report = cast(np.uint8([16, 17, 255]), "float8_e4m3fn").report
    assert (report.overflows, report.rounded) == (0, 2)
    assert cast(np.uint8([16, 17, 240]), "float8_e4m3b11fnuz").report.overflows == 1
