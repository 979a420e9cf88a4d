"""Plain text tables."""

from __future__ import annotations

from typing import List, Optional, Sequence

_MAX_CELL = 240


def align(rows: Sequence[Sequence[str]], indent: str = "  ") -> List[str]:
    """Returns one line for each row, the columns aligned to the left.

    Args:
      rows: Cells; all rows have the same number of them.
      indent: What every line begins with.
    """
    shown = [[_shown(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown)]
    return [
        (indent + "  ".join(c.ljust(w) for c, w in zip(row, widths))).rstrip()
        for row in shown
    ]


def printable(text: str) -> str:
    """Returns a text as it can be shown in one line.

    What stands in a file, such as a key, must not be able to end the line or to move
    the cursor.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _shown(cell: str) -> str:
    if len(cell) <= _MAX_CELL and cell.isprintable():
        return cell
    text = printable(cell)
    return text if len(text) <= _MAX_CELL else text[: _MAX_CELL - 3] + "..."


def cut(lines: Sequence[str], room: int, indent: str = "  ") -> List[str]:
    """Returns at most ``room`` lines; the last one counts what was left out."""
    if len(lines) <= room:
        return list(lines)
    kept = list(lines[: max(room - 1, 0)])
    return [*kept, f"{indent}... and {len(lines) - len(kept)} more"]


def cut_names(names: Sequence[str], room: int = 4) -> str:
    """Returns names in one line; what is left out is counted."""
    rest = len(names) - room
    return ", ".join(names[:room]) + (f" and {rest} more" if rest > 0 else "")


def count_text(number: int, noun: str) -> str:
    """Returns a number with its noun: ``1 node``, ``2 nodes``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def short_repr(report: object) -> str:
    """Returns what a prompt shows of a report: the first line of its text."""
    return f"<{type(report).__name__}: {str(report).partition(chr(10))[0]}>"


def in_blocks(blocks: Sequence[Sequence[str]]) -> str:
    """Returns blocks of lines as one text, an empty line between them."""
    return "\n\n".join("\n".join(lines) for lines in blocks)


def human_bytes(count: int) -> str:
    """Returns a number of bytes as a person reads it: ``1.5 MiB``."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def type_text(dtype: str, shape: Optional[Sequence[Optional[int]]]) -> str:
    """Returns dtype and shape as they are shown: ``float32[3,?]``."""
    if shape is None:
        return f"{dtype}[<unknown rank>]"
    sizes = ",".join("?" if size is None else str(size) for size in shape)
    return f"{dtype}[{sizes}]"
