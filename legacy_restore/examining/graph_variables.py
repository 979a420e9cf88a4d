"""The variables and lookup tables of a saved graph."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from legacy_restore.graphdef.model import (
    Graph,
    MetaGraph,
    Node,
    SavedSlice,
    Shape,
    VariableRecord,
)

_KINDS = {"Variable": "ref", "VariableV2": "ref", "VarHandleOp": "resource"}

_TRAINABLE = "trainable_variables"

# Operations that create a table, without V2 and V3 at their end; see
# tensorflow/core/ops/lookup_ops.cc.
_TABLES = frozenset(
    [
        "HashTable",
        "AnonymousHashTable",
        "MutableHashTable",
        "MutableHashTableOfTensors",
        "MutableDenseHashTable",
        "AnonymousMutableHashTable",
        "AnonymousMutableHashTableOfTensors",
        "AnonymousMutableDenseHashTable",
    ]
)
_READ_VOCABULARY = ("InitializeTableFromTextFile", "InitializeTableFromTextFileV2")

# What may stand between the name of a file and the operation that reads it.
_PASS_ON = ("Identity", "PlaceholderWithDefault")
_MAX_STEPS = 10


class Located(NamedTuple):
    """A node, and the function in whose body it is, or None."""

    node: Node
    function: Optional[str]


def located_nodes(graph: Graph) -> Iterator[Located]:
    """Yields the nodes of a graph and those of all its functions."""
    for node in graph.nodes:
        yield Located(node, None)
    for function in graph.functions:
        for node in function.nodes:
            yield Located(node, function.name)


@dataclasses.dataclass(frozen=True)
class GraphVariable:
    """One variable of a saved graph.

    Attributes:
      name: Name of its operation.
      kind: ``"ref"`` or ``"resource"``.
      dtype: TensorFlow's name of its type, or None where the file has none.
      shape: Its static shape.
      collections: The collections that it is in, sorted.
      trainable: Whether it is in the collection of those that are trained; None where
        it is in no collection.
      saved_slice: Which part of a partitioned variable it is, or None.
      shared_name: As stored; empty: its name.
      container: As stored.
      function: The function in whose body it is, or None.
    """

    name: str
    kind: str
    dtype: Optional[str]
    shape: Shape
    collections: Tuple[str, ...]
    trainable: Optional[bool]
    saved_slice: Optional[SavedSlice]
    shared_name: str
    container: str
    function: Optional[str]

    def to_json(self) -> Dict[str, Any]:
        """Returns the variable as JSON-ready data."""
        part = self.saved_slice
        return {
            "name": self.name,
            "kind": self.kind,
            "dtype": self.dtype,
            "shape": shape_json(self.shape),
            "collections": list(self.collections),
            "trainable": self.trainable,
            "part_of": None
            if part is None
            else {
                "name": part.full_name,
                "shape": list(part.full_shape),
                "offset": list(part.offset),
            },
            "shared_name": self.shared_name,
            "container": self.container,
            "function": self.function,
        }


@dataclasses.dataclass(frozen=True)
class GraphTable:
    """One lookup table of a saved graph.

    Attributes:
      name: Name of its operation.
      op: Which kind of table.
      shared_name: As stored; empty: its name.
      key_dtype: Of its keys.
      value_dtype: Of its values.
      vocabularies: Paths of the files that fill it, as stored by the writer.
      function: The function in whose body it is, or None.
    """

    name: str
    op: str
    shared_name: str
    key_dtype: Optional[str]
    value_dtype: Optional[str]
    vocabularies: Tuple[str, ...]
    function: Optional[str]

    def to_json(self) -> Dict[str, Any]:
        """Returns the table as JSON-ready data."""
        data = dataclasses.asdict(self)
        data["vocabularies"] = list(self.vocabularies)
        return data


def shape_json(shape: Shape) -> Optional[List[Optional[int]]]:
    """Returns a shape as JSON has it: null for what is not known."""
    return None if shape is None else list(shape)


def operation_of(tensor: str) -> str:
    """Returns the name of the operation that gives a tensor: ``a`` for ``a:0``."""
    return tensor.lstrip("^").partition(":")[0]


def variables_of(meta_graph: MetaGraph) -> Tuple[GraphVariable, ...]:
    """Returns the variables of a graph, sorted by name; those in functions last."""
    collections, slices = _by_operation(meta_graph)
    found = []
    for node, function in located_nodes(meta_graph.graph):
        if node.op not in _KINDS:
            continue
        inside = () if function else tuple(collections.get(node.name, ()))
        found.append(
            GraphVariable(
                name=node.name,
                kind=_KINDS[node.op],
                dtype=node.dtype,
                shape=node.shape,
                collections=inside,
                trainable=_TRAINABLE in inside if inside else None,
                saved_slice=None if function else slices.get(node.name),
                shared_name=node.shared_name,
                container=node.container,
                function=function,
            )
        )
    return tuple(sorted(found, key=lambda one: (one.function or "", one.name)))


class _InCollections(NamedTuple):
    """What collections say about operations, by the operation's name."""

    keys: Dict[str, List[str]]
    slices: Dict[str, SavedSlice]


def _by_operation(meta_graph: MetaGraph) -> _InCollections:
    keys: Dict[str, List[str]] = {}
    slices: Dict[str, SavedSlice] = {}
    for key, collection in meta_graph.collections.items():
        names = {operation_of(node) for node in collection.nodes}
        for record in collection.variables:
            name = operation_of(record.variable)
            names.add(name)
            if record.saved_slice is not None and _is_part(record):
                slices[name] = record.saved_slice
        for name in names:
            keys.setdefault(name, []).append(key)
    return _InCollections(keys, slices)


def _is_part(record: VariableRecord) -> bool:
    # TensorFlow writes an empty message for some variables that are whole.
    return record.saved_slice is not None and bool(record.saved_slice.full_name)


def tables_of(graph: Graph) -> Tuple[GraphTable, ...]:
    """Returns the lookup tables of a graph, sorted by name; those in functions last."""
    vocabularies = _vocabularies(graph.nodes)
    found = []
    for node, function in located_nodes(graph):
        if _without_version(node.op) not in _TABLES:
            continue
        found.append(
            GraphTable(
                name=node.name,
                op=node.op,
                shared_name=node.shared_name,
                key_dtype=node.key_dtype,
                value_dtype=node.value_dtype,
                vocabularies=() if function else tuple(vocabularies.get(node.name, ())),
                function=function,
            )
        )
    return tuple(sorted(found, key=lambda one: (one.function or "", one.name)))


def _without_version(op: str) -> str:
    return op[:-2] if op[-2:] in ("V2", "V3") else op


def _vocabularies(nodes: Tuple[Node, ...]) -> Dict[str, List[str]]:
    """Files by the name of the table that they fill."""
    readers = [node for node in nodes if node.op in _READ_VOCABULARY]
    if not readers:
        return {}
    by_name = {node.name: node for node in nodes}
    found: Dict[str, List[str]] = {}
    for node in readers:
        if len(node.inputs) < 2:
            continue
        paths = constant_strings(node.inputs[1], by_name)
        if paths is not None and len(paths) == 1:
            found.setdefault(operation_of(node.inputs[0]), []).append(paths[0])
    return found


def constant_strings(
    tensor: str, by_name: Dict[str, Node]
) -> Optional[Tuple[str, ...]]:
    """Returns the constant strings that a tensor has, where that can be told."""
    for _ in range(_MAX_STEPS):
        node = by_name.get(operation_of(tensor))
        if node is None:
            return None
        if node.constant is not None:
            strings = node.constant.strings
            if strings is None:
                return None
            return tuple(one.decode("utf-8", "surrogateescape") for one in strings)
        if node.op not in _PASS_ON or not node.inputs:
            return None
        tensor = node.inputs[0]
    return None
