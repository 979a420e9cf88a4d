"""Models that TensorFlow 1.15 saved as it executed eagerly, in today's Keras."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import legacy_restore as lr
from tests.eager.inference import MODELS, X, built

tf_keras = pytest.importorskip("tf_keras")

FOLDER = pathlib.Path(__file__).parents[1] / "golden" / "inference" / "tf1_15"
LIBRARIES = {"keras": keras, "tf_keras": tf_keras}
BY_OBJECTS = ["objects", "weights"]
# Names of variables are those of the second model of its process, and of other cells.
RULES = {
    "sequential": ["keras-lstm-cell", "keras-numbers"],
    "functional": [lr.Rename("^added_1/", "added/"), "keras-lstm-cell"],
    "subclassed": [lr.Rename("^net_1/(sequential_3/)?", "")],
}
RULES["functional"] += ["keras-numbers"]
RULES["subclassed"] += ["keras-numbers"]


def golden(name):
    with np.load(str(FOLDER / name / "golden.npz")) as arrays:
        return arrays["y"]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_those_of_its_program(name, library):
    for file in (*BY_OBJECTS, "weights.h5", "model.h5"):
        if "h5" in file:
            pytest.importorskip("h5py")
            if not (FOLDER / name / file).exists():
                continue
        model = built(MODELS[name], LIBRARIES[library])
        restored = lr.restore_object(model, FOLDER / name / file)
        np.testing.assert_allclose(model(X), golden(name), atol=1e-5)
        assert restored.check().ok


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", MODELS)
def test_what_a_saver_saved_by_names(name, library):
    model = built(MODELS[name], LIBRARIES[library])
    rules = RULES[name]
    if (name, library) == ("subclassed", "keras"):
        rules = ["keras-numbers"]  # Its names have the scopes of those.
    restored = lr.restore_object(model, FOLDER / name / "names", rules=rules)
    np.testing.assert_allclose(model(X), golden(name), atol=1e-5)
    assert restored.check().ok


def test_stock_tensorflow_restores_some_and_says_nothing():
    # Each layer of Keras 3 keeps its values, and nothing is raised.
    model = built(MODELS["sequential"], keras)
    before = [one.numpy() for one in model.weights]
    prefix = str(FOLDER / "sequential" / "objects")
    tf.train.Checkpoint(net=model).read(prefix).expect_partial()
    for one, value in zip(model.weights, before):
        np.testing.assert_array_equal(one.numpy(), value)


def test_layers_count_by_those_with_weights_where_places_disagree():
    # TensorFlow 1 counts the inputs of a sequential model among its layers.
    model = built(MODELS["sequential"], tf_keras)
    plan = lr.plan_object(model, FOLDER / "sequential" / "weights")
    keys = {row.variable.name: row.entry.key for row in plan.rows}
    last = model.layers[-1].kernel.name.split(":")[0]
    assert keys[last].startswith("layer_with_weights-4/kernel")
