"""What an optimizer gets, as text and as JSON."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from legacy_restore.mapping.optimizer_state.hyperparameters import number_text
from legacy_restore.planning.optimizer_transfer import OptimizerTransfer
from legacy_restore.report.findings import KINDS
from legacy_restore.report.table import align, count_text, cut

_MAX_ROWS = 40
_INDENT = "  "
_UNKNOWN = KINDS["hyperparameter-unknown"]


def transfer_lines(transfer: OptimizerTransfer) -> List[str]:
    """Returns a table of what an optimizer gets, and one of its hyperparameters."""
    stored, rule = transfer.stored, transfer.rule
    if stored is None or rule is None:
        return ["optimizer <- (none)"]
    source = f"{stored.path} ({stored.state.name})"
    lines = [f"optimizer {rule.target.name} <- {source}"]
    rows = _rows(transfer)
    if rows:
        table = align([("variable", "value", "key"), *rows], _INDENT)
        lines += [table[0], *cut(table[1:], _MAX_ROWS, _INDENT)]
    compared = [
        (one.name, _shown(one.stored, "not stored"), _shown(one.live, "no constant"))
        for one in transfer.comparisons
    ]
    if compared:
        heads = ("hyperparameter", "in the checkpoint", "in the optimizer")
        lines += align([heads, *compared], _INDENT)
    return lines


def transfer_text(transfer: OptimizerTransfer) -> str:
    """Says what an optimizer got, and in a second line what nobody could compare."""
    assert transfer.rule is not None
    slots = count_text(len(transfer.slots), "slot")
    step = transfer.step
    steps = "" if step.value is None else f", {count_text(step.value, 'step')}"
    if steps and not step.is_exact:
        steps += " or more"
    unknown = [
        f"{one.subject.rpartition(': ')[2]} {one.found or one.message}"
        for one in transfer.findings
        if one.id == _UNKNOWN.id
    ]
    text = f"optimizer {transfer.rule.target.name}: {slots}{steps}"
    if not unknown:
        return text
    return f"{text}\n{_INDENT}{_UNKNOWN.title}: {', '.join(unknown)}"


def transfer_json(transfer: OptimizerTransfer) -> Dict[str, Any]:
    """Returns it as JSON-ready data; ``docs/plan-json.md`` describes it."""
    stored, rule, step = transfer.stored, transfer.rule, transfer.step
    return {
        "name": None if rule is None else rule.target.name,
        "source": None if stored is None else stored.path,
        "source_name": None if stored is None else stored.state.name,
        "steps": step.value,
        "steps_are_exact": step.is_exact,
        "step_keys": list(transfer.counted_by),
        "rows": [
            {
                "variable": row.variable,
                "slot": row.role,
                "value": str(row.rule),
                "key": None if row.rule.role is None else row.key,
            }
            for row in transfer.slots
        ],
        "restored_hyperparameters": dict(sorted(transfer.hyperparameter_keys.items())),
        "hyperparameters": [
            {"name": one.name, "stored": one.stored, "optimizer": one.live}
            for one in transfer.comparisons
        ],
    }


def _rows(transfer: OptimizerTransfer) -> List[Tuple[str, str, str]]:
    rows = [
        (
            f"{row.variable}: {row.role}",
            str(row.rule),
            "" if row.rule.role is None else row.key,
        )
        for row in transfer.slots
    ]
    rows += [
        (name, "as stored", key)
        for name, key in sorted(transfer.hyperparameter_keys.items())
    ]
    if transfer.step.value is not None:
        steps = count_text(transfer.step.value, "step")
        least = "" if transfer.step.is_exact else "at least "
        rows.append(("steps", least + steps, ", ".join(transfer.counted_by)))
    return rows


def _shown(value: Any, otherwise: str) -> str:
    return otherwise if value is None else number_text(value)
