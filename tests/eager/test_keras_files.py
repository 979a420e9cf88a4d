"""Files of Keras, restored as Keras does: layers by order or path, not by name."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import legacy_restore as lr
from legacy_restore import errors
from tests.eager.helpers import ids, numbers
from tests.golden.write_keras_files import FOLDER, build

h5py = pytest.importorskip("h5py")
tf_keras = pytest.importorskip("tf_keras")

LIBRARIES = [keras, tf_keras]
X = numbers([6, 5], 99)


def functional(library):
    """Two layers of one shape, in a model that stands between two others."""
    layers = library.layers
    inner = library.Sequential(
        [layers.Dense(5), layers.BatchNormalization(), layers.Dense(5)]
    )
    inputs = library.Input([5])
    hidden = layers.Dropout(0.2)(inner(layers.Dense(5)(inputs)))
    return library.Model(inputs, layers.Dense(5)(hidden))


def subclassed(library):
    """Layers in attributes, lists and dictionaries, public and private; a weight."""
    layers = library.layers

    class Subclassed(library.Model):
        def __init__(self):
            super().__init__()
            self.zeroth = layers.Dense(5)
            self.blocks = [layers.Dense(5), layers.Dropout(0.2), layers.Dense(5)]
            self._private = layers.Dense(5)
            self.by_name = {"a": layers.Dense(5)}
            self.norm = layers.BatchNormalization()
            self.cells = layers.RNN([layers.LSTMCell(5), layers.GRUCell(5)])
            self.shift = self.add_weight(shape=[5], name="shift")

        def call(self, inputs, training=False):
            hidden = self.zeroth(inputs)
            for block in self.blocks:
                hidden = block(hidden)
            hidden = self.by_name["a"](self._private(hidden))
            hidden = self.norm(hidden, training=training)
            return self.cells(hidden[:, None]) + self.shift

    model = Subclassed()
    model(X)
    return model


def filled(make, library):
    model = make(library)
    weights = [numbers(one.shape, n) for n, one in enumerate(model.weights)]
    model.set_weights([np.abs(one) + 0.1 for one in weights])
    return model


def save(model, path):
    if str(path).endswith("whole.h5") or path.suffix == ".keras":
        model.save(str(path))
    else:
        model.save_weights(str(path))
    return path


def same(model, other, **kwargs):
    np.testing.assert_allclose(model(X), other(X), rtol=1e-5, atol=1e-6, **kwargs)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", ["whole.h5", "w.weights.h5", "m.keras", "w.h5"])
@pytest.mark.filterwarnings("ignore")
def test_functional_model(tmp_path, library, name):
    if name == "w.h5" and library is keras:
        name = "whole.h5"
    saved = filled(functional, library)
    path = save(saved, tmp_path / name)
    for other in LIBRARIES:
        for make_root in (lambda model: model, lambda model: {"net": model}):
            model = functional(other)
            restored = lr.restore_object(make_root(model), path)
            assert restored.check().ok
            assert restored.plan.coverage.restored_variables == 12
            same(model, saved)


@pytest.mark.parametrize("library", LIBRARIES)
def test_subclassed_model(tmp_path, library):
    saved = filled(subclassed, library)
    path = save(saved, tmp_path / "w.weights.h5")
    model = subclassed(library)
    assert lr.restore_object(model, path).check().ok
    same(model, saved)
    # Stock Keras beside it: each variable has the same value.
    stock = subclassed(library)
    stock.load_weights(str(path))
    for one, value in zip(model.weights, stock.weights):
        np.testing.assert_array_equal(one.numpy(), value.numpy())


def test_subclassed_model_by_the_order_of_its_layers(tmp_path):
    saved = filled(subclassed, tf_keras)
    path = save(saved, tmp_path / "w.h5")
    model = subclassed(tf_keras)
    assert lr.restore_object(model, path).check().ok
    same(model, saved)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", ["model.h5", "weights.h5"])
def test_what_tensorflow_1_saved(library, name):
    golden = np.load(str(pathlib.Path(FOLDER) / "golden.npz"))
    model = build(library)
    restored = lr.restore_object(model, pathlib.Path(FOLDER) / name)
    assert restored.check().ok
    np.testing.assert_allclose(model(golden["x"]), golden["y"], atol=1e-5)
    assert all(not one.is_error for one in restored.plan.findings)


def frozen(library, which):
    """A model inside of another, of which one layer was frozen."""
    layers = library.layers
    inner = library.Sequential([layers.Dense(5), layers.Dense(5), layers.Dense(5)])
    model = library.Sequential([library.Input([5]), inner])
    if which is not None:
        inner.layers[which].trainable = False
    return model


@pytest.mark.filterwarnings("ignore")
def test_weights_in_the_order_of_another_training_go_where_they_belong(tmp_path):
    saved = filled(lambda library: frozen(library, 0), tf_keras)
    path = save(saved, tmp_path / "w.h5")
    # Stock Keras takes one layer for another, without a word.
    stock = frozen(tf_keras, None)
    stock.load_weights(str(path))
    assert not np.allclose(stock(X), saved(X), rtol=1e-3)
    for which in (None, 0, 1):
        model = frozen(tf_keras, which)
        assert lr.restore_object(model, path).check().ok
        same(model, saved)


def test_a_layer_that_saves_in_its_own_way_is_refused(tmp_path):
    class Reversed(keras.layers.Dense):
        def save_own_variables(self, store):
            store["0"], store["1"] = self.kernel[::-1], self.bias

        def load_own_variables(self, store):
            self.kernel.assign(store["0"][::-1])
            self.bias.assign(store["1"])

    def make(_):
        return keras.Sequential([keras.Input([5]), Reversed(5, name="own")])

    path = save(filled(make, keras), tmp_path / "w.weights.h5")
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_object(make(keras), path)
    assert "missing-key" in ids(caught.value.findings)


def test_a_file_of_other_layers_is_refused(tmp_path):
    path = save(filled(functional, keras), tmp_path / "m.keras")
    model = keras.Sequential([keras.Input([5]), keras.layers.Dense(4)])
    before = model.get_weights()
    with pytest.raises(errors.RestoreError):
        lr.restore_object(model, path)
    for one, value in zip(model.get_weights(), before):
        np.testing.assert_array_equal(one, value)


@pytest.mark.parametrize("library", LIBRARIES)
def test_depthwise_convolutions_of_keras_2_by_objects(tmp_path, library):
    def make(one):
        layers = one.layers
        return one.Sequential(
            [one.Input([4, 4, 2]), layers.DepthwiseConv2D(2), layers.Conv2D(2, 2)]
        )

    saved = filled(make, tf_keras)
    prefix = tf.train.Checkpoint(model=saved).write(str(tmp_path / "ckpt"))
    model = make(library)
    assert lr.restore_object({"model": model}, prefix).check().ok
    x = numbers([2, 4, 4, 2], 1)
    np.testing.assert_allclose(model(x), saved(x), rtol=1e-5)


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_normalization_computes_of_its_variables_is_made_again(tmp_path, library):
    def make():
        layers = library.layers
        return library.Sequential(
            [library.Input([5]), layers.Normalization(), layers.Dense(2)]
        )

    saved = make()
    saved.layers[0].adapt(X + 3)
    prefix = tf.train.Checkpoint(model=saved).write(str(tmp_path / "ckpt"))
    path = save(saved, tmp_path / "w.weights.h5")
    for location in (prefix, path):
        model = make()
        restored = lr.restore_object(
            {"model": model} if location is prefix else model, location
        )
        same(model, saved)
        assert "state-recomputed" in ids(restored.plan.findings)


def test_what_normalization_computes_is_put_back_with_its_variables(
    tmp_path, monkeypatch
):
    def make():
        normalization = keras.layers.Normalization()
        model = keras.Sequential(
            [keras.Input([5]), normalization, keras.layers.Dense(2, name="last")]
        )
        normalization.adapt(X)
        return model

    prefix = tf.train.Checkpoint(model=make()).write(str(tmp_path / "ckpt"))
    model = make()
    before = model(X)
    made = []

    def fails_once(layer):
        made.append(layer)
        if len(made) == 1:
            raise RuntimeError("no more memory")
        return finalize(layer)

    finalize = keras.layers.Normalization.finalize_state
    monkeypatch.setattr(keras.layers.Normalization, "finalize_state", fails_once)
    with pytest.raises(errors.RestoreError, match="no more memory"):
        lr.restore_object({"model": model}, prefix)
    np.testing.assert_array_equal(model(X), before)
