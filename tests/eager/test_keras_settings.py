"""Files of whole models say how layers were set; a live one may be set otherwise."""

import pathlib

import keras
import pytest

import legacy_restore as lr
from legacy_restore.checkpoint.keras_settings import layer_settings, settings_of
from tests.eager.helpers import ids
from tests.golden.write_keras_files import FOLDER, build

pytest.importorskip("h5py")
tf_keras = pytest.importorskip("tf_keras")

LIBRARIES = [keras, tf_keras]


def model(library, **settings):
    layers = library.layers
    settings = {"gate": "sigmoid", "epsilon": 1e-3, "padding": "same", **settings}
    inner = library.Sequential(
        [layers.Conv1D(3, 2, padding=settings["padding"]), layers.Dense(3, "relu")]
    )
    inputs = library.Input([4, 3])
    hidden = layers.BatchNormalization(epsilon=settings["epsilon"])(inner(inputs))
    cell = layers.LSTM(2, recurrent_activation=settings["gate"])
    return library.Model(inputs, layers.Bidirectional(cell)(hidden))


def differing(root, path):
    restored = lr.restore_object(root, path)
    assert restored.check().ok
    found = [one for one in restored.plan.findings if one.id == "settings-differ"]
    for one in found:
        assert one.message in str(restored.report)
    return sorted((one.message.split()[0], one.expected, one.found) for one in found)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", ["m.h5", "m.keras"])
def test_settings_that_change_results_are_compared(tmp_path, library, name):
    path = str(tmp_path / name)
    model(library).save(path)
    for other in LIBRARIES:
        assert differing(model(other), path) == []
        changed = model(other, gate="tanh", epsilon=1e-5, padding="causal")
        assert differing(changed, path) == [
            ("epsilon", "0.001", "1e-05"),
            ("padding", "same", "causal"),
            ("recurrent_activation", "sigmoid", "tanh"),
            ("recurrent_activation", "sigmoid", "tanh"),
        ]


def test_what_is_called_the_same_in_keras_3_may_be_another_function(tmp_path):
    path = str(tmp_path / "m.h5")
    with pytest.warns(UserWarning):
        model(tf_keras, gate="hard_sigmoid").save(path)
    assert differing(model(tf_keras, gate="hard_sigmoid"), path) == []
    found = differing(model(keras, gate="hard_sigmoid"), path)
    expected = "hard_sigmoid of Keras 2", "hard_sigmoid"
    assert found == [("recurrent_activation", *expected)] * 2


def test_what_tensorflow_1_saved_is_the_same():
    for library in LIBRARIES:
        root = build(library)
        restored = lr.restore_object(root, pathlib.Path(FOLDER) / "model.h5")
        assert "settings-differ" not in ids(restored.plan.findings)


def test_weights_alone_say_nothing(tmp_path):
    path = tmp_path / "w.weights.h5"
    model(keras).save_weights(str(path))
    assert differing(model(keras, gate="tanh"), path) == []


def test_settings_that_cannot_be_told_apart_or_are_not_there_are_left_out():
    twice = {"class_name": "Dense", "config": {"name": "a", "epsilon": 1}}
    odd = [twice, {**twice}, None, {"config": 3}, {"config": {"name": 5}}]
    known = layer_settings({"config": {"name": "m", "layers": odd}}, "2.4.0")
    assert list(known) == ["m"]
    assert settings_of(["a", "kernel"], known) is None
    deep = {"config": {"name": "x"}}
    for _ in range(500):
        deep = {"config": {"layers": [deep]}}
    assert layer_settings(deep, None) == {}
    assert layer_settings(None, None) == layer_settings({"config": None}, None) == {}
