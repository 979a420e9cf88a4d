"""Where the keys of a name-based checkpoint are in an object graph.

Each key becomes one path of attributes: an object for each part of the name, and at the
end one that saves ``VARIABLE_VALUE``, with the key as its ``full_name``. So
``encoder/dense/kernel`` is what ``tf.train.Checkpoint(encoder=...)`` restores into
``encoder.dense.kernel``, whether those are modules or dictionaries.

A variable holds no other objects. Where a key is a variable and a scope too, as ``w``
of ``w/ExponentialMovingAverage``, what is below it stands beside it, under a name with
a slash (``.S`` in the key): the entry ``"w/ExponentialMovingAverage"`` of a dictionary.

The slots of an optimizer of ``tf.compat.v1.train`` become slot variables of an object
``optimizer``, as TensorFlow saves that optimizer itself, if they are complete and of
one optimizer beyond doubt. Else they are variables like others.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import (
    Container,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from legacy_restore.checkpoint.object_graph import (
    Attribute,
    Child,
    ObjectNode,
    SlotReference,
)
from legacy_restore.checkpoint.object_paths import escape
from legacy_restore.checkpoint.tensor_entry import TensorEntry
from legacy_restore.mapping.slot_names import POWERS, numbered_slot, slots_by_number

SAVE_COUNTER = "save_counter"
"""The child of every ``tf.train.Checkpoint`` that it restores besides what it holds."""

_VALUE = "VARIABLE_VALUE"
_ATTRIBUTE = f"/.ATTRIBUTES/{_VALUE}"


@dataclasses.dataclass(frozen=True)
class ObjectLayout:
    """An object graph, and which key each of its tensors comes from.

    Attributes:
      nodes: The objects, the root first.
      sources: The key in the name-based checkpoint, by that in the object-based one.
      counter_key: Key of the save counter, which no key of the checkpoint is the source
        of; None where one is.
      optimizers: Paths of the objects that slots were given to.
      slots_by_path: Keys of slots that are variables like others, sorted.
    """

    nodes: Tuple[ObjectNode, ...]
    sources: Mapping[str, str]
    counter_key: Optional[str]
    optimizers: Tuple[str, ...]
    slots_by_path: Tuple[str, ...]


def object_layout(entries: Iterable[TensorEntry]) -> ObjectLayout:
    """Lays out the tensors of a name-based checkpoint as objects.

    Args:
      entries: What the checkpoint says of each tensor.
    """
    by_key = {entry.key: entry for entry in entries}
    return _Layout(by_key).made()


@dataclasses.dataclass
class _Node:
    """An object that is being made."""

    children: Dict[str, int] = dataclasses.field(default_factory=dict)
    attribute: Optional[Attribute] = None
    slots: List[SlotReference] = dataclasses.field(default_factory=list)

    def made(self) -> ObjectNode:
        return ObjectNode(
            tuple(Child(name, node) for name, node in self.children.items()),
            () if self.attribute is None else (self.attribute,),
            tuple(self.slots),
        )


class _Layout:
    def __init__(self, by_key: Mapping[str, TensorEntry]) -> None:
        self._by_key = by_key
        self._nodes = [_Node()]
        self._sources: Dict[str, str] = {}
        self._node_of: Dict[str, int] = {}
        self._path_of: Dict[str, str] = {}
        # Of each optimizer: the variable and the name, by the key of the slot.
        self._families = _families(by_key)

    def made(self) -> ObjectLayout:
        elsewhere = {key for slots in self._families.values() for key in slots}
        names = self._optimizer_names()
        powers = {
            key: (family, name)
            for family in self._families
            for name, key in _powers(family, self._by_key).items()
        }
        for key in sorted(self._by_key):
            if key in powers:
                family, name = powers[key]
                self._add_variable(key, [names[family], name])
            elif key not in elsewhere:
                self._add_variable(key, local_names(key, self._by_key))
        for family, slots in self._families.items():
            self._add_slots(names[family], slots)
        counter = None
        if SAVE_COUNTER not in self._by_key:
            counter = self._add_value(self._node([SAVE_COUNTER]), SAVE_COUNTER, "")
        return ObjectLayout(
            tuple(node.made() for node in self._nodes),
            self._sources,
            counter,
            tuple(names[family] for family in self._families),
            tuple(sorted(_slots_of_known(self._by_key) - elsewhere)),
        )

    def _add_variable(self, key: str, names: Sequence[str]) -> None:
        number = self._node(names)
        path = "/".join(map(escape, names))
        self._sources[self._add_value(number, path, key)] = key
        self._node_of[key] = number
        self._path_of[key] = path

    def _add_slots(self, name: str, slots: Mapping[str, Tuple[str, str]]) -> None:
        optimizer = self._nodes[self._node([name])]
        for key in sorted(slots):
            variable, slot = slots[key]
            number = len(self._nodes)
            self._nodes.append(_Node())
            original = self._node_of[variable]
            optimizer.slots.append(SlotReference(original, slot, number))
            owner = self._path_of[variable]
            path = f"{owner}/.OPTIMIZER_SLOT/{escape(name)}/{escape(slot)}"
            self._sources[self._add_value(number, path, key)] = key

    def _add_value(self, number: int, path: str, full_name: str) -> str:
        key = path + _ATTRIBUTE
        self._nodes[number].attribute = Attribute(_VALUE, full_name, key, False)
        return key

    def _node(self, names: Sequence[str]) -> int:
        """The number of the object with a path; it is made if it is not there."""
        at = 0
        for name in names:
            children = self._nodes[at].children
            if name not in children:
                children[name] = len(self._nodes)
                self._nodes.append(_Node())
            at = children[name]
        return at

    def _optimizer_names(self) -> Dict[str, str]:
        taken = {key.split("/")[0] for key in self._by_key} | {SAVE_COUNTER}
        is_only = len(self._families) == 1
        names: Dict[str, str] = {}
        for family in self._families:
            name = wanted = "optimizer" if is_only else f"optimizer_{family}"
            number = 0
            while name in taken:
                number += 1
                name = f"{wanted}_{number}"
            names[family] = name
            taken.add(name)
        return names


def local_names(key: str, keys: Container[str]) -> List[str]:
    """Returns the names of the objects on the way to a key's variable.

    Args:
      key: A key of the name-based checkpoint.
      keys: All of them.
    """
    parts = key.split("/")
    for end in range(1, len(parts)):
        above = "/".join(parts[:end])
        if above in keys or above == SAVE_COUNTER:  # A variable, which holds nothing.
            return [*parts[: end - 1], "/".join(parts[end - 1 :])]
    return parts


_Slots = Dict[str, Tuple[str, str]]


def _families(by_key: Mapping[str, TensorEntry]) -> Dict[str, _Slots]:
    """The slots of each optimizer that is one beyond doubt: variable and slot name."""
    numbers: Dict[str, Dict[str, Dict[int, str]]] = collections.defaultdict(dict)
    for key in _slots_of_known(by_key):
        variable, _, last = key.rpartition("/")
        slot = numbered_slot(last)
        assert slot is not None
        numbers[slot.optimizer].setdefault(variable, {})[slot.number] = key
    found: Dict[str, _Slots] = {}
    for optimizer in sorted(numbers):
        counts = {len(one) for one in numbers[optimizer].values()}
        names = slots_by_number(optimizer, max(counts))
        wanted = set(range(max(counts)))
        is_complete = all(set(one) == wanted for one in numbers[optimizer].values())
        # Of two optimizers of one name nobody can tell whose slots are whose.
        has_powers = len(_powers(optimizer, by_key)) == len(POWERS.get(optimizer, ()))
        if names is not None and is_complete and has_powers:
            found[optimizer] = {
                key: (variable, names[number])
                for variable, one in numbers[optimizer].items()
                for number, key in one.items()
            }
    return found


def _slots_of_known(by_key: Mapping[str, TensorEntry]) -> Set[str]:
    """The keys of what the optimizers that are known here keep for variables."""
    found: Set[str] = set()
    for key in sorted(by_key):  # A variable before what is kept for it.
        variable, _, last = key.rpartition("/")
        owner = by_key.get(variable)
        if owner is None or variable in found or numbered_slot(last) is None:
            continue
        entry = by_key[key]
        if (owner.shape, owner.dtype) == (entry.shape, entry.dtype):
            found.add(key)
    return found


def _powers(optimizer: str, by_key: Mapping[str, TensorEntry]) -> Dict[str, str]:
    """The keys of what an optimizer has besides slots, by name, of one optimizer."""
    found: Dict[str, str] = {}
    for name in POWERS.get(optimizer, ()):
        keys = [
            key
            for key, entry in by_key.items()
            if _is_numbered(key.rpartition("/")[2], name) and entry.shape == ()
        ]
        if len(keys) == 1:
            found[name] = keys[0]
    return found


def _is_numbered(last: str, name: str) -> bool:
    rest = last[len(name) :] if last.startswith(name) else "?"
    return not rest or (rest[0] == "_" and rest[1:].isdigit())
