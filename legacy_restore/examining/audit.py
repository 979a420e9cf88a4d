"""What the whole file of a saved graph could do, and what it tells about its maker.

``importing/trusting.py`` refuses what a restore would really run. This here is about
everything in the file, for whoever wants to know before; nothing is imported or run.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from typing import Any, Dict, List, Optional, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint.faults import corrupt
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.graph_files import META_SUFFIX
from legacy_restore.checkpoint.location import LocationLike, resolve_location
from legacy_restore.checkpoint.near_misses import no_checkpoint
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.examining.audit_text import audit_text
from legacy_restore.examining.leaks import (
    Leak,
    leaks_of_graph,
    leaks_of_message,
    leaks_of_meta_graph,
    users_among,
)
from legacy_restore.examining.risks import Risk, risks_of
from legacy_restore.graphdef.files import (
    GraphFormat,
    SavedGraph,
    TextReader,
    message_of_file,
    read_saved_graph,
)
from legacy_restore.graphdef.locating import find_graph_file
from legacy_restore.graphdef.messages import Message, Source

_DEBUG_FILE = os.path.join("debug", "saved_model_debug_info.pb")


@dataclasses.dataclass(frozen=True)
class GraphAudit:
    """What one graph of a file could do.

    Attributes:
      tags: Of a SavedModel, what the graph is for.
      risks: Operations that reach beyond the graph, in the order of the file; those of
        functions behind the graph's own.
      leaks: Paths and addresses in it, sorted.
    """

    tags: Tuple[str, ...]
    risks: Tuple[Risk, ...]
    leaks: Tuple[Leak, ...]

    @property
    def needs_trust(self) -> bool:
        """Whether anything but its Savers reaches beyond it."""
        return any(not one.is_savers for one in self.risks)

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data; ``docs/audit-json.md`` describes it."""
        return {
            "tags": list(self.tags),
            "needs_trust": self.needs_trust,
            "risks": [one.to_json() for one in self.risks],
            "paths": [one.to_json() for one in self.leaks],
        }


@dataclasses.dataclass(frozen=True)
class Audit:
    """What a file of saved graphs could do, and what it tells.

    Attributes:
      path: The file.
      format: The message that it is.
      graphs: One for each graph.
      debug_leaks: Paths in the debug information beside a SavedModel, sorted.
    """

    path: str
    format: str
    graphs: Tuple[GraphAudit, ...]
    debug_leaks: Tuple[Leak, ...] = ()

    @property
    def needs_trust(self) -> bool:
        """Whether any of the graphs reaches beyond itself."""
        return any(graph.needs_trust for graph in self.graphs)

    @property
    def users(self) -> Tuple[str, ...]:
        """User names that stand in paths, sorted."""
        leaks = [leak for graph in self.graphs for leak in graph.leaks]
        return users_among([*leaks, *self.debug_leaks])

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data; ``docs/audit-json.md`` describes it."""
        return {
            "ok": True,
            "path": self.path,
            "format": self.format,
            "needs_trust": self.needs_trust,
            "users": list(self.users),
            "graphs": [graph.to_json() for graph in self.graphs],
            "debug_paths": [one.to_json() for one in self.debug_leaks],
        }

    def __str__(self) -> str:
        """Returns it as text."""
        return audit_text(self)


def audit_file(location: LocationLike, read_text: Optional[TextReader] = None) -> Audit:
    """Tells what a file of saved graphs could do; no TensorFlow but what reads texts.

    Args:
      location: A ``.meta`` file, a ``saved_model.pb``, a ``GraphDef`` or event file of
        any name, or the directory of a SavedModel, TF-Hub module or session bundle. Of
        a checkpoint it is the ``.meta`` file beside it.
      read_text: What reads graphs in text format; without it they are refused.

    Raises:
      LocationError: Nothing is there, or a checkpoint without a graph.
      CorruptCheckpointError: It is damaged.
      UnsupportedCheckpointError: It holds no graph, or one in text format.
    """
    path = _graph_file(os.fsdecode(os.fspath(location)))
    if read_text is not None:  # It is looked at in two ways.
        read_text = functools.lru_cache(maxsize=1)(read_text)
    saved = read_saved_graph(path, read_text)
    file = PositionedFile(path)
    try:
        leaks = _leaks(saved, message_of_file(file, read_text))
    except FormatError as error:
        raise corrupt(path, str(error)) from error
    finally:
        file.close()
    graphs = tuple(
        GraphAudit(graph.tags, risks_of(graph), found)
        for graph, found in zip(saved.meta_graphs, leaks)
    )
    debug = _debug_leaks(os.path.join(os.path.dirname(path), _DEBUG_FILE))
    return Audit(path, saved.format.value, graphs, debug)


def _graph_file(given: str) -> str:
    """The file that a location names: itself, or what lies beside a checkpoint."""
    path = find_graph_file(given)
    if path is not None:
        return path
    try:
        prefix = resolve_location(given).prefix
    except errors.CheckpointError:
        # A graph of any name, or a prefix of which only the graph is left.
        for path in (given, given + META_SUFFIX):
            if os.path.isfile(path):
                return path
        raise
    path = prefix + META_SUFFIX
    if not os.path.isfile(path):
        raise no_checkpoint(
            given,
            f"no saved graph at {given}: the checkpoint {prefix} has none beside it",
            f"where Savers put it: {path}",
        )
    return path


def _leaks(saved: SavedGraph, root: Message) -> List[Tuple[Leak, ...]]:
    if saved.format is GraphFormat.GRAPH:
        return [leaks_of_graph(root)]
    if saved.format is GraphFormat.META_GRAPH:
        return [leaks_of_meta_graph(root)]
    return [
        leaks_of_meta_graph(part.message())
        for part in root.fields()
        if part.number == 2
    ]


def _debug_leaks(path: str) -> Tuple[Leak, ...]:
    file: Optional[PositionedFile] = None
    try:
        file = PositionedFile(path)
        return leaks_of_message(Source(file).root(), _DEBUG_FILE)
    except (OSError, FormatError):
        return ()  # Nothing reads it but debuggers; mostly it is not there.
    finally:
        if file is not None:
            file.close()
