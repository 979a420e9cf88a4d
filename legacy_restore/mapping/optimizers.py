"""The names that optimizers give to what they keep for each variable.

An optimizer of ``tf.compat.v1.train`` or contrib calls a slot
``<variable>/<its own name>``, a further one the same with ``_1``, ``_2`` behind it
(``tensorflow/python/training/slot_creator.py``). One of Keras calls it
``<its own name>/<variable>/<slot>``
(``tensorflow/python/keras/optimizer_v2/optimizer_v2.py``). Which optimizer it was is
known as far as its name tells: LazyAdam and Nadam are called Adam, and an optimizer
whose name was chosen by its user is not known at all.
"""

from __future__ import annotations

import re
from typing import FrozenSet, Iterator, Mapping, NamedTuple, Optional, Tuple

# Names of TensorFlow's optimizers, of contrib's, and of optimizers that ship with much
# used models: adam_m and adam_v are of BERT's AdamWeightDecayOptimizer and its kin.
_SLOT = re.compile(
    r"(?P<named>Adam|AdamW|LazyAdam|NadamOptimizer|AdaMax|Adadelta|Adagrad|AdagradDA"
    r"|Adafactor|AddSign|AddSignOptimizer|PowerSign|PowerSignOptimizer|Ftrl"
    r"|GradientDescent|LARSOptimizer|Momentum|MomentumW|RMSProp|ProximalAdagrad"
    r"|RegAdagrad|Shampoo|ShampooW)(?:_\d+)?"
    r"|(?P<moment>adam|lamb)_[mv](?:_\d+)?"
)

_KERAS_NAME = re.compile(r"(?P<name>[A-Z][A-Za-z]+)(?:_\d+)?")
_KERAS_SLOTS: Mapping[str, FrozenSet[str]] = {
    "Adadelta": frozenset(["accum_grad", "accum_var"]),
    "Adagrad": frozenset(["accumulator"]),
    "Adam": frozenset(["m", "v", "vhat"]),
    "Adamax": frozenset(["m", "v"]),
    "Ftrl": frozenset(["accumulator", "linear"]),
    "Nadam": frozenset(["m", "v"]),
    "RMSprop": frozenset(["mg", "momentum", "rms"]),
    "SGD": frozenset(["momentum"]),
}
_ANY_KERAS_SLOT = frozenset(slot for of in _KERAS_SLOTS.values() for slot in of)


def optimizer_of_slot(last: str) -> Optional[str]:
    """Returns whose slot a variable's sub-name is: ``Adam`` for ``Adam_1``.

    Args:
      last: What stands behind the variable's name.

    Returns:
      The optimizer's name, or None when no optimizer calls its slots so.
    """
    match = _SLOT.fullmatch(last)
    return None if match is None else match["named"] or match["moment"]


def slot_shape_fits(
    optimizer: str, slot: Tuple[int, ...], variable: Tuple[int, ...]
) -> bool:
    """Returns whether an optimizer may keep a slot of this shape for a variable.

    All keep slots of the variable's shape. Adafactor keeps statistics per row and
    column, Shampoo a square matrix for each axis besides.
    """
    if optimizer == "Adafactor" or slot == variable:
        return True
    if optimizer in ("Shampoo", "ShampooW"):
        return len(slot) == 2 and slot[0] == slot[1] and slot[0] in variable
    return False


class KerasSlot(NamedTuple):
    """What a name says that is made as optimizers of Keras name their slots.

    Attributes:
      optimizer: The optimizer's name.
      variable: The name of the variable.
    """

    optimizer: str
    variable: str


def keras_slots(name: str) -> Iterator[KerasSlot]:
    """Yields what a name may be the slot of; nothing for nearly all names.

    Args:
      name: A whole name, such as ``training/Adam/dense/kernel/m``. Whether there is a
        variable ``dense/kernel`` is not known here.
    """
    *parts, last = name.split("/")
    if last not in _ANY_KERAS_SLOT:
        return
    for number, part in enumerate(parts[:-1]):
        match = _KERAS_NAME.fullmatch(part)
        if match and last in _KERAS_SLOTS.get(match["name"], ()):
            yield KerasSlot(match["name"], "/".join(parts[number + 1 :]))
