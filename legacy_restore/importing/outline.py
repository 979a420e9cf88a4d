"""What a message says, as far as it tells what its graph reaches.

``examining`` reads graphs without TensorFlow, which takes much longer than making
messages of them. Of most nodes only the name, the operation and the inputs matter to
what a graph reaches: these are taken from the message as they are, and the others go
through the same reader as a file.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Tuple

from legacy_restore.examining.risks import may_be_risky
from legacy_restore.graphdef.messages import message_of
from legacy_restore.graphdef.meta_graph import read_meta_graph
from legacy_restore.graphdef.model import Function, Graph, MetaGraph, Node
from legacy_restore.graphdef.nodes import read_node
from legacy_restore.importing.nodes import functions_named, implemented_by
from legacy_restore.tf import tf

_STRING = tf.string.as_datatype_enum


def outline_of(meta_graph: Any) -> MetaGraph:
    """Returns a meta graph with the attributes that ``risks_of`` looks at, and no more.

    Args:
      meta_graph: The ``MetaGraphDef``; it is not changed.

    Raises:
      FormatError: A node or a collection contradicts itself.
    """
    library = meta_graph.graph_def.library
    gradients = {one.function_name: one.gradient_func for one in library.gradient}
    functions = tuple(
        Function(
            one.signature.name,
            _nodes(one.node_def, library),
            gradients.get(one.signature.name, ""),
            implemented_by(one),
        )
        for one in library.function
    )
    nodes = _nodes(meta_graph.graph_def.node, library)
    return dataclasses.replace(
        _without_graph(meta_graph), graph=Graph(nodes, functions)
    )


def _nodes(nodes: Any, library: Any) -> Tuple[Node, ...]:
    may_call = bool(library.function)
    return tuple(
        read_node(message_of(node.SerializeToString()))
        if _has_more(node) or (may_call and len(functions_named(node)) > 1)
        else Node(node.name, node.op, tuple(node.input))
        for node in nodes
    )


def _has_more(node: Any) -> bool:
    """Whether a node's attributes say what it reaches, or name what another does."""
    if node.op != "Const":
        return may_be_risky(node.op)
    # To ask for an attribute that is not there would add it.
    return "value" in node.attr and node.attr["value"].tensor.dtype == _STRING


def _without_graph(meta_graph: Any) -> MetaGraph:
    """What Savers, signatures and collections say."""
    rest = tf.MetaGraphDef()
    rest.graph_def.SetInParent()
    rest.saver_def.CopyFrom(meta_graph.saver_def)
    for key, signature in meta_graph.signature_def.items():
        rest.signature_def[key].CopyFrom(signature)
    for key, collection in meta_graph.collection_def.items():
        rest.collection_def[key].CopyFrom(collection)
    return read_meta_graph(message_of(rest.SerializeToString()))
