"""Control flow contexts of version 1: which of them a pruned graph still has.

The loops and conditions of TensorFlow 1 are built out of Switch, Merge, Enter, Exit and
NextIteration; what belongs to which of them stands in a ``WhileContextDef`` or
``CondContextDef`` beside the graph, and ``tf.gradients`` cannot do without. Such a
message names its pivots and its values; ``from_proto``
(``tensorflow/python/ops/control_flow_ops.py``) looks all of them up in the graph, and
fails at the first that is not there. A graph without the part of a loop that nothing
needs is sound: a session leaves it out as well.
"""

from __future__ import annotations

from typing import AbstractSet, Any, List, Mapping, Set, Tuple

from legacy_restore.importing.message_lists import keep_only
from legacy_restore.importing.nodes import node_of
from legacy_restore.tf import CondContextDef, DecodeError, WhileContextDef

WHILE_CONTEXTS = "while_context"
"""The key of the collection of loops."""

COND_CONTEXTS = "cond_context"
"""The key of the collection of conditions."""


def needed_by_contexts(
    meta_graph: Any, nodes: Mapping[str, Any], kept: AbstractSet[str]
) -> Set[str]:
    """Returns the nodes that gradients through what is kept need.

    An output may not need the pivot of a branch out of which it comes. Nor does it need
    the exits of all variables of a loop; but ``tf.gradients`` goes into a loop through
    its exits, and of a variable without one it says that nothing depends on it.

    Args:
      meta_graph: The ``MetaGraphDef``.
      nodes: Its nodes, by name.
      kept: The names of those that are kept.
    """
    found: Set[str] = set()
    for key, message_class in (
        (WHILE_CONTEXTS, WhileContextDef),
        (COND_CONTEXTS, CondContextDef),
    ):
        if key not in meta_graph.collection_def:
            continue
        for data in meta_graph.collection_def[key].bytes_list.value:
            try:
                context = message_class.FromString(data)
            except DecodeError:
                continue
            _add_needed(context, nodes, kept, found)
    return found & nodes.keys()


def _add_needed(
    context: Any, nodes: Mapping[str, Any], kept: AbstractSet[str], found: Set[str]
) -> bool:
    """Adds those of a context and of contexts in it; returns whether it is needed."""
    nested = [one for one in context.nested_contexts if one.WhichOneof("ctxt")]
    inner = [
        _add_needed(getattr(one, one.WhichOneof("ctxt")), nodes, kept, found)
        for one in nested
    ]
    values = context.values_def
    is_needed = any(inner) or any(
        node_of(name) in kept and name not in values.external_values
        for name in values.values
    )
    if is_needed:
        found.update(node_of(one) for one in _pivots(context))
        found.update(_exits_of(context, nodes, kept))
    return is_needed


def _exits_of(
    context: Any, nodes: Mapping[str, Any], kept: AbstractSet[str]
) -> List[str]:
    """The exits of a loop's variables that are kept."""
    if context.DESCRIPTOR.name != "WhileContextDef":
        return []
    exits = [node_of(one) for one in context.loop_exit_names]
    return [
        name
        for name in exits
        if name in nodes and any(node_of(one) in kept for one in nodes[name].input)
    ]


def cut_context(context: Any, present: AbstractSet[str]) -> bool:
    """Takes away what a context names and the graph no longer has, in place.

    Args:
      context: A ``WhileContextDef`` or ``CondContextDef``.
      present: The names of all nodes that are there.

    Returns:
      Whether the rest can be restored: its pivots are there, and a loop has variables.
    """
    if any(node_of(one) not in present for one in _pivots(context)):
        return False
    _cut_values(context.values_def, present)
    if context.DESCRIPTOR.name == "WhileContextDef":
        for names in (context.loop_enter_names, context.loop_exit_names):
            keep_only(names, lambda name: node_of(name) in present)
        limit = context.maximum_iterations_name
        if limit and node_of(limit) not in present:
            context.maximum_iterations_name = ""
    keep_only(context.nested_contexts, lambda one: _cut_nested(one, present))
    return True


def _pivots(context: Any) -> Tuple[str, ...]:
    if context.DESCRIPTOR.name == "WhileContextDef":
        return (
            context.pivot_name,
            context.pivot_for_pred_name,
            context.pivot_for_body_name,
        )
    return (context.pred_name, context.pivot_name)


def _cut_values(values: Any, present: AbstractSet[str]) -> None:
    keep_only(values.values, lambda name: node_of(name) in present)
    # What comes from outside is stored under its name there, and as what stands for it.
    for name in list(values.external_values):
        inside = values.external_values[name]
        if node_of(name) not in present or node_of(inside) not in present:
            del values.external_values[name]


def _cut_nested(nested: Any, present: AbstractSet[str]) -> bool:
    """Cuts a ``ControlFlowContextDef``, which is one of the two."""
    kind = nested.WhichOneof("ctxt")
    return kind is not None and cut_context(getattr(nested, kind), present)
