"""Differences of arrays, against exact arithmetic."""

import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legacy_restore import errors
from legacy_restore.examining import compare
from legacy_restore.examining.compare import Comparison, Tolerance
from tests.checkpoint import builders

NAN, INF = float("nan"), float("inf")


def of(a, b, dtype=None, atol=0.0, rtol=0.0):
    found = Comparison(dtype or a.dtype.name, Tolerance(atol, rtol))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found.add(a, b)
    return found.result()


def pairs_of(element):
    return st.lists(st.tuples(element, element), max_size=30)


@pytest.mark.parametrize("dtype", ["int64", "uint64", "int32", "int8", "uint8"])
@given(data=st.data())
def test_integers_are_exact_and_the_sides_can_be_swapped(dtype, data):
    info = np.iinfo(dtype)
    element = st.integers(int(info.min), int(info.max))
    pairs = data.draw(pairs_of(element))
    a = np.array([one for one, _ in pairs], dtype)
    b = np.array([other for _, other in pairs], dtype)
    found = of(a, b)
    assert found == of(b, a)
    apart = [(abs(x - y), max(abs(x), abs(y))) for x, y in pairs if x != y]
    assert found.differing == found.beyond == len(apart)
    if not apart:
        assert (found.max_abs, found.max_rel) == (None, None)
        return
    assert found.max_abs == max(one for one, _ in apart)
    assert type(found.max_abs) is int
    largest = max(Fraction(one, whole) for one, whole in apart)
    assert found.max_rel == pytest.approx(float(largest), rel=1e-12)


@given(pairs_of(st.floats()))
def test_floats_of_any_kind(pairs):
    a = np.array([one for one, _ in pairs], np.float64)
    b = np.array([other for _, other in pairs], np.float64)
    found = of(a, b)
    assert found == of(b, a)
    assert found.elements == len(pairs)
    bits = list(zip(a.view("u8").tolist(), b.view("u8").tolist()))
    assert found.differing == sum(one != other for one, other in bits)
    with np.errstate(all="ignore"):
        apart = [abs(x - y) for x, y in zip(a, b)]
    differs = [one != other for one, other in bits]
    measured = [one for one, d in zip(apart, differs) if d and math.isfinite(one)]
    assert found.unmeasured == sum(differs) - len(measured)
    assert found.max_abs == (max(measured) if measured else None)
    if found.max_rel is not None:
        assert 0 <= found.max_rel <= 2


@given(st.lists(st.floats(), max_size=30))
def test_an_array_equals_itself(values):
    array = np.array(values, np.float64)
    found = of(array, array.copy())
    assert (found.differing, found.max_abs, found.max_rel) == (0, None, None)


def test_the_same_nan_is_equal_and_another_is_not():
    a = np.array([0x7FC00000, 0x7FC00001, 0x7FC00000], np.uint32).view(np.float32)
    b = np.array([0x7FC00000, 0x7FC00000, 0x7F800001], np.uint32).view(np.float32)
    found = of(a, b)
    assert (found.differing, found.unmeasured, found.max_abs) == (2, 2, None)


def test_what_is_not_finite_does_not_poison_the_maxima():
    a = np.array([NAN, INF, 1.0, -INF, 1.7e308, 2.0])
    b = np.array([1.0, 1.0, NAN, INF, -1.7e308, 2.5])
    found = of(a, b)
    assert (found.differing, found.unmeasured) == (6, 5)
    assert (found.max_abs, found.max_rel) == (0.5, 0.2)


def test_zeros_of_both_signs_differ_by_nothing():
    found = of(np.array([0.0]), np.array([-0.0]))
    assert (found.differing, found.max_abs, found.max_rel) == (1, 0.0, 0.0)
    assert of(np.array([0.0]), np.array([-0.0]), atol=1e-300).beyond == 0


def test_a_tolerance_is_absolute_and_relative():
    a, b = np.array([100.0, 1.0, 0.0]), np.array([101.0, 1.5, 0.0])
    assert of(a, b).beyond == 2
    assert of(a, b, atol=0.5).beyond == 1
    assert of(a, b, atol=1.0).beyond == 0
    assert of(a, b, rtol=0.01).beyond == 1
    assert of(a, b, atol=0.25, rtol=0.25).beyond == 0
    assert of(a.astype("i8"), b.astype("i8"), rtol=0.01).beyond == 0


def test_a_nan_on_one_side_is_beyond_every_tolerance():
    a = np.array([NAN, NAN, INF, INF])
    b = np.array([-NAN, 1.0, -INF, 1e308])
    assert of(a, b, atol=1e308, rtol=1e308).beyond == 3


@pytest.mark.parametrize("value", [-1, NAN, INF, "1", None])
def test_a_tolerance_that_is_none_is_usage(value):
    with pytest.raises(errors.UsageError):
        Tolerance(value, 0.0)
    with pytest.raises(errors.UsageError):
        Tolerance(0.0, value)


def test_complex_numbers():
    a, b = np.array([3 + 4j, NAN, 1], "c8"), np.array([0, NAN, 1], "c8")
    found = of(a, b)
    assert (found.differing, found.max_abs, found.max_rel) == (1, 5.0, 1.0)
    wide = of(a.astype("c16"), np.array([3 + 4j, 1j, 1], "c16"))
    assert (wide.differing, wide.unmeasured) == (1, 1)


def test_bools_and_strings_are_counted():
    found = of(np.array([True, False]), np.array([True, True]), atol=9.0)
    assert (found.differing, found.beyond, found.max_abs) == (1, 1, None)
    a, b = builders.strings(b"x", b"", b"\0"), builders.strings(b"x", b"\0", b"\0")
    assert of(a, b, "string").differing == 1


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "int4"])
def test_narrow_types(dtype):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    a = np.array([0, 1, 2]).astype(getattr(ml_dtypes, dtype))
    b = np.array([0, 1, 4]).astype(getattr(ml_dtypes, dtype))
    found = of(a, b, dtype)
    assert (found.differing, found.max_abs, found.max_rel) == (1, 2, 0.5)


def test_differences_in_any_chunk_are_found(monkeypatch):
    monkeypatch.setattr(compare, "_CHUNK_ELEMENTS", 7)
    a = np.zeros([10, 10], np.int64)
    for place in range(100):
        b = a.copy()
        b.reshape(-1)[place] = place + 1
        found = of(a, b)
        assert (found.differing, found.max_abs) == (1, place + 1)


@pytest.mark.parametrize("dtype", ["float32", "int64", "complex128", "bool"])
def test_empty_arrays_are_equal(dtype):
    found = of(np.zeros([0, 3], dtype), np.zeros([0, 3], dtype))
    assert (found.elements, found.differing) == (0, 0)
