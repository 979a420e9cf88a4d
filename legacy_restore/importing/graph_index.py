"""The nodes of a graph, found by name and by what they take.

To go through all nodes of a large graph takes longer than most questions about it, so
passes that only look share one index. It holds while no node comes, goes or changes.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

from legacy_restore.importing.nodes import consumers_of, nodes_by_name


class GraphIndex:
    """The nodes of a ``MetaGraphDef``, without those of functions.

    Attributes:
      nodes: The nodes by name, in the order of the file.
    """

    def __init__(self, meta_graph: Any) -> None:
        """Takes a message that is not changed as long as the index is used."""
        self.nodes: Dict[str, Any] = nodes_by_name(meta_graph.graph_def.node)
        self._consumers: Optional[Dict[str, List[Any]]] = None

    def consumers(self, name: str) -> Sequence[Any]:
        """Returns the nodes that take a node's outputs, or wait for it."""
        if self._consumers is None:
            self._consumers = consumers_of(self.nodes.values())
        return self._consumers.get(name, ())
