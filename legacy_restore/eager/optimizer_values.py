"""The values that an optimizer gets: read, assigned, and proved."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any, ContextManager, Dict, Iterator, List, Mapping

import numpy as np

from legacy_restore import errors
from legacy_restore.eager.assigning import NewValue
from legacy_restore.eager.kinds import Role, variable_of
from legacy_restore.eager.optimizer_assignments import Assignment, assignments
from legacy_restore.eager.optimizer_plan import SUBJECT, OptimizerPlan
from legacy_restore.eager.optimizers import build
from legacy_restore.eager.variables import LiveVariable, describe
from legacy_restore.planning.spec import type_text
from legacy_restore.report.check_report import CheckRow, CheckStatus
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.restoring.cast_findings import failure
from legacy_restore.restoring.conversions import same_bits
from legacy_restore.restoring.reasons import reason_of
from legacy_restore.restoring.refusals import NOTHING_CHANGED
from legacy_restore.restoring.stored import StoredTensors

_NOT_ASSIGNED = "no variable was assigned"


def read_values(
    name: str, plan: OptimizerPlan, stored: StoredTensors
) -> Mapping[str, np.ndarray]:
    """Reads all that an optimizer gets, verified.

    Args:
      name: What the root is called.
      plan: What the optimizer gets.
      stored: The checkpoint.

    Raises:
      RestoreError: Something cannot be read.
    """
    found: Dict[str, np.ndarray] = {}
    for key in plan.keys:
        try:
            found[key] = stored.read(key)
        except errors.LegacyRestoreError as error:
            finding = Finding(KINDS["corrupt"], key, error.message)
            told = [
                dataclasses.replace(one, model=name)
                for one in error.findings or [finding]
            ]
            raise failure(told, NOTHING_CHANGED) from error
    return found


def new_values(
    name: str, plan: OptimizerPlan, values: Mapping[str, np.ndarray]
) -> List[NewValue]:
    """Returns what is to be assigned; builds the optimizer where it is not.

    One that is built here stays so whatever comes after it, with the slots that its
    first step would have made.

    Args:
      name: What the root is called.
      plan: What the optimizer gets.
      values: What was read for it.

    Raises:
      RestoreError: It cannot be built, or its slots are not those that were planned.
    """
    try:
        with _strategy_scope(plan):
            build(plan.optimizer, list(plan.trained.values()))
    except Exception as error:
        text = f"it cannot be built: {type(error).__name__}: {reason_of(error)}"
        hint = "make the optimizer anew, if building it has begun"
        finding = Finding(KINDS["restore-failed"], SUBJECT, text, model=name, hint=hint)
        raise failure([finding], _NOT_ASSIGNED) from error
    planned = _assignments(plan, values)
    unfit = [finding for one in planned for finding in _unfit(name, one)]
    if unfit:
        raise failure(unfit, _NOT_ASSIGNED)
    return [NewValue(_live(one), _as_array(one)) for one in planned]


def check_optimizer(
    name: str, plan: OptimizerPlan, stored: StoredTensors
) -> List[CheckRow]:
    """Compares what an optimizer got with the checkpoint.

    Args:
      name: What the root is called.
      plan: What the optimizer got.
      stored: The checkpoint.
    """
    values: Dict[str, np.ndarray] = {}
    reasons: Dict[str, str] = {}
    for key in plan.keys:
        try:
            values[key] = stored.read(key)
        except errors.LegacyRestoreError as error:
            reasons[key] = error.message
    transfer = plan.transfer
    readable = dataclasses.replace(
        transfer,
        slots=tuple(one for one in transfer.slots if one.key in values),
        hyperparameter_keys={
            hyperparameter: key
            for hyperparameter, key in transfer.hyperparameter_keys.items()
            if key in values
        },
    )
    rows = [
        _check(name, one)
        for one in _assignments(dataclasses.replace(plan, transfer=readable), values)
    ]
    return rows + [
        CheckRow(name, SUBJECT, key, CheckStatus.UNPROVED, reason)
        for key, reason in reasons.items()
    ]


def _assignments(
    plan: OptimizerPlan, values: Mapping[str, np.ndarray]
) -> List[Assignment]:
    return list(assignments(plan.optimizer, plan.variables, plan.transfer, values))


def _check(name: str, one: Assignment) -> CheckRow:
    live, expected = _live(one), _as_array(one)
    is_equal = all(same_bits(expected, value) for value in live.replicas())
    status = CheckStatus.EQUAL if is_equal else CheckStatus.CHANGED
    return CheckRow(name, live.name, one.key, status)


def _unfit(name: str, one: Assignment) -> Iterator[Finding]:
    """What is to be said of a variable that is not what was planned for it."""
    spec, value = _live(one).spec, np.asarray(one.value)
    is_count = not isinstance(one.value, np.ndarray)
    if value.shape == spec.shape and (is_count or value.dtype.name == spec.dtype):
        return
    yield Finding(
        KINDS["restore-failed"],
        one.name,
        f"it is not what {one.key} is",
        model=name,
        expected=type_text(value.dtype.name, value.shape),
        found=type_text(spec.dtype, spec.shape),
    )


def _live(one: Assignment) -> LiveVariable:
    variable = variable_of(one.variable)
    return LiveVariable(describe(one.name, variable), Role.OPTIMIZER, variable)


def _as_array(one: Assignment) -> np.ndarray:
    dtype = variable_of(one.variable).dtype.base_dtype.as_numpy_dtype
    value: np.ndarray = np.asarray(one.value, dtype)
    return value


def _strategy_scope(plan: OptimizerPlan) -> ContextManager[Any]:
    """What the variables were made in: slots have to be made in it too."""
    for one in plan.trained.values():
        variable = variable_of(one)
        if isinstance(getattr(variable, "values", None), (tuple, list)):
            scope: ContextManager[Any] = variable.distribute_strategy.scope()
            return scope
    return contextlib.nullcontext()
