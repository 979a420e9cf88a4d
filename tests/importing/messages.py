"""Messages of saved graphs, made by the TensorFlow of the test."""

import contextlib

import legacy_restore.importing.op_defs as op_defs
from legacy_restore.importing.saved_graph import GraphKind, SavedGraph
from legacy_restore.tf import tf


@contextlib.contextmanager
def new_graph(kind="resource"):
    """A graph in which variables are of a kind."""
    with tf.Graph().as_default() as graph:
        tf.get_variable_scope().set_use_resource(kind == "resource")
        yield graph


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


def node_names(meta_graph):
    """The names of all nodes of the graph."""
    return {node.name for node in meta_graph.graph_def.node}


def node_named(meta_graph, name):
    """One node of the graph."""
    return next(one for one in meta_graph.graph_def.node if one.name == name)


def read(path):
    """The first graph of a file, as a message that may be changed."""
    with open(path, "rb") as stream:
        data = stream.read()
    if str(path).endswith(".meta"):
        meta_graph = tf.MetaGraphDef.FromString(data)
    else:
        saved_model_pb2 = __import__(
            "tensorflow.core.protobuf.saved_model_pb2", fromlist=["SavedModel"]
        )
        meta_graph = saved_model_pb2.SavedModel.FromString(data).meta_graphs[0]
    return meta_graph


def saved(meta_graph, directory="", kind=GraphKind.META_GRAPH):
    """A message as what a file in a directory holds."""
    return SavedGraph("graph", kind, meta_graph, str(directory))
