"""Initialisers: only those that the plan leaves, in the order of what they read."""

import types

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.graph.initialise import initialization_waves
from legacy_restore.planning.plan import Action
from legacy_restore.tf import tf
from tests.graph.helpers import (
    IS_TF1,
    linear,
    linear_values,
    numbers,
    of_id,
    of_kind,
    only,
    values_in,
    write,
)

VALUES = {"w": np.array([1, 2], np.float32)}


def restore(kind, tmp_path, build, values=None, **more):
    prefix = write(tmp_path / "m", VALUES if values is None else values)
    return lr.restore([lr.Model("m", of_kind(kind, build), prefix, **more)])


def counting(calls, name, value):
    """An initial value that counts how often it is computed."""

    def compute():
        calls.append(name)
        return np.asarray(value, np.float32)

    def initial_value(shape=None, dtype=None, partition_info=None):
        result = tf.py_func(compute, [], tf.float32, stateful=True)
        result.set_shape(np.shape(value))
        return result

    return initial_value


def test_initialisers_of_restored_variables_never_run(kind, tmp_path):
    calls = []

    def build():
        w = tf.get_variable("w", [2], initializer=counting(calls, "w", [9, 9]))
        head = tf.get_variable("head", [2], initializer=counting(calls, "head", [5, 6]))
        return w, head

    with restore(kind, tmp_path, build, allow_missing=["head"]) as restored:
        assert calls == ["head"]
        found = values_in(restored, "m")
        assert found["w"].tolist() == [1, 2]
        assert found["head"].tolist() == [5, 6]
        restored.check()
        restored["m"]()
        assert calls == ["head"]


def test_an_initialiser_that_would_fail_is_no_matter_for_a_restored_variable(
    kind, tmp_path
):
    def build():
        def fail(shape=None, dtype=None, partition_info=None):
            checked = tf.debugging.assert_greater(tf.random_uniform([]), 2.0)
            with tf.control_dependencies([checked]):
                return tf.zeros([2])

        return tf.identity(tf.get_variable("w", [2], initializer=fail))

    with restore(kind, tmp_path, build) as restored:
        assert restored["m"]().tolist() == [1, 2]


def test_initialisers_are_left_as_they_are(kind, tmp_path):
    def build():
        return tf.get_variable("w", [2], initializer=tf.ones_initializer()) + 0.0

    with restore(kind, tmp_path, build) as restored:
        [w] = restored["m"].variables
        restored.session.run(w.initializer)
        assert restored["m"]().tolist() == [1, 1]


def test_an_initialiser_reads_what_was_restored(kind, tmp_path):
    def build():
        w = tf.get_variable("w", [2])
        start = w.read_value() * 10.0 if kind == "resource" else w * 10.0
        return w, tf.Variable(start, name="ten", trainable=False)

    with restore(kind, tmp_path, build, allow_missing=["ten"]) as restored:
        assert restored["m"]()[1].tolist() == [10, 20]


def test_chains_of_initialisers_run_in_the_order_of_what_they_read(kind, tmp_path):
    def build():
        w = tf.get_variable("w", [2])
        first = tf.Variable(tf.random_uniform([2]), name="first")
        second = tf.Variable(first.read_value() + 1.0, name="second")
        third = tf.Variable(second.read_value() + w, name="third")
        return w, first, second, third

    names = ["first", "second", "third"]
    with restore(kind, tmp_path, build, allow_missing=names) as restored:
        w, first, second, third = restored["m"]()
        np.testing.assert_array_equal(second, first + np.float32(1))
        np.testing.assert_array_equal(third, second + w)


def test_chains_by_initialized_value(kind, tmp_path):
    if not IS_TF1:
        pytest.skip("TensorFlow 2 has no initialized_value() that works in a graph")

    def build():
        w = tf.get_variable("w", [2])
        first = tf.Variable(tf.random_uniform([2]), name="first")
        second = tf.Variable(first.initialized_value() * 2.0, name="second")
        copy = tf.Variable(w.initialized_value() + 0.0, name="copy")
        return w, first, second, copy

    names = ["first", "second", "copy"]
    with restore(kind, tmp_path, build, allow_missing=names) as restored:
        w, first, second, copy = restored["m"]()
        np.testing.assert_array_equal(second, first * 2)
        np.testing.assert_array_equal(copy, w)


def test_averages_start_from_what_was_restored(kind, tmp_path):
    if kind == "ref" and not IS_TF1:
        pytest.skip("averages of ref variables need control flow v1")

    def build():
        w = tf.get_variable("w", [2])
        average = tf.train.ExponentialMovingAverage(0.9)
        average.apply([w])
        return average.average(w)

    waiver = [".*/ExponentialMovingAverage"]
    with restore(kind, tmp_path, build, allow_missing=waiver) as restored:
        assert restored["m"]().tolist() == [1, 2]


def test_left_variables_are_remarked_and_counted(kind, tmp_path):
    def build():
        w = tf.get_variable("w", [2])
        return w + tf.get_variable("head/b", [2], initializer=tf.zeros_initializer())

    with restore(kind, tmp_path, build, allow_missing=["head/.*"]) as restored:
        finding = only(restored["m"].report.findings, "left-to-initializer")
        assert finding.subject == "m/head/b"
        coverage = restored.report.coverage
        assert (coverage.variables, coverage.restored_variables) == (2, 1)
        assert "1 initialised" in str(restored.report)
        statuses = {row.variable: row.status.value for row in restored.check().rows}
        assert statuses == {"m/w": "equal", "m/head/b": "initialised"}


def test_local_variables_are_initialised_although_a_key_has_their_name(kind, tmp_path):
    def build():
        w = tf.get_variable("w", [2])
        total = tf.get_local_variable("total", [], initializer=tf.zeros_initializer())
        return w, total

    values = dict(VALUES, total=np.float32(7))
    with restore(kind, tmp_path, build, values, allow_unused=["total"]) as restored:
        assert restored["m"]()[1] == 0
        rows = {row.variable.local_name: row.action for row in restored.plan.rows}
        assert rows == {"w": Action.RESTORE, "total": Action.INITIALIZE}
        assert of_id(restored["m"].report.findings, "local-variable")


def test_metrics_of_a_builder_work(kind, tmp_path):
    def build():
        w = tf.get_variable("w", [2])
        value, update = tf.metrics.mean(w)
        return {"value": value, "update": update}

    with restore(kind, tmp_path, build) as restored:
        assert restored["m"]()["update"] == 1.5


def test_lookup_tables_are_filled(kind, tmp_path):
    def build():
        strings = tf.constant(["a", "b"])
        numbers_of = tf.constant([10, 20], tf.int64)
        table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(strings, numbers_of), -1
        )
        words = tf.placeholder(tf.string, [None], name="words")
        return table.lookup(words), tf.identity(tf.get_variable("w", [2]))

    with restore(kind, tmp_path, build) as restored:
        found, _ = restored["m"](words=["b", "c", "a"])
        assert found.tolist() == [20, -1, 10]


def test_a_vocabulary_that_is_gone_is_found_before_there_is_a_session(
    kind, tmp_path, refused
):
    def build():
        table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                str(tmp_path / "no such vocabulary"),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            -1,
        )
        return table.lookup(tf.constant(["a"])), linear(kind)()

    prefix = write(tmp_path / "m", linear_values())
    error = refused([lr.Model("m", build, prefix)])
    finding = only(error.findings, "vocabulary-missing")
    assert "no such vocabulary" in finding.subject
    assert error.exit_code == errors.EXIT_INPUT


def test_what_the_caller_sees_of_uninitialised_variables_is_none(kind, tmp_path):
    def build():
        tf.get_variable("w", [2])
        tf.get_local_variable("total", [], initializer=tf.zeros_initializer())
        return tf.get_variable("head", [2], initializer=tf.zeros_initializer()) + 0.0

    with restore(kind, tmp_path, build, allow_missing=["head"]) as restored:
        with restored.graph.as_default():
            left = tf.report_uninitialized_variables()
        assert restored.session.run(left).tolist() == []


def test_waves_follow_what_is_read(kind):
    with tf.Graph().as_default():

        def build():
            a = tf.Variable(tf.zeros([]), name="a")
            b = tf.Variable(a.read_value() + 1.0, name="b")
            c = tf.Variable(tf.ones([]), name="c")
            d = tf.Variable(b.read_value() + c.read_value(), name="d")
            return [d, c, b, a]

        waves = initialization_waves(of_kind(kind, build)())
    assert [sorted(one.op.name for one in wave) for wave in waves] == [
        ["a", "c"],
        ["b"],
        ["d"],
    ]


def test_waves_follow_what_is_only_waited_for(kind):
    with tf.Graph().as_default():

        def build():
            a = tf.Variable(tf.zeros([]), name="a")
            with tf.control_dependencies([a.read_value()]):
                start = tf.ones([])
            return [tf.Variable(start, name="b"), a]

        waves = initialization_waves(of_kind(kind, build)())
    assert [[one.op.name for one in wave] for wave in waves] == [["a"], ["b"]]


def test_variables_that_are_not_left_make_no_waves(kind):
    with tf.Graph().as_default():

        def build():
            a = tf.Variable(tf.zeros([]), name="a")
            return [tf.Variable(a.read_value() + 1.0, name="b")]

        waves = initialization_waves(of_kind(kind, build)())
    assert [[one.op.name for one in wave] for wave in waves] == [["b"]]
    assert initialization_waves([]) == []


def test_long_chains_do_not_overflow():
    def operation(name, *reads):
        tensors = [types.SimpleNamespace(op=one) for one in reads]
        return types.SimpleNamespace(name=name, inputs=tensors, control_inputs=[])

    chain = []
    last = operation("start")
    for number in range(5000):
        initializer = operation(f"init_{number}", last)
        last = operation(f"v_{number}")
        chain.append(types.SimpleNamespace(op=last, initializer=initializer))
    waves = initialization_waves(chain[::-1])
    assert [[one.op.name for one in wave] for wave in waves] == [
        [f"v_{number}"] for number in range(5000)
    ]


def test_seeds_of_the_builder_hold(kind, tmp_path):
    def build():
        tf.set_random_seed(3)
        tf.get_variable("w", [2])
        return tf.Variable(tf.random_uniform([4], seed=5), name="noise") + 0.0

    with restore(kind, tmp_path, build, allow_missing=["noise"]) as one:
        first = one["m"]()
    with restore(kind, tmp_path, build, allow_missing=["noise"]) as other:
        np.testing.assert_array_equal(other["m"](), first)
    assert not np.array_equal(first, numbers([4]))
