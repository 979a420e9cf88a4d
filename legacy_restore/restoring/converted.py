"""Values of rows: stored tensors, read and converted as the plan says."""

from __future__ import annotations

import dataclasses
from typing import Iterator, List, Sequence

import numpy as np

from legacy_restore import errors
from legacy_restore.checkpoint import TensorSlice
from legacy_restore.checkpoint.slices import whole_part
from legacy_restore.planning.plan import PlanRow
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.restoring.cast_findings import failure
from legacy_restore.restoring.conversions import Converted, convert
from legacy_restore.restoring.stored import StoredTensors


def places_of(row: PlanRow) -> List[TensorSlice]:
    """Returns which part of the whole each part of a row's variable is."""
    if row.variable.pieces:
        return [piece.place for piece in row.variable.pieces]
    if row.conversion is not None:
        return [whole_part(row.conversion.shape)]
    return [whole_part(row.entry.shape if row.entry else ())]


def converted_tensor(
    row: PlanRow, stored: StoredTensors, consequence: str
) -> Converted:
    """Reads the tensor of a row, verified, and converts it if it is to be converted.

    Args:
      row: The row; it is restored.
      stored: Its checkpoint.
      consequence: What a failure leaves behind, for the error's text.

    Raises:
      RestoreError: It cannot be read.
    """
    assert row.entry is not None
    try:
        value = stored.read(row.entry.key)
    except errors.LegacyRestoreError as error:
        finding = Finding(KINDS["corrupt"], row.entry.key, error.message)
        found = [
            dataclasses.replace(one, model=row.model)
            for one in error.findings or [finding]
        ]
        raise failure(found, consequence) from error
    if row.conversion is None:
        return Converted(value, None)
    return convert(row.conversion, value)


def expected_parts(
    row: PlanRow, stored: StoredTensors, current: Sequence[np.ndarray]
) -> Iterator[np.ndarray]:
    """Gives what the parts of a converted variable have to be, one after the other.

    Args:
      row: The row.
      stored: Its checkpoint.
      current: The values that the parts have.

    Raises:
      LegacyRestoreError: The tensor cannot be read.
    """
    assert row.conversion is not None and row.entry is not None
    converted = convert(row.conversion, stored.read(row.entry.key))
    for place, value in zip(places_of(row), current):
        yield converted.part(place, value)
