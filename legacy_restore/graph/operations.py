"""The operations of a plan: what restores its models, all or one, and saves them.

The same operations restore all models, or one model alone, and from other keys: the
other models' reads are cut off by feeding what the barrier sees of them, and
``tensor_names``, an input of ``RestoreV2`` like any other, is fed as well. That adds
nothing to the graph, and works when it is finalised.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from legacy_restore.graph.building import BuiltModel
from legacy_restore.graph.finalized import refuse_finalized
from legacy_restore.graph.one_call import (
    RestoreCall,
    add_restore_call,
    can_be_called,
    is_on_one_device,
)
from legacy_restore.graph.restore_graph import Restorable, entered, make_groups
from legacy_restore.graph.restore_group import RestoreGroup, nothing_read
from legacy_restore.graph.stock_saver import make_saver
from legacy_restore.graph.unoptimized import ANY_VALUE, add_untyped
from legacy_restore.graph.writing import Writer, left_over, make_writer
from legacy_restore.planning.plan import Action, ModelPlan, Plan
from legacy_restore.report.table import cut_names
from legacy_restore.tf import IS_TF1


@dataclasses.dataclass(frozen=True, eq=False)
class ModelOperations:
    """The operations of one model.

    Attributes:
      groups: What reads and assigns it; none if the model restores nothing.
      writer: What saves the model without its scope; None if it has no variables.
    """

    groups: Tuple[RestoreGroup, ...]
    writer: Optional[Writer]

    @property
    def assignments(self) -> List[Any]:
        """The operations that restore the model."""
        return [one.assign for one in self.groups]

    def prefix_feeds(self, prefix: str) -> Dict[Any, bytes]:
        """Returns what to feed so that a prefix is read."""
        return {one.filename: as_prefix(prefix) for one in self.groups}

    def key_feeds(self, keys: Mapping[str, str]) -> Dict[Any, List[str]]:
        """Returns what to feed so that other keys are read.

        Args:
          keys: The key for each variable, by its name in the graph.
        """
        return {
            one.read.inputs[1]: [keys[name] for name in one.variables]
            for one in self.groups
        }


@dataclasses.dataclass(frozen=True, eq=False)
class RestoreRun:
    """What to give to ``session.run``.

    Attributes:
      operations: The operations to run, all at once.
      feeds: Gives what to feed from the prefixes, by model name.
    """

    operations: Sequence[Any]
    feeds: Callable[[Mapping[str, str]], Mapping[Any, Any]]


class RestoreOperations:
    """The operations of a plan, made once, when first needed."""

    def __init__(self, graph: Any, built: Mapping[str, BuiltModel], plan: Plan) -> None:
        """Takes the models and their plan; adds nothing to the graph yet."""
        self._graph = graph
        self._built = built
        self._plan = plan
        self._models: Optional[Dict[str, ModelOperations]] = None
        self._untyped: Any = None
        self._call: Optional[RestoreCall] = None
        self._stock_savers: Dict[str, Any] = {}
        self._lock = threading.Lock()

    @property
    def models(self) -> Mapping[str, ModelOperations]:
        """The operations of each model, by its name."""
        with self._lock:
            if self._models is None:
                self._models = self._make()
            return self._models

    @property
    def restored_models(self) -> List[str]:
        """The names of the models of which something is restored."""
        return [name for name, one in self.models.items() if one.groups]

    def saver(self, name: str) -> Any:
        """Returns a Saver over what a model restores; None if that is nothing.

        It is made when it is first asked for.

        Args:
          name: The model.

        Raises:
          RestoreError: It is not made yet, and the graph is finalised.
        """
        with self._lock:
            if name not in self._stock_savers:
                hint = f"ask for restored[{name!r}].saver before graph.finalize()"
                refuse_finalized(self._graph, f"the Saver of {name!r}", hint)
                self._stock_savers[name] = make_saver(
                    self._graph, self._restorable(self._plan[name])
                )
            return self._stock_savers[name]

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
        groups = self.models[name].groups
        return list(dict.fromkeys(one.read.device for one in groups))

    def restore_run(self, session: Any) -> RestoreRun:
        """Returns what to run to restore all models, once, in a session.

        Args:
          session: The session; its devices tell which way is the fastest.
        """
        models = self.models
        if self._untyped is not None:
            return RestoreRun(self.restore_operations(), self._unoptimized_feeds)
        groups = {name: one.groups for name, one in models.items()}
        if not is_on_one_device(session) or not can_be_called(groups):
            return RestoreRun(self.restore_operations(), self.feeds)
        with self._lock:
            if self._call is None and not self._graph.finalized:
                self._call = add_restore_call(self._graph, groups)
        if self._call is None:
            return RestoreRun(self.restore_operations(), self.feeds)
        return RestoreRun([self._call.operation], self._call_feeds)

    def _unoptimized_feeds(self, prefixes: Mapping[str, str]) -> Dict[Any, Any]:
        return {**self.feeds(prefixes), self._untyped: ANY_VALUE}

    def _call_feeds(self, prefixes: Mapping[str, str]) -> Dict[Any, Any]:
        filenames = {} if self._call is None else self._call.filenames
        return {
            filename: as_prefix(prefixes[name]) for name, filename in filenames.items()
        }

    def feeds(self, prefixes: Mapping[str, str]) -> Dict[Any, bytes]:
        """Returns what to feed so that each model is read from its prefix."""
        feeds: Dict[Any, bytes] = {}
        for name, model in self.models.items():
            if model.groups:
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
            for one in other.groups
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
        groups = make_groups(
            self._graph, [self._restorable(model) for model in self._plan.models]
        )
        if IS_TF1 and any(groups.values()):
            self._untyped = add_untyped(self._graph)
        return {
            model.name: ModelOperations(
                groups[model.name],
                _writer_of(
                    self._graph, model, self._built[model.name], groups[model.name]
                ),
            )
            for model in self._plan.models
        }

    def _restorable(self, model: ModelPlan) -> Restorable:
        built = self._built[model.name]
        return Restorable(model, built.variables, built.saveables)


def as_prefix(prefix: str) -> bytes:
    """Returns a prefix as it is fed: the name of a directory need not be UTF-8."""
    return os.fsencode(prefix)


def _writer_of(
    graph: Any,
    model: ModelPlan,
    built: BuiltModel,
    groups: Tuple[RestoreGroup, ...],
) -> Optional[Writer]:
    """Adds what writes a model; None if it has nothing to write."""
    left = [
        left_over(row.variable.name, built.variables, built.saveables)
        for row in model.rows
        if row.action is Action.SHARE
        or (row.action is Action.INITIALIZE and not row.variable.is_local)
    ]
    if not groups and not left:
        return None
    with entered(graph, model.scope):
        return make_writer(groups, left, built.spec)
