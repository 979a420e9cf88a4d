"""Tensors of a saved graph, by the names that people type."""

from __future__ import annotations

import difflib
from typing import Any, Dict, List, Optional

from legacy_restore.importing.nodes import node_of, nodes_by_name
from legacy_restore.importing.op_defs import OpDefs


class Tensors:
    """The tensors and operations of a graph.

    Attributes:
      nodes: The nodes by name; nothing inside of functions can be named.
    """

    def __init__(self, meta_graph: Any) -> None:
        """Takes a ``MetaGraphDef``."""
        self.nodes: Dict[str, Any] = nodes_by_name(meta_graph.graph_def.node)
        self._op_defs = OpDefs(meta_graph)
        self._functions = {
            one.signature.name: len(one.signature.output_arg)
            for one in meta_graph.graph_def.library.function
        }

    def resolve(self, name: str) -> Optional[str]:
        """Returns a name as a session takes it: ``x:0``, or ``train_op``.

        Args:
          name: A tensor's name, in which ``:0`` may be left out, or an operation's.

        Returns:
          With the number of the output; without one for an operation that has no
          outputs. None where there is no such tensor.
        """
        base, colon, number = name.partition(":")
        node = self.nodes.get(base)
        if node is None or (colon and not number.isdigit()):
            return None
        count = self._num_outputs(node)
        if count == 0:
            return None if colon else base
        index = int(number or "0")
        if count is not None and index >= count:
            return None
        return f"{base}:{index}"

    def near(self, name: str) -> List[str]:
        """Returns names of nodes that may be meant by one that there is not."""
        base = node_of(name)
        last = base.rpartition("/")[2]
        ending = [one for one in self.nodes if one.rpartition("/")[2] == last]
        close = difflib.get_close_matches(base, self.nodes, n=3, cutoff=0.7)
        return list(dict.fromkeys([*ending[:3], *close]))[:3]

    def _num_outputs(self, node: Any) -> Optional[int]:
        """How many outputs a node has; None where nobody knows its operation."""
        if node.op in self._functions:
            return self._functions[node.op]
        found = self._op_defs.get(node.op)
        if found is None:
            return None
        return sum(_num_tensors(one, node) for one in found.output_arg)


def _num_tensors(argument: Any, node: Any) -> int:
    if argument.number_attr:
        return int(node.attr[argument.number_attr].i)
    if argument.type_list_attr:
        return len(node.attr[argument.type_list_attr].list.type)
    return 1
