"""Minimum, maximum, mean, standard deviation and counts of numbers, chunk by chunk.

Numbers that are not finite are counted, and the others describe the rest: one NaN
must not hide what is known of a million weights. Of a complex number its magnitude
counts, of a string its length in bytes, of a bool 0 or 1.

Minimum and maximum of integers are exact. Sums are made in ``float64``, of integers
after the minimum was taken off, of numbers beyond 1e90 or so after all were scaled,
and are put together as fractions: nothing overflows, nothing vanishes, and a constant
tensor has a deviation of exactly 0. The mean of integers is exact but for its rounding.
"""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from typing import Any, Dict, Optional, Union

import numpy as np

Number = Union[int, float]

VALUES = "values"
MAGNITUDES = "magnitudes"
LENGTHS = "lengths"

# 64 KiB of float64: what comes from and goes to the allocator without a system call.
_CHUNK_ELEMENTS = 1 << 13
_UINT64_MASK = (1 << 64) - 1
_HALF = np.array([32], np.uint64)
_LOWER_HALF = np.array([0xFFFFFFFF], np.uint64)
_NONE = Fraction(0)
_FAR_EXPONENT = 300  # Squares of what is between 2**-300 and 2**300 are all normal.


@dataclasses.dataclass(frozen=True)
class Statistics:
    """What the elements of a tensor are like.

    Attributes:
      of: What was looked at: ``values``, ``magnitudes`` of complex numbers, or
        ``lengths`` of strings.
      elements: Number of elements.
      minimum: Of the finite ones, exact; None where there are none.
      maximum: The same.
      mean: Of the finite ones; None where there are none.
      std: Their standard deviation (of the population, as ``numpy.std``).
      num_nan: How many are NaN.
      num_inf: How many are infinite, of either sign.
      num_zero: How many are zero, of either sign; false; of strings, empty.
    """

    of: str
    elements: int
    minimum: Optional[Number]
    maximum: Optional[Number]
    mean: Optional[float]
    std: Optional[float]
    num_nan: int
    num_inf: int
    num_zero: int

    def to_json(self) -> Dict[str, Any]:
        """Returns the numbers as JSON-ready data."""
        return {
            "of": self.of,
            "elements": self.elements,
            "min": self.minimum,
            "max": self.maximum,
            "mean": self.mean,
            "std": self.std,
            "nan": self.num_nan,
            "inf": self.num_inf,
            "zero": self.num_zero,
        }


def is_integer(dtype: str) -> bool:
    """Returns whether TensorFlow's dtype of this name holds integers."""
    return dtype.startswith(("int", "uint", "qint", "quint"))


class Moments:
    """Statistics of a tensor that comes in parts."""

    def __init__(self, dtype: str) -> None:
        """Begins with no element.

        Args:
          dtype: TensorFlow's name of the dtype.
        """
        self._dtype = dtype
        self._elements = self._num_nan = self._num_inf = self._num_zero = 0
        self._minimum: Optional[Number] = None
        self._maximum: Optional[Number] = None
        self._count = 0  # Of what is finite, as the next two are.
        self._mean = Fraction(0)
        self._squares = Fraction(0)  # Sum of squared distances from the mean.

    def add(self, array: np.ndarray) -> None:
        """Adds the elements of an array of any shape."""
        flat = array.reshape(-1)
        for start in range(0, flat.size, _CHUNK_ELEMENTS):
            # A signalling NaN, a magnitude beyond float64: counted, not warned of.
            with np.errstate(all="ignore"):
                self._add_chunk(flat[start : start + _CHUNK_ELEMENTS])

    def result(self) -> Statistics:
        """Returns the statistics of all that was added."""
        of = VALUES
        if self._dtype.startswith("complex"):
            of = MAGNITUDES
        elif self._dtype == "string":
            of = LENGTHS
        return Statistics(
            of=of,
            elements=self._elements,
            minimum=self._minimum,
            maximum=self._maximum,
            mean=float(self._mean) if self._count else None,
            std=_root(self._squares / self._count) if self._count else None,
            num_nan=self._num_nan,
            num_inf=self._num_inf,
            num_zero=self._num_zero,
        )

    def _add_chunk(self, chunk: np.ndarray) -> None:
        self._elements += chunk.size
        if self._dtype == "string":
            lengths = [len(element) for element in chunk]
            self._add_integers(np.array(lengths, np.int64))
        elif self._dtype == "bool":
            # A damaged file's byte may be more than one.
            self._add_integers((chunk.view(np.uint8) != 0).astype(np.int64))
        elif self._dtype == "uint64":
            self._add_integers(chunk)
        elif is_integer(self._dtype):
            self._add_integers(chunk.astype(np.int64))
        elif self._dtype.startswith("complex"):
            wide = chunk.astype(np.complex128)
            magnitudes = np.abs(wide)
            magnitudes[np.isnan(wide)] = np.nan  # Of infinity and NaN abs makes inf.
            self._add_floats(magnitudes)
        else:
            self._add_floats(chunk.astype(np.float64))

    def _add_integers(self, values: np.ndarray) -> None:
        self._num_zero += values.size - int(np.count_nonzero(values))
        low, high = int(values.min()), int(values.max())
        # As unsigned numbers the distances from the lowest one are exact.
        lowest = np.array([low & _UINT64_MASK], np.uint64)
        distances = values.view(np.uint64) - lowest
        # Halves of 32 bits: the sum of a chunk of them is exact.
        upper = int((distances >> _HALF).sum(dtype=np.uint64))
        lower = int((distances & _LOWER_HALF).sum(dtype=np.uint64))
        mean = low + Fraction((upper << 32) + lower, values.size)
        apart = distances.astype(np.float64) - float(mean - low)
        self._merge(
            values.size, low, high, mean, Fraction(float(np.square(apart).sum()))
        )

    def _add_floats(self, values: np.ndarray) -> None:
        finite = np.isfinite(values)
        if not finite.all():
            num_nan = int(np.isnan(values).sum())
            self._num_nan += num_nan
            self._num_inf += values.size - int(finite.sum()) - num_nan
            values = values[finite]
            if not values.size:
                return
        self._num_zero += values.size - int(np.count_nonzero(values))
        low, high = float(values.min()) + 0.0, float(values.max()) + 0.0  # Never -0.0.
        if low == high:
            self._merge(values.size, low, high, Fraction(low), Fraction(0))
            return
        exponent = math.frexp(max(abs(low), abs(high)))[1]
        if abs(exponent) < _FAR_EXPONENT:
            exponent = 0
        else:
            values = np.ldexp(values, -exponent)
        factor = Fraction(2) ** exponent
        center = float(values.mean())
        apart = values - center
        # The center is a float64, and of numbers that lie close together next to the
        # mean, not on it: by how much, their distances from it say.
        beside = Fraction(float(apart.mean()))
        squares = Fraction(float(np.square(apart).sum())) - beside**2 * values.size
        mean = (Fraction(center) + beside) * factor
        self._merge(values.size, low, high, mean, max(squares, _NONE) * factor**2)

    def _merge(
        self, size: int, low: Number, high: Number, mean: Fraction, squares: Fraction
    ) -> None:
        """Adds a group of finite numbers.

        Mean and squared distances of two groups give those of both (Chan, Golub and
        LeVeque, "Updating formulae and a pairwise algorithm for computing sample
        variances", 1979).
        """
        count = self._count + size
        apart = mean - self._mean
        self._squares += squares + apart**2 * self._count * size / count
        self._mean += apart * size / count
        self._count = count
        self._minimum = low if self._minimum is None else min(self._minimum, low)
        self._maximum = high if self._maximum is None else max(self._maximum, high)


def _root(value: Fraction) -> float:
    """The square root of what itself may be no ``float64``."""
    if not value:
        return 0.0
    bits = value.numerator.bit_length() - value.denominator.bit_length()
    shift = bits // 2
    return math.ldexp(math.sqrt(value / Fraction(4) ** shift), shift)
