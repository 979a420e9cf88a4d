"""A program of TensorFlow 1.15 that executes eagerly, and restores as it does so."""

import json
import os
import sys
import tempfile

import numpy as np
import tensorflow as tf

import legacy_restore as lr
from legacy_restore import errors
from tests.conftest import ROOT
from tests.eager import inference
from tests.eager.eager_models import MODELS, STEPS, begin
from tests.eager.helpers import dense, dense_values, ids, numbers, write

VALUES = dense_values()
X = numbers([5, 4], 99)


class Subclassed(tf.keras.Model):
    def __init__(self):
        super().__init__(name="mine")
        self.parts = [tf.keras.layers.Dense(3, name="dense")]
        self.seen = tf.keras.metrics.Mean(name="seen")

    def call(self, inputs):
        return self.parts[0](inputs)


def sequential():
    return tf.keras.Sequential([tf.keras.layers.Dense(3, name="dense")])


def refused(kind, action):
    try:
        action()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def name_based(directory):
    prefix = write(directory + "/named", VALUES)
    for make in (sequential, Subclassed):
        model = make()
        error = refused(errors.BuildError, lambda: lr.plan_object(model, prefix))  # noqa: B023
        assert ids(error.findings) == ["not-built"]
        model.compile("adam", "mse")
        model.fit(X, X[:, :3], batch_size=5, verbose=0)
        predict = tf.function(lambda inputs: model(inputs))  # noqa: B023
        predict(X)
        restored = lr.restore_object(model, prefix)
        assert restored.check().ok
        np.testing.assert_allclose(predict(X), dense(VALUES, X), rtol=1e-5)
        assert "state-kept" in ids(restored.plan.findings)
    root = tf.train.Checkpoint(
        a=tf.Variable(VALUES["dense/kernel"] * 0, name="dense/kernel"),
        b=tf.Variable(VALUES["dense/bias"] * 0, name="dense/bias"),
    )
    assert lr.restore_object(root, prefix).check().ok
    np.testing.assert_array_equal(root.b.numpy(), VALUES["dense/bias"])


def object_based(directory):
    model = Subclassed()
    model.compile("adam", "mse")
    model.fit(X, X[:, :3], batch_size=5, verbose=0)
    prefix = tf.train.Checkpoint(model=model).save(directory + "/objects")
    for make_root in (lambda one: one, lambda one: tf.train.Checkpoint(model=one)):
        other = Subclassed()
        other(X)
        assert lr.restore_object(make_root(other), prefix).check().ok
        np.testing.assert_array_equal(other(X), model(X))


def root_checkpoints(directory):
    """Written for a root by us, restored by stock TensorFlow."""
    source = write(directory + "/source", VALUES)
    model = Subclassed()
    model(X)
    before = [one.numpy() for one in model.weights]
    target = directory + "/of_checkpoint"
    lr.to_object_based(source, target, root=tf.train.Checkpoint(model=model))
    for one, value in zip(model.weights, before):
        np.testing.assert_array_equal(one.numpy(), value)
    other = Subclassed()
    other(X)
    tf.train.Checkpoint(model=other).restore(target).assert_consumed()
    np.testing.assert_allclose(other(X), dense(VALUES, X), rtol=1e-5)
    lr.to_object_based(source, directory + "/of_model", root=model)
    third = Subclassed()
    third(X)
    status = third.load_weights(directory + "/of_model")
    status.assert_existing_objects_matched()
    np.testing.assert_allclose(third(X), dense(VALUES, X), rtol=1e-5)


def saved_before():
    """What programs of this TensorFlow saved, in its own Keras."""
    folder = os.path.join(os.path.dirname(__file__), "..", "golden", "inference")
    for name, make in inference.MODELS.items():
        saved = os.path.join(folder, "tf1_15", name)
        with np.load(saved + "/golden.npz") as arrays:
            expected = arrays["y"]
        for file in ("objects", "weights", "weights.h5"):
            model = inference.built(make, tf.keras)
            assert lr.restore_object(model, os.path.join(saved, file)).check().ok
            found = model(inference.X)
            np.testing.assert_allclose(found, expected, atol=1e-5)


def trainings_go_on(directory):
    """Models that were saved eagerly go on, with optimizers of both libraries."""
    for kind in MODELS:
        folder = ROOT / "tests" / "golden" / "eager_models" / "tf1_15" / kind
        told = json.loads((folder / "expected.json").read_text())
        training = begin(tf.keras, kind)
        asked = {"optimizer": training.optimizer}
        prefix = str(folder / told["prefix"])
        assert lr.plan_object(training.model, prefix, **asked).ok
        restored = lr.restore_object(training.root(), prefix, **asked)
        assert restored.check().ok
        np.testing.assert_allclose(training.outputs(), told["outputs"], atol=1e-6)
        np.testing.assert_allclose(training.run(10), told["losses"], atol=1e-6)
    saved = begin(tf.keras, "sequential")
    saved.optimizer = tf.compat.v1.train.AdamOptimizer(0.05, epsilon=1e-7)
    saved.run(STEPS)
    prefix = saved.root().save(directory + "/adam")
    losses = saved.run(10)
    keras_again = begin(tf.keras, "sequential")
    v1_again = begin(tf.keras, "sequential")
    v1_again.optimizer = tf.compat.v1.train.AdamOptimizer(0.05, epsilon=1e-7)
    for training in (keras_again, v1_again):
        restored = lr.restore_object(
            training.root(), prefix, optimizer=training.optimizer
        )
        assert restored.check().ok
        np.testing.assert_allclose(training.run(10), losses, atol=1e-6)


def mirrored(directory):
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        variable = tf.Variable([0.0, 0.0], name="w")
    value = np.array([1.0, 2.0], "f4")
    restored = lr.restore_object([variable], write(directory + "/m", {"w": value}))
    assert restored.check().ok
    np.testing.assert_array_equal(variable.numpy(), value)


def main():
    error = refused(errors.UsageError, lambda: lr.plan_object({}, "nowhere"))
    assert "enable_eager_execution" in error.hint
    tf.compat.v1.enable_eager_execution()
    directory = tempfile.mkdtemp()
    name_based(directory)
    object_based(directory)
    root_checkpoints(directory)
    saved_before()
    trainings_go_on(directory)
    mirrored(directory)
    print("ok")


if __name__ == "__main__":
    sys.exit(main())
