"""Decoding of object graphs: sound ones, odd ones, hostile ones."""

import pytest

from legacy_restore.checkpoint import object_graph
from legacy_restore.checkpoint.object_graph import (
    Attribute,
    Child,
    ObjectNode,
    RegisteredSaver,
    SlotReference,
    parse_object_graph,
)
from legacy_restore.checkpoint.wire import FormatError
from tests.checkpoint.builders import fixed32, memory_below, message, number
from tests.checkpoint.object_builders import (
    adam_graph,
    attribute,
    child,
    graph,
    has_values,
    saver,
    slot,
)


def test_every_field_is_decoded():
    data = graph(
        [
            child("w", 1),
            attribute("k", "full", optional=1),
            slot(1, "m", 2),
            saver("mine", "w_1"),
            has_values(1),
        ],
        [has_values(0)],
        [],
    )
    first, second, third = parse_object_graph(data)
    assert first == ObjectNode(
        (Child("w", 1),),
        (Attribute("VARIABLE_VALUE", "full", "k", True),),
        (SlotReference(1, "m", 2),),
        RegisteredSaver("mine", "w_1"),
        True,
    )
    assert second == ObjectNode(has_checkpoint_values=False)
    assert third == ObjectNode()


def test_fields_of_a_later_tensorflow_are_skipped():
    later = message(9, b"\xff") + number(8, 1) + fixed32(7, 1)
    data = later + graph([later, child("w", 0)])
    assert parse_object_graph(data) == (ObjectNode((Child("w", 0),)),)


def test_names_are_any_bytes():
    (found,) = parse_object_graph(graph([child(b"\xff\n", 0), child("", 0)]))
    assert [one.name for one in found.children] == ["\udcff\n", ""]


@pytest.mark.parametrize(
    "content, expected",
    [
        (number(1, 0) + message(2, b"w"), Child("w", 0)),
        (message(2, b"w"), Child("w", 0)),
        (number(1, 0), Child("", 0)),
        (message(2, b"w") + number(1, 0), Child("w", 0)),
        (number(1, 5) + message(2, b"w") + number(1, 0), Child("w", 0)),
        (number(1, 0) + message(2, b"w") + number(7, 300), Child("w", 0)),
        (number(1, 0) + message(2, b"v" * 300), Child("v" * 300, 0)),
    ],
)
def test_children_are_decoded_in_whatever_order_they_stand(content, expected):
    (node,) = parse_object_graph(message(1, message(1, content)))
    assert node.children == (expected,)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        graph([child("w", 1)]),
        graph([child("w", -1)]),
        graph([child("w", 1 << 31)]),
        graph([slot(0, "m", 1)]),
        graph([slot(5, "m", 0)]),
        number(1, 1),
        message(1, number(1, 1)),
        message(1, message(2, number(3, 1))),
        message(1, message(3, number(2, 1))),
        graph([child("w", 0)])[:-1],
    ],
)
def test_what_contradicts_itself_is_refused(data):
    with pytest.raises(FormatError):
        parse_object_graph(data)


def test_every_end_and_every_changed_byte_is_an_error_or_a_graph():
    data = adam_graph()
    whole = parse_object_graph(data)
    for end in range(len(data)):
        _parsed_or_refused(data[:end])
    for position in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            _parsed_or_refused(bytes(changed))
    assert parse_object_graph(data) == whole


def _parsed_or_refused(data):
    try:
        nodes = parse_object_graph(data)
    except FormatError:
        return
    for node in nodes:
        assert all(0 <= one.node < len(nodes) for one in node.children)


def test_parts_without_number_are_refused_before_they_fill_memory(monkeypatch):
    monkeypatch.setattr(object_graph, "_MAX_PARTS", 1000)
    parse_object_graph(graph([child("w", 0)] * 999))
    for data in (graph([child("w", 0)] * 100_000), graph(*[[]] * 100_000)):
        with memory_below(10 << 20), pytest.raises(FormatError, match="1000 parts"):
            parse_object_graph(data)
