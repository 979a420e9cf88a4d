"""Where a saved graph is, and what is there instead.

A path that leads to nothing, to a checkpoint's other files, to a directory where a file
is meant or the other way round: each is an error that names what is there.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from typing import List, Optional

from legacy_restore import errors
from legacy_restore.checkpoint.data_files import prefix_of_member
from legacy_restore.checkpoint.faults import unsupported
from legacy_restore.checkpoint.graph_files import META_SUFFIX
from legacy_restore.checkpoint.near_misses import listing, no_checkpoint
from legacy_restore.checkpoint.v1_files import is_v1_file, shard_sets_at
from legacy_restore.graphdef.locating import (
    BUNDLE_FILE,
    HUB_FILE,
    SAVED_MODEL_FILE,
    SAVED_MODEL_TEXT,
    TEXT_SUFFIX,
)
from legacy_restore.importing.saved_graph import GraphKind

_CHUNKED_FILE = "saved_model.cpb"
_VARIABLES = "variables"
_GRAPH_SUFFIXES = (META_SUFFIX, ".pb", TEXT_SUFFIX)
_EVENTS = "tfevents"


@dataclasses.dataclass(frozen=True)
class SavedModelFiles:
    """The files of a directory that holds a saved graph and its variables.

    Attributes:
      directory: The directory.
      path: The file with the graph.
      kind: ``SAVED_MODEL``, ``HUB_MODULE`` or ``SESSION_BUNDLE``.
      checkpoint: The prefix of its variables; None where no file of it is there.
    """

    directory: str
    path: str
    kind: GraphKind
    checkpoint: Optional[str]


def check_is_graph_file(given: str) -> None:
    """Demands that a path leads to a file that may hold a graph.

    Raises:
      LocationError: Nothing is there, a directory, or a file of a checkpoint.
      UnsupportedCheckpointError: It is not on this machine.
    """
    _check_is_here(given)
    beside = given + META_SUFFIX
    hint = beside if os.path.isfile(beside) else None
    if os.path.isdir(given) and not hint:
        raise _directory(given)
    if not os.path.isfile(given):
        what = "is a checkpoint's prefix" if hint else "is not there"
        raise _no_graph(given, f"{given} {what}", hint or _nearest(given))
    if given.endswith(_GRAPH_SUFFIXES) or not _holds_tensors(given):
        return
    prefix = prefix_of_member(given) or given
    beside = prefix + META_SUFFIX
    raise _no_graph(
        given,
        f"{given} holds the tensors of a checkpoint and no graph",
        beside if os.path.isfile(beside) else None,
    )


def saved_model_files(given: str) -> SavedModelFiles:
    """Returns the files of a SavedModel, a TF-Hub module or a session bundle.

    Args:
      given: The directory, or the file in it that holds the graph.

    Raises:
      LocationError: There is none. What may be meant is named.
      UnsupportedCheckpointError: It is not on this machine, or of a kind that is not
        read.
    """
    _check_is_here(given)
    directory = given
    if os.path.isfile(given):
        directory, name = os.path.split(given)
        if name not in (SAVED_MODEL_FILE, SAVED_MODEL_TEXT, BUNDLE_FILE):
            raise _no_saved_model(
                given,
                f"{given} is a file, and no SavedModel",
                "lr.Model.from_graph_def(...) takes a GraphDef, "
                "lr.Model.from_meta_graph(...) a .meta file",
            )
    if not os.path.isdir(directory or os.curdir):
        raise _no_saved_model(given, f"{given} is not there", _nearest(given))
    for name in (SAVED_MODEL_FILE, SAVED_MODEL_TEXT):
        path = os.path.join(directory, name)
        if os.path.isfile(path):
            is_hub = os.path.isfile(os.path.join(directory, HUB_FILE))
            kind = GraphKind.HUB_MODULE if is_hub else GraphKind.SAVED_MODEL
            return SavedModelFiles(directory, path, kind, _variables(directory))
    path = os.path.join(directory, BUNDLE_FILE)
    if os.path.isfile(path):
        kind = GraphKind.SESSION_BUNDLE
        return SavedModelFiles(directory, path, kind, path[: -len(META_SUFFIX)])
    raise _without_saved_model(given, directory or os.curdir)


def _variables(directory: str) -> Optional[str]:
    folder = os.path.join(directory, _VARIABLES)
    return os.path.join(folder, _VARIABLES) if os.path.isdir(folder) else None


def _without_saved_model(given: str, directory: str) -> errors.CheckpointError:
    if os.path.isfile(os.path.join(directory, _CHUNKED_FILE)):
        return unsupported(
            given,
            f"a SavedModel in chunks ({_CHUNKED_FILE}): its graph has more than 2 GiB",
            "write it again without experimental_image_format",
        )
    above = os.path.dirname(os.path.abspath(directory))
    if os.path.basename(os.path.abspath(directory)) == _VARIABLES and _has_model(above):
        return _no_saved_model(given, f"{given} has the variables alone", above)
    inside = [name for name in _listed(directory) if _has_model(directory, name)]
    if inside:
        what = f"{given} is no SavedModel; in it there is {listing(inside)}"
        return _no_saved_model(given, what, os.path.join(directory, inside[-1]))
    graphs = _graphs_in(directory)
    also = f"; in it there is {listing(graphs)}" if graphs else ""
    hint = "lr.Model.from_meta_graph(...) takes a .meta file" if graphs else None
    what = f"{given} is no SavedModel: there is no {SAVED_MODEL_FILE}{also}"
    return _no_saved_model(given, what, hint)


def _has_model(*parts: str) -> bool:
    directory = os.path.join(*parts)
    names = (SAVED_MODEL_FILE, SAVED_MODEL_TEXT, BUNDLE_FILE)
    return any(os.path.isfile(os.path.join(directory, name)) for name in names)


def _directory(given: str) -> errors.LocationError:
    if _has_model(given):
        hint = f"lr.Model.from_saved_model(name, {given!r})"
        return _no_graph(given, f"{given} is a SavedModel directory, no file", hint)
    graphs = _graphs_in(given)
    if not graphs:
        return _no_graph(given, f"{given} is a directory without a graph", None)
    what = f"{given} is a directory; in it there is {listing(graphs)}"
    return _no_graph(given, what, os.path.join(given, graphs[-1]))


def _graphs_in(directory: str) -> List[str]:
    return [
        name
        for name in _listed(directory)
        if name.endswith(_GRAPH_SUFFIXES) or _EVENTS in name
    ]


def _listed(directory: str) -> List[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _holds_tensors(path: str) -> bool:
    is_member = prefix_of_member(path) is not None
    return is_member or is_v1_file(path)


def _nearest(given: str) -> Optional[str]:
    if given.startswith("~"):
        return f"~ is not expanded here: {os.path.expanduser(given)}"
    if shard_sets_at(given):
        return None
    directory, name = os.path.split(given)
    near = difflib.get_close_matches(name, _listed(directory or os.curdir), n=1)
    return f"did you mean {os.path.join(directory, near[0])}?" if near else None


def _check_is_here(given: str) -> None:
    if "://" in given:
        hint = "copy its files here and name the copy"
        raise unsupported(given, "it is not on this machine", hint)
    if "\0" in given:
        raise no_checkpoint(given, f"{given!r} holds a NUL byte")


def _no_graph(given: str, what: str, hint: Optional[str]) -> errors.LocationError:
    return no_checkpoint(given, f"no graph to read: {what}", hint)


def _no_saved_model(given: str, what: str, hint: Optional[str]) -> errors.LocationError:
    return no_checkpoint(given, f"no SavedModel to read: {what}", hint)
