"""Optimizers of name-based checkpoints, told by what slots are called.

An optimizer of ``tf.compat.v1.train`` makes its slots in a fixed order, and their names
get numbers in that order (``_create_slots`` of ``tensorflow/python/training/``)::

    w/Momentum                    momentum
    w/Adam, w/Adam_1              m, v
    w/RMSProp, w/RMSProp_1        rms, momentum
    w/RMSProp, _1, _2             rms, average of gradients, momentum (centered=True)
    w/Adagrad                     accumulator
    w/Ftrl, w/Ftrl_1              accumulator, linear

A graph of ``tf.keras`` has ``training/Adam/w/m`` and, beside those of all variables,
``training/Adam/iter``, ``/learning_rate`` and so on.
"""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple

from legacy_restore.checkpoint import TensorEntry
from legacy_restore.mapping.classify import classify, owner_of_slot
from legacy_restore.mapping.optimizer_state.kinds import (
    Family,
    Library,
    OptimizerState,
)
from legacy_restore.mapping.optimizer_state.stored import (
    FoundOptimizers,
    StoredOptimizer,
)
from legacy_restore.mapping.optimizers import keras_slots
from legacy_restore.mapping.tensor_class import TensorClass

# By how many slots a variable has.
_IN_ORDER: Mapping[Family, Mapping[int, Tuple[str, ...]]] = {
    Family.MOMENTUM: {1: ("momentum",)},
    Family.ADAM: {2: ("m", "v")},
    Family.RMSPROP: {2: ("rms", "momentum"), 3: ("rms", "mg", "momentum")},
    Family.ADAGRAD: {1: ("accumulator",)},
    Family.FTRL: {2: ("accumulator", "linear")},
}
_BY_NAME = {family.value: family for family in Family}
_OF_KERAS = {
    "SGD": Family.MOMENTUM,
    "Adam": Family.ADAM,
    "RMSprop": Family.RMSPROP,
    "Adagrad": Family.ADAGRAD,
    "Ftrl": Family.FTRL,
}
_NUMBERED = re.compile(r"(?P<name>.*?)(?:_(?P<number>\d+))?")
_POWER = re.compile(r"beta(?P<which>[12])_power(?:_\d+)?")
_COUNTERS = ("iter", "iterations")
_HYPERPARAMETERS = ("learning_rate", "decay", "momentum", "rho", "beta_1", "beta_2")


class _Slot(NamedTuple):
    """A slot by its name: whose, of which optimizer, and which of that."""

    key: str
    variable: str
    optimizer: str
    place: str


def optimizers_by_name(entries: Iterable[TensorEntry]) -> FoundOptimizers:
    """Returns the optimizers of a checkpoint that has names and no objects.

    Optimizers of one kind and name are one, since names do not tell them apart.

    Args:
      entries: What the checkpoint says about its tensors.
    """
    by_key = {entry.key: entry for entry in entries}
    classes = classify(by_key.values())
    unknown: Set[str] = set()
    of_v1: Dict[Family, List[_Slot]] = {}
    of_keras: Dict[str, List[_Slot]] = {}
    for key, one in sorted(classes.items()):
        if one.tensor_class is not TensorClass.SLOT:
            continue
        slot = _v1_slot(key, by_key)
        if slot is not None and slot.optimizer in _BY_NAME:
            of_v1.setdefault(_BY_NAME[slot.optimizer], []).append(slot)
            continue
        slot = _keras_slot(key, by_key)
        if slot is not None:
            of_keras.setdefault(slot.optimizer, []).append(slot)
        else:
            unknown.add(str(one.optimizer))
    powers = _powers(by_key)
    steps = tuple(
        sorted(
            key
            for key, one in classes.items()
            if one.tensor_class is TensorClass.STEP
            and by_key[key].dtype != "string"
            and key.rpartition("/")[2].startswith("global_step")
        )
    )
    found = [_of_v1(family, slots, steps, powers) for family, slots in of_v1.items()]
    found += [_of_keras(path, slots, by_key) for path, slots in of_keras.items()]
    return FoundOptimizers(tuple(found), tuple(sorted(unknown)))


def _v1_slot(key: str, by_key: Mapping[str, TensorEntry]) -> Optional[_Slot]:
    base, _, last = key.rpartition("/")
    owner = owner_of_slot(base, by_key)
    match = _NUMBERED.fullmatch(last)
    if owner is None or match is None or match["name"] not in _BY_NAME:
        return None
    return _Slot(key, owner.key, match["name"], match["number"] or "0")


def _keras_slot(key: str, by_key: Mapping[str, TensorEntry]) -> Optional[_Slot]:
    for slot in keras_slots(key):
        if slot.optimizer in _OF_KERAS and slot.variable in by_key:
            rest, _, role = key.rpartition("/")
            path = rest[: -len(slot.variable) - 1]
            return _Slot(key, slot.variable, path, role)
    return None


def _powers(by_key: Mapping[str, TensorEntry]) -> Tuple[Tuple[str, str], ...]:
    found = []
    for key, entry in sorted(by_key.items()):
        match = _POWER.fullmatch(key.rpartition("/")[2])
        is_number = entry.shape == () and entry.dtype.startswith("float")
        if match is not None and is_number:
            found.append((f"beta_{match['which']}", key))
    return tuple(found)


def _of_v1(
    family: Family,
    slots: List[_Slot],
    steps: Tuple[str, ...],
    powers: Tuple[Tuple[str, str], ...],
) -> StoredOptimizer:
    by_variable: Dict[str, Dict[int, str]] = {}
    problems: List[str] = []
    twice: Set[str] = set()
    for slot in slots:
        numbers = by_variable.setdefault(slot.variable, {})
        other = numbers.setdefault(int(slot.place), slot.key)
        if other != slot.key:
            twice.add(slot.variable)
            problems.append(f"{slot.variable}: one slot twice: {other}, {slot.key}")
    known: Dict[str, Mapping[str, str]] = {}
    for variable, numbers in by_variable.items():
        if variable in twice:
            continue
        roles = _IN_ORDER[family].get(len(numbers))
        if roles is None or sorted(numbers) != list(range(len(numbers))):
            names = ", ".join(numbers[number] for number in sorted(numbers))
            problems.append(f"{variable}: not what one {family.value} keeps: {names}")
        else:
            known[variable] = {role: numbers[n] for n, role in enumerate(roles)}
    kept = {tuple(of) for of in known.values()}
    if len(kept) > 1:
        problems.append(f"variables have different slots of {family.value}")
    return StoredOptimizer(
        family.value,
        OptimizerState(
            Library.V1, family, frozenset(role for of in kept for role in of)
        ),
        known,
        steps,
        powers if family is Family.ADAM else (),
        problems=tuple(problems),
    )


def _of_keras(
    path: str, slots: List[_Slot], by_key: Mapping[str, TensorEntry]
) -> StoredOptimizer:
    known: Dict[str, Dict[str, str]] = {}
    for slot in slots:
        known.setdefault(slot.variable, {})[slot.place] = slot.key
    match = _NUMBERED.fullmatch(path.rpartition("/")[2])
    assert match is not None  # It matches whatever there is.
    roles = frozenset(role for of in known.values() for role in of)
    scalars = {
        name: f"{path}/{name}"
        for name in _HYPERPARAMETERS + _COUNTERS
        if f"{path}/{name}" in by_key
        and by_key[f"{path}/{name}"].shape == ()
        and by_key[f"{path}/{name}"].dtype != "string"
    }
    return StoredOptimizer(
        path,
        OptimizerState(Library.LEGACY_KERAS, _OF_KERAS[match["name"]], roles),
        known,
        tuple(scalars[name] for name in _COUNTERS if name in scalars),
        hyperparameter_keys={
            name: key for name, key in scalars.items() if name not in _COUNTERS
        },
    )
