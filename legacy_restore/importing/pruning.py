"""Leaving out what is not needed.

What remains is a sound ``MetaGraphDef``: nodes with all that they depend on, the
functions that they can reach, and of collections, signatures, Savers and control flow
contexts what names nothing else. Loops of TensorFlow 1 are cycles of nodes, so whoever
needs a part of one needs what turns it; a variable of a loop that nothing reads is left
out, as a session leaves it out.
"""

from __future__ import annotations

from typing import AbstractSet, Any, Callable, Dict, List, Mapping, Optional

from legacy_restore.importing.collections import as_variable, message_type, parse
from legacy_restore.importing.colocation import drop_stale_colocation
from legacy_restore.importing.contexts import cut_context
from legacy_restore.importing.message_lists import keep_only
from legacy_restore.importing.needed import (
    Kept,
    after_cuts,
    closure,
    needed_for,
    with_contexts,
)
from legacy_restore.importing.nodes import (
    all_functions_named,
    is_control,
    node_of,
    nodes_by_name,
    reached,
    tensor_name,
)
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.tensor_types import known_shape, output_types
from legacy_restore.tf import tf

__all__ = ["Kept", "after_cuts", "needed_for", "prune"]


def prune(
    meta_graph: Any, keep: AbstractSet[str], cuts: Optional[Mapping[str, str]] = None
) -> Any:
    """Leaves out all but some nodes and what they depend on.

    Args:
      meta_graph: The ``MetaGraphDef``; it is changed.
      keep: Names of nodes.
      cuts: From a tensor to the placeholder that takes its place; see ``Kept``.

    Returns:
      The message. The colocation of what remains is in order.
    """
    graph = meta_graph.graph_def
    wanted = dict(cuts or {})
    by_name = nodes_by_name(graph.node)
    placeholders = [
        _placeholder(name, tensor, by_name, meta_graph)
        for tensor, name in wanted.items()
    ]
    kept = closure(by_name, keep, wanted.keys())
    kept = with_contexts(meta_graph, by_name, kept, wanted.keys())
    keep_only(graph.node, lambda node: node.name in kept)
    if wanted:
        _rewire(graph.node, wanted)
        graph.node.extend(placeholders)
        kept |= set(wanted.values())
    _cut_functions(graph)
    _cut_collections(meta_graph, kept)
    _cut_signatures(meta_graph, kept)
    return drop_stale_colocation(meta_graph)


def _placeholder(
    name: str, tensor: str, nodes: Mapping[str, Any], meta_graph: Any
) -> Any:
    """Makes the node that takes the place of a tensor."""
    producer, _, index = tensor.partition(":")
    node = nodes[producer]
    made = tf.NodeDef(name=name, op="Placeholder")
    made.attr["dtype"].type = _type_of(node, int(index or 0), meta_graph)
    shape = known_shape(node, int(index or 0)) or _declared_shape(meta_graph, tensor)
    if shape is None:
        made.attr["shape"].shape.unknown_rank = True
    else:
        made.attr["shape"].shape.CopyFrom(shape)
    return made


def _type_of(node: Any, index: int, meta_graph: Any) -> int:
    types = output_types(node, OpDefs(meta_graph).get(node.op))
    if types is None:
        for function in meta_graph.graph_def.library.function:
            if function.signature.name == node.op:
                types = output_types(node, function.signature)
    if types is None or index >= len(types):
        info = _declared(meta_graph, f"{node.name}:{index}")
        return 0 if info is None else int(info.dtype)
    return types[index]


def _declared(meta_graph: Any, tensor: str) -> Optional[Any]:
    """Returns what a signature says of one of its inputs: a ``TensorInfo``."""
    for signature in meta_graph.signature_def.values():
        for info in signature.inputs.values():
            if info.name and tensor_name(info.name) == tensor:
                return info
    return None


def _declared_shape(meta_graph: Any, tensor: str) -> Optional[Any]:
    info = _declared(meta_graph, tensor)
    return None if info is None else info.tensor_shape


def _rewire(nodes: Any, cuts: Mapping[str, str]) -> None:
    for node in nodes:
        for number, one in enumerate(node.input):
            if not is_control(one) and tensor_name(one) in cuts:
                node.input[number] = cuts[tensor_name(one)]


def _cut_functions(graph: Any) -> None:
    """Leaves the functions that the nodes can reach, with their gradients."""
    library = graph.library
    bodies: Dict[str, Any] = {one.signature.name: one for one in library.function}
    gradients = {one.function_name: one.gradient_func for one in library.gradient}

    def after(name: str) -> List[str]:
        if name not in bodies:
            return []
        return [gradients.get(name, name), *all_functions_named(bodies[name].node_def)]

    seen = reached(all_functions_named(graph.node if bodies else ()), after)
    keep_only(library.function, lambda one: one.signature.name in seen)
    keep_only(library.gradient, lambda one: one.function_name in seen)
    # TensorFlow 1.15 has no such field.
    registered = getattr(library, "registered_gradients", None)
    if registered:
        keep_only(registered, lambda one: one.gradient_func in seen)


def _cut_collections(meta_graph: Any, kept: AbstractSet[str]) -> None:
    collections = meta_graph.collection_def
    for key in list(collections):
        kind = collections[key].WhichOneof("kind")
        if kind == "node_list":
            names = collections[key].node_list.value
            keep_only(names, lambda name: node_of(name) in kept)
            if not names:
                del collections[key]
        elif kind == "bytes_list":
            values = collections[key].bytes_list.value
            left = _cut_messages(key, list(values), kept)
            del values[:]
            values.extend(left)
            if not left:
                del collections[key]
    keep_only(
        meta_graph.asset_file_def,
        lambda one: node_of(one.tensor_info.name) in kept,
    )


def _cut_messages(key: str, values: List[bytes], kept: AbstractSet[str]) -> List[bytes]:
    message_class = message_type(key)
    if message_class is None:
        return [
            one
            for one in values
            if as_variable(one) is None or _is_variable_there(as_variable(one), kept)
        ]
    is_there = _IS_THERE[message_class.DESCRIPTOR.name]
    left = []
    for one in values:
        parsed = parse(message_class, one)
        if parsed is not None and is_there(parsed, kept):
            left.append(parsed.SerializeToString(deterministic=True))
    return left


def _is_variable_there(variable: Any, kept: AbstractSet[str]) -> bool:
    """Whether a variable is there; its initialiser may be cut away.

    Who makes a ``tf.Variable`` of it looks for that.
    """
    return node_of(variable.variable_name) in kept


def _is_runner_there(runner: Any, kept: AbstractSet[str]) -> bool:
    names = [runner.queue_name, *runner.enqueue_op_name]
    return all(node_of(one) in kept for one in names)


def _is_saver_there(saver: Any, kept: AbstractSet[str]) -> bool:
    names = (
        saver.filename_tensor_name,
        saver.save_tensor_name,
        saver.restore_op_name,
    )
    return all(node_of(one) in kept for one in names)


_IS_THERE: Mapping[str, Callable[[Any, AbstractSet[str]], bool]] = {
    "VariableDef": _is_variable_there,
    "WhileContextDef": cut_context,
    "CondContextDef": cut_context,
    "QueueRunnerDef": _is_runner_there,
    "SaverDef": _is_saver_there,
}


def _cut_signatures(meta_graph: Any, kept: AbstractSet[str]) -> None:
    for name in list(meta_graph.signature_def):
        signature = meta_graph.signature_def[name]
        infos = [*signature.inputs.values(), *signature.outputs.values()]
        if any(info.name and node_of(info.name) not in kept for info in infos):
            del meta_graph.signature_def[name]
    if not _is_saver_there(meta_graph.saver_def, kept):
        meta_graph.ClearField("saver_def")
