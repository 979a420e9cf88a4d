"""Saved graphs as text: the writer, variables, signatures, files, surprises."""

from __future__ import annotations

from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from legacy_restore.examining.graph_file import AssetRow, GraphFile
from legacy_restore.examining.graph_interface import ProposedOutput
from legacy_restore.examining.graph_summary import GraphSummary
from legacy_restore.examining.graph_usage import line_to_paste
from legacy_restore.examining.graph_variables import GraphVariable
from legacy_restore.graphdef.model import Shape, Signature, TensorInfo
from legacy_restore.report.table import (
    align,
    count_text,
    cut,
    cut_names,
    human_bytes,
    in_blocks,
    printable,
    type_text,
)

_INDENT = "  "

# Names in one line; everything is in the JSON.
_MAX_NAMES = 8

# Lines of what a graph may have by the thousand and few people look for.
_MAX_LINES = 20

_IS_THERE = {True: "there", False: "NOT there", None: ""}


def graph_file_text(file: GraphFile) -> str:
    """Returns what a file of saved graphs holds as text."""
    blocks = [[printable(file.path), _file_line(file)]]
    for number, (graph, assets) in enumerate(zip(file.graphs, file.assets)):
        if len(file.graphs) > 1:
            blocks.append([f"graph {number + 1} of {len(file.graphs)}"])
        blocks += _graph_blocks(graph, assets)
        blocks.append(["to restore it", _INDENT + line_to_paste(file, number)])
    return in_blocks(blocks)


def _file_line(file: GraphFile) -> str:
    schema = "" if file.schema_version is None else f", schema {file.schema_version}"
    count = f", {count_text(len(file.graphs), 'graph')}" if schema else ""
    return file.kind + schema + count


def _graph_blocks(
    graph: GraphSummary, assets: Sequence[AssetRow]
) -> Iterable[List[str]]:
    yield _head_lines(graph)
    yield from _table(
        "variables",
        [_variable_cells(one) for one in graph.variables],
        ["name", "type", "kind", "in"],
    )
    if graph.signatures:
        lines = [line for one in graph.signatures for line in _signature_lines(one)]
        yield ["signatures", *lines]
    yield from _table(
        "placeholders",
        [(one.name, _type(one.dtype, one.shape), one.op) for one in graph.placeholders],
        room=_MAX_LINES,
    )
    if graph.proposed is not None:
        yield from _table(
            "what it computes, as nothing says it: outputs= names it",
            [(one.name, one.op, _why(one)) for one in graph.proposed.outputs],
            room=_MAX_LINES,
        )
    yield from _table(
        "assets", [(one.filename, one.tensor, _IS_THERE[one.exists]) for one in assets]
    )
    yield from _table(
        "tables",
        [
            (
                one.name,
                f"{one.key_dtype} to {one.value_dtype}",
                one.op,
                ", ".join(one.vocabularies),
            )
            for one in graph.tables
        ],
    )
    yield from _table(
        "operations that are not TensorFlow's own",
        [
            (one.op, count_text(one.nodes, "node"), one.origin.value)
            for one in graph.foreign_ops
        ],
    )
    yield from _table(
        "calls into the Python that built the graph",
        [(one.name, one.op, one.token) for one in graph.python_functions],
        room=_MAX_LINES,
    )
    yield from _table(
        "devices", [(name, count_text(count, "node")) for name, count in graph.devices]
    )


def _head_lines(graph: GraphSummary) -> List[str]:
    lines = []
    if graph.tags:
        lines.append("tags " + ", ".join(graph.tags))
    lines.append(_writer_text(graph))
    most = sorted(graph.ops, key=lambda one: (-one.nodes, one.op))
    names = cut_names([f"{one.op} {one.nodes:,}" for one in most], _MAX_NAMES)
    functions = ""
    if graph.functions:
        functions = f", {count_text(len(graph.functions), 'function')}"
    count = count_text(graph.num_nodes, "node")
    lines.append(f"{count}{functions}: {names}" if names else count)
    lines.append(_variables_text(graph.variables))
    if graph.constants.nodes:
        size = human_bytes(graph.constants.nbytes)
        stored = human_bytes(graph.constants.stored)
        count = count_text(graph.constants.nodes, "constant")
        lines.append(f"{count} of {size}, in the file {stored}")
    if graph.collections:
        found = [f"{one.key} {one.size:,}" for one in graph.collections]
        lines.append("collections: " + cut_names(found, _MAX_NAMES))
    if graph.saver is not None:
        sharded = "sharded" if graph.saver.is_sharded else "one file"
        lines.append(f"Saver: {graph.saver.restore_op}, {sharded}")
    if graph.init_ops:
        lines.append("after a restore: " + cut_names(graph.init_ops, _MAX_NAMES))
    if graph.has_object_graph:
        lines.append("has the object graph of TensorFlow 2")
    return [printable(line) for line in lines]


def _writer_text(graph: GraphSummary) -> str:
    version = "writer not named"
    if graph.tensorflow_version:
        version = f"written by TensorFlow {graph.tensorflow_version}"
    git = graph.tensorflow_git_version
    built = f" ({git})" if git and git != "unknown" else ""
    produced = f", GraphDef version {graph.producer}" if graph.producer else ""
    least = f", to be read from {graph.min_consumer} on" if graph.min_consumer else ""
    return version + built + produced + least


def _variables_text(variables: Sequence[GraphVariable]) -> str:
    counts: Dict[str, int] = {}
    for one in variables:
        counts[one.kind] = counts.get(one.kind, 0) + 1
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items()))
    total = count_text(len(variables), "variable")
    return f"{total}: {kinds}" if kinds else "no variables"


def _variable_cells(variable: GraphVariable) -> Tuple[str, ...]:
    place = ", ".join(variable.collections) or "no collection"
    if variable.function is not None:
        place = f"function {variable.function}"
    part = variable.saved_slice
    if part is not None and part.full_name != variable.name:
        place += f"; part of {part.full_name} {list(part.full_shape)}"
    type_name = _type(variable.dtype, variable.shape)
    return (variable.name, type_name, variable.kind, place)


def _signature_lines(signature: Signature) -> List[str]:
    method = f" ({signature.method})" if signature.method else ""
    rows = [
        *(_tensor_cells("takes", one) for one in signature.inputs),
        *(_tensor_cells("gives", one) for one in signature.outputs),
        *(_tensor_cells("has", one) for one in signature.undirected),
    ]
    head = _INDENT + printable(signature.key + method)
    return [head, *(align(rows, _INDENT * 2) if rows else [])]


def _tensor_cells(way: str, tensor: TensorInfo) -> Tuple[str, ...]:
    names = ", ".join(tensor.tensors)
    if tensor.encoding != "dense":
        names = f"{tensor.encoding}: {names}"
    return (way, tensor.key, _type(tensor.dtype, tensor.shape), names)


def _why(output: ProposedOutput) -> str:
    return "nothing takes it" if output.is_end else "other inputs join behind it"


def _type(dtype: Optional[str], shape: Shape) -> str:
    return "" if dtype is None else type_text(dtype, shape)


def _table(
    title: str,
    rows: Sequence[Sequence[str]],
    heads: Sequence[str] = (),
    room: Optional[int] = None,
) -> Iterable[List[str]]:
    """Yields a block with a title, or nothing where there are no rows."""
    if not rows:
        return
    lines = align([heads, *rows] if heads else rows, _INDENT)
    yield [title, *(lines if room is None else cut(lines, room, _INDENT))]
