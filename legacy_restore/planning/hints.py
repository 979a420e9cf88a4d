"""What to type to permit what a plan refuses."""

from __future__ import annotations

import re
from typing import Dict, List, Tuple

from legacy_restore.mapping import waivers
from legacy_restore.planning.plan import Action, ModelPlan, Plan

_MAX_PATTERNS = 4


def waiver_hints(plan: Plan) -> List[str]:
    """Returns a line for each model and waiver that would permit its findings.

    Where a missing variable has a hint of its own, that is the better advice: waiving
    what could be restored is not. Nor is it where no name matches: to waive all of a
    model would be to restore nothing, and to call that a success.
    """
    missing = ("missing-key", "missing-shadow", "no-shadows")
    advised = {f.model for f in plan.findings if f.id in missing and f.hint}
    hints = []
    for one in plan.models:
        if one.name not in advised and _matches_nothing(one):
            advised.add(one.name)
            hints.append(_hint_for_names(one))
    wanted: Dict[Tuple[str, str], List[str]] = {}
    for finding in plan.findings:
        if finding.model is None or finding.model in advised:
            continue
        if finding.is_error and finding.waiver is not None:
            argument, name = finding.waiver
            wanted.setdefault((finding.model, argument), []).append(name)
    for (model, argument), names in wanted.items():
        patterns = waivers.suggest(names, _all_names(plan, model, argument))
        if argument == "cast":
            hints.append(_cast_hint(plan, model, patterns, names))
        else:
            hints.append(_hint(plan, model, argument, patterns))
    return hints


def _all_names(plan: Plan, model: str, argument: str) -> List[str]:
    """All names that a waiver of this model could match."""
    if argument != "allow_unused":
        return [row.variable.local_name for row in plan[model].rows]
    taken = [row.key for row in plan[model].rows if row.key is not None]
    left = [
        f.subject for f in plan[model].findings if f.waiver and f.waiver[0] == argument
    ]
    return taken + left


def _cast_hint(plan: Plan, model: str, patterns: List[str], names: List[str]) -> str:
    """The hint for casts: a pattern stands for one dtype, so all of one are named."""
    dtypes = {row.variable.local_name: row.variable.dtype for row in plan[model].rows}
    of_names = dict.fromkeys(patterns, dtypes[names[0]])
    if len({dtypes[name] for name in names}) > 1:  # One by one: they differ.
        of_names = {waivers.suggest([name], dtypes)[0]: dtypes[name] for name in names}
    pairs = list(of_names.items())[:_MAX_PATTERNS]
    shown = ", ".join(f'"{pattern}": "{dtype}"' for pattern, dtype in pairs)
    rest = ", ..." if len(of_names) > _MAX_PATTERNS else ""
    flags = " ".join(f"--cast='{model}:{one}=>{dtype}'" for one, dtype in pairs)
    return _typed(plan, f"cast={{{shown}{rest}}} for {model!r}", flags)


def _hint(plan: Plan, model: str, argument: str, patterns: List[str]) -> str:
    shown = ", ".join(f'"{pattern}"' for pattern in patterns[:_MAX_PATTERNS])
    rest = ", ..." if len(patterns) > _MAX_PATTERNS else ""
    flags = " ".join(
        f"--{argument}='{model}:{one}'" for one in patterns[:_MAX_PATTERNS]
    )
    return _typed(plan, f"{argument}=[{shown}{rest}] for {model!r}", flags)


def _typed(plan: Plan, text: str, flags: str) -> str:
    """What to type in a program or, where there is one, in a command."""
    return f"{text}   or   {flags}" if plan.HAS_COMMAND else text


def _matches_nothing(model: ModelPlan) -> bool:
    """Whether all variables are missing, and there are weights that could be theirs."""
    ids = {finding.id for finding in model.findings}
    if not {"missing-key", "unused-weights"} <= ids:
        return False
    return all(row.action is Action.REFUSE and row.entry is None for row in model.rows)


def _hint_for_names(model: ModelPlan) -> str:
    """Rules for names: those of tensors that have one partner of their type."""
    missing = _by_type(model, "missing-key")
    left = _by_type(model, "unused-weights")
    rules = [
        f'lr.Rename(r"^{re.escape(left[found][0])}$", r"{names[0]}")'
        for found, names in missing.items()
        if len(names) == len(left.get(found, ())) == 1
    ][:_MAX_PATTERNS]
    if len(rules) < len(model.rows):
        rules.append("..." if rules else "lr.Rename(...)")
    return (
        f"rules=[{', '.join(rules)}] for {model.name!r}, from its keys to the names of "
        "the variables, or another checkpoint: no name is the same"
    )


def _by_type(model: ModelPlan, kind: str) -> Dict[str, List[str]]:
    """The names in findings of one kind, by dtype and shape."""
    names: Dict[str, List[str]] = {}
    for finding in model.findings:
        if finding.id == kind and finding.waiver is not None:
            type_shown = finding.expected or finding.found or ""
            names.setdefault(type_shown, []).append(finding.waiver[1])
    return names
