"""Graphs in text format for the commands that load no TensorFlow otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from legacy_restore.graphdef.files import BinaryGraph


def read_text(path: str, data: bytes) -> BinaryGraph:
    """Returns what a text holds in binary format; loads TensorFlow.

    Args:
      path: The file, for messages.
      data: The whole text.

    Raises:
      FormatError: It is no graph.
      MissingDependencyError: TensorFlow, which knows the names of the fields, is not
        installed.
    """
    from legacy_restore.importing.text_graphs import text_as_binary

    return text_as_binary(path, data)
