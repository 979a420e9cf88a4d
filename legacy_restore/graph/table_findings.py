"""Looking at the keys of dense tables before anything is restored into them."""

from __future__ import annotations

import dataclasses
from typing import Any, List, Mapping, Optional

from legacy_restore import errors
from legacy_restore.checkpoint import open_prefix
from legacy_restore.graph.saveables import OwnedSaveable
from legacy_restore.graph.tables import bucket_fault, is_dense
from legacy_restore.planning.plan import Action, ModelPlan, PlanRow
from legacy_restore.report.findings import KINDS, Finding


def with_table_findings(
    model: ModelPlan, saveables: Mapping[str, OwnedSaveable], prefix: Optional[str]
) -> ModelPlan:
    """Adds a finding for each dense table that would not work as it was saved.

    Whether it would is not to be seen from dtypes and shapes: its keys are read.

    Args:
      model: The plan of a model.
      saveables: Its saveable objects, by the name of each of their rows.
      prefix: The prefix of its checkpoint, or None if that could not be opened.
    """
    findings: List[Finding] = []
    for row in model.rows_to(Action.RESTORE):
        owned = saveables.get(row.variable.name)
        is_keys = row.variable.name == row.variable.saved_with
        if prefix is None or owned is None or owned.table is None or not is_keys:
            continue
        if is_dense(owned.table):
            findings += _findings(owned.table, prefix, row)
    return dataclasses.replace(model, findings=(*model.findings, *findings))


def _findings(table: Any, prefix: str, row: PlanRow) -> List[Finding]:
    try:
        with open_prefix(prefix) as checkpoint:
            fault = bucket_fault(table, checkpoint[str(row.key)])
    except errors.LegacyRestoreError as error:
        found = error.findings or [
            Finding(KINDS["corrupt"], prefix, error.message, hint=error.hint)
        ]
        return [dataclasses.replace(one, model=row.model) for one in found]
    if not fault:
        return []
    return [Finding(KINDS["table-mismatch"], row.variable.name, fault, model=row.model)]
