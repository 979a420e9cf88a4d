"""The operation that writes a model: what its Savers write, and what they leave."""

from __future__ import annotations

import dataclasses
from typing import Any, List, Mapping, Sequence, Tuple

from legacy_restore.graph.saveables import OwnedSaveable
from legacy_restore.graph.saver_operations import SaverOperations, texts_of
from legacy_restore.graph.tf import tf
from legacy_restore.graph.variables import OwnedVariable, slice_spec
from legacy_restore.graph.write_operations import Written, make_write
from legacy_restore.planning.candidates import names_without_scope
from legacy_restore.planning.spec import ModelSpec, Part


@dataclasses.dataclass(frozen=True, eq=False)
class Writer:
    """What writes a model's variables.

    Attributes:
      filename: The tensor that takes the prefix.
      operation: The operation that writes.
      keys: The key of each variable, by its name in the graph.
      pieces: The parts of those that are partitioned, likewise.
      devices: The devices that write; empty for one where any will do.
    """

    filename: Any
    operation: Any
    keys: Mapping[str, str]
    pieces: Mapping[str, Tuple[Part, ...]]
    devices: Sequence[str]


@dataclasses.dataclass(frozen=True, eq=False)
class Left:
    """What a writer writes besides what Savers do: a variable, or another tensor.

    Attributes:
      name: The name of its row.
      parts: The variable in parts, or the one tensor.
      slices: Which part of the whole each of them is.
    """

    name: str
    parts: Tuple[Any, ...]
    slices: Tuple[str, ...]


def left_over(
    name: str,
    variables: Mapping[str, OwnedVariable],
    saveables: Mapping[str, OwnedSaveable],
) -> Left:
    """Returns what to write of a variable or a tensor that no Saver saves."""
    if name in variables:
        parts = variables[name].parts
        return Left(name, parts, tuple(slice_spec(part) for part in parts))
    owned = saveables[name]
    place = [row.name for row in owned.rows].index(name)
    return Left(name, (owned.tensors[place],), ("",))


def make_writer(
    savers: Sequence[SaverOperations],
    left: Sequence[Left],
    model: ModelSpec,
) -> Writer:
    """Adds one operation that writes all: what Savers write, and what is left of it.

    Args:
      savers: The model's Savers.
      left: What none of them saves.
      model: The model; it says what its variables are called without its scope.
    """
    keys = names_without_scope(model)
    pieces = {variable.name: variable.pieces for variable in model.variables}
    written: List[Written] = []
    for one in savers:
        slices = texts_of(one.write.inputs[2])
        for name, part, tensor in zip(one.variables, slices, one.write.inputs[3:]):
            written.append(Written(keys[name], part, tensor))
    for other in left:
        for part, held in zip(other.slices, other.parts):
            with tf.device(held.device):
                written.append(Written(keys[other.name], part, tf.identity(held)))
    filename = tf.placeholder(tf.string, [], name="save_prefix")
    operation, devices = make_write(filename, written)
    saved = [name for one in savers for name in one.variables]
    saved += [other.name for other in left]
    return Writer(
        filename, operation, {name: keys[name] for name in saved}, pieces, devices
    )
