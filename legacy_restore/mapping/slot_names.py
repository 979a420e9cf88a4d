"""What optimizers of ``tf.compat.v1.train`` call slots, in both kinds of file.

An object-based checkpoint has the optimizer's own name for a slot, such as ``m``; a
name-based one the optimizer's name behind the variable's, with ``_1``, ``_2`` behind
it in the order in which the slots were made: ``w/Adam`` is ``m``, ``w/Adam_1`` ``v``
(``_create_slots`` of the optimizers in ``tensorflow/python/training`` and
``slot_creator.py``). The optimizers of Keras are others: slots of the same names have
other values there (``SGD`` keeps minus the learning rate times TensorFlow's momentum).
"""

from __future__ import annotations

import re
from typing import AbstractSet, Mapping, NamedTuple, Optional, Tuple

SLOTS_IN_ORDER: Mapping[str, Tuple[Tuple[str, ...], ...]] = {
    "Adadelta": (("accum", "accum_update"),),
    "Adagrad": (("accumulator",),),
    "Adam": (("m", "v"),),
    "Ftrl": (("accum", "linear"),),
    "Momentum": (("momentum",),),
    "ProximalAdagrad": (("accumulator",),),
    "RMSProp": (("rms", "momentum"), ("rms", "mg", "momentum")),  # Or centered.
}
"""By the name of an optimizer: the slots that it makes for a variable, in order."""

POWERS: Mapping[str, Tuple[str, ...]] = {"Adam": ("beta1_power", "beta2_power")}
"""By the name of an optimizer: the variables that it has besides slots."""

_NUMBERED = re.compile(r"(?P<optimizer>[A-Za-z]+)(?:_(?P<number>[1-9][0-9]?))?")


class NumberedSlot(NamedTuple):
    """The last part of the name of a slot.

    Attributes:
      optimizer: The optimizer's name, one of ``SLOTS_IN_ORDER``.
      number: How many slots of that name were made before.
    """

    optimizer: str
    number: int


def numbered_slot(last: str) -> Optional[NumberedSlot]:
    """Returns which slot ``Adam_1`` is; None where no such optimizer calls it so."""
    match = _NUMBERED.fullmatch(last)
    if match is None or match["optimizer"] not in SLOTS_IN_ORDER:
        return None
    return NumberedSlot(match["optimizer"], int(match["number"] or 0))


def slots_by_number(optimizer: str, count: int) -> Optional[Tuple[str, ...]]:
    """Returns the names of as many slots as there are for a variable, by number."""
    for names in SLOTS_IN_ORDER.get(optimizer, ()):
        if len(names) == count:
            return names
    return None


def last_part(optimizer: str, slot: str, slots: AbstractSet[str]) -> Optional[str]:
    """Returns what stands behind the variable's name: ``Adam_1`` for ``v``.

    Args:
      optimizer: Name of the optimizer.
      slot: The optimizer's name for the slot.
      slots: All that it has for the variable.

    Returns:
      None where such an optimizer has no such slots.
    """
    for names in SLOTS_IN_ORDER.get(optimizer, ()):
        if slots == set(names):
            number = names.index(slot)
            return f"{optimizer}_{number}" if number else optimizer
    return None
