"""What to do where the checkpoint is object-based and the graph has names."""

from __future__ import annotations

import collections
import dataclasses
import re
from typing import Dict, List, Mapping, Optional, Sequence

from legacy_restore.checkpoint.objects import ObjectGraph
from legacy_restore.planning.spec import ModelSpec, Source, VariableSpec
from legacy_restore.report.findings import Finding
from legacy_restore.report.table import cut_names

_MAX_RULES = 3
_EXPLANATION = "the checkpoint is object-based: its keys are paths of objects"


def with_object_hint(
    findings: Sequence[Finding], model: ModelSpec, source: Optional[Source]
) -> List[Finding]:
    """Says on the first missing variable which keys have the variables' names.

    An object-based checkpoint knows each variable by the name that it had when it was
    saved. Where such names explain all of a model they match it; of a part of the model
    they are advice, and rules say so by name.
    """
    objects = None if source is None else source.objects
    names = {one.subject for one in findings if one.id == "missing-key"}
    first = next((one for one in findings if one.id == "missing-key"), None)
    if objects is None or first is None or first.hint:
        return list(findings)
    missing = [variable for variable in model.variables if variable.name in names]
    known = _keys_by_name(objects)
    hint = _hint(model, _keys_by_variable(missing, known), len(missing))
    shared = _shared_name(missing, known)
    if shared:
        hint += f"; {shared}"
    return [
        dataclasses.replace(one, hint=hint) if one is first else one for one in findings
    ]


def _keys_by_name(objects: ObjectGraph) -> Dict[str, List[str]]:
    """The keys of the variables that had each name when they were saved."""
    keys: Dict[str, List[str]] = collections.defaultdict(list)
    for tensor in objects.tensors.values():
        if tensor.full_name:
            keys[tensor.full_name].append(tensor.key)
    return keys


def _keys_by_variable(
    missing: Sequence[VariableSpec], known: Mapping[str, Sequence[str]]
) -> Dict[str, str]:
    """The key of each variable whose name one object alone has, by local name."""
    found = {}
    for variable in missing:
        for name in (variable.local_name, variable.name):
            if len(known.get(name, ())) == 1:
                found[variable.local_name] = known[name][0]
                break
    return found


def _shared_name(
    missing: Sequence[VariableSpec], known: Mapping[str, Sequence[str]]
) -> str:
    """Says of the first name that several objects had which those are.

    Layers of a subclassed Keras 3 model that are attributes call their kernels
    ``model/kernel``, all of them.
    """
    for variable in missing:
        for name in (variable.local_name, variable.name):
            keys = known.get(name, ())
            if len(keys) > 1:
                return (
                    f"{len(keys)} variables were called {name}, so it is no name of "
                    f"one: {cut_names(keys)}"
                )
    return ""


def _hint(model: ModelSpec, keys: Dict[str, str], num_missing: int) -> str:
    if not keys:
        return (
            f"{_EXPLANATION}; rules=[lr.Rename(...)] gives them the names of "
            "variables, inspect shows which name each variable had"
        )
    rules = [
        f'lr.Rename(r"^{re.escape(key)}$", "{local_name}")'
        for local_name, key in list(keys.items())[:_MAX_RULES]
    ]
    if len(keys) > _MAX_RULES:
        rules.append("...")
    return (
        f"{_EXPLANATION}; {len(keys)} of the {num_missing} variables are in it under "
        f"their names: rules=[{', '.join(rules)}] for {model.name!r}"
    )
