"""What a restore did, as data and as text."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from legacy_restore.planning.plan import Action, Coverage, ModelPlan, Plan
from legacy_restore.report.check_report import CheckReport
from legacy_restore.report.findings import Finding
from legacy_restore.report.table import align, cut, human_bytes, printable, short_repr

# Remarks on where the values came from; nobody should have to ask for them.
_TOLD = (
    "state-file-moved",
    "state-file-stale",
    "state-file-elsewhere",
    "matched-by-place",
    "matched-under-prefix",
    "device-substituted",
    "session-state",
    "settings-differ",
    "shared-copy-differs",
    "shared-swapped",
)
# Those whose subject is what was decided.
_TOLD_BY_SUBJECT = ("rule-pack",)
_MAX_ROUNDED = 8


@dataclasses.dataclass(frozen=True, repr=False)
class ModelReport:
    """What became of one model.

    Attributes:
      plan: The plan that was carried out.
      nbytes: Bytes that were read for it.
      remarks: What only the session could tell of it.
    """

    plan: ModelPlan
    nbytes: int
    remarks: Tuple[Finding, ...] = ()

    @property
    def coverage(self) -> Coverage:
        """How much of the model came from its checkpoint."""
        return self.plan.coverage

    @property
    def findings(self) -> Tuple[Finding, ...]:
        """What there was to say about the model."""
        return (*self.plan.findings, *self.remarks)

    def to_json(self) -> Dict[str, Any]:
        """Returns the report as JSON-ready data."""
        return {**self.plan.to_json(), "nbytes": self.nbytes}

    def cells(self) -> Tuple[str, ...]:
        """Returns the report as a row of a table."""
        prefix = "" if self.plan.location is None else self.plan.location.prefix
        coverage = self.coverage
        left = self.plan.rows_to(Action.INITIALIZE)
        num_kept = sum(row.variable.has_value for row in left)
        others = {
            "initialised": len(left) - num_kept,
            "kept": num_kept,
            "shared": coverage.shared_variables,
        }
        return (
            self.plan.name,
            f"{coverage.restored_variables} restored",
            ", ".join(f"{count} {what}" for what, count in others.items() if count),
            f"{coverage.restored_parameters:,} parameters",
            human_bytes(self.nbytes),
            prefix,
        )

    def __repr__(self) -> str:
        return short_repr(self)

    def __str__(self) -> str:
        """Says what was restored in one line, and what was remarkable in others."""
        return "\n".join([*align([self.cells()], ""), *_told(self.findings)])


def _told(findings: Iterable[Finding]) -> List[str]:
    """Where the values came from, if that was not plain, and what was rounded."""
    found = list(findings)
    rounded = [
        f"  {one.kind.title}: {printable(f'{one.subject}: {one.message}')}"
        for one in found
        if one.id == "cast-lossy"
    ]
    return [
        *(
            f"  {one.kind.title}: {printable(one.message)}"
            for one in found
            if one.id in _TOLD
        ),
        *(
            f"  {one.kind.title}: {printable(f'{one.subject}: {one.message}')}"
            for one in found
            if one.id in _TOLD_BY_SUBJECT
        ),
        *cut(rounded, _MAX_ROUNDED),
    ]


def model_report(plan: ModelPlan, remarks: Iterable[Finding] = ()) -> ModelReport:
    """Returns what was done for a model whose plan was carried out.

    Args:
      plan: The plan.
      remarks: What only the session could tell; those on other models are left out.
    """
    rows = plan.rows_to(Action.RESTORE)
    return ModelReport(
        plan=plan,
        nbytes=sum(row.stored_bytes for row in rows),
        remarks=tuple(one for one in remarks if one.model == plan.name),
    )


@dataclasses.dataclass(frozen=True, repr=False)
class RestoreReport:
    """What a restore did.

    Attributes:
      plan: The plan that was carried out.
      models: A report on each model, by name.
      seconds_planning: Time for building and matching; 0 where a finished plan was
        given.
      seconds_restoring: Time from the session's creation until everything was
        restored and initialised, and proved where that was asked for.
      check: What the proof said; None without ``verify="session"``.
      remarks: What only the session could tell.
    """

    plan: Plan
    models: Mapping[str, ModelReport]
    seconds_planning: float
    seconds_restoring: float
    check: Optional[CheckReport] = None
    remarks: Tuple[Finding, ...] = ()

    @property
    def coverage(self) -> Coverage:
        """How much of all models came from checkpoints."""
        return self.plan.coverage

    @property
    def findings(self) -> Tuple[Finding, ...]:
        """What there was to say about all models."""
        return (*self.plan.findings, *self.remarks)

    def to_json(self) -> Dict[str, Any]:
        """Returns the report as JSON-ready data."""
        return {
            "coverage": self.coverage.to_json(),
            "seconds_planning": round(self.seconds_planning, 3),
            "seconds_restoring": round(self.seconds_restoring, 3),
            "models": [report.to_json() for report in self.models.values()],
            "findings": [finding.to_json() for finding in self.findings],
            "check": None if self.check is None else self.check.to_json(),
        }

    def __repr__(self) -> str:
        return short_repr(self)

    def __str__(self) -> str:
        """Returns a line for each model, and one for all of them."""
        rows = [report.cells() for report in self.models.values()]
        lines: List[str] = [f"restored {self.coverage}", *align(rows)]
        lines += _told(self.findings)
        return "\n".join(lines + ([] if self.check is None else [str(self.check)]))
