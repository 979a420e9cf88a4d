"""What the outputs of a saved graph need.

From the outputs of each signature the way goes up to the signature's own inputs and no
further, as when a session runs it and is fed there. An input may be any tensor: that
of a placeholder, or one that a queue gave while the model was trained. Of the second
kind a placeholder takes the place, so that the queue is not needed - unless something
else needs it: then it stays, and the caller feeds its tensor.
"""

from __future__ import annotations

import dataclasses
from typing import (
    AbstractSet,
    Any,
    Dict,
    FrozenSet,
    Iterable,
    List,
    Mapping,
    Set,
    Tuple,
)

from legacy_restore.importing.contexts import needed_by_contexts
from legacy_restore.importing.nodes import (
    is_control,
    node_of,
    nodes_by_name,
    tensor_name,
)
from legacy_restore.importing.saved_graph import Interface, Signature, TensorBinding

_PLACEHOLDERS = ("Placeholder", "PlaceholderV2")
_WITH_DEFAULT = "PlaceholderWithDefault"


@dataclasses.dataclass(frozen=True)
class Kept:
    """What is kept of a graph.

    Attributes:
      nodes: The names of the nodes that something needs, all of the file's.
      cuts: From an input's tensor (``batch:1``) to the name of the placeholder that
        takes its place; empty where all inputs are placeholders.
    """

    nodes: FrozenSet[str]
    cuts: Mapping[str, str] = dataclasses.field(default_factory=dict)


def tensors_of(bindings: Mapping[str, TensorBinding]) -> Tuple[str, ...]:
    """Returns the tensors behind some keys, all of those of a composite one."""
    return tuple(
        tensor for one in bindings.values() for tensor in one.sparse or (one.tensor,)
    )


def needed_for(meta_graph: Any, interface: Interface) -> Kept:
    """Returns what the signatures of an interface need, all together.

    Args:
      meta_graph: The ``MetaGraphDef``.
      interface: Its inputs and outputs; names that the graph does not have are left
        out.
    """
    nodes = nodes_by_name(meta_graph.graph_def.node)
    needed: Set[str] = set()
    inputs: Dict[str, None] = {}
    for signature in interface.all():
        needed |= nodes_for(nodes, signature)
        for tensor in tensors_of(signature.inputs):
            if node_of(tensor) in nodes:
                inputs[tensor_name(tensor)] = None
    cuts: Dict[str, str] = {}
    taken = set(nodes)
    for tensor in inputs:
        name = node_of(tensor)
        if name in needed or nodes[name].op in _PLACEHOLDERS:
            needed.add(name)
            continue
        cuts[tensor] = _new_name(tensor, taken)
        taken.add(cuts[tensor])
    needed = with_contexts(meta_graph, nodes, needed, cuts.keys())
    return Kept(frozenset(needed), cuts)


def after_cuts(interface: Interface, cuts: Mapping[str, str]) -> Interface:
    """Returns an interface with the placeholders in the place of what they replace."""
    signatures = {
        name: _signature_after(one, cuts) for name, one in interface.signatures.items()
    }
    for name, one in interface.signatures.items():
        if one is interface.main:
            return Interface(signatures[name], signatures)
    return Interface(_signature_after(interface.main, cuts), signatures)


def nodes_for(nodes: Mapping[str, Any], signature: Signature) -> Set[str]:
    """Returns the nodes that a signature's outputs need, up to its inputs.

    An input that is fed needs nothing. What waits for an operation by a control edge
    waits for it although its output is fed, unless it is a placeholder: so does a
    session (``FeedInputs`` in ``tensorflow/core/graph/subgraph.cc``).

    Args:
      nodes: The nodes of the graph, by name.
      signature: What is called. An input with a default is not always fed.
    """
    fed = {
        tensor_name(tensor)
        for tensor in tensors_of(signature.inputs)
        if not _has_default(nodes, tensor)
    }
    stack = [tensor_name(one) for one in tensors_of(signature.outputs)]
    seen: Set[str] = set()
    while stack:
        tensor = stack.pop()
        name = node_of(tensor)
        if name in seen or name not in nodes or tensor in fed:
            continue
        seen.add(name)
        for one in nodes[name].input:
            stack.append(one if is_control(one) else tensor_name(one))
    return seen


def closure(
    nodes: Mapping[str, Any], names: Iterable[str], cut: AbstractSet[str]
) -> Set[str]:
    """Returns nodes and all that they depend on, but for tensors that are cut off."""
    stack: List[str] = [name for name in names if name in nodes]
    seen = set(stack)
    while stack:
        for one in nodes[stack.pop()].input:
            above = node_of(one)
            if above in seen or above not in nodes:
                continue
            if is_control(one) or tensor_name(one) not in cut:
                seen.add(above)
                stack.append(above)
    return seen


def with_contexts(
    meta_graph: Any,
    nodes: Mapping[str, Any],
    kept: AbstractSet[str],
    cut: AbstractSet[str],
) -> Set[str]:
    """Returns nodes with what the loops and conditions around them need."""
    found = set(kept)
    while True:
        needed = needed_by_contexts(meta_graph, nodes, found)
        if needed <= found:
            return found
        found |= closure(nodes, needed, cut)


def _has_default(nodes: Mapping[str, Any], tensor: str) -> bool:
    node = nodes.get(node_of(tensor))
    return node is not None and node.op == _WITH_DEFAULT


def _new_name(tensor: str, taken: AbstractSet[str]) -> str:
    """A name of its own: ``batch_1`` for ``batch:1``."""
    name, _, index = tensor.partition(":")
    wanted = f"{name}_{index}"
    number = 0
    found = wanted
    while found in taken:
        number += 1
        found = f"{wanted}_{number}"
    return found


def _signature_after(signature: Signature, cuts: Mapping[str, str]) -> Signature:
    if not any(tensor_name(one) in cuts for one in _all_tensors(signature)):
        return signature
    return Signature(
        signature.name,
        {key: _bound(one, cuts) for key, one in signature.inputs.items()},
        {key: _bound(one, cuts) for key, one in signature.outputs.items()},
    )


def _all_tensors(signature: Signature) -> Tuple[str, ...]:
    return tensors_of(signature.inputs) + tensors_of(signature.outputs)


def _bound(binding: TensorBinding, cuts: Mapping[str, str]) -> TensorBinding:
    def moved(tensor: str) -> str:
        name = tensor_name(tensor)
        return f"{cuts[name]}:0" if name in cuts else tensor

    return TensorBinding(
        binding.key,
        moved(binding.tensor),
        tuple(moved(one) for one in binding.sparse),
    )
