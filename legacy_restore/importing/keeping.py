"""Which initialisers of variables are kept with a part of a saved graph.

A plan may leave a variable to its initialiser (``allow_missing``), so that has to be
there. But it may not bring more with it than it is worth: other variables, which would
have to be restored too, or operations that this TensorFlow lacks or that open files.
Without it the variable gets one that fails when it is run.
"""

from __future__ import annotations

from typing import AbstractSet, Any, Iterable, Set

from legacy_restore.examining.risks import may_be_risky
from legacy_restore.importing.nodes import functions_named, nodes_by_name, upstream
from legacy_restore.importing.op_defs import registered
from legacy_restore.importing.saved_variables import VARIABLE_TYPES, SavedVariable


def with_initializers(
    meta_graph: Any, variables: Iterable[SavedVariable], kept: AbstractSet[str]
) -> Set[str]:
    """Returns what is kept, and the initialisers that bring nothing but themselves.

    Args:
      meta_graph: The ``MetaGraphDef`` of the whole file.
      variables: Its variables.
      kept: Names of the nodes that are kept anyway.
    """
    nodes = nodes_by_name(meta_graph.graph_def.node)
    functions = {one.signature.name for one in meta_graph.graph_def.library.function}

    def is_plain(name: str) -> bool:
        node = nodes[name]
        if node.op in VARIABLE_TYPES:
            return name in kept
        if functions and functions.intersection(functions_named(node)):
            return False  # Nobody looks into what they do for so little.
        return registered(node.op) is not None and not may_be_risky(node.op)

    found = set(kept)
    for one in variables:
        if one.name not in kept or not one.initializer:
            continue
        above = upstream(nodes, [one.initializer], found.__contains__)
        if all(name in found or is_plain(name) for name in above):
            found |= above
    return found
