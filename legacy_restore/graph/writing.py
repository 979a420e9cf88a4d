"""The operation that writes a model: what its restore reads, and what that leaves."""

from __future__ import annotations

import dataclasses
from typing import Any, List, Mapping, Sequence, Tuple

from legacy_restore.graph.restore_group import RestoreGroup
from legacy_restore.graph.saveables import OwnedSaveable
from legacy_restore.graph.variables import OwnedVariable, slice_spec, value_of
from legacy_restore.graph.write_operations import Written, make_write
from legacy_restore.planning.own_table import saved_names
from legacy_restore.planning.spec import ModelSpec, Part
from legacy_restore.tf import tf


@dataclasses.dataclass(frozen=True, eq=False)
class Writer:
    """What writes a model's variables.

    Attributes:
      filename: The tensor that takes the prefix.
      operation: The operation that writes.
      keys: The key of each variable, by its name in the graph.
      pieces: The parts of those that are partitioned, likewise.
      devices: The devices that write.
    """

    filename: Any
    operation: Any
    keys: Mapping[str, str]
    pieces: Mapping[str, Tuple[Part, ...]]
    devices: Sequence[str]


@dataclasses.dataclass(frozen=True, eq=False)
class Left:
    """What a writer writes besides what is restored: a variable, or another tensor.

    Attributes:
      name: The name of its row.
      values: The value of the variable in parts, or the one tensor.
      slices: Which part of the whole each of them is.
    """

    name: str
    values: Tuple[Any, ...]
    slices: Tuple[str, ...]


def left_over(
    name: str,
    variables: Mapping[str, OwnedVariable],
    saveables: Mapping[str, OwnedSaveable],
) -> Left:
    """Returns what to write of a variable or a tensor that no restore reads."""
    if name in variables:
        parts = variables[name].parts
        values = tuple(value_of(part) for part in parts)
        return Left(name, values, tuple(slice_spec(part) for part in parts))
    owned = saveables[name]
    place = [row.name for row in owned.rows].index(name)
    return Left(name, (owned.tensors[place],), ("",))


def make_writer(
    groups: Sequence[RestoreGroup],
    left: Sequence[Left],
    model: ModelSpec,
) -> Writer:
    """Adds one operation that writes all: what is restored, and what is left of it.

    Args:
      groups: What restores the model.
      left: What none of that restores.
      model: The model; it says what its variables are called without its scope.
    """
    keys = saved_names(model)
    pieces = {variable.name: variable.pieces for variable in model.variables}
    written: List[Written] = []
    for one in groups:
        names = [keys[name] for name in one.variables]
        written += map(Written, names, one.slices, one.values)
    for other in left:
        key = keys[other.name]
        written += [
            Written(key, part, value) for part, value in zip(other.slices, other.values)
        ]
    filename = tf.placeholder(tf.string, [], name="save_prefix")
    operation, devices = make_write(filename, written)
    saved = [name for one in groups for name in one.variables]
    saved += [other.name for other in left]
    of_names = {name: keys[name] for name in saved}
    return Writer(filename, operation, of_names, pieces, devices)
