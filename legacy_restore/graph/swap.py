"""Swapping the weights of a restored model for those of another checkpoint.

The operations of the restore are used again: their prefix and their keys are fed. So
nothing is added to the graph, which may be finalised.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any, Dict, Iterator, List, Tuple

from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.graph.converting import ConvertedModel, feeds_over_current
from legacy_restore.graph.kept import Kept, values_kept
from legacy_restore.graph.plan import GraphPlan
from legacy_restore.graph.reading import Reading, run_reads
from legacy_restore.graph.saveable_values import objects_kept
from legacy_restore.graph.shared_swap import swap_shared, without_stale_remarks
from legacy_restore.graph.table_findings import with_table_findings
from legacy_restore.planning.assemble import plan_model
from legacy_restore.planning.plan import Action, ModelPlan, Plan
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.restoring.refusals import (
    open_or_refuse,
    refuse_if_changed,
    refuse_unless_ok,
)

_CONSEQUENCE = "the weights are as they were"


def plan_swap(
    session: Any, plan: GraphPlan, name: str, location: LocationLike
) -> GraphPlan:
    """Plans to give one model the weights of another checkpoint.

    Rules and waivers are those of the model.

    Args:
      session: The session; what is shared in it is compared with the checkpoint.
      plan: The plan that the session was restored with.
      name: The model.
      location: The other checkpoint.

    Returns:
      The plan with this model's part replaced.

    Raises:
      RestoreError: The checkpoint does not fit, or asks for operations that the
        restore did not make; nothing was changed.
      UsageError: The location is no path.
    """
    opened = open_or_refuse(name, location, f"model {name!r} cannot be swapped")
    given = dataclasses.replace(plan.inputs[name], source=opened.source, graph="")
    inputs = {**plan.inputs, name: given}
    model = plan_model(given, list(inputs.values()))
    model = swap_shared(session, plan, model, opened)
    model = _with_differences(plan[name], model)
    model = with_table_findings(model, plan.built[name].saveables, opened.prefix)
    refuse_unless_ok(Plan((model,), model.findings))
    models = tuple(
        model if one.name == name else without_stale_remarks(one, plan.sharing, name)
        for one in plan.models
    )
    of_models = [finding for one in models for finding in one.findings]
    return dataclasses.replace(
        plan,
        models=models,
        findings=tuple(of_models),
        inputs=inputs,
        opened={**plan.opened, name: opened},
    )


def _with_differences(old: ModelPlan, new: ModelPlan) -> ModelPlan:
    """Adds a finding for each variable of which other things are to become."""
    actions: Dict[str, Action] = {row.variable.name: row.action for row in old.rows}
    findings: List[Finding] = []
    for row in new.rows:
        now = (actions[row.variable.name], row.action)
        if now in _DIFFERENCES:
            findings.append(
                Finding(
                    KINDS["swap-differs"],
                    row.variable.name,
                    _DIFFERENCES[now],
                    model=new.name,
                    hint="restore again, from this checkpoint",
                )
            )
    return dataclasses.replace(new, findings=(*new.findings, *findings))


_DIFFERENCES: Dict[Tuple[Action, Action], str] = {
    (Action.INITIALIZE, Action.RESTORE): "it was left to its initialiser, and no "
    "operation restores it; this checkpoint has it",
    (
        Action.RESTORE,
        Action.INITIALIZE,
    ): "it was restored, and this checkpoint lacks it",
}


@contextlib.contextmanager
def swapped(session: Any, plan: GraphPlan, name: str) -> Iterator[List[Finding]]:
    """Assigns the weights of one model; puts the old back if what is within fails.

    Where a part of a value is not in the checkpoint it stays as it is.

    Args:
      session: The session.
      plan: What ``plan_swap`` returned.
      name: The model.

    Yields:
      What casts did to the values.

    Raises:
      RestoreError: The checkpoint cannot be read, or its files changed meanwhile; the
        weights are as they were.
    """
    operations = plan.operations.models[name]
    if not operations.groups:
        yield []
        return
    rows = plan[name].rows_to(Action.RESTORE)
    keys = {row.variable.name: str(row.key) for row in rows}
    opened = {name: plan.opened[name]}
    devices = {name: plan.operations.reading_devices(name)}
    reading = Reading([plan[name]], opened, _CONSEQUENCE, devices)
    others = [one for model in plan.operations.models.values() for one in model.groups]
    kept = Kept(operations.groups, others, plan.built[name].variables)
    model = ConvertedModel(
        plan[name], opened[name], plan.built[name].variables, operations.groups
    )
    with values_kept(session, kept), objects_kept(session, operations.groups, others):
        fed = feeds_over_current(session, model, _CONSEQUENCE)
        run_reads(
            session,
            reading,
            operations.assignments,
            lambda prefixes: {
                **plan.operations.feeds_for_one(name, prefixes[name], keys),
                **fed.feeds,
            },
        )
        refuse_if_changed(opened)
        yield list(fed.remarks)
