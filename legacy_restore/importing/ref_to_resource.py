"""Ref variables turned into resource variables.

A ref variable (``VariableV2``, ``Variable``) hands out a reference to its memory: who
reads it sees what is written meanwhile, and who writes does so through the same edge.
A resource variable (``VarHandleOp``) is read by an operation of its own. So the two are
the same where nothing but the variable's initialiser writes, which is decided in the
graph that is left: each edge of the reference has to end where an ``OpDef`` takes a
value. Everything else is refused by name: ``ScatterUpdate``, ``ApplyAdam``,
``AssignAdd``, ``RefSwitch``, ``RefEnter``.

The variable keeps its node's name, and with it its key; so do its initialiser and each
Identity that reads it. What took the reference as a value takes a read of its own::

    w (VariableV2)            w (VarHandleOp, shared_name w)
     |- w/read (Identity)      |- w/read (ReadVariableOp)
     |- w/Assign (Assign)      |- w/Assign (AssignVariableOp)
     |- add (AddV2)            |- w/Read/ReadVariableOp -> add (AddV2)
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from legacy_restore.importing.collections import variable_in
from legacy_restore.importing.nodes import (
    consumers_of,
    is_control,
    node_of,
    nodes_by_name,
    tensor_name,
)
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.tensor_types import (
    OUTPUT_SHAPES,
    arguments_of,
    known_shape,
)
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names
from legacy_restore.tf import tf

_REF_VARIABLES = ("Variable", "VariableV2")
_READ = "Read/ReadVariableOp"


class _Edge(NamedTuple):
    """An input that takes a variable's reference.

    Attributes:
      node: The node that takes it.
      number: Which of its inputs that is.
      takes_value: Whether it is a value that the node wants there.
    """

    node: Any
    number: int
    takes_value: bool


def value_nodes(meta_graph: Any) -> Dict[str, str]:
    """Returns which node gives what a ref variable's tensor gave (``w:0``), by that.

    To be asked before ``to_resource``, for interfaces that name a variable: see
    ``after_cuts``.
    """
    names = {node.name for node in meta_graph.graph_def.node}
    return {
        f"{node.name}:0": _read_name(node.name, names)
        for node in meta_graph.graph_def.node
        if node.op in _REF_VARIABLES
    }


def to_resource(
    meta_graph: Any, op_defs: OpDefs, variables: Iterable[Any]
) -> Tuple[Any, List[Finding]]:
    """Turns the ref variables of a pruned graph into resource variables.

    Whoever has looked for the variables before has to look again.

    Args:
      meta_graph: The ``MetaGraphDef``; it is changed, its ``VariableDef`` too.
      op_defs: What is known about its operations.
      variables: What was found of each variable: its ``name``, and the name of the
        operation that is its ``initializer``, if it has one.

    Returns:
      The message, and an error for each variable that cannot become one.
    """
    nodes = nodes_by_name(meta_graph.graph_def.node)
    consumers = consumers_of(meta_graph.graph_def.node)
    functions = {
        one.signature.name: one.signature
        for one in meta_graph.graph_def.library.function
    }
    reads = value_nodes(meta_graph)
    initializers = {one.name: one.initializer for one in variables}
    findings: List[Finding] = []
    made: List[Any] = []
    for node in list(nodes.values()):
        if node.op not in _REF_VARIABLES:
            continue
        edges = [
            edge
            for one in consumers.get(node.name, [])
            for edge in _edges(
                node.name, one, op_defs.get(one.op) or functions.get(one.op)
            )
        ]
        initializer = initializers.get(node.name, "")
        shape = _shape(node, nodes.get(initializer), nodes)
        reason = _obstacle(edges, initializer, consumers, shape)
        if reason is not None:
            findings.append(_refused(node, reason))
            continue
        made.append(_convert(node, edges, shape, reads[f"{node.name}:0"]))
    meta_graph.graph_def.node.extend(made)
    _convert_definitions(meta_graph, reads, {node.input[0] for node in made})
    return meta_graph, findings


def _read_name(variable: str, names: Iterable[str]) -> str:
    taken = set(names) if not isinstance(names, set) else names
    wanted = found = f"{variable}/{_READ}"
    number = 0
    while found in taken:
        number += 1
        found = f"{wanted}_{number}"
    return found


def _edges(variable: str, consumer: Any, op_def: Optional[Any]) -> List[_Edge]:
    takes_value: List[bool] = []
    if op_def is not None:
        for one in arguments_of(op_def.input_arg, consumer, op_def):
            takes_value += [not one.is_ref] * len(one.types)
    found = []
    for number, tensor in enumerate(consumer.input):
        if node_of(tensor) != variable or is_control(tensor):
            continue
        is_value = number < len(takes_value) and takes_value[number]
        found.append(_Edge(consumer, number, is_value))
    return found


def _shape(
    node: Any, initializer: Optional[Any], nodes: Mapping[str, Any]
) -> Optional[Any]:
    """Returns the shape of a variable, a ``TensorShapeProto``; None if unknown.

    Of ``Variable``, which ``VariableV2`` replaced in TensorFlow 0.12, an attribute of
    rank 0 may be a scalar's or say nothing (``tensorflow/core/ops/state_ops.cc``).
    Then the initial value's shape tells.
    """
    shape = node.attr["shape"].shape
    if node.op == "Variable" and not shape.dim:
        found = known_shape(node, 0)
        if found is None or found.unknown_rank:
            found = None
            if initializer is not None and len(initializer.input) > 1:
                name, _, index = tensor_name(initializer.input[1]).partition(":")
                found = known_shape(nodes[name], int(index)) if name in nodes else None
        shape = found
    if shape is None or not tf.TensorShape(shape).is_fully_defined():
        return None
    return shape


def _obstacle(
    edges: List[_Edge],
    initializer: str,
    consumers: Mapping[str, List[Any]],
    shape: Optional[Any],
) -> Optional[str]:
    """Returns why a variable cannot become a resource; None if it can."""
    if shape is None:
        return "its shape is not known"
    others = []
    for edge in edges:
        node = edge.node
        if edge.takes_value or node.op == "IsVariableInitialized":
            continue
        if node.op == "Assign" and node.name == initializer:
            users = [
                one.name
                for one in consumers.get(node.name, [])
                if any(node_of(t) == node.name and not is_control(t) for t in one.input)
            ]
            if not users:
                continue
            others += [f"{name} (reads what {node.name} gives)" for name in users]
        else:
            others.append(f"{node.name} ({node.op})")
    return f"taken as a reference by {cut_names(others)}" if others else None


def _refused(node: Any, reason: str) -> Finding:
    return Finding(
        KINDS["ref-written"],
        node.name,
        reason,
        hint='variables="keep", or outputs that do not need it',
    )


def _convert(node: Any, edges: List[_Edge], shape: Any, read_name: str) -> Any:
    """Changes a variable and what takes it, in place.

    Returns:
      The node that reads it, for those that took the reference as a value.
    """
    dtype = node.attr["dtype"].type
    read = tf.NodeDef(name=read_name, op="ReadVariableOp", input=[node.name])
    read.device = node.device
    read.attr["dtype"].type = dtype
    node.op = "VarHandleOp"
    node.attr["shape"].shape.CopyFrom(shape)
    # Unlike a ref variable, a handle without such a name is not told from others.
    node.attr["shared_name"].s = node.attr["shared_name"].s or node.name.encode("utf-8")
    node.attr["container"].s = node.attr["container"].s
    _drop_shapes(node)
    for edge in edges:
        _convert_edge(edge, dtype, read_name)
    return read


def _convert_edge(edge: _Edge, dtype: int, read_name: str) -> None:
    node = edge.node
    if node.op == "Identity":
        node.op = "ReadVariableOp"
    elif node.op == "Assign":
        node.op = "AssignVariableOp"
        _drop_shapes(node)
    elif node.op == "IsVariableInitialized":
        node.op = "VarIsInitializedOp"
        del node.attr["dtype"]
        return
    else:
        node.input[edge.number] = read_name
        return
    for name in ("T", "use_locking", "validate_shape"):
        if name in node.attr:
            del node.attr[name]
    node.attr["dtype"].type = dtype


def _drop_shapes(node: Any) -> None:
    """Takes away the shapes of outputs that the node has no longer."""
    if OUTPUT_SHAPES in node.attr:
        del node.attr[OUTPUT_SHAPES]


def _convert_definitions(
    meta_graph: Any, reads: Mapping[str, str], converted: Iterable[str]
) -> None:
    """Lets each ``VariableDef`` say that its variable is a resource."""
    names = set(converted)
    for key, collection in meta_graph.collection_def.items():
        values = collection.bytes_list.value
        for number, data in enumerate(values):
            definition = variable_in(key, data)
            if definition is None:
                continue
            name = node_of(definition.variable_name)
            if name in names:
                definition.is_resource = True
                definition.variable_name = f"{name}:0"
                definition.snapshot_name = f"{reads[f'{name}:0']}:0"
                values[number] = definition.SerializeToString(deterministic=True)
