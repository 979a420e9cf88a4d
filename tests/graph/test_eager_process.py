"""Inside programs that execute eagerly, and those that switched it off."""

import os
import subprocess
import sys

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf
from tests.conftest import ROOT
from tests.graph.helpers import (
    IS_TF1,
    damage,
    linear_model,
    linear_values,
    numbers,
    write,
)

X = numbers([4, 3], 99)
needs_tf2 = pytest.mark.skipif(IS_TF1, reason="TensorFlow 1 is not eager")


def use(kind, tmp_path):
    """Restores, runs, checks and closes; then fails to restore."""
    models = [linear_model(kind, name, tmp_path) for name in "ab"]
    with lr.restore(models) as restored:
        restored["a"](x=X)
        assert restored.check().ok
    damage(models[1].checkpoint, "dense/bias")
    with pytest.raises(errors.RestoreError):
        lr.restore(models)


def switches():
    """What a program can switch for the whole process."""
    from tensorflow.python.framework import ops

    return {
        "eager": tf.executing_eagerly(),
        "eager outside of functions": ops.executing_eagerly_outside_functions(),
        "control flow": tf.control_flow_v2_enabled(),
        "resource variables": tf.resource_variables_enabled(),
        "equality": tf.Tensor._USE_EQUALITY,
        "shapes": isinstance(tf.TensorShape([1])[0], int),
        "seed": tf.get_default_graph().seed,
        "graph": tf.get_default_graph(),
        "session": tf.get_default_session(),
        "scope": tf.get_variable_scope().name,
    }


def test_no_switch_of_the_process_is_touched(kind, tmp_path):
    before = switches()
    use(kind, tmp_path)
    assert switches() == before


@needs_tf2
def test_eager_is_still_on(kind, tmp_path):
    assert tf.executing_eagerly()
    use(kind, tmp_path)
    assert tf.executing_eagerly()
    assert float(tf.constant(2.0) * 3.0) == 6.0


@needs_tf2
def test_training_eager_variables_is_the_same_before_and_after(kind, tmp_path):
    import tensorflow as tf2

    def train(between):
        w = tf2.Variable(numbers([3, 2]))
        for step in range(4):
            with tf2.GradientTape() as tape:
                loss = tf2.reduce_mean((tf2.constant(X) @ w) ** 2)
            w.assign_sub(0.1 * tape.gradient(loss, w))
            if step == 1:
                between()
        return w.numpy()

    expected = train(lambda: None)
    np.testing.assert_array_equal(train(lambda: use(kind, tmp_path)), expected)


@needs_tf2
@pytest.mark.parametrize("package", ["keras", "tf_keras"])
def test_training_a_keras_model_is_the_same_before_and_after(kind, tmp_path, package):
    keras = pytest.importorskip(package)

    def train(between):
        model = keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(1)])
        model.build((None, 3))
        model.set_weights(
            [numbers(one.shape, seed) for seed, one in enumerate(model.get_weights())]
        )
        model.compile(optimizer=keras.optimizers.Adam(0.1), loss="mse")
        for step in range(4):
            model.train_on_batch(X, X[:, :1])
            if step == 1:
                between()
        return model.get_weights()

    expected = train(lambda: None)
    for found, value in zip(train(lambda: use(kind, tmp_path)), expected):
        np.testing.assert_array_equal(found, value)


@needs_tf2
def test_inside_of_a_graph_of_the_caller(kind, tmp_path):
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        mine = tf.constant(5.0)
        use(kind, tmp_path)
        assert graph.get_operations() == [mine.op]
        assert tf.get_default_graph() is graph
        assert tf.get_default_session() is session
        assert session.run(mine) == 5


PROGRAM = """
import sys
import numpy as np
import tensorflow.compat.v1 as tf

getattr(tf, sys.argv[2])()
eager = tf.executing_eagerly()

import legacy_restore as lr

def build():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    with tf.variable_scope("dense"):
        return tf.matmul(x, tf.get_variable("kernel", [3, 2])) + tf.get_variable(
            "bias", [2]
        )

with lr.restore([lr.Model(name, build, sys.argv[1]) for name in "ab"]) as restored:
    assert restored.check().ok
    assert tf.executing_eagerly() == eager
    kinds = {row.variable.kind for row in restored.plan.rows}
    print(*sorted(kinds), restored["b"](x=np.ones([1, 3])).tolist())
"""


@pytest.mark.parametrize(
    "switch, kind",
    [
        ("disable_v2_behavior", "ref"),
        ("enable_v2_behavior", "resource"),
        ("enable_eager_execution", "ref" if IS_TF1 else "resource"),
        ("disable_eager_execution", "ref" if IS_TF1 else "resource"),
    ],
)
def test_after_the_program_has_switched(tmp_path, switch, kind):
    prefix = write(tmp_path / "m", linear_values())
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, prefix, switch],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    found, _, output = done.stdout.strip().partition(" ")
    assert found == kind
    values = linear_values()
    expected = np.ones([1, 3]) @ values["dense/kernel"] + values["dense/bias"]
    np.testing.assert_allclose(np.array(eval(output)), expected, rtol=1e-5)
