"""What ``Checkpoint.objects`` gives: the objects of a checkpoint and their tensors."""

from __future__ import annotations

import dataclasses
from typing import Dict, Iterable, List, Mapping, Optional, Tuple

from legacy_restore.checkpoint.object_graph import (
    Attribute,
    ObjectNode,
    parse_object_graph,
)
from legacy_restore.checkpoint.object_paths import ObjectPaths
from legacy_restore.checkpoint.tensor_entry import OBJECT_GRAPH_KEY
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names

# Messages are made for every tensor, so that none may repeat what is very long.
_MAX_SHOWN = 1_000

# What stands between the path of an object and the name of what it saves.
_ATTRIBUTES = "/.ATTRIBUTES/"


@dataclasses.dataclass(frozen=True)
class ObjectTensor:
    """A tensor of a checkpoint as its object graph knows it.

    Attributes:
      key: Its key in the checkpoint.
      node: Number of the object that saved it.
      path: The object's shortest path from the root, escaped as in a key; empty for
        the root, None where no way leads from the root to it.
      attribute: What it is of the object; ``VARIABLE_VALUE`` of variables.
      full_name: The variable's name in the graph that saved it, or None.
    """

    key: str
    node: int
    path: Optional[str]
    attribute: str
    full_name: Optional[str]


@dataclasses.dataclass(frozen=True)
class Slot:
    """What an optimizer keeps for a variable, as the object graph says it.

    Attributes:
      optimizer: Number of the optimizer's node.
      name: The optimizer's name for the slot, such as ``m``.
      original: Number of the variable's node.
      variable: Number of the node that is kept.
    """

    optimizer: int
    name: str
    original: int
    variable: int


class ObjectGraph:
    """The objects of an object-based checkpoint.

    Objects are numbered; object 0 is the root: what was saved.

    Example::

        objects = checkpoint.objects
        for tensor in objects.tensors.values():
            print(tensor.key, tensor.path, tensor.full_name)
        for child in objects.nodes[0].children:
            print(child.name, objects.paths(child.node))

    Attributes:
      nodes: The objects: what each holds, under which names, and saves.
      slots: What optimizers keep for variables.
      tensors: The checkpoint's tensors that an object saved, by key.
      missing_keys: Keys that the graph names and the checkpoint does not have, sorted.
      unlisted_keys: Keys of the checkpoint that the graph does not name, sorted.
    """

    def __init__(self, nodes: Tuple[ObjectNode, ...], keys: Iterable[str]) -> None:
        """Joins a graph with the keys of its checkpoint.

        Args:
          nodes: What ``parse_object_graph`` gives.
          keys: The keys of the checkpoint.

        Raises:
          FormatError: The names of the objects are longer than any model's.
        """
        self.nodes = nodes
        self._paths = ObjectPaths(nodes)
        self.slots: Tuple[Slot, ...] = tuple(
            Slot(optimizer, slot.name, slot.original, slot.slot)
            for optimizer, node in enumerate(nodes)
            for slot in node.slots
        )
        owners = _attributes_of(nodes)
        stored = sorted(key for key in set(keys) if key != OBJECT_GRAPH_KEY)
        found = _owners_of(stored, owners)
        self.tensors: Mapping[str, ObjectTensor] = {
            key: self._tensor(key, *owners[found[key]]) for key in sorted(found)
        }
        present = set(found.values())
        self.missing_keys: Tuple[str, ...] = tuple(sorted(set(owners) - present))
        self.unlisted_keys: Tuple[str, ...] = tuple(k for k in stored if k not in found)

    def path(self, node: int) -> Optional[str]:
        """Returns the shortest path of an object, None if no way leads to it."""
        return self._paths.shortest(node)

    def short_path(self, node: int) -> str:
        """Returns the shortest path as it may stand in a message, else the number."""
        length = self._paths.length(node)
        if length is None or length > _MAX_SHOWN:
            return f"object {node}"
        return self.path(node) or "the root"

    def paths(self, node: int) -> List[str]:
        """Returns the paths of an object, the shortest first.

        At most 16 of them; fewer where looking for all would take long. None of them
        visits an object twice.
        """
        return self._paths.all(node)

    def parents(self, node: int) -> List[int]:
        """Returns the objects that hold an object, at most 16, the nearest first."""
        return self._paths.parents(node)

    def keys_named(self, full_name: str) -> List[str]:
        """Returns the keys of the variables that had this name, sorted.

        Several variables of an eager program may have the same name.
        """
        return sorted(
            tensor.key
            for tensor in self.tensors.values()
            if tensor.full_name == full_name
        )

    def findings(self, prefix: str) -> List[Finding]:
        """Returns what graph and keys say of each other, as remarks.

        Args:
          prefix: The checkpoint, which the findings are about.
        """
        found: List[Finding] = []
        if self.missing_keys:
            text = f"the object graph names {_these(self.missing_keys)}"
            found.append(Finding(KINDS["object-key-missing"], prefix, text))
        if self.unlisted_keys:
            text = f"no object has {_these(self.unlisted_keys)}"
            if any(node.registered_saver for node in self.nodes):
                text += "; objects are saved by savers of their own"
            found.append(Finding(KINDS["object-key-unlisted"], prefix, text))
        return found

    def __repr__(self) -> str:
        return (
            f"<ObjectGraph: {len(self.nodes)} objects, {len(self.tensors)} tensors, "
            f"{len(self.slots)} slots>"
        )

    def _tensor(self, key: str, node: int, attribute: Attribute) -> ObjectTensor:
        full_name = attribute.full_name or None
        return ObjectTensor(key, node, self.path(node), attribute.name, full_name)


def decode_objects(data: bytes, keys: Iterable[str]) -> ObjectGraph:
    """Decodes the tensor that holds the object graph.

    Args:
      data: The serialized ``TrackableObjectGraph``.
      keys: The keys of the checkpoint.

    Raises:
      FormatError: The data are no object graph, or contradict themselves.
    """
    return ObjectGraph(parse_object_graph(data), keys)


_Owners = Dict[str, Tuple[int, Attribute]]


def _attributes_of(nodes: Tuple[ObjectNode, ...]) -> _Owners:
    """The first object that has each key, and what it is there."""
    found: _Owners = {}
    for number, node in enumerate(nodes):
        for attribute in node.attributes:
            found.setdefault(attribute.key, (number, attribute))
    return found


def _owners_of(stored: List[str], owners: _Owners) -> Dict[str, str]:
    """The key in the graph for each key of the checkpoint that has one.

    What consists of several tensors has one key in the graph, with which theirs begin:
    ``t/.ATTRIBUTES/table`` stands for ``...table-keys`` and ``...table-values``.
    """
    exact = {key: key for key in stored if key in owners}
    rest = [key for key in stored if key not in exact]
    beginnings = [key for key in owners if key not in exact and _ATTRIBUTES in key]
    if not rest or not beginnings:
        return exact
    # In their order, what begins a key stands before it, longer beginnings later.
    open_beginnings: List[str] = []
    for key, is_beginning in sorted(
        [(key, False) for key in rest] + [(key, True) for key in beginnings]
    ):
        while open_beginnings and not key.startswith(open_beginnings[-1]):
            open_beginnings.pop()
        if is_beginning:
            open_beginnings.append(key)
        elif open_beginnings:
            exact[key] = open_beginnings[-1]
    return exact


def _these(keys: Tuple[str, ...]) -> str:
    count = f"{len(keys)} key" + ("" if len(keys) == 1 else "s")
    return f"{count}: {cut_names(keys)}"
