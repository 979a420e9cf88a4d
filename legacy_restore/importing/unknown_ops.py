"""Operations that this TensorFlow does not have.

They matter on the way to the outputs alone, and then all of them do: TensorFlow tells
of one at a time. What they are called, and how they are defined where the file says it
(``stripped_op_list``), is all that is left of them; their code is in ``tf.contrib`` of
TensorFlow 1, in a library that somebody compiled, or in another TensorFlow.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Sequence, Set, Tuple

from legacy_restore.graphdef.op_registry import Origin, contrib_module_of, origin_of
from legacy_restore.importing.needed import nodes_for
from legacy_restore.importing.nodes import (
    all_bodies,
    all_functions_named,
    nodes_by_name,
    reached,
)
from legacy_restore.importing.op_defs import OpDefs, registered
from legacy_restore.importing.saved_graph import Interface, Signature
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import count_text
from legacy_restore.tf import tf


class _Use(NamedTuple):
    """An operation in a graph or function.

    Attributes:
      op: Its type.
      node: The name of the node.
      function: The function in which it is; empty for the graph.
    """

    op: str
    node: str
    function: str


def unknown_operations(meta_graph: Any, op_defs: OpDefs) -> List[Finding]:
    """Returns an error for each type of operation that this TensorFlow lacks.

    To be asked when the graph is pruned: others do not matter.

    Args:
      meta_graph: The ``MetaGraphDef``; it is not changed.
      op_defs: What is known about its operations.
    """
    uses: Dict[str, List[_Use]] = {}
    for use in _unknown_uses(meta_graph):
        uses.setdefault(use.op, []).append(use)
    return [_unknown(op, uses[op], op_defs) for op in sorted(uses)]


def available_signatures(
    meta_graph: Any, interface: Interface, op_defs: OpDefs
) -> Tuple[Interface, List[Finding]]:
    """Leaves out the signatures that need operations which this TensorFlow lacks.

    To be asked before the graph is pruned. The main signature always stays: what it
    lacks is an error, which ``unknown_operations`` finds in what is left then.

    Returns:
      The interface with the others, and a remark for each that was left out.
    """
    unknown = {use.op for use in _unknown_uses(meta_graph)}
    if not unknown:
        return interface, []
    nodes = nodes_by_name(meta_graph.graph_def.node)
    bodies = {name: nodes for name, nodes in all_bodies(meta_graph) if name}
    left = {}
    findings = []
    for name, signature in interface.signatures.items():
        lacking = sorted(unknown & _types_for(nodes, bodies, signature))
        if not lacking or signature is interface.main:
            left[name] = signature
            continue
        origins = ", ".join(f"{op} ({_origin(op, op_defs)})" for op in lacking)
        findings.append(
            Finding(
                KINDS["signature-unavailable"],
                name,
                f"TensorFlow {tf.VERSION} lacks operations that it needs: {origins}",
                hint=_hint(lacking),
            )
        )
    return Interface(interface.main, left), findings


def _types_for(
    nodes: Dict[str, Any], bodies: Dict[str, Any], signature: Signature
) -> Set[str]:
    """Returns the types of all operations that a signature needs, and functions'."""
    needed = (nodes[name] for name in nodes_for(nodes, signature))
    return reached(
        all_functions_named(needed),
        lambda name: all_functions_named(bodies.get(name, ())),
    )


def _unknown_uses(meta_graph: Any) -> List[_Use]:
    functions = {one.signature.name for one in meta_graph.graph_def.library.function}
    is_known: Dict[str, bool] = dict.fromkeys(functions, True)
    found = []
    for function, nodes in all_bodies(meta_graph):
        for node in nodes:
            if node.op not in is_known:
                is_known[node.op] = registered(node.op) is not None
            if not is_known[node.op]:
                found.append(_Use(node.op, node.name, function))
    return found


def _unknown(op: str, uses: Sequence[_Use], op_defs: OpDefs) -> Finding:
    first = uses[0]
    example = repr(first.node)
    if first.function:
        example += f" in function {first.function!r}"
    in_all = count_text(len(uses), "operation")
    return Finding(
        KINDS["operation-unknown"],
        op,
        f"TensorFlow {tf.VERSION} lacks it: {_origin(op, op_defs)}; {in_all}, such as "
        f"{example}",
        hint=_hint([op]),
    )


def _hint(ops: Sequence[str]) -> str:
    builders = ", ".join(f'"{op}": builder' for op in ops[:3])
    return (
        f'op_libraries=["the_ops.so"], op_replacements={{{builders}}}, or another '
        "signature or outputs that do not need them"
    )


def _origin(op: str, op_defs: OpDefs) -> str:
    """Where an operation comes from, in words."""
    origin = origin_of(op)
    if origin is Origin.CORE:
        return "an operation of another TensorFlow"
    if origin is Origin.CONTRIB:
        module = contrib_module_of(op) or "tf.contrib"
        return f"an operation of {module} in TensorFlow 1"
    if op_defs.of_file(op) is None:
        return "of nobody's that is known: a library or a function that is not there"
    return "an operation of somebody's own library (.so)"
