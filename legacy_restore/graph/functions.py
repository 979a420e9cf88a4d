"""The functions of a graph, and what stands inside of those that an operation calls."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Set

from legacy_restore.importing.nodes import (
    all_functions_named,
    functions_named,
    reached,
)

_FUNCTION_TYPES = ("func", "list(func)")


class GraphFunctions:
    """The functions of a graph by their names, as they were when it was made."""

    def __init__(self, graph: Any) -> None:
        """Reads the library of a graph.

        Args:
          graph: The graph; nothing is added to it meanwhile.
        """
        # The whole graph has to be written out for it: only where there is any.
        library = graph.as_graph_def().library.function if graph._functions else ()
        self._bodies = {one.signature.name: one.node_def for one in library}
        self._attributes: Dict[str, List[str]] = {}

    def reached_from(self, operations: Iterable[Any]) -> Set[str]:
        """Returns the names of all functions that operations lead to."""
        if not self._bodies:
            return set()
        named = [name for one in operations for name in self._called_by(one)]
        found = reached(
            named, lambda name: all_functions_named(self._bodies.get(name, ()))
        )
        return found.intersection(self._bodies)

    def nodes_of(self, name: str) -> Iterable[Any]:
        """Returns the nodes of a function."""
        nodes: Iterable[Any] = self._bodies[name]
        return nodes

    def _called_by(self, operation: Any) -> List[str]:
        """The functions that an operation names; old ones are its type itself."""
        if operation.type not in self._attributes:
            self._attributes[operation.type] = [
                one.name for one in operation.op_def.attr if one.type in _FUNCTION_TYPES
            ]
        # A node_def is written out anew each time.
        if self._attributes[operation.type]:
            return functions_named(operation.node_def)
        return [operation.type]
