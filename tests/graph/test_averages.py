"""Restoring moving averages; stock TensorFlow writes them, and says what is right."""

import inspect

import numpy as np
import pytest
from tensorflow.python.training import moving_averages

import legacy_restore as lr
from legacy_restore.tf import tf
from tests.graph import real_models
from tests.graph.helpers import (
    assert_same,
    ids,
    numbers,
    of_id,
    of_kind,
    only,
    values_in,
    write,
)
from tests.samples import sample

EMA = "ExponentialMovingAverage"
SHAPES = {"dense/kernel": (4, 3), "dense/bias": (3,)}
STATISTICS = {"dense/mean": (3,)}


def net(parts=0):
    """Two trainable variables, the first perhaps in parts, and one that is not."""
    partitioner = tf.fixed_size_partitioner(parts) if parts else None
    with tf.variable_scope("dense"):
        kernel = tf.get_variable("kernel", (4, 3), partitioner=partitioner)
        bias = tf.get_variable("bias", (3,))
        mean = tf.get_variable("mean", (3,), trainable=False)
    return {
        "kernel": tf.convert_to_tensor(kernel),
        "bias": tf.identity(bias),
        "mean": tf.identity(mean),
    }


def train(name=EMA, parts=0, scope=None):
    """A builder that also keeps averages of what is trainable."""

    def build():
        outputs = net(parts)
        average = tf.train.ExponentialMovingAverage(0.9, name=name)
        if scope is None:
            average.apply(tf.trainable_variables())
        else:
            with tf.variable_scope(scope):
                average.apply(tf.trainable_variables())
        return outputs

    return build


def evaluate(name=EMA):
    """A builder that restores averages by a Saver of its own, as old code does."""

    def build():
        outputs = net()
        average = tf.train.ExponentialMovingAverage(0.9, name=name)
        tf.train.Saver(average.variables_to_restore())
        return outputs

    return build


def values(name=EMA):
    """Values of a training's checkpoint, no two of them the same."""
    found = {
        key: numbers(shape, place)
        for place, (key, shape) in enumerate({**SHAPES, **STATISTICS}.items())
    }
    for place, (key, shape) in enumerate(SHAPES.items()):
        found[f"{key}/{name}"] = numbers(shape, 100 + place)
    found["global_step"] = np.int64(7)
    return found


def averaged(found, name=EMA):
    return {
        **{key: found[f"{key}/{name}"] for key in SHAPES},
        **{key: found[key] for key in STATISTICS},
    }


def raw(found):
    return {key: found[key] for key in (*SHAPES, *STATISTICS)}


def trained(kind, prefix, build, seed=5):
    """Writes what a stock Saver writes after training, every variable another value."""
    with tf.Graph().as_default(), tf.Session() as session:
        of_kind(kind, build)()
        for place, variable in enumerate(tf.global_variables()):
            variable.load(numbers(variable.shape.as_list(), seed + place), session)
        return tf.train.Saver().save(session, str(prefix), write_meta_graph=False)


def by_stock_tensorflow(kind, prefix):
    """What TensorFlow restores by the averages' own map, outside of any scope."""
    with tf.Graph().as_default(), tf.Session() as session:
        outputs = of_kind(kind, net)()
        average = tf.train.ExponentialMovingAverage(0.9)
        tf.train.Saver(average.variables_to_restore()).restore(session, prefix)
        return session.run(outputs)


def test_averages_are_restored_by_name(kind, tmp_path):
    found = values()
    prefix = write(tmp_path / "m", found)
    model = lr.Model("m", of_kind(kind, net), prefix, weights="ema")
    with lr.restore([model]) as restored:
        assert_same(values_in(restored, "m"), averaged(found))
        assert restored.check().ok
        findings = restored["m"].report.findings
        assert only(findings, "ema-raw-value").subject == "m/dense/mean"
        left = {one.subject for one in of_id(findings, "unused-training-state")}
        assert left == {*SHAPES, "global_step"}


def test_averaged_and_raw_weights_side_by_side_are_what_stock_tensorflow_restores(
    kind, tmp_path
):
    prefix = trained("resource", tmp_path / "m", train())
    models = [
        lr.Model("averaged", of_kind(kind, net), prefix, weights="ema"),
        lr.Model("raw", of_kind(kind, net), prefix, weights="raw"),
    ]
    with lr.restore(models) as restored:
        assert restored.check().ok
        assert_same(restored["averaged"](), by_stock_tensorflow(kind, prefix))
        reader = tf.train.NewCheckpointReader(prefix)
        expected = {key: reader.get_tensor(key) for key in (*SHAPES, *STATISTICS)}
        assert_same(values_in(restored, "raw"), expected)
        assert (restored["averaged"]()["bias"] != expected["dense/bias"]).all()


@pytest.mark.parametrize("name", [EMA, "slow", "a/b"])
def test_the_builders_own_object_names_the_averages(kind, tmp_path, name):
    found = {**values(), **values(name)}
    prefix = write(tmp_path / "m", found)
    model = lr.Model("m", of_kind(kind, evaluate(name)), prefix, weights="ema")
    with lr.restore([model]) as restored:
        assert_same(values_in(restored, "m"), averaged(found, name))


def test_the_builder_leaves_the_graph_as_it_was(kind, tmp_path):
    prefix = write(tmp_path / "m", values())
    plan = lr.plan([lr.Model("m", of_kind(kind, evaluate()), prefix, weights="ema")])
    assert inspect.ismethod(plan.graph.unique_name)
    assert plan.built["m"].spec.average_names == (EMA,)


@pytest.mark.parametrize("scope", [None, "train"])
@pytest.mark.parametrize("name", [EMA, "slow"])
def test_the_averages_of_a_training_graph_share_their_keys(kind, tmp_path, name, scope):
    build = train(name, scope=scope)
    prefix = trained("resource", tmp_path / "m", build)
    plan = lr.plan([lr.Model("m", of_kind(kind, build), prefix, weights="ema")])
    assert plan.ok, plan
    under = "" if scope is None else f"{scope}/"
    kernel, bias = f"{under}dense/kernel/{name}", f"{under}dense/bias/{name}"
    assert {row.variable.name: row.key for row in plan.rows} == {
        "m/dense/kernel": kernel,
        "m/dense/bias": bias,
        "m/dense/mean": "dense/mean",
        f"m/{under}m/dense/kernel/{name}": kernel,
        f"m/{under}m/dense/bias/{name}": bias,
    }
    other = trained("resource", tmp_path / "other", build, seed=50)
    with lr.restore(plan, verify="session") as restored:
        for location in (prefix, other):
            restored["m"].swap(location)
            assert restored.check().ok
            found = values_in(restored, "m")
            with lr.open_checkpoint(location) as checkpoint:
                assert found["dense/kernel"].tobytes() == checkpoint[kernel].tobytes()
            shadow = found[f"{under}m/dense/kernel/{name}"]
            assert shadow.tobytes() == found["dense/kernel"].tobytes()
        saved = restored["m"].save(tmp_path / "saved")
    # Under the names that the builder gives without a scope: a plain checkpoint again.
    with lr.restore([lr.Model("n", of_kind(kind, build), saved)]) as restored:
        again = values_in(restored, "n")
        assert again["dense/kernel"].tobytes() == found["dense/kernel"].tobytes()
        assert restored.check().ok


@pytest.mark.parametrize("scope", [None, "train"])
def test_a_training_graph_is_restored_with_raw_weights(kind, tmp_path, scope):
    build = train("slow", scope=scope)
    prefix = trained("resource", tmp_path / "m", build)
    with lr.restore([lr.Model("m", of_kind(kind, build), prefix)]) as restored:
        assert len(restored.check().rows) == 5
        assert restored.check().ok
        assert restored["m"].report.findings == ()


def test_a_trainable_variable_without_an_average_is_refused(kind, tmp_path, refused):
    found = values()
    del found[f"dense/bias/{EMA}"]
    prefix = write(tmp_path / "m", found)
    error = refused([lr.Model("m", of_kind(kind, net), prefix, weights="ema")])
    assert ids(error.findings) == ["missing-shadow"]
    assert 'allow_missing=["dense/bias"]' in str(error)
    model = lr.Model(
        "m", of_kind(kind, net), prefix, weights="ema", allow_missing=["dense/bias"]
    )
    with lr.restore([model]) as restored:
        expected = {**averaged(values()), "dense/bias": found["dense/bias"]}
        assert_same(values_in(restored, "m"), expected)


def test_trainable_is_what_an_optimizer_would_train(kind, tmp_path):
    prefix = write(tmp_path / "m", values())
    plan = lr.plan([lr.Model("m", of_kind(kind, lambda: net(2)), prefix)])
    trainable = {
        row.variable.local_name: row.variable.is_trainable for row in plan.rows
    }
    assert trainable == {
        "dense/kernel": True,
        "dense/bias": True,
        "dense/mean": False,
    }


@pytest.mark.parametrize("in_file", [0, 2, 3])
@pytest.mark.parametrize("in_graph", [0, 2])
def test_averages_of_parts(kind, tmp_path, in_file, in_graph):
    prefix = trained("resource", tmp_path / "m", train(parts=in_file))
    reader = tf.train.NewCheckpointReader(prefix)
    build = of_kind(kind, lambda: net(in_graph))
    with lr.restore([lr.Model("m", build, prefix, weights="ema")]) as restored:
        assert restored.check().ok
        expected = reader.get_tensor(f"dense/kernel/{EMA}")
        assert (restored["m"]()["kernel"] == expected).all()


def in_scope(scope, build):
    """The builder in a scope of the training's own."""

    def build_in_scope():
        with tf.variable_scope(scope):
            return build()

    return build_in_scope


def test_averages_that_were_made_in_a_scope(kind, tmp_path):
    prefix = trained("resource", tmp_path / "m", in_scope("net", train()))
    reader = tf.train.NewCheckpointReader(prefix)
    assert reader.has_tensor(f"net/net/dense/bias/{EMA}")
    model = lr.Model("m", of_kind(kind, net), prefix, weights="ema")
    with lr.restore([model]) as restored:
        for key in SHAPES:
            expected = reader.get_tensor(f"net/net/{key}/{EMA}")
            assert (values_in(restored, "m")[key] == expected).all()


def test_an_average_of_another_shape_is_refused(kind, tmp_path, refused):
    found = {**values(), f"dense/bias/{EMA}": numbers([4])}
    prefix = write(tmp_path / "m", found)
    error = refused([lr.Model("m", of_kind(kind, net), prefix, weights="ema")])
    assert ids(error.findings) == ["missing-shadow", "unused-weights"]
    assert only(error.findings, "missing-shadow").subject == "m/dense/bias"


def normalised(average_of):
    """A builder with a statistic below the name of a weight, and what is made of it.

    Args:
      average_of: What the statistic is an average of, made from input and weight.
    """

    def build():
        x = tf.placeholder(tf.float32, [None, 4], "x")
        scale = tf.get_variable("scale", [4])
        k = tf.get_variable("k", [4])
        with tf.variable_scope("scale"):
            mean = tf.get_variable("moving_mean", [4], trainable=False)
            usual = tf.get_variable("usual", [4], trainable=False)
            short = tf.get_variable("short", [2], trainable=False)
        for one in (mean, usual):
            moving_averages.assign_moving_average(
                one, average_of(x, scale), 0.9, zero_debias=False
            )
        moving_averages.assign_moving_average(short, scale[:2], 0.9, zero_debias=False)
        build.asks(k)
        return x * scale * k - mean - usual

    build.asks = lambda k: None
    return build


def of_batch(x, scale):
    return tf.reduce_mean(x * scale, 0)


@pytest.mark.parametrize("asks", [True, False])
def test_a_statistic_below_a_weight_is_no_average_of_it(kind, tmp_path, refused, asks):
    names = ("scale", "scale/moving_mean", "scale/usual", "k", f"k/{EMA}")
    found = {name: numbers([4], place) for place, name in enumerate(names)}
    found["scale/short"] = numbers([2])
    build = normalised(of_batch)
    if asks:
        build.asks = lambda k: tf.train.ExponentialMovingAverage(
            0.5
        ).variables_to_restore([k])
    model = lr.Model(
        "m", of_kind(kind, build), write(tmp_path / "m", found), weights="ema"
    )
    plan = lr.plan([model])
    assert plan.built["m"].spec.average_names == ((EMA,) if asks else ())
    error = refused([model])
    assert ids(error.findings) == ["missing-shadow"]
    assert only(error.findings, "missing-shadow").subject == "m/scale"
    assert f"scale/{EMA}" in str(error)
    found[f"scale/{EMA}"] = numbers([4], 50)
    fair = lr.Model(
        "m", of_kind(kind, build), write(tmp_path / "n", found), weights="ema"
    )
    with lr.restore([fair]) as restored:
        got = values_in(restored, "m")
        assert (got["scale"] == found[f"scale/{EMA}"]).all()
        assert (got["scale/moving_mean"] == found["scale/moving_mean"]).all()


def test_what_follows_a_weight_is_an_average_beside_tensorflows(kind, tmp_path):
    build = normalised(lambda x, scale: scale)
    model = lr.Model("m", of_kind(kind, build), tmp_path / "none", weights="ema")
    # The weight itself goes in; but nothing that is called like a statistic counts.
    assert lr.plan([model]).built["m"].spec.average_names == ("usual", EMA)


def test_averages_without_their_raw_values(kind, tmp_path):
    found = {key: one for key, one in values().items() if key not in SHAPES}
    prefix = write(tmp_path / "m", found)
    with lr.restore(
        [lr.Model("m", of_kind(kind, net), prefix, weights="ema")]
    ) as restored:
        assert_same(values_in(restored, "m"), averaged(found))


def test_a_checkpoint_without_averages_is_refused(kind, tmp_path, refused):
    prefix = write(tmp_path / "m", raw(values()))
    error = refused([lr.Model("m", of_kind(kind, net), prefix, weights="ema")])
    assert ids(error.findings) == ["no-shadows"]
    assert 'weights="raw"' in str(error)


def test_swapping_is_not_confused_by_averages(kind, tmp_path, refused):
    other = {"head/w": numbers([2]), f"head/w/{EMA}": numbers([2], 1)}

    def head():
        return tf.identity(tf.get_variable("head/w", [2]))

    net_prefix = write(tmp_path / "n" / "m", values())
    head_prefix = write(tmp_path / "h" / "m", other)
    models = [
        lr.Model("net", of_kind(kind, net), head_prefix, weights="ema"),
        lr.Model("head", of_kind(kind, head), net_prefix, weights="ema"),
    ]
    error = refused(models)
    hints = [one.hint for one in error.findings if "swapped" in (one.hint or "")]
    assert len(hints) == 2


@pytest.mark.parametrize("given", ["random", "mnist64"])
def test_a_real_classifier_with_averaged_and_with_raw_weights(kind, given):
    with np.load(sample("mnist_ema", "golden.npz")) as found:
        golden = {key: found[key] for key in found.files}
    build = of_kind(kind, real_models.build_mnist)
    location = sample("mnist_ema")
    models = [
        lr.Model(weights, build, location, weights=weights)
        for weights in ("ema", "raw")
    ]
    with lr.restore(models) as restored:
        assert restored.check().ok
        for name in ("ema", "raw"):
            outputs = restored[name](images=golden[f"in:{given}"])
            expected = golden[f"out:{name}_64004_{given}"]
            np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
