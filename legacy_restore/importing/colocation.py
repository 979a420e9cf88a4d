"""Which operations want to be on the device of which others.

``_class`` holds ``loc:@name`` for each of them. ``import_graph_def`` refuses a graph in
which such a name is that of no node ("expects to be colocated with unknown node"), as
it is after a part of the graph was cut away.
"""

from __future__ import annotations

from typing import AbstractSet, Any

from legacy_restore.importing.message_lists import keep_only
from legacy_restore.importing.nodes import all_bodies

_CLASS = "_class"
_COLOCATED = b"loc:@"


def drop_stale_colocation(meta_graph: Any) -> Any:
    """Takes away the names of nodes that are not there, in functions too.

    Returns:
      The message, changed in place.
    """
    arguments = {
        function.signature.name: {one.name for one in function.signature.input_arg}
        for function in meta_graph.graph_def.library.function
    }
    for name, nodes in all_bodies(meta_graph):
        present = {node.name for node in nodes} | arguments.get(name, set())
        for node in nodes:
            if _CLASS in node.attr:
                _drop(node, present)
    return meta_graph


def _drop(node: Any, present: AbstractSet[str]) -> None:
    places = node.attr[_CLASS].list.s

    def is_there(place: bytes) -> bool:
        if not place.startswith(_COLOCATED):
            return True
        return place[len(_COLOCATED) :].decode("utf-8", "replace") in present

    keep_only(places, is_there)
    if not places:
        del node.attr[_CLASS]
