"""Saved graphs for tests, and sessions in which several of them run."""

from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.tf import tf


def saved(build):
    """The ``MetaGraphDef`` of what a function builds in a graph of its own."""
    with tf.Graph().as_default() as graph:
        build()
        return tf.train.export_meta_graph(graph=graph)


def copied(meta_graph):
    """A copy, for passes take over what they are given."""
    copy = tf.MetaGraphDef()
    copy.CopyFrom(meta_graph)
    return copy


def op_defs(meta_graph):
    return OpDefs(meta_graph)


def imported(meta_graphs):
    """A graph with several saved ones, each below its name; ``""`` is the top."""
    with tf.Graph().as_default() as graph:
        for name, meta_graph in meta_graphs.items():
            tf.import_graph_def(meta_graph.graph_def, name=name)
    return graph


def run(graph, names, times=1, feeds=None):
    """What tensors give in runs of their own, one after the other, several times."""
    with tf.Session(graph=graph) as session:
        return [[session.run(name, feeds) for name in names] for _ in range(times)]
