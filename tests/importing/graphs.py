"""Saved graphs for tests: made by stock TensorFlow, or read from a sample."""

import contextlib

from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.saver_table import read_saver_table
from legacy_restore.tf import tf
from tests.samples import sample


@contextlib.contextmanager
def graph_of(kind):
    """A new default graph whose variables are of a kind, "ref" or "resource"."""
    is_resource = kind == "resource"
    with tf.Graph().as_default() as graph:
        tf.get_variable_scope().set_use_resource(is_resource)
        yield graph


def exported(graph, saver=None, **more):
    """The ``MetaGraphDef`` of a graph, as its Saver would write it."""
    saver_def = None if saver is None else saver.as_saver_def()
    return tf.train.export_meta_graph(graph=graph, saver_def=saver_def, **more)


def meta_graph_of(*parts):
    """The first ``MetaGraphDef`` of a file among the samples."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    with open(sample(*parts), "rb") as file:
        data = file.read()
    if parts[-1] == "saved_model.pb":
        return SavedModel.FromString(data).meta_graphs[0]
    return tf.MetaGraphDef.FromString(data)


def table_of(meta_graph):
    """What is read from a saved graph."""
    return read_saver_table(meta_graph, OpDefs(meta_graph))
