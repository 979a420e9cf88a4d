"""What two checkpoints have in common and where they differ, as data."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, Dict, List, Optional, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint import Location, TensorEntry
from legacy_restore.examining.compare import Tolerance, ValueDifference
from legacy_restore.report.findings import KINDS, Finding, errors_of
from legacy_restore.report.refusal import refusal_text
from legacy_restore.report.table import type_text

# Raised whenever a field of the JSON changes its meaning or goes.
JSON_VERSION = 1


class DiffStatus(enum.Enum):
    """What a comparison says of a tensor.

    ``SLICES``: one side, or each, holds only a part of it, and not the same one.
    ``RENAMED``: it has another key, which no other could be. ``UNREAD``: it could not
    be compared; a finding says why.
    """

    EQUAL = "equal"
    WITHIN = "within tolerance"
    VALUES = "values differ"
    SHAPE = "shape differs"
    DTYPE = "dtype differs"
    SLICES = "stored slices differ"
    RENAMED = "renamed"
    ONLY_IN_A = "only in A"
    ONLY_IN_B = "only in B"
    UNREAD = "not compared"

    @property
    def is_difference(self) -> bool:
        """Whether the two checkpoints differ in such a tensor."""
        return self not in (DiffStatus.EQUAL, DiffStatus.WITHIN, DiffStatus.UNREAD)


class ComparedBy(enum.Enum):
    """What a verdict about contents rests on.

    ``CHECKSUMS``: on the CRC32C of its contents, as stored where the file has one; the
    values were not read. ``VALUES``: on the values, which were read and verified.
    """

    CHECKSUMS = "checksums"
    VALUES = "values"


@dataclasses.dataclass(frozen=True)
class DiffRow:
    """What a comparison says of one tensor.

    Attributes:
      key: The key it was compared under: that of A after the rules, else of B.
      status: The verdict.
      a: What A says about it, or None.
      b: What B says about it, or None.
      compared_by: What the verdict rests on; None where contents were not compared.
      values: How far apart the values are, where they were read and compared.
    """

    key: str
    status: DiffStatus
    a: Optional[TensorEntry] = None
    b: Optional[TensorEntry] = None
    compared_by: Optional[ComparedBy] = None
    values: Optional[ValueDifference] = None

    def to_json(self) -> Dict[str, Any]:
        """Returns the row as JSON-ready data."""
        return {
            "key": self.key,
            "status": self.status.value,
            "a": _entry_json(self.a),
            "b": _entry_json(self.b),
            "compared_by": self.compared_by and self.compared_by.value,
            "values": None if self.values is None else self.values.to_json(),
        }


def _entry_json(entry: Optional[TensorEntry]) -> Optional[Dict[str, Any]]:
    if entry is None:
        return None
    return {
        "key": entry.key,
        "dtype": entry.dtype,
        "shape": list(entry.shape),
        "num_slices": len(entry.slices),
        "is_complete": entry.is_complete,
    }


@dataclasses.dataclass(frozen=True)
class DiffSide:
    """One of the two checkpoints.

    Attributes:
      location: Where it was found.
      format: Its format.
      tensors: How many of its tensors were compared.
    """

    location: Location
    format: str
    tensors: int

    def to_json(self) -> Dict[str, Any]:
        """Returns the side as JSON-ready data."""
        return {
            "location": self.location.given,
            "prefix": self.location.prefix,
            "format": self.format,
            "tensors": self.tensors,
        }


@dataclasses.dataclass(frozen=True)
class DiffReport:
    """What two checkpoints have in common and where they differ.

    Printing it shows every tensor that is not equal, and counts the others.

    Attributes:
      a: The first checkpoint.
      b: The second one.
      rows: One for each tensor, sorted by key; a renamed one is one row.
      tolerance: What counted as near enough.
      notes: Findings about locations, files, rules and tensors that could not be read.
    """

    a: DiffSide
    b: DiffSide
    rows: Tuple[DiffRow, ...]
    tolerance: Tolerance
    notes: Tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether everything was compared, and nothing differs."""
        return not errors_of(self.findings)

    @property
    def findings(self) -> Tuple[Finding, ...]:
        """The notes, and an error for each tensor that differs."""
        differing = [row for row in self.rows if row.status.is_difference]
        return (*self.notes, *map(_difference, differing))

    def with_status(self, status: DiffStatus) -> List[DiffRow]:
        """Returns the rows with this verdict."""
        return [row for row in self.rows if row.status is status]

    def raise_if_failed(self) -> None:
        """Raises unless everything was compared and nothing differs.

        Raises:
          CheckError: It names what differs or is damaged; all is in its findings. Its
            exit code is 3 where a file is damaged or missing, else 1.
        """
        if self.ok:
            return
        count = sum(row.status.is_difference for row in self.rows)
        headline = (
            f"{count} of {len(self.rows)} tensors differ between "
            f"{self.a.location.prefix} and {self.b.location.prefix}"
        )
        raise errors.CheckError(
            refusal_text(headline, self.findings), findings=self.findings
        )

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data; ``docs/diff-json.md`` describes it."""
        return {
            "version": JSON_VERSION,
            "ok": self.ok,
            "a": self.a.to_json(),
            "b": self.b.to_json(),
            "atol": self.tolerance.absolute,
            "rtol": self.tolerance.relative,
            "counts": {
                status.value: len(self.with_status(status)) for status in DiffStatus
            },
            "rows": [row.to_json() for row in self.rows],
            "findings": [finding.to_json() for finding in self.findings],
        }

    def __str__(self) -> str:
        """Returns what is not equal, counts and findings as text."""
        from legacy_restore.examining.diff_text import diff_text

        return diff_text(self)


def _difference(row: DiffRow) -> Finding:
    return Finding(
        KINDS["tensor-differs"],
        row.key,
        row.status.value,
        expected=entry_text(row, row.a),
        found=entry_text(row, row.b),
    )


def entry_text(row: DiffRow, entry: Optional[TensorEntry]) -> Optional[str]:
    """Returns what one side has in a row: its type, and its key if it is another."""
    if entry is None:
        return None
    text = type_text(entry.dtype, entry.shape)
    return text if entry.key == row.key else f"{entry.key} {text}"
