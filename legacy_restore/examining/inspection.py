"""What is at a location: a saved graph, a checkpoint, or both.

The graph comes first, and is told also where its checkpoint is missing or damaged: then
it is often all that is left of a model.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple, Union

from legacy_restore import errors
from legacy_restore.checkpoint import Location, open_checkpoint
from legacy_restore.checkpoint.graph_files import META_SUFFIX
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.examining.contents import Contents, contents_of
from legacy_restore.graphdef.locating import TEXT_SUFFIX, find_graph_file
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import finding_blocks
from legacy_restore.report.table import in_blocks

if TYPE_CHECKING:
    from legacy_restore.examining.graph_file import GraphFile
    from legacy_restore.examining.view import View
    from legacy_restore.graphdef.files import TextReader


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What is at a location.

    Printing it shows the graph, the checkpoint, and every finding.

    Attributes:
      given: The location.
      graph: The saved graph that it names, or None.
      contents: What was made of the checkpoint, or None where there is none to see.
      more_findings: What neither of the two says.
    """

    given: str
    graph: Optional[GraphFile]
    contents: Union[Contents, View, None]
    more_findings: Tuple[Finding, ...] = ()

    @property
    def findings(self) -> Tuple[Finding, ...]:
        """Everything there is to say."""
        of_graph = () if self.graph is None else self.graph.findings
        of_contents = () if self.contents is None else self.contents.findings
        return (*of_graph, *of_contents, *self.more_findings)

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return not errors.exit_code_of(self.findings)

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data; ``docs/inspect-json.md`` describes it."""
        if self.contents is None:
            nothing = Contents(Location(self.given, ""), "", None, (), ())
            data = {**nothing.to_json(), "prefix": None, "format": None}
        else:
            data = self.contents.to_json()
        del data["findings"]  # They stand at the end, with those of the graph.
        findings = [finding.to_json() for finding in self.findings]
        graph = None if self.graph is None else self.graph.to_json()
        return {**data, "ok": self.ok, "graph": graph, "findings": findings}

    def __str__(self) -> str:
        """Returns graph, checkpoint and findings as text."""
        parts = [str(one) for one in (self.graph, self.contents) if one is not None]
        of_graph = () if self.graph is None else self.graph.findings
        blocks = finding_blocks([*of_graph, *self.more_findings])
        return in_blocks([*([part] for part in parts), *blocks])


def inspect_location(
    location: LocationLike, read_text: Optional[TextReader] = None
) -> Inspection:
    """Looks at what is at a location; no TensorFlow but what reads texts.

    Args:
      location: Whatever ``open_checkpoint`` takes, or a file or directory of saved
        graphs: ``.meta``, ``saved_model.pb``, a frozen ``GraphDef``, a SavedModel, a
        TF-Hub module of TensorFlow 1, a session bundle.
      read_text: What reads graphs in text format; without it they are refused.

    Raises:
      LocationError: Nothing is there.
      UnsupportedCheckpointError: What is there is neither a checkpoint nor a graph.
      CorruptCheckpointError: Neither can be read.
    """
    given = os.fsdecode(os.fspath(location))
    path = find_graph_file(given)
    if path is None:
        return _of_checkpoint(given, read_text)
    try:
        graph = _read_graph(path, read_text)
    except (errors.CheckpointError, errors.MissingDependencyError) as error:
        return _without_graph(given, path, error)
    return _with_graph(given, graph)


def _read_graph(path: str, read_text: Optional[TextReader]) -> GraphFile:
    # The decoder of graphs takes longer to load than a checkpoint to list.
    from legacy_restore.examining.graph_file import read_graph_file

    return read_graph_file(path, read_text)


def _of_checkpoint(given: str, read_text: Optional[TextReader]) -> Inspection:
    try:
        return Inspection(given, None, _looked_at(given))
    except (errors.LocationError, errors.UnsupportedCheckpointError):
        # Perhaps a GraphDef without suffix, or a prefix of which only .meta is left.
        beside = given + META_SUFFIX
        path = given if os.path.isfile(given) else beside
        if not os.path.isfile(path):
            raise
        try:
            graph = _read_graph(path, read_text)
        except errors.CheckpointError:
            graph = None
        if graph is None:
            raise
        return _with_graph(given, graph)


def _looked_at(given: str) -> Contents:
    with open_checkpoint(given) as checkpoint:
        return contents_of(checkpoint)


def _with_graph(given: str, graph: GraphFile) -> Inspection:
    if graph.is_alone:
        return Inspection(given, graph, None)
    try:
        checkpoint = open_checkpoint(given)
    except (errors.CheckpointError, errors.MissingDependencyError) as error:
        is_nothing = {one.id for one in error.findings} == {"location-not-found"}
        if is_nothing and not graph.needs_checkpoint:
            return Inspection(given, graph, None)
        return Inspection(given, graph, None, error.findings)
    with checkpoint:
        return Inspection(given, graph, contents_of(checkpoint))


def _without_graph(
    given: str, path: str, error: errors.LegacyRestoreError
) -> Inspection:
    """The checkpoint alone, where there is one, and why there is no graph."""
    try:
        contents = _looked_at(given)
    except errors.LegacyRestoreError:
        raise error from None
    if not path.endswith(TEXT_SUFFIX):
        return Inspection(given, None, contents, error.findings)
    # Text is sound, and the checkpoint is there to be looked at.
    finding = Finding(KINDS["graph-not-read"], path, "a graph in text format")
    return Inspection(given, None, contents, (finding,))
