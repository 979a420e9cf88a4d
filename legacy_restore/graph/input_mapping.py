"""Which tensors of a saved graph come from other models when it is imported.

``tf.import_graph_def`` puts tensors of the graph in the place of some that the message
names (``input_map``). It takes any that have the dtype, and finds shapes that cannot be
multiplied, say, wherever they meet: so what does not fit is left out here, and who
asked for it is told by ``wiring``.
"""

from __future__ import annotations

from typing import Any, Collection, Dict, Mapping

from legacy_restore.graph.wire_ends import fits
from legacy_restore.importing.nodes import (
    node_of,
    nodes_by_name,
    tensor_name,
    upstream,
)
from legacy_restore.importing.saved_graph import TensorBinding
from legacy_restore.tf import tf

_COLOCATION = "_class"


def input_map(
    graph_def: Any, inputs: Mapping[str, TensorBinding], values: Mapping[str, Any]
) -> Dict[str, Any]:
    """Returns the argument of ``tf.import_graph_def`` of that name.

    What waits for a placeholder by a control edge waits for what comes in its place.
    What waits for another operation goes on to do so, as where its output is fed
    (``FeedInputs`` in ``tensorflow/core/graph/subgraph.cc``).

    Args:
      graph_def: The ``GraphDef`` that is going to be imported.
      inputs: What can be fed, by the caller's key. Sparse ones are never wired.
      values: Tensors of other models by those keys; what does not fit, and keys that
        there are not, are left out.
    """
    wanted = {
        tensor_name(inputs[key].tensor): value
        for key, value in values.items()
        if key in inputs and not inputs[key].sparse
    }
    if not wanted:
        return {}
    nodes = nodes_by_name(graph_def.node)
    found = {}
    for name, tensor in _alone(graph_def, nodes, wanted).items():
        if not fits(tensor, wanted[name]):
            continue
        found[name] = wanted[name]
        if tensor.op.type.startswith("Placeholder"):
            found[f"^{node_of(name)}"] = wanted[name]
    return found


def _alone(
    graph_def: Any, nodes: Dict[str, Any], names: Collection[str]
) -> Dict[str, Any]:
    """Returns tensors as they are without wires, in a graph that nobody else sees.

    An input in the middle of a graph has its shape from what is before it.
    """
    part = tf.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for name in sorted(upstream(nodes, map(node_of, names))):
        part.node.add().CopyFrom(nodes[name])
        part.node[-1].attr.pop(_COLOCATION, None)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(part, name="")
    return {name: graph.get_tensor_by_name(name) for name in names}
