"""Which variables go by a vocabulary: those that a rule names, and their slots.

A slot or an average of ``emb`` has that name among the parts of its own: ``emb/Adam``,
``train/m/emb/Adam``, and of a part of a partitioned variable ``emb/0/Adam``
(``tensorflow/python/training/slot_creator.py``). It has the shape of its variable, or
one number for each row (a factored second moment).
"""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, Sequence, Tuple

from legacy_restore.mapping.vocabulary import RowMap
from legacy_restore.planning.spec import VariableSpec
from legacy_restore.report.findings import KINDS, Finding


def remapped_variables(
    variables: Sequence[VariableSpec], maps: Sequence[RowMap]
) -> Dict[str, RowMap]:
    """Returns the map of each variable whose rows are reordered, by its name.

    Args:
      variables: The variables of a model.
      maps: Its row maps; the first that matches a variable counts.
    """
    found: Dict[str, RowMap] = {}
    for variable in variables:
        for one in maps:
            if re.fullmatch(one.pattern, variable.local_name):
                found[variable.name] = one
                break
    owners = [variable for variable in variables if variable.name in found]
    for variable in variables:
        for owner in owners:
            if variable.name not in found and _is_slot(variable, owner):
                found[variable.name] = found[owner.name]
    return found


def unclear_slots(
    model: str, variables: Sequence[VariableSpec], remapped: Mapping[str, RowMap]
) -> List[Finding]:
    """Returns a finding for each vector that may have a number a row, or a column.

    Args:
      model: The model's name.
      variables: Its variables.
      remapped: Those whose rows are reordered.
    """
    findings = []
    owners = [variable for variable in variables if variable.name in remapped]
    for variable in variables if owners else ():
        for owner in owners:
            if variable.name in remapped or not _is_below(variable, owner):
                continue
            if _may_go_by_rows(variable, owner) and not _goes_by_rows(variable, owner):
                findings.append(
                    Finding(
                        KINDS["vocabulary-mismatch"],
                        variable.name,
                        f"whether it goes by the rows of {owner.name} or by another of "
                        "its axes, which are as long, cannot be told",
                        model=model,
                        hint=f"a VocabularyRemap that matches {variable.local_name!r} "
                        "if it goes by rows; exclude= leaves it to its initialiser",
                    )
                )
                break
    return findings


def _is_slot(variable: VariableSpec, owner: VariableSpec) -> bool:
    if not _is_below(variable, owner):
        return False
    return variable.shape == owner.shape or _goes_by_rows(variable, owner)


def _may_go_by_rows(variable: VariableSpec, owner: VariableSpec) -> bool:
    """Whether it has as many numbers as its owner has rows, and nothing else."""
    shape, whole = variable.shape, owner.shape
    return bool(shape) and bool(whole) and shape == whole[:1] != whole  # type: ignore


def _goes_by_rows(variable: VariableSpec, owner: VariableSpec) -> bool:
    if not _may_go_by_rows(variable, owner):
        return False
    rows, *others = owner.shape or ()
    return rows not in others


def _is_below(variable: VariableSpec, owner: VariableSpec) -> bool:
    """Whether its name is that of a slot of another variable."""
    return variable is not owner and any(
        _holds(variable.local_name.split("/"), name.split("/"))
        for name in (owner.local_name, owner.name)
    )


def _holds(parts: List[str], others: Sequence[str]) -> bool:
    """Whether some parts stand among others, not at their end."""
    size = len(others)
    return any(
        parts[start : start + size] == list(others)
        for start in range(len(parts) - size)
    )


def rows_fault(variable: VariableSpec, stored: Tuple[int, ...], rows: RowMap) -> str:
    """Returns why the rows of a tensor cannot become those of a variable, or nothing.

    Args:
      variable: The variable.
      stored: The shape of the tensor.
      rows: What is to become of its rows.
    """
    shape = variable.shape
    if not shape or None in shape or not stored:
        return "it has no rows, or not a known number of them"
    if tuple(shape[1:]) != stored[1:]:
        return "only the number of rows may differ"
    if stored[0] != rows.old_rows:
        told = f"{rows.old_file} has {rows.old_words:,} lines"
        if rows.old_oov:
            told += f", old_oov names {rows.old_oov:,} rows behind them"
        more = stored[0] - rows.old_words
        advice = f"; old_oov={more} if those are words out of it" if more > 0 else ""
        return f"{told}: the checkpoint has {stored[0]:,} rows{advice}"
    if (shape[0] or 0) < rows.new_words:
        return (
            f"{rows.new_file} has {rows.new_words:,} lines: the variable has "
            f"{shape[0]:,} rows"
        )
    return ""
