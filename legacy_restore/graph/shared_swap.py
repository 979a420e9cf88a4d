"""What a swap means for variables that several models share.

Their storage is one: what is swapped for one model is swapped for all. So only the
model that was named as the owner brings other values. Any other checkpoint has to hold
what is in the session; that of a model beside a named owner may differ, as it may in a
restore, and its copy is left alone.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Iterator, List, Optional, Sequence

import numpy as np

from legacy_restore import errors
from legacy_restore.examining.compare import Comparison, Tolerance
from legacy_restore.examining.diff_text import difference_text
from legacy_restore.graph.building import BuiltModel
from legacy_restore.graph.check import batches
from legacy_restore.graph.plan import GraphPlan
from legacy_restore.graph.values import read_owned
from legacy_restore.graph.variables import OwnedVariable, assemble
from legacy_restore.planning.plan import Action, ModelPlan, PlanRow, SharedWith
from legacy_restore.planning.shared import Shared, SharedVariable, Sharing
from legacy_restore.planning.sharing import (
    Borrowed,
    Copy,
    Differing,
    borrow,
    judge_copies,
)
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import count_text, cut_names
from legacy_restore.restoring.conversions import same_bits
from legacy_restore.restoring.converted import expected_parts
from legacy_restore.restoring.opened import Opened
from legacy_restore.restoring.stored import StoredTensors


def swap_shared(
    session: Any, plan: GraphPlan, model: ModelPlan, opened: Opened
) -> ModelPlan:
    """Settles the shared variables of a model that is to be swapped.

    Args:
      session: The session.
      plan: The plan that the session was restored with.
      model: The model, matched with the other checkpoint.
      opened: That checkpoint.

    Returns:
      The model's plan: what comes from other models still does, and a checkpoint that
      would change them is refused.
    """
    shared = plan.sharing.of_model(model.name)
    if not shared:
        return model
    before, now = plan[model.name].by_variable(), model.by_variable()
    borrowed: Dict[str, Borrowed] = {}
    held: List[Copy] = []
    swapped: Dict[Shared, List[SharedVariable]] = {}
    for one in shared:
        name = one.variables[model.name].name
        source = before[name].shared_with
        if source is not None:
            borrowed[name] = Borrowed(one.shared, source, one.owner is not None)
        elif one.owner == model.name:
            swapped.setdefault(one.shared, []).append(one)
        elif _is_read(now[name]):
            own = SharedWith(model.name, name)
            held.append(Copy(now[name], Borrowed(one.shared, own, is_owned=False)))
    borrower = borrow(model, borrowed)
    copies = [*borrower.copies, *held]
    with StoredTensors(opened) as stored:
        differing = list(_differing(session, plan.built[model.name], stored, copies))
    found = judge_copies(borrower.plan, differing)
    remarks = [_swapped_too(model.name, *pair) for pair in swapped.items()]
    return dataclasses.replace(found, findings=(*found.findings, *remarks))


def _is_read(row: PlanRow) -> bool:
    return row.action is Action.RESTORE and row.entry is not None


def _differing(
    session: Any, built: BuiltModel, stored: StoredTensors, copies: Sequence[Copy]
) -> Iterator[Differing]:
    """Compares what a checkpoint has of variables with what is in the session."""
    by_name = {one.row.variable.name: one for one in copies}
    for copy in copies:
        if not _is_read(copy.row):
            yield Differing(copy, "its shape or dtype does not fit")
    for batch in batches([one.row for one in copies if _is_read(one.row)]):
        variables = [built.variables[row.variable.name] for row in batch]
        for variable, parts in zip(variables, read_owned(session, variables)):
            found = _compared(stored, by_name[variable.name], variable, parts)
            if found is not None:
                yield found


def _compared(
    stored: StoredTensors,
    copy: Copy,
    variable: OwnedVariable,
    parts: Optional[List[np.ndarray]],
) -> Optional[Differing]:
    entry, pieces = copy.row.entry, copy.row.variable.pieces
    other = "the session has other values, which other models use"
    if parts is None or entry is None:
        return Differing(copy, "the session has no value, and other models use it")
    try:
        if copy.row.conversion is not None:
            expected = expected_parts(copy.row, stored, parts)
            return (
                None if all(map(same_bits, expected, parts)) else Differing(copy, other)
            )
        if not copy.row.variable.is_complete:
            is_equal = stored.pieces_equal(entry, pieces, parts)
            return None if is_equal else Differing(copy, other)
        value = assemble(variable, parts)
        if stored.equals(entry, value):
            return None
        if copy.borrowed.is_owned:
            return Differing(copy)  # How far apart they are, nobody asks.
        comparison = Comparison(entry.dtype, Tolerance())
        comparison.add(value, stored.read(entry.key))
    except errors.LegacyRestoreError as error:
        damage = error.findings or [
            Finding(KINDS["corrupt"], entry.key, error.message, hint=error.hint)
        ]
        return Differing(copy, damage=tuple(damage))
    return Differing(copy, f"{other}: {difference_text(comparison.result())}")


def _swapped_too(
    model: str, shared: Shared, variables: List[SharedVariable]
) -> Finding:
    others = dict.fromkeys(
        other for one in variables for other in one.variables if other != model
    )
    return Finding(
        KINDS["shared-swapped"],
        str(shared),
        f"{count_text(len(variables), 'variable')} also of {cut_names(list(others))}",
        model=model,
    )


def without_stale_remarks(
    model: ModelPlan, sharing: Sharing, swapped: str
) -> ModelPlan:
    """Returns a model without what was said of an owner's values that are replaced.

    Args:
      model: A model that was not swapped.
      sharing: What all models share.
      swapped: The model that was.
    """
    stale = {str(one.shared) for one in sharing.variables if one.owner == swapped}
    kept = [
        one
        for one in model.findings
        if one.id != "shared-copy-differs" or one.subject not in stale
    ]
    return dataclasses.replace(model, findings=tuple(kept))
