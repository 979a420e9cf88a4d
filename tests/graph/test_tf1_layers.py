"""The layers and cells of TensorFlow 1, whose names are those in old checkpoints."""

import os
import subprocess
import sys

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore.tf import tf
from tests.conftest import ROOT
from tests.graph.helpers import (
    IS_TF1,
    assert_same,
    of_id,
    of_kind,
    values_in,
    values_of,
    write,
)

HAS_LAYERS = IS_TF1 or os.environ.get("TF_USE_LEGACY_KERAS") == "1"
needs_layers = pytest.mark.skipif(
    not HAS_LAYERS, reason="tf.layers and rnn_cell are gone with Keras 3"
)
# What tf_keras says of each layer of TensorFlow 1.
pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated:UserWarning")


def build_dense():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    for _ in range(2):
        x = tf.layers.dense(x, 3)
        x = tf.layers.batch_normalization(x, training=False)
    return x


DENSE = {
    f"{layer}{number}/{part}": shape
    for number in ("", "_1")
    for layer, parts in (
        ("dense", {"kernel": [3, 3], "bias": [3]}),
        (
            "batch_normalization",
            dict.fromkeys(["gamma", "beta", "moving_mean", "moving_variance"], [3]),
        ),
    )
    for part, shape in parts.items()
}


def build_rnn():
    x = tf.placeholder(tf.float32, [None, 4, 3], name="x")
    cells = [tf.nn.rnn_cell.BasicLSTMCell(5) for _ in range(2)]
    outputs, _ = tf.nn.dynamic_rnn(
        tf.nn.rnn_cell.MultiRNNCell(cells), x, dtype=tf.float32
    )
    return outputs


RNN = {
    f"rnn/multi_rnn_cell/cell_{number}/basic_lstm_cell/{part}": shape
    for number, inputs in enumerate([3, 5])
    for part, shape in (("kernel", [inputs + 5, 20]), ("bias", [20]))
}


@needs_layers
@pytest.mark.parametrize("build, shapes", [(build_dense, DENSE), (build_rnn, RNN)])
def test_two_models_of_one_builder(kind, tmp_path, build, shapes):
    values = {name: values_of(shapes, seed) for seed, name in enumerate("ab")}
    models = [
        lr.Model(name, of_kind(kind, build), write(tmp_path / name, values[name]))
        for name in "ab"
    ]
    with lr.restore(models) as restored:
        for name in "ab":
            assert_same(values_in(restored, name), values[name])
        given = np.ones(restored["a"].inputs["x"].shape.as_list()[1:], np.float32)
        outputs = [restored[name](x=given[None]) for name in "ab"]
        assert not np.allclose(outputs[0], outputs[1])


@needs_layers
def test_statistics_that_were_not_saved_refuse(kind, tmp_path, refused):
    trained = {name: one for name, one in DENSE.items() if "moving_" not in name}
    prefix = write(tmp_path / "m", values_of(trained))
    error = refused([lr.Model("m", of_kind(kind, build_dense), prefix)])
    missing = {one.subject[2:] for one in of_id(error.findings, "missing-key")}
    assert missing == set(DENSE) - set(trained)


@needs_layers
def test_keras_layers_of_tensorflow_1(tmp_path):
    def build():
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        return tf.keras.layers.Dense(2)(x)

    shapes = {"dense/kernel": [3, 2], "dense/bias": [2]}
    prefix = write(tmp_path / "m", values_of(shapes))
    plan = lr.plan([lr.Model(name, build, prefix) for name in "ab"])
    assert plan["a"].ok
    names = [row.variable.local_name for row in plan["b"].rows]
    assert plan["b"].ok == (names == ["dense/kernel", "dense/bias"])


@pytest.mark.skipif(HAS_LAYERS, reason="they are tested in this process")
def test_the_layers_that_tf_keras_brings_back():
    pytest.importorskip("tf_keras")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        cwd=str(ROOT),
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout.splitlines()[-1]
