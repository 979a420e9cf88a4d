"""Eager models whose training goes on after a restore as if it had not stopped."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import legacy_restore as lr
from tests.conftest import ROOT
from tests.eager.eager_models import MODELS, STEPS, EagerTraining, begin
from tests.eager.helpers import ids

tf_keras = pytest.importorskip("tf_keras")


@pytest.fixture(autouse=True)
def own_names():
    """Clears no session: objects are matched, whatever their names, and it is slow."""


# Rounding alone; losses are about 0.3.
TOLERANCE = 1e-6
TF1_15 = ROOT / "tests" / "golden" / "eager_models" / "tf1_15"
LIBRARIES = {"Keras 3": keras, "tf_keras": tf_keras, "legacy": tf_keras}
PAIRS = [
    ("Keras 3", "Keras 3"),
    ("tf_keras", "Keras 3"),
    ("legacy", "Keras 3"),
    ("tf_keras", "tf_keras"),
    ("legacy", "tf_keras"),
    ("tf_keras", "legacy"),
]


def started(library, kind, **more):
    """A model and an optimizer that have made no step."""
    training = begin(LIBRARIES[library], kind, **more)
    if library == "legacy":
        _, name, hyperparameters = MODELS[kind]
        legacy = getattr(tf_keras.optimizers.legacy, name)
        training = EagerTraining(training.model, legacy(**hyperparameters))
    return training


def assert_goes_on(training, restored, outputs, losses):
    assert restored.check().ok
    assert restored.plan.ok
    np.testing.assert_allclose(training.outputs(), outputs, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(training.run(10), losses, rtol=0, atol=TOLERANCE)


def golden(kind):
    """What 1.15.5 saved, what the model gave then, and the losses after that."""
    told = json.loads((TF1_15 / kind / "expected.json").read_text())
    return str(TF1_15 / kind / told["prefix"]), told["outputs"], told["losses"]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", MODELS)
def test_what_tensorflow_1_15_saved_eagerly(kind, library):
    prefix, outputs, losses = golden(kind)
    training = started(library, kind)
    for root in (training.root(), {"model": training.model}):
        restored = lr.restore_object(root, prefix, optimizer=training.optimizer)
    assert_goes_on(training, restored, outputs, losses)


@pytest.mark.parametrize("source, target", PAIRS)
@pytest.mark.parametrize("kind", MODELS)
def test_what_stock_tensorflow_saves_today(tmp_path, kind, source, target):
    saved = started(source, kind)
    saved.run(STEPS)
    prefix = saved.root().save(str(tmp_path / "ckpt"))
    outputs, losses = saved.outputs(), saved.run(10)
    training = started(target, kind, **({"version": 2} if kind == "versioned" else {}))
    restored = lr.restore_object(training.root(), prefix, optimizer=training.optimizer)
    assert_goes_on(training, restored, outputs, losses)
    assert restored.plan.optimizer.transfer.step.value == STEPS


def test_two_models_each_with_its_checkpoint():
    kinds = ["sequential", "subclassed"]
    trainings = [started("Keras 3", kind) for kind in kinds]
    restored = [
        lr.restore_object(one.root(), golden(kind)[0], optimizer=one.optimizer)
        for kind, one in zip(kinds, trainings)
    ]
    for kind, training, one in zip(kinds, trainings, restored):
        assert_goes_on(training, one, *golden(kind)[1:])


def test_a_compiled_model_that_is_fitted(tmp_path):
    def fit(model, epochs):
        x = np.linspace(-1, 1, 24, dtype="f4").reshape([6, 4])
        told = model.fit(x, x[:, :2] ** 2, batch_size=6, verbose=0, epochs=epochs)
        return told.history["loss"]

    def compiled():
        model = MODELS["subclassed"][0](keras)
        model.compile(keras.optimizers.Adam(0.05), "mse")
        model(np.zeros([1, 4], "f4"))
        return model

    # Compiled steps add up in no fixed order.
    saved = compiled()
    fit(saved, 3)
    prefix = tf.train.Checkpoint(model=saved).save(str(tmp_path / "ckpt"))
    losses = fit(saved, 10)
    other = compiled()
    restored = lr.restore_object(other, prefix, optimizer=other.optimizer)
    assert restored.check().ok
    np.testing.assert_allclose(fit(other, 10), losses, rtol=0, atol=10 * TOLERANCE)
    # Once it was traced, new values are seen too.
    lr.restore_object(other, prefix, optimizer=other.optimizer)
    np.testing.assert_allclose(fit(other, 10), losses, rtol=0, atol=10 * TOLERANCE)


def optimizer_values(optimizer):
    variables = optimizer.variables
    found = variables() if callable(variables) else variables
    return {one.name: np.array(one) for one in found}


@pytest.mark.parametrize("library", LIBRARIES)
def test_values_are_those_that_stock_tensorflow_restores(tmp_path, library):
    saved = started(library, "subclassed")
    saved.run(STEPS)
    prefix = saved.root().save(str(tmp_path / "ckpt"))
    ours, stock = (started(library, "subclassed") for _ in range(2))
    stock.run(1)
    stock.root().restore(prefix)
    lr.restore_object(ours.root(), prefix, optimizer=ours.optimizer)
    found = optimizer_values(ours.optimizer)
    expected = optimizer_values(stock.optimizer)
    assert len(found) == len(expected) > 6
    for one, other in zip(found.values(), expected.values()):
        np.testing.assert_array_equal(one, other)


def save_momentum(prefix):
    """Three steps towards a line, in a Session; then the losses of the next three."""
    v1 = tf.compat.v1
    x = np.array([[1.0], [2.0], [3.0]], "f4")
    with tf.Graph().as_default(), v1.Session() as session:
        kernel = v1.get_variable(
            "dense/kernel", [1, 1], initializer=v1.zeros_initializer
        )
        loss = tf.reduce_mean((x @ kernel - 5 * x) ** 2)
        train = v1.train.MomentumOptimizer(0.01, 0.9).minimize(loss)
        session.run(v1.global_variables_initializer())

        def steps():
            return [session.run([loss, train])[0] for _ in range(3)]

        steps()
        v1.train.Saver().save(session, prefix, write_meta_graph=False)
        return steps()


def losses_in_keras(model, optimizer):
    x = np.array([[1.0], [2.0], [3.0]], "f4")
    model.compile(optimizer, "mse")
    return [model.fit(x, 5 * x, verbose=0).history["loss"][0] for _ in range(3)]


def test_a_slot_that_is_only_renamed_is_wrong_and_ours_is_right(tmp_path):
    prefix = str(tmp_path / "model.ckpt")
    losses = save_momentum(prefix)

    def model():
        layer = keras.layers.Dense(1, use_bias=False, name="dense")
        return keras.Sequential([keras.Input([1]), layer])

    renamed, optimizer = model(), keras.optimizers.SGD(0.01, 0.9)
    with lr.open_checkpoint(prefix) as checkpoint:
        optimizer.build(renamed.trainable_variables)
        renamed.weights[0].assign(checkpoint["dense/kernel"])
        optimizer.momentums[0].assign(checkpoint["dense/kernel/Momentum"])
    wrong = losses_in_keras(renamed, optimizer)
    assert min(np.array(wrong)[1:] / np.array(losses)[1:]) > 20

    right, optimizer = model(), keras.optimizers.SGD(0.01, 0.9)
    restored = lr.restore_object(right, prefix, optimizer=optimizer)
    assert "optimizer-converted" in ids(restored.report.findings)
    found = losses_in_keras(right, optimizer)
    np.testing.assert_allclose(found, losses, rtol=1e-6)
