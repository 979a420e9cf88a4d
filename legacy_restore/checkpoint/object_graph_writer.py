"""Writing the object graph of an object-based checkpoint.

The counterpart of ``object_graph``, which describes the messages. Fields are written in
the order of their numbers, as TensorFlow writes them.
"""

from __future__ import annotations

from typing import Iterable

from legacy_restore.checkpoint.object_graph import (
    Attribute,
    Child,
    ObjectNode,
    RegisteredSaver,
    SlotReference,
)
from legacy_restore.checkpoint.wire_writer import bytes_field, number_field


def encode_object_graph(nodes: Iterable[ObjectNode]) -> bytes:
    """Returns the ``TrackableObjectGraph`` of some objects.

    Args:
      nodes: The objects, the root first; their numbers are their positions.
    """
    return b"".join(bytes_field(1, _node(node)) for node in nodes)


def _node(node: ObjectNode) -> bytes:
    fields = [bytes_field(1, _child(one)) for one in node.children]
    fields += [bytes_field(2, _attribute(one)) for one in node.attributes]
    fields += [bytes_field(3, _slot(one)) for one in node.slots]
    if node.registered_saver is not None:
        fields.append(bytes_field(4, _saver(node.registered_saver)))
    if node.has_checkpoint_values is not None:
        value = number_field(1, int(node.has_checkpoint_values))
        fields.append(bytes_field(5, value))
    return b"".join(fields)


def _child(child: Child) -> bytes:
    return number_field(1, child.node) + _text_field(2, child.name)


def _attribute(attribute: Attribute) -> bytes:
    return b"".join(
        [
            _text_field(1, attribute.name),
            _text_field(2, attribute.full_name),
            _text_field(3, attribute.key),
            number_field(4, int(attribute.is_optional)),
        ]
    )


def _slot(slot: SlotReference) -> bytes:
    return b"".join(
        [
            number_field(1, slot.original),
            _text_field(2, slot.name),
            number_field(3, slot.slot),
        ]
    )


def _saver(saver: RegisteredSaver) -> bytes:
    return _text_field(1, saver.name) + _text_field(2, saver.object_name)


def _text_field(number: int, text: str) -> bytes:
    """Returns a field that holds text, nothing for an empty one."""
    data = text.encode("utf-8", "surrogateescape")
    return bytes_field(number, data) if data else b""
