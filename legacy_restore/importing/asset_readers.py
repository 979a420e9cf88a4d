"""Which nodes of a graph do nothing worse than to read an asset."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Mapping, Set

from legacy_restore.importing.assets import Asset, allowed_readers
from legacy_restore.importing.file_readers import find_file_readers
from legacy_restore.importing.nodes import (
    all_bodies,
    all_functions_named,
    functions_named,
    reached,
)
from legacy_restore.importing.op_defs import OpDefs


def nodes_that_read_assets(
    meta_graph: Any, op_defs: OpDefs, assets: Iterable[Asset], given: Mapping[str, str]
) -> Set[str]:
    """Returns the nodes that read files, and none but declared or given assets.

    A node that calls functions is among them if those read assets and nothing else.

    Args:
      meta_graph: The ``MetaGraphDef``; not changed.
      op_defs: What is known about its operations.
      assets: The assets of the whole file.
      given: The argument ``assets=``.
    """
    readers = find_file_readers(meta_graph, op_defs)
    allowed = allowed_readers(readers, assets, given)
    reading = {one.function for one in readers if one.function}
    refused = {
        one.function for one in readers if (one.function, one.node) not in allowed
    }
    found = {node for function, node in allowed if not function}
    if not reading:
        return found
    calls = _calls(meta_graph)
    for node in meta_graph.graph_def.node:
        named = calls.keys() & functions_named(node)
        called = reached(named, lambda name: calls.keys() & calls[name])
        if called & reading and not called & refused:
            found.add(node.name)
    return found


def _calls(meta_graph: Any) -> Dict[str, Set[str]]:
    """The functions that each function names, itself not looked into further."""
    calls = {
        function: set(all_functions_named(nodes))
        for function, nodes in all_bodies(meta_graph)
        if function
    }
    for one in meta_graph.graph_def.library.gradient:
        if one.function_name in calls:
            calls[one.function_name].add(one.gradient_func)
    return calls
