"""What stock TensorFlow does with a name-based checkpoint, beside what we do."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import legacy_restore as lr
from tests.eager.helpers import dense, dense_values, numbers, write

X = numbers([5, 4], 99)
VALUES = dense_values()


def test_stock_restore_changes_nothing_and_raises_nothing(tmp_path):
    model = keras.Sequential([keras.Input([4]), keras.layers.Dense(3, name="dense")])
    prefix = write(tmp_path / "ckpt", VALUES)
    before = [one.numpy() for one in model.weights]
    tf.train.Checkpoint(model=model).restore(prefix)
    for one, value in zip(model.weights, before):
        np.testing.assert_array_equal(one.numpy(), value)
    assert not np.allclose(model(X), dense(VALUES, X))

    assert lr.restore_object(model, prefix).check().ok
    np.testing.assert_allclose(model(X), dense(VALUES, X), rtol=1e-5)


def listed(library):
    """A model that has its layers in a list, as much code of users does."""

    class Listed(library.Model):
        def __init__(self):
            super().__init__(name="listed")
            self.steps = [library.layers.Dense(4, name=f"step_{n}") for n in range(2)]

        def call(self, inputs):
            for layer in self.steps:
                inputs = layer(inputs)
            return inputs

    model = Listed()
    model(X)
    return model


def assert_only_we_restore(prefix, expected):
    """Restores layers in a list by stock TensorFlow, which does nothing, and by us."""
    model = listed(keras)
    before = [one.numpy() for one in model.weights]
    assert len(before) == 4
    tf.train.Checkpoint(model=model).restore(prefix).expect_partial()
    for one, value in zip(model.weights, before):
        np.testing.assert_array_equal(one.numpy(), value)

    assert lr.restore_object(model, prefix).check().ok
    np.testing.assert_allclose(model(X), expected, rtol=1e-5, atol=1e-5)


def test_layers_in_a_list_from_a_name_based_checkpoint(tmp_path):
    values, expected = {}, X
    for n in range(2):
        kernel, bias = numbers([4, 4], 2 * n), numbers([4], 2 * n + 1)
        values[f"listed/step_{n}/kernel"] = kernel
        values[f"listed/step_{n}/bias"] = bias
        expected = expected @ kernel + bias
    assert_only_we_restore(write(tmp_path / "ckpt", values), expected)


def test_layers_in_a_list_from_what_keras_2_saved(tmp_path):
    model = listed(pytest.importorskip("tf_keras"))
    prefix = tf.train.Checkpoint(model=model).save(str(tmp_path / "ckpt"))
    assert_only_we_restore(prefix, model(X))
