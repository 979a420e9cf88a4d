"""What cannot be restored in what a builder made, and what is remarkable in it."""

from __future__ import annotations

import os
from typing import Any, List, Mapping, Sequence

from legacy_restore.graph import variables as variables_lib
from legacy_restore.graph.interface import placeholders_of
from legacy_restore.graph.model import Model
from legacy_restore.graph.saveables import FoundSaveables
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.tf import tf


def unsaved_findings(
    model: Model, tables: Sequence[Any], saveables: FoundSaveables
) -> List[Finding]:
    """Finds mutable tables whose entries no checkpoint has."""
    saved = {one.table.name for one in saveables.owned if one.table is not None}
    return [
        Finding(
            KINDS["table-not-saved"],
            table.name,
            "no saveable object stands for it (checkpoint=False?): it starts empty",
            model=model.name,
        )
        for table in tables
        if table.name not in saved
    ]


def vocabulary_findings(model: str, tables: Sequence[Any]) -> List[Finding]:
    """Finds vocabulary files that are not there before a table asks for them."""
    findings = []
    for operation in tables:
        if not operation.type.startswith("InitializeTableFromTextFile"):
            continue
        name = tf.get_static_value(operation.inputs[1])
        path = "" if name is None else os.fsdecode(name.item())
        if path and not os.path.isfile(path):
            findings.append(
                Finding(
                    KINDS["vocabulary-missing"],
                    path,
                    f"{operation.name} reads it",
                    model=model,
                    hint="the builder names the file: give it one that is there",
                )
            )
    return findings


def orphan_findings(
    model: str, names: Sequence[str], objects: Mapping[str, Any]
) -> List[Finding]:
    """Finds variable operations that no ``tf.Variable`` stands for."""
    return [
        Finding(
            KINDS["variable-without-object"],
            name,
            "no tf.Variable stands for it: imported, or made by a raw operation?",
            model=model,
        )
        for name in names
        if name not in objects
    ]


def escape_findings(model: Model, owned: Mapping[str, Any]) -> List[Finding]:
    """Finds variables that are outside of their model's scope."""
    return [
        Finding(
            KINDS["scope-escaped"],
            name,
            f"it is not in the scope {model.scope}/: matched by its whole name",
            model=model.name,
        )
        for name in owned
        if not variables_lib.is_under(name, model.scope)
    ]


def input_findings(model: Model, operations: Sequence[Any]) -> List[Finding]:
    """Finds placeholders that a call of the model could not tell apart by name."""
    findings = []
    for found in placeholders_of(model.scope, operations).values():
        if len(found) == 1:
            continue
        # A graph has a name once: one is inside of the scope, the other outside.
        inside, outside = sorted(
            (operation.name for operation in found),
            key=lambda name: not variables_lib.is_under(name, model.scope),
        )
        findings.append(
            Finding(
                KINDS["input-claimed-twice"],
                inside,
                f"the placeholder {outside} outside of the scope would be the same "
                "input",
                model=model.name,
                hint="give one of the two placeholders another name",
            )
        )
    return findings
