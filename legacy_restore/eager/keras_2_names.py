"""By which names Keras 2 would have told TensorFlow of the objects of Keras 3.

Keras 2 saved the layers of a sequential or functional model as ``layer_with_weights-0``
and so on, in their order (``tensorflow/python/keras/engine/network.py``), and a weight
as the attribute ``kernel``. Keras 3 has other names for both: ``_operations/1``, and
``_kernel`` where the attribute is a property; and ``kernel`` where a depthwise
convolution had ``depthwise_kernel``. So stock TensorFlow restores nothing of such a
checkpoint, although model and layers are the same.
"""

from __future__ import annotations

import re
from typing import Any, List, Mapping, Tuple

from legacy_restore.eager.kinds import (
    Role,
    is_keras_3,
    is_keras_variable,
    is_layer,
    layer_variables,
)
from legacy_restore.eager.walking import LiveObjects

_IN_ORDER = frozenset(["Functional", "Sequential"])
_WITH_WEIGHTS = "layer_with_weights-"
_PLACE = re.compile(r"layer-\d+")


def with_keras_2_names(live: LiveObjects) -> Tuple[Mapping[str, int], ...]:
    """Returns what objects hold, but for optimizers, also by the names of Keras 2.

    Args:
      live: What a root holds.
    """
    numbers = {id(one.it): one.number for one in live.objects}
    children = [dict(held) for held in live.without_optimizers()]
    for one in live.objects:
        if one.role is not Role.WEIGHT or not is_layer(one.it):
            continue
        if not is_keras_3(one.it):
            continue
        held = children[one.number]
        for number in list(held.values()):
            variable = live.objects[number].it
            if is_keras_variable(variable):
                held.setdefault(str(variable.name), number)
                if _is_depthwise(one.it) and variable.name == "kernel":
                    held.setdefault("depthwise_kernel", number)
        for place, layer in enumerate(_layers_with_weights(one.it)):
            if id(layer) in numbers:
                held.setdefault(f"{_WITH_WEIGHTS}{place}", numbers[id(layer)])
    return tuple(children)


def without_layer_places(live: LiveObjects) -> Tuple[Mapping[str, int], ...]:
    """Returns what objects hold without ``layer-5``, where layers have better names.

    Keras 2 saves a layer twice: by its place among all layers, and among those with
    weights. The first one counts the layer of inputs of a sequential model in
    TensorFlow 1, and no longer in 2, so that it leads elsewhere; TensorFlow follows the
    other one first.

    Args:
      live: What a root holds.
    """
    return tuple(
        {name: one for name, one in held.items() if not _PLACE.fullmatch(name)}
        if any(name.startswith(_WITH_WEIGHTS) for name in held)
        else held
        for held in live.without_optimizers()
    )


def _is_depthwise(layer: Any) -> bool:
    return any(kind.__name__ == "BaseDepthwiseConv" for kind in type(layer).__mro__)


def _layers_with_weights(model: Any) -> List[Any]:
    if not any(kind.__name__ in _IN_ORDER for kind in type(model).__mro__):
        return []
    return [one for one in model.layers if layer_variables(one, "weights")]
