"""The files that hold saved graphs, opened and told apart.

``model.ckpt-1000.meta`` and ``export.meta`` hold a ``MetaGraphDef``, ``saved_model.pb``
a ``SavedModel``. Other names say nothing: what TensorFlow calls a frozen graph is a
``GraphDef`` under any name, and no message says of which type it is. There a file is
taken for the first of the three as which it makes sense. An event file is told by its
first record; the last graph in it is taken.

Text format names fields where binary format numbers them. The names are TensorFlow's
to know, so that a text is read by what the caller brings for it.
"""

from __future__ import annotations

import dataclasses
import enum
import os
import re
from typing import Callable, Dict, Optional, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint.faults import corrupt, not_there, other_file, unsupported
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.graph_files import META_SUFFIX, begins_with_node
from legacy_restore.checkpoint.lookalikes import recognize
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.graphdef.event_file import is_event_file, read_event_graph
from legacy_restore.graphdef.locating import SAVED_MODEL_FILE, TEXT_SUFFIX
from legacy_restore.graphdef.messages import Message, Source, message_of
from legacy_restore.graphdef.meta_graph import read_meta_graph, read_saved_model
from legacy_restore.graphdef.model import MetaGraph
from legacy_restore.graphdef.nodes import read_graph

# A field of the text format: `node {`, `saved_model_schema_version: 1`.
_TEXT = re.compile(rb"\s*(?:#[^\n]*\n\s*)*[a-z_]+\s*(?::|\{)[\s\x21-\x7e]")
_BEGIN = 4096


class GraphFormat(enum.Enum):
    """The message that a file holds."""

    META_GRAPH = "MetaGraphDef"
    SAVED_MODEL = "SavedModel"
    GRAPH = "GraphDef"


@dataclasses.dataclass(frozen=True)
class SavedGraph:
    """What a file of saved graphs holds.

    Attributes:
      path: The file.
      format: The message that it is.
      meta_graphs: One, but for SavedModels. A ``GraphDef`` is a meta graph of which
        nothing but its graph is known.
      schema_version: Of a SavedModel, else None.
    """

    path: str
    format: GraphFormat
    meta_graphs: Tuple[MetaGraph, ...]
    schema_version: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class BinaryGraph:
    """What a text holds, in binary format.

    Attributes:
      format: The message that it is.
      data: Its bytes.
    """

    format: GraphFormat
    data: bytes


TextReader = Callable[[str, bytes], BinaryGraph]
"""From a file's path and the text in it to what it holds; raises ``FormatError``."""


def read_saved_graph(path: str, read_text: Optional[TextReader] = None) -> SavedGraph:
    """Reads the graphs in a file; values of constants are stepped over.

    Args:
      path: The file.
      read_text: What reads a text; without it texts are refused.

    Raises:
      LocationError: The file cannot be opened.
      CorruptCheckpointError: It contradicts the format that its name promises.
      UnsupportedCheckpointError: It holds no saved graph, or one in text format.
    """
    try:
        file = PositionedFile(path)
    except OSError as error:
        raise not_there(path, error.strerror or str(error)) from error
    except FormatError as error:
        raise unsupported(path, str(error)) from error
    try:
        return _read(file, read_text)
    except FormatError as error:
        raise what_it_is(file) or corrupt(path, str(error)) from error
    finally:
        file.close()


def _read(file: PositionedFile, read_text: Optional[TextReader]) -> SavedGraph:
    path = file.path
    if path.endswith(TEXT_SUFFIX) or is_text(file):
        if read_text is None:
            raise unsupported(
                path,
                "a graph in text format; binary ones are read",
                "legacy-restore inspect and audit read it with TensorFlow",
            )
        return _as_text(file, read_text)
    if file.size == 0:
        raise FormatError("it is empty")
    if is_event_file(file):
        return _as_events(file)
    if os.path.basename(path) == SAVED_MODEL_FILE:
        return _as_saved_model(path, Source(file).root())
    if path.endswith(META_SUFFIX):
        return _as_meta_graph(path, Source(file).root())
    reasons = []
    for read in _READERS.values():
        try:
            return read(path, Source(file).root())
        except FormatError as error:
            reasons.append(str(error))
    reason = f"neither a checkpoint nor a saved graph: {reasons[0]}"
    raise what_it_is(file) or unsupported(path, reason)


def what_it_is(file: PositionedFile) -> Optional[errors.CheckpointError]:
    """Returns the error for another kind of file; None where nobody knows its kind."""
    try:
        other = recognize(file)
    except FormatError:
        return None
    if other is None:
        return None
    return other_file(file.path, str(other), other.hint)


def begins_as_graph(file: PositionedFile) -> bool:
    """Returns whether a file begins with a node, as only a ``GraphDef`` does.

    Raises:
      FormatError: It cannot be read.
    """
    begin = file.read(0, min(file.size, _BEGIN))
    try:
        return begins_with_node(begin)
    except FormatError:
        return False


def is_text(file: PositionedFile) -> bool:
    """Returns whether a file begins as messages in text format do.

    Raises:
      FormatError: It cannot be read.
    """
    begin = file.read(0, min(file.size, _BEGIN))
    return _TEXT.match(begin) is not None


def message_of_file(
    file: PositionedFile, read_text: Optional[TextReader] = None
) -> Message:
    """Returns the message that a file holds, of an event file that of its graph.

    Args:
      file: The file.
      read_text: What reads a text.

    Raises:
      FormatError: An event file is damaged, or has none.
    """
    if read_text is not None and (file.path.endswith(TEXT_SUFFIX) or is_text(file)):
        return message_of(read_text(file.path, file.read(0, file.size)).data)
    if is_event_file(file):
        return message_of(read_event_graph(file).data)
    return Source(file).root()


def _as_events(file: PositionedFile) -> SavedGraph:
    event = read_event_graph(file)
    message = message_of(event.data)
    if event.is_meta_graph:
        found, format = read_meta_graph(message), GraphFormat.META_GRAPH
    else:
        found, format = MetaGraph(read_graph(message)), GraphFormat.GRAPH
    return SavedGraph(file.path, format, (found,))


def _as_text(file: PositionedFile, read_text: TextReader) -> SavedGraph:
    other = what_it_is(file)
    if other is not None:
        raise other
    found = read_text(file.path, file.read(0, file.size))
    return _READERS[found.format](file.path, message_of(found.data))


def _as_saved_model(path: str, root: Message) -> SavedGraph:
    model = read_saved_model(root)
    if not model.meta_graphs:
        raise FormatError("a SavedModel without graph")
    return SavedGraph(
        path, GraphFormat.SAVED_MODEL, model.meta_graphs, model.schema_version
    )


def _as_meta_graph(path: str, root: Message) -> SavedGraph:
    return SavedGraph(path, GraphFormat.META_GRAPH, (read_meta_graph(root),))


def _as_graph(path: str, root: Message) -> SavedGraph:
    graph = read_graph(root)
    if not graph.nodes:
        raise FormatError("a GraphDef without node")
    return SavedGraph(path, GraphFormat.GRAPH, (MetaGraph(graph),))


# In the order in which a file of any name is taken for one of them.
_READERS: Dict[GraphFormat, Callable[[str, Message], SavedGraph]] = {
    GraphFormat.GRAPH: _as_graph,
    GraphFormat.META_GRAPH: _as_meta_graph,
    GraphFormat.SAVED_MODEL: _as_saved_model,
}
