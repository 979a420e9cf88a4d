"""The operations that read some variables of a model, and assign what was read.

They are those that a ``tf.compat.v1.train.Saver`` makes (``BaseSaverBuilder`` in
``tensorflow/python/training/saver.py``), made without one: a Saver takes longer to make
its operations than it takes to restore thousands of small variables.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Iterable, Mapping, Tuple

import numpy as np

from legacy_restore.graph.renamed import RenamedSaveable
from legacy_restore.tf import tf


@dataclasses.dataclass(frozen=True, eq=False)
class RestoreGroup:
    """What is read by one ``RestoreV2``, and where it goes.

    Attributes:
      filename: The tensor that takes the prefix; all of a model's have one.
      read: The operation that reads, ``RestoreV2``.
      assign: The operation that runs all assignments.
      variables: The name of the variable that each of the read's outputs is a value
        of, or a part of one.
      keys: The key of each of the read's outputs, as it was made; others may be fed.
      parts: The ``tf.Variable`` that each of them is assigned to, or None for a tensor
        of a saveable object.
      assignments: The operation that assigns each of them.
      values: The tensors to save, in that order.
      slices: Which part of a whole each of them is, as ``SaveV2`` takes it.
      objects: The saveable objects among what it saves and restores.
    """

    filename: Any
    read: Any
    assign: Any
    variables: Tuple[str, ...]
    keys: Tuple[str, ...]
    parts: Tuple[Any, ...]
    assignments: Tuple[Any, ...]
    values: Tuple[Any, ...]
    slices: Tuple[str, ...]
    objects: Tuple[RenamedSaveable, ...] = ()

    @property
    def token(self) -> Any:
        """The output that stands for the read; fed, nothing has to be read for it."""
        return self.read.outputs[0]

    def values_read(self, values: Mapping[str, Any]) -> Dict[Any, Any]:
        """Returns what to feed so that given values are restored in place of a file's.

        Args:
          values: Values of variables that are no partitioned ones, by name.
        """
        return {
            output: values[name]
            for output, name in zip(self.read.outputs, self.variables)
            if name in values
        }

    def no_value(self) -> np.ndarray:
        """A value that the token may be fed, whatever its shape."""
        shape = self.token.shape
        sizes = [] if shape.ndims is None else shape.as_list()
        dtype = self.token.dtype.base_dtype.as_numpy_dtype
        nothing = b"" if self.token.dtype.base_dtype == tf.string else 0
        value: np.ndarray = np.full([size or 0 for size in sizes], nothing, dtype)
        return value


def nothing_read(groups: Iterable[RestoreGroup]) -> Dict[Any, Any]:
    """Returns what to feed so that the barrier waits for no read of some of them."""
    return {one.token: one.no_value() for one in groups}
