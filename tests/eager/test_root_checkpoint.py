"""Object-based checkpoints of live roots, beside what stock TensorFlow saves."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import legacy_restore as lr
from legacy_restore import errors
from tests.eager.helpers import damage, dense, dense_values, ids, numbers, write

tf_keras = pytest.importorskip("tf_keras")

X = numbers([5, 4], 99)
VALUES = dense_values()
GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
COUNTER_KEY = "save_counter/.ATTRIBUTES/VARIABLE_VALUE"


class Linear(tf.Module):
    """Holds its variables in a list and a dictionary, one of them twice."""

    def __init__(self):
        super().__init__(name="linear")
        self.parts = [tf.Variable(np.zeros([4, 3], "f4"), name="dense/kernel")]
        self.more = {"a/b": tf.Variable(np.zeros([3], "f4"), name="dense/bias")}
        self.again = self.parts[0]

    def __call__(self, x):
        return x @ self.again + self.more["a/b"]


class Listed(tf_keras.Model):
    def __init__(self):
        super().__init__(name="mine")
        self.parts = [tf_keras.layers.Dense(3, name="dense")]

    def call(self, inputs):
        return self.parts[0](inputs)


def keras_3():
    """A compiled model: TensorFlow finds its weights in the optimizer first."""
    keras.backend.clear_session()
    layers = [keras.layers.Dropout(0.2), keras.layers.Dense(3, name="dense")]
    model = keras.Sequential([keras.Input([4]), *layers])
    model.compile("adam", "mse")
    model.fit(X, X[:, :3], verbose=0)
    return model


def keras_2():
    model = Listed()
    model.compile("adam", "mse")
    model.fit(X, X[:, :3], verbose=0)
    return model


def checkpoint():
    """It holds what is no variable, too."""
    table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, -1)
    table.insert([1], [3])
    random = tf.random.Generator.from_seed(3)
    return tf.train.Checkpoint(net=Linear(), table=table, random=random)


def dictionary():
    return {"net": Linear(), "two": [tf.Variable([1.0], name="own")]}


def stock_of(root):
    """The stock object that restores a root's file."""
    if isinstance(root, dict):
        return tf.train.Checkpoint(**root)
    return root if isinstance(root, tf.train.Checkpoint) else tf.train.Checkpoint(root)


def outputs_of(root):
    if isinstance(root, dict):
        return root["net"](X)
    return root.net(X) if isinstance(root, tf.train.Checkpoint) else root(X)


def contents(prefix):
    with lr.open_checkpoint(prefix) as stored:
        return {key: stored[key] for key in stored}


KINDS = [keras_3, keras_2, Linear, checkpoint, dictionary]


@pytest.mark.parametrize("make", KINDS)
def test_stock_tensorflow_restores_all_of_it(tmp_path, make):
    source = write(tmp_path / "names", {**VALUES, "own": np.ones([1], "f4")})
    waived = {} if make is dictionary else {"allow_unused": ["own"]}
    root = make()
    before = contents(stock_of(root).write(str(tmp_path / "before")))
    report = lr.to_object_based(source, tmp_path / "ours", root=root, **waived)
    after = contents(stock_of(root).write(str(tmp_path / "after")))
    for key, value in before.items():  # Nothing of the root was touched.
        np.testing.assert_array_equal(after[key], value)
    assert report.kind == "object" and COUNTER_KEY in contents(report.written)

    # What stock TensorFlow saves after restore_object is the same.
    lr.restore_object(root, source, **waived)
    saved = contents(stock_of(root).save(str(tmp_path / "stock")))
    found = contents(report.written)
    assert found.keys() == saved.keys()
    for key in found.keys() - {GRAPH_KEY}:
        np.testing.assert_array_equal(found[key], saved[key])

    # And what it restores of ours are the values of the source.
    fresh = make()
    stock_of(fresh).restore(report.written).assert_consumed()
    np.testing.assert_allclose(outputs_of(fresh), dense(VALUES, X), rtol=1e-5)
    for key, value in contents(stock_of(fresh).write(str(tmp_path / "x"))).items():
        if key != GRAPH_KEY:
            np.testing.assert_array_equal(value, found[key])

    # The way back: every value under a name of its own.
    back = lr.to_name_based(report.written, tmp_path / "back", allow_unused=[])
    named = contents(back.written)
    for key, new_key in back.keys.items():
        np.testing.assert_array_equal(named[new_key], found[key])
    for value in VALUES.values():
        assert any(np.array_equal(value, one) for one in named.values())


def test_load_weights_of_keras_2_reads_it(tmp_path):
    source = write(tmp_path / "names", VALUES)
    report = lr.to_object_based(source, tmp_path / "ours", root=keras_2())
    model = Listed()
    model(X)
    model.load_weights(report.written).assert_existing_objects_matched()
    np.testing.assert_allclose(model(X), dense(VALUES, X), rtol=1e-5)
    kernel = "parts/0/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    assert report.keys["dense/kernel"] == kernel


def test_names_packs_and_waivers_are_those_of_a_restore(tmp_path):
    values = {"old/dense/weights": VALUES["dense/kernel"].astype("f8")}
    source = write(tmp_path / "names", values)
    root = Linear()
    root.more["a/b"].assign([7.0, 8.0, 9.0])
    with pytest.raises(errors.RestoreError) as caught:
        lr.to_object_based(source, tmp_path / "ours", root=root)
    assert "missing-key" in ids(caught.value.findings)
    with pytest.raises(errors.RestoreError) as caught:
        options = {"rules": ["slim-to-layers"], "allow_missing": ["dense/bias", "x"]}
        lr.to_object_based(source, tmp_path / "ours", root=root, **options)
    assert "unused-waiver" in ids(caught.value.findings)
    assert [path.name for path in tmp_path.glob("*ours*")] == []
    options = {
        "rules": ["slim-to-layers", lr.Rename("^old/", "")],
        "allow_missing": ["dense/bias"],
        "cast": {"dense/kernel": "float32"},
    }
    report = lr.to_object_based(source, tmp_path / "ours", root=root, **options)
    fresh = Linear()
    tf.train.Checkpoint(fresh).restore(report.written).assert_consumed()
    np.testing.assert_array_equal(fresh.again, VALUES["dense/kernel"])
    np.testing.assert_array_equal(fresh.more["a/b"], [7.0, 8.0, 9.0])
    assert "left-as-it-is" in ids(report.findings)


def test_objects_of_keras_2_become_those_of_keras_3(tmp_path):
    old = tf_keras.Sequential([tf_keras.Input([4]), tf_keras.layers.Dense(3)])
    old.save_weights(str(tmp_path / "old"), save_format="tf")
    report = lr.to_object_based(tmp_path / "old", tmp_path / "new", root=keras_3())
    model = keras_3()
    tf.train.Checkpoint(model).restore(report.written).assert_consumed()
    np.testing.assert_allclose(model(X), old(X), rtol=1e-5)


def test_variables_of_a_strategy_are_written_once(tmp_path):
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        root = Linear()
    source = write(tmp_path / "names", VALUES)
    report = lr.to_object_based(source, tmp_path / "ours", root=root)
    fresh = Linear()
    tf.train.Checkpoint(fresh).restore(report.written).assert_consumed()
    np.testing.assert_array_equal(fresh.again, VALUES["dense/kernel"])


def test_the_counter_of_a_checkpoint_that_was_saved_is_kept(tmp_path):
    root = checkpoint()
    for _ in range(3):
        root.save(str(tmp_path / "stock"))
    source = write(tmp_path / "names", VALUES)
    report = lr.to_object_based(source, tmp_path / "ours", root=root)
    assert contents(report.written)[COUNTER_KEY] == 3
    assert int(root.save_counter) == 3


def test_a_layer_that_tensorflow_does_not_see_is_refused(tmp_path):
    class Unseen(keras.Model):
        def __init__(self):
            super().__init__()
            self.parts = [keras.layers.Dense(3, name="dense")]

        def call(self, inputs):
            return self.parts[0](inputs)

    model = Unseen()
    model(X)
    source = write(tmp_path / "names", VALUES)
    with pytest.raises(errors.WriteError) as caught:
        lr.to_object_based(source, tmp_path / "ours", root=model)
    subjects = [one.subject for one in caught.value.findings]
    assert subjects == ["dense/kernel", "dense/bias"]
    assert set(ids(caught.value.findings)) == {"not-representable"}
    assert list(tmp_path.glob("*ours*")) == list(tmp_path.glob(".legacy*")) == []


def test_what_cannot_be_written_is_refused_and_nothing_is_left(tmp_path):
    source = write(tmp_path / "names", VALUES)
    target = tmp_path / "ours"
    kernel = tf.Variable(np.zeros([4, 3], "f4"), name="dense/kernel")
    bias = tf.Variable(np.zeros([3], "f4"), name="dense/bias")
    with pytest.raises(errors.UsageError, match="list as its root"):
        lr.to_object_based(source, target, root=[kernel, bias])
    with pytest.raises(errors.UsageError, match="save_counter"):
        held = {"save_counter": kernel, "b": bias}
        lr.to_object_based(source, target, root=held)
    with pytest.raises(errors.UsageError, match="without a root"):
        lr.to_object_based(source, target, rules=["slim-to-layers"])
    with pytest.raises(errors.UsageError, match="never written to"):
        lr.to_object_based(source, source, root=Linear(), overwrite=True)
    other = write(tmp_path / "other", VALUES)
    with pytest.raises(errors.WriteError) as caught:
        lr.to_object_based(source, other, root=Linear())
    assert ids(caught.value.findings) == ["checkpoint-exists"]
    assert lr.to_object_based(source, other, root=Linear(), overwrite=True).keys
    with pytest.raises(errors.BuildError):
        lr.to_object_based(source, target, root=Listed())
    damage(source, VALUES["dense/bias"])
    before = sorted(tmp_path.iterdir())
    with pytest.raises(errors.RestoreError) as caught:
        lr.to_object_based(source, target, root=Linear())
    assert ids(caught.value.findings) == ["tensor-corrupt"]
    assert sorted(tmp_path.iterdir()) == before
