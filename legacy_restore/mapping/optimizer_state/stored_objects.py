"""Optimizers of object-based checkpoints, told by what their objects hold.

- One of ``tf.compat.v1.train``, or of Keras until TensorFlow 2.10, has slot variables
  in the object graph: which slot of which variable. That of Keras has ``iter`` besides.
- One of Keras since TensorFlow 2.11 (``_variables``, ``_iterations``) has lists named
  for the slots, such as ``_momentums``. Its variables' names say of what they are:
  ``Adam/m/dense/kernel``, or ``m/dense/kernel`` where ``build`` was called. It has no
  lists if it was saved once before it was built; then names have to say all.
- One of Keras 3 lists the weights too, in the order of those lists. Names
  (``adam/sequential_dense_kernel_momentum``) have to agree; in subclassed models those
  of the weights are shortened to ``model/kernel``.

Numbers in ``_variables`` are never relied on: what stands there depends on the order in
which an optimizer was built.
"""

from __future__ import annotations

import re
from typing import (
    Dict,
    FrozenSet,
    List,
    Mapping,
    Optional,
    Set,
    Tuple,
)

from legacy_restore.checkpoint import TensorEntry
from legacy_restore.checkpoint.objects import ObjectGraph
from legacy_restore.mapping.optimizer_state.kinds import (
    Family,
    Library,
    OptimizerState,
    list_names,
    slot_names,
)
from legacy_restore.mapping.optimizer_state.named_slots import (
    SUFFIXES,
    HeldVariable,
    slots_by_names,
)
from legacy_restore.mapping.optimizer_state.stored import (
    FoundOptimizers,
    StoredOptimizer,
)
from legacy_restore.mapping.optimizers import optimizer_of_slot
from legacy_restore.mapping.tensor_class import INTEGERS

_HYPERPARAMETERS = frozenset(
    [
        "learning_rate",
        "decay",
        "momentum",
        "rho",
        "beta_1",
        "beta_2",
        "beta",
        "learning_rate_power",
        "l1_regularization_strength",
        "l2_regularization_strength",
    ]
)
_LISTS = frozenset(["_variables", "_iterations"])
_WEIGHTS = "_trainable_variables"
# What such an optimizer lists besides its slots.
_NO_SLOTS = _LISTS | {
    _WEIGHTS,
    "_trainable_variables_indices",
    "_index_dict",
    "_learning_rate",
    "_current_learning_rate",
    "loss_scale",
    "_accumulated_gradients",
    "_model_variables_moving_average",
}
_SLOT_LISTS = frozenset(
    name for family in Family for name in list_names(family).values()
)
# What says which variables do not decay.
_NO_DECAY = re.compile(r"_?exclude_from_weight_decay(_cache|_names|_pattern)?")
# Parts of a name are looked up from each of its slashes on.
_MAX_NAME = 1_000
_ADAM = re.compile(r"adam(_?w)?(_\d+)?")
# These keep what Adam keeps, and do something else with it.
_NOT_ADAM = re.compile(r"(?i)(adamax|nadam|lamb|lazyadam|schedule_free_adam_?w)(_\d+)?")


def optimizers_of_objects(
    objects: ObjectGraph, entries: Mapping[str, TensorEntry]
) -> FoundOptimizers:
    """Returns the optimizers of an object-based checkpoint.

    Args:
      objects: Its object graph.
      entries: What it says about each tensor, by key.
    """
    return _Search(objects, entries).found()


class _Search:
    def __init__(
        self, objects: ObjectGraph, entries: Mapping[str, TensorEntry]
    ) -> None:
        self._objects = objects
        self._entries = entries
        self._key_of: Dict[int, str] = {}
        self._named: Dict[str, Set[str]] = {}
        for tensor in objects.tensors.values():
            self._key_of.setdefault(tensor.node, tensor.key)
            if tensor.full_name:
                self._named.setdefault(tensor.full_name, set()).add(tensor.key)

    def found(self) -> FoundOptimizers:
        known: List[StoredOptimizer] = []
        unknown: List[str] = []
        for number, node in enumerate(self._objects.nodes):
            names = {child.name for child in node.children}
            if names >= _LISTS:
                one = self._with_lists(number)
            elif node.slots or names >= {"iter", "learning_rate"}:
                one = self._with_slots(number)
            else:
                continue
            if one is None:
                unknown.append(self._objects.short_path(number))
            else:
                known.append(one)
        return FoundOptimizers(tuple(known), tuple(sorted(unknown)))

    def _children(self, number: int) -> Dict[str, int]:
        return {one.name: one.node for one in self._objects.nodes[number].children}

    def _scalars(self, children: Mapping[str, int]) -> Dict[str, str]:
        """Keys of what an optimizer holds itself, by name without underscores."""
        found: Dict[str, str] = {}
        for name, node in children.items():
            key = self._key_of.get(node)
            entry = None if key is None else self._entries.get(key)
            if entry is not None and entry.shape == () and _is_number(entry):
                found[name.lstrip("_")] = entry.key
        return found

    def _with_slots(self, number: int) -> Optional[StoredOptimizer]:
        children = self._children(number)
        library = Library.LEGACY_KERAS if "iter" in children else Library.V1
        names = {slot.name for slot in self._objects.nodes[number].slots}
        family = _family_of_slots(library, names, frozenset(children))
        if family is None or self._is_other(number, family):
            return None
        role_of = {name: role for role, name in slot_names(library, family).items()}
        slots: Dict[str, Dict[str, str]] = {}
        problems: List[str] = []
        for slot in self._objects.nodes[number].slots:
            key = self._key_of.get(slot.slot)
            variable = self._key_of.get(slot.original)
            if key is None or variable is None:
                problems.append(f"a slot {slot.name} of which the value is not stored")
            elif not self._shapes_agree(variable, key):
                problems.append(f"{key}: not of the shape of its variable")
            else:
                slots.setdefault(variable, {})[role_of[slot.name]] = key
        scalars = self._scalars(children)
        return StoredOptimizer(
            self._objects.short_path(number),
            OptimizerState(library, family, frozenset(role_of[n] for n in names)),
            slots,
            tuple(scalars[name] for name in ("iter",) if name in scalars),
            tuple(
                (f"beta_{which}", scalars[f"beta{which}_power"])
                for which in "12"
                if f"beta{which}_power" in scalars
            ),
            {name: key for name, key in scalars.items() if name in _HYPERPARAMETERS},
            _varying(library, scalars),
            tuple(problems),
        )

    def _is_other(self, number: int, family: Family) -> bool:
        """Whether names say that it is another, although it keeps the same."""
        for slot in self._objects.nodes[number].slots[:1]:
            key = self._key_of.get(slot.slot, "")
            tensor = self._objects.tensors.get(key)
            parts = (tensor.full_name or "").split("/") if tensor else []
            named = optimizer_of_slot(parts[-1]) if parts else None
            if named is not None and named != family.value:
                return True
            return any(_NOT_ADAM.fullmatch(part) for part in parts)
        return False

    def _with_lists(self, number: int) -> Optional[StoredOptimizer]:
        children = self._children(number)
        library = Library.KERAS_3 if _WEIGHTS in children else Library.KERAS_2
        family = _family_of_lists(self._lists(children))
        if family is not None:
            held_for = {
                role: self._held(children.get(name))
                for role, name in list_names(family).items()
            }
        elif library is Library.KERAS_2 and not self._lists(children):
            family, held_for = slots_by_names(self._held(children["_variables"]))
        if family is None:
            return None
        slots: Dict[str, Dict[str, str]] = {}
        problems: List[str] = []
        twice: Set[str] = set()
        roles: Set[str] = set()
        own_names: Set[str] = set()
        weights = {one.place: one.key for one in self._held(children.get(_WEIGHTS))}
        for role, all_held in held_for.items():
            for held in all_held:
                if _NOT_ADAM.fullmatch(held.name.partition("/")[0]):
                    return None
                roles.add(role)
                own_names.add(held.name.partition("/")[0])
                if library is Library.KERAS_3:
                    weight = self._listed(held, weights, SUFFIXES[family][role])
                else:
                    weight = self._by_full_name(held, SUFFIXES[family][role])
                if weight is None:
                    problems.append(f"{held.key} ({held.name}): of which weight?")
                    continue
                other = slots.setdefault(weight, {}).setdefault(role, held.key)
                if other != held.key:
                    # Of variables of one name the file may hold but one.
                    twice.add(weight)
                    problems.append(
                        f"{other} and {held.key} ({held.name}): of which weight?"
                    )
        for weight in twice:
            del slots[weight]
        scalars = self._scalars(children)
        accumulated = self._held(children.get("_accumulated_gradients"))
        # Keras 3 alone has Lamb and ScheduleFreeAdamW, and the name in all variables.
        unclear = [name for name in sorted(own_names) if not _ADAM.fullmatch(name)]
        is_told = library is not Library.KERAS_3 or family is not Family.ADAM
        return StoredOptimizer(
            self._objects.short_path(number),
            OptimizerState(library, family, frozenset(roles)),
            slots,
            tuple(scalars[name] for name in ("iterations",) if name in scalars),
            hyperparameter_keys={
                name: key for name, key in scalars.items() if name == "learning_rate"
            },
            varying=_varying(library, scalars)
            + (("gradient_accumulation_steps",) if accumulated else ()),
            problems=tuple(problems),
            own_name="" if is_told else ", ".join(unclear),
        )

    def _lists(self, children: Mapping[str, int]) -> FrozenSet[str]:
        """The names of what may be lists of slots: known ones, and all with contents.

        Functions, for one, are objects too, and hold nothing.
        """
        nodes = self._objects.nodes
        return frozenset(
            name
            for name, node in children.items()
            if name not in _NO_SLOTS
            and not _NO_DECAY.fullmatch(name)
            and (name in _SLOT_LISTS or nodes[node].children or nodes[node].attributes)
        )

    def _held(self, number: Optional[int]) -> List[HeldVariable]:
        """What a list holds that is stored."""
        found: List[HeldVariable] = []
        for child in () if number is None else self._objects.nodes[number].children:
            key = self._key_of.get(child.node)
            if key is not None:
                name = self._objects.tensors[key].full_name or ""
                found.append(HeldVariable(child.name, key, name))
        return found

    def _listed(
        self, held: HeldVariable, weights: Mapping[str, str], suffixes: Tuple[str, ...]
    ) -> Optional[str]:
        weight = weights.get(held.place)
        if weight is None or not self._shapes_agree(weight, held.key):
            return None
        own = (self._objects.tensors[weight].full_name or "").rpartition("/")[2]
        ends = tuple(f"_{own}_{suffix}" for suffix in suffixes)
        whole = tuple(f"/{own}_{suffix}" for suffix in suffixes)
        return weight if held.name.endswith(ends + whole) else None

    def _by_full_name(
        self, held: HeldVariable, suffixes: Tuple[str, ...]
    ) -> Optional[str]:
        # What stands before it is the optimizer's name, if it was built by a step.
        parts = held.name.split("/")
        if len(held.name) > _MAX_NAME:
            return None
        found = {
            weight
            for place, part in enumerate(parts)
            if part in suffixes
            for weight in self._named.get("/".join(parts[place + 1 :]), ())
        }
        if len(found) != 1:
            return None
        (weight,) = found
        return weight if self._shapes_agree(weight, held.key) else None

    def _shapes_agree(self, weight: str, slot: str) -> bool:
        one, other = self._entries.get(weight), self._entries.get(slot)
        return one is not None and other is not None and one.shape == other.shape


def _is_number(entry: TensorEntry) -> bool:
    return entry.dtype in INTEGERS or entry.dtype.startswith("float")


def _varying(library: Library, scalars: Mapping[str, str]) -> Tuple[str, ...]:
    """The learning rate, where it is a schedule or a function: Keras saves numbers."""
    is_number = "learning_rate" in scalars or not library.is_keras
    return () if is_number else ("learning_rate",)


def _family_of_slots(
    library: Library, names: Set[str], children: FrozenSet[str]
) -> Optional[Family]:
    if not names:
        is_plain = children == {"iter", "learning_rate", "decay", "momentum"}
        return Family.MOMENTUM if is_plain else None
    for family in Family:
        known = set(slot_names(library, family).values())
        if names <= known and _needed(library, family) <= names:
            # Adamax and Nadam of Keras keep m and v as well.
            is_nadam = "momentum_cache" in children
            return None if family is Family.ADAM and is_nadam else family
    return None


def _needed(library: Library, family: Family) -> Set[str]:
    optional = {"vhat", "mg"}
    if family is Family.RMSPROP:
        optional.add("momentum")
    return set(slot_names(library, family).values()) - optional


def _family_of_lists(names: FrozenSet[str]) -> Optional[Family]:
    for family in Family:
        known = set(list_names(family).values())
        optional = {"_velocity_hats"}
        if known - optional <= names <= known:
            return family
    return None
