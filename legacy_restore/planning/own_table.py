"""Matching by the table that a saved graph brings: which key goes into which variable.

The save and restore operations of the graph say it, so nothing has to be told from
names. Explicit rules go before it, key by key; where the table does not explain all of
the model, as for a checkpoint that was renamed, names are candidates as ever.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Dict, List, Mapping, Sequence, Tuple

from legacy_restore.checkpoint import TensorEntry
from legacy_restore.checkpoint.tensor_entry import OBJECT_GRAPH_KEY
from legacy_restore.mapping.rules import Rename, RenamedKeys
from legacy_restore.planning.candidates import (
    Candidate,
    names_without_scope,
    without_incomplete,
)
from legacy_restore.planning.plan import Action, PlanRow
from legacy_restore.planning.spec import ModelSpec, OwnTable, Source, VariableSpec
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import count_text, cut_names

# What an error of these kinds is about may be that two files do not belong together.
_UNFIT = frozenset(
    [
        "ambiguous-match",
        "dtype-mismatch",
        "missing-key",
        "missing-shadow",
        "no-shadows",
        "shape-mismatch",
        "unused-weights",
    ]
)


def with_unsaved(model: ModelSpec, source: Source) -> ModelSpec:
    """Returns a model whose variables are local that no Saver of its file restores.

    A checkpoint that has one of them under its name was not written by such a Saver:
    there the variable stays what it is. One that holds the path of an asset is never
    restored.

    Args:
      model: The model.
      source: What its checkpoint holds.
    """
    if not model.own.initialised and not model.own.of_paths:
        return model
    variables = tuple(_unsaved(one, model.own, source) for one in model.variables)
    return dataclasses.replace(model, variables=variables)


def _unsaved(variable: VariableSpec, own: OwnTable, source: Source) -> VariableSpec:
    if variable.name in own.of_paths:
        return dataclasses.replace(variable, is_local=True, holds_path=True)
    if variable.name in own.initialised and variable.local_name not in source.entries:
        return dataclasses.replace(variable, is_local=True)
    return variable


def candidates_by_own_table(
    model: ModelSpec,
    variables: Sequence[VariableSpec],
    renamed: RenamedKeys,
    entries: Mapping[str, TensorEntry],
) -> List[Candidate]:
    """Returns the candidate that the table of the model's file gives, if it has one.

    Args:
      model: The model.
      variables: Those of its variables that are to be matched.
      renamed: What its rules make of the keys.
      entries: What the checkpoint says about each tensor, by key.
    """
    if not model.own.keys:
        return []
    called = {key: name for name, key in renamed.key_of.items()}
    as_they_are = {key: key for key in entries}
    # What rules and packs call a key may be what another key is called in the file: so
    # either all keys are meant as they are there, or all by their new names.
    moved = {key: key for key in entries if called.get(key, key) == key}
    moved.update(renamed.key_of)
    tables = [
        _table(model, variables, renamed, known) for known in (as_they_are, moved)
    ]
    table = max(tables, key=len)  # Of equals the first.
    label = f"the rules, else {model.own.label}" if model.rules else model.own.label
    return [without_incomplete(Candidate(label, table), variables, entries)]


def _table(
    model: ModelSpec,
    variables: Sequence[VariableSpec],
    renamed: RenamedKeys,
    known: Mapping[str, str],
) -> Dict[str, str]:
    """Returns the key of each variable by the table of its file, rules before it.

    Args:
      model: The model.
      variables: Those of its variables that are to be matched.
      renamed: What its rules make of the keys.
      known: The key that is meant by each name in the file's table.
    """
    table: Dict[str, str] = {}
    for variable in variables:
        key = renamed.key_of.get(variable.local_name, "")
        if not _is_ruled(model.rules, key):
            is_unsaved = variable.name in model.own.initialised
            name = variable.local_name if is_unsaved else ""
            name = model.own.keys.get(variable.name, name)
            if _is_ruled(model.rules, name):
                continue  # The rules give it to another variable.
            key = known.get(name, "")
        if key:
            table[variable.name] = key
    return table


def saved_names(model: ModelSpec) -> Dict[str, str]:
    """Returns the key under which each variable is saved, by its name.

    That is the one that its file gives it, so that the file's own Saver reads what was
    saved; else its name without the scope.
    """
    return {**names_without_scope(model), **model.own.keys}


def not_needed_keys(
    model: ModelSpec, source: Source, renamed: RenamedKeys, prefix: str
) -> Dict[str, str]:
    """Returns what a checkpoint has of variables that were left out of the graph.

    Args:
      model: The model.
      source: What its checkpoint holds.
      renamed: What the rules make of the checkpoint's keys.
      prefix: The scope under which the checkpoint holds the model, or empty.

    Returns:
      The key in the checkpoint, by the one in the table of the model's file.
    """
    found = {}
    for own, variable in model.own.not_needed.items():
        moved = f"{prefix}/{variable}" if prefix else variable
        for key in (own, renamed.key_of.get(variable, moved), moved):
            if key in source.entries:
                found[own] = key
                break
    return found


def copied_keys(
    model: ModelSpec, source: Source, not_needed: Mapping[str, str]
) -> Dict[str, str]:
    """Returns what is to be saved as the checkpoint has it.

    That is what was left out of the graph, and the object graph, which the restore
    function of a TensorFlow 2 SavedModel reads: as long as all keys are those of the
    file, so that it describes what is saved.

    Args:
      model: The model.
      source: What its checkpoint holds.
      not_needed: What ``not_needed_keys`` returned.
    """
    found = dict(not_needed)
    is_read = OBJECT_GRAPH_KEY in model.own.saver_keys
    if is_read and all(key in source.entries for key in model.own.saver_keys):
        found[OBJECT_GRAPH_KEY] = OBJECT_GRAPH_KEY
    return found


def conflict_findings(model: ModelSpec, rows: Sequence[PlanRow]) -> List[Finding]:
    """Refuses variables that Savers of the file restore from different keys.

    A rule that matches the key it is restored from says which Saver is meant.

    Args:
      model: The model.
      rows: What becomes of its variables.
    """
    findings = []
    for row in rows:
        keys = model.own.conflicts.get(row.variable.name, ())
        if not keys or row.action not in (Action.RESTORE, Action.REFUSE):
            continue
        if row.key is not None and _is_ruled(model.rules, row.key):
            continue
        name = row.variable.local_name
        rules = " or ".join(
            f'lr.Rename(r"^{re.escape(key)}$", r"{name}")'
            for key in dict.fromkeys(keys)
        )
        findings.append(
            Finding(
                KINDS["saver-conflict"],
                row.variable.name,
                f"Savers of the graph restore it from {cut_names(keys)}",
                model=model.name,
                hint=f"rules=[{rules}] for {model.name!r} says which",
            )
        )
    return findings


def without_refused(
    model: ModelSpec, findings: Sequence[Finding]
) -> Tuple[Finding, ...]:
    """Leaves out what follows from objects that cannot be restored.

    That is refused already, with the reason: their variables lack no key, and what
    they are made of is not left over.

    Args:
      model: The model.
      findings: What matching found.
    """
    keys = {key for made_of in model.own.refused.values() for key in made_of}
    return tuple(
        one
        for one in findings
        if not (one.id == "missing-key" and one.subject in model.own.refused)
        and not (one.id == "unused-weights" and one.subject in keys)
    )


def with_graph_findings(
    model: ModelSpec, source: Source, findings: Sequence[Finding]
) -> List[Finding]:
    """Says first that graph and checkpoint are of different models, or trainings.

    Args:
      model: The model.
      source: What its checkpoint holds.
      findings: What matching found.
    """
    found = list(findings)
    lacking = [key for key in model.own.saver_keys if key not in source.entries]
    others = _others(model.own.saver_keys, source)
    if not model.own.saver_keys or not (lacking or others):
        return found
    there = len(model.own.saver_keys) - len(lacking)
    keys = count_text(len(model.own.saver_keys), "key")
    message = (
        f"the checkpoint has {there} of the {keys} that the graph's own Saver reads"
    )
    if lacking:
        message += f", not {cut_names(lacking, 2)}"
    if others:
        message += f"; {cut_names(others, 2)} it does not read"
    fails = any(one.is_error and one.id in _UNFIT for one in found)
    if fails and lacking:
        finding = Finding(
            KINDS["graph-mismatch"],
            source.location.prefix,
            message,
            model=model.name,
            hint="name the checkpoint that belongs to the graph, or the other graph",
        )
        return [finding, *found]
    if fails:
        return found
    kind = KINDS["graph-differs"]
    return [*found, Finding(kind, source.location.prefix, message, model=model.name)]


def _others(keys: Sequence[str], source: Source) -> List[str]:
    known = set(keys)
    return [
        key for key in source.entries if key not in known and key != OBJECT_GRAPH_KEY
    ]


def _is_ruled(rules: Sequence[Rename], key: str) -> bool:
    return bool(key) and any(rule.matches(key) for rule in rules)
