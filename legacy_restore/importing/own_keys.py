"""What a saved graph says about keys, as a plan takes it.

A plan knows a partitioned variable by the name of the whole; a Saver knows its parts.
"""

from __future__ import annotations

from typing import AbstractSet, Any, Dict, Mapping, Tuple

from legacy_restore.importing.saver_table import SavedObject, SaverTable
from legacy_restore.planning.spec import OwnTable


def own_table(
    table: SaverTable,
    definitions: Mapping[str, Any],
    meta_graph: Any,
    initialised: AbstractSet[str],
    of_paths: AbstractSet[str] = frozenset(),
) -> OwnTable:
    """Returns what the file says about the keys of what is imported of it.

    Args:
      table: What the save and restore operations of the whole file say.
      definitions: The ``VariableDef`` of each variable that is imported, by its node.
      meta_graph: What is imported.
      initialised: The nodes of the variables that no checkpoint has.
      of_paths: The nodes of the variables that hold the paths of assets.
    """
    wholes = {
        name: definition.save_slice_info_def.full_name or name
        for name, definition in definitions.items()
    }
    left = {node.name for node in meta_graph.graph_def.node}
    keys = {
        whole: table.keys[name].key
        for name, whole in wholes.items()
        if name in table.keys
    }
    for one in objects_left(table, meta_graph):
        keys.update(one.rows)
    conflicts = {
        whole: tuple(one.key for one in table.conflicts[name])
        for name, whole in wholes.items()
        if name in table.conflicts
    }
    return OwnTable(
        keys=keys,
        label=table.source,
        conflicts=conflicts,
        initialised=frozenset(
            whole for name, whole in wholes.items() if name in initialised
        ),
        of_paths=frozenset(whole for name, whole in wholes.items() if name in of_paths),
        not_needed=_not_needed(table, left),
        saver_keys=table.all_keys,
    )


def objects_left(table: SaverTable, meta_graph: Any) -> Tuple[SavedObject, ...]:
    """Returns what is restored besides variables and was not left out."""
    left = {node.name for node in meta_graph.graph_def.node}
    return tuple(one for one in table.objects if one.node in left)


def _not_needed(table: SaverTable, left: AbstractSet[str]) -> Dict[str, str]:
    taken = {one.key for name, one in table.keys.items() if name in left}
    found = {
        one.key: name
        for name, one in table.keys.items()
        if name not in left and one.key not in taken
    }
    for other in table.objects:
        if other.node not in left:
            found.update((key, other.node) for key in other.keys if key not in taken)
    return found
