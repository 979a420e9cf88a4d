"""Swapping a model tensor by tensor, where its old and new weights do not both fit.

Everything is verified first, from the files, so that a damaged checkpoint changes
nothing. Then each tensor is read, verified once more and assigned, before the next one
is read; small ones go together. The files are held open, so that they may be deleted
meanwhile. No old value is kept: when a file is written to while it is read, some
variables have new values and others their old ones. That is said, and ``swap`` with
another checkpoint, or the same once more, mends it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any, Dict, Iterator, List, Sequence

from legacy_restore import errors
from legacy_restore.checkpoint.dtypes import BY_NAME
from legacy_restore.checkpoint.faults import limits_of_tensor
from legacy_restore.graph.converting import ConvertedModel, current_values
from legacy_restore.graph.plan import GraphPlan
from legacy_restore.graph.reading_order import units_of
from legacy_restore.graph.restore_group import nothing_read
from legacy_restore.planning.plan import Action, PlanRow
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.restoring.cast_findings import Casts, failure
from legacy_restore.restoring.converted import converted_tensor, places_of
from legacy_restore.restoring.opened import Opened
from legacy_restore.restoring.reasons import reason_of
from legacy_restore.restoring.refusals import refuse_if_changed
from legacy_restore.restoring.stored import HeldTensors, StoredTensors
from legacy_restore.tf import tf

_AS_THEY_WERE = "the weights are as they were"

# A session.run takes some time to prepare, whatever it assigns.
_BATCH_BYTES = 16 << 20


@contextlib.contextmanager
def swapped_by_tensors(
    session: Any, plan: GraphPlan, name: str
) -> Iterator[List[Finding]]:
    """Assigns the weights of one model, one tensor after the other.

    Nothing is put back if what is within fails.

    Args:
      session: The session.
      plan: What ``plan_swap`` returned.
      name: The model.

    Yields:
      What casts did to the values.

    Raises:
      RestoreError: The checkpoint is damaged or has values that do not fit, and the
        weights are as they were; or it changed or could not be assigned meanwhile, and
        the error says how many variables have new values.
    """
    rows = plan[name].rows_to(Action.RESTORE)
    opened = plan.opened[name]
    operations = plan.operations.models[name]
    others = [one for model in plan.operations.models.values() for one in model.groups]
    model = ConvertedModel(
        plan[name], opened, plan.built[name].variables, operations.groups, others
    )
    refuse_if_changed({name: opened})
    with _held(name, opened) as stored:
        _verify(rows, stored, opened)
        remarks = _casts_of(rows, stored)
        done = 0
        try:
            for batch in _batches(rows):
                _assign(session, model, batch, stored)
                done += len(batch)
        except tf.errors.CancelledError:
            raise  # The session was closed.
        except (tf.errors.OpError, errors.LegacyRestoreError, MemoryError) as error:
            raise _half_done(name, done, len(rows), error) from error
    yield remarks


def _held(name: str, opened: Opened) -> HeldTensors:
    try:
        return HeldTensors(opened)
    except errors.LegacyRestoreError as error:
        refuse_if_changed({name: opened})
        finding = Finding(KINDS["corrupt"], opened.prefix, error.message, model=name)
        raise failure([finding], _AS_THEY_WERE) from error


def _verify(rows: Sequence[PlanRow], stored: HeldTensors, opened: Opened) -> None:
    findings: List[Finding] = []
    for row in rows:
        try:
            stored.verify(str(row.key))
            _refuse_unless_decodable(row, opened)
        except errors.LegacyRestoreError as error:
            own = Finding(KINDS["corrupt"], str(row.key), error.message)
            findings += [
                dataclasses.replace(one, model=row.model)
                for one in error.findings or [own]
            ]
    if findings:
        raise failure(findings, _AS_THEY_WERE)


def _refuse_unless_decodable(row: PlanRow, opened: Opened) -> None:
    """Raises if a tensor is none that an array can hold: values are fed here."""
    if row.entry is not None:
        with limits_of_tensor(row.entry.key, opened.prefix):
            BY_NAME[row.entry.dtype].to_numpy()


def _casts_of(rows: Sequence[PlanRow], stored: StoredTensors) -> List[Finding]:
    """Casts once before anything is assigned: an overflow has to be known by then."""
    casts = Casts(_AS_THEY_WERE)
    for row in rows:
        if row.conversion is not None and row.conversion.is_cast:
            casts.add(row, converted_tensor(row, stored, _AS_THEY_WERE))
    casts.raise_if_any()
    return casts.remarks


def _batches(rows: Sequence[PlanRow]) -> Iterator[List[PlanRow]]:
    """Groups of rows: of small tensors many, else one; objects are never cut."""
    batch: List[PlanRow] = []
    size = 0
    for unit in units_of(rows):
        own = sum(row.stored_bytes for row in unit)
        if batch and size + own > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch += unit
        size += own
    if batch:
        yield batch


def _assign(
    session: Any, model: ConvertedModel, batch: List[PlanRow], stored: StoredTensors
) -> None:
    merged = [row for row in batch if row.is_merged]
    current = current_values(session, model, merged, _AS_THEY_WERE)
    rows = {row.variable.name: row for row in batch}
    feeds = nothing_read(model.others)
    operations: Dict[Any, None] = {}
    for name, parts in model.parts_read(rows, model.groups).items():
        converted = converted_tensor(rows[name], stored, _AS_THEY_WERE)
        places = places_of(rows[name])
        kept = current.get(name)
        for part in parts:
            own = None if kept is None else kept[part.number]
            feeds[part.output] = converted.part(places[part.number], own)
            operations[part.assignment] = None
    session.run(list(operations), feeds)


def _half_done(
    name: str, done: int, total: int, error: Exception
) -> errors.RestoreError:
    reason = reason_of(error)
    if isinstance(error, errors.LegacyRestoreError) and error.findings:
        reason = f"{error.findings[0].subject}: {error.findings[0].message}"
    finding = Finding(
        KINDS["swap-half-done"],
        name,
        f"{done} of {total} variables have the values of the new checkpoint, and maybe "
        f"some of the next: {reason}",
        model=name,
        hint="swap again, with this checkpoint or another; check() tells what changed",
    )
    return failure([finding], "some weights are new and others old")
