"""What the operations of a graph reach beyond it: Python, files, the network.

https://github.com/tensorflow/tensorflow/blob/master/SECURITY.md says that models are
programs. Here is what such a program could do, told from the file; nothing is run.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, FrozenSet, Iterable, List, Optional, Set, Tuple

from legacy_restore.examining.graph_variables import constant_strings, operation_of
from legacy_restore.graphdef.dangerous_ops import DANGEROUS_OPS, Reach, is_harmless
from legacy_restore.graphdef.model import Graph, MetaGraph, Node
from legacy_restore.graphdef.op_registry import Origin, origin_of

# What Saver calls its files where no caller says otherwise
# (tensorflow/python/training/saver.py): nothing but Savers take that for a path.
_SAVER_PATH = "model"
_SAVER_OPS = frozenset(
    ["Save", "SaveSlices", "SaveV2", "Restore", "RestoreSlice", "RestoreV2"]
    + ["MergeV2Checkpoints", "DTensorRestoreV2", "DeserializeIterator"]
)


@dataclasses.dataclass(frozen=True)
class Risk:
    """One operation that reaches beyond the graph.

    Attributes:
      node: Name of the node.
      op: Its operation.
      reach: What it reaches.
      function: The function in whose body it is, or None.
      paths: The files or addresses, where the graph says them; of Python the token.
      is_savers: Whether it belongs to the graph's Saver, which is never run here.
    """

    node: str
    op: str
    reach: Reach
    function: Optional[str] = None
    paths: Tuple[str, ...] = ()
    is_savers: bool = False

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data; ``docs/audit-json.md`` describes it."""
        return {
            "node": self.node,
            "op": self.op,
            "reach": self.reach.name.lower(),
            "function": self.function,
            "paths": list(self.paths),
            "of_saver": self.is_savers,
        }


def may_be_risky(op: str) -> bool:
    """Returns whether nodes of an operation have to be looked at."""
    return op in DANGEROUS_OPS or origin_of(op) is Origin.UNKNOWN


def risks_of(
    meta_graph: MetaGraph, of_saver: Optional[FrozenSet[str]] = None
) -> Tuple[Risk, ...]:
    """Returns what the operations of a graph and of its functions reach.

    Args:
      meta_graph: The graph.
      of_saver: Names of the nodes of its Savers, where they are known already.
    """
    graph = meta_graph.graph
    if of_saver is None:
        of_saver = saver_nodes(meta_graph)
    # A function is the Saver's if nothing else calls it.
    others = reachable_functions(
        graph, [node for node in graph.nodes if node.name not in of_saver]
    )
    of_saver_alone = reachable_functions(
        graph, [node for node in graph.nodes if node.name in of_saver]
    ).difference(others)
    functions = frozenset(one.name for one in graph.functions)
    found = _risks_among(graph.nodes, None, functions, of_saver)
    for function in graph.functions:
        is_savers = function.name in of_saver_alone
        names = [node.name for node in function.nodes] if is_savers else []
        found += _risks_among(
            function.nodes, function.name, functions, frozenset(names)
        )
    return tuple(found)


def _risks_among(
    nodes: Tuple[Node, ...],
    function: Optional[str],
    functions: FrozenSet[str],
    of_saver: FrozenSet[str],
) -> List[Risk]:
    risky = [one for one in nodes if one.op not in functions and may_be_risky(one.op)]
    if not risky:
        return []
    by_name = {node.name: node for node in nodes}
    found = []
    for node in risky:
        known = DANGEROUS_OPS.get(node.op)
        if known is None:
            found.append(Risk(node.name, node.op, Reach.LIBRARY, function))
            continue
        paths = paths_of(node, by_name)
        if is_harmless(known, paths):
            continue
        shown = (node.token,) if node.token else paths or ()
        is_savers = node.name in of_saver and node.op in _SAVER_OPS
        found.append(
            Risk(node.name, node.op, known.reach, function, tuple(shown), is_savers)
        )
    return found


def paths_of(node: Node, by_name: Dict[str, Node]) -> Optional[Tuple[str, ...]]:
    """Returns the paths that a dangerous operation gets; None where nobody knows.

    Args:
      node: The operation.
      by_name: The nodes of the graph or function that it is in.
    """
    known = DANGEROUS_OPS[node.op]
    if known.path_attribute is not None:
        return node.paths
    inputs = [one for one in node.inputs if not one.startswith("^")]
    if known.path_input is None or known.path_input >= len(inputs):
        return None
    return constant_strings(inputs[known.path_input], by_name)


def reachable_functions(graph: Graph, nodes: Iterable[Node]) -> Set[str]:
    """Returns the names of the functions that may run when some nodes run.

    ``SymbolicGradient`` calls the gradient of the function that it names. What
    implements the same as a function may run in its place.
    """
    functions = {function.name: function for function in graph.functions}
    implementing: Dict[str, List[str]] = {}
    for function in graph.functions:
        if function.implements:
            implementing.setdefault(function.implements, []).append(function.name)
    stack = [name for node in nodes for name in (node.op, *node.functions)]
    found: Set[str] = set()
    while stack:
        name = stack.pop()
        if name in functions and name not in found:
            found.add(name)
            stack.append(functions[name].gradient)
            stack += implementing.pop(functions[name].implements, ())
            for node in functions[name].nodes:
                stack += (node.op, *node.functions)
    return found


def saver_nodes(meta_graph: MetaGraph, fetched: Iterable[str] = ()) -> FrozenSet[str]:
    """Returns the names of the nodes that save and restore, of all Savers.

    They get the prefix that a Saver is told, and nothing that is run by name takes what
    comes of them or waits for it: no output of a signature, no initialiser of a
    variable, nothing in a collection.

    Args:
      meta_graph: The graph.
      fetched: Names of more nodes that are run.
    """
    nodes = {node.name: node for node in meta_graph.graph.nodes}
    below = _below(meta_graph.graph, _prefixes(meta_graph, nodes))
    stack = list(below.intersection(_run_by_name(meta_graph).union(fetched)))
    above: Set[str] = set()
    while stack:
        name = stack.pop()
        if name in below and name not in above:
            above.add(name)
            stack += map(operation_of, nodes[name].inputs)
    return frozenset(below - above)


def _run_by_name(meta_graph: MetaGraph) -> Set[str]:
    found: Set[str] = set()
    for signature in meta_graph.signatures.values():
        for info in (*signature.outputs, *signature.undirected):
            found.update(map(operation_of, info.tensors))
    for collection in meta_graph.collections.values():
        found.update(map(operation_of, collection.nodes))
        for variable in collection.variables:
            found.add(operation_of(variable.initializer))
    return found


def _prefixes(meta_graph: MetaGraph, nodes: Dict[str, Node]) -> Set[str]:
    """The nodes that give Savers their prefix: of this file's, and of those like it."""
    found: Set[str] = set()
    if meta_graph.saver is not None:
        found.add(operation_of(meta_graph.saver.filename_tensor))
    for node in meta_graph.graph.nodes:
        if node.op == "Const" and constant_strings(node.name, nodes) == (_SAVER_PATH,):
            found.add(node.name)
    return found & set(nodes)


def _below(graph: Graph, start: Set[str]) -> Set[str]:
    """The nodes that take what some nodes give or wait for them, those themselves."""
    consumers: Dict[str, List[str]] = {}
    for node in graph.nodes:
        for one in node.inputs:
            consumers.setdefault(operation_of(one), []).append(node.name)
    stack = list(start)
    found = set(start)
    while stack:
        for name in consumers.get(stack.pop(), ()):
            if name not in found:
                found.add(name)
                stack.append(name)
    return found
