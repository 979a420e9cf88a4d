"""Which nodes of a graph do nothing worse than to read an asset."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, FrozenSet, Iterable, Mapping, Sequence, Set

from legacy_restore.importing.assets import Asset, allowed_readers
from legacy_restore.importing.file_readers import FileReader
from legacy_restore.importing.nodes import (
    all_bodies,
    all_functions_named,
    functions_named,
    implemented_by,
    reached,
)


@dataclasses.dataclass(frozen=True)
class AssetReaders:
    """What reads files, and none but declared or given assets.

    Attributes:
      nodes: The nodes that do. One that calls functions is among them if those read
        assets and nothing else.
      variables: The variables that hold the paths of those assets.
    """

    nodes: FrozenSet[str]
    variables: FrozenSet[str]


def find_asset_readers(
    meta_graph: Any,
    readers: Sequence[FileReader],
    assets: Iterable[Asset],
    given: Mapping[str, str],
) -> AssetReaders:
    """Returns the nodes that read files, and none but declared or given assets.

    Args:
      meta_graph: The ``MetaGraphDef``; not changed.
      readers: Its operations that read files.
      assets: The assets of the whole file.
      given: The argument ``assets=``.
    """
    allowed = allowed_readers(readers, assets, given)
    reading = {one.function for one in readers if one.function}
    refused = {
        one.function for one in readers if (one.function, one.node) not in allowed
    }
    found = {node for function, node in allowed if not function}
    variables = frozenset(
        name
        for one in readers
        if (one.function, one.node) in allowed
        for name in one.variables
    )
    if not reading:
        return AssetReaders(frozenset(found), variables)
    calls = _calls(meta_graph)
    for node in meta_graph.graph_def.node:
        named = calls.keys() & functions_named(node)
        called = reached(named, lambda name: calls.keys() & calls[name])
        if called & reading and not called & refused:
            found.add(node.name)
    return AssetReaders(frozenset(found), variables)


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
    implementing: Dict[str, Set[str]] = {}
    for function in meta_graph.graph_def.library.function:
        implemented = implemented_by(function)
        if implemented:
            implementing.setdefault(implemented, set()).add(function.signature.name)
    for names in implementing.values():
        for name in names:
            calls[name] |= names
    return calls
