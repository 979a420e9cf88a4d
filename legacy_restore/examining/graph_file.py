"""A file of saved graphs, and what should be beside it."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Dict, FrozenSet, List, Optional, Tuple

from legacy_restore.examining.graph_summary import GraphSummary, summarise
from legacy_restore.examining.graph_usage import line_to_paste
from legacy_restore.graphdef.files import GraphFormat, TextReader, read_saved_graph
from legacy_restore.graphdef.locating import BUNDLE_FILE, HUB_FILE, TEXT_SUFFIX
from legacy_restore.report.findings import KINDS, Finding

_ASSETS = "assets"

# A folder of assets holds a few vocabularies; beyond this it is not looked through.
_MAX_LISTED = 100_000

# What a graph is packed in, where a file alone does not say it.
HUB_MODULE = "TF-Hub module"
SESSION_BUNDLE = "session bundle"


@dataclasses.dataclass(frozen=True)
class AssetRow:
    """A file that a graph reads.

    Attributes:
      filename: Its name as stored.
      tensor: The tensor that takes its path.
      exists: Whether it is there; None: the graph has no folder of assets.
    """

    filename: str
    tensor: str
    exists: Optional[bool]


@dataclasses.dataclass(frozen=True)
class GraphFile:
    """What a file of saved graphs holds.

    Attributes:
      path: The file.
      kind: ``MetaGraphDef``, ``GraphDef``, ``SavedModel``, ``TF-Hub module`` or
        ``session bundle``.
      schema_version: Of a SavedModel or module, else None.
      graphs: What each of the graphs consists of.
      assets: The files that each of the graphs reads.
    """

    path: str
    kind: str
    schema_version: Optional[int]
    graphs: Tuple[GraphSummary, ...]
    assets: Tuple[Tuple[AssetRow, ...], ...]

    @property
    def is_alone(self) -> bool:
        """Whether it names no checkpoint.

        A ``.meta`` file does by its name, and a SavedModel by its place; neither a
        ``GraphDef`` nor a text of any other name.
        """
        is_text = self.path.endswith(TEXT_SUFFIX)
        is_meta_graph = self.kind == GraphFormat.META_GRAPH.value
        return self.kind == GraphFormat.GRAPH.value or (is_text and is_meta_graph)

    @property
    def needs_checkpoint(self) -> bool:
        """Whether it is of no use without a checkpoint.

        A SavedModel says so by its Saver; its other variables are local. A ``.meta``
        file may be older than that.
        """
        if self.kind == GraphFormat.META_GRAPH.value and self.graphs[0].variables:
            return True
        return any(graph.needs_checkpoint for graph in self.graphs)

    @property
    def findings(self) -> Tuple[Finding, ...]:
        """What there is to say about it without its checkpoint."""
        missing = dict.fromkeys(
            asset.filename
            for assets in self.assets
            for asset in assets
            if asset.exists is False
        )
        folder = os.path.join(os.path.dirname(self.path), _ASSETS)
        found = [
            Finding(KINDS["asset-missing"], name, f"it is not in {folder}")
            for name in missing
        ]
        if self.is_alone and self.graphs[0].variables:
            found.append(_not_frozen(self))
        return tuple(found)

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data; ``docs/inspect-json.md`` describes it."""
        graphs = [
            {
                **graph.to_json(),
                "assets": [dataclasses.asdict(one) for one in assets],
                "to_paste": line_to_paste(self, number),
            }
            for number, (graph, assets) in enumerate(zip(self.graphs, self.assets))
        ]
        return {
            "path": self.path,
            "kind": self.kind,
            "schema_version": self.schema_version,
            "graphs": graphs,
        }

    def __str__(self) -> str:
        """Returns all graphs as text."""
        from legacy_restore.examining.graph_text import graph_file_text

        return graph_file_text(self)


def _not_frozen(file: GraphFile) -> Finding:
    what = "a GraphDef" if file.kind == GraphFormat.GRAPH.value else "a text"
    return Finding(
        KINDS["graph-needs-checkpoint"],
        file.path,
        f"it has {len(file.graphs[0].variables):,} variables, whose values are in a "
        f"checkpoint that {what} does not name",
    )


def read_graph_file(path: str, read_text: Optional[TextReader] = None) -> GraphFile:
    """Reads a file of saved graphs.

    Args:
      path: A ``.meta`` file, a ``saved_model.pb``, or a ``GraphDef`` of any name.
      read_text: What reads graphs in text format; without it they are refused.

    Raises:
      LocationError: The file cannot be opened.
      CorruptCheckpointError: It contradicts the format that its name promises.
      UnsupportedCheckpointError: It holds no saved graph, or one in text format
        that nothing was given for.
    """
    saved = read_saved_graph(path, read_text)
    kind = saved.format.value
    directory, name = os.path.split(path)
    if saved.format is GraphFormat.SAVED_MODEL:
        if os.path.isfile(os.path.join(directory, HUB_FILE)):
            kind = HUB_MODULE
    elif name == BUNDLE_FILE and "serving_signatures" in (
        saved.meta_graphs[0].collections
    ):
        kind = SESSION_BUNDLE
    has_folder = kind in (GraphFormat.SAVED_MODEL.value, HUB_MODULE, SESSION_BUNDLE)
    has_assets = any(one.assets for one in saved.meta_graphs)
    there = _listed(directory) if has_folder and has_assets else None
    return GraphFile(
        path=path,
        kind=kind,
        schema_version=saved.schema_version,
        graphs=tuple(summarise(one) for one in saved.meta_graphs),
        assets=tuple(
            tuple(
                AssetRow(
                    asset.filename,
                    asset.tensor,
                    None if there is None else asset.filename in there,
                )
                for asset in one.assets
            )
            for one in saved.meta_graphs
        ),
    )


def _listed(directory: str) -> FrozenSet[str]:
    """Names of the files in the folder of assets.

    It is listed instead of asked for a name: what stands in a file forms no path.
    """
    folder = os.path.join(directory, _ASSETS)
    found: List[str] = []
    for inside, _, names in os.walk(folder):
        relative = os.path.relpath(inside, folder)
        for name in names:
            path = name if relative == os.curdir else os.path.join(relative, name)
            found.append(path.replace(os.sep, "/"))
            if len(found) == _MAX_LISTED:
                return frozenset(found)
    return frozenset(found)
