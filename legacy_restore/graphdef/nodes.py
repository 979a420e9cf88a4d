"""Nodes, functions and graphs.

A graph is a list of nodes, in no order; a function is such a list with a name. Out of
``tensorflow/core/framework`` (graph.proto, node_def.proto, function.proto,
versions.proto)::

    GraphDef            1 node  2 library  3 version (before 4)  4 versions
    NodeDef             1 name  2 op  3 input  4 device  5 attr (map)
    FunctionDefLibrary  1 function  2 gradient
    FunctionDef         1 signature (OpDef: 1 name)  2 node (until 0.12)  3 node_def
                        5 attr (map)
    FunctionDef.Node    1 ret  2 op  3 arg  4 dep  5 attr
    VersionDef          1 producer  2 min_consumer  3 bad_consumers
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, List, Mapping, Tuple

from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.graphdef import attributes
from legacy_restore.graphdef.dangerous_ops import PATH_ATTRIBUTES
from legacy_restore.graphdef.messages import Message
from legacy_restore.graphdef.model import Function, Graph, Node

# The attributes that are kept, each in a field of its own; see Node.
_KEPT: Mapping[str, Callable[[Message], Any]] = {
    "dtype": attributes.type_attribute,
    "shape": attributes.shape_attribute,
    "shared_name": attributes.text_attribute,
    "container": attributes.text_attribute,
    "value": attributes.constant_attribute,
    "key_dtype": attributes.type_attribute,
    "value_dtype": attributes.type_attribute,
    "token": attributes.text_attribute,
    "_class": attributes.texts_attribute,
}
_FIELDS = {"value": "constant", "_class": "colocated"}

# Of the functions that have one text here, TensorFlow runs the one that suits the
# devices, whichever is called (``ImplementationSelector`` in
# ``tensorflow/core/grappler/optimizers/implementation_selector.cc``).
_IMPLEMENTS = "api_implements"

# How an operation names another one with which it wants to be: "loc:@name".
_COLOCATION = "loc:@"


def read_graph(message: Message) -> Graph:
    """Decodes a ``GraphDef``.

    Raises:
      FormatError: It is none, or it has too many nodes.
    """
    nodes: List[Node] = []
    functions: List[Function] = []
    old_version = producer = min_consumer = 0
    for part in message.fields():
        if part.number == 1:
            nodes.append(read_node(part.message()))
        elif part.number == 2:
            functions += _read_library(part.message())
        elif part.number == 3:
            old_version = part.integer()
        elif part.number == 4:
            for field in part.message().fields():
                if field.number == 1:
                    producer = field.integer()
                elif field.number == 2:
                    min_consumer = field.integer()
    return Graph(tuple(nodes), tuple(functions), producer or old_version, min_consumer)


def read_node(message: Message) -> Node:
    """Decodes a ``NodeDef``.

    Raises:
      FormatError: It is none: without name or op there is no node.
    """
    message.count()
    name = op = device = ""
    inputs: List[str] = []
    found: Dict[str, Any] = {}
    functions: List[str] = []
    for part in message.fields():
        if part.number == 1:
            name = part.text()
        elif part.number == 2:
            op = part.message().shared_text()
        elif part.number == 3:
            inputs.append(part.message().shared_text())
        elif part.number == 4:
            device = part.message().shared_text()
        elif part.number == 5:
            _read_attribute(part.message(), found, functions)
    if not name or not op:
        raise FormatError(f"a node without {'op' if name else 'name'}")
    if functions:
        found["functions"] = tuple(sorted(set(functions)))
    return Node(name, op, tuple(inputs), device, **found)


def _read_attribute(
    message: Message, found: Dict[str, Any], functions: List[str]
) -> None:
    key, value = message.entry()
    # A function's nodes take what its caller has under any name.
    functions += attributes.function_names(value)
    if key in PATH_ATTRIBUTES:
        texts = attributes.paths_attribute(value)
        found["paths"] = found.get("paths", ()) + texts
        return
    read = _KEPT.get(key)
    if read is None:
        return
    content = read(value)
    if key == "_class":
        content = tuple(
            one[len(_COLOCATION) :] for one in content if one.startswith(_COLOCATION)
        )
    found[_FIELDS.get(key, key)] = content


def _read_library(message: Message) -> List[Function]:
    functions: List[Function] = []
    gradients: Dict[str, str] = {}
    for part in message.fields():
        if part.number == 1:
            functions.append(_read_function(part.message()))
        elif part.number == 2:
            name, gradient = _read_gradient(part.message())
            gradients[name] = gradient
    return [
        dataclasses.replace(one, gradient=gradients[one.name])
        if one.name in gradients
        else one
        for one in functions
    ]


def _read_gradient(message: Message) -> Tuple[str, str]:
    """The names of a function and of its gradient."""
    name = gradient = ""
    for part in message.fields():
        if part.number == 1:
            name = part.text()
        elif part.number == 2:
            gradient = part.text()
    return name, gradient


def _read_function(message: Message) -> Function:
    message.count()
    name = implements = ""
    nodes: List[Node] = []
    for part in message.fields():
        if part.number == 1:
            for field in part.message().fields():
                if field.number == 1:
                    name = field.text()
        elif part.number == 2:
            nodes.append(_read_old_node(part.message()))
        elif part.number == 3:
            nodes.append(read_node(part.message()))
        elif part.number == 5:
            key, value = part.message().entry()
            if key == _IMPLEMENTS:
                implements = attributes.text_attribute(value)
    if not name:
        raise FormatError("a function without name")
    return Function(name, tuple(nodes), implements=implements)


def _read_old_node(message: Message) -> Node:
    """Decodes a node of a function as TensorFlow wrote it until 0.12.

    It has a name for each of its results instead of one; the first is taken.
    """
    message.count()
    name = op = ""
    inputs: List[str] = []
    found: Dict[str, Any] = {}
    functions: List[str] = []
    for part in message.fields():
        if part.number == 1:
            name = name or part.text()
        elif part.number == 2:
            op = part.message().shared_text()
        elif part.number == 3:
            inputs.append(part.message().shared_text())
        elif part.number == 4:
            inputs.append("^" + part.message().shared_text())
        elif part.number == 5:
            _read_attribute(part.message(), found, functions)
    if not op:
        raise FormatError("a node without op")
    if functions:
        found["functions"] = tuple(sorted(set(functions)))
    return Node(name, op, tuple(inputs), **found)
