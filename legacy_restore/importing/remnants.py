"""Variables of a saved graph that its program forgot.

Some programs make each variable twice and keep one: Keras 3 does where it exports a
model. The other stands in the file without anything that gives it a value, in no
collection, and nothing takes what is read of it. Imported as a part of the whole, it
would be a weight that no checkpoint has.
"""

from __future__ import annotations

from typing import Any, Iterable, List, Set

from legacy_restore.importing.nodes import consumers_of, node_of
from legacy_restore.importing.saved_graph import Interface
from legacy_restore.importing.saved_variables import SavedVariable
from legacy_restore.importing.saver_table import SaverTable
from legacy_restore.report.findings import KINDS, Finding

_READS = frozenset(
    ["ReadVariableOp", "Identity", "VarIsInitializedOp", "VariableShape"]
)


def remnants(
    meta_graph: Any,
    variables: Iterable[SavedVariable],
    table: SaverTable,
    interface: Interface,
) -> Set[str]:
    """Returns the nodes of such variables and of what reads them.

    Args:
      meta_graph: The ``MetaGraphDef`` of the whole file; it is not changed.
      variables: Its variables.
      table: What its Savers restore; without a Saver nothing is a remnant.
      interface: What callers take; none of that is one.
    """
    taken = {node_of(name) for name in _tensors_of(interface)}
    names = [
        one.name for one in variables if not one.initializer and not one.collections
    ]
    unsaved = sorted(table.unsaved(names))
    consumers = consumers_of(meta_graph.graph_def.node) if unsaved else {}
    found: Set[str] = set()
    for name in unsaved:
        readers = consumers.get(name, [])
        nodes = {name, *(one.name for one in readers)}
        is_used = any(
            one.op not in _READS or consumers.get(one.name) for one in readers
        )
        if not is_used and not nodes & taken:
            found |= nodes
    return found


def remnant_findings(
    names: Set[str], variables: Iterable[SavedVariable]
) -> List[Finding]:
    """Returns a remark for each variable among some nodes.

    Args:
      names: The nodes that were left out.
      variables: The variables of the file.
    """
    return [
        Finding(KINDS["variable-unused"], one.name, "it was left out")
        for one in variables
        if one.name in names
    ]


def _tensors_of(interface: Interface) -> Iterable[str]:
    for signature in (interface.main, *interface.signatures.values()):
        for one in (*signature.inputs.values(), *signature.outputs.values()):
            yield from one.sparse or (one.tensor,)
