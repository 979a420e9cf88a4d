"""What names of its variables say of an optimizer of Keras since TensorFlow 2.11.

``Adam/m/dense/kernel``: the optimizer's own name, the slot, the weight
(``tf_keras/src/optimizers/optimizer.py``).
"""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from legacy_restore.mapping.optimizer_state.kinds import Family

SUFFIXES: Mapping[Family, Mapping[str, Tuple[str, ...]]] = {
    Family.MOMENTUM: {"momentum": ("momentum", "m")},
    Family.ADAM: {
        "m": ("momentum", "m"),
        "v": ("velocity", "v"),
        "vhat": ("velocity_hat", "vhat"),
    },
    Family.RMSPROP: {
        "rms": ("velocity",),
        "mg": ("average_gradient",),
        "momentum": ("momentum",),
    },
    Family.ADAGRAD: {"accumulator": ("accumulator",)},
    Family.FTRL: {"accumulator": ("accumulator",), "linear": ("linear",)},
}
"""With what the names of slots end, or where their weight's begins, by role."""

# Where there are no lists, the class has to be in the names: Lion keeps one slot as SGD
# does, Nadam those of Adam.
_CLASSES = {
    "Adam": Family.ADAM,
    "AdamW": Family.ADAM,
    "SGD": Family.MOMENTUM,
    "RMSprop": Family.RMSPROP,
    "Adagrad": Family.ADAGRAD,
    "Ftrl": Family.FTRL,
}
_NUMBER = re.compile(r"_\d+$")


class HeldVariable(NamedTuple):
    """A variable in a list of an optimizer.

    Attributes:
      place: Its place there.
      key: Its key.
      name: The name that it had when it was saved.
    """

    place: str
    key: str
    name: str


def slots_by_names(
    variables: Sequence[HeldVariable],
) -> Tuple[Optional[Family], Dict[str, List[HeldVariable]]]:
    """Returns what an optimizer without lists for its slots is, and its slots by role.

    Args:
      variables: All of its variables.

    Returns:
      None and nothing where names do not tell.
    """
    slots = [one for one in variables if "/" in one.name]
    classes = {_NUMBER.sub("", one.name.partition("/")[0]) for one in slots}
    family = _CLASSES.get(classes.pop()) if len(classes) == 1 else None
    found: Dict[str, List[HeldVariable]] = {}
    if family is None:
        return None, found
    role_of = {
        suffix: role
        for role, suffixes in SUFFIXES[family].items()
        for suffix in suffixes
    }
    for one in slots:
        role = role_of.get(one.name.split("/")[1])
        if role is None:
            return None, {}
        found.setdefault(role, []).append(one)
    return family, found
