"""What a checkpoint holds as text: its tensors, totals by class, findings."""

from __future__ import annotations

from typing import List, Sequence, Union

from legacy_restore.examining.contents import ClassTotal, Contents, ContentsRow
from legacy_restore.mapping.classify import Classified
from legacy_restore.planning.spec import type_text
from legacy_restore.report.refusal import finding_lines
from legacy_restore.report.table import align, human_bytes, printable

_INDENT = "  "


def contents_text(contents: Contents) -> str:
    """Returns contents as text, every tensor in it: it is what was asked for."""
    blocks = [_head_lines(contents)]
    if contents.rows:
        blocks += [_tensor_lines(contents.rows), _total_lines(contents)]
    for finding in contents.findings:
        heading = f"{finding.severity.value}: {finding.kind.title}"
        blocks.append([heading, *finding_lines([finding], _INDENT)])
    return "\n\n".join("\n".join(lines) for lines in blocks)


def _head_lines(contents: Contents) -> List[str]:
    step = "no step in its name" if contents.step is None else f"step {contents.step}"
    count = _count(contents.total.tensors, "tensor")
    return [
        printable(contents.location.prefix),
        f"format {contents.format}, {step}, {count}",
    ]


def _tensor_lines(rows: Sequence[ContentsRow]) -> List[str]:
    columns = [
        ["key", *(row.entry.key for row in rows)],
        ["type", *(_type(row) for row in rows)],
        _to_the_right(["size", *(human_bytes(row.entry.nbytes) for row in rows)]),
        ["class", *(_class_text(row.classified) for row in rows)],
    ]
    return align(list(zip(*columns)), _INDENT)


def _total_lines(contents: Contents) -> List[str]:
    of_classes = contents.class_totals
    totals = [*(one.total for one in of_classes), contents.total]
    columns = [
        ["class", *(_class_text(one) for one in of_classes), "total"],
        _to_the_right(["tensors", *(f"{total.tensors:,}" for total in totals)]),
        _to_the_right(["parameters", *(f"{total.parameters:,}" for total in totals)]),
        _to_the_right(["size", *(human_bytes(total.nbytes) for total in totals)]),
    ]
    return align(list(zip(*columns)), _INDENT)


def _type(row: ContentsRow) -> str:
    entry = row.entry
    text = type_text(entry.dtype, entry.shape)
    if entry.slices:
        text += f" in {_count(len(entry.slices), 'slice')}"
    return text if entry.is_complete else text + ", incomplete"


def _class_text(one: Union[Classified, ClassTotal]) -> str:
    return one.tensor_class.value + (f" ({one.optimizer})" if one.optimizer else "")


def _to_the_right(cells: Sequence[str]) -> List[str]:
    width = max(map(len, cells))
    return [cell.rjust(width) for cell in cells]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
