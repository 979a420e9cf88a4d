"""What the objects of an eager program are, told by what they can do.

Keras comes as ``keras``, ``tf_keras`` and ``tf.keras``, of which none need be installed
or loaded; a program may use several. So no class is asked for.
"""

from __future__ import annotations

import enum
from typing import Any, List

from legacy_restore.tf import tf

_CHECKPOINTS = ("Checkpoint", "CheckpointV1")


class Role(enum.Enum):
    """What a variable is there for.

    ``WEIGHT``: it is a part of the model. ``SEED``: the state of a generator of random
    numbers. ``METRIC``: what a metric has counted. ``COUNTER``: how often a
    ``tf.train.Checkpoint`` was saved. ``OPTIMIZER``: an optimizer's.
    """

    WEIGHT = "weight"
    SEED = "seed generator"
    METRIC = "metric"
    COUNTER = "save counter"
    OPTIMIZER = "optimizer"


def is_keras_variable(one: Any) -> bool:
    """Returns whether it is a variable of Keras 3, which wraps one of TensorFlow."""
    return (
        not isinstance(one, tf.Variable)
        and isinstance(getattr(one, "path", None), str)
        and callable(getattr(one, "assign", None))
        and is_variable(getattr(one, "value", None))
    )


def is_variable(one: Any) -> bool:
    """Returns whether it is a variable of TensorFlow, mirrored ones too.

    Those of TensorFlow 1.15 that are mirrored are no ``tf.Variable``
    (``tensorflow/python/distribute/values.py``).
    """
    if isinstance(one, tf.Variable):
        return True
    return callable(getattr(one, "read_value", None)) and hasattr(one, "assign")


def variable_of(one: Any) -> Any:
    """Returns the TensorFlow variable that something is, or wraps; None for others."""
    if is_variable(one):
        return one
    return one.value if is_keras_variable(one) else None


def is_layer(one: Any) -> bool:
    """Returns whether it is a layer or a model of any Keras."""
    return (
        isinstance(getattr(one, "built", None), bool)
        and callable(getattr(one, "add_weight", None))
        and callable(getattr(one, "count_params", None))
    )


def is_built(layer: Any) -> bool:
    """Returns whether a layer has made its variables."""
    return bool(layer.built)


def is_built_by_shape(model: Any) -> bool:
    """Returns whether ``build`` with a shape makes a model's variables.

    Of Keras 3 it does not, where a subclass does not define it: it warns, and calls the
    model built (``keras/src/layers/layer.py``).
    """
    kinds = type(model).__mro__
    return not is_keras_3(model) or any(kind.__name__ == "Sequential" for kind in kinds)


def is_keras_3(layer: Any) -> bool:
    """Returns whether a layer is of the package ``keras``."""
    return any(kind.__module__.split(".")[0] == "keras" for kind in type(layer).__mro__)


def role_of(one: Any) -> Role:
    """Returns what the variables that an object holds are there for."""
    if callable(getattr(one, "apply_gradients", None)):
        return Role.OPTIMIZER
    if callable(getattr(one, "update_state", None)) and callable(
        getattr(one, "result", None)
    ):
        return Role.METRIC
    if is_variable(getattr(one, "_state_var", None)):  # tf.random.Generator
        return Role.SEED
    return Role.WEIGHT


def is_unbuilt_optimizer(optimizer: Any) -> bool:
    """Returns whether it is an optimizer of Keras that has no slots yet.

    One of ``tf_keras`` that is asked what it holds tells TensorFlow nothing of the
    lists that it makes later.
    """
    if not callable(getattr(optimizer, "build", None)):
        return False
    return not getattr(optimizer, "built", getattr(optimizer, "_built", False))


def is_save_counter(holder: Any, name: str) -> bool:
    """Returns whether what an object holds is the counter of a Checkpoint."""
    # tf.train.Checkpoint is another class in the interface of TensorFlow 1.
    kinds = {kind.__name__ for kind in type(holder).__mro__}
    return name == "save_counter" and not kinds.isdisjoint(_CHECKPOINTS)


def saves_more_than_variables(one: Any) -> bool:
    """Returns whether an object has state of its own, as a lookup table has."""
    if variable_of(one) is not None:
        return False
    # TensorFlow 1 has the second one alone.
    for name in ("_serialize_to_tensors", "_gather_saveables_for_checkpoint"):
        own = getattr(type(one), name, None)
        if own is not None and own is not getattr(tf.Module, name, None):
            return True
    return False


def layer_variables(layer: Any, attribute: str) -> List[Any]:
    """Returns the variables of a layer that is built; none of one that is not."""
    return list(getattr(layer, attribute)) if is_built(layer) else []
