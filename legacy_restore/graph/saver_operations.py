"""The operations of one ``tf.compat.v1.train.Saver``, found once in its graph."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Iterable, List, Mapping, Tuple

import numpy as np

from legacy_restore.graph.renamed import RenamedSaveable
from legacy_restore.graph.tf import tf

ASSIGNMENTS = frozenset(["Assign", "AssignVariableOp"])
"""The types of the operations that assign a variable."""


@dataclasses.dataclass(frozen=True, eq=False)
class SaverOperations:
    """The operations of one Saver.

    Attributes:
      saver: The Saver.
      filename: The tensor that takes the prefix.
      read: The operation that reads, ``RestoreV2``.
      write: The operation that writes, ``SaveV2``.
      assign: The operation that runs all assignments.
      variables: The name of the variable that each of the read's outputs is a value
        of, or a part of one.
      objects: The saveable objects among what it saves and restores.
    """

    saver: Any
    filename: Any
    read: Any
    write: Any
    assign: Any
    variables: Tuple[str, ...]
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

    def assignment_of(self, output: Any) -> Any:
        """Returns the operation that assigns what was read of a variable."""
        found = list(output.consumers())
        for operation in found:  # It grows by what stands between the two.
            if operation.type in ASSIGNMENTS:
                return operation
            found += [one for made in operation.outputs for one in made.consumers()]
        raise AssertionError(f"{output.name} is assigned to no variable")


def nothing_read(savers: Iterable[SaverOperations]) -> Dict[Any, Any]:
    """Returns what to feed so that the barrier waits for no read of some Savers."""
    return {one.token: one.no_value() for one in savers}


def texts_of(constant: Any) -> List[str]:
    """Returns the texts of a constant of the graph."""
    # tf.get_static_value would forbid to feed the tensor from then on.
    values = tf.make_ndarray(constant.op.get_attr("value"))
    return [value.decode() for value in values]
