"""Applying rule packs to what the tensors of a checkpoint are called."""

from __future__ import annotations

import dataclasses
from typing import Dict, List, Mapping, Sequence, Tuple

from legacy_restore.checkpoint import TensorEntry
from legacy_restore.mapping.packs.pack import RulePack, TypedName
from legacy_restore.mapping.rules import RenamedKeys


@dataclasses.dataclass(frozen=True)
class PackedNames:
    """What packs make of names.

    Attributes:
      renamed: What the tensors are called then.
      changed: How many of them each pack gave another name, by the pack's name.
    """

    renamed: RenamedKeys
    changed: Mapping[str, int]


def apply_packs(
    packs: Sequence[RulePack],
    renamed: RenamedKeys,
    entries: Mapping[str, TensorEntry],
    wanted: Sequence[TypedName],
) -> PackedNames:
    """Applies packs one after the other.

    Args:
      packs: The packs.
      renamed: What the tensors are called.
      entries: What the checkpoint says about each tensor, by key.
      wanted: The variables of the model, without its scope.

    Returns:
      What they are called then. A name that two tensors would have is a collision, and
      neither has it.
    """
    changed: Dict[str, int] = {}
    for pack in packs:
        names = pack.rename(_typed(renamed, entries), wanted)
        changed[pack.name] = len(names)
        if names:
            renamed = _renamed(renamed, names)
    return PackedNames(renamed, changed)


def _typed(renamed: RenamedKeys, entries: Mapping[str, TensorEntry]) -> List[TypedName]:
    return [
        TypedName(name, entries[key].dtype, entries[key].shape)
        for name, key in renamed.key_of.items()
    ]


def _renamed(renamed: RenamedKeys, names: Mapping[str, str]) -> RenamedKeys:
    keys_of: Dict[str, List[str]] = {}
    for name, key in renamed.key_of.items():
        keys_of.setdefault(names.get(name, name), []).append(key)
    collisions: Dict[str, Tuple[str, ...]] = dict(renamed.collisions)
    collisions.update(
        (name, tuple(keys)) for name, keys in keys_of.items() if len(keys) > 1
    )
    return dataclasses.replace(
        renamed,
        key_of={name: keys[0] for name, keys in keys_of.items() if len(keys) == 1},
        collisions=collisions,
    )
