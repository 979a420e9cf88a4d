"""Saved graphs for tests: made by stock TensorFlow, or read from a sample."""

import contextlib

from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.saved_graph import Interface, Signature, TensorBinding
from legacy_restore.importing.saver_table import read_saver_table
from legacy_restore.tf import SavedModel, tf
from tests.samples import sample


@contextlib.contextmanager
def control_flow_v1():
    """Lets loops and conditions be what TensorFlow 1 makes of them."""
    was_on = tf.control_flow_v2_enabled()
    tf.disable_control_flow_v2()
    try:
        yield
    finally:
        if was_on:
            tf.enable_control_flow_v2()


@contextlib.contextmanager
def graph_of(kind="resource"):
    """A new default graph whose variables are of a kind, "ref" or "resource"."""
    is_resource = kind == "resource"
    with tf.Graph().as_default() as graph:
        tf.get_variable_scope().set_use_resource(is_resource)
        yield graph


def exported(graph, saver=None, **more):
    """The ``MetaGraphDef`` of a graph, with its collections and ``OpDefs``."""
    saver_def = None if saver is None else saver.as_saver_def()
    with graph.as_default():
        return tf.train.export_meta_graph(graph=graph, saver_def=saver_def, **more)


def meta_graph_of(*parts):
    """The first ``MetaGraphDef`` of a file among the samples."""
    with open(sample(*parts), "rb") as file:
        data = file.read()
    if parts[-1] == "saved_model.pb":
        return SavedModel.FromString(data).meta_graphs[0]
    return tf.MetaGraphDef.FromString(data)


def table_of(meta_graph):
    """What is read from a saved graph."""
    return read_saver_table(meta_graph, OpDefs(meta_graph))


def binding(tensor):
    return TensorBinding(tensor, tensor)


def interface(outputs, inputs=()):
    """Returns an interface without name, whose keys are its tensors."""
    return Interface(signature("", outputs, inputs))


def signature(name, outputs, inputs=()):
    return Signature(
        name,
        {one: binding(one) for one in inputs},
        {one: binding(one) for one in outputs},
    )


def imported(meta_graph, scope="m"):
    """Returns a new graph with a MetaGraphDef in it, by import_graph_def alone."""
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(meta_graph.graph_def, name=scope)
    return graph


def run(graph, fetches, feeds=None, before=()):
    """Returns what a new session gives, after it has run some operations."""
    with tf.Session(graph=graph) as session:
        for one in before:
            session.run(one)
        return session.run(fetches, feeds)


def names(meta_graph):
    return {node.name for node in meta_graph.graph_def.node}


def node(meta_graph, name):
    (found,) = [one for one in meta_graph.graph_def.node if one.name == name]
    return found
