"""Builds object graphs byte by byte, and checkpoints that hold them."""

from __future__ import annotations

import numpy as np

from legacy_restore.checkpoint.tensor_entry import OBJECT_GRAPH_KEY
from tests.checkpoint.builders import BundleBuilder, message, number

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def text(field: int, value) -> bytes:
    """A field that holds text."""
    return message(field, value if isinstance(value, bytes) else value.encode())


def child(name, node) -> bytes:
    """An edge, as a field of an object."""
    return message(1, number(1, node) + text(2, name))


def attribute(key, full_name="", name="VARIABLE_VALUE", optional=0) -> bytes:
    """Something that is saved, as a field of an object."""
    content = text(1, name) + text(2, full_name) + text(3, key)
    return message(2, content + (number(4, optional) if optional else b""))


def slot(original, name, variable) -> bytes:
    """A slot, as a field of an optimizer."""
    return message(3, number(1, original) + text(2, name) + number(3, variable))


def saver(name, object_name) -> bytes:
    """A registered saver, as a field of an object."""
    return message(4, text(1, name) + text(2, object_name))


def has_values(value) -> bytes:
    """``has_checkpoint_values``, as a field of an object."""
    return message(5, number(1, value))


def node(*fields) -> bytes:
    """An object, as a field of the graph."""
    return message(1, b"".join(fields))


def graph(*nodes) -> bytes:
    """A graph of nodes, each the list of its fields."""
    return b"".join(node(*fields) for fields in nodes)


def write_object_based(prefix, data, tensors) -> str:
    """Writes a checkpoint with an object graph; returns its prefix."""
    builder = BundleBuilder()
    for key, value in tensors.items():
        builder.add(key, value)
    builder.add(OBJECT_GRAPH_KEY, np.array(data, object))
    return builder.write(prefix)


def variable(path, full_name="") -> bytes:
    """What a variable saves, as a field of an object."""
    return attribute(path + VALUE, full_name)


def adam_graph() -> bytes:
    """A variable under two names, and an optimizer with a slot for it."""
    return graph(
        [child("model", 1), child("net", 1), child("optimizer", 2)],
        [child("kernel", 3), child("model", 1)],
        [child("iter", 5), slot(3, "m", 4)],
        [variable("model/kernel", "dense/kernel")],
        [variable("model/kernel/.OPTIMIZER_SLOT/optimizer/m", "Adam/dense/kernel/m")],
        [variable("optimizer/iter", "Adam/iter")],
    )


def adam_tensors() -> dict:
    """The tensors that ``adam_graph`` names."""
    kernel = np.arange(6, dtype=np.float32).reshape([2, 3])
    return {
        "model/kernel" + VALUE: kernel,
        "model/kernel/.OPTIMIZER_SLOT/optimizer/m" + VALUE: kernel + 1,
        "optimizer/iter" + VALUE: np.int64(7),
    }
