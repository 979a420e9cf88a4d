"""Files of saved graphs, as TensorFlow's own messages.

Read are ``MetaGraphDef`` and ``GraphDef`` in binary or text format, event files (which
often hold the only graph that is left), SavedModels of TensorFlow 1 and 2, TF-Hub
modules and session bundles. Of what a SavedModel holds only the graph that is wanted is
made a message.
"""

from __future__ import annotations

import os
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from google.protobuf import message as protobuf

from legacy_restore import errors
from legacy_restore.checkpoint.faults import corrupt, not_there, other_file, unsupported
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.graph_files import META_SUFFIX
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.graphdef.event_file import is_event_file, read_event_graph
from legacy_restore.graphdef.files import (
    GraphFormat,
    begins_as_graph,
    is_text,
    read_saved_graph,
    what_it_is,
)
from legacy_restore.graphdef.locating import TEXT_SUFFIX
from legacy_restore.graphdef.messages import Message, Source
from legacy_restore.graphdef.meta_info import read_meta_info
from legacy_restore.importing.locating import (
    SavedModelFiles,
    check_is_graph_file,
    saved_model_files,
)
from legacy_restore.importing.saved_graph import GraphKind, SavedGraph
from legacy_restore.importing.session_bundles import (
    is_session_bundle,
    with_signatures,
)
from legacy_restore.importing.tags import choose_tags
from legacy_restore.importing.text_graphs import MAX_MESSAGE, read_text
from legacy_restore.tf import SavedModel, tf


def read_graph_file(path: LocationLike) -> SavedGraph:
    """Reads a ``MetaGraphDef``, a ``GraphDef`` or an event file.

    Args:
      path: A file of any name; text is told from binary, and a ``GraphDef`` from a
        ``MetaGraphDef``, by what is in it.

    Raises:
      LocationError: No file is there, or it is part of a checkpoint.
      CorruptCheckpointError: It is damaged, or another kind of file.
      UnsupportedCheckpointError: It holds no graph, has more than 2 GiB, or is not on
        this machine.
    """
    given = os.fsdecode(os.fspath(path))
    check_is_graph_file(given)
    file = _opened(given)
    try:
        return _read_graph_file(file)
    except FormatError as error:
        raise what_it_is(file) or corrupt(given, str(error)) from error
    finally:
        file.close()


def _read_graph_file(file: PositionedFile) -> SavedGraph:
    if file.path.endswith(TEXT_SUFFIX) or is_text(file):
        kind, meta_graph = _from_text(file)
    elif is_event_file(file):
        kind, meta_graph = _from_events(file)
    else:
        kind, meta_graph = _from_binary(file)
    if not meta_graph.graph_def.node:
        raise FormatError("a graph without node")
    if is_session_bundle(meta_graph):
        kind, meta_graph = GraphKind.SESSION_BUNDLE, with_signatures(meta_graph)
    return SavedGraph(file.path, kind, meta_graph, os.path.dirname(file.path))


class _Read(NamedTuple):
    """How a graph was saved, and the ``MetaGraphDef``."""

    kind: GraphKind
    meta_graph: Any


def _from_text(file: PositionedFile) -> _Read:
    found = _text_of(file)
    if isinstance(found, SavedModel):
        raise _saved_model_as_file(file.path)
    if isinstance(found, tf.MetaGraphDef):
        return _Read(GraphKind.META_GRAPH, found)
    meta_graph = tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(found)
    return _Read(GraphKind.GRAPH, meta_graph)


def _text_of(file: PositionedFile) -> Any:
    other = what_it_is(file)
    if other is not None:
        raise other
    _check_size(file, file.size)
    return read_text(file.path, file.read(0, file.size))


def _from_events(file: PositionedFile) -> _Read:
    event = read_event_graph(file)
    _check_size(file, len(event.data))
    meta_graph = tf.MetaGraphDef()
    part = meta_graph if event.is_meta_graph else meta_graph.graph_def
    _parse(file, part, event.data)
    return _Read(GraphKind.EVENTS, meta_graph)


def _from_binary(file: PositionedFile) -> _Read:
    wanted = _format_of(file)
    if wanted is GraphFormat.SAVED_MODEL:
        raise _saved_model_as_file(file.path)
    _check_size(file, file.size)
    meta_graph = tf.MetaGraphDef()
    data = file.read(0, file.size)
    if wanted is GraphFormat.GRAPH:
        _parse(file, meta_graph.graph_def, data)
        return _Read(GraphKind.GRAPH, meta_graph)
    _parse(file, meta_graph, data)
    if not meta_graph.graph_def.node:
        read_saved_graph(file.path)  # It says what is the matter.
    return _Read(GraphKind.META_GRAPH, meta_graph)


def _format_of(file: PositionedFile) -> GraphFormat:
    """Which message a file is.

    Reading it without TensorFlow tells, and takes as long as making messages of it: it
    is done only where the begin does not tell.
    """
    if file.path.endswith(META_SUFFIX):
        return GraphFormat.META_GRAPH
    if begins_as_graph(file):
        return GraphFormat.GRAPH
    return read_saved_graph(file.path).format


def read_saved_model(
    directory: LocationLike, tags: Optional[Sequence[str]] = None
) -> SavedGraph:
    """Reads one graph of a SavedModel, a TF-Hub module or a session bundle.

    Args:
      directory: The directory, or the file in it that holds the graphs.
      tags: The tag set of the graph, in any order; empty for the graph without tags.
        None for ``serve``, or the only one; of a module, that without tags.

    Raises:
      LocationError: There is none. What may be meant is named.
      CorruptCheckpointError: The file is damaged, or another kind of file.
      UnsupportedCheckpointError: It has more than 2 GiB, or is of a kind that is not
        read.
      UsageError: It has no graph with these tags; those that it has are listed.
    """
    files = saved_model_files(os.fsdecode(os.fspath(directory)))
    file = _opened(files.path)
    try:
        if files.kind is GraphKind.SESSION_BUNDLE:
            found = _session_bundle(file, tags)
        elif files.path.endswith(TEXT_SUFFIX):
            found = _meta_graph_of_text(file, files, tags)
        else:
            found = _meta_graph_of(file, files, tags)
        if not found.graph_def.node:
            raise FormatError("a graph without node")
    except FormatError as error:
        raise what_it_is(file) or corrupt(files.path, str(error)) from error
    finally:
        file.close()
    return SavedGraph(files.path, files.kind, found, files.directory, files.checkpoint)


def _session_bundle(file: PositionedFile, tags: Optional[Sequence[str]]) -> Any:
    if tags:
        choose_tags(file.path, [()], tags, ())
    return with_signatures(_from_binary(file).meta_graph)


def _meta_graph_of(
    file: PositionedFile, files: SavedModelFiles, tags: Optional[Sequence[str]]
) -> Any:
    if file.size == 0 or is_text(file):
        raise what_it_is(file) or FormatError("text, and no SavedModel")
    parts: List[Message] = []
    schema = 0
    for part in Source(file).root().fields():
        if part.number == 1:
            schema = part.integer()
        elif part.number == 2:
            parts.append(part.message())
    _check_schema(file.path, schema, len(parts))
    chosen = parts[_choice(files, [_tags_of(one) for one in parts], tags)]
    _check_size(file, chosen.size)
    meta_graph = tf.MetaGraphDef()
    _parse(file, meta_graph, file.read(chosen.start, chosen.size))
    return meta_graph


def _meta_graph_of_text(
    file: PositionedFile, files: SavedModelFiles, tags: Optional[Sequence[str]]
) -> Any:
    found = _text_of(file)
    if not isinstance(found, SavedModel):
        raise FormatError("a graph in text format, and no SavedModel")
    _check_schema(file.path, found.saved_model_schema_version, len(found.meta_graphs))
    tag_sets = [tuple(one.meta_info_def.tags) for one in found.meta_graphs]
    return found.meta_graphs[_choice(files, tag_sets, tags)]


def _choice(
    files: SavedModelFiles,
    tag_sets: Sequence[Sequence[str]],
    tags: Optional[Sequence[str]],
) -> int:
    is_hub = files.kind is GraphKind.HUB_MODULE
    return choose_tags(files.path, tag_sets, tags, () if is_hub else ("serve",))


def _tags_of(message: Message) -> Tuple[str, ...]:
    for part in message.fields():
        if part.number == 1:
            tags: Tuple[str, ...] = read_meta_info(part.message())["tags"]
            return tags
    return ()


def _check_schema(path: str, schema: int, count: int) -> None:
    if not count:
        raise FormatError("a SavedModel without graph")
    # tensorflow/python/saved_model/constants.py; modules of TF-Hub leave it out.
    if schema not in (0, 1):
        raise unsupported(path, f"a SavedModel of schema {schema}; 1 is read")


def _opened(path: str) -> PositionedFile:
    try:
        return PositionedFile(path)
    except OSError as error:
        raise not_there(path, error.strerror or str(error)) from error
    except FormatError as error:
        raise unsupported(path, str(error)) from error


def _check_size(file: PositionedFile, size: int) -> None:
    if size > MAX_MESSAGE:
        raise unsupported(
            file.path,
            f"a message of {size:,} bytes; protocol buffers read at most 2 GiB, and so "
            "does TensorFlow (https://github.com/tensorflow/tensorflow/issues/7770)",
            "its weights are constants in it: take the .meta file and the checkpoint",
        )


def _parse(file: PositionedFile, message: Any, data: bytes) -> None:
    try:
        consumed = message.MergeFromString(data)
    except (protobuf.DecodeError, SystemError, ValueError) as error:
        read_saved_graph(file.path)  # It says what is the matter, if it can.
        raise FormatError(f"TensorFlow cannot decode it: {error}") from error
    if consumed != len(data):  # Protocol buffers 3 stop with no more than a warning.
        read_saved_graph(file.path)
        raise FormatError(f"TensorFlow cannot decode it from byte {consumed} on")


def _saved_model_as_file(path: str) -> errors.CheckpointError:
    directory = os.path.dirname(path) or os.curdir
    return other_file(
        path,
        "a SavedModel, which may hold several graphs",
        f"lr.Model.from_saved_model(name, {directory!r})",
    )
