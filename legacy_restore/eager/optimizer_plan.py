"""Planning what an optimizer gets, beside the variables of its root."""

from __future__ import annotations

import dataclasses
import difflib
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint.keras_files import HDF5, KERAS
from legacy_restore.eager.optimizers import assignable_hyperparameters, state_of
from legacy_restore.planning.optimizer_text import transfer_json, transfer_lines
from legacy_restore.planning.optimizer_transfer import (
    OptimizerTransfer,
    find_optimizers,
    plan_transfer,
)
from legacy_restore.planning.plan import Action, ModelPlan, PlanRow
from legacy_restore.planning.spec import stored_text, type_text
from legacy_restore.planning.unopened import input_findings
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.restoring.opened import Opened
from legacy_restore.restoring.stored import StoredTensors

SUBJECT = "optimizer"
"""What an optimizer is called in plans and reports."""


@dataclasses.dataclass(frozen=True, eq=False)
class AskedOptimizer:
    """An optimizer that is to be restored.

    Attributes:
      optimizer: The optimizer.
      trained_with: Hyperparameters of the one in the checkpoint that are known.
    """

    optimizer: Any
    trained_with: Mapping[str, float]


@dataclasses.dataclass(frozen=True, eq=False)
class OptimizerPlan:
    """What an optimizer gets.

    Attributes:
      optimizer: The optimizer; it may not be built yet.
      variables: The variables whose slots are restored, by name, as it knows them.
      trained: All that it trains.
      transfer: Where their values come from.
    """

    optimizer: Any
    variables: Mapping[str, Any]
    trained: Mapping[str, Any]
    transfer: OptimizerTransfer

    @property
    def keys(self) -> Tuple[str, ...]:
        """The keys that are read for it, sorted."""
        zeros = {one.key for one in self.transfer.slots}
        return tuple(sorted(zeros | self.transfer.keys_used))

    def lines(self) -> List[str]:
        """Returns it as lines of text."""
        return transfer_lines(self.transfer)

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data."""
        return transfer_json(self.transfer)


def ask_optimizer(
    optimizer: Any, trained_with: Optional[Mapping[str, float]], weights: str
) -> Optional[AskedOptimizer]:
    """Returns what was asked for; None where no optimizer was.

    Args:
      optimizer: The argument: an optimizer, or None.
      trained_with: The argument.
      weights: The argument of that name.

    Raises:
      UsageError: It is no optimizer whose state is known, or the rest does not fit.
    """
    if optimizer is None:
        if trained_with:
            text = "trained_with= says how an optimizer was set, and optimizer= is None"
            raise errors.UsageError(text, hint="optimizer=model.optimizer")
        return None
    state_of(optimizer)
    if weights != "raw":
        raise errors.UsageError(
            f"optimizer= with weights={weights!r}: training goes on from raw values",
            hint="weights='raw', or optimizer=None",
        )
    return AskedOptimizer(optimizer, _numbers(trained_with or {}))


def _numbers(trained_with: Mapping[str, Any]) -> Dict[str, float]:
    try:
        return {str(name): float(value) for name, value in trained_with.items()}
    except (AttributeError, TypeError, ValueError) as error:
        text = f"trained_with takes numbers by their names in Keras: {error}"
        raise errors.UsageError(text, hint="trained_with={'epsilon': 1e-8}") from error


@dataclasses.dataclass(frozen=True)
class PlannedOptimizer:
    """What came of planning for an optimizer.

    Attributes:
      plan: What it gets; None if it was not looked for.
      findings: What there is to say.
    """

    plan: Optional[OptimizerPlan]
    findings: Tuple[Finding, ...]


def plan_optimizer(
    asked: AskedOptimizer, trained: Mapping[str, Any], model: ModelPlan, opened: Opened
) -> PlannedOptimizer:
    """Decides what an optimizer gets, once it is known what its variables get.

    Args:
      asked: The optimizer.
      trained: The variables that it trains, by name, as it knows them.
      model: The plan of the variables.
      opened: The checkpoint.

    Raises:
      UsageError: ``trained_with`` names what is not compared.
    """
    rows = [row for row in model.rows if row.variable.name in trained]
    taken = {
        row.variable.name: row.entry.key
        for row in rows
        if row.action is Action.RESTORE and row.entry and row.conversion is None
    }
    findings = list(_left_out(rows))
    if opened.source.format in (HDF5, KERAS):
        text = "optimizers are read from checkpoints, not from files of Keras"
        hint = "optimizer=None leaves the optimizer as it is"
        kind = KINDS["optimizer-missing"]
        findings.append(Finding(kind, SUBJECT, text, hint=hint))
        return PlannedOptimizer(None, _of(model, findings))
    if not taken and any(row.action is Action.REFUSE for row in rows):
        return PlannedOptimizer(None, _of(model, findings))
    try:
        with StoredTensors(opened) as stored:
            transfer = plan_transfer(
                find_optimizers(opened.source.entries.values(), opened.source.objects),
                state_of(asked.optimizer),
                taken,
                StoredValues(stored),
                assignable=assignable_hyperparameters(asked.optimizer),
                stated=asked.trained_with,
                subject=SUBJECT,
            )
    except errors.CheckpointError as error:
        found = input_findings(model.name, opened.prefix, error)
        return PlannedOptimizer(None, (*_of(model, findings), *found))
    _refuse_unused(asked, transfer)
    findings += [*transfer.findings, *_unfit(transfer, rows, opened)]
    known = {name: one for name, one in trained.items() if name in taken}
    plan = OptimizerPlan(asked.optimizer, known, trained, transfer)
    return PlannedOptimizer(plan, _of(model, findings))


def _of(model: ModelPlan, findings: Sequence[Finding]) -> Tuple[Finding, ...]:
    return tuple(dataclasses.replace(one, model=model.name) for one in findings)


def _left_out(rows: Sequence[PlanRow]) -> Iterator[Finding]:
    """What there is to say of variables that do not get what is stored, as it is."""
    for row in rows:
        name = row.variable.name
        if row.action is Action.INITIALIZE:
            text = "its slots are kept like the variable, which is not restored"
            yield Finding(KINDS["state-kept"], f"{name}: slots", text)
        elif row.action is Action.RESTORE and row.conversion is not None:
            text = f"{row.conversion}: its slots are not converted like the variable"
            hint = "optimizer=None restores the weights alone"
            yield Finding(KINDS["optimizer-rule"], f"{name}: slots", text, hint=hint)


def _unfit(
    transfer: OptimizerTransfer, rows: Sequence[PlanRow], opened: Opened
) -> Iterator[Finding]:
    """Slots that are of another type than their variables."""
    variables = {row.variable.name: row.variable for row in rows}
    for slot in transfer.slots:
        variable, entry = variables[slot.variable], opened.source.entries[slot.key]
        if not entry.is_complete:
            subject = f"{slot.variable}: {slot.role}"
            yield Finding(KINDS["missing-key"], subject, stored_text(entry))
            continue
        for kind, fits in (
            ("shape-mismatch", entry.shape == variable.shape),
            ("dtype-mismatch", entry.dtype == variable.dtype),
        ):
            if not fits:
                yield Finding(
                    KINDS[kind],
                    f"{slot.variable}: {slot.role}",
                    f"that is its slot in the checkpoint, {slot.key}",
                    expected=type_text(variable.dtype, variable.shape),
                    found=type_text(entry.dtype, entry.shape),
                )


def _refuse_unused(asked: AskedOptimizer, transfer: OptimizerTransfer) -> None:
    if transfer.rule is None or not transfer.rule.same:
        return
    known = sorted({*transfer.rule.same, *transfer.rule.needs})
    for name in sorted(asked.trained_with):
        if name in known:
            continue
        near = difflib.get_close_matches(name, known, n=1)
        raise errors.UsageError(
            f"trained_with: {name!r} is nothing that is compared here; that are "
            f"{', '.join(known)}",
            hint=f"did you mean {near[0]!r}?" if near else None,
        )


class StoredValues(Dict[str, Any]):
    """Tensors of a checkpoint by key, each read when it is asked for."""

    def __init__(self, stored: StoredTensors) -> None:
        """Reads nothing yet.

        Args:
          stored: The checkpoint.
        """
        super().__init__()
        self._stored = stored

    def __missing__(self, key: str) -> Any:
        """Reads a tensor.

        Raises:
          CheckpointError: It cannot be read.
        """
        self[key] = self._stored.read(key)
        return self[key]
