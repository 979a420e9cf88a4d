"""Casting values, and looking at what that does to them.

NumPy and TensorFlow wrap integers that do not fit and make infinity of floats without
a word. Here such values are counted; what is only rounded is measured.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Tuple

import numpy as np

from legacy_restore.planning.casts import BOOLEAN, COMPLEX, INTEGERS

_CHUNK = 1 << 20
_WIDE_INTEGERS = ("int64", "uint64")


@dataclasses.dataclass(frozen=True)
class CastReport:
    """What a cast did to values.

    Attributes:
      elements: Number of values.
      overflows: Number of those that the other dtype cannot hold: integers out of
        range, finite floats that become infinite, NaN or infinity as an integer.
      largest: Of these the one of the largest magnitude, as text.
      first: Index of the first of them.
      rounded: Number of values that were rounded.
      largest_error: The largest error of these, relative to the value.
    """

    elements: int = 0
    overflows: int = 0
    largest: str = ""
    first: Tuple[int, ...] = ()
    rounded: int = 0
    largest_error: float = 0.0


@dataclasses.dataclass(frozen=True)
class Cast:
    """Values of another dtype, and what became of them.

    Attributes:
      values: The values.
      report: What the cast did.
    """

    values: np.ndarray
    report: CastReport


def cast_values(values: np.ndarray, stored: str, dtype: str, target: Any) -> Cast:
    """Casts values.

    Args:
      values: The values.
      stored: TensorFlow's name of their dtype.
      dtype: TensorFlow's name of the dtype to cast to.
      target: What NumPy has for that.
    """
    if _is_exact(stored, dtype):
        return Cast(_as_type(values, target), CastReport(elements=values.size))
    out: np.ndarray = np.empty(values.shape, target)
    flat, flat_out = values.reshape(-1), out.reshape(-1)
    overflows = rounded = 0
    largest_error = 0.0
    first = -1
    largest: Any = None
    for start in range(0, flat.size, _CHUNK):
        before = flat[start : start + _CHUNK]
        with np.errstate(all="ignore"):
            after = _as_type(before, target)
            exact, found = _widened(before, after, stored, dtype)
            bad = _overflows(before, exact, found, stored, dtype)
            loss = (exact != found) & ~bad & np.isfinite(exact)
            errors = np.abs(exact[loss] - found[loss]) / np.abs(exact[loss])
        flat_out[start : start + _CHUNK] = after
        rounded += int(np.count_nonzero(loss))
        largest_error = max([largest_error, *errors.max(initial=0, keepdims=True)])
        if not bad.any():
            continue
        overflows += int(np.count_nonzero(bad))
        if first < 0:
            first = start + int(np.argmax(bad))
        there = before[bad]
        # NaN is larger than anything else: it comes first where there is one.
        place = int(np.argmax(np.abs(exact[bad])))
        if largest is None or np.abs(exact[bad][place]) > largest[0]:
            largest = np.abs(exact[bad][place]), str(there[place])
    index = np.unravel_index(first, values.shape) if overflows else ()
    report = CastReport(
        elements=flat.size,
        overflows=overflows,
        largest="" if largest is None else largest[1],
        first=tuple(int(one) for one in index),
        rounded=rounded,
        largest_error=float(largest_error),
    )
    return Cast(out, report)


def _as_type(values: np.ndarray, target: Any) -> np.ndarray:
    try:
        return values.astype(target)
    except (TypeError, ValueError):
        # TensorFlow 1.15 tells NumPy not of every dtype how to make bfloat16 of it,
        # or it of bfloat16.
        return values.astype(np.float32).astype(target)


def _is_exact(stored: str, dtype: str) -> bool:
    """Whether every value of a dtype is one of another."""
    if stored == BOOLEAN:
        return True
    if dtype.startswith("float8"):  # NumPy calls uint8 to any of them safe.
        return False
    try:
        safe = np.can_cast(np.dtype(stored), np.dtype(dtype), "safe")
    except TypeError:  # NumPy has no such dtype.
        return False
    # It calls int64 to float64 safe, which rounds.
    return bool(safe) and (stored not in _WIDE_INTEGERS or dtype in INTEGERS)


def _widened(
    before: np.ndarray, after: np.ndarray, stored: str, dtype: str
) -> Tuple[np.ndarray, np.ndarray]:
    """Both in one dtype that holds all values of either, as far as NumPy has one."""
    is_complex = stored in COMPLEX or dtype in COMPLEX
    is_wide = stored in _WIDE_INTEGERS or dtype in _WIDE_INTEGERS
    wide: Any = np.longdouble if is_wide else np.float64
    if is_complex:
        wide = np.clongdouble if is_wide else np.complex128
    return _as_type(before, wide), _as_type(after, wide)


def _overflows(
    before: np.ndarray, exact: np.ndarray, found: np.ndarray, stored: str, dtype: str
) -> np.ndarray:
    """Which values the other dtype cannot hold."""
    if dtype == BOOLEAN:
        bad: np.ndarray = (exact != 0) & (exact != 1)
    elif dtype not in INTEGERS:
        bad = np.isfinite(exact) & ~np.isfinite(found)
        bad |= ~np.isnan(exact) & np.isnan(found)
    elif stored in INTEGERS:
        have, want = np.iinfo(stored), np.iinfo(dtype)
        low = np.array(max(have.min, want.min), before.dtype)
        high = np.array(min(have.max, want.max), before.dtype)
        bad = (before < low) | (before > high)
    else:
        want = np.iinfo(dtype)
        whole = np.trunc(exact)
        # The bounds as powers of two, which every float type has.
        too_large = whole >= np.longdouble(int(want.max) + 1)
        bad = ~np.isfinite(exact) | (whole < np.longdouble(int(want.min))) | too_large
    return bad
