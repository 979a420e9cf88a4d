"""What a checkpoint holds by scope, with subtotals.

The scopes of a key are what its slashes make: ``a/b/kernel`` is in ``a/b/``, which is
in ``a/``, which is in the root. So that a key that is nothing but slashes makes no
tree deeper than anyone reads, scopes are told apart down to a depth; what is further
down counts for the scope that it is in.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Iterator, List, Tuple

from legacy_restore import errors
from legacy_restore.examining.contents import (
    ClassTotal,
    Contents,
    ContentsRow,
    Total,
    class_totals_of,
    total_of,
)
from legacy_restore.examining.contents_text import class_text, to_the_right
from legacy_restore.examining.view import View
from legacy_restore.report.table import align, human_bytes

DEFAULT_DEPTH = 3
# Nobody nests scopes so deep, and the work grows with the depth.
MAX_DEPTH = 64

_INDENT = "  "


@dataclasses.dataclass(frozen=True)
class Scope:
    """How much is in a scope and in the scopes in it.

    Attributes:
      name: Its name with the slash at the end; empty for the root.
      depth: Number of scopes around it; 0 for the root.
      total: Over all tensors in it.
      class_totals: The same by class.
      is_cut: Whether there are scopes in it that the tree does not show.
    """

    name: str
    depth: int
    total: Total
    class_totals: Tuple[ClassTotal, ...]
    is_cut: bool

    def to_json(self) -> Dict[str, Any]:
        """Returns the scope as JSON-ready data."""
        return {
            "scope": self.name,
            "depth": self.depth,
            "is_cut": self.is_cut,
            **self.total.to_json(),
            "classes": [one.to_json() for one in self.class_totals],
        }


@dataclasses.dataclass(frozen=True)
class ScopeTree(View):
    """How much each scope of a checkpoint holds.

    Attributes:
      contents: What it holds.
      scopes: The root, then each scope before those in it, sorted by name.
    """

    scopes: Tuple[Scope, ...]

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data: that of the contents, and ``tree``."""
        tree = [scope.to_json() for scope in self.scopes]
        return {**self.contents.to_json(), "tree": tree}

    def blocks(self) -> List[List[str]]:
        """Returns the table of scopes."""
        return [_scope_lines(self.scopes)]


def check_depth(depth: int) -> None:
    """Refuses a depth of which there can be no tree.

    Raises:
      UsageError: It is not from 1 to ``MAX_DEPTH``.
    """
    if not 1 <= depth <= MAX_DEPTH:
        raise errors.UsageError(f"the depth is from 1 to {MAX_DEPTH}, not {depth}")


def scope_tree(contents: Contents, depth: int = DEFAULT_DEPTH) -> ScopeTree:
    """Returns what a checkpoint holds by scope.

    Args:
      contents: What it holds.
      depth: How many levels of scopes below the root are told apart.

    Raises:
      UsageError: The depth is none.
    """
    check_depth(depth)
    rows_of: Dict[Tuple[str, ...], List[ContentsRow]] = {}
    cut = set()
    for row in contents.rows:
        *parts, rest = row.entry.key.split("/", depth)
        for end in range(len(parts) + 1):
            rows_of.setdefault(tuple(parts[:end]), []).append(row)
        if "/" in rest:
            cut.add(tuple(parts))
    return ScopeTree(
        contents,
        tuple(
            Scope(
                name="".join(part + "/" for part in parts),
                depth=len(parts),
                total=total_of(rows_of[parts]),
                class_totals=tuple(class_totals_of(rows_of[parts])),
                is_cut=parts in cut,
            )
            for parts in sorted(rows_of)
        ),
    )


def _scope_lines(scopes: Tuple[Scope, ...]) -> List[str]:
    totals = [scope.total for scope in scopes]
    columns = [
        ["scope", *map(_name, scopes)],
        to_the_right(["tensors", *(f"{total.tensors:,}" for total in totals)]),
        to_the_right(["parameters", *(f"{total.parameters:,}" for total in totals)]),
        to_the_right(["size", *(human_bytes(total.nbytes) for total in totals)]),
        ["of it", *(", ".join(_parts(scope)) for scope in scopes)],
    ]
    return align(list(zip(*columns)), _INDENT)


def _name(scope: Scope) -> str:
    if not scope.depth:
        return "(all)"
    return _INDENT * (scope.depth - 1) + scope.name + ("..." if scope.is_cut else "")


def _parts(scope: Scope) -> Iterator[str]:
    for one in scope.class_totals:
        size = human_bytes(one.total.nbytes)
        yield f"{one.total.tensors:,} {class_text(one)} {size}"
