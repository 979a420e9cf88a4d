"""What the object graph of a checkpoint says its tensors are there for.

Only optimizers are looked at; everything else is told by names (``classify``). Which
objects are optimizers is told by what they hold:

- one with slot variables (``tf.compat.v1.train``, Keras up to TensorFlow 2.10:
  ``tensorflow/python/keras/optimizer_v2/optimizer_v2.py``);
- one with ``iter`` and ``learning_rate`` (the same without slots);
- one with ``_variables`` and ``_iterations`` (Keras since TensorFlow 2.11, Keras 3:
  ``keras/src/optimizers/base_optimizer.py``). It holds each of its variables a second
  time in a list named for the slot, such as ``_momentums``, in the order of the
  weights; Keras 3 lists those in ``_trainable_variables``;
- one with ``step`` and the lists of an optimizer of Sonnet, such as ``m`` and ``v``.

The weights of a model are never taken for training state: an optimizer's own list of
weights is left alone, and a number counts as a hyperparameter only if nothing but
optimizers holds it.
"""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Set

from legacy_restore.checkpoint import TensorEntry
from legacy_restore.checkpoint.objects import ObjectGraph
from legacy_restore.mapping.optimizers import optimizer_of_slot
from legacy_restore.mapping.tensor_class import INTEGERS, Classified, TensorClass

_KERAS_2 = frozenset(["iter", "learning_rate"])
_KERAS_LISTS = frozenset(["_variables", "_iterations"])
_SONNET = (
    frozenset(["step", "m", "v"]),
    frozenset(["mom", "ms", "mg"]),
    frozenset(["accumulated_momentum"]),
)
_ALL_VARIABLES = "_variables"
_WEIGHTS = "_trainable_variables"
# What tf_keras' LossScaleOptimizer holds besides all that the wrapped one does.
_LOSS_SCALE = "loss_scale"
_AVERAGES = "_model_variables_moving_average"
_POWER = re.compile(r"beta[12]_power(?:_\d+)?")
# A variable's name is compared with that of each of its slots.
_MAX_NAME = 1_000
_NUMBERED = re.compile(r"_\d+$")


class _Listed(NamedTuple):
    """A variable in a list of an optimizer."""

    name: str
    position: str
    node: int


def classes_of_objects(
    objects: ObjectGraph, entries: Mapping[str, TensorEntry]
) -> Dict[str, Classified]:
    """Returns what the object graph tells of the tensors of optimizers, by key.

    Args:
      objects: The object graph of a checkpoint.
      entries: What the checkpoint says about each tensor, by key.
    """
    return _Classes(objects, entries).found


class _Classes:
    """Collects what is known, the surest first: it is not said twice."""

    def __init__(
        self, objects: ObjectGraph, entries: Mapping[str, TensorEntry]
    ) -> None:
        self.found: Dict[str, Classified] = {}
        self._objects = objects
        self._entries = entries
        self._key_of: Dict[int, str] = {}
        for tensor in objects.tensors.values():
            self._key_of.setdefault(tensor.node, tensor.key)
        self._full_names = {
            tensor.full_name for tensor in objects.tensors.values() if tensor.full_name
        }
        self._lists_seen: Set[int] = set()
        optimizers = [
            number for number in range(len(objects.nodes)) if self._optimizes(number)
        ]
        self._holders = {*optimizers, *self._lists_of(optimizers)}
        self._add_slot_variables()
        for number in optimizers:
            self._add_scalars(number)
        for number in optimizers:
            self._add_lists(number)

    def _optimizes(self, number: int) -> bool:
        node = self._objects.nodes[number]
        names = {child.name for child in node.children}
        return (
            bool(node.slots)
            or names >= _KERAS_2
            or names >= _KERAS_LISTS
            or self._is_of_sonnet(number, names)
        )

    def _is_of_sonnet(self, number: int, names: Set[str]) -> bool:
        if not any(names >= known for known in _SONNET):
            return False
        lists = [
            child.node
            for child in self._objects.nodes[number].children
            if any(child.name in known - {"step"} for known in _SONNET)
        ]
        # Lists hold what they have under numbers.
        return all(
            child.name.isdigit()
            for one in lists
            for child in self._objects.nodes[one].children
        ) and not any(self._objects.nodes[one].attributes for one in lists)

    def _lists_of(self, optimizers: List[int]) -> Iterator[int]:
        for number in optimizers:
            for child in self._objects.nodes[number].children:
                if child.name != _WEIGHTS:
                    yield child.node

    def _add_slot_variables(self) -> None:
        for slot in self._objects.slots:
            key = self._key_of.get(slot.variable)
            if key is None or key in self.found:
                continue
            original = self._objects.short_path(slot.original)
            optimizer = self._optimizer(slot.optimizer, key, slot.name, slot.original)
            self.found[key] = Classified(
                TensorClass.SLOT, f"{slot.name} of {original}", optimizer
            )

    def _add_scalars(self, optimizer: int) -> None:
        held = list(self._objects.nodes[optimizer].children)
        for child in self._objects.nodes[optimizer].children:
            if child.name == _LOSS_SCALE and child.node in self._holders:
                held += self._objects.nodes[child.node].children
        for child in held:
            key = self._key_of.get(child.node)
            entry = None if key is None else self._entries.get(key)
            if entry is None or entry.shape != () or entry.key in self.found:
                continue
            found = self._scalar(entry, child.name, child.node, optimizer)
            if found is not None:
                self.found[entry.key] = found

    def _scalar(
        self, entry: TensorEntry, name: str, node: int, optimizer: int
    ) -> Optional[Classified]:
        reason = f"{name.lstrip('_')} of {self._objects.short_path(optimizer)}"
        if entry.dtype in INTEGERS:
            return Classified(TensorClass.STEP, reason)
        if not entry.dtype.startswith(("float", "bfloat")):
            return None
        if not all(one in self._holders for one in self._objects.parents(node)):
            return None
        is_power = _POWER.fullmatch(name) is not None
        kind = TensorClass.POWER if is_power else TensorClass.HYPERPARAMETER
        return Classified(kind, reason)

    def _add_lists(self, optimizer: int) -> None:
        names = {child.name for child in self._objects.nodes[optimizer].children}
        is_of_keras = names >= _KERAS_LISTS
        if not is_of_keras and not self._is_of_sonnet(optimizer, names):
            return
        listed = list(self._listed(optimizer))
        weights = {one.position: one.node for one in listed if one.name == _WEIGHTS}
        own = {one.node for one in listed if one.name == _ALL_VARIABLES}
        own -= set(weights.values())
        known = {name for names in _SONNET for name in names}
        for one in sorted(listed, key=lambda one: one.name == _ALL_VARIABLES):
            key = self._key_of.get(one.node)
            if key is None or key in self.found:
                continue
            if one.node in own if is_of_keras else one.name in known:
                original = weights.get(one.position)
                self.found[key] = self._listed_class(one, key, original, optimizer)

    def _listed(self, optimizer: int) -> Iterator[_Listed]:
        for child in self._objects.nodes[optimizer].children:
            # One list is one optimizer's: a file that shares lists is not walked often.
            if child.node in self._lists_seen:
                continue
            self._lists_seen.add(child.node)
            for element in self._objects.nodes[child.node].children:
                yield _Listed(child.name, element.name, element.node)

    def _listed_class(
        self, one: _Listed, key: str, original: Optional[int], optimizer: int
    ) -> Classified:
        own = self._objects.tensors[key].full_name or ""
        if one.name == _ALL_VARIABLES:
            return Classified(
                TensorClass.SLOT,
                f"a variable of {self._objects.short_path(optimizer)}",
                self._optimizer(optimizer, key, "", None),
            )
        if original is not None:
            of = self._full_name(original) or self._objects.short_path(original)
        else:
            # Keras of TensorFlow 2.11 and later: <optimizer>/<slot>/<variable>.
            rest = own.split("/", 2)[-1]
            of = rest if rest in self._full_names else f"weight {one.position}"
        if one.name == _AVERAGES:
            return Classified(TensorClass.EMA, f"average of {of}")
        slot = one.name.lstrip("_")
        name = self._optimizer(optimizer, key, slot, original)
        return Classified(TensorClass.SLOT, f"{slot} of {of}", name)

    def _optimizer(
        self, number: int, key: str, slot: str, original: Optional[int]
    ) -> Optional[str]:
        """The optimizer's name if that of its slot tells it, else where it is."""
        own = self._objects.tensors[key].full_name or ""
        variable = "" if original is None else self._full_name(original)
        end = f"/{variable}/{slot}"
        if variable and own.endswith(end):  # Keras: Adam/dense/kernel/m.
            return own[: -len(end)].rpartition("/")[2] or None
        if variable and own.startswith(variable + "/"):  # dense/kernel/Adam_1.
            last = own[len(variable) + 1 :].rpartition("/")[2]
            return optimizer_of_slot(last) or _NUMBERED.sub("", last)
        names = {child.name for child in self._objects.nodes[number].children}
        if names >= _KERAS_LISTS and "/" in own:  # adam/dense_kernel_momentum.
            return own.partition("/")[0]
        return self._objects.short_path(number) if number else None

    def _full_name(self, number: int) -> str:
        key = self._key_of.get(number)
        name = "" if key is None else self._objects.tensors[key].full_name or ""
        return name if len(name) <= _MAX_NAME else ""
