"""Which functions a node calls, and with what."""

from __future__ import annotations

import dataclasses
from typing import Any, Container, List, Set, Tuple

from legacy_restore.importing.nodes import is_control, node_of

CALLS = frozenset(["PartitionedCall", "StatefulPartitionedCall"])
"""Types of operations that call one function with all of their inputs."""

LOOPS = frozenset(["StatelessWhile", "While"])
"""Types of operations that call a function with what it gave before."""

# The first input decides what is called, the others are the arguments.
_BRANCHES = frozenset(["Case", "If", "StatelessCase", "StatelessIf"])
_CALLING = CALLS | _BRANCHES | LOOPS
PASSING = frozenset(
    ["Enter", "Exit", "Identity", "RefEnter", "RefExit", "RefIdentity", "RefSwitch"]
    + ["Switch"]
)
"""Types of operations that hand on their first input, a reference or resource too."""


@dataclasses.dataclass(frozen=True)
class Call:
    """One function that runs when a node runs.

    Attributes:
      function: Its name.
      inputs: What it gets, one for each argument, as the node names them.
    """

    function: str
    inputs: Tuple[str, ...]


def calls_of(node: Any, functions: Container[str]) -> List[Call]:
    """Returns the calls that a node makes when it runs.

    What an operation only keeps for later, as those that make datasets do, is none.

    Args:
      node: A ``NodeDef`` of a graph or of a function.
      functions: The names of all functions.
    """
    op = node.op
    if op not in functions and op not in _CALLING:
        return []
    given = tuple(one for one in node.input if not is_control(one))
    if op in functions:
        return [Call(op, given)]
    given = given[1:] if op in _BRANCHES else given
    names: List[str] = []
    # The attributes of a message have no order.
    for key in sorted(node.attr):
        value = node.attr[key]
        if value.HasField("func"):
            names.append(value.func.name)
        elif value.HasField("list"):
            names += [one.name for one in value.list.func]
    return [Call(name, given) for name in names if name in functions]


def handed_on_from(tensor: str, body: Any) -> str:
    """Returns the node or argument whose output an input is, handed on or not.

    Args:
      tensor: An input of a node.
      body: The nodes that it stands among, by name.
    """
    name = node_of(tensor)
    seen: Set[str] = set()
    while name in body and body[name].op in PASSING and name not in seen:
        seen.add(name)
        name = node_of(body[name].input[0])
    return name
