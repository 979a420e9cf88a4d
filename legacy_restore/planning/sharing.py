"""Which model a shared variable comes from, and what becomes of the others' rows.

Every model is matched with its checkpoint as if it were alone. Then each shared
variable gets a holder: the owner, where one is named, else the first of its models
whose checkpoint has it. The others' rows become ``SHARE``: they have the holder's
storage, and what stood in their way no longer does. What their own checkpoints have of
it is handed back, to be compared.
"""

from __future__ import annotations

import dataclasses
from typing import Dict, List, Mapping, Sequence, Tuple

from legacy_restore.planning.plan import Action, ModelPlan, PlanRow, SharedWith
from legacy_restore.planning.shared import Shared, SharedVariable, Sharing
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import count_text, cut_names

# What is said of a row that lacks a key; another model's value takes its place.
_OF_ABSENCE = frozenset(["missing-key", "missing-shadow", "left-to-initializer"])
# What is said of a key that does not fit, or was taken; an owner's value is.
_OF_PRESENCE = frozenset(
    ["shape-mismatch", "dtype-mismatch", "ambiguous-shadow", "ema-raw-value"]
)


@dataclasses.dataclass(frozen=True)
class Borrowed:
    """What a variable without storage of its own gets in its place.

    Attributes:
      shared: What asks for it.
      source: The variable whose storage it has.
      is_owned: Whether the model of the source was named as the owner.
    """

    shared: Shared
    source: SharedWith
    is_owned: bool


@dataclasses.dataclass(frozen=True)
class Copy:
    """What the checkpoint of a model has of a variable that comes from another model.

    Attributes:
      row: The row as it was matched.
      borrowed: What the variable gets in its place.
    """

    row: PlanRow
    borrowed: Borrowed


@dataclasses.dataclass(frozen=True)
class Borrower:
    """A model after others' variables took the place of its own.

    Attributes:
      plan: Its plan.
      copies: What its own checkpoint has of them.
    """

    plan: ModelPlan
    copies: Tuple[Copy, ...]


def share(models: Sequence[ModelPlan], sharing: Sharing) -> List[Borrower]:
    """Gives each shared variable one source.

    Args:
      models: The models, each matched with its own checkpoint.
      sharing: What they share.

    Returns:
      The models in their order.
    """
    rows = {
        (model.name, row.variable.name): row for model in models for row in model.rows
    }
    borrowed: Dict[str, Dict[str, Borrowed]] = {model.name: {} for model in models}
    advice: Dict[Tuple[str, str], str] = {}
    for one in sharing.variables:
        own = {name: rows[name, spec.name] for name, spec in one.variables.items()}
        holder = _holder(one, own)
        source = SharedWith(holder, own[holder].variable.name)
        others = [name for name in own if name != holder]
        if own[holder].action is Action.REFUSE:
            having = [name for name in others if own[name].action is Action.RESTORE]
            if having:
                text = f"{one.shared.owned_by(having[0])}: its checkpoint has it"
                advice[source.model, source.variable] = text
            continue
        for name in others:
            if _may_borrow(own[name], own[holder]):
                what = Borrowed(one.shared, source, one.owner is not None)
                borrowed[name][own[name].variable.name] = what
    return [borrow(_advised(model, advice), borrowed[model.name]) for model in models]


def _holder(variable: SharedVariable, rows: Mapping[str, PlanRow]) -> str:
    if variable.owner is not None:
        return variable.owner
    for action in (Action.RESTORE, Action.INITIALIZE):
        for name, row in rows.items():
            if row.action is action:
                return name
    return next(iter(rows))


def _may_borrow(row: PlanRow, holder: PlanRow) -> bool:
    """Whether a row may do with what becomes of the holder's.

    An initialiser is no restored value: a model that lacks its own has to permit it.
    """
    return holder.action is Action.RESTORE or row.action is not Action.REFUSE


def _advised(model: ModelPlan, advice: Mapping[Tuple[str, str], str]) -> ModelPlan:
    findings = tuple(
        dataclasses.replace(one, hint=advice[model.name, one.subject])
        if one.id in _OF_ABSENCE and (model.name, one.subject) in advice
        else one
        for one in model.findings
    )
    return dataclasses.replace(model, findings=findings)


def borrow(model: ModelPlan, borrowed: Mapping[str, Borrowed]) -> Borrower:
    """Puts other models' variables in the place of some of a model's.

    A key of the model's own that does not fit still refuses it, unless an owner was
    named: the checkpoints are then known to disagree.

    Args:
      model: The model, matched with its own checkpoint.
      borrowed: What takes the place of a variable, by the variable's name.
    """
    rows: List[PlanRow] = []
    copies: List[Copy] = []
    settled: Dict[str, bool] = {}
    for row in model.rows:
        what = borrowed.get(row.variable.name)
        is_unfit = row.action is Action.REFUSE and row.entry is not None
        if what is None or (is_unfit and not what.is_owned):
            rows.append(row)
            continue
        settled[row.variable.name] = what.is_owned
        if row.entry is not None:
            copies.append(Copy(row, what))
        rows.append(
            dataclasses.replace(
                row, action=Action.SHARE, entry=None, shared_with=what.source
            )
        )
    findings = tuple(one for one in model.findings if not _is_settled(one, settled))
    plan = dataclasses.replace(model, rows=tuple(rows), findings=findings)
    return Borrower(plan, tuple(copies))


def _is_settled(finding: Finding, settled: Mapping[str, bool]) -> bool:
    """Whether a finding is about a variable that comes from elsewhere.

    Args:
      finding: A finding.
      settled: The variables that do, by name; whether an owner was named.
    """
    if finding.subject not in settled:
        return False
    if finding.id in _OF_ABSENCE or finding.id == "ema-raw-value":
        return True
    return finding.id in _OF_PRESENCE and settled[finding.subject]


@dataclasses.dataclass(frozen=True)
class Differing:
    """A copy with other values than those that the variable gets.

    Attributes:
      copy: The copy.
      how: What other values there are, in words.
      damage: Why that could not be told, instead.
    """

    copy: Copy
    how: str = ""
    damage: Tuple[Finding, ...] = ()


def judge_copies(model: ModelPlan, differing: Sequence[Differing]) -> ModelPlan:
    """Refuses copies that differ, or counts them where an owner was named.

    Args:
      model: A model after others' variables took the place of its own.
      differing: What its checkpoint has of them that differs.
    """
    if not differing:
        return model
    refused = {
        one.copy.row.variable.name
        for one in differing
        if not one.copy.borrowed.is_owned
    }
    findings = [one for found in map(_refusal, differing) for one in found]
    findings += _remarks([one for one in differing if one.copy.borrowed.is_owned])
    rows = tuple(
        dataclasses.replace(row, action=Action.REFUSE)
        if row.variable.name in refused
        else row
        for row in model.rows
    )
    return dataclasses.replace(model, rows=rows, findings=(*model.findings, *findings))


def _refusal(one: Differing) -> List[Finding]:
    row, borrowed = one.copy.row, one.copy.borrowed
    if borrowed.is_owned:
        return []
    if one.damage:
        return [dataclasses.replace(found, model=row.model) for found in one.damage]
    return [
        Finding(
            KINDS["shared-differs"],
            row.variable.name,
            one.how,
            model=row.model,
            hint=borrowed.shared.owned_by(borrowed.source.model),
        )
    ]


def _remarks(differing: Sequence[Differing]) -> List[Finding]:
    """One remark for all copies in one scope that an owner's values replace."""
    groups: Dict[Tuple[Shared, str], List[Differing]] = {}
    for one in differing:
        borrowed = one.copy.borrowed
        groups.setdefault((borrowed.shared, borrowed.source.model), []).append(one)
    return [
        Finding(
            KINDS["shared-copy-differs"],
            str(shared),
            f"not the values of the owner {owner!r}, which are taken: "
            f"{count_text(len(found), 'variable')}, "
            + cut_names([one.copy.row.variable.name for one in found]),
            model=found[0].copy.row.model,
        )
        for (shared, owner), found in groups.items()
    ]
