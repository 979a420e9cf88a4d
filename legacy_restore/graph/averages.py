"""How a builder calls its moving averages.

A ``tf.train.ExponentialMovingAverage(name=...)`` stores the average of ``w`` as
``w/<name>``. It is no part of the graph, but it leaves traces there:

- ``apply()`` updates each average in a scope ``AssignMovingAvg``, as does batch
  normalisation its statistics; but only averages are called after a variable.
- ``average_name()``, and so ``variables_to_restore()``, asks the graph whether the name
  is free of each variable without an average (``Graph.unique_name``).

Both are in ``tensorflow/python/training/moving_averages.py``.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any, Iterator, List, Sequence, Tuple

_UPDATES = frozenset(["AssignSub", "AssignSubVariableOp"])
_UPDATE_SCOPE = re.compile(r"(?:.*/)?AssignMovingAvg(?:_\d+)?(?:/.*)?")


@contextlib.contextmanager
def asked_names(graph: Any) -> Iterator[List[str]]:
    """Gives a list that gets each name about which a graph is asked, not taking it."""
    asked: List[str] = []
    unique_name = graph.unique_name

    def record(name: str, mark_as_used: bool = True) -> Any:
        if not mark_as_used:
            asked.append(name)
        return unique_name(name, mark_as_used)

    # The attribute of this one graph; its class stays as it is.
    graph.unique_name = record
    try:
        yield asked
    finally:
        del graph.unique_name


def average_names(
    operations: Sequence[Any], variables: Sequence[Any], asked: Sequence[str]
) -> Tuple[str, ...]:
    """Returns the names of the moving averages that a builder made or asked for.

    Args:
      operations: The operations that it created.
      variables: The ``tf.Variable`` objects that it created, parts one by one.
      asked: Names about which it asked the graph.
    """
    updated = {
        operation.inputs[0].op.name
        for operation in operations
        if operation.type in _UPDATES and _UPDATE_SCOPE.fullmatch(operation.name)
    }
    owners = {variable.op.name for variable in variables}
    found = {_below_an_owner(name, owners) for name in (*updated, *asked)}
    return tuple(sorted(found - {""}))


def _below_an_owner(name: str, owners: Any) -> str:
    """What stands behind the name of a variable in the name of its average, or ''.

    An average that is made under a scope has that scope before the whole name of its
    variable: ``train/dense/kernel/ExponentialMovingAverage``.
    """
    parts = name.split("/")
    for end in range(len(parts) - 1, 0, -1):
        for start in range(end):
            if "/".join(parts[start:end]) in owners:
                return "/".join(parts[end:])
    return ""
