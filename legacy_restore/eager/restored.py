"""What restoring an object gives: what was planned, what was done, and a proof."""

from __future__ import annotations

from typing import Any

from legacy_restore.eager.check import check_object
from legacy_restore.eager.plan import ObjectPlan
from legacy_restore.report.check_report import CheckReport
from legacy_restore.restoring.reports import RestoreReport


class RestoredObject:
    """An object that was restored. It is the caller's: nothing has to be closed.

    Attributes:
      plan: The plan that was carried out.
      report: What was restored, and how long it took.
    """

    def __init__(self, plan: ObjectPlan, report: RestoreReport) -> None:
        """Takes what was done; ``restore_object`` is the way to get one."""
        self.plan = plan
        self.report = report

    @property
    def root(self) -> Any:
        """The object."""
        return self.plan.root

    def check(self) -> CheckReport:
        """Compares every variable with the checkpoint; may be called at any time.

        Proved is the equality of contents by the CRC32C that the checkpoint stores, on
        every replica of a distribution strategy. A variable whose tensor was converted
        is equal if converting it again gives its value, bit by bit.
        """
        return check_object(self.plan)

    def __repr__(self) -> str:
        (model,) = self.plan.models
        return f"<RestoredObject {model.name!r}: {model.coverage}>"
