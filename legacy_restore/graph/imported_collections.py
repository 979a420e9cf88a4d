"""Collections of a saved graph, as far as what they name was imported."""

from __future__ import annotations

from typing import Any, List, Mapping

from legacy_restore.graph.model import Model
from legacy_restore.importing.nodes import node_of
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names
from legacy_restore.tf import (
    VariableDef,
    get_collection_proto_type,
    get_from_proto_function,
    tf,
)

# A Saver of the file would restore what the plan restores, past all checks. The others
# say how a SavedModel or a session bundle is loaded, which the passes have read.
_LEFT_OUT = frozenset(
    [
        tf.GraphKeys.SAVERS,
        tf.GraphKeys.ASSET_FILEPATHS,
        "legacy_init_op",
        "saved_model_assets",
        "saved_model_main_op",
        "saved_model_train_op",
        "serving_assets",
        "serving_graph",
        "serving_init_op",
        "serving_signatures",
    ]
)


def restore_collections(
    graph: Any,
    model: Model,
    meta_graph: Any,
    objects: Mapping[str, Any],
    saveables: Mapping[str, Any],
) -> List[Finding]:
    """Fills the collections of the graph, those of control flow too.

    Without ``WhileContext`` and ``CondContext`` no gradient can be taken through loops
    and conditions of TensorFlow 1 (``tensorflow/python/ops/control_flow_ops.py``).

    Args:
      graph: The graph that the nodes were imported into.
      model: The model.
      meta_graph: The ``MetaGraphDef``.
      objects: The ``tf.Variable`` objects that stand for variables, by operation name.
      saveables: The saveable objects of mutable tables, by the table's operation name:
        the file has only names, of which no Saver can be made.

    Returns:
      A remark on each collection of which something could not be restored.
    """
    findings: List[Finding] = []
    for key in sorted(meta_graph.collection_def):
        if key in _LEFT_OUT:
            continue
        known = saveables if key == tf.GraphKeys.SAVEABLE_OBJECTS else objects
        restored = _Restored(graph, model.scope, known)
        restored.add(key, meta_graph.collection_def[key])
        for item in restored.items:
            graph.add_to_collection(key, item)
        if restored.lost:
            text = f"{len(restored.lost)} items: {cut_names(restored.lost, 3)}"
            kind = KINDS["collection-dropped"]
            findings.append(Finding(kind, key, text, model=model.name))
    return findings


class _Restored:
    """What became of one collection."""

    def __init__(self, graph: Any, scope: str, objects: Mapping[str, Any]) -> None:
        self._graph = graph
        self._scope = scope
        self._objects = objects
        self.items: List[Any] = []
        self.lost: List[str] = []

    def add(self, key: str, collection: Any) -> None:
        kind = collection.WhichOneof("kind")
        if kind == "node_list":
            is_known = key == tf.GraphKeys.SAVEABLE_OBJECTS
            is_known |= get_collection_proto_type(key) is VariableDef
            for name in collection.node_list.value:
                if is_known and self._name_of(name) in self._objects:
                    self.items.append(self._objects[self._name_of(name)])
                else:
                    self._add_node(name)
        elif kind == "bytes_list":
            for value in collection.bytes_list.value:
                self._add_message(key, value)
        elif kind in ("int64_list", "float_list"):
            self.items += list(getattr(collection, kind).value)
        elif kind == "any_list":
            self.lost += [one.type_url for one in collection.any_list.value]

    def _add_node(self, name: str) -> None:
        control, plain = ("^", name[1:]) if name.startswith("^") else ("", name)
        try:
            found = self._graph.as_graph_element(f"{self._scope}/{plain}")
        except (KeyError, ValueError):
            self.lost.append(control + plain)
            return
        self.items.append(found)

    def _add_message(self, key: str, value: bytes) -> None:
        message_type = get_collection_proto_type(key)
        from_proto = get_from_proto_function(key)
        if message_type is None or from_proto is None:
            self.items.append(value)
            return
        message = message_type()
        try:
            message.ParseFromString(value)
            if message_type is VariableDef:
                self._add_variable(message)
            else:
                self.items.append(from_proto(message, import_scope=self._scope))
        except Exception as error:  # Each class has its own way to fail.
            self.lost.append(f"{type(error).__name__}: {error}".splitlines()[0][:80])

    def _add_variable(self, message: Any) -> None:
        self.items.append(self._objects[self._name_of(message.variable_name)])

    def _name_of(self, tensor: str) -> str:
        return f"{self._scope}/{node_of(tensor)}"
