"""Proving that the variables of an object still equal their checkpoint."""

from __future__ import annotations

import numpy as np

from legacy_restore import errors
from legacy_restore.eager.optimizer_values import check_optimizer
from legacy_restore.eager.plan import ObjectPlan
from legacy_restore.planning.plan import Action, PlanRow
from legacy_restore.report.check_report import CheckReport, CheckRow, CheckStatus
from legacy_restore.restoring.conversions import same_bits
from legacy_restore.restoring.converted import expected_parts
from legacy_restore.restoring.stored import StoredTensors


def check_object(plan: ObjectPlan) -> CheckReport:
    """Compares all variables of a plan that was carried out with the checkpoint.

    Args:
      plan: The plan.
    """
    (model,) = plan.models
    with StoredTensors(plan.opened[model.name]) as stored:
        rows = [_check(plan, stored, row) for row in model.rows]
        if plan.optimizer is not None:
            rows += check_optimizer(model.name, plan.optimizer, stored)
    return CheckReport(tuple(rows))


def _check(plan: ObjectPlan, stored: StoredTensors, row: PlanRow) -> CheckRow:
    name = row.variable.name
    if row.action is not Action.RESTORE or row.entry is None:
        return CheckRow(row.model, name, "", CheckStatus.KEPT)
    key = row.entry.key
    try:
        is_equal = all(
            _is_equal(stored, row, value) for value in plan.variables[name].replicas()
        )
    except errors.LegacyRestoreError as error:
        return CheckRow(row.model, name, key, CheckStatus.UNPROVED, error.message)
    status = CheckStatus.EQUAL if is_equal else CheckStatus.CHANGED
    return CheckRow(row.model, name, key, status)


def _is_equal(stored: StoredTensors, row: PlanRow, value: np.ndarray) -> bool:
    assert row.entry is not None
    if row.conversion is None:
        return stored.equals(row.entry, value)
    (expected,) = expected_parts(row, stored, [value])
    return same_bits(expected, value)
