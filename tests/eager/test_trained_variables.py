"""Which variables an optimizer trains, and what becomes of their slots."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.eager import optimizers
from tests.eager.adam_models import (
    NAMES,
    SHAPES,
    X,
    Y,
    adam,
    error_ids,
    model,
    refusal,
    v1,
    write,
)


@pytest.fixture(autouse=True)
def own_names():
    """Clears no session: models and layers have names of their own, and it is slow."""


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    return write(tmp_path_factory.mktemp("adam") / "ckpt", adam)


def test_variables_that_are_not_restored_keep_their_slots(prefix):
    one, optimizer = model(), keras.optimizers.Adam(0.05)
    one.compile(optimizer, "mse")
    one.fit(X, Y, verbose=0)
    slots = optimizers.slots_of(optimizer, one.weights)
    before = np.array(slots[2]["m"])
    restored = lr.restore_object(
        one, prefix, optimizer=optimizer, exclude=["logits/.*"]
    )
    np.testing.assert_array_equal(before, slots[2]["m"])
    kept = [f.subject for f in restored.plan.findings if f.id == "state-kept"]
    assert kept == ["logits/kernel: slots", "logits/bias: slots"]
    with lr.open_checkpoint(prefix) as checkpoint:
        np.testing.assert_array_equal(slots[0]["m"], checkpoint["hidden/kernel/Adam"])


def test_slots_of_variables_that_are_converted_are_refused(tmp_path):
    saved = write(tmp_path / "ckpt", adam, dtype="f8")
    casts = dict.fromkeys(NAMES, "float32")
    error = refusal(model(), saved, optimizer=keras.optimizers.Adam(0.05), cast=casts)
    assert "optimizer-rule" in error_ids(error)
    assert "hidden/kernel: slots" in str(error)


def test_layers_that_are_not_trained_need_no_slots(prefix):
    one, optimizer = model(), keras.optimizers.Adam(0.05)
    one.layers[0].trainable = False
    one.compile(optimizer, "mse")
    restored = lr.restore_object(one, prefix, optimizer=optimizer)
    assert list(restored.plan.optimizer.variables) == NAMES[2:]
    left = [f.subject for f in restored.plan.findings if f.id.startswith("unused")]
    assert left == [
        "hidden/bias/Adam",
        "hidden/bias/Adam_1",
        "hidden/kernel/Adam",
        "hidden/kernel/Adam_1",
    ]
    one.fit(X, Y, verbose=0)


def test_an_optimizer_of_other_variables_is_refused(prefix):
    optimizer = keras.optimizers.Adam(0.05)
    optimizer.build([*model("other").weights, *model("another").weights])
    with pytest.raises(errors.UsageError, match="trains 8 variables") as caught:
        lr.plan_object(model(), prefix, optimizer=optimizer)
    assert "tf.train.Checkpoint(" in caught.value.hint


def test_variables_of_tensorflow_are_not_for_keras_3(prefix):
    root = {name: tf.Variable(tf.zeros(s)) for name, s in zip(NAMES, SHAPES)}
    with pytest.raises(errors.UsageError, match="hidden/kernel is"):
        lr.plan_object(root, prefix, optimizer=keras.optimizers.Adam(0.05))
    optimizer = v1.train.AdamOptimizer(0.05)
    restored = lr.restore_object(root, prefix, optimizer=optimizer)
    assert restored.check().ok
    assert optimizers.step_of(optimizer) == 3


def test_an_optimizer_of_tensorflow_1_for_a_model_of_keras_3(prefix):
    one, optimizer = model(), v1.train.AdamOptimizer(0.05)
    restored = lr.restore_object(one, prefix, optimizer=optimizer)
    assert restored.check().ok
    weight = one.weights[0].value
    with lr.open_checkpoint(prefix) as checkpoint:
        np.testing.assert_array_equal(
            optimizer.get_slot(weight, "v"), checkpoint["hidden/kernel/Adam_1"]
        )


def test_two_optimizers_of_one_checkpoint_are_told_apart(tmp_path):
    def both():
        parts = {name: model(name) for name in "gd"}
        made = {f"{name}_optimizer": keras.optimizers.Adam(0.05) for name in "gd"}
        return tf.train.Checkpoint(**parts, **made)

    saved = both()
    for steps, name in ((2, "g"), (3, "d")):
        optimizer = getattr(saved, f"{name}_optimizer")
        part = getattr(saved, name)
        part.compile(optimizer, "mse")
        part.fit(X, Y, epochs=steps, verbose=0)
    prefix = saved.save(str(tmp_path / "ckpt"))
    root = both()
    # Not built, it could be either's.
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_object(root, prefix, optimizer=root.d_optimizer)
    assert "optimizer-ambiguous" in error_ids(caught.value)
    assert "optimizer.build(part.trainable_variables)" in str(caught.value)
    root.d_optimizer.build(root.d.trainable_variables)
    restored = lr.restore_object(root, prefix, optimizer=root.d_optimizer)
    assert restored.check().ok
    assert int(root.d_optimizer.iterations) == 3
    # Compiled with it, its model says what it trains.
    root.g.compile(root.g_optimizer, "mse")
    restored = lr.restore_object(root, prefix, optimizer=root.g_optimizer)
    assert int(root.g_optimizer.iterations) == 2
    assert int(root.d_optimizer.iterations) == 3


def write_part(prefix, whole, key):
    """A copy of a checkpoint with one slice of a tensor missing."""
    with tf.Graph().as_default(), v1.Session() as session:
        saved = []
        with lr.open_checkpoint(whole) as checkpoint:
            for name in checkpoint:
                values = v1.constant_initializer(checkpoint[name])
                halves = None
                if name == key:
                    values = v1.zeros_initializer()
                    halves = v1.fixed_size_partitioner(2)
                saved.append(
                    v1.get_variable(
                        name,
                        checkpoint[name].shape,
                        checkpoint[name].dtype,
                        values,
                        partitioner=halves,
                    )
                )
        session.run(v1.global_variables_initializer())
        parts = [list(v)[0] if hasattr(v, "as_tensor") else v for v in saved]
        return v1.train.Saver(parts).save(session, prefix, write_meta_graph=False)


def test_part_of_a_slot_is_found_when_it_is_planned(prefix, tmp_path):
    part = write_part(str(tmp_path / "part"), prefix, "hidden/bias/Adam")
    plan = lr.plan_object(model(), part, optimizer=keras.optimizers.Adam(0.05))
    (fault,) = [one for one in plan.findings if one.is_error]
    assert (fault.id, fault.subject) == ("missing-key", "hidden/bias: m")
    assert "3 of 5 elements" in fault.message
