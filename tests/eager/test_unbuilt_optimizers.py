"""Optimizers of tf_keras that were saved, or looked at, before they were built."""

import numpy as np
import pytest
import tensorflow as tf

import legacy_restore as lr
from legacy_restore import errors
from tests.eager.helpers import ids, numbers

tf_keras = pytest.importorskip("tf_keras")

X = numbers([6, 4], 1)
SETTINGS = {
    "SGD": {"momentum": 0.9},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "RMSprop": {"centered": True, "momentum": 0.5},
    "Adagrad": {},
    "Ftrl": {},
}


def begin(name):
    model = tf_keras.Sequential(
        [tf_keras.Input([4]), tf_keras.layers.Dense(3), tf_keras.layers.Dense(2)]
    )
    kind = getattr(tf_keras.optimizers, name)
    return model, kind(0.01, **SETTINGS.get(name, {}))


def losses(model, optimizer, steps):
    found = []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(X) - 1) ** 2)
        weights = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
        found.append(float(loss))
    return found


def saved(name, directory):
    """Saved once before the first step, as loops do, and after three steps."""
    model, optimizer = begin(name)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    checkpoint.save(str(directory / "before"))
    losses(model, optimizer, 3)
    prefix = checkpoint.save(str(directory / "ckpt"))
    return prefix, losses(model, optimizer, 5)


@pytest.mark.parametrize("name", SETTINGS)
def test_training_goes_on(tmp_path, name):
    prefix, expected = saved(name, tmp_path)
    with lr.open_checkpoint(prefix) as stored:
        assert any("optimizer/_variables/1/" in key for key in stored)
    model, optimizer = begin(name)
    root = tf.train.Checkpoint(model=model, optimizer=optimizer)
    assert lr.restore_object(root, prefix, optimizer=optimizer).check().ok
    np.testing.assert_allclose(losses(model, optimizer, 5), expected, atol=1e-6)


@pytest.mark.parametrize(
    "name, other", [("Nadam", "Adam"), ("Lion", "SGD"), ("Adamax", "Adam")]
)
def test_what_keeps_the_same_and_is_another_is_refused(tmp_path, name, other):
    prefix, _ = saved(name, tmp_path)
    model, optimizer = begin(other)
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_object({"model": model}, prefix, optimizer=optimizer)
    assert "optimizer-missing" in ids(caught.value.findings)


def test_planning_leaves_it_as_tensorflow_saves_it(tmp_path):
    prefix, _ = saved("Adam", tmp_path)
    model, optimizer = begin("Adam")
    lr.plan_object(tf.train.Checkpoint(model=model, optimizer=optimizer), prefix)
    optimizer.build(model.trainable_variables)
    again = tf.train.Checkpoint(model=model, optimizer=optimizer)
    with lr.open_checkpoint(again.save(str(tmp_path / "again"))) as stored:
        assert "_momentums" in {
            child.name for node in stored.objects.nodes for child in node.children
        }
