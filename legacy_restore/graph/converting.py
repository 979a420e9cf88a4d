"""Restoring rows whose value is made of the stored tensor, not the tensor itself.

Such tensors are read here and not by TensorFlow, each verified by its checksum, and fed
in the place of what ``RestoreV2`` would read. Where all outputs of that operation are
fed it does not run; so these rows have operations of their own. All that is known
before anything is assigned is fed in the one run in which everything is read, and takes
the size of these variables besides them until that has ended.

A value that takes elements from an initialiser is known only after that has run: it is
assigned in a run of its own, in which nothing else is read, one variable at a time.
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType
from typing import (
    Any,
    Container,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Sequence,
    Set,
)

import numpy as np

from legacy_restore.graph.initialise import initialization_waves
from legacy_restore.graph.reading import run_initializers
from legacy_restore.graph.restore_group import RestoreGroup, nothing_read
from legacy_restore.graph.values import read_owned
from legacy_restore.graph.variables import OwnedVariable
from legacy_restore.planning.plan import Action, ModelPlan, PlanRow
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.restoring.cast_findings import Casts, failure
from legacy_restore.restoring.converted import converted_tensor, places_of
from legacy_restore.restoring.opened import Opened
from legacy_restore.restoring.reasons import reason_of
from legacy_restore.restoring.stored import StoredTensors
from legacy_restore.tf import tf


@dataclasses.dataclass(frozen=True, eq=False)
class PartRead:
    """Where a part of a variable, or a tensor of an object, is read and assigned.

    Attributes:
      number: Which of the variable's parts it is.
      output: What is read, which may be fed instead.
      assignment: The operation that assigns it.
    """

    number: int
    output: Any
    assignment: Any


@dataclasses.dataclass(frozen=True, eq=False)
class ConvertedModel:
    """A model, rows of which may be converted.

    Attributes:
      plan: Its plan.
      opened: Its checkpoint.
      variables: Its variables, by name.
      groups: The operations that restore it.
      others: Those of the models that are restored behind the same barrier.
    """

    plan: ModelPlan
    opened: Opened
    variables: Mapping[str, OwnedVariable]
    groups: Sequence[RestoreGroup]
    others: Sequence[RestoreGroup] = ()

    @property
    def rows(self) -> Dict[str, PlanRow]:
        """The rows that are restored, by the variable's name."""
        return {row.variable.name: row for row in self.plan.rows_to(Action.RESTORE)}

    def merged_rows(self) -> List[PlanRow]:
        """Returns the rows that take a part of their value from an initialiser."""
        return [row for row in self.rows.values() if row.is_merged]

    def fed_groups(self) -> List[RestoreGroup]:
        """Returns the operations whose values are fed, as some are converted."""
        names = {name for name, row in self.rows.items() if row.conversion}
        return [one for one in self.groups if names.intersection(one.variables)]

    def merging_groups(self) -> List[RestoreGroup]:
        """Returns those of rows that take a part of their value from initialisers."""
        names = {row.variable.name for row in self.merged_rows()}
        return [one for one in self.groups if names.intersection(one.variables)]

    def at_once(self) -> List[RestoreGroup]:
        """Returns the operations of rows whose value the checkpoint alone gives."""
        merging = self.merging_groups()
        return [one for one in self.groups if one not in merging]

    def parts_read(
        self, names: Container[str], groups: Iterable[RestoreGroup]
    ) -> Dict[str, List[PartRead]]:
        """Returns where the parts of variables are read and assigned, by their names.

        In a cluster each task reads its own, in another order than that of the parts.

        Args:
          names: The names of the variables.
          groups: Those of the model's operations to look at.
        """
        found: Dict[str, List[PartRead]] = {}
        for group in groups:
            each = zip(group.variables, group.parts, group.read.outputs)
            for assignment, (name, part, output) in zip(group.assignments, each):
                if name in names:
                    number = 0 if part is None else self._number(name, part)
                    one = PartRead(number, output, assignment)
                    found.setdefault(name, []).append(one)
        return found

    def _number(self, name: str, part: Any) -> int:
        parts = [one.op.name for one in self.variables[name].parts]
        return parts.index(part.op.name)


@dataclasses.dataclass(frozen=True)
class FedValues:
    """What to feed in the place of what is not read by TensorFlow.

    Attributes:
      feeds: Values by output.
      remarks: What the casts did.
    """

    feeds: Mapping[Any, np.ndarray]
    remarks: Sequence[Finding]


def feeds_at_once(models: Sequence[ConvertedModel], consequence: str) -> FedValues:
    """Converts everything for which the checkpoints are enough.

    Args:
      models: The models.
      consequence: What a failure leaves behind, for the error's text.

    Raises:
      RestoreError: A tensor cannot be read, or holds values that the dtype of its
        variable cannot; all such are in its findings.
    """
    feeds: Dict[Any, np.ndarray] = {}
    casts = Casts(consequence)
    for model in models:
        merging = model.merging_groups()
        feeds.update(nothing_read(merging))
        with StoredTensors(model.opened) as stored:
            fed = [one for one in model.fed_groups() if one not in merging]
            feeds.update(_values(model, fed, stored, {}, casts))
            for row in model.merged_rows():
                # Its overflow is to be known before anything is assigned.
                if row.conversion is not None and row.conversion.is_cast:
                    casts.add_overflow(row, converted_tensor(row, stored, consequence))
    casts.raise_if_any()
    return FedValues(feeds, casts.remarks)


def feeds_over_current(
    session: Any, model: ConvertedModel, consequence: str
) -> FedValues:
    """Converts everything; what the checkpoint does not give stays as it is.

    Args:
      session: A session in which the model's variables have values.
      model: The model.
      consequence: What a failure leaves behind, for the error's text.

    Raises:
      RestoreError: As ``feeds_at_once``, or a variable has no value.
    """
    feeds: Dict[Any, np.ndarray] = {}
    casts = Casts(consequence)
    merged = model.merged_rows()
    current = current_values(session, model, merged, consequence)
    with StoredTensors(model.opened) as stored:
        feeds.update(_values(model, model.fed_groups(), stored, current, casts))
    casts.raise_if_any()
    return FedValues(feeds, casts.remarks)


def initialize_and_merge(
    session: Any,
    left: Sequence[Any],
    models: Sequence[ConvertedModel],
    consequence: str,
    storage: Mapping[str, str] = MappingProxyType({}),
) -> List[Finding]:
    """Runs initialisers, and puts what is stored over what they give.

    A variable is finished before the initialisers run that may read it.

    Args:
      session: The session.
      left: The parts of variables whose initialisers are to run.
      models: The models.
      consequence: What a failure leaves behind, for the error's text.
      storage: The name of the variable whose storage others have, by their names.

    Returns:
      What the casts did.

    Raises:
      RestoreError: An initialiser failed, or a tensor cannot be read or assigned.
    """
    remarks: List[Finding] = []
    waiting = {part.op.name for part in left}
    pending = [(model, row) for model in models for row in model.merged_rows()]
    waves: List[Sequence[Any]] = [(), *initialization_waves(left, storage)]
    for wave in waves:
        run_initializers(session, [part.initializer for part in wave], consequence)
        waiting -= {part.op.name for part in wave}
        ready = [one for one in pending if not _parts(*one) & waiting]
        pending = [one for one in pending if one not in ready]
        for model, row in ready:
            remarks += _merge(session, model, row, consequence)
    return remarks


def _merge(
    session: Any, model: ConvertedModel, row: PlanRow, consequence: str
) -> List[Finding]:
    """Assigns one variable that has its initialiser's value, or the caller's."""
    casts = Casts(consequence)
    name = row.variable.name
    current = current_values(session, model, [row], consequence)[name]
    with StoredTensors(model.opened) as stored:
        converted = converted_tensor(row, stored, consequence)
    casts.add(row, converted)
    casts.raise_if_any()
    parts = model.parts_read([name], model.groups)[name]
    feeds = nothing_read([*model.groups, *model.others])
    places = places_of(row)
    for part in parts:
        feeds[part.output] = converted.part(places[part.number], current[part.number])
    try:
        session.run([part.assignment for part in parts], feeds)
    except tf.errors.CancelledError:
        raise  # The session was closed.
    except tf.errors.OpError as error:
        finding = Finding(
            KINDS["restore-failed"], name, reason_of(error), model=row.model
        )
        raise failure([finding], consequence) from error
    return casts.remarks


def _values(
    model: ConvertedModel,
    groups: Sequence[RestoreGroup],
    stored: StoredTensors,
    current: Mapping[str, Sequence[np.ndarray]],
    casts: Casts,
) -> Iterator[Any]:
    """Gives pairs of an output of some reads and what is to be fed in its place."""
    rows = model.rows
    for name, parts in model.parts_read(rows, groups).items():
        converted = converted_tensor(rows[name], stored, casts.consequence)
        casts.add(rows[name], converted)
        places = places_of(rows[name])
        kept = current.get(name)
        for part in parts:
            own = None if kept is None else kept[part.number]
            yield part.output, converted.part(places[part.number], own)


def current_values(
    session: Any, model: ConvertedModel, rows: Sequence[PlanRow], consequence: str
) -> Dict[str, List[np.ndarray]]:
    """Returns the values of the parts of variables, by the variable's name.

    Args:
      session: The session.
      model: The model.
      rows: The rows of the variables.
      consequence: What a failure leaves behind, for the error's text.

    Raises:
      RestoreError: A variable has no value.
    """
    names = [row.variable.name for row in rows]
    values = read_owned(session, [model.variables[name] for name in names])
    found = {name: value for name, value in zip(names, values) if value is not None}
    text = "it has no value of which to keep what the checkpoint lacks"
    lacking = [
        Finding(KINDS["restore-failed"], name, text, model=model.plan.name)
        for name in names
        if name not in found
    ]
    if lacking:
        raise failure(lacking, consequence)
    return found


def _parts(model: ConvertedModel, row: PlanRow) -> Set[str]:
    return {part.op.name for part in model.variables[row.variable.name].parts}
