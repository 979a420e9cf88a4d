"""Statistics of numbers, against exact arithmetic."""

import math
import statistics
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from legacy_restore.examining import moments
from legacy_restore.examining.moments import Moments


def of(array, dtype=None, parts=1):
    found = Moments(dtype or array.dtype.name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for part in np.array_split(array.reshape(-1), parts):
            found.add(part)
    return found.result()


# Between two neighbouring floats next to zero: nothing is rounded to less.
SMALLEST = Fraction(5e-324)


def exact(values):
    """Mean and deviation of finite numbers, and the bound of their rounding."""
    numbers = [Fraction(value) for value in values]
    mean = sum(numbers) / len(numbers)
    spread = max(abs(number) for number in numbers)
    return mean, sum((number - mean) ** 2 for number in numbers) / len(numbers), spread


def agrees(found, values):
    mean, variance, spread = exact(values)
    assert abs(Fraction(found.mean) - mean) <= spread * Fraction(1, 10**13) + SMALLEST
    off = abs(Fraction(found.std) ** 2 - variance)
    rounding = (2 * spread + SMALLEST) * SMALLEST
    return off <= (spread * Fraction(1, 10**6)) ** 2 + variance / 10**9 + rounding


FLOATS = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=40)


@given(FLOATS, st.integers(1, 4))
@example([0.0, 5e-324], 1)
def test_floats_of_any_size_are_those_of_exact_arithmetic(values, parts):
    found = of(np.array(values, np.float64), parts=parts)
    finite = [value for value in values if math.isfinite(value)]
    assert found.elements == len(values)
    assert found.num_nan == sum(math.isnan(value) for value in values)
    assert found.num_inf == sum(math.isinf(value) for value in values)
    assert found.num_zero == values.count(0.0)
    if not finite:
        assert (found.minimum, found.mean, found.std) == (None, None, None)
        return
    assert (found.minimum, found.maximum) == (min(finite), max(finite))
    assert agrees(found, finite)


@pytest.mark.parametrize("dtype", ["int64", "uint64", "int32", "int8", "uint8"])
@given(data=st.data())
@settings(max_examples=40)
def test_integers_are_exact(dtype, data):
    info = np.iinfo(dtype)
    element = st.integers(int(info.min), int(info.max))
    values = data.draw(st.lists(element, min_size=1, max_size=40))
    found = of(np.array(values, dtype), parts=data.draw(st.integers(1, 4)))
    assert (found.minimum, found.maximum) == (min(values), max(values))
    assert type(found.minimum) is int
    assert found.num_zero == values.count(0)
    assert found.mean == float(Fraction(sum(values), len(values)))
    assert agrees(found, values)


def test_neighbours_far_from_zero_keep_their_deviation():
    found = of(np.array([2**62, 2**62 + 1], np.int64))
    assert found.std == 0.5
    assert (found.minimum, found.maximum) == (2**62, 2**62 + 1)


def test_floats_close_together_and_far_from_zero_keep_their_deviation():
    # Neighbours of 1e15 are 0.125 apart, and so is the mean of such numbers rounded.
    array = 1e15 + np.random.RandomState(0).normal(0, 1, 1000)
    found = of(array)
    mean, variance, _ = exact(array.tolist())
    assert found.mean == float(mean)
    assert found.std == pytest.approx(math.sqrt(variance), rel=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_constant_has_no_deviation(dtype):
    array = np.full([1000], 0.1, dtype)
    found = of(array, parts=3)
    assert (found.std, found.mean) == (0.0, float(array[0]))


@pytest.mark.parametrize("scale", [1.7e308, 1e200, 1e-200, 5e-324])
def test_nothing_overflows_and_nothing_vanishes(scale):
    found = of(np.array([scale, -scale, scale, -scale]))
    assert (found.mean, found.std) == (0.0, scale)


def test_more_than_a_chunk(monkeypatch):
    monkeypatch.setattr(moments, "_CHUNK_ELEMENTS", 7)
    array = np.random.RandomState(0).normal(3, 2, 1000).astype(np.float32)
    found = of(array)
    assert found.mean == pytest.approx(array.astype("f8").mean(), rel=1e-14)
    assert found.std == pytest.approx(array.astype("f8").std(), rel=1e-12)


def test_float16_is_added_up_in_float64():
    array = np.full([5000], 60000, np.float16)
    array[::2] = -60000
    found = of(array)
    assert (found.mean, found.std) == (0.0, 60000.0)


def test_bools_are_zero_and_one():
    found = of(np.array([True, False, True, True]))
    assert (found.minimum, found.maximum, found.mean) == (0, 1, 0.75)
    assert (found.num_zero, found.of) == (1, moments.VALUES)


def test_of_complex_numbers_the_magnitude_counts():
    nan, inf = float("nan"), float("inf")
    array = np.array([3 + 4j, 0, complex(nan, inf), complex(inf, 1)], np.complex64)
    found = of(array)
    assert found.of == moments.MAGNITUDES
    assert (found.minimum, found.maximum, found.mean) == (0, 5, 2.5)
    assert (found.num_nan, found.num_inf, found.num_zero) == (1, 1, 1)


def test_of_strings_the_length_counts():
    found = of(np.array([b"abcd", b"", b"\xff\0"], object), "string")
    assert found.of == moments.LENGTHS
    assert (found.minimum, found.maximum, found.mean, found.num_zero) == (0, 4, 2, 1)
    assert found.std == pytest.approx(statistics.pstdev([4, 0, 2]))


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint64", "complex64", "bool"])
def test_an_empty_tensor_has_counts_alone(dtype):
    found = of(np.zeros([3, 0], dtype))
    assert found.elements == 0
    assert (found.minimum, found.maximum, found.mean, found.std) == (None,) * 4


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e5m2", "int4", "uint4"])
def test_narrow_types(dtype):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([0, 1, 2, 3]).astype(getattr(ml_dtypes, dtype))
    found = of(array, dtype)
    assert (found.minimum, found.maximum, found.mean) == (0, 3, 1.5)
    assert isinstance(found.maximum, int) == dtype.endswith("int4")


def test_every_bit_pattern_of_a_half_makes_no_warning():
    array = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    found = of(array)
    assert (found.num_nan, found.num_inf, found.num_zero) == (2046, 2, 2)
    assert (found.minimum, found.maximum) == (-65504, 65504)
