"""The comparison of two checkpoints as text."""

from __future__ import annotations

from typing import List, Optional

from legacy_restore.examining.compare import ValueDifference
from legacy_restore.examining.diff_report import (
    ComparedBy,
    DiffReport,
    DiffRow,
    DiffSide,
    DiffStatus,
    entry_text,
)
from legacy_restore.report.refusal import finding_blocks
from legacy_restore.report.table import align, count_text, in_blocks

_INDENT = "  "


def diff_text(report: DiffReport) -> str:
    """Returns a comparison as text: every tensor that is not equal, and counts."""
    blocks = [align([_side("A", report.a), _side("B", report.b)], "")]
    shown = [row for row in report.rows if row.status is not DiffStatus.EQUAL]
    if shown:
        head = ("key", "", "A", "B", "values")
        blocks.append(align([head, *map(_cells, shown)], _INDENT))
    blocks.append(_counts(report))
    return in_blocks([*blocks, *finding_blocks(report.notes)])


def _side(name: str, side: DiffSide) -> List[str]:
    count = count_text(side.tensors, "tensor")
    return [name, side.location.prefix, f"format {side.format}", count]


def _cells(row: DiffRow) -> List[str]:
    return [
        row.key,
        row.status.value,
        entry_text(row, row.a) or "",
        entry_text(row, row.b) or "",
        difference_text(row.values) if row.values else _without_values(row),
    ]


def difference_text(found: ValueDifference) -> str:
    """Returns how far two tensors are apart, in words."""
    parts = [f"{found.differing:,} of {found.elements:,} differ"]
    if found.beyond not in (0, found.differing):
        parts.append(f"{found.beyond:,} beyond the tolerance")
    if found.max_abs is not None and found.max_rel is not None:
        largest = found.max_abs
        text = str(largest) if isinstance(largest, int) else f"{largest:.6g}"
        parts.append(f"at most by {text}, relative {found.max_rel:.3g}")
    if found.unmeasured:
        parts.append(f"{found.unmeasured:,} by no finite number")
    return ", ".join(parts)


def _without_values(row: DiffRow) -> str:
    is_by_checksums = row.compared_by is ComparedBy.CHECKSUMS
    if is_by_checksums and row.status is DiffStatus.VALUES:
        return "by their checksums; the values cannot be read"
    return ""


def _counts(report: DiffReport) -> List[str]:
    counts = [
        f"{len(report.with_status(status)):,} {status.value}"
        for status in DiffStatus
        if report.with_status(status)
    ]
    text = count_text(len(report.rows), "tensor")
    if counts:
        text += f": {', '.join(counts)}"
    lines = [text]
    trusted = _by_checksums(report)
    if trusted is not None:
        lines.append(trusted)
    return lines


def _by_checksums(report: DiffReport) -> Optional[str]:
    count = sum(
        row.status is DiffStatus.EQUAL and row.compared_by is ComparedBy.CHECKSUMS
        for row in report.rows
    )
    if not count:
        return None
    return (
        f"{count:,} of them equal by the checksums that both files store, not read "
        '(--full, read="all" reads them)'
    )
