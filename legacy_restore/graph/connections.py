"""Wiring models inside a graph: the output of one becomes the input of another."""

from __future__ import annotations

import collections.abc
import dataclasses
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Set, Tuple

from legacy_restore import errors
from legacy_restore.graph.building import BuiltModel
from legacy_restore.graph.interface import Input
from legacy_restore.graph.nest import leaves, pack
from legacy_restore.graph.rewiring import move_edges
from legacy_restore.tf import tf


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
    if not isinstance(connect, collections.abc.Mapping) or not all(
        isinstance(name, str) for name in [*connect, *connect.values()]
    ):
        raise errors.UsageError(
            f"connect: {connect!r} is no mapping of names",
            hint='connect={"b/x": "a/y"}',
        )
    found = []
    for to, come_from in connect.items():
        target, _, input_name = to.partition("/")
        source, _, output = come_from.partition("/")
        for name in (target, source):
            if name not in models:
                raise errors.UsageError(
                    f"connect: there is no model {name!r}; there is {', '.join(models)}"
                )
        found.append(Connection(source, output, target, input_name))
    _check_no_circle(found)
    return found


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
    wired = dict(built)
    for name in _sources_first(built, connections):
        own = [one for one in connections if one.target == name]
        if own:
            wired[name] = _rewired(wired, name, own)
    return {
        name: _with_upstream(model, wired, connections) for name, model in wired.items()
    }


def _sources_first(
    names: Iterable[str], connections: Sequence[Connection]
) -> List[str]:
    """Returns the models, each after those that feed it; there are no circles."""
    ordered: List[str] = []
    waiting = list(names)
    while waiting:
        fed = {one.target for one in connections if one.source in waiting}
        ordered += [name for name in waiting if name not in fed]
        waiting = [name for name in waiting if name in fed]
    return ordered


def _rewired(
    built: Mapping[str, BuiltModel], name: str, connections: Sequence[Connection]
) -> BuiltModel:
    """Puts outputs in the place of a model's inputs, also where it returns an input."""
    values = {}
    for one in connections:
        placeholder, value = _ends(one, built)
        values[placeholder.name] = value
        move_edges(placeholder, value)
    signatures = {
        key: dataclasses.replace(one, outputs=_replaced(one.outputs, values))
        for key, one in built[name].signatures.items()
    }
    return dataclasses.replace(
        built[name],
        outputs=_replaced(built[name].outputs, values),
        signatures=signatures,
    )


def _replaced(outputs: Any, values: Mapping[str, Any]) -> Any:
    """Returns a nest with other tensors in the place of those of some names."""
    found = [values.get(_name_of(leaf.value), leaf.value) for leaf in leaves(outputs)]
    return pack(outputs, found)


def _name_of(value: Any) -> str:
    # Sparse tensors have none, and are never wired.
    return str(getattr(value, "name", ""))


def _ends(one: Connection, built: Mapping[str, BuiltModel]) -> Tuple[Any, Any]:
    """Returns the placeholder and the output that comes in its place."""
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
    return placeholder, value


def _fits(placeholder: Any, value: Any) -> bool:
    if not isinstance(value, tf.Tensor) or not isinstance(placeholder, tf.Tensor):
        return False
    if value.dtype != placeholder.dtype:
        return False
    return bool(placeholder.shape.is_compatible_with(value.shape))


def _type_of(tensor: Any) -> str:
    if not isinstance(tensor, tf.Tensor):
        return f"no tensor but a {type(tensor).__name__}"
    # With `_ref`, by which a variable itself differs from its value.
    return f"{tensor.dtype.name}{tensor.shape}"


def _with_upstream(
    model: BuiltModel,
    built: Mapping[str, BuiltModel],
    connections: Sequence[Connection],
) -> BuiltModel:
    name = model.model.name
    own = [one for one in connections if one.target == name]
    if not own:
        return model
    upstream = _upstream_inputs(own, built, connections)
    wired = {_name_of(model.inputs[one.input].tensor) for one in own}
    signatures = {
        key: dataclasses.replace(one, inputs=_fed(name, one.inputs, wired, upstream))
        for key, one in model.signatures.items()
    }
    inputs = _fed(name, model.inputs, wired, upstream)
    return dataclasses.replace(model, inputs=inputs, signatures=signatures)


def _upstream_inputs(
    own: Sequence[Connection],
    built: Mapping[str, BuiltModel],
    connections: Sequence[Connection],
) -> Dict[str, Input]:
    """The inputs of the models that feed one, each with its model's name before it."""
    found: Dict[str, Input] = {}
    for one in own:
        source = _with_upstream(built[one.source], built, connections)
        for key, value in source.inputs.items():
            # What comes from further up already carries its model's name.
            is_own = key in built[one.source].inputs
            found[f"{one.source}/{key}" if is_own else key] = value
    return found


def _fed(
    model: str,
    inputs: Mapping[str, Input],
    wired: Set[str],
    upstream: Mapping[str, Input],
) -> Dict[str, Input]:
    """The inputs that are left of a model, and those of the models that feed it."""
    left = {
        key: one for key, one in inputs.items() if _name_of(one.tensor) not in wired
    }
    if len(left) == len(inputs):
        return left
    for path in upstream:
        if path in left:
            raise errors.UsageError(
                f"connect: {path!r} is an input of model {model!r}, and of the "
                f"model {path.partition('/')[0]!r} that feeds it",
                hint="give one of the models another name",
            )
    return {**left, **upstream}
