"""How a builder calls its moving averages.

A ``tf.train.ExponentialMovingAverage(name=...)`` stores the average of ``w`` as
``w/<name>``. It is no part of the graph, but it leaves traces there:

- ``apply()`` updates each average (``importing/average_names.py``).
- ``average_name()``, and so ``variables_to_restore()``, asks the graph whether the name
  is free of each variable without an average (``Graph.unique_name``).

Both are in ``tensorflow/python/training/moving_averages.py``.
"""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, List, Sequence, Tuple

from legacy_restore.graph.variables import static_shape
from legacy_restore.importing.average_names import (
    below_an_owner,
    is_update,
    updated_names,
    with_default,
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
    types = {
        one.op.name: (one.dtype.base_dtype.name, static_shape(one.shape))
        for one in variables
    }
    updating = [one for one in operations if is_update(one.type, one.name)]
    updated = updated_names(updating, _inputs_of, lambda one: str(one.type), types)
    intended = {below_an_owner(name, types) for name in asked} - {""}
    return with_default(updated, intended)


def _inputs_of(operation: Any) -> List[Any]:
    return [tensor.op for tensor in operation.inputs]
