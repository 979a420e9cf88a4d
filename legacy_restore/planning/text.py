"""A plan as text: one table for each model, and what there is to say."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence, Tuple

from legacy_restore.planning.hints import waiver_hints
from legacy_restore.planning.objects import TABLE
from legacy_restore.planning.plan import Action, ModelPlan, Plan, PlanRow, row_type
from legacy_restore.report.findings import Finding, Severity
from legacy_restore.report.refusal import finding_lines, hint_lines
from legacy_restore.report.table import align, cut

_MAX_ROWS = 40
_MAX_FINDINGS = 12
_MAX_REMARKS = 4
_INDENT = "  "
_NO_KEY = {Action.INITIALIZE: "(initialiser)", Action.REFUSE: "(none)"}


def plan_text(plan: Plan, more: Sequence[str] = ()) -> str:
    """Returns a plan as text; long tables are cut, with a count of what is left out.

    What a refused plan says to try is what a refused restore says.

    Args:
      plan: The plan.
      more: Lines that stand behind the tables of the models.
    """
    blocks = [_model_lines(model) for model in plan.models]
    blocks.append(list(more))
    blocks.append(_findings_lines(plan.findings))
    verdict = "ready to restore" if plan.ok else "refused"
    errors = [finding for finding in plan.findings if finding.is_error]
    blocks.append(hint_lines(errors, waiver_hints(plan)))
    blocks.append([f"{verdict}: {plan.coverage}"])
    return "\n\n".join("\n".join(lines) for lines in blocks if lines)


def _model_lines(model: ModelPlan) -> List[str]:
    where = "(no checkpoint)"
    if model.location is not None:
        where = (
            f"{model.location.prefix} ({model.format}, matched by {model.matched_by})"
        )
    rows = [_cells(row) for row in model.rows]
    table = align([("variable", "type", "key"), *rows], _INDENT) if rows else []
    return [
        f"{model.name} <- {where}",
        *table[:1],
        *cut(table[1:], _MAX_ROWS, _INDENT),
        f"{_INDENT}{model.coverage}",
    ]


def _cells(row: PlanRow) -> Sequence[str]:
    key = _NO_KEY.get(row.action, "") if row.key is None else row.key
    if row.shared_with is not None:
        key = f"(shared with {row.shared_with.variable})"
    if row.action is Action.INITIALIZE and row.variable.has_value:
        key = "(kept)"
    if row.action is Action.INITIALIZE and row.variable.holds_path:
        key = "(path of an asset)"
    if row.action is Action.INITIALIZE and row.variable.kind == TABLE:
        key = "(empty)"
    if row.conversion is not None:
        key = f"{key} ({row.conversion})"
    if row.action is Action.REFUSE and row.entry is not None:
        key = f"{key} (does not fit)"
    parts = f" in {row.variable.parts} parts" if row.variable.parts else ""
    if not row.variable.is_complete:
        parts = f", {row.variable.parts} of its parts"
    return (row.variable.name, row_type(row) + parts, key)


def _findings_lines(findings: Sequence[Finding]) -> List[str]:
    groups: Dict[Tuple[Severity, Optional[str], str], List[Finding]] = {}
    for severity in Severity:
        for finding in findings:
            if finding.severity is severity:
                title = finding.kind.title
                groups.setdefault((severity, finding.model, title), []).append(finding)
    lines: List[str] = []
    for (severity, model, title), found in groups.items():
        owner = f"{model}: " if model else ""
        lines.append(f"{severity.value}: {owner}{title} ({len(found)})")
        room = _MAX_REMARKS if severity is Severity.REMARK else _MAX_FINDINGS
        lines += cut(finding_lines(found, _INDENT), room, _INDENT)
    return lines
