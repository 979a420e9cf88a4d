"""Object-based checkpoints in graph mode: by key, by full name, by path."""

import contextlib

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf
from tests.graph.helpers import IS_TF1, assert_same, ids, of_id, of_kind, values_in
from tests.object_goldens import NAMES, object_golden
from tests.samples import sample

VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}


def weight(name, like):
    """A variable that no other value than a restored one suits."""
    return tf.get_variable(name, like.shape, initializer=tf.constant_initializer(77))


def dense(x, names, values, layer):
    """A product and a sum, of the variables of a layer."""
    kernel, bias = (
        weight(names[path], values[path])
        for path in sorted(values, key=lambda path: "bias" in path)
        if path.startswith(layer + "/")
    )
    return tf.matmul(x, kernel) + bias


def functional(x, names, values):
    """What ``keras_functional`` computes."""
    hidden = tf.nn.relu(dense(x, names, values, "model/layer-1"))
    rate = tf.placeholder_with_default(0.0, [], name="rate")
    hidden = tf.nn.dropout(hidden, rate=rate)
    return dense(hidden, names, values, "model/layer-3")


def sequential(x, names, values):
    """What ``keras3_sequential`` computes."""
    layer = "model/_functional/_operations/"
    hidden = tf.nn.relu(dense(x, names, values, layer + "1"))
    gamma, beta, mean, variance = (
        weight(names[layer + "2/" + one], values[layer + "2/" + one])
        for one in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    hidden = tf.nn.batch_normalization(hidden, mean, variance, beta, gamma, 1e-3)
    return dense(hidden, names, values, layer + "4")


def subclassed(x, names, values):
    """What ``keras3_subclassed`` computes."""
    for layer in "abcd":
        x = dense(x, names, values, layer)
    return x


def module(x, names, values):
    """What ``module`` computes."""
    got = {path: weight(names[path], values[path]) for path in sorted(values)}
    one, two = (
        tf.matmul(x, got[f"net/layers/{at}/w"]) + got[f"net/layers/{at}/b"]
        for at in range(2)
    )
    return got["net/scale"] * (one + two) + got["net/table/x/y.z"]


COMPUTE = {
    "tf1_15_keras_functional": functional,
    "tf1_15_module": module,
    "tf2_21_keras3_sequential": sequential,
    "tf2_21_keras3_subclassed": subclassed,
    "tf2_21_keras_functional": functional,
    "tf2_21_module": module,
}


def model_of(kind, name, names, **more):
    """A model of a golden whose variables are called as ``names`` says, by path."""
    golden = object_golden(name)

    def build():
        x = tf.placeholder(tf.float32, [None, 4], name="x")
        return COMPUTE[name](x, names, golden.values)

    return lr.Model("m", of_kind(kind, build), golden.prefix, **more)


def same(path):
    """A path as it is."""
    return path


def below(path):
    """A path below the object that the checkpoint's root holds."""
    return path.partition("/")[2]


def assert_restored(name, names, model):
    """Restores a golden, and compares values and outputs with the live model's."""
    golden = object_golden(name)
    expected = {names[path]: value for path, value in golden.values.items()}
    with lr.restore([model]) as restored:
        assert_same(values_in(restored, "m"), expected)
        np.testing.assert_allclose(restored["m"](x=golden.x), golden.y, **TOLERANCE)
        assert restored.check().ok
        return restored["m"].report


def test_every_golden_has_a_model():
    assert sorted(COMPUTE) == NAMES


def renamed(name):
    """The key of each variable of a golden, by path, without what all keys end with."""
    with lr.open_checkpoint(object_golden(name).prefix) as checkpoint:
        objects = checkpoint.objects
        found = {}
        for path in object_golden(name).values:
            tensors = objects.tensors.values()
            # Only the dictionary's key has to be escaped.
            escaped = path.replace("x/y.z", "x.Sy..z")
            [key] = [one.key for one in tensors if escaped in objects.paths(one.node)]
            found[path] = key[: -len(VALUE)]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_keys_are_matched_as_they_are(kind, name):
    names = {path: key + VALUE for path, key in renamed(name).items()}
    assert_restored(name, names, model_of(kind, name, names))


@pytest.mark.parametrize("name", NAMES)
def test_rules_rename_keys(kind, name):
    names = renamed(name)
    rules = [lr.Rename(r"/\.ATTRIBUTES/VARIABLE_VALUE$", "")]
    assert_restored(name, names, model_of(kind, name, names, rules=rules))


PATHS = [
    ("tf1_15_keras_functional", same),
    ("tf1_15_keras_functional", below),
    ("tf1_15_module", same),
    ("tf1_15_module", below),
    ("tf2_21_keras3_sequential", same),
    ("tf2_21_keras3_sequential", below),
    ("tf2_21_keras3_subclassed", same),
    ("tf2_21_keras_functional", same),
    ("tf2_21_keras_functional", below),
    ("tf2_21_module", same),
    ("tf2_21_module", below),
]


@pytest.mark.parametrize(("name", "call"), PATHS)
def test_any_path_of_an_object_is_a_name(kind, name, call):
    names = {path: call(path) for path in object_golden(name).values}
    report = assert_restored(name, names, model_of(kind, name, names))
    assert ids(report.findings) == []


def test_the_other_paths_of_layers_are_names_too(kind):
    name = "tf2_21_keras_functional"
    names = {
        path: path.replace("layer-1", "layer_with_weights-0").replace(
            "layer-3", "layer_with_weights-1"
        )
        for path in object_golden(name).values
    }
    assert_restored(name, names, model_of(kind, name, names))


def full_names_of(name):
    """The name that each variable had, by path."""
    with lr.open_checkpoint(object_golden(name).prefix) as checkpoint:
        tensors = checkpoint.objects.tensors
        return {
            path: tensors[key + VALUE].full_name for path, key in renamed(name).items()
        }


@pytest.mark.parametrize(
    "name",
    ["tf1_15_keras_functional", "tf2_21_keras3_sequential", "tf2_21_keras_functional"],
)
def test_the_name_that_a_variable_had_is_a_name(kind, name):
    names = full_names_of(name)
    report = assert_restored(name, names, model_of(kind, name, names))
    assert ids(report.findings) == []


def test_the_scope_that_all_names_had_may_be_the_models(kind):
    # Keras 3 calls the variables sequential/dense/kernel.
    name = "tf2_21_keras3_sequential"
    names = {path: full.partition("/")[2] for path, full in full_names_of(name).items()}
    assert_restored(name, names, model_of(kind, name, names))


def test_slots_are_not_taken_for_weights(kind):
    # Keras 2 calls them Adam/m/hidden/kernel: all that a model holds, below a scope.
    name = "tf2_21_keras_functional"
    names = full_names_of(name)
    model = model_of(kind, name, names, allow_unused=[".*hidden.*", ".*layer.*"])
    plan = lr.plan([model])
    assert not of_id(plan.findings, "ambiguous-match")
    keys = {row.variable.local_name: row.key for row in plan.rows}
    assert keys["hidden/kernel"] == "model/layer_with_weights-0/kernel" + VALUE


def refused(model):
    """What a refused restore raises."""
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([model])
    return caught.value


@pytest.mark.parametrize("name", ["tf1_15_module", "tf2_21_module"])
def test_names_that_two_modules_had_are_never_used(kind, name):
    names = full_names_of(name)
    assert len(set(names.values())) == 4
    for path in names:
        if "/1/" in path:
            names[path] = names[path].replace("linear", "linear_1")
    error = refused(model_of(kind, name, names))
    missing = {one.subject for one in of_id(error.findings, "missing-key")}
    assert {"m/linear/w", "m/linear_1/w"} <= missing


def test_a_subclassed_model_by_names_is_refused_with_what_to_do(kind):
    # All four kernels were called sub/kernel; these are the names that a graph gives.
    name = "tf2_21_keras3_subclassed"
    layers = {"a": "dense", "b": "dense_1", "c": "dense_2", "d": "dense_3"}
    names = {
        path: f"sub/{layers[path[0]]}/{path[2:].lstrip('_')}"
        for path in object_golden(name).values
    }
    error = refused(model_of(kind, name, names))
    missing = of_id(error.findings, "missing-key")
    assert len(missing) == 8
    hints = " ".join(one.hint or "" for one in missing)
    assert "object-based" in hints
    assert "rules=[lr.Rename(...)]" in hints


def test_what_two_variables_had_in_common_is_not_given_to_one(kind):
    # A model of one layer, called as all four were.
    golden = object_golden("tf2_21_keras3_subclassed")

    def build():
        x = tf.placeholder(tf.float32, [None, 4], name="x")
        kernel = weight("sub/kernel", golden.values["a/_kernel"])
        return tf.matmul(x, kernel) + weight("sub/bias", golden.values["a/bias"])

    model = lr.Model("m", of_kind(kind, build), golden.prefix)
    missing = of_id(refused(model).findings, "missing-key")
    assert {one.subject for one in missing} == {"m/sub/kernel", "m/sub/bias"}
    assert "4 variables were called sub/" in missing[0].hint
    # What to do: to say which one is meant.
    rules = [lr.Rename(r"^c/_?(kernel|bias)/.*", r"sub/\1")]
    chosen = lr.Model(
        "m", of_kind(kind, build), golden.prefix, rules=rules, allow_unused=["[abd]/.*"]
    )
    with lr.restore([chosen]) as restored:
        found = values_in(restored, "m")
    kernel, bias = golden.values["c/_kernel"], golden.values["c/bias"]
    assert_same(found, {"sub/kernel": kernel, "sub/bias": bias})


# Real models.


def mnist(names):
    """A builder of two layers with dropout between them, like the one that saved."""

    def build():
        x = tf.placeholder(tf.float32, [None, 784], name="x")
        rate = tf.placeholder_with_default(0.0, [], name="rate")
        (kernel, bias), (last_kernel, last_bias) = (
            (
                tf.get_variable(f"{name}/kernel", shape),
                tf.get_variable(f"{name}/bias", shape[1:]),
            )
            for name, shape in zip(names, ([784, 512], [512, 10]))
        )
        hidden = tf.nn.dropout(tf.nn.relu(tf.matmul(x, kernel) + bias), rate=rate)
        logits = tf.matmul(hidden, last_kernel) + last_bias
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

    return build


def by_stock_keras(prefix, x):
    """The logits of the model that stock Keras loads from a checkpoint."""
    keras = tf.keras if IS_TF1 else pytest.importorskip("tf_keras")
    with contextlib.ExitStack() as stack:
        if IS_TF1:  # Where nothing is eager, Keras makes a session for the graph.
            stack.enter_context(tf.Graph().as_default())
        model = keras.Sequential(
            [
                keras.layers.Dense(512, activation="relu", input_shape=(784,)),
                keras.layers.Dropout(0.2),
                keras.layers.Dense(10),
            ]
        )
        model.load_weights(prefix)
        found = model.predict(x)
    keras.backend.clear_session()
    return found


@pytest.mark.parametrize(
    "names",
    [
        ("dense_2", "dense_3"),
        ("layer-1", "layer-3"),
        ("layer_with_weights-0", "layer_with_weights-1"),
    ],
)
def test_a_real_model_of_keras_gives_what_stock_keras_gives(kind, names):
    x = np.random.RandomState(7).uniform(0, 1, [6, 784]).astype(np.float32)
    prefix = sample("keras_object_based", "cp.ckpt.index")[: -len(".index")]
    logits = by_stock_keras(prefix, x)
    model = lr.Model("mnist", of_kind(kind, mnist(names)), prefix)
    with lr.restore([model]) as restored:
        found = restored["mnist"](x=x)
        np.testing.assert_allclose(found["logits"], logits, **TOLERANCE)
        assert np.abs(found["probabilities"].sum(axis=1) - 1).max() < 1e-5
        assert restored.check().ok
        assert len(restored["mnist"].report.plan.rows) == 4
        dropped = restored["mnist"](x=x, rate=0.5)
        assert np.abs(dropped["logits"] - found["logits"]).max() > 1e-3


def typed(values):
    """A builder of variables with the dtypes and shapes of arrays."""

    def build():
        return {
            name: tf.identity(tf.get_variable(name, value.shape, value.dtype))
            for name, value in values.items()
        }

    return build


SONNET = ["base_batch_norm_1x2x2x3", "conv2d_lstm_3x3_2x2", "ema_2", "lstm_1"]
SONNET += ["lstm_8_projected_1", "vqvae_ema_train"]


def without_module(path):
    """A path below the module."""
    return path[len("module/") :]


@pytest.mark.parametrize("style", ["full name", "path", "path below the module"])
def test_real_modules_of_sonnet(kind, style):
    models = []
    expected = {}
    for name in SONNET:
        location = sample("sonnet2", name)
        with lr.open_checkpoint(location) as checkpoint:
            values = {}
            for tensor in checkpoint.objects.tensors.values():
                if tensor.path == "save_counter":
                    continue
                called = {
                    "full name": tensor.full_name,
                    "path": tensor.path,
                    "path below the module": without_module(tensor.path),
                }[style]
                values[called] = checkpoint[tensor.key]
        expected[name] = values
        build = of_kind(kind, typed(values))
        models.append(lr.Model(name, build, location))
    with lr.restore(models) as restored:
        for name in SONNET:
            assert_same(values_in(restored, name), expected[name])
        assert restored.check().ok
