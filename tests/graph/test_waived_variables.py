"""Variables that may be missing: their own initialisers run, in order, and no other."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore.tf import tf
from tests.graph.helpers import IS_TF1, assert_same, of_kind, values_in, write

VALUES = {"w": np.array([1, 2], np.float32), "p": np.arange(6, dtype=np.float32)}


def restore(kind, tmp_path, build, keys=("w",), **more):
    prefix = write(tmp_path / "m", {key: VALUES[key] for key in keys})
    return lr.restore([lr.Model("m", of_kind(kind, build), prefix, **more)])


def noted(calls, name, value):
    """A tensor with a value; notes each time that it is computed, and its place."""

    def compute(given):
        calls.append(name)
        return given

    result = tf.py_func(compute, [value], value.dtype, stateful=True)
    result.set_shape(value.shape)
    return result


def initial(variable):
    """What an initialiser may read of another variable."""
    # TensorFlow 2 has no initialized_value() that works in a graph.
    return variable.initialized_value() if IS_TF1 else variable.read_value()


def stock(build, kind, run):
    """What a graph of its own gives, of variables that stock TensorFlow initialises."""
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        with tf.variable_scope("m"):
            of_kind(kind, build)()
        # One after the other: in one run, one could read another too early.
        for variable in tf.global_variables():
            session.run(variable.initializer)
        return session.run(run(tf.global_variables()))


def test_only_what_is_left_is_initialised_and_tables_and_locals_come_last(
    kind, tmp_path
):
    calls = []

    def build():
        def make(name, value, **more):
            start = noted(calls, name, value)
            return tf.Variable(start, name=name, **more)

        w = make("w", tf.constant([9.0, 9.0]))
        make("p", tf.zeros([6]))
        first = make("first", w.read_value() + 1.0)
        second = make("second", first.read_value() * 2.0)
        total = make(
            "total",
            second.read_value() + 0.5,
            trainable=False,
            collections=[tf.GraphKeys.LOCAL_VARIABLES],
        )
        keys = noted(calls, "table", tf.constant(["a", "b"]))
        table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(keys, tf.constant([1, 2])), -1
        )
        words = tf.placeholder_with_default(["b", "c"], [None], name="words")
        return first, second, total, table.lookup(words)

    waiver = ["first", "second"]
    with restore(kind, tmp_path, build, ("w", "p"), allow_missing=waiver) as restored:
        if kind == "ref":
            # Before the initialiser of a ref variable reads another, TensorFlow
            # computes that one's initial value too, at any time in the same run, and
            # drops it if it has a value
            # (_try_guard_against_uninitialized_dependencies in variables.py).
            calls[:] = dict.fromkeys(call for call in calls if call != "w")
        assert calls == ["first", "second", "total", "table"]
        assert values_in(restored, "m")["w"].tolist() == [1, 2]
        first, second, total, found = restored["m"]()
        assert first.tolist() == [2, 3]
        assert second.tolist() == [4, 6]
        assert total.tolist() == [4.5, 6.5]
        assert found.tolist() == [2, -1]
        assert restored.check().ok
        assert calls == ["first", "second", "total", "table"]


def test_without_a_waiver_no_initialiser_runs_at_all(kind, tmp_path):
    calls = []

    def build():
        for name in ("w", "p"):
            value = tf.constant(VALUES[name] + 5)
            tf.Variable(noted(calls, name, value), name=name)
        return tf.constant(0)

    with restore(kind, tmp_path, build, ("w", "p")) as restored:
        assert_same(values_in(restored, "m"), VALUES)
    assert calls == []


def test_a_table_is_filled_from_a_restored_variable_and_from_a_waived_one(
    kind, tmp_path
):
    def build():
        w = tf.get_variable("w", [2])
        more = tf.Variable(initial(w) * 10.0, name="more")
        keys = tf.constant(["a", "b"])

        def table(values):
            return tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(keys, values), -1.0
            )

        words = tf.placeholder_with_default(["b", "a", "c"], [None], name="words")
        tables = table(w.read_value()), table(more.read_value())
        return [one.lookup(words) for one in tables]

    with restore(kind, tmp_path, build, allow_missing=["more"]) as restored:
        of_w, of_more = restored["m"]()
        assert of_w.tolist() == [2, 1, -1]
        assert of_more.tolist() == [20, 10, -1]


def test_a_chain_of_three_random_initialisers(kind, tmp_path):
    def build():
        w = tf.get_variable("w", [2])
        first = tf.Variable(tf.random_uniform([2]) + initial(w), name="first")
        second = tf.Variable(initial(first) * 2.0, name="second")
        third = tf.Variable(initial(second) + initial(first), name="third")
        return w, first, second, third

    waiver = ["first", "second", "third"]
    seen = set()
    for _ in range(5):  # An order that is left to chance would be right by chance.
        with restore(kind, tmp_path, build, allow_missing=waiver) as restored:
            w, first, second, third = restored["m"]()
            assert (first >= w).all()
            assert (first <= w + 1).all()
            np.testing.assert_array_equal(second, first * np.float32(2))
            np.testing.assert_array_equal(third, second + first)
            seen.add(first.tobytes())
    assert len(seen) == 5


def test_variables_of_another_model_are_read_after_they_were_restored(kind, tmp_path):
    """Each model has its own: the initialisers of one wait for the reads of all."""

    def build():
        w = tf.get_variable("w", [2])
        return tf.Variable(initial(w) + 1.0, name="head") + 0.0

    prefixes = [
        write(tmp_path / name, {"w": np.full(2, value, np.float32)})
        for name, value in (("a", 3), ("b", 5))
    ]
    models = [
        lr.Model(name, of_kind(kind, build), prefix, allow_missing=["head"])
        for name, prefix in zip("ab", prefixes)
    ]
    with lr.restore(models) as restored:
        assert restored["a"]().tolist() == [4, 4]
        assert restored["b"]().tolist() == [6, 6]


@pytest.mark.parametrize("reads_restored", ["reads a variable", "reads none"])
def test_a_waived_partitioned_variable(kind, tmp_path, reads_restored):
    offsets = []

    def build():
        w = tf.get_variable("w", [2])

        def initialize(shape, dtype=None, partition_info=None):
            offset = partition_info.var_offset[0]
            offsets.append(offset)
            start = tf.range(float(offset), float(offset) + float(shape[0]))
            return start + initial(w)[1] if "a variable" in reads_restored else start

        p = tf.get_variable(
            "p",
            [6],
            initializer=initialize,
            partitioner=tf.fixed_size_partitioner(4),
        )
        whole = tf.convert_to_tensor(p)
        return whole, tf.Variable(initial(list(p)[3]) * 2.0, name="last")

    with restore(kind, tmp_path, build, allow_missing=["p", "last"]) as restored:
        whole, last = restored["m"]()
        more = 2 if "a variable" in reads_restored else 0
        assert whole.tolist() == [float(n + more) for n in range(6)]
        assert last.tolist() == [2 * (5 + more)]
        assert sorted(offsets) == [0, 2, 4, 5]
        statuses = {row.variable: row.status.value for row in restored.check().rows}
        assert statuses["m/p"] == "initialised"


def test_seeds_give_what_stock_tensorflow_gives(kind, tmp_path):
    """The restore adds its operations later: the seeds of the builder's stay."""

    def build():
        tf.set_random_seed(11)
        tf.get_variable("w", [2])
        tf.Variable(tf.random_uniform([4], seed=5), name="with_both_seeds")
        tf.Variable(tf.random_normal([4]), name="with_one_seed")
        initializer = tf.glorot_uniform_initializer(seed=3)
        tf.get_variable("by_initializer", [2, 3], initializer=initializer)
        parts = tf.fixed_size_partitioner(2)
        tf.get_variable("parts", [4], tf.float32, partitioner=parts)
        return tf.random_uniform([3], seed=7)

    waiver = ["with_.*", "by_initializer", "parts"]
    expected = stock(build, kind, lambda all_: {v.op.name[2:]: v for v in all_[1:]})
    with restore(kind, tmp_path, build, allow_missing=waiver) as restored:
        found = values_in(restored, "m")
        assert found.pop("w").tolist() == [1, 2]
        assert_same(found, expected)
        outputs = restored["m"]()
    with restore(kind, tmp_path, build, allow_missing=waiver) as again:
        np.testing.assert_array_equal(again["m"](), outputs)
