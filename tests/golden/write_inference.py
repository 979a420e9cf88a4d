"""Writes the models in ``inference`` with a genuine TensorFlow 1.15, eagerly.

Each model of ``tests/eager/inference.py`` as its program may have saved it, without an
optimizer: by names (``tf.compat.v1.train.Saver``), by objects
(``tf.train.Checkpoint``, ``save_weights``), in HDF5 (weights alone, a whole model).
``golden.npz`` has what the live models gave for their input. From the top of the
repository::

    python -m tests.golden.write_inference

replaces what is there.
"""

import os
import shutil

import numpy as np
import tensorflow as tf

from tests.eager.inference import MODELS, X, built, fill

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inference", "tf1_15")


def write(name, folder):
    """Saves a model in all ways; returns what it gives."""
    # A process that has had a model before: its layers are not numbered from 0.
    built(MODELS[name], tf.keras)
    model = built(MODELS[name], tf.keras)
    fill(model)
    saver = tf.compat.v1.train.Saver(model.variables)
    saver.save(None, os.path.join(folder, "names"), write_meta_graph=False)
    tf.train.Checkpoint(net=model).write(os.path.join(folder, "objects"))
    model.save_weights(os.path.join(folder, "weights"), save_format="tf")
    model.save_weights(os.path.join(folder, "weights.h5"), save_format="h5")
    if name != "subclassed":
        model.save(os.path.join(folder, "model.h5"), include_optimizer=False)
    os.remove(os.path.join(folder, "checkpoint"))
    return np.asarray(model(X))


def main():
    """Writes all models."""
    tf.compat.v1.enable_eager_execution()
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name in sorted(MODELS):
        folder = os.path.join(FOLDER, name)
        os.makedirs(folder)
        np.savez(os.path.join(folder, "golden.npz"), y=write(name, folder))


if __name__ == "__main__":
    main()
