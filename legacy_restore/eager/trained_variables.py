"""Which variables of a root an optimizer trains.

One that is built says it. One that is not trains what its model does: the trainable
variables of the model that was compiled with it, else those of the root. Their order
matters to Keras 3, which counts on it in ``apply(gradients)`` and in checkpoints.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Sequence

from legacy_restore import errors
from legacy_restore.eager.kinds import (
    Role,
    is_keras_variable,
    is_layer,
    layer_variables,
    variable_of,
)
from legacy_restore.eager.optimizers import num_trained, state_of, trained_of
from legacy_restore.eager.variables import LiveVariable
from legacy_restore.eager.walking import LiveObjects
from legacy_restore.mapping.optimizer_state.kinds import Library


def trained_variables(
    optimizer: Any, live: LiveObjects, variables: Sequence[LiveVariable]
) -> Mapping[str, Any]:
    """Returns the variables that an optimizer trains by their names in the root.

    They are what the optimizer knows them by: for that of Keras 3 variables of Keras 3,
    for others those of TensorFlow.

    Args:
      optimizer: An optimizer, built or not.
      live: What the root holds.
      variables: The variables of the root.

    Raises:
      UsageError: It trains a variable that the root does not hold, or that is none of
        its library, or there is nothing to train.
    """
    names = {id(one.variable): one.name for one in variables}
    wraps = state_of(optimizer).library is Library.KERAS_3
    number = num_trained(optimizer)
    found: Dict[str, Any] = {}
    for one in _all_weights(live) if number else _trainable(optimizer, live):
        name = names.get(id(variable_of(one)))
        if name is not None:
            found.setdefault(name, one if wraps else variable_of(one))
    if number:
        found = trained_of(optimizer, found)
    elif wraps:
        _refuse_others(found)
    if len(found) < number:
        raise errors.UsageError(
            f"optimizer: it trains {number} variables, of which the root holds "
            f"{len(found)}",
            hint="a root that holds them all: tf.train.Checkpoint(a=..., b=...)",
        )
    if not found:
        text = "optimizer: the root has no trainable variables, and it is not built"
        raise errors.UsageError(text, hint="optimizer.build(variables)")
    return found


def _refuse_others(variables: Mapping[str, Any]) -> None:
    """Raises for variables of which an optimizer of Keras 3 makes nothing."""
    for name, one in variables.items():
        if not is_keras_variable(one):
            raise errors.UsageError(
                f"optimizer: Keras 3 trains variables of Keras 3, and {name} is "
                f"{type(one).__name__}",
                hint="an optimizer of tf_keras or tf.compat.v1.train",
            )


def _all_weights(live: LiveObjects) -> Iterable[Any]:
    """Weights as the root holds them, those first that layers train."""
    yield from _trainable(None, live)
    for one in live.objects:
        if one.role is Role.WEIGHT and variable_of(one.it) is not None:
            yield one.it


def _trainable(optimizer: Any, live: LiveObjects) -> List[Any]:
    layers = [
        one for one in live.objects if one.role is Role.WEIGHT and is_layer(one.it)
    ]
    owners = [one.it for one in layers if _compiled_with(one.it, optimizer)]
    tops = owners or [one.it for one in layers if one.holder is None]
    found = [
        variable
        for top in tops
        for variable in layer_variables(top, "trainable_weights")
    ]
    if owners:
        return found
    return found + [
        one.it
        for one in live.objects
        if one.role is Role.WEIGHT
        and one.holder is None
        and variable_of(one.it) is not None
        and getattr(one.it, "trainable", False)
    ]


def _compiled_with(layer: Any, optimizer: Any) -> bool:
    return optimizer is not None and getattr(layer, "optimizer", None) is optimizer
