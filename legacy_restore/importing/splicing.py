"""Putting a sub-graph in the place of a node.

The node itself stays, as an Identity of what the sub-graph gives: so its name, which
inputs, signatures and collections may hold, means what it meant.
"""

from __future__ import annotations

from typing import AbstractSet, Any, Callable, Dict, Iterable, List, Mapping, Optional

from legacy_restore.importing.built_operations import BuiltOperation
from legacy_restore.importing.message_lists import keep_only
from legacy_restore.importing.nodes import as_input, is_control, node_of
from legacy_restore.importing.tensor_types import OUTPUT_SHAPES
from legacy_restore.tf import tf

_COLOCATED = b"loc:@"


def splice(
    meta_graph: Any, function: str, sub_graphs: Mapping[str, BuiltOperation]
) -> None:
    """Puts sub-graphs in the place of nodes, in the graph or in one function.

    Args:
      meta_graph: The ``MetaGraphDef``; it is changed.
      function: The name of the function; empty for the graph.
      sub_graphs: What takes the place, by the name of the node.
    """
    if not sub_graphs:
        return
    if not function:
        _splice(meta_graph.graph_def.node, sub_graphs, _graph_nodes)
        return
    for body in meta_graph.graph_def.library.function:
        if body.signature.name == function:
            _splice(body.node_def, sub_graphs, _body_nodes)
            _rename_outputs(body, sub_graphs)


def add_functions(meta_graph: Any, built: Iterable[BuiltOperation]) -> None:
    """Adds the functions that sub-graphs call to the library, each once."""
    library = meta_graph.graph_def.library
    present = {one.signature.name for one in library.function}
    for one in built:
        for function in one.graph_def.library.function:
            if function.signature.name not in present:
                present.add(function.signature.name)
                library.function.add().CopyFrom(function)
        library.gradient.extend(one.graph_def.library.gradient)


def _splice(
    nodes: Any,
    sub_graphs: Mapping[str, BuiltOperation],
    copied: Callable[[Any, str, BuiltOperation], List[Any]],
) -> None:
    names = {node.name for node in nodes}
    has_loops = any(node.op in ("Enter", "RefEnter") for node in nodes)
    made: List[Any] = []
    for node in nodes:
        built = sub_graphs.get(node.name)
        if built is None:
            continue
        prefix = _free_prefix(f"{node.name}/{built.op}", names)
        new = copied(node, prefix, built)
        names |= {one.name for one in new}
        controls = [one for one in node.input if is_control(one)]
        anchor = _anchor(node, names) if has_loops else []
        for one in new:
            one.device = one.device or node.device
            if not one.input:
                one.input.extend(anchor)
            one.input.extend(controls)
        # The last one is the node itself.
        made += new[:-1]
        made.append(new[-1])
    keep_only(nodes, lambda node: node.name not in sub_graphs)
    nodes.extend(made)


def _graph_nodes(node: Any, prefix: str, built: BuiltOperation) -> List[Any]:
    """Copies of the nodes for a graph, the last one in the place of the node."""
    given = [one for one in node.input if not is_control(one)]
    sources = dict(zip(built.inputs, given))
    inner = [one for one in built.graph_def.node if one.name not in sources]

    def moved(tensor: str) -> Optional[str]:
        if node_of(tensor) in sources:
            return None if is_control(tensor) else sources[node_of(tensor)]
        if is_control(tensor):
            return f"^{prefix}/{tensor[1:]}"
        return as_input(f"{prefix}/{tensor}")

    new = [_copy(one, prefix, moved) for one in inner]
    outputs = [str(moved(one)) for one in built.outputs]
    return [*new, _result(node, built, outputs, new)]


def _body_nodes(node: Any, prefix: str, built: BuiltOperation) -> List[Any]:
    """Copies of the nodes for a function, the last one in the place of the node."""
    given = [one for one in node.input if not is_control(one)]
    names = [one.name for one in built.function.signature.input_arg]
    sources = dict(zip(names, given))

    def moved(tensor: str) -> Optional[str]:
        if node_of(tensor) in sources:
            return None if is_control(tensor) else sources[node_of(tensor)]
        if is_control(tensor):
            return f"^{prefix}/{tensor[1:]}"
        return f"{prefix}/{tensor}"

    new = [_copy(one, prefix, moved) for one in built.function.node_def]
    returned = [one.name for one in built.function.signature.output_arg]
    outputs = [str(moved(built.function.ret[name])) for name in returned]
    return [*new, _result(node, built, outputs, new)]


def _copy(node: Any, prefix: str, moved: Callable[[str], Optional[str]]) -> Any:
    made = tf.NodeDef()
    made.CopyFrom(node)
    made.name = f"{prefix}/{node.name}"
    inputs = [moved(one) for one in node.input]
    del made.input[:]
    made.input.extend(one for one in inputs if one is not None)
    if "_class" in made.attr:
        places = list(made.attr["_class"].list.s)
        made.attr["_class"].list.s[:] = [
            one.replace(_COLOCATED, _COLOCATED + prefix.encode("utf-8") + b"/")
            for one in places
        ]
    return made


def _result(
    node: Any, built: BuiltOperation, outputs: List[str], new: List[Any]
) -> Any:
    if not outputs:
        made = tf.NodeDef(name=node.name, op="NoOp")
        made.input.extend(f"^{one.name}" for one in new)
        return made
    made = tf.NodeDef(name=node.name, op="Identity", input=outputs)
    if len(outputs) == 1:
        made.attr["T"].type = built.types[0]
    else:
        made.op = "IdentityN"
        made.attr["T"].list.type.extend(built.types)
    for name in (OUTPUT_SHAPES, "_class"):
        if name in node.attr:
            made.attr[name].CopyFrom(node.attr[name])
    return made


def _anchor(node: Any, names: AbstractSet[str]) -> List[str]:
    """What a node without inputs has to wait for, so that it is in the same loop.

    A constant in a loop is one of its frame by such an edge alone.
    """
    for one in node.input:
        if node_of(one) in names:
            return [f"^{node_of(one)}"]
    return []


def _free_prefix(wanted: str, names: AbstractSet[str]) -> str:
    found, number = wanted, 0
    while found in names or any(one.startswith(f"{found}/") for one in names):
        number += 1
        found = f"{wanted}_{number}"
    return found


def _rename_outputs(body: Any, sub_graphs: Mapping[str, BuiltOperation]) -> None:
    """Calls the outputs of nodes in a function as an Identity calls them."""
    renamed: Dict[str, str] = {
        f"{name}:{old}": f"{name}:output:{number}"
        for name, built in sub_graphs.items()
        for number, old in enumerate(built.output_names)
    }
    for node in body.node_def:
        for number, one in enumerate(node.input):
            node.input[number] = renamed.get(one, one)
    for name in list(body.ret):
        body.ret[name] = renamed.get(body.ret[name], body.ret[name])
