"""The line of Python that makes a model of a saved graph, to be pasted.

Where no signature says what a graph computes, it names what could be meant.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, List, Sequence

from legacy_restore.checkpoint.graph_files import META_SUFFIX
from legacy_restore.graphdef.files import GraphFormat
from legacy_restore.graphdef.locating import (
    BUNDLE_FILE,
    SAVED_MODEL_FILE,
    SAVED_MODEL_TEXT,
)

if TYPE_CHECKING:
    from legacy_restore.examining.graph_file import GraphFile
    from legacy_restore.examining.graph_summary import GraphSummary

_DEFAULT = "serving_default"
_HUB_DEFAULT = "default"
_SERVE = ("serve",)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]+")
_STEP = re.compile(r"-\d+$")


def line_to_paste(file: GraphFile, number: int) -> str:
    """Returns what makes a model of one of the graphs of a file.

    Args:
      file: The file.
      number: Which of its graphs.
    """
    graph = file.graphs[number]
    directory, name = os.path.split(file.path)
    in_directory = (SAVED_MODEL_FILE, SAVED_MODEL_TEXT, BUNDLE_FILE)
    if name in in_directory and file.kind not in (
        GraphFormat.META_GRAPH.value,
        GraphFormat.GRAPH.value,
    ):
        where = directory or os.curdir
        more = _tags(graph, len(file.graphs)) + _interface(graph)
        return _call("from_saved_model", where, [json.dumps(where)], more)
    quoted = json.dumps(file.path)
    if file.path.endswith(META_SUFFIX):
        prefix = file.path[: -len(META_SUFFIX)]
        return _call("from_meta_graph", prefix, [json.dumps(prefix)], _interface(graph))
    if graph.variables:
        places = ['"CHECKPOINT"', f"meta_graph={quoted}"]
        return _call("from_meta_graph", file.path, places, _interface(graph))
    return _call("from_graph_def", file.path, [quoted], _interface(graph))


def _call(function: str, path: str, places: List[str], more: List[str]) -> str:
    arguments = ", ".join([f'"{_model_name(path)}"', *places, *more])
    return f"lr.Model.{function}({arguments})"


def _model_name(path: str) -> str:
    """A name for the model, out of that of its file."""
    stem = _STEP.sub("", os.path.splitext(os.path.basename(os.path.abspath(path)))[0])
    name = _NOT_IN_NAMES.sub("_", stem).strip("_")
    return name if name and not name.isdigit() else "model"


def _tags(graph: GraphSummary, count: int) -> List[str]:
    if count == 1 or graph.tags == _SERVE:
        return []
    inside = ", ".join(map(json.dumps, graph.tags))
    return [f"tags=({inside}{',' if len(graph.tags) == 1 else ''})"]


def _interface(graph: GraphSummary) -> List[str]:
    names = [one.key for one in graph.signatures if not one.key.startswith("__")]
    if not names:
        return [_outputs(graph)]
    return _signature(names)


def _signature(names: Sequence[str]) -> List[str]:
    bundles = ("default_signature", "inputs", "outputs")
    is_said = len(names) > 1 and not {_DEFAULT, _HUB_DEFAULT, *bundles} & set(names)
    return [f"signature={json.dumps(names[0])}"] if is_said else []


def _outputs(graph: GraphSummary) -> str:
    likely = {} if graph.proposed is None else graph.proposed.likely_outputs()
    pairs = ", ".join(
        f"{json.dumps(key)}: {json.dumps(name)}" for key, name in likely.items()
    )
    return f"outputs={{{pairs or '...'}}}"
