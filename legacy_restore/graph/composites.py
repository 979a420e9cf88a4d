"""Inputs that are several tensors: sparse ones, and others of a SavedModel.

A signature may name a sparse tensor by those of its values, indices and dense shape,
and any other composite one, as a ragged tensor, by its components (``TensorInfo`` in
``tensorflow/core/protobuf/meta_graph.proto``).
"""

from __future__ import annotations

import dataclasses
from typing import Any, List

import numpy as np

from legacy_restore import errors
from legacy_restore.tf import tf


@dataclasses.dataclass(frozen=True, eq=False)
class Component:
    """One tensor of an input, and what it gets.

    Attributes:
      name: What messages call it.
      tensor: The tensor to feed.
      value: What the caller gives.
    """

    name: str
    tensor: Any
    value: Any


def components_of(where: str, name: str, tensor: Any, value: Any) -> List[Component]:
    """Returns what each tensor of an input gets.

    Args:
      where: What is called, for messages.
      name: The input's name.
      tensor: A tensor, a sparse tensor, or a list of the tensors of another composite.
      value: An array. For a sparse tensor a ``tf.compat.v1.SparseTensorValue``, another
        triple of that order, or the sparse tensor of an eager program; for any other
        composite a list of arrays, one for each tensor.

    Raises:
      InputError: It has not as many parts, or the parts do not make a sparse tensor.
    """
    if isinstance(tensor, tf.Tensor):
        return [Component(name, tensor, value)]
    if not isinstance(tensor, tf.SparseTensor):
        return _of_list(where, name, tensor, value)
    if isinstance(value, tf.SparseTensor):
        value = (value.indices, value.values, value.dense_shape)
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        raise errors.InputError(
            f"{where}, input {name!r} is sparse, got a {type(value).__name__}",
            hint="tf.compat.v1.SparseTensorValue(indices, values, dense_shape)",
        )
    indices, values, dense_shape = value
    if not any(isinstance(one, tf.Tensor) for one in value):
        indices = _checked_indices(where, name, indices, values, dense_shape)
    return [
        Component(f"{name}.indices", tensor.indices, indices),
        Component(f"{name}.values", tensor.values, values),
        Component(f"{name}.dense_shape", tensor.dense_shape, dense_shape),
    ]


def _checked_indices(
    where: str, name: str, indices: Any, values: Any, dense_shape: Any
) -> np.ndarray:
    """The indices, an array of two axes also where there are none."""
    found, shape = np.asarray(indices), np.asarray(dense_shape)
    if found.size == 0:
        found = np.zeros([0, shape.size], np.int64)
    count = np.shape(values)
    if len(count) != 1 or shape.ndim != 1 or found.shape != (*count, shape.size):
        raise errors.InputError(
            f"{where}, input {name!r} is sparse: indices {found.shape}, values "
            f"{count} and dense shape {shape.shape} do not fit each other"
        )
    # Not every operation looks where it writes.
    if np.any(found < 0) or np.any(found >= shape):
        raise errors.InputError(
            f"{where}, input {name!r} is sparse: indices are outside of its dense "
            f"shape {shape.tolist()}"
        )
    return found


def _of_list(where: str, name: str, tensors: Any, value: Any) -> List[Component]:
    if not isinstance(value, (list, tuple)) or len(value) != len(tensors):
        raise errors.InputError(
            f"{where}, input {name!r} consists of {len(tensors)} tensors, and takes a "
            "list of as many arrays: " + ", ".join(one.op.name for one in tensors)
        )
    return [
        Component(f"{name}[{number}]", one, part)
        for number, (one, part) in enumerate(zip(tensors, value))
    ]
