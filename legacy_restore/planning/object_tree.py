"""Pairing the objects of a live program with those of a checkpoint.

TensorFlow restores objects, not names: it walks from both roots at once, breadth first,
from each object to those that it holds under the same name
(``tensorflow/python/checkpoint/restore.py``; in 1.15
``tensorflow/python/training/tracking/base.py``). The names in between need not be those
of the keys: an object that is held under several names is found under any of them.

TensorFlow binds each object of the file to the live object by which it is reached
first, and each variable takes the first value that reaches it. Where another way leads
elsewhere it warns at best. Here that is a conflict, and the variable gets no key.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import (
    AbstractSet,
    Callable,
    Deque,
    Dict,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from legacy_restore.checkpoint.objects import ObjectGraph
from legacy_restore.report.table import cut_names

VARIABLE_VALUE = "VARIABLE_VALUE"
"""What the value of a variable is called among what its object saves."""

# An object of the file that is paired with several live ones leads on from each of
# them, to say which variables are concerned. Cycles of different lengths would pair
# everything with everything.
_MAX_PARTNERS = 16

# What all ways together may look at, in names of children. Real models have some ten
# thousand objects; of those whose root holds thousands that lead back to it, only the
# way from root to root is tried.
_MAX_STEPS = 5_000_000

_SAME_ROOT = "objects by their names"


@dataclasses.dataclass(frozen=True)
class ObjectTree:
    """The objects of a live program, as data.

    Despite its name it may hold cycles, and objects that are held more than once.

    Attributes:
      children: What each object holds, by name: the numbers of objects. The first
        object is the root.
      variables: The names of the variables, by the number of their object. Objects of
        one name are one variable.
    """

    children: Sequence[Mapping[str, int]]
    variables: Mapping[int, str]


@dataclasses.dataclass(frozen=True)
class Conflict:
    """Variables and keys between which the names of objects do not decide.

    Attributes:
      variables: The live variables, sorted: one that several objects of the file
        reach, or several that were one variable when they were saved.
      keys: The keys that reach them, sorted.
    """

    variables: Tuple[str, ...]
    keys: Tuple[str, ...]

    def __str__(self) -> str:
        names, keys = cut_names(self.variables), cut_names(self.keys)
        if len(self.variables) == 1:
            return f"{len(self.keys)} keys reach it: {keys}"
        if len(self.keys) == 1:
            return f"{keys} was one variable, and is several here: {names}"
        return f"{names} and {keys} reach each other in more than one way"


@dataclasses.dataclass(frozen=True)
class Pairing:
    """How the objects of a program and of a checkpoint go together.

    Attributes:
      label: The way in words.
      keys: The key of each variable that one object of the file alone reaches, by the
        variable's name. Empty where several ways explain the program.
      conflicts: The variables about which the names of objects do not decide; none of
        them is in ``keys``.
      live_root: The name under which the live root holds what the file's root is
        paired with; None for the root itself.
      stored_root: The name under which the file's root holds what the live root is
        paired with; None for the root itself.
      ways: Where several ways explain the program, and differ: all of them.
    """

    label: str
    keys: Mapping[str, str]
    conflicts: Tuple[Conflict, ...] = ()
    live_root: Optional[str] = None
    stored_root: Optional[str] = None
    ways: Tuple[Pairing, ...] = ()


def pair(
    tree: ObjectTree,
    objects: ObjectGraph,
    required: Optional[AbstractSet[str]] = None,
    fits: Optional[Callable[[str, str], bool]] = None,
) -> Pairing:
    """Pairs variables with keys, as TensorFlow restores them.

    The roots belong together, unless that does not explain the program: gives not
    every variable that is required a key. Then what one of the roots holds may be the
    other one: ``Checkpoint(model=model)`` was saved and ``model`` is to be restored, or
    the other way round. Such a way counts only if it explains the program, and no other
    way does.

    Variables that an optimizer keeps for others (slots of
    ``TrackableObject.slot_variables``) are held by no object, and are not looked for.

    Args:
      tree: The live program.
      objects: The checkpoint's objects.
      required: The variables that have to get a key; by default all of them.
      fits: Whether a variable (its name) can take what stands under a key; by default
        all can.

    Returns:
      The only way that explains the program; of several that differ, none, with all of
      them as its ``ways``. If none does, the way that gives most required variables a
      key, from root to root if that is one of them.
    """
    needed = set(tree.variables.values()) if required is None else set(required)

    def explains(way: Pairing) -> bool:
        if not way.keys or not needed <= set(way.keys):
            return False
        return fits is None or all(fits(name, way.keys[name]) for name in needed)

    own = _way(tree, objects, _Roots())
    if explains(own):
        return own
    others = _other_ways(tree, objects)
    full = _distinct([way for way in others if explains(way)])
    if len(full) == 1:
        return full[0]
    if full:
        labels = "; ".join(way.label for way in full)
        return Pairing(f"more than one way: {labels}", {}, ways=tuple(full))
    return max([own, *others], key=lambda way: len(needed & set(way.keys)))


@dataclasses.dataclass(frozen=True)
class _Roots:
    """Two objects that are taken to be the same, and how their roots call them."""

    live: int = 0
    stored: int = 0
    live_name: Optional[str] = None
    stored_name: Optional[str] = None

    @property
    def label(self) -> str:
        if self.live_name is not None:
            return f"the checkpoint's root is {self.live_name} here"
        if self.stored_name is not None:
            return f"the root here is {self.stored_name} in the checkpoint"
        return _SAME_ROOT


def _other_ways(tree: ObjectTree, objects: ObjectGraph) -> List[Pairing]:
    """The ways in which one root is what the other one holds; none if too many."""
    found = []
    steps = _Steps(_MAX_STEPS)
    for roots in _roots(tree, objects):
        found.append(_way(tree, objects, roots, steps))
        if steps.left < 0:
            return []  # What was not tried might explain the program too.
    return found


def _roots(tree: ObjectTree, objects: ObjectGraph) -> Iterator[_Roots]:
    for child in objects.nodes[0].children:
        if objects.nodes[child.node].children:
            yield _Roots(stored=child.node, stored_name=child.name)
    for name, number in tree.children[0].items():
        if tree.children[number]:
            yield _Roots(live=number, live_name=name)


@dataclasses.dataclass
class _Steps:
    left: int


def _way(
    tree: ObjectTree,
    objects: ObjectGraph,
    roots: _Roots,
    steps: Optional[_Steps] = None,
) -> Pairing:
    values = _values(tree, objects, _walk(tree, objects, roots, steps))
    conflicts = _conflicts(values)
    undecided = {name for conflict in conflicts for name in conflict.variables}
    keys = {
        name: next(iter(found))
        for name, found in values.items()
        if name not in undecided
    }
    return Pairing(roots.label, keys, conflicts, roots.live_name, roots.stored_name)


def _walk(
    tree: ObjectTree, objects: ObjectGraph, roots: _Roots, steps: Optional[_Steps]
) -> List[Tuple[int, int]]:
    """The pairs of a live object and one of the file, breadth first."""
    start = (roots.live, roots.stored)
    partners: Dict[int, Set[int]] = collections.defaultdict(set)
    partners[roots.stored].add(roots.live)
    pairs = [start]
    waiting: Deque[Tuple[int, int]] = collections.deque(pairs)
    while waiting:
        live, stored = waiting.popleft()
        held = tree.children[live]
        if steps is not None:
            steps.left -= 1 + len(objects.nodes[stored].children)
            if steps.left < 0:
                break
        for name, child in objects.nodes[stored].children:
            number = held.get(name)
            if number is None or number in partners[child]:
                continue
            if len(partners[child]) < _MAX_PARTNERS:
                partners[child].add(number)
                pairs.append((number, child))
                waiting.append((number, child))
    return pairs


def _values(
    tree: ObjectTree, objects: ObjectGraph, pairs: Sequence[Tuple[int, int]]
) -> Dict[str, Set[str]]:
    """The keys that reach each variable."""
    found: Dict[str, Set[str]] = {}
    for live, stored in pairs:
        name = tree.variables.get(live)
        if name is None:
            continue
        for attribute in objects.nodes[stored].attributes:
            if attribute.name == VARIABLE_VALUE and attribute.key in objects.tensors:
                found.setdefault(name, set()).add(attribute.key)
    return found


def _conflicts(values: Mapping[str, Set[str]]) -> Tuple[Conflict, ...]:
    """What hangs together in more than one way, each group once."""
    names: Dict[str, Set[str]] = collections.defaultdict(set)
    for name, keys in values.items():
        for key in keys:
            names[key].add(name)
    found = []
    seen: Set[str] = set()
    for first in sorted(values):
        if first in seen:
            continue
        group, reached = {first}, set(values[first])
        fresh = set(reached)
        while fresh:
            more = {name for key in fresh for name in names[key]} - group
            group |= more
            fresh = {key for name in more for key in values[name]} - reached
            reached |= fresh
        seen |= group
        if len(group) > 1 or len(reached) > 1:
            found.append(Conflict(tuple(sorted(group)), tuple(sorted(reached))))
    return tuple(found)


def _distinct(ways: Sequence[Pairing]) -> List[Pairing]:
    """The ways that differ in some key; of equals the first."""
    found: List[Pairing] = []
    for way in ways:
        if not any(way.keys == other.keys for other in found):
            found.append(way)
    return found
