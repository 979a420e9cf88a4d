"""Builds saved graphs byte by byte, without TensorFlow."""

from __future__ import annotations

import os
import struct

from legacy_restore.checkpoint import checksum
from tests.checkpoint.builders import message, number

FLOAT, INT32, STRING, INT64 = 1, 3, 7, 9


def text(field, value):
    return message(field, value if isinstance(value, bytes) else value.encode())


def entry(field, key, value):
    """An element of a map."""
    return message(field, text(1, key) + message(2, value))


def shape(*sizes):
    return b"".join(message(2, number(1, size)) for size in sizes)


def type_attr(value):
    return number(6, value)


def shape_attr(*sizes):
    return message(7, shape(*sizes))


def text_attr(value):
    return text(2, value)


def list_attr(*texts):
    return message(1, b"".join(text(2, one) for one in texts))


def function_attr(name):
    return message(10, text(1, name))


def tensor(dtype, sizes=(), content=b"", strings=()):
    """An attribute that is a tensor."""
    data = number(1, dtype) + message(2, shape(*sizes))
    if content:
        data += message(4, content)
    return message(8, data + b"".join(text(8, one) for one in strings))


def node(name, op, inputs=(), device="", **attrs):
    data = text(1, name) + text(2, op)
    data += b"".join(text(3, one) for one in inputs)
    data += text(4, device) if device else b""
    return data + b"".join(entry(5, key, attrs[key]) for key in attrs)


def variable(name, op="VariableV2", dtype=FLOAT, sizes=(), **more):
    return node(name, op, dtype=type_attr(dtype), shape=shape_attr(*sizes), **more)


def constant(name, dtype=FLOAT, sizes=(), content=b"", strings=()):
    value = tensor(dtype, sizes, content, strings)
    return node(name, "Const", dtype=type_attr(dtype), value=value)


def placeholder(name, dtype, *sizes):
    return node(name, "Placeholder", dtype=type_attr(dtype), shape=shape_attr(*sizes))


def function(name, *nodes):
    return message(1, text(1, name)) + b"".join(message(3, one) for one in nodes)


def graph(*nodes, functions=(), producer=134, min_consumer=12):
    library = b"".join(message(1, one) for one in functions)
    data = b"".join(message(1, one) for one in nodes)
    data += message(4, number(1, producer) + number(2, min_consumer))
    return data + (message(2, library) if functions else b"")


def variable_def(name, full=None, trainable=True):
    data = text(1, name + ":0") + text(2, name + "/Assign") + text(3, name + "/read:0")
    if full is not None:
        name, sizes, offset, part = full
        data += message(
            4,
            text(1, name)
            + b"".join(number(2, one) for one in sizes)
            + b"".join(number(3, one) for one in offset)
            + b"".join(number(4, one) for one in part),
        )
    return data + number(7, int(trainable))


def collection(field, *values):
    return message(field, b"".join(message(1, one) for one in values))


def nodes_of(*names):
    return collection(1, *(name.encode() for name in names))


def tensor_info(name, dtype, *sizes):
    return text(1, name) + number(2, dtype) + message(3, shape(*sizes))


def signature(inputs, outputs, method="tensorflow/serving/predict"):
    data = b"".join(entry(1, key, inputs[key]) for key in inputs)
    data += b"".join(entry(2, key, outputs[key]) for key in outputs)
    return data + text(3, method)


def meta_graph(
    graph_def,
    tags=(),
    version="1.15.5",
    git="v1.15.4-39-g3db52be7be8",
    saver=True,
    collections=(),
    signatures=(),
    assets=(),
):
    info = b"".join(text(4, tag) for tag in tags) + text(5, version) + text(6, git)
    data = message(1, info) + message(2, graph_def)
    if saver:
        saver_def = text(1, "save/Const:0") + text(2, "save/control_dependency:0")
        data += message(3, saver_def + text(3, "save/restore_all") + number(7, 2))
    data += b"".join(entry(4, key, value) for key, value in collections)
    data += b"".join(entry(5, key, value) for key, value in signatures)
    for filename, name in assets:
        data += message(6, message(1, text(1, name)) + text(2, filename))
    return data


def record(data):
    """A record of an event file."""
    head = struct.pack("<Q", len(data))
    return head + _masked_crc(head) + data + _masked_crc(data)


def _masked_crc(data):
    return struct.pack("<I", checksum.mask(checksum.crc32c(data)))


def saved_model(*meta_graphs, schema=1):
    return number(1, schema) + b"".join(message(2, one) for one in meta_graphs)


def write(path, data):
    path = str(path)
    if os.path.dirname(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    return path


def everything():
    """A meta graph that has some of all that a summary tells."""
    part = ("emb", (6, 2), (0, 0), (3, 2))
    nodes = [
        placeholder("x", FLOAT, -1, 2),
        variable("w", sizes=(2, 3), device="/job:ps/task:0"),
        variable("emb/part_0", "VarHandleOp", sizes=(3, 2), shared_name=text_attr("e")),
        variable("count", dtype=INT64),
        node("y", "MatMul", ["x", "w"]),
        constant("vocab", STRING, strings=["/data/vocab.txt"]),
        node(
            "table",
            "HashTableV2",
            shared_name=text_attr("words"),
            key_dtype=type_attr(STRING),
            value_dtype=type_attr(INT64),
        ),
        node("fill", "InitializeTableFromTextFileV2", ["table", "vocab"]),
        node("call", "PyFunc", ["x"], token=text_attr("pyfunc_0")),
        node("lookup", "MyLookup", ["x"]),
        node("skip", "SkipGramGenerateCandidates", ["x"]),
        node("map", "MapDataset", ["x"], f=function_attr("double_me")),
    ]
    double = function("double_me", node("two", "Const"), node("out", "Mul", ["two"]))
    return meta_graph(
        graph(*nodes, functions=[double]),
        tags=["serve"],
        collections=[
            (
                "variables",
                collection(2, variable_def("w"), variable_def("emb/part_0", part)),
            ),
            ("trainable_variables", collection(2, variable_def("w"))),
            ("table_initializer", nodes_of("fill")),
        ],
        signatures=[
            (
                "serving_default",
                signature(
                    {"x": tensor_info("x:0", FLOAT, -1, 2)},
                    {"y": tensor_info("y:0", FLOAT, -1, 3)},
                ),
            )
        ],
        assets=[("vocab.txt", "vocab:0")],
    )
