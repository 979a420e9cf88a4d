"""What the variables of a model are called that nobody has built yet.

A plan finds by the variables which names of a checkpoint's tensors are theirs. Here
there are none, but the patterns that are to match them: of the names that a plan would
try, those are taken that most patterns match.
"""

from __future__ import annotations

from typing import Dict, Iterator, List, Mapping, Sequence

from legacy_restore.mapping import waivers
from legacy_restore.mapping.packs.registry import PACKS
from legacy_restore.mapping.rules import RenamedKeys
from legacy_restore.planning.names import (
    Names,
    names_as,
    names_by_packs,
    names_by_rules,
)
from legacy_restore.planning.namings import namings_of
from legacy_restore.planning.shadows import view_of
from legacy_restore.planning.spec import ModelSpec, Source


def served_by(model: ModelSpec, source: Source, renamed: RenamedKeys) -> Dict[str, str]:
    """Returns the keys that variables take, each with what that variable is called.

    Args:
      model: The model, without variables; its ``weights`` count.
      source: What its checkpoint holds.
      renamed: What the tensors are called.
    """
    view = view_of(model, source, renamed)
    named = {key: name for name, key in view.renamed.key_of.items()}
    found: Dict[str, str] = {}
    for key, entry in view.entries.items():
        served = key in view.averages
        if not served and source.classes[key].tensor_class.is_training_state:
            continue
        # An average has the name of the variable that it is restored to.
        if served or entry.key not in found:
            found[entry.key] = named.get(key, key)
    return found


def variable_names(
    model: ModelSpec, source: Source, names: Mapping[str, str], patterns: Sequence[str]
) -> Mapping[str, str]:
    """Returns what the variables are called without the model's scope, by key.

    With rules that is what they make of the keys. Without, the model's scope or one of
    the checkpoint's own may stand before it, and there may be other names: those that
    most of the patterns match are taken, keys as they are before others.

    Args:
      model: The model, without variables.
      source: What its checkpoint holds.
      names: What keys, rules and named rule packs call them, by key.
      patterns: What is to match the variables of the model.
    """
    if model.rules or not patterns or not names:
        return names
    best, fewest = names, len(patterns) + 1
    for one in _names_to_try(model, source, names):
        for found in _without_scopes(model.scope, one):
            unused = len(waivers.unused(patterns, found.values()))
            if unused < fewest:
                best, fewest = found, unused
            if not unused:
                return best
    return best


def _names_to_try(
    model: ModelSpec, source: Source, names: Mapping[str, str]
) -> Iterator[Mapping[str, str]]:
    """Yields the names that a plan tries: of keys, of objects, and packs of them."""
    yield names
    by_objects = [names_as(one.label, one.key_of) for one in namings_of(source)]
    packed = [names_by_packs(one, model.packs, model, source) for one in by_objects]
    others = [one for one in packed if one is not None]
    for one in others:
        yield _named(model, source, one, names)
    if model.packs:
        return
    for one in [names_by_rules(model, source), *others]:
        for pack in PACKS.values():
            renamed = names_by_packs(one, [pack], model, source)
            if renamed is not None and not pack.caution_about(one.renamed.key_of):
                yield _named(model, source, renamed, names)


def _named(
    model: ModelSpec, source: Source, names: Names, keys: Mapping[str, str]
) -> Dict[str, str]:
    """What some names call the tensors of some keys; others are called by their key."""
    found = served_by(model, source, names.renamed)
    return {key: found.get(key, name) for key, name in keys.items()}


def _without_scopes(
    scope: str, names: Mapping[str, str]
) -> Iterator[Mapping[str, str]]:
    """Yields names as they are, then without a scope that all of them are in."""
    yield names
    for one in (scope, *_common_scopes(list(names.values()))):
        start = f"{one}/"
        if one and all(name.startswith(start) for name in names.values()):
            yield {key: name[len(start) :] for key, name in names.items()}


def _common_scopes(names: Sequence[str]) -> List[str]:
    """The scopes that all names are in, the outermost first."""
    parts = [name.split("/")[:-1] for name in names]
    common = []
    for column in zip(*parts):
        if len(set(column)) > 1:
            break
        common.append(column[0])
    return ["/".join(common[:end]) for end in range(1, len(common) + 1)]
