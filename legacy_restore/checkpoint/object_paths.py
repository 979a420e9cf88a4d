"""Under which names the objects of an object graph are reached.

TensorFlow calls an object by the shortest way from the root to it, found breadth
first: names joined with ``/``, in which ``.`` is written ``..`` and ``/`` ``.S``. A
slot variable is called ``<variable>/.OPTIMIZER_SLOT/<optimizer>/<slot>``
(``tensorflow/python/trackable/trackable_utils.py``). An object may be reached in many
ways, in cycles too, so the number of ways can be exponential: what is done for them
here is bounded.
"""

from __future__ import annotations

import collections
import heapq
import itertools
from typing import Deque, Dict, List, NamedTuple, Optional, Sequence, Tuple

from legacy_restore.checkpoint.object_graph import ObjectNode
from legacy_restore.checkpoint.wire import FormatError

MAX_PATHS = 16
"""How many paths of one object are listed."""

# TensorFlow writes the path of each object that saves something into its key. So all
# of them are in the index, which an honest model keeps far below this.
_MAX_PATHS_CHARS = 64 << 20

# What looking for further paths may cost for one object, and for all: objects that are
# looked at. For all of them together it also ends with as many characters as above.
_MAX_STEPS = 5_000
_MAX_STEPS_IN_ALL = 5_000_000


class _Step(NamedTuple):
    parent: int
    name: str


class _Tail(NamedTuple):
    """The end of a path that is being made from its end: where it begins, and how."""

    node: int
    name: str
    rest: Optional[_Tail]
    length: int


class ObjectPaths:
    """The paths of the objects of one graph, each escaped as in a key.

    The root's path is empty; an object that is not reached from it has none.
    """

    def __init__(self, nodes: Sequence[ObjectNode]) -> None:
        """Looks at every edge once.

        Args:
          nodes: What ``parse_object_graph`` gives.

        Raises:
          FormatError: The paths of the objects that save something take more
            characters than the checkpoint of any model.
        """
        self._depths: List[Optional[int]] = [None] * len(nodes)
        # The ways to come to each node, the shortest first.
        self._steps: List[List[_Step]] = [[] for _ in nodes]
        self._lengths = [0] * len(nodes)
        self._steps_left = _MAX_STEPS_IN_ALL
        self._chars_left = _MAX_PATHS_CHARS
        self._slots: Dict[int, Tuple[int, int, str]] = {}
        self._is_unique = [False] * len(nodes)
        self._walk(nodes)
        self._add_slots(nodes)
        lengths = zip(self._lengths, nodes)
        if sum(size * len(of.attributes) for size, of in lengths) > _MAX_PATHS_CHARS:
            raise FormatError(
                f"the object graph's paths take more than {_MAX_PATHS_CHARS} characters"
            )

    def shortest(self, number: int) -> Optional[str]:
        """Returns the path of a node as TensorFlow calls it; None if there is none."""
        if number in self._slots:
            original, optimizer, name = self._slots[number]
            return (
                f"{self._joined(original)}/.OPTIMIZER_SLOT/"
                f"{self._joined(optimizer)}/{escape(name)}"
            )
        return None if self._depths[number] is None else self._joined(number)

    def length(self, number: int) -> Optional[int]:
        """Returns the characters of the shortest path, without making it."""
        is_reached = self._depths[number] is not None or number in self._slots
        return self._lengths[number] if is_reached else None

    def all(self, number: int) -> List[str]:
        """Returns the paths of a node that visit no other node twice.

        Returns:
          The shortest first. At most ``MAX_PATHS``, and fewer of a graph in which
          looking for all of them would take long.
        """
        first = self.shortest(number)
        if first is None:
            return []
        if number in self._slots or self._is_unique[number]:
            return [first]
        # Different names of one object may be the same text.
        return list(dict.fromkeys([first, *self._search(number)]))[:MAX_PATHS]

    def parents(self, number: int) -> List[int]:
        """Returns the nodes that hold a node, at most ``MAX_PATHS``, nearest first."""
        return [step.parent for step in self._steps[number]]

    def _walk(self, nodes: Sequence[ObjectNode]) -> None:
        self._depths[0] = 0
        self._is_unique[0] = True
        waiting: Deque[int] = collections.deque([0])
        while waiting:
            parent = waiting.popleft()
            depth = self._depths[parent]
            assert depth is not None
            for name, child in nodes[parent].children:
                if self._depths[child] is None:
                    self._depths[child] = depth + 1
                    separator = 1 if parent else 0
                    length = self._lengths[parent] + separator + len(escape(name))
                    self._lengths[child] = length
                    waiting.append(child)
                # Shorter ways come first, so that what is left out is longer.
                if len(self._steps[child]) < MAX_PATHS and child != parent:
                    self._steps[child].append(_Step(parent, name))
        for child in sorted(range(1, len(nodes)), key=self._depth_or_last):
            steps = self._steps[child]
            self._is_unique[child] = (
                len(steps) == 1 and self._is_unique[steps[0].parent]
            )

    def _depth_or_last(self, number: int) -> int:
        depth = self._depths[number]
        return len(self._depths) if depth is None else depth

    def _add_slots(self, nodes: Sequence[ObjectNode]) -> None:
        for optimizer, node in enumerate(nodes):
            if self._depths[optimizer] is None:
                continue
            for original, name, slot in node.slots:
                if self._depths[original] is None or self._depths[slot] is not None:
                    continue
                if slot not in self._slots:
                    self._slots[slot] = (original, optimizer, name)
                    ends = self._lengths[original] + self._lengths[optimizer]
                    self._lengths[slot] = (
                        ends + len(escape(name)) + len("/.OPTIMIZER_SLOT//")
                    )

    def _joined(self, number: int) -> str:
        names: List[str] = []
        while number:
            number, name = self._steps[number][0]
            names.append(escape(name))
        return "/".join(reversed(names))

    def _search(self, number: int) -> List[str]:
        """Best-first from the end: every end that is tried has a known best beginning.

        The depth of the node at its head is exactly what is missing, so ends of short
        paths come first, and only cycles lead nowhere.
        """
        found: List[str] = []
        allowance = min(_MAX_STEPS, self._steps_left)
        left = allowance
        order = itertools.count()  # Ends of one length come in the order of the file.
        start = _Tail(number, "", None, 0)
        waiting = [(self._depths[number] or 0, 0, next(order), start)]
        while waiting and min(left, self._chars_left) > 0 and len(found) < MAX_PATHS:
            _, _, _, tail = heapq.heappop(waiting)
            left -= 1
            if tail.node == 0:
                found.append(_text_of(tail))
                self._chars_left -= len(found[-1])
                continue
            visited = _nodes_of(tail)
            left -= len(visited)
            for parent, name in self._steps[tail.node]:
                if parent not in visited:
                    longer = _Tail(parent, name, tail, tail.length + 1)
                    total = (self._depths[parent] or 0) + longer.length
                    # Of equals the one that is nearest to its end.
                    item = (total, -longer.length, next(order), longer)
                    heapq.heappush(waiting, item)
        self._steps_left -= allowance - left
        return found


def escape(name: str) -> str:
    """Returns a name as it stands in a path."""
    return name.replace(".", "..").replace("/", ".S")


def _text_of(tail: _Tail) -> str:
    names: List[str] = []
    at: Optional[_Tail] = tail
    while at is not None and at.rest is not None:
        names.append(escape(at.name))
        at = at.rest
    return "/".join(names)


def _nodes_of(tail: _Tail) -> List[int]:
    numbers: List[int] = []
    at: Optional[_Tail] = tail
    while at is not None:
        numbers.append(at.node)
        at = at.rest
    return numbers
