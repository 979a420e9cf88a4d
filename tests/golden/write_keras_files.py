"""Writes the HDF5 files in ``keras_files`` with a genuine TensorFlow 1.15.5.

``weights.h5`` and ``model.h5`` (with the optimizer's weights) are what ``tf.keras``
saved of one model; ``golden.npz`` has an input (``x``) and what the live model gave for
it (``y``)::

    python write_keras_files.py

The model is built a second time in one process, so that Keras has numbered its layers
higher than it would in a program of today.
"""

import os

import numpy as np
import tensorflow as tf

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "keras_files", "tf1_15")


def build(keras):
    """A model of convolutions, a model inside of it, and layers around cells."""
    layers = keras.layers
    inputs = keras.Input([6, 6, 2])
    hidden = layers.Conv2D(3, 2, activation="relu")(inputs)
    hidden = layers.DepthwiseConv2D(2)(hidden)
    hidden = layers.BatchNormalization()(hidden)
    hidden = layers.SeparableConv2D(4, 2)(hidden)
    hidden = layers.Reshape([9, 4])(hidden)
    inner = keras.Sequential(
        [
            keras.Input([9, 4]),
            layers.Dense(4, activation="tanh"),
            layers.BatchNormalization(),
            layers.Dense(4),
        ]
    )
    hidden = inner(hidden)
    cell = layers.LSTM(3, recurrent_activation="sigmoid")
    hidden = layers.Bidirectional(cell)(hidden)
    return keras.Model(inputs, layers.Dense(2)(layers.Dense(6)(hidden)))


def main():
    """Writes the files."""
    if not tf.__version__.startswith("1.15"):
        raise SystemExit("TensorFlow 1.15 has to write these")
    os.makedirs(FOLDER, exist_ok=True)
    build(tf.keras)
    model = build(tf.keras)
    random = np.random.RandomState(0)
    model.set_weights([random.uniform(0.1, 0.6, one.shape) for one in model.weights])
    model.compile("adam", "mse")
    x = random.uniform(-1, 1, [5, 6, 6, 2]).astype(np.float32)
    model.fit(x, np.zeros([5, 2], np.float32), verbose=0)
    model.save(os.path.join(FOLDER, "model.h5"))
    model.save_weights(os.path.join(FOLDER, "weights.h5"))
    golden = {"x": x, "y": model.predict(x)}
    np.savez_compressed(os.path.join(FOLDER, "golden.npz"), **golden)


if __name__ == "__main__":
    main()
