"""Graphs in text format: ``graph.pbtxt``, ``saved_model.pbtxt``.

Which message a text is, its first field tells: fields stand in the order of their
numbers, and the three messages share none.
"""

from __future__ import annotations

import re
from typing import Any

from google.protobuf import text_format

from legacy_restore.checkpoint.faults import unsupported
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.graphdef.files import BinaryGraph, GraphFormat
from legacy_restore.tf import SavedModel, tf

MAX_MESSAGE = (1 << 31) - 1
"""Largest message in bytes that protocol buffers read, in any language."""

_FIRST_FIELD = re.compile(r"\s*(?:#[^\n]*(?:\n|$)\s*)*([a-z_]+)\s*[:{]")
_GRAPH_FIELDS = ("node", "library", "version", "versions", "debug_info")
_SAVED_MODEL_FIELDS = ("saved_model_schema_version", "meta_graphs")


def read_text(path: str, data: bytes) -> Any:
    """Returns a ``GraphDef``, ``MetaGraphDef`` or ``SavedModel``.

    Args:
      path: The file, for messages.
      data: The whole text.

    Raises:
      FormatError: It is none of them.
      UnsupportedCheckpointError: It has a field that this TensorFlow does not know. In
        binary format that would be passed over; in a text it may be misspelt.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"text that is no UTF-8 at byte {error.start}") from error
    first = _FIRST_FIELD.match(text)
    if first is None:
        raise FormatError("no graph in text format")
    message = _message_of(first.group(1))
    try:
        return text_format.Parse(text, message)
    except text_format.ParseError as error:
        what = f"a {message.DESCRIPTOR.name} in text format that cannot be read"
        if "no field named" not in str(error):
            raise FormatError(f"{what}: {error}") from error
        raise unsupported(
            path,
            f"{what}: {error}",
            "write it in binary format with the TensorFlow that wrote it, or remove "
            "the field",
        ) from error


def text_as_binary(path: str, data: bytes) -> BinaryGraph:
    """Returns what a text holds in binary format, for what reads that alone.

    Args:
      path: The file, for messages.
      data: The whole text.

    Raises:
      FormatError: It is no graph, or too large for one message.
      UnsupportedCheckpointError: It has a field that this TensorFlow does not know.
    """
    message = read_text(path, data)
    if message.ByteSize() > MAX_MESSAGE:
        raise FormatError("text of more than 2 GiB in binary format")
    if isinstance(message, SavedModel):
        return BinaryGraph(GraphFormat.SAVED_MODEL, message.SerializeToString())
    if isinstance(message, tf.MetaGraphDef):
        return BinaryGraph(GraphFormat.META_GRAPH, message.SerializeToString())
    return BinaryGraph(GraphFormat.GRAPH, message.SerializeToString())


def _message_of(first_field: str) -> Any:
    if first_field in _GRAPH_FIELDS:
        return tf.GraphDef()
    if first_field in _SAVED_MODEL_FIELDS:
        return SavedModel()
    return tf.MetaGraphDef()
