"""Whether the variables of a session equal the checkpoints they came from."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, Dict, List, Tuple

from legacy_restore import errors
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.report.table import align, cut, short_repr

_MAX_LISTED = 12


class CheckStatus(enum.Enum):
    """What a check says of a variable.

    ``EQUAL``: its value has the checksum that the checkpoint stores. ``CHANGED``: it
    has another. ``INITIALIZED``: the plan left it to its initialiser. ``KEPT``: the
    plan left it as it was. ``UNPROVED``: there is nothing to compare with, for the
    reason that is given.
    """

    EQUAL = "equal"
    CHANGED = "changed"
    INITIALIZED = "initialised"
    KEPT = "kept"
    UNPROVED = "unproved"


@dataclasses.dataclass(frozen=True)
class CheckRow:
    """What a check says of one variable.

    Attributes:
      model: Name of the model.
      variable: Name of the variable's operation.
      key: The checkpoint key it was restored from; empty when there is none.
      status: The verdict.
      reason: Why it is unproved, or what may have changed it; else empty.
    """

    model: str
    variable: str
    key: str
    status: CheckStatus
    reason: str = ""

    def to_json(self) -> Dict[str, str]:
        """Returns the row as JSON-ready data."""
        return {**dataclasses.asdict(self), "status": self.status.value}


@dataclasses.dataclass(frozen=True, repr=False)
class CheckReport:
    """What a check says of all variables.

    Attributes:
      rows: One for each variable, in the order of the plan.
    """

    rows: Tuple[CheckRow, ...]

    @property
    def ok(self) -> bool:
        """Whether no variable has changed."""
        return not self.with_status(CheckStatus.CHANGED)

    @property
    def findings(self) -> Tuple[Finding, ...]:
        """A finding for each variable that has changed."""
        return tuple(
            Finding(
                KINDS["variable-changed"],
                row.variable,
                f"its checkpoint holds other values under {row.key}",
                model=row.model,
            )
            for row in self.with_status(CheckStatus.CHANGED)
        )

    def with_status(self, status: CheckStatus) -> List[CheckRow]:
        """Returns the rows with this verdict."""
        return [row for row in self.rows if row.status is status]

    def raise_if_failed(self) -> None:
        """Raises if a variable has changed.

        Raises:
          CheckError: It names the variables; all are in its findings.
        """
        if self.ok:
            return
        changed = len(self.findings)
        headline = (
            f"{changed} of {len(self.rows)} variables no longer equal their checkpoint"
        )
        raise errors.CheckError(
            refusal_text(headline, self.findings), findings=self.findings
        )

    def to_json(self) -> Dict[str, Any]:
        """Returns the report as JSON-ready data."""
        return {"ok": self.ok, "rows": [row.to_json() for row in self.rows]}

    def __repr__(self) -> str:
        return short_repr(self)

    def __str__(self) -> str:
        """Counts the verdicts, and lists whatever is not equal."""
        counts = [
            f"{len(self.with_status(status))} {status.value}"
            for status in CheckStatus
            if self.with_status(status)
        ]
        listed = [
            (row.status.value, row.variable, row.reason)
            for row in self.rows
            if row.status is not CheckStatus.EQUAL
        ]
        lines = cut(align(listed), _MAX_LISTED) if listed else []
        headline = f"checked {len(self.rows)} variables"
        if counts:
            headline += f": {', '.join(counts)}"
        return "\n".join([headline, *lines])
