"""Ways to match a whole model with a checkpoint.

A candidate is a table from the model's variables to keys, made by one rule for all of
them. Nothing is ever guessed for a single variable. Several rules may give the same
table; candidates are compared by their tables.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import (
    Callable,
    Container,
    Counter,
    Dict,
    FrozenSet,
    Iterable,
    List,
    Mapping,
    Sequence,
    Set,
    Tuple,
)

from legacy_restore.checkpoint import TensorEntry
from legacy_restore.mapping.rules import RenamedKeys
from legacy_restore.planning.pieces import stored_without_scope
from legacy_restore.planning.spec import ModelSpec, VariableSpec, holds, shape_fits


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One way to match a whole model.

    Attributes:
      label: The rule in words.
      table: The key of each variable, by the variable's name in the graph. Variables
        for which the rule gives no key of the checkpoint are absent.
      incomplete: The key that the rule gives each variable of which the checkpoint
        lacks a part; these are not in the table.
      prefix: The scope under which the checkpoint holds the model, where the rule
        found one that is not in the variables' names; else empty.
    """

    label: str
    table: Mapping[str, str]
    prefix: str = ""
    incomplete: Mapping[str, str] = dataclasses.field(default_factory=dict)


def candidates_by_rules(
    variables: Sequence[VariableSpec],
    renamed: RenamedKeys,
    entries: Mapping[str, TensorEntry],
) -> List[Candidate]:
    """Returns the one candidate that explicit rules give."""
    table = {
        variable.name: renamed.key_of[variable.local_name]
        for variable in variables
        if variable.local_name in renamed.key_of
    }
    found = Candidate("the rules", table)
    return [without_incomplete(found, variables, entries)]


def candidates_by_names(
    model: ModelSpec,
    variables: Sequence[VariableSpec],
    renamed: RenamedKeys,
    entries: Mapping[str, TensorEntry],
    num_required: int,
) -> List[Candidate]:
    """Returns the candidates that names alone give, the likeliest first.

    All that can explain the model are among them.

    Args:
      model: The model.
      variables: Those of its variables that are to be matched.
      renamed: What the tensors of the checkpoint are called.
      entries: What the checkpoint says about each tensor, by key.
      num_required: How many of the variables have to have a key.
    """
    known = set(renamed.key_of)
    as_they_are = {variable.name: variable.stock_key for variable in variables}
    graph_names = {variable.name: variable.name for variable in variables}
    local_names = {variable.name: variable.local_name for variable in variables}
    outside = _outside_of_scope(model.scope, variables)
    found = [_by_names("names as they are", as_they_are, known)]
    if local_names != as_they_are:
        label = f"names without {model.scope}/"
        found.append(_by_names(label, local_names, known))
    found.extend(_under_scopes(model.scope, local_names, outside, known, num_required))
    if graph_names != as_they_are:
        label = f"names as they are, all of them in {model.scope}/"
        found.append(_by_names(label, graph_names, known))
    without_scope = names_without_scope(model)
    once = {name: without_scope[name] for name in local_names}
    if once != local_names:
        label = f"names without {model.scope}/, also where slots repeat it"
        found.append(_by_names(label, once, known))
        found.extend(_under_scopes(model.scope, once, outside, known, num_required))
        found.extend(_repeating_scopes(model, once, known, num_required))
    return [
        without_incomplete(_with_keys(one, renamed), variables, entries)
        for one in found
    ]


def _with_keys(candidate: Candidate, renamed: RenamedKeys) -> Candidate:
    """Puts keys in the place of the names by which they were found."""
    table = {name: renamed.key_of[found] for name, found in candidate.table.items()}
    return dataclasses.replace(candidate, table=table)


def _under_scopes(
    scope: str,
    local_names: Mapping[str, str],
    outside: Set[str],
    known: Set[str],
    num_required: int,
) -> List[Candidate]:
    """Candidates for another scope, in which is all of the model, or what was in it."""
    found = _under_prefixes(scope, local_names, known, num_required)
    if not outside:
        return found
    inside = {name: key for name, key in local_names.items() if name not in outside}
    kept = {name: key for name, key in local_names.items() if name in outside}
    others = _under_prefixes(scope, inside, known, num_required - len(outside))
    return found + [_with_names(candidate, kept, known) for candidate in others]


def _outside_of_scope(scope: str, variables: Sequence[VariableSpec]) -> Set[str]:
    """Variables that a stock Saver saves under names that do not have the scope."""
    return {
        variable.name
        for variable in variables
        if scope and not variable.stock_key.startswith(scope + "/")
    }


def _with_names(
    candidate: Candidate, wanted: Mapping[str, str], known: Set[str]
) -> Candidate:
    """Adds variables that keep their names to a candidate that renames a scope."""
    table = {name: key for name, key in wanted.items() if key in known}
    label = f"{candidate.label}, other names as they are"
    return dataclasses.replace(
        candidate, label=label, table={**candidate.table, **table}
    )


def _repeating_scopes(
    model: ModelSpec, once: Mapping[str, str], known: Set[str], num_required: int
) -> List[Candidate]:
    """Candidates for another scope that slots repeat as they repeat the model's."""
    found: List[Candidate] = []
    for prefix, _ in _prefixes_of(set(once.values()), known).most_common():
        if prefix != model.scope + "/":
            names = _names_under(model, prefix)
            label = f"{prefix} in the place of {model.scope}/, also where slots repeat"
            keys = {name: names[name] for name in once}
            candidate = _by_names(label, keys, known)
            if len(candidate.table) >= num_required:
                prefix = prefix.rstrip("/")
                found.append(dataclasses.replace(candidate, prefix=prefix))
    return found


def names_without_scope(model: ModelSpec) -> Dict[str, str]:
    """Returns what the variables would be called had the model no scope, by name.

    A slot that an optimizer makes under a scope is called by the scope and the whole
    name of its variable, which has the scope too: ``m/m/dense/kernel/Adam``, or
    ``m/train/m/dense/kernel/Adam``. One of a part is saved by another name, which
    ``pieces`` tells.
    """
    return _names_under(model, "")


def _names_under(model: ModelSpec, prefix: str) -> Dict[str, str]:
    """What the variables would be called under another scope (``a/b/``), by name."""
    names = {variable.name for variable in model.variables if model.scope}
    of_pieces = stored_without_scope(model)

    def moved(local: str) -> str:
        parts = local.split("/")
        for start in range(len(parts) - 1):
            if "/".join(parts[start:-1]) in names:
                own = "/".join(parts[start:])[len(model.scope) + 1 :]
                return "/".join([*parts[:start], prefix + own])
        return local

    return {
        variable.name: prefix
        + (of_pieces.get(variable.name) or moved(variable.local_name))
        for variable in model.variables
    }


def _by_names(label: str, wanted: Mapping[str, str], known: Set[str]) -> Candidate:
    table = {name: key for name, key in wanted.items() if key in known}
    return Candidate(label, table)


def _under_prefixes(
    scope: str, local_names: Mapping[str, str], known: Set[str], num_required: int
) -> List[Candidate]:
    """One candidate for each scope of the checkpoint that may hold the whole model."""
    counts = _prefixes_of(set(local_names.values()), known)
    # The names as they are have a candidate already.
    counts.pop(scope + "/", None)
    found: List[Candidate] = []
    for prefix, count in counts.most_common():
        if found and count < num_required:
            break  # It cannot explain the model; the first one shows how near it is.
        keys = {name: prefix + local for name, local in local_names.items()}
        label = f"{prefix} in the place of {scope}/" if scope else f"names in {prefix}"
        candidate = _by_names(label, keys, known)
        found.append(dataclasses.replace(candidate, prefix=prefix.rstrip("/")))
    return found


def _prefixes_of(names: Set[str], known: Set[str]) -> Counter[str]:
    """Counts the scopes (``a/b/``) below which one of the names is a key."""
    counts: Counter[str] = collections.Counter()
    for key in sorted(known):
        position = key.find("/")
        while position >= 0:
            if key[position + 1 :] in names:
                counts[key[: position + 1]] += 1
            position = key.find("/", position + 1)
    return counts


def without_incomplete(
    candidate: Candidate,
    variables: Iterable[VariableSpec],
    entries: Mapping[str, TensorEntry],
) -> Candidate:
    """Returns a candidate whose keys hold all that is in the graph of their variables.

    Args:
      candidate: A candidate.
      variables: The variables that it matches.
      entries: What stands under its keys.
    """
    lacking = {
        variable.name: candidate.table[variable.name]
        for variable in variables
        if variable.name in candidate.table
        and not holds(entries[candidate.table[variable.name]], variable)
    }
    if not lacking:
        return candidate
    table = {name: key for name, key in candidate.table.items() if name not in lacking}
    return dataclasses.replace(candidate, table=table, incomplete=lacking)


def explains(
    candidate: Candidate,
    variables: Iterable[VariableSpec],
    entries: Mapping[str, TensorEntry],
    admits: Callable[[VariableSpec, TensorEntry], bool],
) -> bool:
    """Returns whether a candidate gives each variable a key that it admits."""
    for variable in variables:
        key = candidate.table.get(variable.name)
        if key is None or not admits(variable, entries[key]):
            return False
    return True


def fits(variable: VariableSpec, entry: TensorEntry) -> bool:
    """Returns whether a tensor has the dtype and a shape that the variable admits."""
    return variable.dtype == entry.dtype and shape_fits(variable.shape, entry.shape)


def distinct(
    found: Iterable[Candidate], left_out: Container[str] = ()
) -> List[Candidate]:
    """Returns candidates of different tables; what is part of another table goes.

    Args:
      found: Candidates.
      left_out: Variables that are not restored: of candidates that differ in nothing
        else, the one that gives most of them a key stays.
    """
    by_table: Dict[FrozenSet[Tuple[str, str]], Candidate] = {}
    for candidate in found:
        pairs = candidate.table.items()
        table = frozenset(pair for pair in pairs if pair[0] not in left_out)
        known = by_table.setdefault(table, candidate)
        if _size(candidate) > _size(known):
            by_table[table] = candidate
    return [
        candidate
        for table, candidate in by_table.items()
        if not any(table < other for other in by_table)
    ]


def _size(candidate: Candidate) -> Tuple[int, int]:
    return len(candidate.table), len(candidate.incomplete)
