"""The objects that a live root holds, as TensorFlow would save them.

TensorFlow asks each object for what it holds and by which name
(``tensorflow/python/checkpoint/graph_view.py``). Lists and dictionaries, which it takes
only inside of others, may be roots here.

Keras 3 tells TensorFlow of layers that are attributes, but of none that is in a list or
a dictionary, and of no weight that is in no attribute: ``tf.train.Checkpoint`` neither
saves nor restores these. The layers themselves know them all.
"""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
from typing import (
    Any,
    Deque,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Set,
    Tuple,
)

from legacy_restore import errors
from legacy_restore.eager.kinds import (
    Role,
    is_layer,
    is_save_counter,
    is_unbuilt_optimizer,
    layer_variables,
    role_of,
    variable_of,
)
from legacy_restore.tf import ObjectGraphView


@dataclasses.dataclass(frozen=True, eq=False)
class LiveObject:
    """An object that a root holds.

    Attributes:
      it: The object.
      path: The shortest way to it, the names joined by ``/``; empty for the root. None
        for a variable that only its layer knows.
      role: What the variables are there for that it is, or holds.
      holder: The nearest layer around it, or None.
      number: Its place among all objects.
    """

    it: Any
    path: Optional[str]
    role: Role
    holder: Any
    number: int


@dataclasses.dataclass(frozen=True, eq=False)
class LiveObjects:
    """All objects that a root holds.

    Attributes:
      objects: The objects, the root first.
      children: What each of them holds, by name: their numbers.
      optimizers: Those of the objects that are optimizers.
    """

    objects: Tuple[LiveObject, ...]
    children: Tuple[Mapping[str, int], ...]
    optimizers: Tuple[LiveObject, ...]

    def without_optimizers(self) -> Tuple[Mapping[str, int], ...]:
        """Returns what objects hold but for optimizers, in the form of ``children``."""
        left_out = {one.number for one in self.optimizers}
        return tuple(
            {name: number for name, number in held.items() if number not in left_out}
            for held in self.children
        )


def walk(root: Any) -> LiveObjects:
    """Returns all objects that a root holds, the nearest first.

    Args:
      root: An object that TensorFlow can save, or a list or a dictionary of such.
    """
    walking = _Walk()
    walking.run(root)
    return LiveObjects(
        objects=tuple(walking.found),
        children=tuple(walking.children),
        optimizers=tuple(walking.optimizers),
    )


class _Walk:
    """Visits objects breadth first."""

    def __init__(self) -> None:
        self.found: List[LiveObject] = []
        self.children: List[Dict[str, int]] = []
        self.optimizers: List[LiveObject] = []
        self._numbers: Dict[int, int] = {}
        self._waiting: Dict[Role, Deque[LiveObject]] = {
            role: collections.deque() for role in Role
        }

    def run(self, root: Any) -> None:
        """Walks through a root."""
        self._waiting[Role.WEIGHT].append(self._add(root, "", Role.WEIGHT, None))
        # Weights first: what metrics and optimizers hold may be weights too, and layers
        # of Keras 2 count the state of metrics among their own.
        for role in (Role.WEIGHT, Role.SEED, Role.METRIC, Role.COUNTER):
            self._visit_all(role)
        self._add_unseen()
        self._visit_all(Role.OPTIMIZER)

    def _visit_all(self, role: Role) -> None:
        waiting = self._waiting[role]
        while waiting:
            self._visit(waiting.popleft())

    def _visit(self, one: LiveObject) -> None:
        holder = one.it if is_layer(one.it) else one.holder
        for name, child in _held(one):
            number = self._numbers.get(id(child))
            if number is None:
                role = role_of(child) if one.role is Role.WEIGHT else one.role
                role = Role.COUNTER if is_save_counter(one.it, name) else role
                path = f"{one.path}/{name}" if one.path else name
                found = self._add(child, path, role, holder)
                self._waiting[role].append(found)
                if role is Role.OPTIMIZER and one.role is not role:
                    self.optimizers.append(found)
                number = found.number
            self.children[one.number][name] = number

    def _add(self, it: Any, path: Optional[str], role: Role, holder: Any) -> LiveObject:
        number = len(self.children)
        one = LiveObject(it, path, role, holder, number)
        self.found.append(one)
        self.children.append({})
        self._numbers[id(it)] = number
        return one

    def _add_unseen(self) -> None:
        """Adds the variables that only layers know."""
        known: Set[int] = {id(variable_of(one.it)) for one in self.found}
        layers = [
            one.it for one in self.found if is_layer(one.it) and one.role is Role.WEIGHT
        ]
        for attribute, role in (("weights", Role.WEIGHT), ("variables", Role.SEED)):
            for layer in layers:
                for variable in layer_variables(layer, attribute):
                    if id(variable_of(variable)) not in known:
                        known.add(id(variable_of(variable)))
                        self._add(variable, None, role, layer)


def _held(one: LiveObject) -> Iterator[Tuple[str, Any]]:
    """What an object holds, each with its name."""
    it = one.it
    if variable_of(it) is not None:
        return
    if one.role is Role.OPTIMIZER and is_unbuilt_optimizer(it):
        return
    if _is_trackable(it):
        yield from _dependencies(one)
        return
    pairs: Iterable[Tuple[Any, Any]] = ()
    if isinstance(it, collections.abc.Mapping):
        pairs = it.items()
    elif isinstance(it, (list, tuple)):
        pairs = enumerate(it)
    for name, child in pairs:
        if variable_of(child) is None and not is_root(child):
            place = f"{one.path}/{name}" if one.path else name
            raise errors.UsageError(
                f"the root holds {type(child).__name__} as {place!r}: that is no "
                "variable, and nothing that holds any"
            )
        yield str(name), child


def _is_trackable(it: Any) -> bool:
    return any(
        callable(getattr(it, name, None))
        for name in ("_trackable_children", "_lookup_dependency")
    )


def _dependencies(one: LiveObject) -> List[Tuple[str, Any]]:
    """What an object tells TensorFlow that it holds."""
    view = ObjectGraphView(one.it)
    try:
        if hasattr(view, "children"):
            return [(str(name), held) for name, held in view.children(one.it).items()]
        return [(str(held.name), held.ref) for held in view.list_dependencies(one.it)]
    except ValueError as error:
        # A list out of which something was taken, for one.
        if one.role is Role.OPTIMIZER:
            return []
        text = f"TensorFlow cannot tell what {one.path or 'the root'!r} holds: {error}"
        raise errors.UsageError(text) from error


def is_root(it: Any) -> bool:
    """Returns whether something can be walked: it holds, and is no variable."""
    if isinstance(it, (str, bytes, type)) or variable_of(it) is not None:
        return False
    return isinstance(it, (collections.abc.Mapping, list, tuple)) or _is_trackable(it)
