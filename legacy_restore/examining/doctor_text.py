"""A diagnosis as text: some lines for each run, what is wrong, what to type next."""

from __future__ import annotations

import os
from typing import Dict, List, Optional, Sequence, Tuple

from legacy_restore.examining.contents_text import class_text
from legacy_restore.examining.diagnosis import (
    CheckpointRow,
    Diagnosis,
    GraphRow,
    Group,
    Layout,
    NextCommand,
    StateRow,
    StateStatus,
)
from legacy_restore.examining.doctor_eras import UNKNOWN
from legacy_restore.report.findings import Finding, errors_of
from legacy_restore.report.table import cut, cut_names, human_bytes, printable

_INDENT = "  "

# What fits on a screen; everything is in the JSON.
_MAX_GROUPS = 24
_MAX_GRAPHS = 12
_MAX_FINDINGS = 6
_MAX_REMARKS = 16
_MAX_COMMANDS = 14
_MAX_SCOPES = 6


_LEADS_NOWHERE = (StateStatus.MISSING, StateStatus.MOVED)


def diagnosis_text(diagnosis: Diagnosis) -> str:
    """Returns a diagnosis as text, long lists cut with a count."""
    groups = diagnosis.groups
    states = _by_directory(diagnosis.state_files)
    blocks = [_head_lines(diagnosis)]
    told = set()
    shown = _shown(groups)
    for group in shown:
        state = states.get(group.directory)
        is_first = group.directory not in told
        told.add(group.directory)
        blocks.append(_group_lines(group, state if is_first else None))
    if len(groups) > len(shown):
        rest = len(groups) - len(shown)
        blocks.append([f"... and {rest} more, which --json lists"])
    with_groups = {group.directory for group in groups}
    lone = [
        one
        for one in diagnosis.state_files
        if os.path.dirname(one.path) not in with_groups
    ]
    blocks += [[printable(one.path), *_state_lines(one)] for one in lone[:_MAX_GRAPHS]]
    if diagnosis.graphs:
        blocks.append(_graph_lines(diagnosis.graphs))
    lines = [line for one in diagnosis.more_findings for line in _finding_lines(one)]
    if lines:
        blocks.append(cut(lines, _MAX_REMARKS, ""))
    if diagnosis.commands:
        blocks.append(_command_lines(diagnosis.commands))
    return "\n\n".join("\n".join(lines) for lines in blocks)


def _shown(groups: Sequence[Group]) -> List[Group]:
    """As many groups as there is room for: where something is wrong if not all."""
    if len(groups) <= _MAX_GROUPS:
        return list(groups)
    ranked = sorted(groups, key=lambda one: all(row.is_complete for row in one.rows))
    chosen = ranked[:_MAX_GROUPS]
    return [one for one in groups if one in chosen]


def _head_lines(diagnosis: Diagnosis) -> List[str]:
    rows = diagnosis.checkpoints
    unread = sum(1 for row in rows if row.is_unread)
    damaged = sum(1 for row in rows if not row.is_complete) - unread
    looked = (
        f"{_count(diagnosis.num_directories, 'directory', 'directories')}, "
        f"{_count(diagnosis.num_files, 'file')}"
    )
    parts = [_count(len(rows), "checkpoint") if rows else "no checkpoint"]
    if diagnosis.graphs:
        parts.append(_count(len(diagnosis.graphs), "graph") + " alone")
    if damaged:
        parts.append(f"{damaged:,} not complete or damaged")
    if unread:
        parts.append(f"{unread:,} cannot be read here")
    num_faults = sum(len(row.faults) for row in rows)
    others = len(errors_of(diagnosis.findings)) - num_faults
    if others:
        parts.append(_count(others, "other error" if num_faults else "error"))
    if diagnosis.ok:
        parts.append(
            "all data verified, nothing is wrong"
            if diagnosis.read == "all"
            else "nothing is damaged as far as indexes and sizes tell"
        )
    remarks = len(diagnosis.findings) - len(errors_of(diagnosis.findings))
    if remarks:
        parts.append(_count(remarks, "remark"))
    path = printable(diagnosis.path)
    return [f"{path}: {', '.join(parts)}", f"looked at {looked}"]


def _group_lines(group: Group, state: Optional[StateRow]) -> List[str]:
    newest = group.newest
    lines = [_group_head(group)]
    lines += [_INDENT + line for line in _described(newest, len(group.rows) > 1)]
    if state is not None:
        lines += _state_lines(state)
    found: List[str] = []
    for row in group.rows:
        for one in row.findings:
            label = "" if len(group.rows) == 1 else _label(row)
            found += _finding_lines(one, label)
    return [*lines, *(_INDENT + line for line in cut(found, _MAX_FINDINGS, ""))]


def _group_head(group: Group) -> str:
    rows = group.rows
    name = printable(os.path.join(group.directory, group.stem))
    if rows[0].packaging != "checkpoint":
        name = printable(group.directory)
    size = human_bytes(sum(row.nbytes for row in rows))
    if len(rows) == 1:
        step = f", step {rows[0].step}" if rows[0].step is not None else ""
        verdict = _verdict(rows[0])
        return f"{name}: {rows[0].packaging}{step}, {size}, {verdict}"
    steps = [row.step for row in rows if row.step is not None]
    reach = f", steps {steps[0]} to {steps[-1]}" if steps else ""
    damaged = sum(1 for row in rows if not row.is_complete)
    verdict = "all complete" if not damaged else f"{damaged} not complete or damaged"
    return f"{name}: {len(rows)} checkpoints{reach}, {size}, {verdict}"


def _verdict(row: CheckpointRow) -> str:
    if row.is_complete:
        return "complete"
    return "cannot be read here" if row.is_unread else "not complete or damaged"


def _described(row: CheckpointRow, has_others: bool) -> List[str]:
    layout = row.layout
    which = f"{_label(row)}: " if has_others else ""
    if layout is None:
        return [f"{which}format {row.format}; what it holds cannot be read"]
    kind = "object-based" if layout.is_object_based else "name-based"
    total = layout.total
    lines = [
        f"{which}format {row.format}, {kind}, {_count(total.tensors, 'tensor')}, "
        f"{total.parameters:,} parameters",
        _writer_line(row, layout),
    ]
    if layout.classes:
        classes = [f"{one.total.tensors} {class_text(one)}" for one in layout.classes]
        lines.append(f"classes: {', '.join(classes)}")
    scopes = [
        f"{printable(one.name) or '(no scope)'} ({one.tensors})"
        for one in layout.scopes
    ]
    if scopes:
        lines.append(f"scopes: {cut_names(scopes, _MAX_SCOPES)}")
    return lines


def _writer_line(row: CheckpointRow, layout: Layout) -> str:
    if row.writer is not None:
        graph = printable(os.path.basename(row.graph or ""))
        return f"written by TensorFlow {printable(row.writer)}, as {graph} says"
    era = layout.era
    proofs = [f"{printable(one.subject)} ({one.says})" for one in era.evidence]
    why = f": {'; '.join(proofs)}" if proofs else ""
    if era.releases == UNKNOWN:
        return f"written by an unknown TensorFlow{why}"
    return f"written by TensorFlow {era.releases}{why}"


def _state_lines(state: StateRow) -> List[str]:
    if state.named is None:
        return [f"{_INDENT}state file: names nothing that can be read"]
    foreign = ", a path of another machine" if state.is_foreign else ""
    line = f"state file: names {printable(state.named)}{foreign}: {state.status.value}"
    if state.taken is not None and state.status is not StateStatus.COMPLETE:
        line += f"; taken is {printable(os.path.basename(state.taken))}"
    if state.status in _LEADS_NOWHERE:
        line += " (TensorFlow's latest_checkpoint gives None)"
    return [_INDENT + line]


def _by_directory(states: Sequence[StateRow]) -> Dict[str, StateRow]:
    return {os.path.dirname(one.path): one for one in reversed(states)}


def _graph_lines(graphs: Sequence[GraphRow]) -> List[str]:
    lines = []
    for one in graphs:
        writer = f", TensorFlow {printable(one.writer)}" if one.writer else ""
        nodes = "" if one.nodes is None else f", {_count(one.nodes, 'node')}"
        lines.append(f"{_INDENT}{printable(one.path)}: {one.kind}{nodes}{writer}")
        for finding in one.findings:
            text = f"{finding.severity.value}: {finding.kind.title}: "
            lines.append(_INDENT * 2 + text + printable(finding.message))
    return ["graphs without checkpoint", *cut(lines, 2 * _MAX_GRAPHS)]


def _finding_lines(finding: Finding, label: str = "") -> List[str]:
    told = [finding.message]
    if finding.expected is not None and finding.found is not None:
        told.append(f"{finding.found} instead of {finding.expected}")
    where = f"{label}: " if label else ""
    text = "; ".join(one for one in told if one)
    line = f"{finding.severity.value}: {where}{finding.kind.title}: {finding.subject}"
    lines = [printable(f"{line}: {text}" if text else line)]
    if finding.hint is not None:
        lines.append(f"{_INDENT}try: {printable(finding.hint)}")
    return lines


def _command_lines(commands: Sequence[NextCommand]) -> List[str]:
    chosen: List[Tuple[str, str]] = [(one.text, one.why) for one in commands]
    lines = [f"{_INDENT}{text}    # {why}" for text, why in chosen]
    # The last one is about everything.
    if len(lines) > _MAX_COMMANDS:
        lines = [*cut(lines[:-1], _MAX_COMMANDS - 1), lines[-1]]
    return ["next", *lines]


def _label(row: CheckpointRow) -> str:
    return (
        printable(os.path.basename(row.prefix))
        if row.step is None
        else f"step {row.step}"
    )


def _count(number: int, noun: str, plural: Optional[str] = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
