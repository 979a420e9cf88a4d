"""What restoring an object gives: what was planned, what was done, and a proof."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Optional

from legacy_restore.eager.check import check_object
from legacy_restore.eager.optimizer_plan import OptimizerPlan
from legacy_restore.eager.plan import ObjectPlan
from legacy_restore.planning.optimizer_text import transfer_text
from legacy_restore.report.check_report import CheckReport
from legacy_restore.restoring.reports import RestoreReport


@dataclasses.dataclass(frozen=True, repr=False)
class ObjectReport(RestoreReport):
    """What restoring an object did.

    Attributes:
      optimizer: What the optimizer got; None where none was asked for.
    """

    optimizer: Optional[OptimizerPlan] = None

    def to_json(self) -> Dict[str, Any]:
        """Returns the report as JSON-ready data, with that of the optimizer."""
        optimizer = self.optimizer and self.optimizer.to_json()
        return {**super().to_json(), "optimizer": optimizer}

    def __str__(self) -> str:
        """Returns a line for the model, one for all of it, one for the optimizer."""
        text = super().__str__()
        if self.optimizer is None:
            return text
        return f"{text}\n{transfer_text(self.optimizer.transfer)}"


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

        The optimizer's are among them where it was restored: slots, steps, and
        hyperparameters that the checkpoint has.

        Proved is the equality of contents by the CRC32C that the checkpoint stores, on
        every replica of a distribution strategy. A variable whose tensor was converted
        is equal if converting it again gives its value, bit by bit.
        """
        return check_object(self.plan)

    def __repr__(self) -> str:
        (model,) = self.plan.models
        return f"<RestoredObject {model.name!r}: {model.coverage}>"
