"""Carrying out conversions in NumPy: slices, pads, casts, reordered rows."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional

import numpy as np

from legacy_restore.checkpoint import TensorSlice
from legacy_restore.mapping.vocabulary import NEW_ROW
from legacy_restore.planning.conversion import Conversion
from legacy_restore.restoring.casting import Cast, CastReport, cast_values
from legacy_restore.tf import tf


@dataclasses.dataclass(frozen=True, eq=False)
class Converted:
    """A stored tensor, as far as it becomes a part of a variable's value.

    Attributes:
      values: Its leading part, or its rows in the order of the variable's, cast.
      rows: Which row of the variable each of these rows is, ascending; None where
        ``values`` is the leading part of the variable.
      cast: What the cast did; indices are those in the variable.
    """

    values: np.ndarray
    rows: Optional[np.ndarray]
    cast: CastReport = CastReport()

    def part(self, place: TensorSlice, current: Optional[np.ndarray]) -> np.ndarray:
        """Returns the value of a part of the variable.

        Args:
          place: Which part.
          current: The value that it has, which is left as it is. What the stored tensor
            does not give is taken from there; may be None where it gives all.
        """
        if self.rows is None:
            ends = tuple(
                max(min(start + length, size) - start, 0)
                for start, length, size in zip(
                    place.start, place.shape, self.values.shape
                )
            )
            box = TensorSlice(place.start, ends)
            found = self.values[box.as_index()] if ends else self.values
            if ends == place.shape:
                return _contiguous(found)
            return _over(current, tuple(map(slice, ends)), found)
        first, last = np.searchsorted(
            self.rows, [place.start[0], place.start[0] + place.shape[0]]
        )
        others = place.as_index()[1:]
        found = self.values[(slice(first, last), *others)]
        if last - first == place.shape[0]:
            return _contiguous(found)
        return _over(current, self.rows[first:last] - place.start[0], found)


def convert(conversion: Conversion, stored: np.ndarray) -> Converted:
    """Returns what becomes of a stored tensor.

    Takes memory for one more tensor of the variable's size, at most.

    Args:
      conversion: What is to become of it.
      stored: The tensor, of the conversion's ``stored_dtype`` and ``stored_shape``.
    """
    if conversion.rows is None:
        leading = tuple(
            slice(min(pair)) for pair in zip(conversion.shape, conversion.stored_shape)
        )
        taken = stored[leading] if leading else stored
        if taken.size < stored.size and not conversion.is_cast:
            taken = taken.copy()  # A view would keep all of the stored tensor.
        cast = _cast(conversion, taken)
        return Converted(cast.values, None, cast.report)
    sources: np.ndarray = np.array(conversion.rows.sources, np.int64)
    (rows,) = np.nonzero(sources != NEW_ROW)
    cast = _cast(conversion, stored[sources[rows]])
    report = cast.report
    if report.first:
        first = (int(rows[report.first[0]]), *report.first[1:])
        report = dataclasses.replace(report, first=first)
    return Converted(cast.values, rows, report)


def _cast(conversion: Conversion, values: np.ndarray) -> Cast:
    if not conversion.is_cast:
        return Cast(values, CastReport(elements=values.size))
    target = tf.as_dtype(conversion.dtype).as_numpy_dtype
    stored, dtype = conversion.stored_dtype, conversion.dtype
    return cast_values(_contiguous(values), stored, dtype, target)


def _contiguous(values: np.ndarray) -> np.ndarray:
    # np.ascontiguousarray makes a vector of a scalar.
    return values if values.flags.c_contiguous else values.copy()


def _over(current: Optional[np.ndarray], where: Any, found: np.ndarray) -> np.ndarray:
    if current is None:
        raise AssertionError("the rest of the value is needed")
    value: np.ndarray = np.array(current)
    value[where] = found
    return value


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    """Returns whether two arrays are equal bit by bit, NaN and signs of zero too."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype == object:
        return bool(one.tolist() == other.tolist())
    return bool(np.array_equal(_bits(one), _bits(other)))


def _bits(values: np.ndarray) -> np.ndarray:
    return _contiguous(values).reshape(-1).view(np.uint8)
