"""What is compared: the models, their size, the kinds of variables, the variants."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, List

from legacy_restore.report.table import human_bytes

_FLOAT_BYTES = 4

KINDS = ("ref", "resource")
"""The two kinds of variables: those of old TensorFlow and today's."""

VARIANTS = (
    "naive",
    "expert",
    "init_from_checkpoint",
    "verify=read",
    "verify=session",
)
"""The ways to restore, ``variants.py``, which loads TensorFlow."""


@dataclasses.dataclass(frozen=True)
class Case:
    """Models of one architecture, each a chain of square layers without biases.

    Attributes:
      name: What it is called on the command line.
      variables: Number of variables of each model.
      width: Rows and columns of each variable, of ``float32``.
      models: Number of models.
      slots: Number of tensors of its shape that the checkpoint has beside each
        variable, as an optimizer's slots; the graph has none of them.
    """

    name: str
    variables: int
    width: int
    models: int = 2
    slots: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the weights of all models."""
        return self.models * self.variables * self.width**2 * _FLOAT_BYTES

    @property
    def stored_nbytes(self) -> int:
        """Bytes of what the checkpoints hold."""
        return self.nbytes * (1 + self.slots)

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
        models = "1 model" if self.models == 1 else f"{self.models} models, each"
        text = (
            f"{models} of {self.variables} variables "
            f"float32[{self.width},{self.width}], {human_bytes(self.nbytes)} in all"
        )
        if self.slots:
            text += f", of {human_bytes(self.stored_nbytes)} in the checkpoints"
        return text


CASES = {
    case.name: case
    for case in (
        Case("large", variables=50, width=2236),  # 1 GB a model.
        Case("small", variables=1500, width=8),
        Case("eight", variables=200, width=8, models=8),
        Case("many", variables=10000, width=8, models=1),
        # Adam keeps two slots for each variable.
        Case("slots", variables=50, width=1300, models=1, slots=2),
        Case("huge", variables=125, width=2236, models=1),  # 2.5 GB.
    )
}
"""The cases by name."""

USUAL = tuple(name for name in CASES if name != "huge")
"""The cases that are measured unless others are named."""

_SLOT = "/Adam"


def is_slot(key: str) -> bool:
    """Returns whether a key of a checkpoint is a slot's."""
    return _SLOT in key


def training_builder(case: Case) -> Callable[[], Any]:
    """Returns the builder of the graph that writes: the model with its slots."""
    import tensorflow.compat.v1 as tf

    build = builder(case, "ref")

    def build_with_slots() -> Any:
        output = build()
        for variable in tf.global_variables():
            for number in range(case.slots):
                # TensorFlow calls the first Adam, the second Adam_1.
                name = variable.op.name + _SLOT + (f"_{number}" if number else "")
                tf.get_variable(name, variable.shape, use_resource=False)
        return output

    return build_with_slots


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
