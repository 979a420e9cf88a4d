"""What else the tensors of an object-based checkpoint are called.

The keys of ``tf.train.Checkpoint`` are paths of objects: one path for each tensor,
which need not be the one that a graph's variable names follow. The file knows two more
ways to call them. Each variable has the name that it had in the program that saved it
(``full_name``), which is the key that a name-based Saver would have given it. And an
object that is held under several names is reached by several paths, of which the key
shows the shortest.

A name that two tensors have says nothing about either of them, and is no name: the
variables of subclassed Keras models are called ``sub/kernel`` once for each layer.
"""

from __future__ import annotations

import collections
import dataclasses
import re
from typing import Counter, Dict, List, Mapping, Sequence, Set, Tuple

from legacy_restore.checkpoint.object_graph import ObjectNode
from legacy_restore.checkpoint.objects import ObjectGraph
from legacy_restore.planning.object_tree import VARIABLE_VALUE
from legacy_restore.planning.spec import Source

FULL_NAMES = "names of the variables when they were saved"
"""The label of the names that variables had."""

OBJECT_PATHS = "paths of objects"
"""The label of the paths by which objects are reached."""

_ESCAPED = re.compile(r"\.([.S])")


@dataclasses.dataclass(frozen=True)
class Naming:
    """One way to call tensors of a checkpoint.

    Attributes:
      label: The way in words.
      key_of: Keys by name. Each name is of one tensor; a tensor may have several.
    """

    label: str
    key_of: Mapping[str, str]


def namings_of(source: Source) -> Tuple[Naming, ...]:
    """Returns the ways to call the tensors of a checkpoint, besides their keys.

    Args:
      source: A checkpoint.

    Returns:
      Of an object-based checkpoint, the names that its variables had and the paths of
      their objects; of any other, nothing.
    """
    if source.objects is None:
        return ()
    found = (
        Naming(FULL_NAMES, full_names(source.objects)),
        Naming(OBJECT_PATHS, object_paths(source.objects)),
    )
    return tuple(naming for naming in found if naming.key_of)


def full_names(objects: ObjectGraph) -> Dict[str, str]:
    """Returns the keys of variables by the name that each of them alone had.

    Args:
      objects: The objects. What they name counts also where the checkpoint does not
        have it: the name of a variable whose value was lost belongs to no other one.
    """
    uses: Counter[str] = collections.Counter(
        attribute.full_name for node in objects.nodes for attribute in node.attributes
    )
    return {
        tensor.full_name: tensor.key
        for tensor in objects.tensors.values()
        if tensor.attribute == VARIABLE_VALUE
        and tensor.full_name
        and uses[tensor.full_name] == 1
    }


def object_paths(objects: ObjectGraph) -> Dict[str, str]:
    """Returns the keys of variables by the paths that lead to them.

    Paths consist of the names of children as they are, joined with ``/``: not escaped,
    and without ``/.ATTRIBUTES/VARIABLE_VALUE``. A text that leads to two objects, which
    names with a slash in them make possible, is left out. So is what no object holds,
    such as the slots of an optimizer.

    Args:
      objects: The objects.
    """
    known: Dict[str, Set[str]] = {}
    for tensor in objects.tensors.values():
        if tensor.attribute == VARIABLE_VALUE and objects.parents(tensor.node):
            for path in objects.paths(tensor.node):
                known.setdefault(_unescaped(path), set()).add(tensor.key)
    known.pop("", None)  # The root itself.
    found = {path: min(keys) for path, keys in known.items() if len(keys) == 1}
    if not _may_read_alike(objects.nodes):
        return found
    reader = _PathReader(objects.nodes)
    return {path: key for path, key in found.items() if reader.is_of_one(path)}


def _unescaped(path: str) -> str:
    return _ESCAPED.sub(lambda match: "." if match.group(1) == "." else "/", path)


def _may_read_alike(nodes: Sequence[ObjectNode]) -> bool:
    """Whether there are names with which two ways may be one text."""
    for node in nodes:
        names = [child.name for child in node.children]
        if len(set(names)) < len(names):
            return True
        if any("/" in name or not name for name in names):
            return True
    return False


class _PathReader:
    """Tells where a text leads: not all paths of an object are listed."""

    def __init__(self, nodes: Sequence[ObjectNode]) -> None:
        # A name begins with its first part, by which there are few to try.
        self._children: List[Dict[str, List[Tuple[str, int]]]] = []
        for node in nodes:
            by_part: Dict[str, List[Tuple[str, int]]] = {}
            for name, child in node.children:
                part = name.partition("/")[0]
                by_part.setdefault(part, []).append((name, child))
            self._children.append(by_part)

    def is_of_one(self, path: str) -> bool:
        """Returns whether one object alone is reached by a path."""
        reached = set()
        waiting = [(0, 0)]
        seen = set(waiting)
        while waiting:
            node, start = waiting.pop()
            if start > len(path):
                reached.add(node)
                continue
            part = path[start:].partition("/")[0]
            for name, child in self._children[node].get(part, ()):
                end = start + len(name)
                is_whole = path.startswith(name, start) and path[end : end + 1] in "/"
                if is_whole and (child, end + 1) not in seen:
                    seen.add((child, end + 1))
                    waiting.append((child, end + 1))
        return len(reached) == 1
