"""Names of slots: with their variable's, under an outer scope, of a part.

An optimizer that is made in a scope calls the slots of a variable by the scope and the
variable's whole name, which has the scope too: ``m/m/rnn/kernel/Adam``. And slots of a
variable that is partitioned into one part have that part in their names,
``dnn/logits/biases/part_0/Adagrad``, or, where they were made in a scope, what is left
of its name when as many letters are taken off as the scope has: ``t_0``
(``tensorflow/python/training/slot_creator.py``).
"""

from __future__ import annotations

import collections
import re
from typing import Dict, Mapping, Sequence, Set

from legacy_restore.mapping.packs.pack import NameChange, RulePack, TypedName

_PART = re.compile(r"[a-z]*_?0")


def renamed_with_slots(
    keys: Sequence[TypedName], variables: Mapping[str, str]
) -> Mapping[str, str]:
    """Returns the new names of variables, and of what has their names in its own.

    Args:
      keys: The checkpoint's keys.
      variables: The new name of each variable.
    """
    found: Dict[str, str] = {}
    for key in keys:
        name = _with_variable(key.name, variables)
        if name != key.name:
            found[key.name] = name
    return found


def _with_variable(name: str, variables: Mapping[str, str]) -> str:
    """Replaces the longest run of parts of a name that is a variable."""
    parts = name.split("/")
    for length in range(len(parts), 0, -1):
        for start in range(len(parts) - length + 1):
            inside = "/".join(parts[start : start + length])
            if inside in variables:
                behind = parts[start + length :]
                return "/".join([*parts[:start], variables[inside], *behind])
    return name


def _rename_doubled(
    keys: Sequence[TypedName], wanted: Sequence[TypedName]
) -> Mapping[str, str]:
    """Takes the scopes off that slots have before their variable's whole name."""
    del wanted  # The names say it all.
    names = {key.name for key in keys}
    found: Dict[str, str] = {}
    for name in names:
        parts = name.split("/")
        for start in range(1, len(parts) - 1):
            variable = "/".join(parts[start:-1])
            # An outer scope is one that the variable stands in, too.
            if variable in names and parts[start] == parts[0]:
                found[name] = "/".join(parts[start:])
                break
    uses = collections.Counter(found.values())
    return {
        name: new for name, new in found.items() if new not in names and uses[new] == 1
    }


def rename_slots_of_parts(
    keys: Sequence[TypedName], wanted: Sequence[TypedName]
) -> Mapping[str, str]:
    """Takes the part out of the names of slots of variables in one part."""
    del wanted  # The names say it all.
    names = {key.name for key in keys}
    parts_of: Dict[str, Set[str]] = {}
    for name in names:
        variable, part, slot = _split_slot(name)
        if slot and variable in names:
            parts_of.setdefault(f"{variable}/{slot}", set()).add(part)
    found = {}
    for name in names:
        variable, part, slot = _split_slot(name)
        short = f"{variable}/{slot}"
        is_only_part = len(parts_of.get(short, ())) == 1 and _PART.fullmatch(part)
        if is_only_part and short not in names:
            found[name] = short
    return found


def _split_slot(name: str) -> Sequence[str]:
    """Splits a name into what may be a variable, its part, and a slot."""
    front, _, slot = name.rpartition("/")
    variable, _, part = front.rpartition("/")
    return (variable, part, slot) if variable else ("", "", "")


_KERNEL = TypedName("m/rnn/kernel", "float32", (4, 8))
_BIASES = TypedName("dnn/logits/biases", "float32", (3,))

DOUBLED_SCOPE = RulePack(
    name="doubled-scope",
    version=1,
    title="slots under an outer scope that they carry twice -> once",
    source="https://github.com/tensorflow/tensorflow/issues/8645",
    changes=(
        NameChange(
            "a slot made in the scope m",
            "m/m/rnn/kernel/Adam",
            "m/rnn/kernel/Adam",
            keys=(_KERNEL, TypedName("m/m/rnn/kernel/Adam", "float32", (4, 8))),
        ),
        NameChange(
            "one made in m/train",
            "m/train/m/rnn/kernel/Adam_1",
            "m/rnn/kernel/Adam_1",
            keys=(
                _KERNEL,
                TypedName("m/train/m/rnn/kernel/Adam_1", "float32", (4, 8)),
            ),
        ),
    ),
    rename=_rename_doubled,
)

PART_SLOTS = RulePack(
    name="part-slots",
    version=1,
    title="slots of a variable in one part -> slots of a whole variable",
    source="https://github.com/tensorflow/tensorflow/issues/6551",
    changes=(
        NameChange(
            "a slot of part_0",
            "dnn/logits/biases/part_0/Ftrl",
            "dnn/logits/biases/Ftrl",
            keys=(_BIASES, TypedName("dnn/logits/biases/part_0/Ftrl")),
        ),
        NameChange(
            "one made in a scope of three letters",
            "dnn/logits/biases/t_0/Adagrad",
            "dnn/logits/biases/Adagrad",
            keys=(_BIASES, TypedName("dnn/logits/biases/t_0/Adagrad")),
        ),
    ),
    rename=rename_slots_of_parts,
)
