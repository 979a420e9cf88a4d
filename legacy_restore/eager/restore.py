"""Restoring an object in place: all of its variables, or none."""

from __future__ import annotations

import time
from typing import Any, List, Mapping, Optional, Sequence

import numpy as np

from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.eager.assigning import NewValue, assign_all
from legacy_restore.eager.optimizer_values import new_values, read_values
from legacy_restore.eager.plan import ObjectPlan, plan_object
from legacy_restore.eager.restored import ObjectReport, RestoredObject
from legacy_restore.mapping.model_rules import Rule
from legacy_restore.mapping.partial import ShapeWaivers
from legacy_restore.planning.plan import Action, PlanRow
from legacy_restore.report.findings import Finding
from legacy_restore.restoring.cast_findings import Casts
from legacy_restore.restoring.converted import converted_tensor, places_of
from legacy_restore.restoring.refusals import (
    NOTHING_CHANGED,
    refuse_if_changed,
    refuse_unless_ok,
)
from legacy_restore.restoring.reports import model_report
from legacy_restore.restoring.stored import StoredTensors


def restore_object(
    root: Any,
    location: LocationLike,
    *,
    rules: Sequence[Rule] = (),
    optimizer: Any = None,
    trained_with: Optional[Mapping[str, float]] = None,
    allow_missing: Sequence[str] = (),
    allow_unused: Sequence[str] = (),
    allow_shape: ShapeWaivers = (),
    cast: Optional[Mapping[str, Any]] = None,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
    weights: str = "raw",
) -> RestoredObject:
    """Restores an eager model in place: all of its variables, or none.

    Everything is read and checked before the first variable is assigned: names, shapes,
    dtypes, checksums, casts. Variables are assigned, never replaced, so that functions
    that were traced before (``tf.function``) see the new values. If one cannot be
    assigned, all get their values back. New and old values are in memory meanwhile,
    besides the variables.

    The state of an optimizer is converted where libraries keep it differently, so that
    the next steps are those that the training would have made; pairs of which nobody
    can do that exactly are refused. Renaming, as stock TensorFlow restores, copies
    numbers of another meaning: ``tf.compat.v1.train.MomentumOptimizer`` keeps a sum of
    gradients, Keras one of steps.

    ``tf.train.Checkpoint(model=model).restore(...)`` restores nothing from a name-based
    checkpoint into a model of Keras 3, and raises nothing; of object-based ones it
    leaves out, without a word, layers that such a model holds in a list
    (github.com/keras-team/keras, ``keras/src/backend/tensorflow/trackable.py``).

    Args:
      root: As for ``plan_object``.
      location: A location as ``open_checkpoint`` takes it.
      rules: As for ``plan_object``, like all other arguments.
      optimizer: The optimizer that is to go on where that of the checkpoint stopped;
        its slots and steps are assigned with the weights, all or nothing. One that is
        not built is built, after everything was read; it stays so if an assignment
        fails, with the slots that its first step would have made. None touches none.
      trained_with: Hyperparameters of the optimizer in the checkpoint, which it may not
        store.
      allow_missing: Patterns of variables that may be missing, and keep their values.
      allow_unused: Patterns of weights that may be left in the checkpoint.
      allow_shape: What to do where shapes differ.
      cast: The dtypes to which stored tensors are cast.
      only: Patterns of the variables that are restored; others keep their values.
      exclude: Patterns of variables that are not restored.
      weights: ``"raw"``, or ``"ema"`` for the moving averages of the weights.

    Returns:
      What was done, with a ``check()`` for any later time.

    Raises:
      RestoreError: The plan does not add up, or a value cannot be read or assigned; all
        problems are in its findings, and nothing was changed.
      BuildError: The root has not made its variables yet.
      UsageError: An argument cannot be meant, or a graph is being built.
    """
    started = time.monotonic()
    plan = plan_object(
        root,
        location,
        rules=rules,
        optimizer=optimizer,
        trained_with=trained_with,
        allow_missing=allow_missing,
        allow_unused=allow_unused,
        allow_shape=allow_shape,
        cast=cast,
        only=only,
        exclude=exclude,
        weights=weights,
    )
    refuse_unless_ok(plan)
    planned = time.monotonic()
    remarks = _read_and_assign(plan)
    (model,) = plan.models
    report = ObjectReport(
        plan=plan,
        optimizer=plan.optimizer,
        models={model.name: model_report(model, remarks)},
        seconds_planning=planned - started,
        seconds_restoring=time.monotonic() - planned,
        remarks=tuple(remarks),
    )
    return RestoredObject(plan, report)


def _read_and_assign(plan: ObjectPlan) -> List[Finding]:
    """Reads everything, then assigns everything; returns what casts did."""
    (model,) = plan.models
    casts = Casts(NOTHING_CHANGED)
    with StoredTensors(plan.opened[model.name]) as stored:
        new = [
            NewValue(
                plan.variables[row.variable.name], new_value(plan, row, stored, casts)
            )
            for row in model.rows_to(Action.RESTORE)
        ]
        state: Mapping[str, np.ndarray] = {}
        if plan.optimizer is not None:
            state = read_values(model.name, plan.optimizer, stored)
    casts.raise_if_any()
    # What was read is what was planned only if no file was replaced meanwhile.
    refuse_if_changed(plan.opened)
    if plan.optimizer is not None:
        new += new_values(model.name, plan.optimizer, state)
    assign_all(model.name, new)
    return casts.remarks


def new_value(
    plan: ObjectPlan, row: PlanRow, stored: StoredTensors, casts: Casts
) -> np.ndarray:
    """Returns what the variable of a row is to be: read, verified and converted.

    Args:
      plan: The plan.
      row: One of its rows that is restored.
      stored: Its checkpoint.
      casts: Notes what was cast.

    Raises:
      RestoreError: It cannot be read.
    """
    converted = converted_tensor(row, stored, NOTHING_CHANGED)
    casts.add(row, converted)
    (place,) = places_of(row)
    current = None
    if row.is_merged:
        current = plan.variables[row.variable.name].replicas()[0]
    return converted.part(place, current)
