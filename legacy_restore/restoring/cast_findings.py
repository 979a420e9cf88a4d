"""What is said of casts, once the values are known."""

from __future__ import annotations

from typing import List, Sequence

from legacy_restore import errors
from legacy_restore.planning.plan import PlanRow
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.restoring.conversions import Converted


class Casts:
    """What casts did: collected, because one overflow must not hide another.

    Attributes:
      consequence: What a failure leaves behind, for the error's text.
      remarks: What was rounded.
    """

    def __init__(self, consequence: str) -> None:
        """Starts without casts."""
        self.consequence = consequence
        self.remarks: List[Finding] = []
        self._overflows: List[Finding] = []

    def add(self, row: PlanRow, converted: Converted) -> None:
        """Notes what the cast of a row did, if it was cast."""
        self.add_overflow(row, converted)
        report = converted.cast
        if report.rounded and not report.overflows:
            text = (
                f"{report.rounded:,} of {report.elements:,} values were rounded, by "
                f"{report.largest_error:.2g} of the value at most"
            )
            self.remarks.append(
                Finding(KINDS["cast-lossy"], row.variable.name, text, model=row.model)
            )

    def add_overflow(self, row: PlanRow, converted: Converted) -> None:
        """Notes what of a row the other dtype cannot hold, and no more."""
        report = converted.cast
        if not report.overflows:
            return
        self._overflows.append(
            Finding(
                KINDS["cast-overflow"],
                row.variable.name,
                f"{report.overflows:,} of {report.elements:,} values, the largest "
                f"{report.largest}, the first at {list(report.first)}",
                model=row.model,
                expected=row.variable.dtype,
                found=None if row.entry is None else row.entry.dtype,
            )
        )

    def raise_if_any(self) -> None:
        """Raises if there was an overflow.

        Raises:
          RestoreError: It names every variable of which values do not fit.
        """
        if self._overflows:
            raise failure(self._overflows, self.consequence)


def failure(findings: Sequence[Finding], consequence: str) -> errors.RestoreError:
    """Returns the error for a restore that failed.

    Args:
      findings: Why it failed.
      consequence: What that leaves behind.
    """
    text = refusal_text(f"the restore failed; {consequence}", findings)
    return errors.RestoreError(text, findings=findings)
