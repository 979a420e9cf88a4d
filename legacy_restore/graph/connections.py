"""Wiring models inside a graph: the output of one becomes the input of another."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Mapping, Sequence

from legacy_restore import errors
from legacy_restore.graph.building import BuiltModel, Input
from legacy_restore.graph.nest import leaves


@dataclasses.dataclass(frozen=True)
class Connection:
    """One wire.

    Attributes:
      source: Name of the model whose output it begins at.
      output: Path of that output in the nest; empty when the nest is one tensor.
      target: Name of the model whose input it ends at.
      input: Name of that input without the scope.
    """

    source: str
    output: str
    target: str
    input: str

    def __str__(self) -> str:
        """Shows the wire as it was given."""
        source = f"{self.source}/{self.output}" if self.output else self.source
        return f"{self.target}/{self.input!s}: {source}"


def parse_connections(
    connect: Mapping[str, str], models: Sequence[str]
) -> List[Connection]:
    """Returns the connections of ``connect={"b/x": "a/y"}``.

    Raises:
      UsageError: A model does not exist, or its inputs would depend on itself.
    """
    connections = []
    for to, come_from in connect.items():
        target, _, input_name = to.partition("/")
        source, _, output = come_from.partition("/")
        for name in (target, source):
            if name not in models:
                raise errors.UsageError(
                    f"connect: there is no model {name!r}; there is {', '.join(models)}"
                )
        connections.append(Connection(source, output, target, input_name))
    _check_no_circle(connections)
    return connections


def _check_no_circle(connections: Sequence[Connection]) -> None:
    sources_of: Dict[str, List[str]] = {}
    for one in connections:
        sources_of.setdefault(one.target, []).append(one.source)
    for start in sources_of:
        reached = list(sources_of[start])
        for name in reached:
            if name == start:
                raise errors.UsageError(f"connect: model {start!r} would feed itself")
            reached.extend(n for n in sources_of.get(name, ()) if n not in reached)


def connect_models(
    built: Mapping[str, BuiltModel], connections: Sequence[Connection]
) -> Dict[str, BuiltModel]:
    """Rewires the graph and returns the models with the inputs that they have left.

    A model that is fed by another one takes that model's inputs too, under the names
    ``<model>/<input>``, and the inputs of the models before it likewise.

    Raises:
      UsageError: An input or output does not exist, or its type does not fit.
    """
    for one in connections:
        _rewire(one, built)
    return {
        name: _with_upstream(model, built, connections) for name, model in built.items()
    }


def _rewire(one: Connection, built: Mapping[str, BuiltModel]) -> None:
    inputs = built[one.target].inputs
    if one.input not in inputs:
        raise errors.UsageError(
            f"connect: model {one.target!r} has no input {one.input!r}; "
            f"it has {', '.join(inputs) or 'none'}"
        )
    outputs = {leaf.path: leaf.value for leaf in leaves(built[one.source].outputs)}
    if one.output not in outputs:
        raise errors.UsageError(
            f"connect: model {one.source!r} has no output {one.output!r}; "
            f"it has {', '.join(map(repr, outputs))}"
        )
    placeholder = inputs[one.input].tensor
    value = outputs[one.output]
    if not _fits(placeholder, value):
        raise errors.UsageError(
            f"connect: {one.target}/{one.input} is {_type_of(placeholder)}, "
            f"{one.source}/{one.output} is {_type_of(value)}"
        )
    for consumer in placeholder.consumers():
        for index, taken in enumerate(consumer.inputs):
            if taken.name == placeholder.name:
                consumer._update_input(index, value)


def _fits(placeholder: Any, value: Any) -> bool:
    if getattr(value, "dtype", None) != placeholder.dtype:
        return False
    return bool(placeholder.shape.is_compatible_with(value.shape))


def _type_of(tensor: Any) -> str:
    dtype = getattr(tensor, "dtype", None)
    if dtype is None:
        return f"no tensor but a {type(tensor).__name__}"
    return f"{dtype.base_dtype.name}{tensor.shape}"


def _with_upstream(
    model: BuiltModel,
    built: Mapping[str, BuiltModel],
    connections: Sequence[Connection],
) -> BuiltModel:
    name = model.model.name
    wired = {one.input for one in connections if one.target == name}
    own = {key: value for key, value in model.inputs.items() if key not in wired}
    if not wired:
        return model
    inputs: Dict[str, Input] = dict(own)
    for one in connections:
        if one.target == name:
            upstream = _with_upstream(built[one.source], built, connections)
            for key, value in upstream.inputs.items():
                # What comes from further up already carries its model's name.
                is_own = key in built[one.source].inputs
                inputs[f"{one.source}/{key}" if is_own else key] = value
    return dataclasses.replace(model, inputs=inputs)
