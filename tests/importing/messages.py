"""Messages of saved graphs, made by the TensorFlow of the test."""

import legacy_restore.importing.op_defs as op_defs
from legacy_restore.importing.saved_graph import GraphKind, SavedGraph
from legacy_restore.tf import SavedModel, tf
from tests.importing.graphs import graph_of as new_graph
from tests.importing.graphs import names as node_names
from tests.importing.graphs import node as node_named

__all__ = ["defs", "exported", "new_graph", "node_named", "node_names", "read", "saved"]


def exported(graph, **collections):
    """The ``MetaGraphDef`` of a graph, with further collections of operations."""
    with graph.as_default():
        for key, operations in collections.items():
            for one in operations:
                tf.add_to_collection(key, one)
        return tf.train.export_meta_graph()


def defs(meta_graph):
    """What is known about the operations of a message."""
    return op_defs.OpDefs(meta_graph)


def read(path):
    """The first graph of a file, as a message that may be changed."""
    with open(path, "rb") as stream:
        data = stream.read()
    if str(path).endswith(".meta"):
        return tf.MetaGraphDef.FromString(data)
    return SavedModel.FromString(data).meta_graphs[0]


def saved(meta_graph, directory="", kind=GraphKind.META_GRAPH):
    """A message as what a file in a directory holds."""
    return SavedGraph("graph", kind, meta_graph, str(directory))
