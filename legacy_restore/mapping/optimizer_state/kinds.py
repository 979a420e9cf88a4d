"""The optimizers whose state is known, in the four libraries that have them.

A *role* is what a slot is for, whatever a library calls it::

    family     roles                        tf.compat.v1.train       Keras
    Momentum   momentum                     momentum                 momentum, m
    Adam       m, v, vhat (amsgrad)         m, v                     m, v; momentum,
                                                                     velocity
    RMSProp    rms, momentum, mg (centred)  rms, momentum, mg        velocity, momentum,
                                                                     average_gradient
    Adagrad    accumulator                  accumulator              accumulator
    Ftrl       accumulator, linear          accum, linear            accumulator, linear

Gradient descent without momentum is Momentum without a slot. Names are of
``tensorflow/python/training/``, ``tf_keras/src/optimizers/legacy/`` (until TensorFlow
2.10 ``tensorflow/python/keras/optimizer_v2/``), ``tf_keras/src/optimizers/`` and
``keras/src/optimizers/``.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import FrozenSet, Mapping, Optional, Tuple, Union

Value = Union[float, bool, None]
"""A hyperparameter; None where it is not one number, such as that of a schedule."""


class Library(enum.Enum):
    """Who wrote an optimizer."""

    V1 = "tf.compat.v1.train"
    LEGACY_KERAS = "tf_keras.optimizers.legacy"
    KERAS_2 = "tf_keras.optimizers"
    KERAS_3 = "keras.optimizers"

    @property
    def is_keras(self) -> bool:
        """Whether it is one of the three that Keras had."""
        return self is not Library.V1


class Family(enum.Enum):
    """What an optimizer computes."""

    MOMENTUM = "Momentum"
    ADAM = "Adam"
    RMSPROP = "RMSProp"
    ADAGRAD = "Adagrad"
    FTRL = "Ftrl"


_CLASSES: Mapping[Family, Tuple[str, str]] = {
    Family.MOMENTUM: ("MomentumOptimizer", "SGD"),
    Family.ADAM: ("AdamOptimizer", "Adam"),
    Family.RMSPROP: ("RMSPropOptimizer", "RMSprop"),
    Family.ADAGRAD: ("AdagradOptimizer", "Adagrad"),
    Family.FTRL: ("FtrlOptimizer", "Ftrl"),
}

ROLES: Mapping[Family, Tuple[str, ...]] = {
    Family.MOMENTUM: ("momentum",),
    Family.ADAM: ("m", "v", "vhat"),
    Family.RMSPROP: ("rms", "mg", "momentum"),
    Family.ADAGRAD: ("accumulator",),
    Family.FTRL: ("accumulator", "linear"),
}
"""What each family keeps for a variable, at most."""

_V1_SLOTS: Mapping[Family, Mapping[str, str]] = {
    Family.MOMENTUM: {"momentum": "momentum"},
    Family.ADAM: {"m": "m", "v": "v"},
    Family.RMSPROP: {"rms": "rms", "mg": "mg", "momentum": "momentum"},
    Family.ADAGRAD: {"accumulator": "accumulator"},
    Family.FTRL: {"accumulator": "accum", "linear": "linear"},
}
_LISTS: Mapping[Family, Mapping[str, str]] = {
    Family.MOMENTUM: {"momentum": "momentums"},
    Family.ADAM: {"m": "_momentums", "v": "_velocities", "vhat": "_velocity_hats"},
    Family.RMSPROP: {
        "rms": "_velocities",
        "mg": "_average_gradients",
        "momentum": "_momentums",
    },
    Family.ADAGRAD: {"accumulator": "_accumulators"},
    Family.FTRL: {"accumulator": "_accumulators", "linear": "_linears"},
}


def slot_names(library: Library, family: Family) -> Mapping[str, str]:
    """Returns what ``get_slot`` calls each role; of Keras, a legacy optimizer's."""
    if library is Library.V1:
        return _V1_SLOTS[family]
    return {role: role for role in ROLES[family]}


def list_names(family: Family) -> Mapping[str, str]:
    """Returns the attribute that lists the slots of each role, since TensorFlow 2.11.

    They are the same in ``tf_keras`` and in Keras 3.
    """
    return _LISTS[family]


@dataclasses.dataclass(frozen=True)
class OptimizerState:
    """One side of a transfer: an optimizer, in a file or alive.

    Attributes:
      library: Who wrote it.
      family: What it computes.
      roles: What it keeps for variables.
      hyperparameters: What is known of its hyperparameters, under the names of Keras:
        ``learning_rate``, ``momentum``, ``nesterov``, ``rho``, ``beta_1``, ``epsilon``
        and so on. None for what changes from step to step.
    """

    library: Library
    family: Family
    roles: FrozenSet[str]
    hyperparameters: Mapping[str, Value] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """The class as people write it: ``tf.compat.v1.train.AdamOptimizer``."""
        of_v1, of_keras = _CLASSES[self.family]
        plain = self.family is Family.MOMENTUM and not self.roles
        if self.library is not Library.V1:
            return f"{self.library.value}.{of_keras}"
        last = "GradientDescentOptimizer" if plain else of_v1
        return f"{self.library.value}.{last}"

    def number(self, name: str) -> Optional[float]:
        """Returns a hyperparameter as a number; None where that is not known."""
        value = self.hyperparameters.get(name)
        return None if value is None else float(value)
