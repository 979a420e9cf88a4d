"""Tests of estimates beside what variables take in a session, and of the limit."""

import inspect

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf
from tests.graph.helpers import (
    linear,
    linear_model,
    of_id,
    of_kind,
    values_in,
    variables,
    write,
    write_v1,
)

WITHIN = 0.02


def taken(restored):
    """The bytes that the variables of a session hold."""
    return sum(
        _bytes(value)
        for name in restored
        for value in values_in(restored, name).values()
    )


def _bytes(value):
    if value.dtype != object:
        return value.nbytes
    # A tstring holds up to 22 characters in its 24 bytes.
    sizes = [len(one) for one in value.ravel().tolist()]
    return sum(24 + (size if size > 22 else 0) for size in sizes)


def assert_true(models):
    with lr.restore(models) as restored:
        real = taken(restored)
        assert lr.estimate(restored.plan).peak == pytest.approx(real, rel=WITHIN)
        assert lr.estimate(restored.plan).basis == "plan"
    assert lr.estimate(models).peak == pytest.approx(real, rel=WITHIN)
    assert lr.estimate([one.checkpoint for one in models]).weights == pytest.approx(
        real, rel=WITHIN
    )


def typed(kind, values):
    """A builder of variables of the dtypes and shapes of arrays."""

    def build():
        for name, value in values.items():
            array = np.asarray(value)
            dtype = tf.string if array.dtype == object else tf.as_dtype(array.dtype)
            initial = tf.zeros_initializer()
            if dtype == tf.string:
                initial = tf.constant_initializer("", tf.string)
            tf.get_variable(name, array.shape, dtype, initializer=initial)

    return of_kind(kind, build)


def test_estimates_are_what_the_variables_of_many_dtypes_take(kind, tmp_path):
    bfloat16 = tf.bfloat16.as_numpy_dtype
    values = {
        "f": np.zeros([100, 7], np.float32),
        "d": np.zeros([30], np.float64),
        "h": np.zeros([50], np.float16),
        "b": np.zeros([300], bfloat16),
        "i": np.zeros([20, 2], np.int64),
        "flags": np.zeros([90], bool),
        "long": np.array([b"x" * 200] * 30, object),
        "short": np.array([b"word"] * 30, object),
    }
    a = lr.Model("a", typed(kind, values), write(tmp_path / "a" / "m", values))
    b = linear_model(kind, "b", tmp_path)
    assert_true([a, b])
    assert lr.estimate([a])["a"].dtypes["bfloat16"] == 600


def test_estimates_of_partitioned_variables_and_of_v1_files(kind, tmp_path):
    values = {"table": np.zeros([1000, 8], np.float32), "x": np.zeros([9], np.int32)}

    def build():
        tf.get_variable("table", [1000, 8], partitioner=tf.fixed_size_partitioner(7))
        tf.get_variable("x", [9], tf.int32)

    a = lr.Model("a", of_kind(kind, build), write(tmp_path / "a" / "m", values))
    b = lr.Model("b", of_kind(kind, build), write_v1(tmp_path / "b" / "m", values))
    with lr.restore([a]) as restored:
        prefix = restored["a"].save(tmp_path / "saved")
        assert lr.estimate([prefix]).peak == lr.estimate(restored.plan).peak
    assert_true([a, b])


def training(kind):
    """A builder of a training graph of one layer."""

    def build():
        linear(kind)()
        [kernel] = [one for one in tf.global_variables() if "kernel" in one.op.name]
        loss = tf.reduce_sum(tf.square(kernel))
        tf.train.AdamOptimizer().minimize(loss, var_list=[kernel])

    return of_kind(kind, build)


def trained(kind, tmp_path):
    prefix = str(tmp_path / "trained" / "model.ckpt")
    with tf.Graph().as_default(), tf.Session() as session:
        training(kind)()
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, prefix)
    return prefix


def test_training_state_counts_only_where_the_graph_has_it(kind, tmp_path):
    prefix = trained(kind, tmp_path)
    weights, state = 4 * (6 + 2), 4 * (2 * 6 + 2)
    for_use = lr.estimate(lr.plan([lr.Model("m", linear(kind), prefix)]))
    assert (for_use.weights, for_use.training_state) == (weights, state)
    assert (for_use.peak, for_use.state_in_graph) == (weights, 0)
    models = [lr.Model("m", training(kind), prefix)]
    with lr.restore(models) as restored:
        found = lr.estimate(restored.plan)
        assert found.peak == taken(restored) == weights + state
    assert (found.weights, found.training_state) == (weights, 0)
    assert found.state_in_graph == state
    assert lr.estimate(models).peak == weights  # From files alone nobody knows.
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore(models, memory_limit=weights)
    [finding] = of_id(caught.value.findings, "memory-limit")
    assert "without the optimizer" in finding.hint


def test_averages_that_are_restored_are_weights(kind, tmp_path):
    values = {"w": np.ones([50], np.float32)}
    stored = {**values, "w/ExponentialMovingAverage": np.zeros([50], np.float32)}
    prefix = write(tmp_path / "m", stored)
    model = lr.Model("m", variables(kind, {"w": [50]}), prefix, weights="ema")
    for found in (lr.estimate([model]), lr.estimate(lr.plan([model]))):
        assert (found.weights, found.state_in_graph, found.training_state) == (
            200,
            0,
            200,
        )


def test_what_runs_its_initialiser_takes_memory_too(kind, tmp_path):
    prefix = write(tmp_path / "m", {"a": np.ones([50], np.float32)})
    build = variables(kind, {"a": [50], "b": [30]})
    model = lr.Model("m", build, prefix, allow_missing=["b"])
    found = lr.estimate(lr.plan([model]))["m"]
    assert (found.weights, found.initialised, found.held) == (200, 120, 320)
    copies = {"ref": 3, "resource": 2}[kind]
    assert found.swapping == 200 * copies


def test_what_is_shared_counts_once_and_for_each_that_is_restored_apart(kind, tmp_path):
    values = {"emb/v": np.ones([50], np.float32), "head": np.ones([2], np.float32)}
    prefix = write(tmp_path / "m", values)
    build = variables(kind, {"emb/v": [50], "head": [2]})
    models = [lr.Model(name, build, prefix) for name in ("a", "b", "c")]
    shared = [lr.Shared("emb", ("a", "b", "c"), owner="b")]
    found = lr.estimate(lr.plan(models, shared=shared))
    assert (found.peak, found.weights, found.peak_each) == (224, 224, 208)
    assert (found["a"].shared, found["b"].shared) == (200, 0)
    with lr.restore(models, shared=shared, memory_limit=224):
        pass
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore(models, shared=shared, memory_limit=223)
    assert "restore_each" not in str(caught.value)


@pytest.mark.parametrize("how", ["cast", "slice", "pad"])
def test_what_is_made_of_stored_tensors_is_there_besides(kind, tmp_path, how):
    prefix = write(tmp_path / "m", {n: np.ones([64], np.float32) for n in "abc"})
    length, dtype, arguments = {
        "cast": (64, tf.float16, {"cast": {".*": "float16"}}),
        "slice": (32, tf.float32, {"allow_shape": {".*": "slice"}}),
        "pad": (128, tf.float32, {"allow_shape": {".*": "pad"}}),
    }[how]

    def build():
        for name in "abc":
            tf.get_variable(name, [length], dtype, initializer=tf.zeros_initializer())

    model = lr.Model("m", of_kind(kind, build), prefix, **arguments)
    row = lr.estimate(lr.plan([model]))["m"]
    copies = {"ref": 2, "resource": 1}[kind]
    size = length * dtype.size
    assert row.held == 3 * size
    if how == "pad":  # One after the other, behind their initialisers.
        assert (row.fed, row.converting) == (0, 256 + 3 * size)
    else:
        assert (row.fed, row.converting) == (3 * size * copies, 256)
    with pytest.raises(errors.RestoreError):
        lr.restore([model], memory_limit=row.peak - 1)


# The limit.


def test_what_does_not_fit_is_refused_before_there_is_a_session(
    kind, tmp_path, refused
):
    models = [linear_model(kind, name, tmp_path) for name in ("a", "b")]
    error = refused(models, memory_limit="63 B")
    [finding] = of_id(error.findings, "memory-limit")
    assert (finding.expected, finding.found) == ("at most 63 B", "64 B")
    assert "lr.restore_each(models)" in finding.hint and "32 B" in finding.hint
    assert "  total" in str(error) and finding.hint in str(error)
    assert error.exit_code == 1
    with lr.restore(models, memory_limit=64) as restored:
        assert set(restored) == {"a", "b"}


def test_no_way_is_named_that_would_not_do(kind, tmp_path, refused):
    models = [linear_model(kind, name, tmp_path) for name in ("a", "b")]
    error = refused(models, memory_limit=31)
    assert "restore_each" not in str(error)
    assert "alone takes 32 B" in str(error)
    # Models that are wired cannot be restored apart.
    b = lr.Model("b", linear(kind, inputs=2, outputs=3), models[1].checkpoint)
    wide = write(
        tmp_path / "wide" / "m",
        {
            "dense/kernel": np.ones([2, 3], np.float32),
            "dense/bias": np.ones([3], np.float32),
        },
    )
    wired = [models[0], lr.Model("b", b.build, wide)]
    error = refused(wired, memory_limit=60, connect={"b/x": "a/y"})
    assert "restore_each" not in str(error)


def test_the_limit_hides_no_other_problem_and_is_hidden_by_none(
    kind, tmp_path, refused
):
    good = linear_model(kind, "a", tmp_path)
    wrong = lr.Model("b", linear(kind, inputs=5), good.checkpoint)
    error = refused([good, wrong], memory_limit=40)
    assert {one.id for one in error.findings if one.is_error} == {
        "shape-mismatch",
        "memory-limit",
    }


def test_many_models_are_refused_in_few_lines(kind, tmp_path, refused):
    models = [linear_model(kind, f"m{n}", tmp_path) for n in range(20)]
    assert "... and 16 more" in str(refused(models, memory_limit="0.5 KiB"))


@pytest.mark.parametrize("wrong", ["12G", 0, -1, 1.5, True])
def test_a_limit_that_is_no_size_is_refused(kind, tmp_path, wrong):
    with pytest.raises(errors.UsageError):
        lr.restore([linear_model(kind, "m", tmp_path)], memory_limit=wrong)


@pytest.mark.parametrize("wrong", ["runs/m", [], None, [1], 7])
def test_only_lists_of_models_and_locations_are_estimated(wrong):
    with pytest.raises(errors.UsageError):
        lr.estimate(wrong)


def test_every_argument_of_a_model_is_known_to_estimates():
    # Who adds an argument says here whether it changes what a model takes.
    counted = {"name", "checkpoint", "scope", "rules", "weights"}
    counted |= {"only", "exclude", "cast"}
    no_matter = {"build", "device"}
    not_known_from_files = {"allow_missing", "allow_unused", "allow_shape"}
    found = set(inspect.signature(lr.Model).parameters)
    assert found == counted | no_matter | not_known_from_files
