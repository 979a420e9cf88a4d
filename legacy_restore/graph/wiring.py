"""Wiring models inside a graph: the output of one becomes the input of another.

A saved graph is imported with the other models' outputs in the place of its inputs
(``input_mapping``). Of a model that its code builds, the edges are moved afterwards
(``rewiring``). Both keep the placeholder, which nothing takes any more, and which is no
input of the model's.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Mapping, Optional, Sequence, Set, Tuple

from legacy_restore import errors
from legacy_restore.graph.building import BuiltModel
from legacy_restore.graph.connections import Connection, sources_first, upstream_of
from legacy_restore.graph.graph_source import GraphSource
from legacy_restore.graph.interface import Input
from legacy_restore.graph.nest import leaves, pack
from legacy_restore.graph.rewiring import move_edges
from legacy_restore.graph.variables import is_under
from legacy_restore.graph.wire_ends import (
    fits,
    is_reference,
    type_text,
    wired_value,
)
from legacy_restore.tf import tf


def values_for(
    name: str, built: Mapping[str, BuiltModel], connections: Sequence[Connection]
) -> Dict[str, Any]:
    """Returns what comes in the place of a model's inputs, by their names.

    Args:
      name: A model that is not built yet.
      built: The models that are; those that feed it among them, unless they cannot be
        built.
      connections: All wires. Those that begin nowhere are left out: ``connect_models``
        refuses them when all models that can be built are.
    """
    above = [one for one in upstream_of(name, connections) if one in built]
    wired = {one: built[one] for one in above}
    for source in sources_first(above, connections):
        inputs = wired[source].inputs
        values = {
            _name_of(inputs[key].tensor): value
            for key, value in _values(source, wired, connections).items()
            if key in inputs and fits(inputs[key].tensor, value)
        }
        wired[source] = _with_values(wired[source], values)
    return _values(name, wired, connections)


def _values(
    name: str, built: Mapping[str, BuiltModel], connections: Sequence[Connection]
) -> Dict[str, Any]:
    """The tensors at which wires to a model begin, by the names of its inputs."""
    found = {}
    for one in connections:
        if one.target == name and one.source in built:
            value = _outputs(built[one.source]).get(one.output)
            if isinstance(value, tf.Tensor):
                found[one.input] = value
    return found


def connect_models(
    built: Mapping[str, BuiltModel], connections: Sequence[Connection]
) -> Dict[str, BuiltModel]:
    """Completes the wires and returns the models with the inputs that they have left.

    A model that is fed by another one takes that model's inputs too, under the names
    ``<model>/<input>``, and the inputs of the models before it likewise.

    Args:
      built: The models; saved graphs among them were imported with ``values_for``.
      connections: All wires.

    Raises:
      UsageError: An input or output does not exist, or its type does not fit.
    """
    wired = dict(built)
    for name in sources_first(built, connections):
        own = [one for one in connections if one.target == name]
        if own:
            wired[name] = _wired(wired, name, own)
    return {
        name: _with_upstream(model, wired, connections) for name, model in wired.items()
    }


def _wired(
    built: Mapping[str, BuiltModel], name: str, connections: Sequence[Connection]
) -> BuiltModel:
    values: Dict[str, Any] = {}
    for one in connections:
        placeholder, value = _ends(one, built)
        if values.setdefault(placeholder.name, value).name != value.name:
            raise errors.UsageError(
                f"connect: two outputs would be one tensor of model {name!r}, "
                f"{placeholder.name}",
                hint="connect one of the inputs that stand for it",
            )
        if not isinstance(built[name].model.build, GraphSource):
            move_edges(placeholder, value)
    return _with_values(built[name], values)


def _with_values(model: BuiltModel, values: Mapping[str, Any]) -> BuiltModel:
    """Puts outputs in the place of inputs where a model returns those as they are."""
    signatures = {
        key: dataclasses.replace(one, outputs=_replaced(one.outputs, values))
        for key, one in model.signatures.items()
    }
    return dataclasses.replace(
        model, outputs=_replaced(model.outputs, values), signatures=signatures
    )


def _replaced(outputs: Any, values: Mapping[str, Any]) -> Any:
    """Returns a nest with other tensors in the place of those of some names."""
    found = [values.get(_name_of(leaf.value), leaf.value) for leaf in leaves(outputs)]
    return pack(outputs, found)


def _name_of(value: Any) -> str:
    # Sparse tensors have none, and are never wired.
    return str(getattr(value, "name", ""))


def _outputs(model: BuiltModel) -> Dict[str, Any]:
    """What wires can begin at, by path."""
    return {
        leaf.path: wired_value(leaf.value, model.variables.values())
        for leaf in leaves(model.outputs)
    }


def _ends(one: Connection, built: Mapping[str, BuiltModel]) -> Tuple[Any, Any]:
    """Returns the placeholder and the output that comes in its place."""
    target = built[one.target]
    if one.input not in target.inputs:
        raise errors.UsageError(
            f"connect: model {one.target!r} has no input {one.input!r}; "
            f"it has {', '.join(target.inputs) or 'none'}"
        )
    outputs = _outputs(built[one.source])
    if one.output not in outputs:
        raise errors.UsageError(
            f"connect: model {one.source!r} has no output {one.output!r}; "
            f"it has {', '.join(map(repr, outputs))}"
        )
    placeholder = target.inputs[one.input].tensor
    value = outputs[one.output]
    if not fits(placeholder, value) or _is_left_out(placeholder, target):
        raise errors.UsageError(
            f"connect: {one.target}/{one.input} is {type_text(placeholder)}, "
            f"{one.source}/{one.output} is {type_text(value)}",
            hint=_hint(value, built[one.source]),
        )
    return placeholder, value


def _is_left_out(placeholder: Any, target: BuiltModel) -> bool:
    """Whether a saved graph was imported without a wire, as its own shapes demand.

    An input in the middle of a graph may get another shape by a wire before it.
    """
    if not isinstance(target.model.build, GraphSource):
        return False
    scope = target.model.scope
    return any(is_under(one.name, scope) for one in placeholder.consumers())


def _hint(value: Any, source: BuiltModel) -> Optional[str]:
    if not is_reference(value):
        return None
    if isinstance(source.model.build, GraphSource):
        reads = "an Identity of it"
        for one in value.consumers():
            if one.type == "Identity":
                reads = repr(one.outputs[0].name[len(source.model.scope) + 1 :])
        return f"outputs= has to name what reads {value.op.name}: {reads}"
    return f"let the builder return tf.identity(...) of {value.op.name}"


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
