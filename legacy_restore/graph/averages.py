"""How a builder calls its moving averages.

A ``tf.train.ExponentialMovingAverage(name=...)`` stores the average of ``w`` as
``w/<name>``. It is no part of the graph, but it leaves traces there:

- ``apply()`` updates each average in a scope ``AssignMovingAvg`` by
  ``(average - variable) * decay``. Batch normalisation updates its statistics there
  too, some of them below the name of a variable; but by what the layer computes.
- ``average_name()``, and so ``variables_to_restore()``, asks the graph whether the name
  is free of each variable without an average (``Graph.unique_name``).

Both are in ``tensorflow/python/training/moving_averages.py``.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any, Iterator, List, Mapping, Sequence, Set, Tuple

from legacy_restore.mapping.batch_norm import is_statistic_part
from legacy_restore.planning.shadows import DEFAULT_NAME

_UPDATES = frozenset(["AssignSub", "AssignSubVariableOp"])
_UPDATE_SCOPE = re.compile(r"(?:.*/)?AssignMovingAvg(?:_\d+)?(?:/.*)?")
# What a value passes on its way from a variable to the subtraction, unchanged.
_READS = frozenset(
    ["Identity", "ReadVariableOp", "Switch", "RefSwitch", "Enter", "RefEnter"]
)


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

    What it asked for is what it restores by. What it only updates need not be what a
    checkpoint is to be restored from, as with a copy of the weights that follows them
    slowly: TensorFlow's own name counts beside it.

    Args:
      operations: The operations that it created.
      variables: The ``tf.Variable`` objects that it created, parts one by one.
      asked: Names about which it asked the graph.
    """
    by_name = {variable.op.name: variable for variable in variables}
    updated = _updated_names(operations, by_name)
    intended = {_below_an_owner(name, by_name) for name in asked} - {""}
    names = sorted(updated | intended)
    if updated and not intended and DEFAULT_NAME not in updated:
        names.append(DEFAULT_NAME)
    return tuple(names)


def _updated_names(operations: Sequence[Any], by_name: Mapping[str, Any]) -> Set[str]:
    """The names of the averages of variables that are updated by these."""
    found = set()
    for operation in operations:
        if operation.type not in _UPDATES or not _UPDATE_SCOPE.fullmatch(
            operation.name
        ):
            continue
        average = by_name.get(_variable_read(operation.inputs[0]))
        if average is None:
            continue
        for name in _subtracted(operation.inputs[1]):
            owner = by_name.get(name)
            if owner is not None and _same_type(owner, average):
                found.add(_below_an_owner(average.op.name, {name: owner}))
    return found - {""}


def _subtracted(delta: Any) -> List[str]:
    """The variables that a factor of a product subtracts, themselves and no more.

    Whatever is computed from a variable is not it: batch normalisation averages what
    the weights before it give.
    """
    factors = delta.op.inputs if delta.op.type == "Mul" else [delta]
    return [
        _variable_read(factor.op.inputs[1])
        for factor in factors
        if factor.op.type == "Sub"
    ]


def _variable_read(tensor: Any) -> str:
    """The name of the operation whose value a tensor hands on."""
    while tensor.op.type in _READS:
        tensor = tensor.op.inputs[0]
    return str(tensor.op.name)


def _same_type(one: Any, other: Any) -> bool:
    # A shape that is not known may be the same: the checkpoint's is compared too.
    return one.dtype.base_dtype == other.dtype.base_dtype and bool(
        one.shape.is_compatible_with(other.shape)
    )


def _below_an_owner(name: str, owners: Mapping[str, Any]) -> str:
    """What stands behind the name of a variable in the name of its average, or ''.

    An average that is made under a scope has that scope before the whole name of its
    variable: ``train/dense/kernel/ExponentialMovingAverage``.
    """
    parts = name.split("/")
    if is_statistic_part(parts[-1]):
        return ""
    for end in range(len(parts) - 1, 0, -1):
        for start in range(end):
            if "/".join(parts[start:end]) in owners:
                return "/".join(parts[end:])
    return ""
