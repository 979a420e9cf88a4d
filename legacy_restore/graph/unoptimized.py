"""What makes TensorFlow 1 run something as it is, without optimising it first.

Its graph optimiser has to know the type of all that is fed, which it reads off an
attribute of the operation; where there is none it gives up, and the graph runs as it is
(``GetFeedShapeAndTypeFromAttribute`` in ``tensorflow/core/common_runtime/
graph_execution_state.cc``). TensorFlow 2 goes on without the type: ``one_call`` is for
that.
"""

from __future__ import annotations

from typing import Any

from legacy_restore.graph.restore_graph import entered
from legacy_restore.tf import tf

ANY_VALUE = 0.0
"""What the tensor may be fed; nothing reads it."""


def add_untyped(graph: Any) -> Any:
    """Adds a tensor to a graph with which no run is optimised that it is fed to."""
    with entered(graph, ""):
        return tf.raw_ops.Timestamp(name="legacy_restore/untyped")
