"""By which names Keras 3 would have told TensorFlow of the objects of Keras 2.

The way back of ``keras_2_names``: Keras 3 saves a weight as the attribute that holds
it, ``_kernel`` where a property gives it out, and the layers of a functional model as
``_operations/1``, which a sequential one has in its ``_functional``
(``keras/src/models/functional.py``, ``keras/src/models/sequential.py``).
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple

from legacy_restore.eager.keras_saving import own_variables
from legacy_restore.eager.kinds import Role, is_keras_3, is_layer
from legacy_restore.eager.walking import LiveObjects


def with_keras_3_names(live: LiveObjects) -> Tuple[Mapping[str, int], ...]:
    """Returns what objects hold, but for optimizers, also by the names of Keras 3.

    Behind the objects that TensorFlow knows stand those that only Keras 3 has.

    Args:
      live: What a root holds.
    """
    numbers = {id(one.it): one.number for one in live.objects}
    children: List[Dict[str, int]] = [dict(held) for held in live.without_optimizers()]

    def add(held: Dict[str, int]) -> int:
        children.append(held)
        return len(children) - 1

    for one in live.objects:
        if one.role is not Role.WEIGHT or not is_layer(one.it) or is_keras_3(one.it):
            continue
        held = children[one.number]
        own = {numbers.get(id(variable)) for variable in own_variables(one.it)}
        for name, number in list(held.items()):
            if number in own:
                held.setdefault(f"_{name}", number)
                if name == "depthwise_kernel" and "kernel" not in held:
                    held["kernel"] = number
        places = {
            str(place): numbers[id(layer)]
            for place, layer in _operations(one.it)
            if id(layer) in numbers
        }
        if not places:
            continue
        operations = add(places)
        held.setdefault("_operations", operations)
        held.setdefault("_functional", add({"_operations": operations}))
    return tuple(children)


def _operations(model: Any) -> List[Tuple[int, Any]]:
    """The layers of a model with the places that they have in Keras 3."""
    kinds = {kind.__name__ for kind in type(model).__mro__}
    if "Sequential" in kinds:
        # Keras 3 counts the input that comes before them, given or not.
        return list(enumerate(model.layers, start=1))
    return list(enumerate(model.layers)) if "Functional" in kinds else []
