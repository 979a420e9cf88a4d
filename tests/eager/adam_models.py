"""A small model, checkpoints of a Session that trained it, and refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import legacy_restore as lr
from legacy_restore import errors
from tests.eager.helpers import numbers

v1 = tf.compat.v1
X = numbers([6, 4], 99)
Y = numbers([6, 3], 98)


def model(name="net"):
    layers = [
        keras.Input([4]),
        keras.layers.Dense(5, activation="tanh", name="hidden"),
        keras.layers.Dense(3, name="logits"),
    ]
    return keras.Sequential(layers, name=name)


NAMES = ["hidden/kernel", "hidden/bias", "logits/kernel", "logits/bias"]
SHAPES = [(4, 5), (5,), (5, 3), (3,)]


def write(prefix, optimizer, steps=3, dtype="f4", extra=()):
    """What a Session saves after some steps."""
    with tf.Graph().as_default(), v1.Session() as session:
        variables = [
            v1.get_variable(name, initializer=numbers(shape, number).astype(dtype))
            for number, (name, shape) in enumerate(zip(NAMES, SHAPES))
        ]
        hidden = tf.tanh(X.astype(dtype) @ variables[0] + variables[1])
        loss = tf.reduce_mean((hidden @ variables[2] + variables[3] - Y) ** 2)
        train = optimizer().minimize(loss, v1.train.get_or_create_global_step())
        for name, value in extra:
            v1.get_variable(name, initializer=value)
        session.run(v1.global_variables_initializer())
        for _ in range(steps):
            session.run(train)
        saver = v1.train.Saver()
        return saver.save(session, str(prefix), write_meta_graph=False)


def adam():
    return v1.train.AdamOptimizer(0.05)


def everything(one, optimizer):
    return [np.array(v) for v in [*one.variables, *optimizer.variables]]


def refusal(one, prefix, **arguments):
    """Restores, which has to be refused and to change nothing; gives the error."""
    optimizer = arguments["optimizer"]
    before = everything(one, optimizer)
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_object(one, prefix, **arguments)
    after = everything(one, optimizer)
    assert len(after) == len(before)
    for old, new in zip(before, after):
        np.testing.assert_array_equal(old, new)
    return caught.value


def error_ids(error):
    return [one.id for one in error.findings if one.is_error]
