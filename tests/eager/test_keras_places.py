"""Files of Keras: which places of layers count, and what speaks against them."""

import shutil

import keras
import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from tests.eager.helpers import ids
from tests.eager.inference import MODELS, X, built, fill

pytest.importorskip("h5py")
tf_keras = pytest.importorskip("tf_keras")

LIBRARIES = {"keras": keras, "tf_keras": tf_keras}
WHOLE = ["m.h5", "m.keras"]


def compiled(name, library):
    model = built(MODELS[name], library)
    fill(model)
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def saved(model, name, directory):
    """All files that a Keras saves of a model; subclassed ones not whole."""
    files = ["w.weights.h5"]
    files += WHOLE if name != "subclassed" else ["m.keras"]
    files += ["w.h5"] if isinstance(model, tf_keras.Model) else []
    for file in files:
        path = str(directory / file)
        model.save(path) if file.startswith("m.") else model.save_weights(path)
    return [directory / file for file in files]


def kept_of(model):
    return [np.array(one) for one in model.optimizer.variables]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_those_of_the_model_that_was_saved(tmp_path, name, library):
    model = compiled(name, LIBRARIES[library])
    expected = np.asarray(model(X))
    # Subclassed models are walked by each Keras in a way of its own.
    others = [library] if name == "subclassed" else LIBRARIES
    for path in saved(model, name, tmp_path):
        for other in others:
            # Its layers have other numbers than those of the model that was saved.
            fresh = compiled(name, LIBRARIES[other])
            kept = kept_of(fresh)
            restored = lr.restore_object(fresh, path)
            np.testing.assert_allclose(fresh(X), expected, atol=1e-5)
            assert restored.check().ok
            for one, value in zip(kept_of(fresh), kept):
                np.testing.assert_array_equal(one, value)
            if path.name.startswith("m."):
                assert "unused-training-state" in ids(restored.plan.findings)
            weights = [one for one in restored.plan.findings if one.is_error]
            assert weights == []


def dense(library, *names):
    layers = [library.layers.Dense(4, name=name) for name in names]
    model = library.Sequential([library.Input([4]), *layers])
    fill(model)
    return model


def refused(root, path, **options):
    before = [np.array(one) for one in root.weights]
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_object(root, path, **options)
    for one, value in zip(root.weights, before):
        np.testing.assert_array_equal(np.array(one), value)
    return ids(caught.value.findings)


def test_layers_that_were_given_names_are_not_taken_by_their_order(tmp_path):
    path = tmp_path / "w.h5"
    dense(tf_keras, "encoder", "decoder").save_weights(str(path))
    # Stock Keras loads the encoder into the decoder.
    stock = dense(tf_keras, "decoder", "other")
    stock.load_weights(str(path))
    for library in (keras, tf_keras):
        assert "missing-key" in refused(dense(library, "decoder", "other"), path)
        swapped = dense(library, "decoder", "encoder")
        restored = lr.restore_object(swapped, path)
        assert restored.plan.rows[0].entry.key.endswith("decoder/kernel")
        assert "matched-by-place" not in ids(restored.plan.findings)
        # Names that say nothing against it: the order counts.
        restored = lr.restore_object(dense(library, "first", "second"), path)
        assert restored.check().ok
        assert "matched-by-place" in ids(restored.plan.findings)


@pytest.mark.parametrize("file", ["m.weights.h5", "m.keras"])
def test_layers_that_were_given_names_are_not_taken_by_their_paths(tmp_path, file):
    def named(*names):
        layers = [keras.layers.Dense(5, name=name) for name in names]
        return keras.Sequential([keras.Input([5]), *layers])

    inputs = np.ones([2, 5], "f4")
    model = named("first", "second")
    path = str(tmp_path / file)
    model.save_weights(path) if "weights" in file else model.save(path)
    for names in (["first", "second"], ["one", "other"]):
        same = named(*names)
        assert lr.restore_object(same, path).check().ok
        np.testing.assert_array_equal(same(inputs), model(inputs))
    swapped = named("second", "first")
    if "weights" in file:
        assert "missing-key" in refused(swapped, path)
        return
    # The file says of each weight what it is called.
    restored = lr.restore_object(swapped, path)
    np.testing.assert_array_equal(swapped.layers[1].kernel, model.layers[0].kernel)
    assert "matched-by-place" not in ids(restored.plan.findings)


def test_other_models_are_refused(tmp_path):
    for library in (keras, tf_keras):
        legacy, numbered = tmp_path / "w.h5", tmp_path / "w.weights.h5"
        dense(tf_keras, "a", "b").save_weights(str(legacy))
        dense(library, "a", "b").save_weights(str(numbered))
        for path in (legacy, numbered):
            found = refused(dense(library, "a", "b", "c"), path)
            assert "missing-key" in found
            assert "unused-weights" in refused(dense(library, "x"), path)
            wide = library.Sequential(
                [library.Input([4]), library.layers.Dense(5), library.layers.Dense(4)]
            )
            assert refused(wide, path)
        # What was written counts.
        rules = [lr.Rename("^absent", "")]
        assert "unused-rule" in refused(dense(library, "a", "b"), numbered, rules=rules)


def test_what_a_layer_saves_in_its_own_way_is_not_guessed(tmp_path):
    class Turned(tf_keras.layers.Dense):
        def save_own_variables(self, store):
            store["0"] = self.bias.numpy()
            store["1"] = self.kernel.numpy()

        def load_own_variables(self, store):
            self.bias.assign(store["0"])
            self.kernel.assign(store["1"])

    def make():
        model = tf_keras.Sequential([tf_keras.Input([4]), Turned(4)])
        fill(model)
        return model

    path = tmp_path / "w.weights.h5"
    make().save_weights(str(path))
    assert "missing-key" in refused(make(), path)


def test_weights_of_a_model_itself_and_frozen_layers(tmp_path):
    class Scaled(tf_keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = tf_keras.layers.Dense(4)
            self.norm = tf_keras.layers.BatchNormalization(trainable=False)
            self.scale = self.add_weight(name="scale", shape=[4])

        def call(self, inputs):
            return self.norm(self.inner(inputs)) * self.scale

    model = built(lambda _: Scaled(), tf_keras)
    fill(model)
    for file in ("w.h5", "w.weights.h5"):
        model.save_weights(str(tmp_path / file))
        fresh = built(lambda _: Scaled(), tf_keras)
        assert lr.restore_object(fresh, tmp_path / file).check().ok
        np.testing.assert_array_equal(fresh(X), model(X))


def test_files_are_known_by_content_wherever_a_location_is_taken(tmp_path):
    model = dense(keras, "a", "b")
    model.save_weights(str(tmp_path / "w.weights.h5"))
    model.save(str(tmp_path / "m.keras"))
    for file in ("w.weights.h5", "m.keras"):
        path = tmp_path / f"{file[0]}.bin"
        shutil.move(str(tmp_path / file), str(path))
        with lr.open_checkpoint(path) as stored:
            assert stored.format in ("HDF5", "Keras")
        assert lr.diff(path, path).ok
        assert lr.plan_object(dense(keras, "a", "b"), path).ok
        fresh = dense(keras, "a", "b")
        target = tmp_path / f"{file[0]}_objects"
        report = lr.to_object_based(path, target, root=fresh)
        assert len(report.keys) == 4
        assert lr.to_object_based(path, f"{target}_2").written
        graph = lr.Model("m", lambda: {}, path)
        with pytest.raises(errors.RestoreError) as caught:
            lr.restore([graph])
        assert "write_checkpoint" in str(caught.value)
