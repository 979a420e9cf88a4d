"""The object graph that object-based checkpoints hold.

``tf.train.Checkpoint`` and Keras save objects: each tracked object is a node, and each
name under which one object holds another is an edge. A scalar string tensor with the
key ``_CHECKPOINTABLE_OBJECT_GRAPH`` holds the graph as a ``TrackableObjectGraph``
(``tensorflow/core/protobuf/trackable_object_graph.proto``)::

    TrackableObjectGraph   1 nodes (repeated; the first is the root)
    TrackableObject        1 children  2 attributes  3 slot_variables (all repeated)
                           4 registered_saver  5 has_checkpoint_values
    ObjectReference        1 node_id  2 local_name
    SerializedTensor       1 name  2 full_name  3 checkpoint_key  4 optional_restore
    SlotVariableReference  1 original_variable_node_id  2 slot_name
                           3 slot_variable_node_id
    RegisteredSaver        1 name  2 object_name
    BoolValue              1 value

TensorFlow 1 writes no fields 4 and 5 of an object, and today's no ``optional_restore``.
Fields that are not listed here are skipped. Names are any text; a configuration that
was saved with an object is a tensor of the checkpoint like any other, and never
interpreted.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import List, NamedTuple, Optional, Tuple

from legacy_restore.checkpoint.wire import FormatError, read_fields, read_varint

# An object takes about a hundred times the memory of its shortest encoding. The largest
# models have some ten thousand objects, each with a dozen names.
_MAX_PARTS = 2_000_000


class Child(NamedTuple):
    """One name under which an object holds another.

    Attributes:
      name: The name, unescaped: an attribute, a key of a dictionary, an index.
      node: Number of the node that is held.
    """

    name: str
    node: int


class Attribute(NamedTuple):
    """Something that an object saves: mostly one tensor, for some objects several.

    Attributes:
      name: What it is; ``VARIABLE_VALUE`` of variables.
      full_name: Name of the variable in the graph that saved it, as a name-based Saver
        would have called it; empty where there is none.
      key: The key in the checkpoint, or what the keys of its tensors begin with.
      is_optional: Whether restoring does without it.
    """

    name: str
    full_name: str
    key: str
    is_optional: bool


class SlotReference(NamedTuple):
    """What an optimizer keeps for a variable.

    Attributes:
      original: Number of the variable's node.
      name: The optimizer's name for the slot, such as ``m``.
      slot: Number of the node that is kept.
    """

    original: int
    name: str
    slot: int


class RegisteredSaver(NamedTuple):
    """A saver of the user's own, which chooses its keys itself.

    Attributes:
      name: Name under which the saver was registered.
      object_name: Name that it gives the object.
    """

    name: str
    object_name: str


@dataclasses.dataclass(frozen=True)
class ObjectNode:
    """One object.

    Attributes:
      children: The objects that it holds (its checkpoint dependencies).
      attributes: What it saves itself.
      slots: Of an optimizer, what it keeps for variables.
      registered_saver: The saver of the user's own that saves it, or None.
      has_checkpoint_values: Whether it or what it holds saves anything; None where
        that is not said.
    """

    children: Tuple[Child, ...] = ()
    attributes: Tuple[Attribute, ...] = ()
    slots: Tuple[SlotReference, ...] = ()
    registered_saver: Optional[RegisteredSaver] = None
    has_checkpoint_values: Optional[bool] = None


def parse_object_graph(data: bytes) -> Tuple[ObjectNode, ...]:
    """Decodes an object graph.

    Returns:
      The nodes; every number of a node that occurs in them is one of theirs.

    Raises:
      FormatError: The data are no object graph, or contradict themselves.
    """
    nodes: List[ObjectNode] = []
    parts = 0
    for field in read_fields(data):
        if field.number != 1:
            continue
        node = _parse_node(field.as_bytes(), _MAX_PARTS - parts)
        parts += 1 + len(node.children) + len(node.attributes) + len(node.slots)
        nodes.append(node)
        if parts > _MAX_PARTS:
            raise FormatError(f"the object graph has more than {_MAX_PARTS} parts")
    if not nodes:
        raise FormatError("the object graph has no objects")
    _check_numbers(nodes)
    return tuple(nodes)


def _parse_node(data: bytes, room: int) -> ObjectNode:
    """Decodes a node, but no more than one part for which there is no room."""
    children: List[Child] = []
    attributes: List[Attribute] = []
    slots: List[SlotReference] = []
    saver = None
    has_values = None
    for field in itertools.islice(read_fields(data), room + 1):
        if field.number == 1:
            children.append(_parse_child(field.as_bytes()))
        elif field.number == 2:
            attributes.append(_parse_attribute(field.as_bytes()))
        elif field.number == 3:
            slots.append(_parse_slot(field.as_bytes()))
        elif field.number == 4:
            saver = _parse_saver(field.as_bytes())
        elif field.number == 5:
            has_values = _parse_bool(field.as_bytes())
    return ObjectNode(
        tuple(children), tuple(attributes), tuple(slots), saver, has_values
    )


def _parse_child(data: bytes) -> Child:
    # Nearly all of a graph are names of children, written like this: number and name.
    if data[:1] == b"\x08":
        node, position = read_varint(data, 1)
        if data[position : position + 1] == b"\x12":
            length, position = read_varint(data, position + 1)
            if position + length == len(data) and node < 1 << 31:
                return Child(_text(data[position:]), node)
    node = 0
    name = b""
    for field in read_fields(data):
        if field.number == 1:
            node = field.as_signed()
        elif field.number == 2:
            name = field.as_bytes()
    return Child(_text(name), node)


def _parse_attribute(data: bytes) -> Attribute:
    name = full_name = key = b""
    is_optional = False
    for field in read_fields(data):
        if field.number == 1:
            name = field.as_bytes()
        elif field.number == 2:
            full_name = field.as_bytes()
        elif field.number == 3:
            key = field.as_bytes()
        elif field.number == 4:
            is_optional = bool(field.as_int())
    return Attribute(_text(name), _text(full_name), _text(key), is_optional)


def _parse_slot(data: bytes) -> SlotReference:
    original = slot = 0
    name = b""
    for field in read_fields(data):
        if field.number == 1:
            original = field.as_signed()
        elif field.number == 2:
            name = field.as_bytes()
        elif field.number == 3:
            slot = field.as_signed()
    return SlotReference(original, _text(name), slot)


def _parse_saver(data: bytes) -> RegisteredSaver:
    name = object_name = b""
    for field in read_fields(data):
        if field.number == 1:
            name = field.as_bytes()
        elif field.number == 2:
            object_name = field.as_bytes()
    return RegisteredSaver(_text(name), _text(object_name))


def _parse_bool(data: bytes) -> bool:
    value = 0
    for field in read_fields(data):
        if field.number == 1:
            value = field.as_int()
    return bool(value)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _check_numbers(nodes: List[ObjectNode]) -> None:
    count = len(nodes)
    for number, node in enumerate(nodes):
        for child in node.children:
            _check_number(child.node, number, count)
        for slot in node.slots:
            _check_number(slot.original, number, count)
            _check_number(slot.slot, number, count)


def _check_number(number: int, by: int, count: int) -> None:
    if not 0 <= number < count:
        raise FormatError(
            f"object {by} of the object graph names object {number}; there are {count}"
        )
