"""The variables of a scope in a graph of the caller's own, and a Saver over them."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf
from tests.graph.helpers import assert_same, linear, linear_values, of_kind
from tests.graph.table_models import fill, tables


@pytest.fixture
def graph():
    with tf.Graph().as_default() as found:
        yield found


def names(variables):
    return [variable.op.name for variable in variables]


def build_in(kind, *scopes):
    for scope in scopes:
        with tf.variable_scope(scope):
            linear(kind)()


def test_a_scope_is_a_name_and_no_beginning_of_one(kind, graph):
    tf.get_variable("model_1", [1])
    build_in(kind, "model_1", "model_10", "model_1/inner", "a.c", "abc")
    found = names(lr.scope_variables("model_1"))
    assert found == [
        "model_1",
        "model_1/dense/kernel",
        "model_1/dense/bias",
        "model_1/inner/dense/kernel",
        "model_1/inner/dense/bias",
    ]
    assert len(lr.scope_variables("a.c")) == 2
    assert len(lr.scope_variables("model_1/inner")) == 2
    assert len(lr.scope_variables("model_1/")) == 5
    assert len(lr.scope_variables("")) == 11
    assert lr.scope_variables("model") == []


def test_another_graph_and_a_scope_object(kind, graph):
    with tf.variable_scope("a") as scope:
        linear(kind)()
    with tf.Graph().as_default():
        assert lr.scope_variables("a") == []
        assert len(lr.scope_variables(scope, graph=graph)) == 2
    for wrong in (None, 3, b"a"):
        with pytest.raises(errors.UsageError):
            lr.scope_variables(wrong)


def test_local_variables_are_left_out_and_those_of_any_collection_are_not(kind, graph):
    def build():
        tf.get_local_variable("local", [1])
        tf.get_variable("own", [1], collections=["mine"], trainable=False)
        tf.get_variable("plain", [1])

    with tf.variable_scope("a"):
        of_kind(kind, build)()
    assert names(lr.scope_variables("a")) == ["a/own", "a/plain"]


def test_a_reused_variable_is_one(kind, graph):
    build_in(kind, "a")
    with tf.variable_scope("a", reuse=True):
        linear(kind)()
    assert len(lr.scope_variables("a")) == 2


def test_a_scoped_saver_moves_between_scopes(kind, graph, tmp_path):
    build_in(kind, "a", "b/c")
    saver = lr.scoped_saver("a")
    assert type(saver) is tf.train.Saver
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        prefix = saver.save(session, str(tmp_path / "m"))
        lr.scoped_saver("b/c").restore(session, prefix)
        first, second = session.run([lr.scope_variables(s) for s in ("a", "b/c")])
    with lr.open_checkpoint(prefix) as checkpoint:
        assert sorted(checkpoint) == sorted(linear_values())
    for one, other in zip(first, second):
        assert one.tobytes() == other.tobytes()


def test_a_second_call_adds_no_operation(kind, graph):
    build_in(kind, "a")
    saver = lr.scoped_saver("a")
    before = len(graph.get_operations())
    assert lr.scoped_saver("a/") is saver
    assert len(graph.get_operations()) == before
    build_in(kind, "a/more")
    assert lr.scoped_saver("a") is not saver
    graph.finalize()
    lr.scoped_saver("a")
    with pytest.raises(errors.UsageError, match="finalised"):
        lr.scoped_saver("a/more")


def test_the_caches_do_not_leak_into_an_exported_graph(kind, graph):
    build_in(kind, "a")
    lr.scoped_saver("a")
    exported = tf.train.export_meta_graph()
    assert all("legacy_restore" not in key for key in exported.collection_def)


def test_partitions_and_slots(kind, graph, tmp_path):
    def build():
        w = tf.get_variable("w", [4], partitioner=tf.fixed_size_partitioner(2))
        loss = tf.reduce_sum(tf.convert_to_tensor(w) ** 2)
        v = tf.get_variable("v", [2])
        tf.train.MomentumOptimizer(0.1, 0.9).minimize(
            tf.reduce_sum(v) + loss, None, [v]
        )

    with tf.variable_scope("a"):
        of_kind(kind, build)()
    saver = lr.scoped_saver("a")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        prefix = saver.save(session, str(tmp_path / "m"))
    with lr.open_checkpoint(prefix) as checkpoint:
        assert sorted(checkpoint) == ["v", "v/Momentum", "w"]
        assert checkpoint.entry("w").shape == (4,)


def test_scopes_without_variables_are_told_apart_from_those_that_have_some(kind, graph):
    with pytest.raises(errors.UsageError, match="the graph has none"):
        lr.scoped_saver("encoder")
    build_in(kind, "encoder")
    with pytest.raises(errors.UsageError) as caught:
        lr.scoped_saver("encodr")
    assert "'encoder'" in caught.value.hint


def test_what_the_caller_has_entered_does_not_get_in(kind, graph, tmp_path):
    build_in(kind, "a")
    with tf.name_scope("outer"), tf.control_dependencies([tf.no_op("no")]):
        saver = lr.scoped_saver("a")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        values = session.run({one.op.name[2:]: one for one in lr.scope_variables("a")})
        prefix = saver.save(session, str(tmp_path / "m"))
    with lr.open_checkpoint(prefix) as checkpoint:
        assert_same({key: checkpoint[key] for key in checkpoint}, values)
    assert np.asarray(values["dense/bias"]).shape == (2,)


def test_what_an_assignment_returns_is_no_variable(kind, graph):
    """Old code puts the updates of moving averages into a collection."""
    with tf.variable_scope("a"):
        w = of_kind(kind, lambda: tf.get_variable("w", [2]))()
        tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, tf.assign_sub(w, [1, 1]))
        tf.add_to_collection("kept", w.assign([1, 1]))
    assert names(lr.scope_variables("a")) == ["a/w"]


def test_a_scoped_saver_has_the_tables_too(kind, graph, tmp_path):
    made = tables(kind)
    with tf.variable_scope("m"):
        made()
    saver = lr.scoped_saver("m")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        fill(session, made.made)
        prefix = saver.save(session, str(tmp_path / "m"))
    with lr.open_checkpoint(prefix) as checkpoint:
        assert "words-keys" in checkpoint
    with lr.restore([lr.Model("other", tables(kind), prefix)]) as restored:
        assert restored.check().ok
