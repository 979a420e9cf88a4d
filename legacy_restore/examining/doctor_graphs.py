"""Graphs: those that checkpoints are packed with, and those that stand alone."""

from __future__ import annotations

import os
from typing import List, Optional

from legacy_restore import errors
from legacy_restore.checkpoint.data_files import lookalike_at
from legacy_restore.checkpoint.directory import Candidate
from legacy_restore.examining.diagnosis import GraphRow
from legacy_restore.examining.doctor_checkpoint import Home, plain_home
from legacy_restore.examining.doctor_names import STATE_FILE, Sorted
from legacy_restore.examining.graph_file import (
    SESSION_BUNDLE,
    GraphFile,
    read_graph_file,
)
from legacy_restore.graphdef.files import GraphFormat
from legacy_restore.graphdef.locating import (
    BUNDLE_FILE,
    SAVED_MODEL_FILE,
    TEXT_SUFFIX,
)
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names

_VARIABLES = "variables"
_TEXT = "text"
_SAVED_MODEL = GraphFormat.SAVED_MODEL.value
_META_GRAPH = GraphFormat.META_GRAPH.value


def home_of(candidate: Candidate, names: Sorted, stem: str) -> Home:
    """Returns what a checkpoint is packed in.

    Args:
      candidate: The checkpoint.
      names: The files of its directory.
      stem: Its prefix without the pattern of shards.
    """
    directory = names.directory
    if os.path.basename(stem) == _VARIABLES:
        above, name = os.path.split(os.path.abspath(directory))
        graph = _saved_model_in(above) if name == _VARIABLES else None
        if graph is not None:
            shown = os.path.dirname(directory) or os.curdir
            row = _row(os.path.join(shown, os.path.basename(graph)), _SAVED_MODEL)
            kind = _SAVED_MODEL if row.kind == _TEXT else row.kind
            return Home(kind, shown, row.path, row.writer, row.findings)
    bundle = names.metas.get(stem)
    is_run = any(os.path.basename(one) == STATE_FILE for one in names.state_files)
    if bundle is not None and os.path.basename(bundle) == BUNDLE_FILE and not is_run:
        row = _row(bundle, _META_GRAPH)
        if row.kind == SESSION_BUNDLE:
            return Home(row.kind, directory, bundle, row.writer, row.findings)
    return plain_home(candidate, names.metas, stem)


def _saved_model_in(directory: str) -> Optional[str]:
    for name in (SAVED_MODEL_FILE, SAVED_MODEL_FILE + "txt"):
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            return path
    return None


def _writer(graph: GraphFile) -> Optional[str]:
    return graph.graphs[0].tensorflow_version if graph.graphs else None


def lone_graphs(names: Sorted) -> List[GraphRow]:
    """Returns the graphs of a directory that belong to no checkpoint in it."""
    rows = []
    if names.saved_model is not None and not _has_variables(names.directory):
        rows.append(_saved_model(names.directory, names.saved_model))
    with_checkpoint = set(names.prefixes())
    for prefix in sorted(set(names.metas) - with_checkpoint):
        rows.append(_lone_meta(names, prefix, names.metas[prefix]))
    rows += [one for one in map(_graph, names.graphs) if one is not None]
    rows += [_text(path) for path in names.text_graphs]
    # A job deletes the graphs of its old checkpoints too.
    return [row for row in rows if os.path.lexists(row.path)]


def _saved_model(directory: str, path: str) -> GraphRow:
    row = _row(path, _SAVED_MODEL)
    variables = os.path.join(directory, _VARIABLES, _VARIABLES)
    if not row.needs_checkpoint:
        return row
    message = f"its variables are not there: no {variables}.index"
    lost = Finding(KINDS["graph-without-checkpoint"], path, message)
    return _with(row, lost)


def _has_variables(directory: str) -> bool:
    variables = os.path.join(directory, _VARIABLES, _VARIABLES)
    return os.path.lexists(variables + ".index")


def _lone_meta(names: Sorted, prefix: str, path: str) -> GraphRow:
    row = _row(path, _META_GRAPH)
    if any(one.is_error for one in row.findings):
        return row
    stem = os.path.basename(prefix).rpartition("-")[0]
    steps = [
        str(one.step)
        for one in names.candidates
        if one.stem == stem and one.step is not None
    ]
    message = f"no checkpoint of that name is beside it: no {prefix}.index"
    if prefix in names.orphans:
        message = f"its checkpoint has lost its index: no {prefix}.index"
    elif steps:
        message += f"; there are steps {cut_names(steps[::-1])}"
    return _with(row, Finding(KINDS["graph-without-checkpoint"], path, message))


def _graph(path: str) -> Optional[GraphRow]:
    """A graph that is no ``.meta``; None where a file is another kind of message."""
    try:
        graph = read_graph_file(path)
    except errors.CheckpointError:
        return _other(path)
    return _of(graph)


def _other(path: str) -> Optional[GraphRow]:
    found = lookalike_at(path)
    if found is None:
        return None
    finding = Finding(
        KINDS["not-a-checkpoint"], path, f"it is {found}", hint=found.hint
    )
    return GraphRow(path, GraphFormat.GRAPH.value, None, False, None, (finding,))


def _row(path: str, kind: str) -> GraphRow:
    if path.endswith(TEXT_SUFFIX):
        return _text(path)
    try:
        return _of(read_graph_file(path))
    except errors.CheckpointError as error:
        found = lookalike_at(path)
        findings = error.findings
        if found is not None:
            message = f"it is {found}"
            other = KINDS["not-a-checkpoint"]
            findings = (Finding(other, path, message, hint=found.hint),)
        return GraphRow(path, kind, None, False, None, tuple(findings))


def _of(graph: GraphFile) -> GraphRow:
    return GraphRow(
        path=graph.path,
        kind=graph.kind,
        writer=_writer(graph),
        needs_checkpoint=graph.needs_checkpoint,
        nodes=sum(one.num_nodes for one in graph.graphs),
        findings=graph.findings,
    )


def _text(path: str) -> GraphRow:
    finding = Finding(KINDS["graph-not-read"], path, "a graph in text format")
    return GraphRow(path, _TEXT, None, False, None, (finding,))


def _with(row: GraphRow, finding: Finding) -> GraphRow:
    return GraphRow(
        row.path,
        row.kind,
        row.writer,
        row.needs_checkpoint,
        row.nodes,
        (*row.findings, finding),
    )
