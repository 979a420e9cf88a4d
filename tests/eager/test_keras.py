"""Models of Keras 3 from name-based checkpoints of TensorFlow 1."""

import keras
import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from tests.conftest import ROOT
from tests.eager.helpers import dense, dense_values, ids, numbers, write

X = numbers([5, 4], 99)
VALUES = dense_values()


class Subclassed(keras.Model):
    def __init__(self, name="mine"):
        super().__init__(name=name)
        self.drop = keras.layers.Dropout(0.2)
        self.dense = keras.layers.Dense(3, name="dense")

    def call(self, inputs):
        return self.dense(self.drop(inputs))


class CustomDense(keras.layers.Layer):
    """A layer that makes its variables itself, one of them in no attribute."""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 3), name="kernel")
        self.add_weight(shape=(3,), name="bias", initializer="zeros")

    def call(self, inputs):
        return inputs @ self.w + self.weights[1]


def sequential():
    return keras.Sequential(
        [keras.Input([4]), keras.layers.Dense(3, name="dense")], name="net"
    )


def functional():
    inputs = keras.Input([4])
    outputs = keras.layers.Dense(3, name="dense")(inputs)
    return keras.Model(inputs, outputs, name="net")


def subclassed():
    model = Subclassed()
    model(X)
    return model


def custom():
    return keras.Sequential([keras.Input([4]), CustomDense(name="dense")], name="net")


@pytest.mark.parametrize("make", [sequential, functional, subclassed, custom])
def test_models_of_all_kinds_compute_what_the_checkpoint_says(tmp_path, make):
    model = make()
    before = [id(one) for one in model.weights]
    restored = lr.restore_object(model, write(tmp_path / "ckpt", VALUES))
    np.testing.assert_allclose(model(X), dense(VALUES, X), rtol=1e-5)
    assert [id(one) for one in model.weights] == before
    assert restored.plan.ok
    assert [row.variable.local_name for row in restored.plan.rows] == [
        "dense/kernel",
        "dense/bias",
    ]
    assert restored.root is model
    check = restored.check()
    assert [row.status.value for row in check.rows] == ["equal", "equal"]
    assert restored.report.coverage.restored_parameters == 15


def test_layer_is_a_root_too(tmp_path):
    layer = keras.layers.Dense(3, name="dense")
    layer.build((None, 4))
    values = {"kernel": VALUES["dense/kernel"], "bias": VALUES["dense/bias"]}
    lr.restore_object(layer, write(tmp_path / "ckpt", values))
    np.testing.assert_array_equal(layer.kernel.numpy(), VALUES["dense/kernel"])


def assert_restored_with_last(model, values, tmp_path):
    """Restores a model of the layers that there are and one that is called last."""
    last = {"last/kernel": numbers([3, 2], 5), "last/bias": numbers([2], 6)}
    prefix = write(tmp_path / "a", {**values, **last})
    assert lr.restore_object(model, prefix).check().ok
    expected = dense(VALUES, X) @ last["last/kernel"] + last["last/bias"]
    np.testing.assert_allclose(model(X), expected, rtol=1e-5)


def test_nested_model(tmp_path):
    inner = sequential()
    inputs = keras.Input([4])
    last = keras.layers.Dense(2, name="last")
    model = keras.Model(inputs, last(inner(inputs)), name="outer")
    inside = {f"net/{name}": value for name, value in VALUES.items()}
    assert_restored_with_last(model, inside, tmp_path)


def test_layers_in_lists_and_dictionaries_are_restored(tmp_path):
    class Deep(keras.Model):
        def __init__(self):
            super().__init__(name="deep")
            self.parts = [keras.layers.Dense(3, name="dense")]
            self.others = {"a": keras.layers.Dense(2, name="last")}

        def call(self, inputs):
            return self.others["a"](self.parts[0](inputs))

    model = Deep()
    model(X)
    assert_restored_with_last(model, VALUES, tmp_path)


def test_layers_of_one_name_are_told_apart(tmp_path):
    class Twins(keras.Model):
        def __init__(self):
            super().__init__(name="twins")
            self.a = keras.layers.Dense(3, name="dense")
            self.b = keras.layers.Dense(3, name="dense")

        def call(self, inputs):
            return self.a(inputs) + self.b(inputs)

    model = Twins()
    model(X)
    values = {
        "a/_kernel": numbers([4, 3], 1),
        "a/bias": numbers([3], 2),
        "b/_kernel": numbers([4, 3], 3),
        "b/bias": numbers([3], 4),
    }
    plan = lr.restore_object(model, write(tmp_path / "a", values)).plan
    assert [row.variable.local_name for row in plan.rows] == list(values)
    np.testing.assert_array_equal(model.b.kernel.numpy(), values["b/_kernel"])


def test_digits_classifier_by_rules():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input([64]),
            layers.Reshape([8, 8, 1]),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="conv1"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(48, activation="relu", name="fc"),
            layers.Dense(10, activation="softmax", name="logits"),
        ]
    )
    digits = ROOT / "examples" / "digits"
    restored = lr.restore_object(
        model,
        digits / "checkpoints" / "classifier",
        rules=[lr.Rename("/weights$", "/kernel"), lr.Rename("/biases$", "/bias")],
    )
    assert restored.check().ok
    assert restored.plan.coverage.restored_parameters == 12_986
    with np.load(str(digits / "expected.npz")) as file:
        expected = dict(file)
    found = model(expected["denoised"]).numpy()
    np.testing.assert_allclose(found, expected["probabilities"], atol=1e-5)


def test_seed_generators_metrics_and_optimizers_are_kept_and_listed(tmp_path):
    model = subclassed()
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, X[:, :3], verbose=0)
    kept = [*model.optimizer.variables, model.drop.seed_generator.state]
    before = [np.array(one) for one in kept]
    plan = lr.restore_object(model, write(tmp_path / "a", VALUES)).plan
    for one, value in zip(kept, before):
        np.testing.assert_array_equal(np.array(one), value)
    assert ids(plan.findings) == ["state-kept", "state-kept"]
    seed, optimizer = plan.findings
    assert seed.subject == "seed_generator/seed_generator_state"
    assert optimizer.subject == "optimizer"
    assert "6 variables of Adam" in optimizer.message
    assert len(plan.rows) == 2


def test_model_that_is_not_built_is_refused_with_the_line_that_builds_it(tmp_path):
    prefix = write(tmp_path / "a", VALUES)
    lines = {
        "model.build((None, 28, 28)), or model(inputs), once": keras.Sequential(
            [keras.layers.Dense(3)]
        ),
        "model(inputs), once, before it is restored": Subclassed(),
        "root.part(inputs), once, before it is restored": {"part": Subclassed()},
    }
    for line, root in lines.items():
        with pytest.raises(errors.BuildError) as caught:
            lr.plan_object(root, prefix)
        (finding,) = caught.value.findings
        assert (finding.id, finding.hint) == ("not-built", line)
        assert line in str(caught.value)


def test_model_that_only_says_that_it_is_built_is_refused(tmp_path):
    model = Subclassed()
    with pytest.warns(UserWarning, match="unbuilt state"):
        model.build((None, 4))
    assert model.built
    with pytest.raises(errors.BuildError, match=r"model\(inputs\), once"):
        lr.plan_object(model, write(tmp_path / "a", VALUES))


def test_layer_that_a_built_model_never_used_is_remarked_on(tmp_path):
    class Unused(Subclassed):
        def __init__(self):
            super().__init__()
            self.unused = keras.layers.Dense(7)

    model = Unused()
    with pytest.warns(UserWarning, match="unbuilt state"):
        model(X)
    plan = lr.plan_object(model, write(tmp_path / "a", VALUES))
    assert plan.ok
    assert ("layer-not-built", "unused") in [
        (one.id, one.subject) for one in plan.findings
    ]


def test_waivers_match_the_path_without_the_name_of_the_root(tmp_path):
    model = subclassed()
    before = model.dense.bias.numpy()
    assert model.dense.bias.path == "mine/dense/bias"
    values = {
        "dense/kernel": VALUES["dense/kernel"],
        "old/offset": numbers([7], 3),
    }
    prefix = write(tmp_path / "a", values)
    plan = lr.plan_object(model, prefix)
    assert not plan.ok
    assert ids(plan.findings)[-2:] == ["missing-key", "unused-weights"]
    restored = lr.restore_object(
        model, prefix, allow_missing=["dense/bias"], allow_unused=["old/offset"]
    )
    np.testing.assert_array_equal(model.dense.bias.numpy(), before)
    assert "(kept)" in str(restored.plan)
    assert "1 kept" in str(restored.report)
    assert [row.status.value for row in restored.check().rows] == [
        "equal",
        "kept",
    ]


def test_averages_in_the_place_of_weights(tmp_path):
    model = sequential()
    averages = {
        f"{name}/ExponentialMovingAverage": value + 1 for name, value in VALUES.items()
    }
    prefix = write(tmp_path / "a", {**VALUES, **averages})
    assert lr.restore_object(model, prefix, weights="ema").check().ok
    np.testing.assert_array_equal(model.weights[0].numpy(), VALUES["dense/kernel"] + 1)


def test_two_models_each_with_its_own_checkpoint(tmp_path):
    first, second = sequential(), sequential()
    others = dense_values(7)
    one = lr.restore_object(first, write(tmp_path / "a", VALUES))
    two = lr.restore_object(second, write(tmp_path / "b", others))
    np.testing.assert_allclose(first(X), dense(VALUES, X), rtol=1e-5)
    np.testing.assert_allclose(second(X), dense(others, X), rtol=1e-5)
    assert one.check().ok and two.check().ok


def test_a_scope_of_the_checkpoint_is_found(tmp_path):
    values = {f"tower/{name}": value for name, value in VALUES.items()}
    plan = lr.restore_object(sequential(), write(tmp_path / "a", values)).plan
    assert "matched-under-prefix" in ids(plan.findings)
