"""The one place where TensorFlow is imported.

``tensorflow.compat.v1`` is the same interface on TensorFlow 1.15 and on 2.x. Nothing
of the process is switched by importing it: an eager program stays eager.
"""

from __future__ import annotations

import logging

from legacy_restore import errors

# It takes seconds: commands show this line meanwhile.
logging.getLogger("legacy_restore").debug("loading TensorFlow")
try:
    # What parsing a message raises. TensorFlow brings this package.
    import tensorflow.compat.v1 as tf
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework.variable_pb2 import VariableDef
    from tensorflow.core.protobuf.control_flow_pb2 import (
        CondContextDef,
        WhileContextDef,
    )
    from tensorflow.core.protobuf.queue_runner_pb2 import QueueRunnerDef
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    # TensorFlow has no public name for the list of its operations, for what makes a
    # function of a graph, for the functions that make the objects of collections from
    # messages, for the registry of Python functions that graphs call, for what tells
    # which objects an object holds and what saves them from any of them on, nor for
    # SaveableObject and SaveSpec.
    from tensorflow.python.framework import op_def_registry
    from tensorflow.python.framework.graph_to_function_def import graph_to_function_def
    from tensorflow.python.framework.ops import (
        get_collection_proto_type,
        get_from_proto_function,
    )
    from tensorflow.python.ops import script_ops
    from tensorflow.python.training.saver import BaseSaverBuilder

    try:
        from tensorflow.python.checkpoint.checkpoint import TrackableSaver
        from tensorflow.python.checkpoint.graph_view import ObjectGraphView
    except ImportError:  # TensorFlow 1
        from tensorflow.python.training.tracking.graph_view import ObjectGraphView
        from tensorflow.python.training.tracking.util import TrackableSaver
except ImportError as error:
    raise errors.MissingDependencyError(
        "building and restoring models needs TensorFlow, which is not installed",
        hint="pip install 'legacy_restore[tensorflow]'",
    ) from error

IS_TF1: bool = tf.VERSION.startswith("1.")
"""Whether this is TensorFlow 1, not the interface of it that TensorFlow 2 has."""

SaverDef = tf.train.SaverDef
"""How a Saver is called in a ``MetaGraphDef``."""

__all__ = [
    "IS_TF1",
    "BaseSaverBuilder",
    "CondContextDef",
    "DecodeError",
    "ObjectGraphView",
    "QueueRunnerDef",
    "SavedModel",
    "SaverDef",
    "TrackableSaver",
    "VariableDef",
    "WhileContextDef",
    "get_collection_proto_type",
    "get_from_proto_function",
    "graph_to_function_def",
    "op_def_registry",
    "script_ops",
    "tf",
]
