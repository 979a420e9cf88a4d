"""How far two arrays of one dtype and shape are apart, chunk by chunk.

Elements are equal if their bits are: a NaN equals the same NaN at the same place, and
0.0 differs from -0.0, by nothing. Of what differs, the largest absolute difference
``|a - b|`` and the largest relative one ``|a - b| / max(|a|, |b|)`` are measured, both
the same whichever of the two comes first. Differences of integers are exact, those of
floating-point numbers are made in ``float64``. An element without a finite difference -
a NaN or an infinity on one side, or further apart than ``float64`` reaches - is counted
and leaves the maxima alone. Of bools and strings there is only the count.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from typing import Any, Dict, Optional, Tuple, Union

import numpy as np

from legacy_restore import errors
from legacy_restore.examining.moments import is_integer

# 64 KiB of float64: what comes from and goes to the allocator without a system call.
_CHUNK_ELEMENTS = 1 << 13


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """How far apart two elements may be that count as near enough.

    ``|a - b| <= absolute + relative * max(|a|, |b|)``, in ``float64``. Two NaN are near
    enough whatever their bits; a NaN or an infinity on one side alone never is, nor are
    bools or strings that differ.

    Attributes:
      absolute: In the unit of the values.
      relative: A factor.
    """

    absolute: float = 0.0
    relative: float = 0.0

    def __post_init__(self) -> None:
        """Checks the numbers.

        Raises:
          UsageError: One of them is no finite number, or below zero.
        """
        values: Tuple[Any, ...] = (self.absolute, self.relative)
        for value in values:
            if not isinstance(value, numbers.Real) or not 0 <= float(value) < math.inf:
                raise errors.UsageError(
                    f"a tolerance is a finite number from 0 up, not {value!r}"
                )

    @property
    def is_exact(self) -> bool:
        """Whether it permits no difference at all."""
        return not self.absolute and not self.relative


@dataclasses.dataclass(frozen=True)
class ValueDifference:
    """How far the values of two tensors are apart.

    Attributes:
      elements: Number of elements that were compared.
      differing: How many differ in any bit.
      beyond: How many of those are further apart than the tolerance permits.
      unmeasured: How many of those have no finite difference; for bools and strings 0.
      max_abs: Largest absolute difference of the measured ones, for integers exact;
        None where none was measured.
      max_rel: Largest relative difference, from 0 to 2.
    """

    elements: int
    differing: int
    beyond: int
    unmeasured: int
    max_abs: Union[int, float, None]
    max_rel: Optional[float]

    def to_json(self) -> Dict[str, Any]:
        """Returns the numbers as JSON-ready data."""
        return dataclasses.asdict(self)


class Comparison:
    """The difference of two tensors that come in parts."""

    def __init__(self, dtype: str, tolerance: Tolerance) -> None:
        """Begins with no element.

        Args:
          dtype: TensorFlow's name of the dtype of both.
          tolerance: What counts as near enough.
        """
        self._dtype = dtype
        self._tolerance = tolerance
        self._elements = self._differing = self._beyond = self._unmeasured = 0
        self._max_abs: Union[int, float, None] = None
        self._max_rel: Optional[float] = None

    def add(self, a: np.ndarray, b: np.ndarray) -> None:
        """Compares two arrays of the dtype, of the same shape."""
        left, right = a.reshape(-1), b.reshape(-1)
        self._elements += left.size
        for start in range(0, left.size, _CHUNK_ELEMENTS):
            end = start + _CHUNK_ELEMENTS
            # A signalling NaN, a difference beyond float64: counted, not warned of.
            with np.errstate(all="ignore"):
                self._add_chunk(left[start:end], right[start:end])

    def result(self) -> ValueDifference:
        """Returns the difference of all that was added."""
        return ValueDifference(
            elements=self._elements,
            differing=self._differing,
            beyond=self._beyond,
            unmeasured=self._unmeasured,
            max_abs=self._max_abs,
            max_rel=self._max_rel,
        )

    def _add_chunk(self, a: np.ndarray, b: np.ndarray) -> None:
        differs = _differs(a, b)
        count = int(np.count_nonzero(differs))
        if not count:
            return
        self._differing += count
        if self._dtype in ("bool", "string"):
            self._beyond += count
        elif is_integer(self._dtype):
            self._add_integers(a[differs], b[differs])
        else:
            wide = np.complex128 if self._dtype.startswith("complex") else np.float64
            self._add_floats(a[differs].astype(wide), b[differs].astype(wide))

    def _add_integers(self, a: np.ndarray, b: np.ndarray) -> None:
        wide = np.uint64 if self._dtype == "uint64" else np.int64
        a, b = a.astype(wide), b.astype(wide)
        # As unsigned numbers, the distance from the lower to the higher one is exact.
        apart = np.maximum(a, b).view(np.uint64) - np.minimum(a, b).view(np.uint64)
        largest = np.maximum(_magnitude(a), _magnitude(b))
        self._measure(apart, largest)

    def _add_floats(self, a: np.ndarray, b: np.ndarray) -> None:
        apart = np.abs(a - b)
        measured = np.isfinite(apart)
        if not measured.all():
            unmeasured = ~measured
            self._unmeasured += int(np.count_nonzero(unmeasured))
            both_nan = np.isnan(a[unmeasured]) & np.isnan(b[unmeasured])
            if self._tolerance.is_exact:
                both_nan[:] = False
            self._beyond += int(np.count_nonzero(~both_nan))
        if measured.any():
            largest = np.maximum(np.abs(a[measured]), np.abs(b[measured]))
            self._measure(apart[measured], largest)

    def _measure(self, apart: np.ndarray, largest: np.ndarray) -> None:
        """Adds elements by their distance and the larger of their magnitudes."""
        max_abs = apart.max().item()
        # Only 0.0 and -0.0 differ without a magnitude; they are 0 apart.
        relative = apart / np.where(largest == 0, 1, largest).astype(np.float64)
        max_rel = float(relative.max())
        if self._max_abs is None or max_abs > self._max_abs:
            self._max_abs = max_abs
        if self._max_rel is None or max_rel > self._max_rel:
            self._max_rel = max_rel
        if self._tolerance.is_exact:
            self._beyond += apart.size
            return
        permitted = self._tolerance.absolute + self._tolerance.relative * largest
        self._beyond += int(np.count_nonzero(~(apart <= permitted)))


def _differs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where two arrays of one axis differ in any bit."""
    if a.dtype == object:
        return np.array([one != other for one, other in zip(a, b)], bool)
    size = a.dtype.itemsize
    if size in (1, 2, 4, 8):
        bits = np.dtype(f"u{size}")
        differs: np.ndarray = a.view(bits) != b.view(bits)
        return differs
    words = np.dtype("u8")
    either: np.ndarray = (
        a.view(words).reshape(a.size, -1) != b.view(words).reshape(b.size, -1)
    ).any(axis=1)
    return either


def _magnitude(values: np.ndarray) -> np.ndarray:
    """Magnitudes of 64-bit integers as unsigned ones; that of -2**63 has no signed."""
    if values.dtype == np.uint64:
        return values
    unsigned = values.view(np.uint64)
    magnitudes: np.ndarray = np.where(values < 0, ~unsigned + _ONE, unsigned)
    return magnitudes


_ONE = np.array([1], np.uint64)
