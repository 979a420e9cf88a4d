"""Proving that a session's variables still equal their checkpoints.

A V2 checkpoint stores a CRC32C of every tensor. The same CRC computed over a variable's
value proves the value without reading the file again, at any later time. A V1
checkpoint has no such checksums: its tensors are read again.
"""

from __future__ import annotations

import logging
from typing import Any, Iterator, List, Mapping, Optional, Sequence

import numpy as np

from legacy_restore import errors
from legacy_restore.graph.check_saveables import check_saveable
from legacy_restore.graph.plan import GraphPlan
from legacy_restore.graph.stored import StoredTensors
from legacy_restore.graph.values import read_owned
from legacy_restore.graph.variables import OwnedVariable, assemble
from legacy_restore.planning.plan import Action, ModelPlan, PlanRow
from legacy_restore.report.check_report import CheckReport, CheckRow, CheckStatus

_log = logging.getLogger("legacy_restore")

# Small variables are fetched together, as a session.run takes about a millisecond; a
# large one alone, so that memory stays at one variable.
_BATCH_BYTES = 16 << 20


def check_session(session: Any, plan: GraphPlan) -> CheckReport:
    """Compares all variables of a restored session with their checkpoints.

    Args:
      session: The session that the plan was restored into.
      plan: The plan.
    """
    rows = [row for model in plan.models for row in _check_model(session, plan, model)]
    return CheckReport(tuple(rows))


def _check_model(session: Any, plan: GraphPlan, model: ModelPlan) -> Iterator[CheckRow]:
    built = plan.built[model.name]
    owned = built.variables
    with StoredTensors(plan.opened[model.name]) as stored:
        yield from _check_variables(session, stored, owned, model)
        rows = {row.variable.name: row for row in model.rows}
        for saveable in dict.fromkeys(built.saveables.values()):
            own = [rows[row.name] for row in saveable.rows]
            yield from check_saveable(session, stored, saveable, own)


def _check_variables(
    session: Any,
    stored: StoredTensors,
    owned: Mapping[str, OwnedVariable],
    model: ModelPlan,
) -> Iterator[CheckRow]:
    for batch in _batches([row for row in model.rows if row.variable.name in owned]):
        variables = [owned[row.variable.name] for row in batch]
        values = read_owned(session, variables)
        for row, variable, parts in zip(batch, variables, values):
            yield _check(stored, row, variable, parts)
        _log.debug("checked %s", batch[-1].variable.name)


def _batches(rows: Sequence[PlanRow]) -> Iterator[List[PlanRow]]:
    batch: List[PlanRow] = []
    size = 0
    for row in rows:
        nbytes = 0 if row.entry is None else row.entry.nbytes
        if batch and size + nbytes > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += nbytes
    if batch:
        yield batch


def _check(
    stored: StoredTensors,
    row: PlanRow,
    variable: OwnedVariable,
    values: Optional[List[np.ndarray]],
) -> CheckRow:
    name = row.variable.name
    if row.action is Action.INITIALIZE or row.entry is None:
        return CheckRow(row.model, name, "", CheckStatus.INITIALIZED)
    if values is None:
        reason = "it is not initialised any more"
        return CheckRow(row.model, name, row.entry.key, CheckStatus.CHANGED, reason)
    try:
        if row.variable.is_complete:
            value = assemble(variable, values)
            is_equal = stored.equals(row.entry, value)
        else:
            is_equal = stored.pieces_equal(row.entry, row.variable.pieces, values)
    except errors.LegacyRestoreError as error:
        return CheckRow(
            row.model, name, row.entry.key, CheckStatus.UNPROVED, error.message
        )
    status = CheckStatus.EQUAL if is_equal else CheckStatus.CHANGED
    return CheckRow(row.model, name, row.entry.key, status)
