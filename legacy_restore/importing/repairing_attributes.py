"""Attributes that this TensorFlow and the writer's do not both know.

An attribute that an operation got later has a default, with which it does what it did
before; a file may hold that value, or leave it out (``stripped_default_attrs``).
TensorFlow 1.15 refuses attributes that it does not know. TensorFlow 2.21 ignores them
(``ValidateNodeDef`` in ``tensorflow/core/framework/node_def_util.cc``), whatever their
value: a model that asks for something else than the default would compute something
else. What the writer's TensorFlow took as default stands in the ``MetaGraphDef``
(``stripped_op_list``).

Attributes that begin with ``_`` belong to no ``OpDef``. One of them is a name of the
*process* that wrote the graph: ``_gradient_op_type`` of a custom gradient ends in a
number, and another gradient of this process may have it.
"""

from __future__ import annotations

import collections
import re
from typing import Any, Dict, List, Tuple

from legacy_restore.importing.nodes import all_bodies
from legacy_restore.importing.op_defs import OpDefs, registered
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.tf import tf

_GRADIENT = "_gradient_op_type"

# What changes nothing that is computed, whatever its value: a name for whoever reads a
# log (``tensorflow/core/kernels/resource_variable_ops.cc``).
_FOR_READERS = {"VarHandleOp": ("debug_name",)}

# A function's own gradient is found through the function, without such a name.
_OF_FUNCTION = re.compile(r"(Stateful)?PartitionedCall-\d+")
_OF_PROCESS = re.compile(r"CustomGradient-\d+")


def repair_attributes(meta_graph: Any, op_defs: OpDefs) -> Any:
    """Gives each node the attributes that this TensorFlow expects.

    Those that hold the writer's default, or change nothing, are dropped where they are
    not known here. Defaults are written down where they are others here, or none.

    Returns:
      The message, changed in place.
    """
    surplus, implied = _differences(meta_graph, op_defs)
    unread = _unread_attributes()
    for _, nodes in all_bodies(meta_graph):
        for node in nodes:
            for name, default in surplus.get(node.op, {}).items():
                if name in node.attr and node.attr[name] == default:
                    del node.attr[name]
            for name in unread.get(node.op, ()):
                if name in node.attr:
                    del node.attr[name]
            for name, default in implied.get(node.op, {}).items():
                if name not in node.attr:
                    node.attr[name].CopyFrom(default)
            if _GRADIENT in node.attr:
                _repair_gradient(node)
    return meta_graph


def unknown_attributes(meta_graph: Any) -> List[Finding]:
    """Returns an error for each attribute that this TensorFlow does not know.

    To be asked when the graph is pruned: others do not matter.
    """
    found: Dict[Tuple[str, str, str], List[str]] = collections.OrderedDict()
    known: Dict[str, Any] = {}
    for function, nodes in all_bodies(meta_graph):
        for node in nodes:
            if node.op not in known:
                definition = registered(node.op)
                known[node.op] = definition and {one.name for one in definition.attr}
            if known[node.op] is None:
                continue
            for name in node.attr:
                if name not in known[node.op] and not name.startswith("_"):
                    key = (node.op, name, _text(node.attr[name]))
                    where = f"{function}/{node.name}" if function else node.name
                    found.setdefault(key, []).append(where)
    return [
        Finding(
            KINDS["attribute-unknown"],
            where[0],
            f"{op} has no attribute {name!r} in TensorFlow {tf.VERSION}, and what it "
            f"is ({value}) is not known to be its default; operations: {len(where)}",
            hint="restore it with the TensorFlow that wrote it, or a newer one, or "
            f"give op_replacements={{{op!r}: builder}}",
        )
        for (op, name, value), where in found.items()
    ]


def _differences(
    meta_graph: Any, op_defs: OpDefs
) -> Tuple[Dict[str, Dict[str, Any]], Dict[str, Dict[str, Any]]]:
    """Returns the writer's defaults that differ here.

    Those of attributes that are not known here, and those of attributes that have
    another default here, or none.
    """
    surplus: Dict[str, Dict[str, Any]] = {}
    implied: Dict[str, Dict[str, Any]] = {}
    for op in {node.op for _, nodes in all_bodies(meta_graph) for node in nodes}:
        theirs, definition = op_defs.of_file(op), registered(op)
        if theirs is None or definition is None:
            continue
        ours = {one.name: one for one in definition.attr}
        for one in theirs.attr:
            if not one.HasField("default_value"):
                continue
            here = ours.get(one.name)
            if here is None:
                surplus.setdefault(op, {})[one.name] = one.default_value
            elif here.default_value != one.default_value:
                implied.setdefault(op, {})[one.name] = one.default_value
    return surplus, implied


def _unread_attributes() -> Dict[str, List[str]]:
    """Returns the attributes without effect that are not known here, by operation."""
    found: Dict[str, List[str]] = {}
    for op, names in _FOR_READERS.items():
        definition = registered(op)
        known = {one.name for one in definition.attr} if definition else set(names)
        found[op] = [name for name in names if name not in known]
    return found


def _repair_gradient(node: Any) -> None:
    name = node.attr[_GRADIENT].s.decode("utf-8", "replace")
    if _OF_FUNCTION.fullmatch(name):
        del node.attr[_GRADIENT]
    elif _OF_PROCESS.fullmatch(name):
        # So nobody has it: asking for this gradient fails, instead of giving another.
        node.attr[_GRADIENT].s = f"Lost{name}".encode()


def _text(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else text[:57] + "..."
