"""What to type to permit what a plan refuses."""

from __future__ import annotations

from typing import Dict, List, Tuple

from legacy_restore.mapping import waivers
from legacy_restore.planning.plan import Plan

_MAX_PATTERNS = 4


def waiver_hints(plan: Plan) -> List[str]:
    """Returns a line for each model and waiver that would permit its findings.

    Where a missing variable has a hint of its own, that is the better advice: waiving
    what could be restored is not.
    """
    missing = ("missing-key", "missing-shadow", "no-shadows")
    advised = {f.model for f in plan.findings if f.id in missing and f.hint}
    wanted: Dict[Tuple[str, str], List[str]] = {}
    for finding in plan.findings:
        if finding.model is None or finding.model in advised:
            continue
        if finding.is_error and finding.waiver is not None:
            argument, name = finding.waiver
            wanted.setdefault((finding.model, argument), []).append(name)
    return [
        _hint(
            model, argument, waivers.suggest(names, _all_names(plan, model, argument))
        )
        for (model, argument), names in wanted.items()
    ]


def _all_names(plan: Plan, model: str, argument: str) -> List[str]:
    """All names that a waiver of this model could match."""
    if argument == "allow_missing":
        return [row.variable.local_name for row in plan[model].rows]
    taken = [row.key for row in plan[model].rows if row.key is not None]
    left = [
        f.subject for f in plan[model].findings if f.waiver and f.waiver[0] == argument
    ]
    return taken + left


def _hint(model: str, argument: str, patterns: List[str]) -> str:
    shown = ", ".join(f'"{pattern}"' for pattern in patterns[:_MAX_PATTERNS])
    rest = ", ..." if len(patterns) > _MAX_PATTERNS else ""
    flags = " ".join(
        f"--{argument}='{model}:{one}'" for one in patterns[:_MAX_PATTERNS]
    )
    return f"{argument}=[{shown}{rest}] for {model!r}   or   {flags}"
