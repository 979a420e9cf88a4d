"""Plain text tables."""

from __future__ import annotations

from typing import List, Sequence


def align(rows: Sequence[Sequence[str]], indent: str = "  ") -> List[str]:
    """Returns one line for each row, the columns aligned to the left.

    Args:
      rows: Cells; all rows have the same number of them.
      indent: What every line begins with.
    """
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        (indent + "  ".join(c.ljust(w) for c, w in zip(row, widths))).rstrip()
        for row in rows
    ]


def cut(lines: Sequence[str], room: int, indent: str = "  ") -> List[str]:
    """Returns at most ``room`` lines; the last one counts what was left out."""
    if len(lines) <= room:
        return list(lines)
    kept = list(lines[: max(room - 1, 0)])
    return [*kept, f"{indent}... and {len(lines) - len(kept)} more"]


def human_bytes(count: int) -> str:
    """Returns a number of bytes as a person reads it: ``1.5 MiB``."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
