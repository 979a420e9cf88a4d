"""Keeping what a saved graph holds in a session apart from what other models hold.

A session, and with a cluster every session of it, finds variables, tables, queues and
iterators by name: by their ``shared_name``, else by the name of their operation.
``import_graph_def(name="scope")`` renames operations and leaves ``shared_name`` as it
is, so that two graphs with one name read and write one resource
(github.com/tensorflow/tensorflow/issues/46745). Here every name gets the model's scope
before it, and no model loses or gains a resource by it: whatever was one is one.

What TensorFlow makes of an empty name (``ContainerInfo::Init`` in
``tensorflow/core/framework/resource_mgr.cc``) is the same on 1.15 and 2.21:

* variables, barriers, staging areas, maps of sparse tensors, iterators, and tables
  with ``use_node_name_sharing`` go by the name of their operation. In a graph the
  import puts the scope before that. In functions it does not, and a name there is the
  same in every call and in every function: so the nodes themselves get it. To set
  ``shared_name`` instead would make one resource of what are two where TensorFlow puts
  the body of a function, under a longer name, in the place of its call;
* queues, readers, accumulators and other tables are private to each operation, and
  remain so;
* ``VarHandleOp`` takes the empty name as it is: all such variables of a session are
  one (``tensorflow/core/kernels/resource_variable_ops.cc``).

Names of other things are found by as well: ``var_name`` of temporary variables,
``frame_name`` of loops - two loops of one name in two models are an ``Invalid loop
structure`` in stock TensorFlow -, ``tensor_name`` of what is sent between devices, and
``_gradient_op_type``, which names a Python function of the process that wrote the
graph.
"""

from __future__ import annotations

import functools
import re
from typing import AbstractSet, Any, Callable, Dict, Tuple

from legacy_restore.importing.nodes import all_bodies, node_of
from legacy_restore.importing.op_defs import OpDefs

ANONYMOUS = b"cd2c89b7-88b7-44c8-ad83-06c2a9158347"
"""What asks for a resource without a name (``ResourceHandle::ANONYMOUS_NAME``)."""

_STORED_UNDER = ("shared_name", "var_name")
_RUN_UNDER = ("frame_name",)
_SENT_UNDER = ("tensor_name",)
_SEND = "send_device"

NAMED_BY_NOTHING = frozenset(["VarHandleOp"])
"""The operations that take an empty ``shared_name`` for a name."""

# What custom gradients and calls of functions are registered under is counted up in
# each process; a name that somebody gave says which gradient is meant, in any process.
_COUNTED = re.compile(rb"(CustomGradient|.*PartitionedCall)-[0-9]+")
_GRADIENT = "_gradient_op_type"


def isolate(meta_graph: Any, scope: str, op_defs: OpDefs) -> Any:
    """Puts a model's scope before every name that a session finds something by.

    Which operations have such a name is told by their ``OpDef``. ``container`` stays.

    Args:
      meta_graph: The ``MetaGraphDef``.
      scope: The scope of the model, without a slash at its end.
      op_defs: What is known of its operations.

    Returns:
      The message, to be imported as ``<scope>/``.
    """
    names = _Names(scope, op_defs)
    for _, nodes in all_bodies(meta_graph):
        for node in nodes:
            names.rename(node)
    for function in meta_graph.graph_def.library.function:
        if any(names.goes_by_its_node(node) for node in function.node_def):
            _rename_nodes(function, scope)
    return meta_graph


class _Names:
    """The attributes of each type of operation that hold names of a session."""

    def __init__(self, scope: str, op_defs: OpDefs) -> None:
        self._prefix = scope.encode() + b"/"
        self._op_defs = op_defs
        self._known: Dict[str, Tuple[str, ...]] = {}

    def attributes(self, node: Any) -> Tuple[str, ...]:
        """Returns the names of the attributes of a node that hold names."""
        if node.op not in self._known:
            if self._op_defs.get(node.op) is None:
                # An operation that is not public: its attributes are in its nodes.
                return self._among(set(node.attr).__contains__)
            self._known[node.op] = self._among(
                functools.partial(self._op_defs.has_attribute, node.op)
            )
        return self._known[node.op]

    @staticmethod
    def _among(is_there: Callable[[str], bool]) -> Tuple[str, ...]:
        asked = [*_STORED_UNDER, *_RUN_UNDER]
        asked += _SENT_UNDER if is_there(_SEND) else []
        return tuple(one for one in asked if is_there(one))

    def rename(self, node: Any) -> None:
        """Puts the scope before the names in a node's attributes."""
        for one in self.attributes(node):
            name = node.attr[one].s if one in node.attr else b""
            if (name or node.op in NAMED_BY_NOTHING) and name != ANONYMOUS:
                node.attr[one].s = self._prefix + name
        if _GRADIENT in node.attr and _COUNTED.fullmatch(node.attr[_GRADIENT].s):
            node.attr[_GRADIENT].s = self._prefix + node.attr[_GRADIENT].s

    def goes_by_its_node(self, node: Any) -> bool:
        """Returns whether the name of a node may be the one that something has."""
        return any(
            one in _STORED_UNDER and not (one in node.attr and node.attr[one].s)
            for one in self.attributes(node)
        )


def _rename_nodes(function: Any, scope: str) -> None:
    """Puts the scope before the names of all nodes of a function."""
    # All of them: another node may have the new name of one already.
    own = {node.name for node in function.node_def}

    def renamed(reference: str) -> str:
        """Returns how an input, or a result, names what it did; arguments stay."""
        if node_of(reference) not in own:
            return reference
        mark = "^" if reference.startswith("^") else ""
        return f"{mark}{scope}/{reference[len(mark) :]}"

    for node in function.node_def:
        node.name = renamed(node.name)
        node.input[:] = [renamed(one) for one in node.input]
        if "_class" in node.attr:
            places = node.attr["_class"].list.s
            places[:] = [_renamed_place(one, own, scope) for one in places]
    for results in (function.ret, getattr(function, "control_ret", {})):
        for key in list(results):
            results[key] = renamed(results[key])


def _renamed_place(place: bytes, own: AbstractSet[str], scope: str) -> bytes:
    mark, at, name = place.partition(b"@")
    is_own = mark == b"loc:" and name.decode() in own
    return mark + at + scope.encode() + b"/" + name if is_own else place
