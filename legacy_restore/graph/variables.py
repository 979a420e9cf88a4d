"""The variables that a builder created.

A variable belongs to the model whose builder created its operation. Collections do not
tell that (a variable can be in none), and neither do names (a builder can leave its
scope). ``tf.get_collection(scope=...)`` is a prefix of a regular expression besides:
``model_1`` also finds ``model_10``.
"""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, List, Sequence, Set

from legacy_restore.graph.tf import tf
from legacy_restore.planning.spec import Shape, VariableSpec

_REF_TYPES = frozenset(["Variable", "VariableV2", "AutoReloadVariable"])
_RESOURCE_TYPE = "VarHandleOp"


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
    return operation.type == _RESOURCE_TYPE or operation.type in _REF_TYPES


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


def describe(variable: Any, scope: str, local_names: Set[str]) -> VariableSpec:
    """Returns what a plan needs to know of a variable.

    Args:
      variable: A ``tf.Variable`` of a graph.
      scope: The scope of its model.
      local_names: Names of the operations of local variables.
    """
    name = variable.op.name
    return VariableSpec(
        name=name,
        local_name=name[len(scope) + 1 :] if is_under(name, scope) else name,
        dtype=variable.dtype.base_dtype.name,
        shape=static_shape(variable.shape),
        kind="resource" if variable.op.type == _RESOURCE_TYPE else "ref",
        is_local=name in local_names,
    )


def is_under(name: str, scope: str) -> bool:
    """Returns whether a name is in a scope; ``model_10/w`` is not in ``model_1``."""
    return name.startswith(scope + "/")


def static_shape(shape: Any) -> Shape:
    """Returns a ``tf.TensorShape`` as plain data."""
    return None if shape.ndims is None else tuple(shape.as_list())


def partition_owner(variable: Any) -> str:
    """Returns the name of the partitioned variable that it is a part of, or nothing."""
    info = variable._get_save_slice_info()  # TensorFlow has no public way to ask.
    return "" if info is None else str(info.full_name)
