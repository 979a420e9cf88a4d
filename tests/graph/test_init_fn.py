"""Restoring a scope in sessions that others make: Scaffold, Supervisor, tf_slim."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf
from tests.graph.helpers import (
    IS_TF1,
    assert_same,
    ids,
    linear,
    linear_values,
    only,
    write,
)


@pytest.fixture
def graph():
    with tf.Graph().as_default() as found:
        yield found


@pytest.fixture
def prefix(tmp_path):
    return write(tmp_path / "m", linear_values(4))


def build(kind):
    with tf.variable_scope("m"):
        linear(kind)()
    tf.train.get_or_create_global_step()


def values(session):
    variables = lr.scope_variables("m", graph=session.graph)
    return {one.op.name[2:]: session.run(one) for one in variables}


def test_a_scaffold(kind, graph, prefix):
    build(kind)
    scaffold = tf.train.Scaffold(init_fn=lr.init_fn("m", prefix))
    creator = tf.train.ChiefSessionCreator(scaffold)
    with tf.train.MonitoredSession(creator) as session:
        assert graph.finalized
        assert_same(values(session), linear_values(4))


def test_a_monitored_session_may_be_restored_again(kind, graph, prefix, tmp_path):
    build(kind)
    again = lr.init_fn("m", prefix)
    scaffold = tf.train.Scaffold(init_fn=lr.init_fn("m", prefix))
    creator = tf.train.ChiefSessionCreator(scaffold)
    ran = []

    class Hook(tf.train.SessionRunHook):
        def before_run(self, run_context):
            ran.append(run_context)

    with tf.train.MonitoredSession(creator, hooks=[Hook()]) as session:
        del ran[:]
        again(session)
        lr.restore_scope(session, "m", write(tmp_path / "o", linear_values(5)))
        assert ran == []
        assert_same(values(session), linear_values(5))


def test_a_monitored_session_without_the_operations(kind, graph, prefix):
    build(kind)
    with tf.train.MonitoredSession() as session:
        before = values(session)
        with pytest.raises(errors.RestoreError) as caught:
            lr.restore_scope(session, "m", prefix)
        assert "init_fn" in only(caught.value.findings, "graph-finalized").hint
        assert_same(values(session), before)


def test_a_supervisor(kind, graph, prefix):
    build(kind)
    supervisor = tf.train.Supervisor(logdir=None, init_fn=lr.init_fn("m", prefix))
    with supervisor.managed_session() as session:
        assert_same(values(session), linear_values(4))


def test_slim_learning(kind, graph, prefix, tmp_path):
    slim = pytest.importorskip("tf_slim")
    build(kind)
    step = tf.train.get_global_step()
    seen = []

    def train_step(session, *_):
        seen.append(values(session))
        return 0.0, True

    slim.learning.train(
        tf.assign_add(step, 1),
        logdir=None,
        init_fn=lr.init_fn("m", prefix),
        train_step_fn=train_step,
        number_of_steps=1,
        save_summaries_secs=0,
    )
    assert_same(seen[0], linear_values(4))


def test_what_does_not_fit_is_refused_when_the_function_is_made(kind, graph, tmp_path):
    build(kind)
    wrong = {**linear_values(), "dense/bias": np.zeros(5, np.float32)}
    with pytest.raises(errors.RestoreError) as caught:
        lr.init_fn("m", write(tmp_path / "m", wrong))
    assert only(caught.value.findings, "shape-mismatch")
    graph.finalize()
    with pytest.raises(errors.RestoreError) as caught:
        lr.init_fn("m", write(tmp_path / "n", linear_values()))
    assert only(caught.value.findings, "graph-finalized")


def test_a_file_that_changes_before_there_is_a_session(kind, graph, tmp_path):
    build(kind)
    restore = lr.init_fn("m", write(tmp_path / "m", linear_values(4)))
    write(tmp_path / "m", linear_values(5))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        before = values(session)
        with pytest.raises(errors.RestoreError) as caught:
            restore(session)
        assert set(ids(caught.value.findings)) == {"checkpoint-changed"}
        assert_same(values(session), before)


def test_the_session_of_another_graph(kind, graph, prefix):
    build(kind)
    restore = lr.init_fn("m", prefix)
    with tf.Session(graph=tf.Graph()) as session:
        for arguments in ([session], [None, session], [], [None]):
            with pytest.raises(errors.UsageError):
                restore(*arguments)


def test_a_graph_that_is_not_the_default_one(kind, graph, prefix):
    build(kind)
    with tf.Graph().as_default():
        restore = lr.init_fn("m", prefix, graph=graph)
    with tf.Session() as session:
        assert restore(None, session).coverage.restored_variables == 2
        assert_same(values(session), linear_values(4))


@pytest.mark.skipif(IS_TF1, reason="TensorFlow 1 executes eagerly only if told to")
def test_an_eager_process(kind, prefix):
    graph = tf.Graph()
    with graph.as_default():
        build(kind)
    assert tf.executing_eagerly()
    with tf.Session(graph=graph) as session:
        lr.restore_scope(session, "m", prefix)
        assert_same(values(session), linear_values(4))
    assert tf.executing_eagerly()
