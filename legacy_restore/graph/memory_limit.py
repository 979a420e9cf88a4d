"""Refusing what does not fit into memory, before there is a session."""

from __future__ import annotations

import dataclasses

from legacy_restore import errors
from legacy_restore.graph.plan import GraphPlan
from legacy_restore.planning.estimating_plans import estimate_plans
from legacy_restore.planning.fitting import limit_findings
from legacy_restore.planning.plan import Action
from legacy_restore.report.refusal import refusal_text
from legacy_restore.report.table import human_bytes
from legacy_restore.restoring.refusals import NOTHING_CHANGED, refuse_unless_ok

# Headline, finding and hint take the other lines that a message has.
_MAX_TABLE = 5


def refuse_unless_fits(plan: GraphPlan, limit: int) -> None:
    """Raises what a plan refuses, and if its variables take more than a limit.

    Args:
      plan: The plan.
      limit: The bytes that the restore may take.

    Raises:
      RestoreError: A model cannot be restored, or all of them do not fit.
    """
    estimate = estimate_plans(plan.models, plan.inputs)
    found = limit_findings(estimate, limit, apart=not _need_each_other(plan))
    if not plan.ok or not found:
        refuse_unless_ok(dataclasses.replace(plan, findings=(*plan.findings, *found)))
        return
    table = "\n".join(estimate.table_lines(_MAX_TABLE))
    headline = (
        f"the models take {human_bytes(estimate.peak)} in memory, more than the limit "
        f"of {human_bytes(limit)}; {NOTHING_CHANGED}"
    )
    head, _, rest = refusal_text(headline, found).partition("\n")
    raise errors.RestoreError(
        f"{head}\n\n{table}\n{rest}", findings=(*plan.findings, *found)
    )


def _need_each_other(plan: GraphPlan) -> bool:
    """Whether a model computes with what another one made, or has its storage."""
    if any(row.action is Action.SHARE for row in plan.rows):
        return True
    owners = {
        operation: name
        for name, built in plan.built.items()
        for operation in built.operations
    }
    return any(
        owners.get(taken.op, owner) != owner
        for operation, owner in owners.items()
        for taken in operation.inputs
    )
