"""Whether a graph may reach beyond itself.

Models are programs: one that somebody hands out may read and write any file. What
remains of a graph when it was pruned is refused if it does, unless its owner is trusted
by name. Reading an asset into a table is what assets are for.
"""

from __future__ import annotations

from typing import AbstractSet, Any, Dict, Iterable, List, Set

from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.examining.risks import (
    Risk,
    may_be_risky,
    reachable_functions,
    risks_of,
    saver_nodes,
)
from legacy_restore.graphdef.dangerous_ops import Reach
from legacy_restore.graphdef.model import Graph, MetaGraph
from legacy_restore.importing.nodes import all_bodies
from legacy_restore.importing.op_defs import registered
from legacy_restore.importing.outline import outline_of
from legacy_restore.importing.saved_graph import ImportOptions, SavedGraph
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names

_TABLE_READERS = ("InitializeTableFromTextFile", "InitializeTableFromTextFileV2")


def check_trust(
    model: str,
    meta_graph: Any,
    saved: SavedGraph,
    assets_allowed: AbstractSet[str],
    options: ImportOptions,
    run: Iterable[str],
) -> List[Finding]:
    """Returns what a graph would need its caller's trust for.

    Operations of the file's Savers do not count: they are never run. Neither do
    functions that nothing calls.

    Args:
      model: The model's name.
      meta_graph: What is left of the graph: a ``MetaGraphDef``.
      saved: The file.
      assets_allowed: Names of the nodes that fill tables from assets which are declared
        or given; a node that calls the function in which that is done counts as well.
      options: ``trust`` is looked at.
      run: The nodes that a restore or a call runs by name: outputs and initialisers.

    Returns:
      One finding for each operation, or one for a graph of which nobody can tell;
      none with ``trust=True``.
    """
    if options.trust or not _may_reach(meta_graph):
        return []
    try:
        graph = outline_of(meta_graph)
    except FormatError as error:
        return [Finding(KINDS["corrupt"], saved.path, str(error), model=model)]
    return [
        Finding(
            KINDS["needs-trust"],
            one.node,
            _message(one),
            model=model,
            hint=f"trust=True, if you trust {saved.path}",
        )
        for one in _counted(graph, assets_allowed, run)
        if one.reach is not Reach.LIBRARY or _can_run(one.op, options)
    ]


def _can_run(op: str, options: ImportOptions) -> bool:
    """Whether somebody else's operation is there, or a library is to bring it.

    Without, it is refused as unknown, and trusting the file would not help.
    """
    return bool(options.op_libraries) or registered(op) is not None


def _may_reach(meta_graph: Any) -> bool:
    """Whether there is anything to look at, which takes much longer."""
    functions = {one.signature.name for one in meta_graph.graph_def.library.function}
    ops = {node.op for _, body in all_bodies(meta_graph) for node in body}
    return any(map(may_be_risky, ops - functions))


def _counted(
    graph: MetaGraph, assets_allowed: AbstractSet[str], run: Iterable[str]
) -> Iterable[Risk]:
    of_saver = saver_nodes(graph, run)
    callers = _callers(graph.graph, of_saver)
    for one in risks_of(graph, of_saver):
        if one.is_savers:
            continue
        if one.function is None:
            roots: AbstractSet[str] = {one.node}
        else:
            roots = callers.get(one.function, set())
        if not roots:
            continue  # Nothing calls it.
        if one.op in _TABLE_READERS and roots <= assets_allowed:
            continue
        yield one


def _callers(graph: Graph, of_saver: AbstractSet[str]) -> Dict[str, Set[str]]:
    """The nodes of the graph by which each function is reached, without Savers'."""
    found: Dict[str, Set[str]] = {}
    names = {function.name for function in graph.functions}
    for node in graph.nodes:
        if (node.op in names or node.functions) and node.name not in of_saver:
            for function in reachable_functions(graph, [node]):
                found.setdefault(function, set()).add(node.name)
    return found


def _message(risk: Risk) -> str:
    where = f" in function {risk.function}" if risk.function else ""
    what = f"{risk.op}{where} {risk.reach.value}"
    if risk.reach is Reach.PYTHON:
        return f"{what} by the token {risk.paths[0]!r}" if risk.paths else what
    if not risk.paths:
        return what
    return f"{what}: {cut_names(list(map(repr, risk.paths)))}"
