"""Building something else in the place of operations.

An operation that TensorFlow lacks can often be said in others. The caller's builder is
run in a graph of its own, with a placeholder for each input, as often as there are
different types, shapes and attributes; a copy of what it built goes into the graph, and
into functions, wherever the operation was (``splicing.py``). So shapes, devices and
gradients are those of the operations that it is made of.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Set, Tuple

from legacy_restore.importing.built_operations import (
    BuiltOperation,
    GivenInputs,
    ReplacementError,
    build_operation,
)
from legacy_restore.importing.nodes import (
    all_bodies,
    is_control,
    node_of,
    nodes_by_name,
    tensor_name,
)
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.splicing import add_functions, splice
from legacy_restore.importing.tensor_types import (
    OUTPUT_SHAPES,
    known_shape,
    output_types,
)
from legacy_restore.report.findings import KINDS, Finding

Builder = Callable[..., Any]


def replace_operations(
    meta_graph: Any, replacements: Mapping[str, Builder], op_defs: OpDefs
) -> Tuple[Any, List[Finding]]:
    """Puts what builders build in the place of operations, in functions too.

    A builder is called as the function of the operation in ``tf.raw_ops`` would be:
    with its inputs as tensors, lists of tensors where it takes a list, and with its
    attributes but for those that follow from the inputs, all as keyword arguments by
    the names of its ``OpDef``. It returns its outputs: a tensor, a list of them, or a
    dictionary by the names of the ``OpDef``. The ``OpDef`` is that of the file, or of a
    library that was loaded.

    Args:
      meta_graph: The ``MetaGraphDef``; it is changed.
      replacements: From the type of an operation to its builder.
      op_defs: What is known about the operations of the file.

    Returns:
      The message, and an error for each builder that has no operation in the file, or
      does not give what its operation gave.
    """
    findings: List[Finding] = []
    unused = set(replacements)
    failed: Set[str] = set()
    built: Dict[Tuple[Any, ...], BuiltOperation] = {}
    for function, nodes in all_bodies(meta_graph):
        by_name = nodes_by_name(nodes)
        sub_graphs: Dict[str, BuiltOperation] = {}
        for node in nodes:
            if node.op not in replacements or node.op in failed:
                continue
            unused.discard(node.op)
            given = _inputs_of(node, {} if function else by_name, op_defs)
            key = (node.op, given.key, _attributes_key(node))
            try:
                if key not in built:
                    built[key] = build_operation(
                        node, replacements[node.op], op_defs.get(node.op), given
                    )
            except ReplacementError as error:
                failed.add(node.op)
                findings.append(_failed(node, str(error)))
                continue
            sub_graphs[node.name] = built[key]
        splice(meta_graph, function, sub_graphs)
    findings += [_unused(op) for op in sorted(unused)]
    add_functions(meta_graph, built.values())
    return meta_graph, findings


def _inputs_of(node: Any, nodes: Mapping[str, Any], op_defs: OpDefs) -> GivenInputs:
    """What is known about the inputs of a node, from the nodes that give them."""
    types: List[int] = []
    shapes = []
    for one in node.input:
        if is_control(one):
            continue
        producer = nodes.get(node_of(one))
        index = int(tensor_name(one).rpartition(":")[2]) if producer else 0
        found = producer and output_types(producer, op_defs.get(producer.op))
        types.append(found[index] if found and index < len(found) else 0)
        shapes.append(producer and known_shape(producer, index))
    return GivenInputs(tuple(types), tuple(shapes))


def _attributes_key(node: Any) -> Tuple[Any, ...]:
    return tuple(
        (name, node.attr[name].SerializeToString(deterministic=True))
        for name in sorted(node.attr)
        if not name.startswith("_") or name == OUTPUT_SHAPES
    )


def _failed(node: Any, reason: str) -> Finding:
    return Finding(
        KINDS["replacement-failed"],
        node.op,
        f"in the place of {node.name!r}: {reason}",
        hint="a builder takes what tf.raw_ops would take, and returns the same outputs",
    )


def _unused(op: str) -> Finding:
    return Finding(
        KINDS["unused-replacement"],
        op,
        "the file has no such operation",
        hint=f"take {op!r} out of op_replacements",
    )
