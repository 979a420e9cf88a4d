"""What a plan is told of the keys that a saved graph gives its variables."""

from __future__ import annotations

import dataclasses
from typing import Collection, Dict, FrozenSet, Iterable, List, Mapping, Tuple

from legacy_restore.importing.saved_variables import SavedVariable, parse_slice
from legacy_restore.importing.saver_table import SavedObject, SaverTable


@dataclasses.dataclass(frozen=True)
class OwnKeys:
    """Keys of a saved graph, by the names that its variables get in a session.

    Attributes:
      keys: The key of each variable and of each row of a table.
      conflicts: The keys of those about which the file's Savers disagree.
      unsaved: The variables that no Saver of the file restores.
      not_needed: Keys of what was left out of the graph, each with its node.
      saver_keys: All keys that the file's own Saver reads.
      label: Where the keys come from, in words.
    """

    keys: Mapping[str, str]
    conflicts: Mapping[str, Tuple[str, ...]]
    unsaved: FrozenSet[str]
    not_needed: Mapping[str, str]
    saver_keys: Tuple[str, ...]
    label: str


def own_keys(
    scope: str,
    table: SaverTable,
    variables: Iterable[SavedVariable],
    kept: Collection[str],
) -> OwnKeys:
    """Returns the keys of a saved graph that was put into a scope.

    Args:
      scope: The scope.
      table: What the Savers of the file read.
      variables: All variables of the file.
      kept: The nodes that are left in the graph.
    """
    keys: Dict[str, str] = {}
    conflicts: Dict[str, Tuple[str, ...]] = {}
    unsaved: List[str] = []
    left_out: Dict[str, str] = {}
    never_saved = table.unsaved([one.name for one in variables])
    for one in variables:
        stored = table.keys.get(one.name)
        if one.name not in kept:
            if stored is not None:
                left_out[stored.key] = one.name
            continue
        name = f"{scope}/{whole_name(one, table)}"
        if stored is not None:
            keys.setdefault(name, stored.key)
        if one.name in table.conflicts:
            found = [other.key for other in table.conflicts[one.name]]
            conflicts[name] = tuple(dict.fromkeys(found))
        if one.name in never_saved:
            unsaved.append(name)
    for held in table.objects:
        if held.node not in kept:
            left_out.update(dict.fromkeys(held.keys, held.node))
        elif held.is_table:
            keys.update(
                (f"{scope}/{row}", key) for row, key in zip(row_names(held), held.keys)
            )
    taken = {*keys.values()}
    return OwnKeys(
        keys=keys,
        conflicts=conflicts,
        unsaved=frozenset(unsaved),
        not_needed={key: one for key, one in left_out.items() if key not in taken},
        saver_keys=table.all_keys,
        label=table.source,
    )


def whole_name(variable: SavedVariable, table: SaverTable) -> str:
    """Returns the name of a variable, or of the whole that it is a part of.

    Args:
      variable: The variable.
      table: What the Savers of its file read.
    """
    place = variable.slice
    stored = table.keys.get(variable.name)
    if place is None and stored is not None and stored.slice:
        place = parse_slice(stored, variable.name)
    return variable.name if place is None else place.full_name


def row_names(held: SavedObject) -> Tuple[str, str]:
    """Returns what the keys and the values of a table are called in a plan."""
    return f"{held.node}-keys", f"{held.node}-values"
