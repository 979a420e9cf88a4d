"""What is compared: the models, their size, the kinds of variables, the variants."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, List

from legacy_restore.report.table import human_bytes

_FLOAT_BYTES = 4

KINDS = ("ref", "resource")
"""The two kinds of variables: those of old TensorFlow and today's."""

VARIANTS = ("naive", "expert", "verify=read", "verify=session")
"""The ways to restore, ``variants.py``, which loads TensorFlow."""


@dataclasses.dataclass(frozen=True)
class Case:
    """Models of one architecture, each a chain of square layers without biases.

    Attributes:
      name: What it is called on the command line.
      variables: Number of variables of each model.
      width: Rows and columns of each variable, of ``float32``.
      models: Number of models.
    """

    name: str
    variables: int
    width: int
    models: int = 2

    @property
    def nbytes(self) -> int:
        """Bytes of the weights of all models."""
        return self.models * self.variables * self.width**2 * _FLOAT_BYTES

    @property
    def scopes(self) -> List[str]:
        """The scope of each model."""
        return [f"model_{number}" for number in range(self.models)]

    def scaled(self, scale: float) -> Case:
        """Returns the case with a share of its variables, at least one a model."""
        variables = max(1, round(self.variables * scale))
        return dataclasses.replace(self, variables=variables)

    def __str__(self) -> str:
        """Says how large it is."""
        return (
            f"{self.models} models, each of {self.variables} variables "
            f"float32[{self.width},{self.width}], {human_bytes(self.nbytes)} in all"
        )


CASES = {
    case.name: case
    for case in (
        Case("large", variables=50, width=2236),  # 1 GB a model.
        Case("small", variables=1500, width=8),
    )
}
"""The cases by name."""


def builder(case: Case, kind: str) -> Callable[[], Any]:
    """Returns the builder of one model, all of its variables of one kind.

    Initial values are random, without a seed: no variable equals a checkpoint's by
    chance.
    """
    import tensorflow.compat.v1 as tf

    def build() -> Any:
        tf.get_variable_scope().set_use_resource(kind == "resource")
        value = tf.placeholder(tf.float32, [None, case.width], name="x")
        for number in range(case.variables):
            with tf.variable_scope(f"layer_{number}"):
                kernel = tf.get_variable("kernel", [case.width, case.width])
                value = tf.tanh(tf.matmul(value, kernel))
        return value

    return build
