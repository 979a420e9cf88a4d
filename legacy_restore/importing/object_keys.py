"""Keys that objects of a TensorFlow 2 SavedModel have in its checkpoint.

``saved_model.pb`` lists the objects that were saved and how they hang together. Their
variables are stored under the shortest path from the root, of several the first that is
found going through the objects level by level
(``tensorflow/python/checkpoint/trackable_view.py``).
"""

from __future__ import annotations

import collections
from typing import Any, Deque, Dict, Iterable, Set, Tuple

_VALUE = ".ATTRIBUTES/VARIABLE_VALUE"


def keys_of_objects(meta_graph: Any, variables: Iterable[str]) -> Dict[str, str]:
    """Returns the key of each variable that the object graph tells by its name.

    Args:
      meta_graph: The ``MetaGraphDef``.
      variables: The nodes of its variables.

    Returns:
      Keys by node. A name that several objects have, or none, is left out.
    """
    nodes = meta_graph.object_graph_def.nodes
    wanted = set(variables)
    found: Dict[str, Set[str]] = {}
    paths: Deque[Tuple[int, Tuple[str, ...]]] = collections.deque()
    if len(nodes):
        paths.append((0, ()))
    seen = {0}
    while paths:
        number, path = paths.popleft()
        node = nodes[number]
        if node.WhichOneof("kind") == "variable":
            name = node.variable.name.partition(":")[0]
            found.setdefault(name, set()).add("/".join([*path, _VALUE]))
        for child in node.children:
            if child.node_id not in seen and child.node_id < len(nodes):
                seen.add(child.node_id)
                paths.append((child.node_id, (*path, _escaped(child.local_name))))
    return {
        name: next(iter(keys))
        for name, keys in found.items()
        if name in wanted and len(keys) == 1
    }


def _escaped(name: str) -> str:
    """One step of a path, in which slashes are no ends of a step."""
    return name.replace(".", "..").replace("/", ".S")
