"""What a session keeps for each model under a name, and who else has that name.

A session finds a table, queue or iterator by device, container, kind of resource and
name (``ResourceMgr`` in ``tensorflow/core/framework/resource_mgr.h``). Two models that
have one name there have one resource: one takes from the queue what the other has put
in. Which operations have such a name is told by their ``OpDef``: those with an
attribute ``shared_name``. Of variables and mutable tables ``ownership`` finds it while
models are built; here are the others too, and what functions hold.

What ``Shared`` asks for is linked after this, and permitted.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from legacy_restore.graph.building import BuiltModel
from legacy_restore.graph.device_names import may_be_one
from legacy_restore.graph.functions import GraphFunctions
from legacy_restore.graph.resource_names import ResourceNames, kind_of
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.tf import tf

_READ_ONLY = frozenset(["HashTable", "HashTableV2"])
_FILLS = "InitializeTable"


@dataclasses.dataclass(frozen=True)
class Resource:
    """What an operation keeps in a session.

    Attributes:
      model: The model that the operation belongs to.
      kind: What it is, such as ``queue``.
      name: What the session calls it.
      holder: The name of the operation, or of the node.
      function: The function that it is in; empty for the graph.
      operation: The operation itself, or None in a function.
      node: The node, or None in the graph.
    """

    model: str
    kind: str
    name: str
    holder: str
    function: str = ""
    operation: Any = None
    node: Any = None

    def container(self) -> str:
        """Returns the container; empty for that of the session."""
        if self.operation is None:
            return str(self.node.attr["container"].s.decode())
        try:
            return str(self.operation.get_attr("container").decode())
        except ValueError:
            return ""  # Such an operation has none.

    def device(self) -> str:
        """Returns the device that is asked for."""
        held_by = self.node if self.operation is None else self.operation
        return str(held_by.device)

    def __str__(self) -> str:
        """Names the operation."""
        inside = f" in the function {self.function}" if self.function else ""
        return self.holder + inside


def with_resource_findings(
    graph: Any, built: Mapping[str, BuiltModel]
) -> Dict[str, BuiltModel]:
    """Adds to each model what it holds in common with one that was built before it.

    Args:
      graph: The graph of all models.
      built: The models, by name.
    """
    found = dict(built)
    if len(found) < 2:
        return found
    for finding in resource_findings(graph, built):
        model = found[str(finding.model)]
        if not any(one.subject == finding.subject for one in _claims(model)):
            findings = (*model.findings, finding)
            found[model.model.name] = dataclasses.replace(model, findings=findings)
    return found


def _claims(model: BuiltModel) -> Iterator[Finding]:
    return (one for one in model.findings if one.id == "variable-claimed")


def resource_findings(graph: Any, built: Mapping[str, BuiltModel]) -> List[Finding]:
    """Finds what two models hold under one name.

    Args:
      graph: The graph of all models.
      built: The models, by name.

    Returns:
      A finding for each operation of the later of two models: an error, or a remark
      where both are read-only tables with one content.
    """
    resources = _Resources(graph)
    groups: Dict[Tuple[str, str], List[Resource]] = {}
    for name, model in built.items():
        for one in resources.of(name, model.operations):
            groups.setdefault((one.kind, one.name), []).append(one)
    findings = []
    for group in groups.values():
        if len({one.model for one in group}) < 2:
            continue
        for number, one in enumerate(group):
            first = _first_of_another(one, group[:number])
            if first is not None:
                findings.append(_finding(one, first))
    return list({(one.model, one.subject): one for one in findings}.values())


class _Resources:
    """What the operations of models stand for."""

    def __init__(self, graph: Any) -> None:
        self._functions = GraphFunctions(graph)
        self._names = ResourceNames()

    def of(self, model: str, operations: Sequence[Any]) -> Iterator[Resource]:
        """Yields what operations stand for, and what functions do that they call."""
        for operation in operations:
            if self._names.is_named(operation.type):
                yield from self._in_graph(model, operation)
        for function in sorted(self._functions.reached_from(operations)):
            for node in self._functions.nodes_of(function):
                if self._names.is_named(node.op):
                    yield from self._in_function(model, function, node)

    def _in_graph(self, model: str, operation: Any) -> Iterator[Resource]:
        name = self._names.name_of(
            operation.type,
            operation.name,
            operation.get_attr("shared_name"),
            operation.get_attr,
        )
        if name is not None:
            kind = kind_of(operation.type)
            yield Resource(model, kind, name, operation.name, operation=operation)

    def _in_function(self, model: str, function: str, node: Any) -> Iterator[Resource]:
        name = self._names.name_of(
            node.op,
            node.name,
            node.attr["shared_name"].s,
            lambda attribute: bool(node.attr[attribute].b),
        )
        if name is not None:
            yield Resource(
                model, kind_of(node.op), name, node.name, function, node=node
            )


def _first_of_another(one: Resource, before: List[Resource]) -> Optional[Resource]:
    """What an earlier model has in the same place."""
    return next(
        (
            other
            for other in before
            if other.model != one.model
            and other.container() == one.container()
            and may_be_one(other.device(), one.device())
        ),
        None,
    )


def _finding(one: Resource, first: Resource) -> Finding:
    message = f"it is the {one.kind} of {first} of model {first.model!r}: {one.name!r}"
    if _have_one_content(one.operation, first.operation):
        kind = KINDS["table-in-common"]
        return Finding(kind, str(one), message, model=one.model)
    return Finding(
        KINDS["resource-claimed"],
        str(one),
        message,
        model=one.model,
        hint="give it a shared_name of its own" + ("" if one.function else ", or none"),
    )


def _have_one_content(table: Optional[Any], other: Optional[Any]) -> bool:
    """Whether two tables are filled alike, once and for all."""
    if table is None or other is None:
        return False
    if not {table.type, other.type} <= _READ_ONLY:
        return False
    own, others = _fills(table), _fills(other)
    return len(own) == len(others) == 1 and _are_alike(own[0], others[0])


def _fills(table: Any) -> List[Any]:
    return [one for one in table.outputs[0].consumers() if one.type.startswith(_FILLS)]


def _are_alike(fill: Any, other: Any) -> bool:
    """Whether two operations fill a table from one file, or with the same constants."""
    if fill.type != other.type or _attributes(fill) != _attributes(other):
        return False
    pairs = zip(list(fill.inputs)[1:], list(other.inputs)[1:])
    return all(_is_one_constant(*pair) for pair in pairs)


def _attributes(operation: Any) -> Dict[str, Any]:
    attributes = operation.node_def.attr
    return {key: attributes[key] for key in attributes if not key.startswith("_")}


def _is_one_constant(tensor: Any, other: Any) -> bool:
    values = [tf.get_static_value(one) for one in (tensor, other)]
    if any(one is None for one in values):
        return False  # What it is, only a run tells.
    return bool(np.array_equal(*values))
