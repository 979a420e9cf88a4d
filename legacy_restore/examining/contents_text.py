"""What a checkpoint holds as text: its tensors, totals by class, findings."""

from __future__ import annotations

from typing import List, Sequence, Union

from legacy_restore.checkpoint import TensorEntry
from legacy_restore.examining.contents import ClassTotal, Contents, ContentsRow
from legacy_restore.mapping.classify import Classified
from legacy_restore.report.refusal import finding_blocks
from legacy_restore.report.table import (
    align,
    count_text,
    human_bytes,
    in_blocks,
    printable,
    type_text,
)

_INDENT = "  "


def contents_text(contents: Contents) -> str:
    """Returns contents as text, every tensor in it: it is what was asked for."""
    blocks = [head_lines(contents)]
    if contents.rows:
        blocks += [_tensor_lines(contents.rows), total_lines(contents)]
    return in_blocks([*blocks, *finding_blocks(contents.findings)])


def head_lines(contents: Contents) -> List[str]:
    """Returns what every view of a checkpoint begins with."""
    step = "no step in its name" if contents.step is None else f"step {contents.step}"
    count = count_text(contents.total.tensors, "tensor")
    if contents.chosen_of is not None:
        count = f"{contents.total.tensors:,} of " + count_text(
            contents.chosen_of.tensors, "tensor"
        )
    written_by = (
        []
        if contents.tensorflow_version is None
        else [f"written by TensorFlow {contents.tensorflow_version}"]
    )
    return [
        printable(contents.location.prefix),
        f"format {contents.format}, {step}, {count}",
        *written_by,
    ]


def _tensor_lines(rows: Sequence[ContentsRow]) -> List[str]:
    columns = [
        ["key", *(row.entry.key for row in rows)],
        *_object_columns(rows),
        ["type", *(stored_type(row.entry) for row in rows)],
        to_the_right(["size", *(human_bytes(row.entry.nbytes) for row in rows)]),
        ["class", *(class_text(row.classified) for row in rows)],
    ]
    return align(list(zip(*columns)), _INDENT)


def _object_columns(rows: Sequence[ContentsRow]) -> List[List[str]]:
    """What only object-based checkpoints know.

    The path of an object stands in its keys already. Other names of the same object do
    not: in Keras 3 a weight is first of all one of its optimizer's.
    """
    found = []
    if any(row.object_tensor for row in rows):
        found.append(["variable", *map(_full_name, rows)])
    if any(row.other_paths for row in rows):
        found.append(["also reached as", *map(_other_paths, rows)])
    return found


def _full_name(row: ContentsRow) -> str:
    tensor = row.object_tensor
    return "-" if tensor is None or tensor.full_name is None else tensor.full_name


def _other_paths(row: ContentsRow) -> str:
    if not row.other_paths:
        return "-"
    rest = len(row.other_paths) - 1
    return row.other_paths[0] + (f" and {rest} more" if rest else "")


def total_lines(contents: Contents) -> List[str]:
    """Returns the table of totals by class."""
    of_classes = contents.class_totals
    totals = [*(one.total for one in of_classes), contents.total]
    columns = [
        ["class", *(class_text(one) for one in of_classes), "total"],
        to_the_right(["tensors", *(f"{total.tensors:,}" for total in totals)]),
        to_the_right(["parameters", *(f"{total.parameters:,}" for total in totals)]),
        to_the_right(["size", *(human_bytes(total.nbytes) for total in totals)]),
    ]
    return align(list(zip(*columns)), _INDENT)


def stored_type(entry: TensorEntry) -> str:
    """Returns dtype and shape, and how a tensor is stored if not in one piece."""
    text = type_text(entry.dtype, entry.shape)
    if entry.slices:
        text += f" in {count_text(len(entry.slices), 'slice')}"
    return text if entry.is_complete else text + ", incomplete"


def class_text(one: Union[Classified, ClassTotal]) -> str:
    """Returns a class, and of slots the optimizer."""
    return one.tensor_class.value + (f" ({one.optimizer})" if one.optimizer else "")


def to_the_right(cells: Sequence[str]) -> List[str]:
    """Returns cells of one width, as numbers stand."""
    width = max(map(len, cells))
    return [cell.rjust(width) for cell in cells]
