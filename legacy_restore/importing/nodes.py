"""Finding one's way in the nodes of a graph and of its functions.

An input of a node in a graph is ``name`` (its first output), ``name:2``, or ``^name``
for an operation that has to run before. In the body of a function it is the name of an
argument, or ``name:output:0`` with the name of the output in the ``OpDef``.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Iterator, List, Set, Tuple

IMPLEMENTS = "api_implements"
"""The attribute of a function that says what it implements: TensorFlow looks for others
that do in the library of the whole graph, whichever model they came with
(``tensorflow/core/grappler/optimizers/implementation_selector.cc``)."""


def node_of(tensor: str) -> str:
    """Returns the name of the node that an input or a tensor's name is about."""
    return tensor.lstrip("^").partition(":")[0]


def is_control(tensor: str) -> bool:
    """Returns whether an input only says what has to run before."""
    return tensor.startswith("^")


def tensor_name(name: str) -> str:
    """Returns the name of a tensor with the number of the output: ``x`` is ``x:0``."""
    return name if ":" in name else f"{name}:0"


def as_input(name: str) -> str:
    """Returns how an input of a node names a tensor: ``x:0`` is ``x``."""
    return name[:-2] if name.endswith(":0") else name


def nodes_by_name(nodes: Iterable[Any]) -> Dict[str, Any]:
    """Returns nodes by their names."""
    return {node.name: node for node in nodes}


def consumers_of(nodes: Iterable[Any]) -> Dict[str, List[Any]]:
    """Returns the nodes that take each node's outputs, or wait for it, by its name."""
    found: Dict[str, List[Any]] = {}
    for node in nodes:
        for name in {node_of(one): None for one in node.input}:
            found.setdefault(name, []).append(node)
    return found


def all_bodies(meta_graph: Any) -> Iterator[Tuple[str, Any]]:
    """Yields the graph's nodes under ``""``, and each function's under its name."""
    yield "", meta_graph.graph_def.node
    for function in meta_graph.graph_def.library.function:
        yield function.signature.name, function.node_def


def functions_named(node: Any) -> List[str]:
    """Returns the functions that a node calls, by its attributes or by its type.

    The type may be no function's: that is for the caller to know. A function that is an
    attribute may have functions for attributes of its own nodes.
    """
    names = [node.op]
    values = list(node.attr.values())
    while values:
        value = values.pop()
        if value.HasField("func"):
            called = [value.func]
        elif value.HasField("list"):
            called = list(value.list.func)
        else:
            continue
        for one in called:
            names.append(one.name)
            values += one.attr.values()
    return names


def implemented_by(function: Any) -> str:
    """Returns what a function implements; empty for most.

    Of functions that implement the same, each may run in the place of another.

    Args:
      function: A ``FunctionDef``; not changed.
    """
    if IMPLEMENTS not in function.attr:
        return ""
    found: str = function.attr[IMPLEMENTS].s.decode("utf-8", "surrogateescape")
    return found


def all_functions_named(nodes: Iterable[Any]) -> List[str]:
    """Returns what ``functions_named`` gives of all of some nodes."""
    return [name for node in nodes for name in functions_named(node)]


def reached(start: Iterable[str], after: Callable[[str], Iterable[str]]) -> Set[str]:
    """Returns some names, and all that come after them, directly or not.

    Args:
      start: The names to begin with.
      after: What comes right after a name.
    """
    stack = list(start)
    found: Set[str] = set()
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            stack += after(name)
    return found


def upstream(
    nodes: Dict[str, Any],
    start: Iterable[str],
    stop: Callable[[str], bool] = lambda name: False,
) -> Set[str]:
    """Returns the nodes that some nodes depend on, themselves too.

    Args:
      nodes: All nodes, by name.
      start: Names of nodes; those that are not there are left out.
      stop: Whether to go no further up from a node.
    """
    stack = [name for name in start if name in nodes]
    seen: Set[str] = set(stack)
    while stack:
        name = stack.pop()
        if stop(name):
            continue
        for one in nodes[name].input:
            above = node_of(one)
            if above in nodes and above not in seen:
                seen.add(above)
                stack.append(above)
    return seen
