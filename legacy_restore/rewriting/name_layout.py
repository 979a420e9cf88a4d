"""Under which names the tensors of an object-based checkpoint are saved by name.

A variable gets the name that it had in the program that saved it (``full_name``), as a
``tf.compat.v1.train.Saver`` would have called it, if it alone has that name: an eager
program may have many variables called ``kernel``. Else it gets its path.

A slot of an optimizer of ``tf.compat.v1.train`` gets the name that a graph would have
given it behind its variable's name: ``w/Adam_1`` for ``v`` of ``w``. Eager programs
count them over all variables of one name. Slots of Keras keep their names: their values
mean something else.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from legacy_restore.checkpoint.objects import ObjectGraph, ObjectTensor
from legacy_restore.mapping.slot_names import last_part, numbered_slot
from legacy_restore.rewriting.object_layout import SAVE_COUNTER

_VALUE = "VARIABLE_VALUE"
_ATTRIBUTES = "/.ATTRIBUTES/"
_CONFIGURATION = "OBJECT_CONFIG_JSON"
# What a mutable hash table saves, behind its name in both kinds of checkpoint
# (MutableHashTable in tensorflow/python/ops/lookup_ops.py).
_TABLE_ENDS = ("-keys", "-values")


@dataclasses.dataclass(frozen=True)
class NameLayout:
    """The names of the tensors of an object-based checkpoint.

    Attributes:
      names: The new key, by the key in the object-based checkpoint.
      by_path: Keys whose tensors are named by their paths, sorted.
      left: Keys of what no name-based checkpoint has and no model misses - the
        configuration of objects and a counter of saves that no program had - sorted.
      faults: Why a key has no name, by key.
    """

    names: Mapping[str, str]
    by_path: Tuple[str, ...]
    left: Tuple[str, ...]
    faults: Mapping[str, str]


def name_layout(objects: ObjectGraph) -> NameLayout:
    """Names the tensors of an object-based checkpoint.

    Args:
      objects: Its object graph.
    """
    faults = dict.fromkeys(objects.unlisted_keys, "no object of the graph has it")
    slots = {slot.variable for slot in objects.slots}
    left: List[str] = []
    variables: Dict[str, List[str]] = {}
    for key, tensor in objects.tensors.items():
        if tensor.attribute == _CONFIGURATION or _is_own_counter(tensor):
            left.append(key)
        elif _end_of(tensor) is None:
            faults[key] = "it is no variable, and no table of a graph"
        elif tensor.node not in slots:
            variables[key] = _candidates(tensor)
    # Variables first: the name of a slot is made of that of its variable.
    names = _chosen(variables, ())
    wanted = _of_slots(objects, names)
    names.update(_chosen(wanted, names.values()))
    for key, candidates in {**variables, **wanted}.items():
        if key not in names:
            shown = f" ({candidates[-1]})" if candidates else ""
            faults[key] = f"it has no name that is its alone{shown}"
    tensors = objects.tensors
    by_path = (key for key, name in names.items() if _is_path(name, tensors[key]))
    return NameLayout(names, tuple(sorted(by_path)), tuple(sorted(left)), faults)


def _is_own_counter(tensor: ObjectTensor) -> bool:
    """Whether it counts the saves of no program: ``to_object_based`` wrote it."""
    return tensor.path == SAVE_COUNTER and tensor.full_name is None


def _end_of(tensor: ObjectTensor) -> Optional[str]:
    """What stands behind a name for such a tensor; None where no name is."""
    if tensor.attribute == _VALUE:
        return ""
    return next((one for one in _TABLE_ENDS if tensor.key.endswith(one)), None)


def _candidates(tensor: ObjectTensor) -> List[str]:
    """The names that a tensor may get, the best first."""
    path = tensor.key.partition(_ATTRIBUTES)[0]
    found = [one for one in (tensor.full_name, path) if one]
    return [f"{one}{_end_of(tensor)}" for one in dict.fromkeys(found)]


def _is_path(name: str, tensor: ObjectTensor) -> bool:
    candidates = _candidates(tensor)
    return name == candidates[-1] and name != f"{tensor.full_name}{_end_of(tensor)}"


def _of_slots(objects: ObjectGraph, names: Mapping[str, str]) -> Dict[str, List[str]]:
    """The names that slots may get, the best first."""
    keys = {tensor.node: key for key, tensor in objects.tensors.items()}
    together: Dict[Tuple[int, int], Dict[str, int]] = collections.defaultdict(dict)
    for slot in objects.slots:
        together[slot.optimizer, slot.original][slot.name] = slot.variable
    found: Dict[str, List[str]] = {}
    for (_, original), slots in together.items():
        variable = keys.get(original)
        for name, node in slots.items():
            key = keys.get(node)
            if key is None or _end_of(objects.tensors[key]) is None:
                continue
            found[key] = _candidates(objects.tensors[key])
            if variable is None or variable not in names:
                continue
            last = _last_part(objects, variable, key, name, slots)
            if last is not None:
                found[key].insert(0, f"{names[variable]}/{last}")
    return found


def _last_part(
    objects: ObjectGraph, variable: str, key: str, slot: str, slots: Mapping[str, int]
) -> Optional[str]:
    """What a graph has behind the variable's name; None of optimizers of Keras."""
    owner = objects.tensors[variable].full_name
    own = objects.tensors[key].full_name
    if owner is None or own is None or not own.startswith(owner + "/"):
        return None
    told = numbered_slot(own[len(owner) + 1 :])
    return None if told is None else last_part(told.optimizer, slot, set(slots))


def _chosen(
    wanted: Mapping[str, Sequence[str]], taken: Iterable[str]
) -> Dict[str, str]:
    """Gives each key the first of its names that no other key has or wants so far."""
    taken = set(taken)
    level = {key: 0 for key, names in wanted.items() if names}
    while True:
        claims = collections.Counter(wanted[key][at] for key, at in level.items())
        clashing = [
            key
            for key, at in level.items()
            if claims[wanted[key][at]] > 1 or wanted[key][at] in taken
        ]
        if not clashing:
            return {key: wanted[key][at] for key, at in level.items()}
        for key in clashing:
            level[key] += 1
            if level[key] == len(wanted[key]):
                del level[key]
