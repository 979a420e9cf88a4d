"""The operations that restore and save models: Savers, and a barrier between them.

Each model has a ``tf.compat.v1.train.Saver`` over its own variables, under the keys of
its checkpoint. Run as they are, the Savers' operations would assign one variable while
another is still being read: a damaged byte in the last file leaves half of all
variables changed. So every assignment gets a control edge from every read, of all
models: nothing is assigned before everything was read, and verified while it was read.
The buffers that were read become the variables, so this takes no memory.

The same operations restore one model alone, and from other keys: the other models'
reads are cut off by feeding what the barrier sees of them, and ``tensor_names``, an
input of ``RestoreV2`` and ``SaveV2`` like any other, is fed as well. That adds nothing
to the graph, and works when it is finalised.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import threading
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from legacy_restore.graph.building import BuiltModel
from legacy_restore.graph.finalized import refuse_finalized
from legacy_restore.graph.renamed import RenamedSaveable
from legacy_restore.graph.saveables import OwnedSaveable
from legacy_restore.graph.saver_operations import (
    ASSIGNMENTS,
    SaverOperations,
    nothing_read,
    texts_of,
)
from legacy_restore.graph.tf import tf
from legacy_restore.graph.variables import OwnedVariable
from legacy_restore.graph.writing import Writer, left_over, make_writer
from legacy_restore.planning.plan import Action, ModelPlan, Plan, PlanRow
from legacy_restore.report.table import cut_names


@dataclasses.dataclass(frozen=True, eq=False)
class ModelOperations:
    """The operations of one model.

    Attributes:
      savers: One, but for variables that share a key, as no Saver takes a key twice;
        none if the model restores nothing.
      writer: What saves the model without its scope; None if it has no variables.
    """

    savers: Tuple[SaverOperations, ...]
    writer: Optional[Writer]

    @property
    def saver(self) -> Any:
        """The model's Saver, or None."""
        return self.savers[0].saver if self.savers else None

    @property
    def assignments(self) -> List[Any]:
        """The operations that restore the model."""
        return [one.assign for one in self.savers]

    def prefix_feeds(self, prefix: str) -> Dict[Any, bytes]:
        """Returns what to feed so that a prefix is read."""
        return {one.filename: as_prefix(prefix) for one in self.savers}

    def key_feeds(self, keys: Mapping[str, str]) -> Dict[Any, List[str]]:
        """Returns what to feed so that other keys are read.

        Args:
          keys: The key for each variable, by its name in the graph.
        """
        return {
            one.read.inputs[1]: [keys[name] for name in one.variables]
            for one in self.savers
        }


class RestoreOperations:
    """The operations of a plan, made once, when first needed."""

    def __init__(self, graph: Any, built: Mapping[str, BuiltModel], plan: Plan) -> None:
        """Takes the models and their plan; adds nothing to the graph yet."""
        self._graph = graph
        self._built = built
        self._plan = plan
        self._models: Optional[Dict[str, ModelOperations]] = None
        self._lock = threading.Lock()

    @property
    def models(self) -> Mapping[str, ModelOperations]:
        """The operations of each model, by its name."""
        with self._lock:
            if self._models is None:
                self._models = self._make()
            return self._models

    @property
    def savers(self) -> Mapping[str, Any]:
        """The Saver of each model that restores variables, by model name."""
        return {
            name: one.saver
            for name, one in self.models.items()
            if one.saver is not None
        }

    def prepare(self) -> None:
        """Adds the operations to the graph, where that was not done before.

        Raises:
          RestoreError: The graph is finalised.
        """
        self.restore_operations()

    def restore_operations(self) -> List[Any]:
        """Returns the operations to run, all in one ``session.run``."""
        return [one for model in self.models.values() for one in model.assignments]

    def reading_devices(self, name: str) -> List[str]:
        """Returns the devices on which a model's files are read."""
        savers = self.models[name].savers
        return list(dict.fromkeys(one.read.device for one in savers))

    def feeds(self, prefixes: Mapping[str, str]) -> Dict[Any, bytes]:
        """Returns what to feed so that each model is read from its prefix."""
        feeds: Dict[Any, bytes] = {}
        for name, model in self.models.items():
            if model.savers:
                feeds.update(model.prefix_feeds(prefixes[name]))
        return feeds

    def feeds_for_one(
        self, name: str, prefix: str, keys: Mapping[str, str]
    ) -> Dict[Any, Any]:
        """Returns what to feed so that one model is read, and no other.

        Args:
          name: The model.
          prefix: Its prefix.
          keys: The key for each of its variables, by their names in the graph.
        """
        model = self.models[name]
        others = [
            one
            for other in self.models.values()
            if other is not model
            for one in other.savers
        ]
        return {
            **nothing_read(others),
            **model.prefix_feeds(prefix),
            **model.key_feeds(keys),
        }

    def _make(self) -> Dict[str, ModelOperations]:
        names = [model.name for model in self._plan.models if model.rows]
        if names:
            hint = "restore the plan before graph.finalize(), or make the plan again"
            refuse_finalized(self._graph, cut_names(names), hint)
        before = len(self._graph.get_operations())
        models = {
            model.name: make_operations(self._graph, model, self._built[model.name])
            for model in self._plan.models
        }
        with self._graph.as_default():
            add_barrier(
                [one for model in models.values() for one in model.savers],
                self._graph.get_operations()[before:],
            )
        return models


def as_prefix(prefix: str) -> bytes:
    """Returns a prefix as it is fed: the name of a directory need not be UTF-8."""
    return os.fsencode(prefix)


def make_operations(graph: Any, model: ModelPlan, built: BuiltModel) -> ModelOperations:
    """Adds the operations of one model to its graph, without a barrier.

    Args:
      graph: The graph.
      model: The plan of the model; nothing refuses it.
      built: The model's part of the graph.
    """
    savers = make_savers(graph, model, built.variables, built.saveables)
    left = [
        left_over(row.variable.name, built.variables, built.saveables)
        for row in model.rows
        if row.action is Action.INITIALIZE and not row.variable.is_local
    ]
    if not savers and not left:
        return ModelOperations(savers, None)
    with _entered(graph, model.scope):
        writer = make_writer(savers, left, built.spec)
    return ModelOperations(savers, writer)


def make_savers(
    graph: Any,
    model: ModelPlan,
    variables: Mapping[str, OwnedVariable],
    saveables: Mapping[str, OwnedSaveable],
) -> Tuple[SaverOperations, ...]:
    """Adds the operations that restore one model to its graph, without a barrier.

    Args:
      graph: The graph.
      model: The plan of the model; nothing refuses it.
      variables: The model's variables, by name.
      saveables: Its saveable objects, by the name of each of their rows.
    """
    with _entered(graph, model.scope):
        return tuple(
            _make_saver(graph, rows, variables, saveables)
            for rows in _with_keys_of_their_own(model.rows_to(Action.RESTORE))
        )


@contextlib.contextmanager
def _entered(graph: Any, scope: str) -> Iterator[None]:
    """Enters a scope, and leaves what the caller may have entered besides."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(graph.as_default())
        stack.enter_context(graph.control_dependencies(None))
        stack.enter_context(graph.device(None))
        # With a slash at its end it is entered as it is, not made unique; None is the
        # root.
        stack.enter_context(graph.name_scope(f"{scope}/" if scope else None))
        yield


def _with_keys_of_their_own(rows: Sequence[PlanRow]) -> List[List[PlanRow]]:
    """Groups of rows; in none of them have two rows one key.

    Rows of one saveable object are in one group: they have its name, and no key twice.
    """
    groups: List[List[PlanRow]] = []
    seen: Dict[Optional[str], int] = collections.defaultdict(int)
    for unit in _units(rows):
        place = max(seen[row.key] for row in unit)
        if place == len(groups):
            groups.append([])
        groups[place] += unit
        seen.update((row.key, place + 1) for row in unit)
    return groups


def _units(rows: Sequence[PlanRow]) -> List[List[PlanRow]]:
    """Puts the rows of each saveable object together."""
    units: Dict[str, List[PlanRow]] = {}
    for row in rows:
        units.setdefault(row.variable.saved_with or row.variable.name, []).append(row)
    return list(units.values())


def _make_saver(
    graph: Any,
    rows: Sequence[PlanRow],
    variables: Mapping[str, OwnedVariable],
    saveables: Mapping[str, OwnedSaveable],
) -> SaverOperations:
    names = {str(row.key): row.variable.name for row in rows}
    saved: Dict[str, Any] = {}
    objects = []
    for unit in _units(rows):
        first = unit[0].variable.name
        if first in variables:
            saved[str(unit[0].key)] = variables[first].saveable
        else:
            keys_of = {row.variable.name: str(row.key) for row in unit}
            objects.append(RenamedSaveable(saveables[first], keys_of))
            saved[str(unit[0].key)] = objects[-1]
    before = len(graph.get_operations())
    saver = tf.train.Saver(saved)
    made = {one.type: one for one in graph.get_operations()[before:]}
    read = made["RestoreV2"]
    keys = tuple(texts_of(read.inputs[1]))
    definition = saver.saver_def
    return SaverOperations(
        saver=saver,
        filename=graph.get_tensor_by_name(definition.filename_tensor_name),
        read=read,
        write=made["SaveV2"],
        assign=graph.get_operation_by_name(definition.restore_op_name),
        variables=tuple(names[key] for key in keys),
        objects=tuple(objects),
    )


def add_barrier(savers: Sequence[SaverOperations], operations: Sequence[Any]) -> None:
    """Makes every assignment among some operations wait for the reads of all Savers.

    So does whatever restores their saveable objects.

    The barrier sees a read through a placeholder whose default is an output of the
    read: with that output fed, the read is not run. (An identity in its place is
    turned into a control edge by TensorFlow's graph optimiser, and a control edge from
    an operation stays when its output is fed.)
    """
    if not savers:
        return
    tokens = []
    for one in savers:
        with tf.device(one.read.device):  # In a cluster the value would travel else.
            token = tf.placeholder_with_default(one.token, None, "legacy_restore/read")
        tokens.append(token)
    barrier = tf.group(*tokens, name="legacy_restore/all_read")
    gates = [gate for one in savers for item in one.objects for gate in item.gates]
    for operation in [*_assignments(operations), *gates]:
        # The edge cannot be there from the start: the Savers make the reads of one
        # model after the assignments of another.
        operation._add_control_input(barrier)


def _assignments(operations: Sequence[Any]) -> Iterator[Any]:
    for operation in operations:
        if operation.type in ASSIGNMENTS:
            yield operation
