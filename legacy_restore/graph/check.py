"""Proving that a session's variables still equal their checkpoints.

A V2 checkpoint stores a CRC32C of every tensor. The same CRC computed over a variable's
value proves the value without reading the file again, at any later time. A V1
checkpoint has no such checksums: its tensors are read again.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence

import numpy as np

from legacy_restore import errors
from legacy_restore.graph.check_saveables import check_saveable
from legacy_restore.graph.plan import GraphPlan
from legacy_restore.graph.values import read_owned
from legacy_restore.graph.variables import OwnedVariable, assemble
from legacy_restore.planning.plan import Action, ModelPlan, PlanRow
from legacy_restore.report.check_report import CheckReport, CheckRow, CheckStatus
from legacy_restore.restoring.conversions import same_bits
from legacy_restore.restoring.converted import expected_parts
from legacy_restore.restoring.opened import Opened
from legacy_restore.restoring.stored import StoredTensors

_log = logging.getLogger("legacy_restore")

# Small variables are fetched together, as a session.run takes about a millisecond; a
# large one alone, so that memory stays at one variable.
_BATCH_BYTES = 16 << 20

_OWN_WRITER = "an operation of the model's own writes it when a signature is called"


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
    rows = model.by_variable()
    own = [row for row in model.rows if row.variable.name in owned]
    checked = {
        one.variable: one
        for name, found in _by_source(plan, own).items()
        for one in _check_against(session, plan.opened.get(name), owned, found)
    }
    written = set(built.written)
    for row in own:
        is_written = any(
            part.op.name in written for part in owned[row.variable.name].parts
        )
        one = checked[row.variable.name]
        yield _with_writer(one) if is_written else one
    if not built.saveables:
        return
    if model.name not in plan.opened:
        yield from _initialised(rows[name] for name in built.saveables)
        return
    with StoredTensors(plan.opened[model.name]) as stored:
        for saveable in dict.fromkeys(built.saveables.values()):
            saved = [rows[row.name] for row in saveable.rows]
            yield from check_saveable(session, stored, saveable, saved)


def _initialised(rows: Iterable[PlanRow]) -> Iterator[CheckRow]:
    """What there is to say of a model without a checkpoint."""
    for row in rows:
        yield CheckRow(row.model, row.variable.name, "", CheckStatus.INITIALIZED)


def _with_writer(row: CheckRow) -> CheckRow:
    """Says of a variable that changed who may have changed it, calling the model."""
    if row.status is not CheckStatus.CHANGED or row.reason:
        return row
    return dataclasses.replace(row, reason=_OWN_WRITER)


def _by_source(plan: GraphPlan, rows: Sequence[PlanRow]) -> Dict[str, List[PlanRow]]:
    """Rows by the model whose checkpoint they come from, each with its tensor there."""
    found: Dict[str, List[PlanRow]] = {}
    others = {one.shared_with.model for one in rows if one.shared_with is not None}
    sources = {name: plan[name].by_variable() for name in others}
    for row in rows:
        if row.shared_with is None:
            found.setdefault(row.model, []).append(row)
            continue
        holder = sources[row.shared_with.model][row.shared_with.variable]
        of_holder = dataclasses.replace(
            row, action=holder.action, entry=holder.entry, conversion=holder.conversion
        )
        found.setdefault(holder.model, []).append(of_holder)
    return found


def _check_against(
    session: Any,
    opened: Optional[Opened],
    owned: Mapping[str, OwnedVariable],
    rows: Sequence[PlanRow],
) -> Iterator[CheckRow]:
    if opened is None:
        yield from _initialised(rows)
        return
    with StoredTensors(opened) as stored:
        for batch in batches(rows):
            variables = [owned[row.variable.name] for row in batch]
            values = read_owned(session, variables)
            for row, variable, parts in zip(batch, variables, values):
                yield _check(stored, row, variable, parts)
            _log.debug("checked %s", batch[-1].variable.name)


def batches(rows: Sequence[PlanRow]) -> Iterator[List[PlanRow]]:
    """Yields rows in groups of which the values are in memory together."""
    batch: List[PlanRow] = []
    size = 0
    for row in rows:
        if batch and size + row.stored_bytes > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row.stored_bytes
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
        if row.conversion is not None:
            expected = expected_parts(row, stored, values)
            is_equal = all(map(same_bits, expected, values))
        elif row.variable.is_complete:
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
