"""Names that end in a number which says when something was made, not what it is.

``tf.Variable`` without a name is ``Variable``, the next one ``Variable_1``; a layer
without a name is ``dense``, the next one ``dense_1``. The counts go on in one graph,
and those of Keras in one process, so that a model's second copy, or a notebook's second
run, has other numbers (``tensorflow/python/framework/ops.py``, ``unique_name``;
``keras/backend.py``, ``get_uid``). Their order is that in which the code makes them.
It decides here, and only where the types agree and leave one way to pair them.
"""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from legacy_restore.mapping.packs.pack import NameChange, RulePack, TypedName
from legacy_restore.mapping.packs.slots import renamed_with_slots

_DEFAULT = re.compile(r"((?:.*/)?Variable)(?:_(\d+))?")


class _Numbered(NamedTuple):
    """A default-named variable: its number, and its name with its type."""

    number: int
    typed: TypedName


def _rename_default_names(
    keys: Sequence[TypedName], wanted: Sequence[TypedName]
) -> Mapping[str, str]:
    stored = _numbered_by_scope(keys)
    needed = _numbered_by_scope(wanted)
    if len(stored) == len(needed) == 1:  # Whatever the scopes are called.
        stored = dict(zip(needed, stored.values()))
    variables: Dict[str, str] = {}
    for scope, of_model in needed.items():
        of_file = stored.get(scope, [])
        chosen = _only_pairing(of_file, of_model)
        if chosen is None:
            return {}
        variables.update(_without_collisions(of_file, of_model, chosen))
    return renamed_with_slots(keys, variables)


def _numbered_by_scope(names: Sequence[TypedName]) -> Dict[str, List[_Numbered]]:
    found: Dict[str, List[_Numbered]] = {}
    for typed in names:
        match = _DEFAULT.fullmatch(typed.name)
        if match is not None:
            number = int(match.group(2) or 0)
            found.setdefault(match.group(1), []).append(_Numbered(number, typed))
    for numbered in found.values():
        numbered.sort()
    return found


def _only_pairing(
    stored: Sequence[_Numbered], needed: Sequence[_Numbered]
) -> Optional[List[int]]:
    """Returns which stored one each needed one is; None if not in one way alone."""
    first = _earliest(stored, needed)
    turned = _earliest(stored[::-1], needed[::-1])
    if first is None or turned is None:
        return None
    # The earliest way and the latest one are the same where there is no other.
    latest = [len(stored) - 1 - position for position in reversed(turned)]
    return first if first == latest else None


def _earliest(
    stored: Sequence[_Numbered], needed: Sequence[_Numbered]
) -> Optional[List[int]]:
    chosen: List[int] = []
    position = 0
    for one in needed:
        while position < len(stored) and not fits(stored[position].typed, one.typed):
            position += 1
        if position == len(stored):
            return None
        chosen.append(position)
        position += 1
    return chosen


def fits(stored: TypedName, wanted: TypedName) -> bool:
    """Returns whether a key has the type of a variable, as far as that is known."""
    if stored.dtype != wanted.dtype or not wanted.has_rank:
        return stored.dtype == wanted.dtype
    return len(stored.shape) == len(wanted.shape) and all(
        size is None or size == other for size, other in zip(wanted.shape, stored.shape)
    )


def _without_collisions(
    stored: Sequence[_Numbered], needed: Sequence[_Numbered], chosen: Sequence[int]
) -> Dict[str, str]:
    """Names the chosen ones as needed, and others that are in their way behind all."""
    names = {
        stored[position].typed.name: one.typed.name
        for position, one in zip(chosen, needed)
    }
    given = set(names.values())
    scope = _DEFAULT.fullmatch(stored[0].typed.name).group(1)  # type: ignore[union-attr]
    free = max(one.number for one in [*stored, *needed]) + 1
    for one in stored:
        if one.typed.name not in names and one.typed.name in given:
            names[one.typed.name] = f"{scope}_{free}"
            free += 1
    return names


_SHAPES: Tuple[Tuple[object, ...], ...] = ((4, 3), (3,))
_STORED = tuple(
    TypedName(f"Variable_{2 + number}", "float32", shape)
    for number, shape in enumerate(_SHAPES)
)
_WANTED = tuple(
    TypedName(name, "float32", shape)
    for name, shape in zip(("Variable", "Variable_1"), _SHAPES)
)

DEFAULT_NUMBERS = RulePack(
    name="default-numbers",
    version=1,
    title="variables without a name, by the order of their numbers",
    source="https://github.com/tensorflow/tensorflow/issues/11097",
    changes=(
        NameChange("the first", "Variable_2", "Variable", _STORED, _WANTED),
        NameChange("the second", "Variable_3", "Variable_1", _STORED, _WANTED),
    ),
    rename=_rename_default_names,
)
