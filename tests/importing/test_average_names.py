"""The names of moving averages that a saved graph updates."""

import pytest

from legacy_restore.importing.average_names import average_names
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.saved_variables import find_variables
from legacy_restore.planning.shadows import DEFAULT_NAME
from legacy_restore.tf import tf
from tests.importing.graphs import exported, graph_of, meta_graph_of

KINDS = ("ref", "resource")


def names_of(meta_graph):
    return average_names(meta_graph, find_variables(meta_graph, OpDefs(meta_graph)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scope", ["", "train"])
@pytest.mark.parametrize(
    ("name", "names"),
    [(DEFAULT_NAME, (DEFAULT_NAME,)), ("slow", ("slow", DEFAULT_NAME))],
)
def test_names_are_those_of_what_is_updated(kind, scope, name, names):
    with graph_of(kind) as graph, tf.variable_scope(scope or "all"):
        w = tf.get_variable("dense/w", [2])
        tf.train.ExponentialMovingAverage(0.9, name=name).apply([w])
        found = names_of(exported(graph))
    assert found == names


@pytest.mark.parametrize("kind", KINDS)
def test_batch_statistics_are_no_averages(kind):
    with graph_of(kind) as graph:
        x = tf.placeholder(tf.float32, [None, 2])
        w = tf.get_variable("w", [2])
        mean = tf.get_variable("w/moving_mean", [2], trainable=False)
        from tensorflow.python.training import moving_averages

        moving_averages.assign_moving_average(mean, tf.reduce_mean(x * w, 0), 0.9)
        found = names_of(exported(graph))
    assert found == ()


def test_what_is_subtracted_has_the_type_of_the_average():
    with graph_of("ref") as graph:
        w = tf.get_variable("w", [])
        other = tf.get_variable("w/slow", [2], trainable=False)
        with tf.name_scope("AssignMovingAvg"):
            other.assign_sub((other - w) * 0.1)
        assert names_of(exported(graph)) == ()
        same = tf.get_variable("w/same", [], trainable=False)
        with tf.name_scope("AssignMovingAvg"):
            same.assign_sub((same - w) * 0.1)
        assert names_of(exported(graph)) == ("same", DEFAULT_NAME)


def test_real_names():
    assert names_of(meta_graph_of("mnist_ema", "mnist_model-64004.meta")) == (
        DEFAULT_NAME,
    )
    assert names_of(meta_graph_of("srcnn", "v1", "SRCNN.model-2550000.meta")) == ()
