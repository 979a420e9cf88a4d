"""Slots of single parts of a partitioned variable, and what TensorFlow calls them.

The slot of the part ``m/w/part_0`` that is made in the scope ``m`` is the operation
``m/m/w/part_0/Adam``. A Saver stores it under the name of the whole variable and what
is left of the operation's name when as many letters are cut off as the name of the part
has: ``m/w/0/Adam``. At the root nothing but the slot's own name is left, so that all
parts are stored as one tensor, ``w/Adam``. In ``encoder`` a slot is stored as
``encoder/w//part_0/Adam``: how much is left goes by the length of the scope
(``tensorflow/python/training/slot_creator.py``).
"""

from __future__ import annotations

import re
from typing import Collection, Dict

from legacy_restore.planning.spec import ModelSpec

_PART = re.compile(r"part_[0-9]+")


def stored_without_scope(model: ModelSpec) -> Dict[str, str]:
    """Returns under what slots of parts would be stored had the model no scope.

    The name is made as TensorFlow makes it, of the operations' names without the scope.

    Returns:
      The name by that of the variable; only of those slots of which it is known.
    """
    scope = model.scope + "/"
    wholes = {variable.name for variable in model.variables if variable.pieces}
    found: Dict[str, str] = {}
    if not model.scope:
        return found
    for variable in model.variables:
        names = {_stored(part.name, scope, wholes) for part in variable.pieces}
        if len(names) == 1 and "" not in names:
            found[variable.name] = names.pop()
    return found


def _stored(operation: str, scope: str, wholes: Collection[str]) -> str:
    """The name for one operation, or nothing if it is no slot of a part."""
    if not operation.startswith(scope):
        return ""
    steps = operation[len(scope) :].split("/")
    for end in range(len(steps) - 2, 0, -1):
        if _PART.fullmatch(steps[end]) is None:
            continue
        for start in range(end):
            whole = "/".join(steps[start:end])
            if whole in wholes and whole.startswith(scope):
                whole = whole[len(scope) :]
                part = f"{whole}/{steps[end]}/"
                name = "/".join([*steps[:start], whole, *steps[end:]])
                return f"{whole}/{name[len(part) :]}"
    return ""
