"""By which names Keras 2 would have told TensorFlow of the objects of Keras 3.

Keras 2 saved the layers of a sequential or functional model as ``layer_with_weights-0``
and so on, in their order (``tensorflow/python/keras/engine/network.py``), and a weight
as the attribute ``kernel``. Keras 3 has other names for both: ``_operations/1``, and
``_kernel`` where the attribute is a property; and ``kernel`` where a depthwise
convolution had ``depthwise_kernel``. Of layers in lists and dictionaries, which were
``blocks/0``, it tells TensorFlow nothing. So stock TensorFlow restores nothing of such
a checkpoint, although model and layers are the same.
"""

from __future__ import annotations

import re
from typing import Any, List, Mapping, Tuple

from legacy_restore.eager.keras_saving import attributes_of_any, own_variables
from legacy_restore.eager.kinds import (
    Role,
    is_keras_3,
    is_layer,
    layer_variables,
)
from legacy_restore.eager.walking import LiveObjects

_IN_ORDER = frozenset(["Functional", "Sequential"])
_WITH_WEIGHTS = "layer_with_weights-"
# Containers may hold themselves.
_MAX_DEPTH = 16
_PLACE = re.compile(r"layer-\d+")


def with_keras_2_names(live: LiveObjects) -> Tuple[Mapping[str, int], ...]:
    """Returns what objects hold, but for optimizers, also by the names of Keras 2.

    Behind the objects that TensorFlow knows stand those of which Keras 3 does not tell
    it: lists and dictionaries, and the layers that are in one.

    Args:
      live: What a root holds.
    """
    naming = _Naming(live)
    for one in live.objects:
        if one.role is Role.WEIGHT and is_layer(one.it) and is_keras_3(one.it):
            naming.add_names(one.it, one.number)
    return tuple(naming.children)


class _Naming:
    """Gives what Keras 3 holds the names of Keras 2."""

    def __init__(self, live: LiveObjects) -> None:
        """Begins with the names that TensorFlow knows."""
        self.children = [dict(held) for held in live.without_optimizers()]
        self._numbers = {
            id(one.it): one.number
            for one in live.objects
            if one.role is not Role.OPTIMIZER
        }

    def add_names(self, layer: Any, number: int) -> None:
        """Names what a layer holds, and what that holds where it is new.

        Args:
          layer: A layer of Keras 3.
          number: The number of its object.
        """
        held = self.children[number]
        for variable in own_variables(layer):
            name = str(variable.name)
            if _is_depthwise(layer) and name == "kernel":
                name = "depthwise_kernel"
            if id(variable) in self._numbers:
                held.setdefault(name, self._numbers[id(variable)])
        for place, one in enumerate(_layers_with_weights(layer)):
            held.setdefault(f"{_WITH_WEIGHTS}{place}", self._number_of(one))
        skipped = attributes_of_any(layer)
        for name, value in vars(layer).items():
            if name not in skipped and name not in held and _holds_layers(value):
                held[name] = self._number_of(value)

    def _number_of(self, it: Any) -> int:
        """The number of a layer or a container; it is named if it has none yet."""
        if id(it) in self._numbers:
            return self._numbers[id(it)]
        number = len(self.children)
        self._numbers[id(it)] = number
        self.children.append({})
        if is_layer(it):
            self.add_names(it, number)
            return number
        pairs = it.items() if isinstance(it, dict) else enumerate(it)
        for name, value in pairs:
            if _holds_layers(value):
                self.children[number][str(name)] = self._number_of(value)
        return number


def _holds_layers(it: Any, depth: int = _MAX_DEPTH) -> bool:
    """Whether something is a layer, or a container that has one not too deep in it."""
    if is_layer(it):
        return True
    if not depth or not isinstance(it, (list, tuple, dict)):
        return False
    values = it.values() if isinstance(it, dict) else it
    return any(_holds_layers(one, depth - 1) for one in values)


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
