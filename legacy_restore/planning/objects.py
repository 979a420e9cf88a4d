"""Tensors that belong together: those of one saveable object."""

from __future__ import annotations

import dataclasses
from typing import Dict, List, Mapping, Sequence

from legacy_restore.planning.plan import Action, PlanRow
from legacy_restore.planning.spec import VariableSpec, type_text
from legacy_restore.report.findings import KINDS, Finding

TABLE = "table"


def other_halves(
    variables: Sequence[VariableSpec], table: Mapping[str, str]
) -> Dict[str, str]:
    """Returns what has no key while another tensor of its object has one.

    Args:
      variables: The variables of a model.
      table: The key of each variable that has one, by the variable's name.

    Returns:
      That key, by the name of the variable that lacks one.
    """
    keys: Dict[str, str] = {}
    for variable in variables:
        if variable.saved_with and variable.name in table:
            keys.setdefault(variable.saved_with, table[variable.name])
    return {
        variable.name: keys[variable.saved_with]
        for variable in variables
        if variable.saved_with in keys and variable.name not in table
    }


def uneven_tables(rows: Sequence[PlanRow]) -> List[Finding]:
    """Returns a finding for each table with another number of keys than of values.

    TensorFlow sees it only while it assigns, when others are assigned already.
    """
    first: Dict[str, PlanRow] = {}
    findings = []
    for row in rows:
        if row.variable.kind != TABLE or row.action is not Action.RESTORE:
            continue
        keys = first.setdefault(row.variable.saved_with, row)
        if keys.entry is None or row.entry is None:
            continue
        number = keys.entry.shape[0]
        if row.entry.shape[0] != number:
            dtype, shape = row.entry.dtype, row.entry.shape
            findings.append(
                Finding(
                    KINDS["shape-mismatch"],
                    row.variable.name,
                    f"{keys.entry.key} holds {number} keys",
                    model=row.model,
                    expected=type_text(dtype, (number, *shape[1:])),
                    found=type_text(dtype, shape),
                )
            )
    return findings


def refuse(rows: Sequence[PlanRow], findings: Sequence[Finding]) -> List[PlanRow]:
    """Returns the rows of a model with those refused that findings are about."""
    unfit = {finding.subject for finding in findings}
    return [
        dataclasses.replace(row, action=Action.REFUSE)
        if row.variable.name in unfit
        else row
        for row in rows
    ]
