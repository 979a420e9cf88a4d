"""What to do where the checkpoint is object-based and the graph has names."""

from __future__ import annotations

import collections
import dataclasses
import re
from typing import Dict, List, Optional, Sequence

from legacy_restore.checkpoint.objects import ObjectGraph
from legacy_restore.planning.spec import ModelSpec, Source, VariableSpec
from legacy_restore.report.findings import Finding

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
    hint = _hint(model, _keys_by_variable(missing, objects), len(missing))
    return [
        dataclasses.replace(one, hint=hint) if one is first else one for one in findings
    ]


def _keys_by_variable(
    missing: Sequence[VariableSpec], objects: ObjectGraph
) -> Dict[str, str]:
    """The key of each variable whose name one object alone has, by local name."""
    keys: Dict[str, List[str]] = collections.defaultdict(list)
    for tensor in objects.tensors.values():
        if tensor.full_name:
            keys[tensor.full_name].append(tensor.key)
    found = {}
    for variable in missing:
        for name in (variable.local_name, variable.name):
            if len(keys.get(name, ())) == 1:
                found[variable.local_name] = keys[name][0]
                break
    return found


def _hint(model: ModelSpec, keys: Dict[str, str], num_missing: int) -> str:
    if not keys:
        return (
            f"{_EXPLANATION}; rules=[Rename(...)] gives them the names of variables, "
            "inspect shows which name each variable had"
        )
    rules = [
        f'Rename(r"^{re.escape(key)}$", "{local_name}")'
        for local_name, key in list(keys.items())[:_MAX_RULES]
    ]
    if len(keys) > _MAX_RULES:
        rules.append("...")
    return (
        f"{_EXPLANATION}; {len(keys)} of the {num_missing} variables are in it under "
        f"their names: rules=[{', '.join(rules)}] for {model.name!r}"
    )
