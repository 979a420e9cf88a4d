"""What stock TensorFlow does with a name-based checkpoint, beside what we do."""

import keras
import numpy as np
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
