"""The operations that restore models: a Saver for each, and a barrier between them.

Each model has a ``tf.compat.v1.train.Saver`` over its own variables, under the keys of
its checkpoint. Run as they are, the Savers' operations would assign one variable while
another is still being read: a damaged byte in the last file leaves half of all
variables changed. So every assignment gets a control edge from every read, of all
models: nothing is assigned before everything was read, and verified while it was read.
The buffers that were read become the variables, so this takes no memory.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Dict, List, Mapping, Optional

from legacy_restore.graph.building import BuiltModel
from legacy_restore.graph.tf import tf
from legacy_restore.planning.plan import Action, ModelPlan, Plan


class RestoreOperations:
    """The restore operations of a plan, made once, when first needed."""

    def __init__(self, graph: Any, built: Mapping[str, BuiltModel], plan: Plan) -> None:
        """Takes the models and their plan; adds nothing to the graph yet."""
        self._graph = graph
        self._built = built
        self._plan = plan
        self._savers: Optional[Dict[str, Any]] = None
        self._lock = threading.Lock()

    @property
    def savers(self) -> Mapping[str, Any]:
        """The Saver of each model that restores variables, by model name."""
        with self._lock:
            if self._savers is None:
                self._savers = self._make()
            return self._savers

    def restore_operations(self) -> List[Any]:
        """Returns the operations to run, all in one ``session.run``."""
        return [
            self._graph.get_operation_by_name(saver.saver_def.restore_op_name)
            for saver in self.savers.values()
        ]

    def feeds(self, prefixes: Mapping[str, str]) -> Dict[Any, bytes]:
        """Returns what to feed so that each model is read from its prefix."""
        # Bytes, because the name of a directory need not be valid UTF-8.
        return {
            self._graph.get_tensor_by_name(
                saver.saver_def.filename_tensor_name
            ): os.fsencode(prefixes[name])
            for name, saver in self.savers.items()
        }

    def _make(self) -> Dict[str, Any]:
        before = len(self._graph.get_operations())
        with self._graph.as_default():
            savers = {
                model.name: _make_saver(self._graph, model, self._built[model.name])
                for model in self._plan.models
                if model.rows_to(Action.RESTORE)
            }
            _add_barrier(self._graph.get_operations()[before:])
        return savers


def _make_saver(graph: Any, model: ModelPlan, built: BuiltModel) -> Any:
    variables = {
        row.key: built.variables[row.variable.name].saveable
        for row in model.rows_to(Action.RESTORE)
    }
    # A name scope with a slash at its end is entered as it is, not made unique.
    with graph.name_scope(model.scope + "/"):
        return tf.train.Saver(variables)


def _add_barrier(operations: List[Any]) -> None:
    """Makes every assignment among some operations wait for every read among them."""
    reads = [operation for operation in operations if operation.type == "RestoreV2"]
    if not reads:
        return
    barrier = tf.group(*reads, name="legacy_restore/all_read")
    for operation in operations:
        if operation.type in ("Assign", "AssignVariableOp"):
            # The edge cannot be there from the start: the Savers make the reads of one
            # model after the assignments of another.
            operation._add_control_input(barrier)
