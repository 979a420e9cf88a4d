"""How moving averages are called that a graph updates.

A ``tf.train.ExponentialMovingAverage(name=...)`` stores the average of ``w`` as
``w/<name>``, and its ``apply()`` updates each average in a scope ``AssignMovingAvg`` by
``(average - variable) * decay`` (``tensorflow/python/training/moving_averages.py``).
Batch normalisation updates its statistics there too, some of them below the name of a
variable; but by what the layer computes.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Iterable, Iterator, List, Mapping, Set, Tuple

from legacy_restore.importing.nodes import is_control, node_of
from legacy_restore.importing.saved_variables import SavedVariable
from legacy_restore.mapping.batch_norm import is_statistic_part
from legacy_restore.planning.shadows import DEFAULT_NAME
from legacy_restore.planning.spec import Shape

_UPDATES = frozenset(["AssignSub", "AssignSubVariableOp"])
_UPDATE_SCOPE = re.compile(r"(?:.*/)?AssignMovingAvg(?:_\d+)?(?:/.*)?")
# What a value passes on its way from a variable to the subtraction, unchanged.
_READS = frozenset(
    ["Identity", "ReadVariableOp", "Switch", "RefSwitch", "Enter", "RefEnter"]
)

VariableType = Tuple[str, Shape]
"""The dtype and the static shape of a variable."""

InputsOf = Callable[[Any], List[Any]]
"""Gives the operations whose outputs an operation takes, one for each of them."""


def average_names(
    meta_graph: Any, variables: Iterable[SavedVariable]
) -> Tuple[str, ...]:
    """Returns the names of the moving averages that a saved graph updates.

    What the graph was restored from, it does not tell: TensorFlow's own name counts
    beside those that it updates.

    Args:
      meta_graph: The ``MetaGraphDef``, all of it: what trains is no part of what the
        outputs need.
      variables: Its variables.
    """
    nodes = {node.name: node for node in meta_graph.graph_def.node}

    def inputs_of(node: Any) -> List[Any]:
        names = (node_of(one) for one in node.input if not is_control(one))
        return [nodes[name] for name in names if name in nodes]

    updating = (node for node in nodes.values() if is_update(node.op, node.name))
    types = {one.name: (one.dtype, one.shape) for one in variables}
    found = updated_names(updating, inputs_of, lambda node: str(node.op), types)
    return with_default(found, ())


def is_update(op: str, name: str) -> bool:
    """Returns whether an operation is called like one that updates an average."""
    return op in _UPDATES and _UPDATE_SCOPE.fullmatch(name) is not None


def with_default(updated: Iterable[str], intended: Iterable[str]) -> Tuple[str, ...]:
    """Returns names of averages; with TensorFlow's own where none is asked for.

    Args:
      updated: Those that are updated.
      intended: Those that are asked for, to restore by.
    """
    names = {*updated, *intended}
    if names and not set(intended) and DEFAULT_NAME not in names:
        return (*sorted(names), DEFAULT_NAME)
    return tuple(sorted(names))


def updated_names(
    updating: Iterable[Any],
    inputs_of: InputsOf,
    type_of: Callable[[Any], str],
    variables: Mapping[str, VariableType],
) -> Set[str]:
    """Returns the names of the averages of variables that operations update.

    Args:
      updating: Operations for which ``is_update`` holds.
      inputs_of: Gives the operations before one.
      type_of: Gives the type of one.
      variables: The variables, by the names of their operations.
    """

    def variable_read(operation: Any) -> str:
        """The operation whose value this one hands on."""
        seen = set()
        while type_of(operation) in _READS and operation.name not in seen:
            seen.add(operation.name)
            operation = next(iter(inputs_of(operation)), operation)
        return str(operation.name)

    def subtracted(delta: Any) -> Iterator[str]:
        """What a factor of a product subtracts: variables themselves and no more.

        Whatever is computed from a variable is not it: batch normalisation averages
        what the weights before it give.
        """
        factors = inputs_of(delta) if type_of(delta) == "Mul" else [delta]
        for factor in factors:
            terms = inputs_of(factor)
            if type_of(factor) == "Sub" and len(terms) > 1:
                yield variable_read(terms[1])

    found = set()
    for operation in updating:
        inputs = inputs_of(operation)
        average = variable_read(inputs[0]) if len(inputs) > 1 else ""
        if average not in variables:
            continue
        for name in subtracted(inputs[1]):
            if name in variables and _same(variables[name], variables[average]):
                found.add(below_an_owner(average, {name: None}))
    return found - {""}


def below_an_owner(name: str, owners: Mapping[str, Any]) -> str:
    """Returns what stands behind a variable's name in that of its average, or ''.

    An average that is made under a scope has that scope before the whole name of its
    variable: ``train/dense/kernel/ExponentialMovingAverage``.

    Args:
      name: The name of a variable.
      owners: The variables that it may be an average of, by name.
    """
    parts = name.split("/")
    if is_statistic_part(parts[-1]):
        return ""
    for end in range(len(parts) - 1, 0, -1):
        for start in range(end):
            if "/".join(parts[start:end]) in owners:
                return "/".join(parts[end:])
    return ""


def _same(one: VariableType, other: VariableType) -> bool:
    # A shape that is not known may be the same: the checkpoint's is compared too.
    if one[0] != other[0]:
        return False
    if one[1] is None or other[1] is None:
        return True
    return len(one[1]) == len(other[1]) and all(
        None in pair or pair[0] == pair[1] for pair in zip(one[1], other[1])
    )
