"""Whether each variable of a model got its moving average, for ``weights="ema"``."""

from __future__ import annotations

import dataclasses
import re
from typing import Dict, List, Mapping, Optional, Sequence, Set, Tuple

from legacy_restore.mapping import waivers
from legacy_restore.mapping.classify import TensorClass, classify
from legacy_restore.mapping.rules import Rename
from legacy_restore.planning.plan import Action, PlanRow
from legacy_restore.planning.shadows import DEFAULT_NAME, View
from legacy_restore.planning.spec import ModelSpec, Source, VariableSpec, type_text
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names


@dataclasses.dataclass(frozen=True)
class Averaged:
    """Rows whose variables got their averages, or are permitted to do without.

    Attributes:
      rows: One for each variable.
      findings: What is permitted, and what refuses the model.
      lacking: The trainable variables that lack their average without permission.
      waived: The local names of those that a waiver gives their raw value.
    """

    rows: Tuple[PlanRow, ...]
    findings: Tuple[Finding, ...] = ()
    lacking: Tuple[VariableSpec, ...] = ()
    waived: Tuple[str, ...] = ()


def lacking_average(
    model: ModelSpec, view: View, table: Mapping[str, str]
) -> List[VariableSpec]:
    """Returns the trainable variables whose raw value a table gives them.

    Args:
      model: The model; what it permits to be missing is left out, and what comes from
        another model.
      view: What its variables see of the checkpoint.
      table: The key in the view of each variable.
    """
    if model.weights == "raw":
        return []
    found = [
        variable
        for variable in model.variables
        if variable.is_trainable
        and variable.name in table
        and not _is_average(view, table[variable.name])
        and not model.partial.leaves_out(variable.local_name)
    ]
    permitted = waivers.permitted(
        model.allow_missing, (variable.local_name for variable in found)
    )
    permitted_names = {*permitted, *model.owned_elsewhere}
    return [one for one in found if one.local_name not in permitted_names]


def judge_averages(
    model: ModelSpec,
    source: Source,
    view: View,
    table: Mapping[str, str],
    rows: Sequence[PlanRow],
) -> Averaged:
    """Refuses rows of trainable variables without an average, or with several.

    Args:
      model: The model.
      source: What its checkpoint holds.
      view: What its variables see of that.
      table: The key in the view of each variable.
      rows: The rows that the table gives.
    """
    if model.weights == "raw":
        return Averaged(tuple(rows))
    lacking = {one.name: one for one in lacking_average(model, view, table)}
    has_averages = any(key in view.averages for key in table.values())
    findings: List[Finding] = []
    if table and not has_averages:
        findings.append(_no_averages(model, source))
    waived = []
    judged = []
    for row in rows:
        if row.action is Action.INITIALIZE:
            judged.append(row)
            continue
        key = table.get(row.variable.name)
        rivals = () if key is None else view.averages.get(key, ())
        if len(rivals) > 1:
            findings.append(_ambiguous(row, rivals, source))
            row = dataclasses.replace(row, action=Action.REFUSE)
        elif row.variable.name in lacking:
            if has_averages:
                findings.append(_missing(model, row, str(key)))
            row = PlanRow(row.model, row.variable, Action.REFUSE)
        elif row.entry is not None and not _is_average(view, str(key)):
            if row.variable.is_trainable:
                waived.append(row.variable.local_name)
            if row.action is Action.RESTORE:
                findings.append(_raw_value(row))
        judged.append(row)
    return Averaged(
        tuple(judged), tuple(findings), tuple(lacking.values()), tuple(waived)
    )


def rule_for_averages(
    source: Source, lacking: Sequence[VariableSpec], table: Mapping[str, str], name: str
) -> Optional[Rename]:
    """Returns the rule that names averages as expected, or None.

    An average of another name looks like the slot of an optimizer that is not known
    here: it is proposed if it is the only such tensor of all variables, never taken.

    Args:
      source: What the checkpoint holds.
      lacking: The variables that lack an average.
      table: The key of each variable's raw value.
      name: The name that averages are expected to have.
    """
    classes = classify(source.entries.values())
    below: Dict[str, Set[str]] = {table[variable.name]: set() for variable in lacking}
    for key, entry in source.entries.items():
        if classes[key].tensor_class is TensorClass.SLOT:
            continue
        parts = key.split("/")
        for end in range(1, len(parts)):
            owner = "/".join(parts[:end])
            if owner in below and _same_type(source, owner, entry.key):
                below[owner].add("/".join(parts[end:]))
    common = set.intersection(*below.values()) if below else set()
    if len(common) != 1:
        return None
    [found] = common
    return Rename(f"/{re.escape(found)}$", f"/{name}")


def expected_name(model: ModelSpec) -> str:
    """Returns how the averages of a model's variables are called."""
    return model.average_names[0] if model.average_names else DEFAULT_NAME


def _is_average(view: View, key: str) -> bool:
    """Whether a key is served by an average, or is one: training graphs have those."""
    return key in view.averages or key in view.average_keys


def _same_type(source: Source, one: str, other: str) -> bool:
    first, second = source.entries[one], source.entries[other]
    return (first.dtype, first.shape) == (second.dtype, second.shape)


def _no_averages(model: ModelSpec, source: Source) -> Finding:
    return Finding(
        KINDS["no-shadows"],
        source.location.prefix,
        f"for no variable of the model it has <variable>/{expected_name(model)}",
        model=model.name,
        hint=f'weights="raw" for {model.name!r}   or   --weights={model.name}:raw',
    )


def _missing(model: ModelSpec, row: PlanRow, key: str) -> Finding:
    return Finding(
        KINDS["missing-shadow"],
        row.variable.name,
        f"the checkpoint has {key}, without {key}/{expected_name(model)}; "
        "allow_missing takes the raw value",
        model=model.name,
        expected=type_text(row.variable.dtype, row.variable.shape),
        waiver=("allow_missing", row.variable.local_name),
    )


def _ambiguous(row: PlanRow, averages: Sequence[str], source: Source) -> Finding:
    other = averages[-1].rpartition("/")[2]
    return Finding(
        KINDS["ambiguous-shadow"],
        row.variable.name,
        f"the checkpoint has {cut_names(averages)}",
        model=row.model,
        hint=f'rules=[lr.Rename(r"/{re.escape(other)}$", "/other")] for {row.model!r} '
        f"takes none that ends in /{other}",
    )


def _raw_value(row: PlanRow) -> Finding:
    why = "it is not trainable"
    if row.variable.is_trainable:
        why = "as allow_missing permits"
    return Finding(
        KINDS["ema-raw-value"], row.variable.name, f"{row.key}: {why}", model=row.model
    )
