"""Matching one model with its checkpoint: candidates in, rows and findings out."""

from __future__ import annotations

import collections
import dataclasses
from typing import List, Optional, Sequence, Tuple

from legacy_restore.mapping import rules as rules_lib
from legacy_restore.mapping import waivers
from legacy_restore.planning import candidates as candidates_lib
from legacy_restore.planning.candidates import Candidate
from legacy_restore.planning.leftovers import Leftovers, leftovers_of
from legacy_restore.planning.plan import Action, PlanRow
from legacy_restore.planning.proposals import propose_rules
from legacy_restore.planning.spec import ModelSpec, Source, VariableSpec, type_text
from legacy_restore.planning.suggestions import Suggester
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names


@dataclasses.dataclass(frozen=True)
class Match:
    """How a model and its checkpoint fit.

    Attributes:
      matched_by: The rule that was taken, in words.
      rows: One for each variable.
      findings: What was decided, and what refuses the model.
      prefix: The scope under which the checkpoint holds the model where names alone
        led there, else empty.
    """

    matched_by: str
    rows: Tuple[PlanRow, ...]
    findings: Tuple[Finding, ...]
    prefix: str = ""


def match_model(model: ModelSpec, source: Source) -> Match:
    """Matches all variables of a model with keys of its checkpoint.

    A way to match counts if it gives every variable a key of its dtype and shape. If
    exactly one does, it is taken. If several do, the one whose leftovers are all
    training state or permitted is taken if it is the only such one; else the model is
    refused. If none does, the findings are those of the one that comes closest.

    Args:
      model: The model; its waivers permit deviations.
      source: What its checkpoint holds.
    """
    wanted = [variable for variable in model.variables if not variable.is_local]
    renamed = rules_lib.rename_keys(model.rules, source.entries)
    findings = _rule_findings(model, renamed)
    if model.rules:
        candidates = candidates_lib.candidates_by_rules(wanted, renamed)
    else:
        waived = waivers.permitted(
            model.allow_missing, (variable.local_name for variable in wanted)
        )
        required = {one.local_name for one in wanted if one.local_name not in waived}
        candidates = candidates_lib.candidates_by_names(
            model, wanted, source.entries, len(required)
        )
    full = _explaining(model, wanted, source, candidates)
    choice = _choose(model, source, candidates, full)
    if choice is None:
        return _ambiguous(model, wanted, source, full, findings)
    leftovers = leftovers_of(model, source, set(choice.table.values()))
    rows, row_findings = _rows(model, source, choice, leftovers.weights)
    findings += row_findings
    findings += leftovers.findings
    if not model.rules:
        findings = _with_proposed_rules(findings, model, source, leftovers.weights)
    findings += _unused_waivers(model, rows, leftovers)
    prefix = choice.prefix
    if prefix:
        findings.append(_prefix_remark(model, prefix))
    return Match(choice.label, tuple(rows), tuple(findings), prefix)


def explained_by(model: ModelSpec, source: Source) -> bool:
    """Returns whether a checkpoint holds every variable of a model, by names alone."""
    wanted = [variable for variable in model.variables if not variable.is_local]
    names = {variable.local_name for variable in wanted}
    found = candidates_lib.candidates_by_names(
        model, wanted, source.entries, len(names)
    )
    return bool(wanted) and any(
        candidates_lib.explains(candidate, wanted, source.entries)
        for candidate in found
    )


def _choose(
    model: ModelSpec,
    source: Source,
    candidates: Sequence[Candidate],
    full: Sequence[Candidate],
) -> Optional[Candidate]:
    """The candidate to take, or None when several explain the model equally well."""
    if not full:
        # The first of the best: max keeps the order of the candidates.
        return max(candidates, key=lambda candidate: len(candidate.table))
    if len(full) == 1:
        return full[0]
    clean = [
        candidate
        for candidate in full
        if not leftovers_of(model, source, set(candidate.table.values())).refuses
    ]
    return clean[0] if len(clean) == 1 else None


def _explaining(
    model: ModelSpec,
    wanted: Sequence[VariableSpec],
    source: Source,
    candidates: Sequence[Candidate],
) -> List[Candidate]:
    permitted = waivers.permitted(
        model.allow_missing, (variable.local_name for variable in wanted)
    )
    # That nothing is matched would explain a model whose variables may all be missing,
    # also where the checkpoint has them and they do not fit.
    matching = [candidate for candidate in candidates if candidate.table]
    full = []
    for candidate in matching or candidates:
        required = [
            variable
            for variable in wanted
            if variable.name in candidate.table or variable.local_name not in permitted
        ]
        if candidates_lib.explains(candidate, required, source.entries):
            full.append(candidate)
    return candidates_lib.distinct(full)


def _ambiguous(
    model: ModelSpec,
    wanted: Sequence[VariableSpec],
    source: Source,
    full: Sequence[Candidate],
    findings: List[Finding],
) -> Match:
    variable = next(
        variable
        for variable in wanted
        if len({candidate.table.get(variable.name) for candidate in full}) > 1
    )
    ways = " or ".join(
        f"{candidate.table.get(variable.name)} ({candidate.label})"
        for candidate in full
    )
    left = leftovers_of(model, source, set(full[0].table.values())).weights
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


def _rows(
    model: ModelSpec,
    source: Source,
    choice: Candidate,
    left: Sequence[str],
) -> Tuple[List[PlanRow], List[Finding]]:
    permitted = waivers.permitted(
        model.allow_missing, (variable.local_name for variable in model.variables)
    )
    suggester = Suggester([source.entries[key] for key in left])
    claims = collections.Counter(choice.table.values())
    rows = []
    findings: List[Finding] = []
    for variable in model.variables:
        key = choice.table.get(variable.name)
        entry = None if key is None else source.entries[key]
        action = Action.RESTORE
        if variable.is_local:
            action = Action.INITIALIZE
            findings.append(_remark("local-variable", model, variable))
        elif entry is None and variable.local_name in permitted:
            action = Action.INITIALIZE
            findings.append(_remark("left-to-initializer", model, variable))
        elif entry is None:
            action = Action.REFUSE
            findings.append(_missing(model, variable, suggester))
        elif not candidates_lib.fits(variable, entry):
            action = Action.REFUSE
            findings.append(_misfit(model, variable, entry.dtype, entry.shape))
        elif claims[entry.key] > 1:
            action = Action.REFUSE
            findings.append(_shared_key(model, variable, entry.key))
        rows.append(PlanRow(model.name, variable, action, entry))
    return rows, findings


def _remark(kind: str, model: ModelSpec, variable: VariableSpec) -> Finding:
    return Finding(KINDS[kind], variable.name, model=model.name)


def _missing(model: ModelSpec, variable: VariableSpec, suggester: Suggester) -> Finding:
    return Finding(
        KINDS["missing-key"],
        variable.name,
        suggester.suggest(variable),
        model=model.name,
        expected=type_text(variable.dtype, variable.shape),
        waiver=("allow_missing", variable.local_name),
    )


def _misfit(
    model: ModelSpec, variable: VariableSpec, dtype: str, shape: Tuple[int, ...]
) -> Finding:
    kind = "dtype-mismatch" if dtype != variable.dtype else "shape-mismatch"
    return Finding(
        KINDS[kind],
        variable.name,
        model=model.name,
        expected=type_text(variable.dtype, variable.shape),
        found=type_text(dtype, shape),
        hint="build the model with the checkpoint's shapes and dtypes",
    )


def _shared_key(model: ModelSpec, variable: VariableSpec, key: str) -> Finding:
    return Finding(
        KINDS["key-claimed-twice"],
        variable.name,
        f"another variable of the model matches {key} too",
        model=model.name,
        hint="give each variable a name of its own inside the scope",
    )


def _rule_findings(model: ModelSpec, renamed: rules_lib.RenamedKeys) -> List[Finding]:
    findings = [
        Finding(
            KINDS["unused-rule"],
            f"Rename({rule.pattern!r}, {rule.text!r})",
            "it is the first to match of no key",
            model=model.name,
        )
        for rule in renamed.unused
    ]
    for name, keys in renamed.collisions.items():
        findings.append(
            Finding(
                KINDS["rule-collision"],
                name,
                f"{len(keys)} keys get this name: {cut_names(keys)}",
                model=model.name,
            )
        )
    return findings


def _unused_waivers(
    model: ModelSpec,
    rows: Sequence[PlanRow],
    leftovers: Leftovers,
) -> List[Finding]:
    missing = [
        row.variable.local_name
        for row in rows
        if row.action is Action.INITIALIZE and not row.variable.is_local
    ]
    unused = [
        ("allow_missing", pattern, "no variable that is missing")
        for pattern in waivers.unused(model.allow_missing, missing)
    ]
    unused += [
        ("allow_unused", pattern, "no weights that are left over")
        for pattern in waivers.unused(model.allow_unused, leftovers.waivable)
    ]
    return [
        Finding(
            KINDS["unused-waiver"],
            f"{argument}={pattern!r}",
            f"it matches {what}",
            model=model.name,
        )
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
    if any(finding.is_error for finding in match_model(with_rules, source).findings):
        return findings
    texts = ", ".join(f'Rename(r"{rule.pattern}", r"{rule.text}")' for rule in rules)
    hint = f"rules=[{texts}] for {model.name!r}, with which all of it matches"
    first = next(finding for finding in findings if finding.subject == missing[0].name)
    return [
        dataclasses.replace(finding, hint=hint) if finding is first else finding
        for finding in findings
    ]
