"""Names of their own for the functions of a saved graph.

A graph has one library of functions, and ``import_graph_def(name="scope")`` leaves
their names as they are: of two models with a function of one name the second is refused
("Cannot add function"), or calls the function of the first. TensorFlow 2 numbers its
functions, so that models of one program easily have names in common.

Functions are called by the type of a node, by attributes that are functions or lists of
them, at any depth, and by the table of their gradients. TensorFlow 2 also writes their
names as texts: into the attributes of functions (``forward_function_name`` and
``backward_function_name``: ``tensorflow/python/eager/polymorphic_function``) and into
attributes of nodes that no ``OpDef`` has.
"""

from __future__ import annotations

import re
from typing import Any, Mapping

from legacy_restore.importing.nodes import IMPLEMENTS, all_bodies
from legacy_restore.importing.op_defs import OpDefs

# Names a gradient, and the Python function of that name, not one of the library.
_GRADIENT = "_gradient_op_type"

_PLAIN = re.compile("[A-Za-z0-9]")


def function_name(scope: str, name: str) -> str:
    """Returns the name of a model's function in the graph of all models.

    No two scopes give one name: what is no letter or digit of a scope is written as its
    code between underscores, and two of them end it.

    Args:
      scope: The model's scope.
      name: The name of the function in the file.
    """
    written = "".join(one if _PLAIN.match(one) else f"_{ord(one):x}_" for one in scope)
    return f"fn_{written}__{name}"


def rename_functions(meta_graph: Any, scope: str) -> Any:
    """Renames all functions of a graph, with everything that refers to them.

    The object graph of a SavedModel keeps the names of the file.

    Args:
      meta_graph: The ``MetaGraphDef``.
      scope: The model's scope.

    Returns:
      The message.
    """
    library = meta_graph.graph_def.library
    names = {
        one.signature.name: function_name(scope, one.signature.name)
        for one in library.function
    }
    if not names:
        return meta_graph
    op_defs = OpDefs(meta_graph)
    for _, nodes in all_bodies(meta_graph):
        for node in nodes:
            for key, value in node.attr.items():
                kind = value.WhichOneof("value")
                if kind in ("func", "list"):
                    _rename_calls(value, names)
                # What an ``OpDef`` declares as a text may read like a function by
                # chance.
                if (
                    kind in ("s", "list")
                    and key != _GRADIENT
                    and not op_defs.has_attribute(node.op, key)
                ):
                    _rename_texts(value, names)
            node.op = names.get(node.op, node.op)
    for function in library.function:
        function.signature.name = names[function.signature.name]
        for value in function.attr.values():
            _rename_texts(value, names)
            _rename_calls(value, names)
        if IMPLEMENTS in function.attr:
            own = function.attr[IMPLEMENTS]
            own.s = function_name(scope, "").encode() + own.s
    for gradient in library.gradient:
        for field in ("function_name", "gradient_func"):
            name = getattr(gradient, field)
            setattr(gradient, field, names.get(name, name))
    for gradient in getattr(library, "registered_gradients", ()):
        name = gradient.gradient_func
        gradient.gradient_func = names.get(name, name)
    return meta_graph


def _rename_calls(value: Any, names: Mapping[str, str]) -> None:
    """Renames functions that an attribute is, in the attributes of these too."""
    called = [value.func] if value.HasField("func") else value.list.func
    for one in called:
        one.name = names.get(one.name, one.name)
        for inner in one.attr.values():
            _rename_calls(inner, names)


def _rename_texts(value: Any, names: Mapping[str, str]) -> None:
    """Renames functions that an attribute names as a text."""
    if value.HasField("s"):
        value.s = _renamed(value.s, names)
    elif value.list.s:
        value.list.s[:] = [_renamed(one, names) for one in value.list.s]


def _renamed(text: bytes, names: Mapping[str, str]) -> bytes:
    name = text.decode("utf-8", "replace")
    return names[name].encode() if name in names else text
