"""Checkpoints and models for tests of eager models."""

import numpy as np

from legacy_restore.tf import tf


def numbers(shape, seed):
    """Random numbers, float32."""
    return np.random.RandomState(seed).randn(*shape).astype("f4")


def dense_values(seed=0):
    """The values of a dense layer of three units with four inputs."""
    return {
        "dense/kernel": numbers([4, 3], seed),
        "dense/bias": numbers([3], seed + 1),
    }


def write(prefix, values):
    """Writes a name-based checkpoint with a stock Saver in graph mode."""
    with tf.Graph().as_default(), tf.Session() as session:
        for name, value in values.items():
            tf.get_variable(name, initializer=tf.constant(value))
        session.run(tf.global_variables_initializer())
        return tf.train.Saver().save(session, str(prefix), write_meta_graph=False)


def damage(prefix, value):
    """Changes a byte of a value in the data file of a checkpoint."""
    path = prefix + ".data-00000-of-00001"
    with open(path, "rb") as file:
        data = bytearray(file.read())
    data[data.index(value.tobytes())] ^= 1
    with open(path, "wb") as file:
        file.write(data)


def dense(values, inputs):
    """What the dense layer gives."""
    return inputs @ values["dense/kernel"] + values["dense/bias"]


def ids(findings):
    """The kinds of findings."""
    return [one.id for one in findings]
