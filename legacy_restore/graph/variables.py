"""The variables that a builder created.

A variable belongs to the model whose builder created its operation. Collections do not
tell that (a variable can be in none), and neither do names (a builder can leave its
scope). ``tf.get_collection(scope=...)`` is a prefix of a regular expression besides:
``model_1`` also finds ``model_10``.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Sequence, Set, Tuple

import numpy as np

from legacy_restore.checkpoint import TensorSlice
from legacy_restore.importing.saved_variables import ADDED
from legacy_restore.planning.spec import Part, Shape, VariableSpec
from legacy_restore.tf import tf

_RESOURCE_TYPE = "VarHandleOp"
_VARIABLE_TYPES = frozenset(
    ["Variable", "VariableV2", "AutoReloadVariable", _RESOURCE_TYPE]
)


@contextlib.contextmanager
def recorded_variables() -> Iterator[List[Any]]:
    """Gives a list that gets each variable which the default graph creates."""
    created: List[Any] = []

    def record(next_creator: Any, **kwargs: Any) -> Any:
        variable = next_creator(**kwargs)
        created.append(variable)
        return variable

    with tf.variable_creator_scope(record):
        yield created


def is_variable_operation(operation: Any) -> bool:
    """Returns whether an operation holds the state of a variable."""
    return operation.type in _VARIABLE_TYPES


def objects_by_operation(graph: Any, candidates: Sequence[Any]) -> Dict[str, Any]:
    """Returns the ``tf.Variable`` of each variable operation, by operation name.

    Args:
      graph: The graph that is being built.
      candidates: Recorded variables and those of collections; some may be no variables
        or belong to another graph.
    """
    found: Dict[str, Any] = {}
    for candidate in candidates:
        # No class tells: tf.compat.v1.Variable is no base of resource variables on 2.x.
        is_variable = hasattr(candidate, "initializer")
        if is_variable and getattr(candidate, "graph", None) is graph:
            found.setdefault(candidate.op.name, candidate)
    return found


def created_by(operations: Sequence[Any], objects: Mapping[str, Any]) -> List[Any]:
    """Returns the ``tf.Variable`` objects of some operations, in their order.

    Args:
      operations: Operations of a graph.
      objects: Its ``tf.Variable`` objects, by operation name.
    """
    return [
        objects[operation.name]
        for operation in operations
        if is_variable_operation(operation) and operation.name in objects
    ]


@dataclasses.dataclass(frozen=True)
class OwnedVariable:
    """A variable of a model, whole or in parts.

    Attributes:
      name: Name of its operation; of a partitioned variable, the name of the whole.
      parts: The ``tf.Variable`` objects, one unless it is partitioned.
      shape: The static shape of the whole.
      offsets: Where each part begins in the whole, on each axis.
    """

    name: str
    parts: Tuple[Any, ...]
    shape: Shape
    offsets: Tuple[Tuple[int, ...], ...] = ()

    @property
    def saveable(self) -> Any:
        """What a Saver takes for it: a variable, or the list of its parts."""
        return list(self.parts) if self.offsets else self.parts[0]

    @property
    def is_partitioned(self) -> bool:
        """Whether it is made of parts, be it a single one."""
        return bool(self.offsets)


def group_parts(variables: Sequence[Any]) -> Dict[str, OwnedVariable]:
    """Puts the parts of partitioned variables together.

    Args:
      variables: ``tf.Variable`` objects in the order of their creation.

    Returns:
      One entry for each variable, by its name, in that order.
    """
    parts: Dict[str, List[Any]] = {}
    for variable in variables:
        info = _slice_info(variable)
        name = variable.op.name if info is None else str(info.full_name)
        parts.setdefault(name, []).append(variable)
    return {name: _owned(name, found) for name, found in parts.items()}


def assemble(owned: OwnedVariable, values: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the value of a complete variable from those of its parts."""
    if not owned.is_partitioned:
        return values[0]
    shape = [size or 0 for size in owned.shape or ()]
    whole: np.ndarray = np.empty(shape, values[0].dtype)
    for offset, value in zip(owned.offsets, values):
        ends = (start + size for start, size in zip(offset, value.shape))
        whole[tuple(slice(start, end) for start, end in zip(offset, ends))] = value
    return whole


def is_resource(variable: Any) -> bool:
    """Returns whether a ``tf.Variable`` is a resource variable, no ref variable."""
    return bool(variable.op.type == _RESOURCE_TYPE)


def value_of(variable: Any) -> Any:
    """Returns a tensor of the value that a ``tf.Variable`` has when it is run.

    Of a resource variable that is an operation that its builder made, if there is one
    that waits for nothing else: thousands of new ones take longer than a restore.
    """
    if not is_resource(variable):
        return variable.op.outputs[0]
    read = read_of(variable)
    if read is not None:
        return read
    with tf.device(variable.device):
        return tf.raw_ops.ReadVariableOp(
            resource=variable.handle, dtype=variable.dtype.base_dtype
        )


def read_of(variable: Any) -> Any:
    """Returns the tensor by which a ``tf.Variable``'s own model reads it, or None.

    It waits for nothing, and no operation is made for it.
    """
    if not is_resource(variable):
        return variable.value()
    reads = (one for one in variable.handle.consumers() if _is_free_read(one))
    return next((one.outputs[0] for one in reads), None)


def _is_free_read(operation: Any) -> bool:
    return operation.type == "ReadVariableOp" and not operation.control_inputs


def slice_spec(variable: Any) -> str:
    """Returns which part of a whole a variable is, as ``SaveV2`` takes it."""
    info = _slice_info(variable)
    return "" if info is None else str(info.spec)


def _slice_info(variable: Any) -> Any:
    return variable._get_save_slice_info()  # TensorFlow has no public way to ask.


def _owned(name: str, parts: List[Any]) -> OwnedVariable:
    info = _slice_info(parts[0])
    if info is None:
        return OwnedVariable(name, (parts[0],), static_shape(parts[0].shape))
    parts.sort(key=lambda part: tuple(_slice_info(part).var_offset))
    return OwnedVariable(
        name=name,
        parts=tuple(parts),
        shape=tuple(int(size) for size in info.full_shape),
        offsets=tuple(
            tuple(int(start) for start in _slice_info(part).var_offset)
            for part in parts
        ),
    )


def pieces_of(owned: OwnedVariable) -> Tuple[Part, ...]:
    """Returns the parts of a partitioned variable as plain data, else nothing."""
    return tuple(
        Part(part.op.name, TensorSlice(offset, tuple(part.shape.as_list())))
        for part, offset in zip(owned.parts, owned.offsets)
    )


def local_names(graph: Any) -> Set[str]:
    """Returns the names of the variables that are local and not global."""
    local = graph.get_collection(tf.GraphKeys.LOCAL_VARIABLES)
    not_local = graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)
    return {v.op.name for v in local} - {v.op.name for v in not_local}


def describe_all(
    graph: Any, owned: Iterable[OwnedVariable], scope: str
) -> List[VariableSpec]:
    """Returns what a plan needs to know of variables of a graph.

    Args:
      graph: The graph; its collections tell which are local, and which trainable.
      owned: The variables.
      scope: The scope of their model.
    """
    local = local_names(graph)
    trained = graph.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES)
    trainable = {variable.op.name for variable in trained}
    return [describe(variable, scope, local, trainable) for variable in owned]


def describe(
    owned: OwnedVariable, scope: str, local_names: Set[str], trainable_names: Set[str]
) -> VariableSpec:
    """Returns what a plan needs to know of a variable.

    Args:
      owned: A variable of a graph.
      scope: The scope of its model.
      local_names: Names of the operations of local variables.
      trainable_names: Names of the operations of variables in the collection of
        trainable ones.
    """
    first = owned.parts[0]
    name = owned.name
    return VariableSpec(
        name=name,
        local_name=name[len(scope) + 1 :] if is_under(name, scope) else name,
        dtype=first.dtype.base_dtype.name,
        shape=owned.shape,
        kind="resource" if is_resource(first) else "ref",
        is_local=first.op.name in local_names,
        pieces=pieces_of(owned),
        has_initializer=not any(
            part.initializer.name.startswith(f"{scope}/{ADDED}/")
            for part in owned.parts
        ),
        is_trainable=any(
            part.op.name in trainable_names or getattr(part, "trainable", False)
            for part in owned.parts
        ),
    )


def is_under(name: str, scope: str) -> bool:
    """Returns whether a name is in a scope; ``model_10/w`` is not in ``model_1``."""
    return name.startswith(scope + "/")


def static_shape(shape: Any) -> Shape:
    """Returns a ``tf.TensorShape`` as plain data."""
    return None if shape.ndims is None else tuple(shape.as_list())
