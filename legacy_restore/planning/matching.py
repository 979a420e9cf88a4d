"""Matching one model with its checkpoint: candidates in, rows and findings out."""

from __future__ import annotations

import dataclasses
from typing import List, Mapping, Optional, Sequence, Tuple

from legacy_restore.mapping import waivers
from legacy_restore.planning import own_table
from legacy_restore.planning.averaged import (
    Averaged,
    expected_name,
    judge_averages,
    rule_for_averages,
)
from legacy_restore.planning.candidates import Candidate
from legacy_restore.planning.considering import considered_ways
from legacy_restore.planning.leftovers import Leftovers, leftovers_of
from legacy_restore.planning.names import Names, names_by_rules
from legacy_restore.planning.plan import Action, PlanRow
from legacy_restore.planning.proposals import propose_rules
from legacy_restore.planning.remapping import unclear_slots
from legacy_restore.planning.rows import decide_rows
from legacy_restore.planning.shadows import View
from legacy_restore.planning.spec import ModelSpec, Source, VariableSpec
from legacy_restore.planning.unused import unused_permissions, unused_waiver
from legacy_restore.report.findings import KINDS, Finding


@dataclasses.dataclass(frozen=True)
class Match:
    """How a model and its checkpoint fit.

    Attributes:
      matched_by: The rule that was taken, in words.
      rows: One for each variable.
      findings: What was decided, and what refuses the model.
      prefix: The scope under which the checkpoint holds the model where names alone
        led there, else empty.
      copied: What is saved as the checkpoint has it, mostly of variables that were left
        out of the graph: the key there, by the key that their file gives them.
    """

    matched_by: str
    rows: Tuple[PlanRow, ...]
    findings: Tuple[Finding, ...]
    prefix: str = ""
    copied: Mapping[str, str] = dataclasses.field(default_factory=dict)


def match_by_names(model: ModelSpec, source: Source, names: Names) -> Match:
    """Matches all variables of a model with keys of its checkpoint.

    The table that a saved graph brings is taken if it explains all of the model, and no
    name does more. Else:

    A way to match counts if it gives every variable a key of its dtype and shape. If
    exactly one does, it is taken. If several do, the one whose leftovers are all
    training state or permitted is taken if it is the only such one; else the model is
    refused. If none does, the findings are those of the one that comes closest.

    Args:
      model: The model; its waivers permit deviations.
      source: What its checkpoint holds.
      names: What its tensors are called.
    """
    considered = considered_ways(model, source, names)
    model, wanted, fitting = considered.model, considered.wanted, considered.fitting
    view, candidates = considered.view, considered.candidates
    full = considered.full
    findings = list(names.findings)
    choice = _choose(model, source, view, candidates, full)
    if choice is None:
        return _ambiguous(model, wanted, source, view, full, findings)
    leftovers = _left(model, source, view, choice)
    left = [source.entries[key] for key in leftovers.weights]
    decided = decide_rows(model, view, choice, left, fitting)
    averaged = judge_averages(model, source, view, choice.table, decided.rows)
    findings += decided.findings
    findings += own_table.conflict_findings(model, decided.rows)
    findings += _with_rule_for_averages(averaged, model, source, choice)
    findings += leftovers.findings
    if not model.rules and not names.label:
        findings = _with_proposed_rules(findings, model, source, leftovers.weights)
    findings += _unused_waivers(model, averaged, choice, leftovers)
    findings += unused_permissions(model, wanted, view, choice.table, fitting)
    restored = [row.variable for row in averaged.rows if row.action is Action.RESTORE]
    findings += unclear_slots(model.name, restored, fitting.remapped)
    prefix = choice.prefix
    if prefix:
        findings.append(_prefix_remark(model, prefix))
    label = choice.label
    if names.label:
        label += f", {names.label}"
    if model.weights == "ema":
        label += ", moving averages"
    findings = own_table.with_graph_findings(
        model, source, own_table.without_refused(model, findings)
    )
    not_needed = own_table.not_needed_keys(model, source, names.renamed, prefix)
    copied = own_table.copied_keys(model, source, not_needed)
    return Match(label, averaged.rows, tuple(findings), prefix, copied)


def _left(
    model: ModelSpec, source: Source, view: View, candidate: Candidate
) -> Leftovers:
    table = candidate.table
    incomplete = view.taken(candidate.incomplete)
    not_needed = own_table.not_needed_keys(
        model, source, view.renamed, candidate.prefix
    )
    return leftovers_of(
        model,
        source,
        view.taken(table),
        view.spared(table),
        incomplete,
        {key: model.own.not_needed[own] for own, key in not_needed.items()},
    )


def _choose(
    model: ModelSpec,
    source: Source,
    view: View,
    candidates: Sequence[Candidate],
    full: Sequence[Candidate],
) -> Optional[Candidate]:
    """The candidate to take, or None when several explain the model equally well."""
    if not full:
        # The first of the best: max keeps the order of the candidates.
        return max(candidates, key=lambda one: (len(one.table), len(one.incomplete)))
    if len(full) == 1:
        return full[0]
    clean = [
        candidate
        for candidate in full
        if not _left(model, source, view, candidate).refuses
    ]
    return clean[0] if len(clean) == 1 else None


def _ambiguous(
    model: ModelSpec,
    wanted: Sequence[VariableSpec],
    source: Source,
    view: View,
    full: Sequence[Candidate],
    findings: List[Finding],
) -> Match:
    variable = next(
        variable
        for variable in wanted
        if len({candidate.table.get(variable.name) for candidate in full}) > 1
    )
    keys = [candidate.table.get(variable.name) for candidate in full]
    ways = " or ".join(
        f"{key and view.entries[key].key} ({candidate.label})"
        for key, candidate in zip(keys, full)
    )
    left = _left(model, source, view, full[0]).weights
    patterns = waivers.suggest(left, source.entries)
    finding = Finding(
        KINDS["ambiguous-match"],
        variable.name,
        f"it could be {ways}",
        model=model.name,
        hint=f"allow_unused={patterns!r} takes the first way" if left else None,
    )
    rows = tuple(PlanRow(model.name, one, Action.REFUSE) for one in model.variables)
    return Match("more than one way", rows, (*findings, finding))


def _unused_waivers(
    model: ModelSpec,
    averaged: Averaged,
    choice: Candidate,
    leftovers: Leftovers,
) -> List[Finding]:
    missing = [
        row.variable.local_name
        for row in averaged.rows
        if row.variable.name not in choice.table and not row.variable.is_local
    ]
    missing += averaged.waived
    unused = [
        ("allow_missing", pattern, "no variable that is missing")
        for pattern in waivers.unused(model.allow_missing, missing)
    ]
    unused += [
        ("allow_unused", pattern, "no weights that are left over")
        for pattern in waivers.unused(model.allow_unused, leftovers.waivable)
    ]
    return [
        unused_waiver(model.name, argument, pattern, what)
        for argument, pattern, what in unused
    ]


def _prefix_remark(model: ModelSpec, prefix: str) -> Finding:
    return Finding(
        KINDS["matched-under-prefix"],
        f"{prefix}/",
        f"the checkpoint holds {model.scope}/ under this name",
        model=model.name,
    )


def _with_proposed_rules(
    findings: List[Finding], model: ModelSpec, source: Source, left: Sequence[str]
) -> List[Finding]:
    """Says on the first missing variable which rules would match the whole model."""
    names = {finding.subject for finding in findings if finding.id == "missing-key"}
    missing = [variable for variable in model.variables if variable.name in names]
    rules = propose_rules(missing, [source.entries[key] for key in left])
    if not rules:
        return findings
    with_rules = dataclasses.replace(model, rules=tuple(rules))
    if _is_refused(with_rules, source):
        return findings
    texts = ", ".join(f'lr.Rename(r"{rule.pattern}", r"{rule.text}")' for rule in rules)
    hint = f"rules=[{texts}] for {model.name!r}, with which all of it matches"
    first = next(finding for finding in findings if finding.subject == missing[0].name)
    return [
        dataclasses.replace(finding, hint=hint) if finding is first else finding
        for finding in findings
    ]


def _with_rule_for_averages(
    averaged: Averaged, model: ModelSpec, source: Source, choice: Candidate
) -> List[Finding]:
    """Says on the first average that is missing how another name would be it."""
    findings = list(averaged.findings)
    kinds = ("no-shadows", "missing-shadow")
    first = next((one for one in findings if one.id in kinds), None)
    if first is None or not averaged.lacking:
        return findings
    name = expected_name(model)
    rule = rule_for_averages(source, averaged.lacking, choice.table, name)
    if rule is None or rule in model.rules:
        return findings
    with_rule = dataclasses.replace(model, rules=(*model.rules, rule))
    if _is_refused(with_rule, source):
        return findings
    text = f'lr.Rename(r"{rule.pattern}", r"{rule.text}")'
    hint = f"rules=[..., {text}]" if model.rules else f"rules=[{text}]"
    hint += f" for {model.name!r}, if that is the moving average"
    return [
        dataclasses.replace(finding, hint=hint) if finding is first else finding
        for finding in findings
    ]


def _is_refused(model: ModelSpec, source: Source) -> bool:
    match = match_by_names(model, source, names_by_rules(model, source))
    return any(finding.is_error for finding in match.findings)
