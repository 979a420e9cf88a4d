"""Checkpoints that stock TensorFlow 2 saved, restored here: the same objects."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import legacy_restore as lr
from legacy_restore import errors
from tests.eager.helpers import ids, numbers, write
from tests.samples import sample

tf_keras = pytest.importorskip("tf_keras")

X = numbers([6, 5], 99)
Y = numbers([6, 2], 98)


class Keras3(keras.Model):
    """Its layers all have kernels of one shape, and names that say nothing."""

    def __init__(self, units=5):
        super().__init__()
        self.first = keras.layers.Dense(units)
        self.second = keras.layers.Dense(units)
        self.norm = keras.layers.BatchNormalization()
        self.drop = keras.layers.Dropout(0.2)
        self.last = keras.layers.Dense(2)

    def call(self, inputs, training=False):
        hidden = self.drop(self.second(self.first(inputs)), training=training)
        return self.last(self.norm(hidden, training=training))


class Keras2(tf_keras.Model):
    def __init__(self):
        super().__init__()
        self.layers_in_a_list = [tf_keras.layers.Dense(5), tf_keras.layers.Dense(5)]
        self.norm = tf_keras.layers.BatchNormalization()
        self.last = tf_keras.layers.Dense(2)

    def call(self, inputs, training=False):
        for layer in self.layers_in_a_list:
            inputs = layer(inputs)
        return self.last(self.norm(inputs, training=training))


def trained(make):
    model = make()
    model.compile("adam", "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    return model


def fresh(make):
    model = make()
    model(X)
    return model


def save(tmp_path, **objects):
    return tf.train.Checkpoint(**objects).save(str(tmp_path / "ckpt"))


@pytest.mark.parametrize("make", [Keras3, Keras2])
def test_model_saved_by_stock_tensorflow(tmp_path, make):
    model = trained(make)
    prefix = save(tmp_path, model=model)
    for root in (fresh(make), {"model": fresh(make)}):
        restored = lr.restore_object(root, prefix)
        assert restored.check().ok
        assert restored.plan.coverage.restored_variables == 10
        one = root["model"] if isinstance(root, dict) else root
        np.testing.assert_array_equal(one(X), model(X))


@pytest.mark.parametrize("make", [Keras3, Keras2])
def test_root_that_is_a_checkpoint(tmp_path, make):
    model = trained(make)
    prefix = save(tmp_path, net=model, optimizer=model.optimizer)
    other = trained(make)
    kept = [np.array(one) for one in other.optimizer.variables]
    root = tf.train.Checkpoint(net=other, optimizer=other.optimizer)
    plan = lr.restore_object(root, prefix).plan
    np.testing.assert_array_equal(other(X), model(X))
    for one, value in zip(other.optimizer.variables, kept):
        np.testing.assert_array_equal(np.array(one), value)
    assert "objects" in plan.models[0].matched_by


def test_model_saved_without_a_checkpoint_around_it(tmp_path):
    model = trained(Keras2)
    model.save_weights(str(tmp_path / "weights"), save_format="tf")
    other = fresh(Keras2)
    assert lr.restore_object(other, tmp_path / "weights").check().ok
    np.testing.assert_array_equal(other(X), model(X))


def test_values_are_those_that_stock_tensorflow_restores(tmp_path):
    prefix = save(tmp_path, model=trained(Keras3))
    ours, stock = fresh(Keras3), fresh(Keras3)
    tf.train.Checkpoint(model=stock).restore(prefix).expect_partial()
    lr.restore_object(ours, prefix)
    for one, other in zip(ours.weights, stock.weights):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_layers_that_only_the_optimizer_holds_are_found_there(tmp_path):
    class Listed(keras.Model):
        def __init__(self):
            super().__init__()
            self.parts = [keras.layers.Dense(5), keras.layers.Dense(2)]

        def call(self, inputs):
            return self.parts[1](self.parts[0](inputs))

    model = trained(Listed)
    prefix = save(tmp_path, model=model)
    # What is not compiled has no way to them, for TensorFlow: it restores nothing.
    stock = fresh(Listed)
    before = [one.numpy() for one in stock.weights]
    tf.train.Checkpoint(model=stock).restore(prefix).expect_partial()
    for one, value in zip(stock.weights, before):
        np.testing.assert_array_equal(one.numpy(), value)
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_object(fresh(Listed), prefix)
    assert "missing-key" in ids(caught.value.findings)
    compiled = trained(Listed)
    restored = lr.restore_object(compiled, prefix)
    assert restored.check().ok
    assert "matched-by-place" in ids(restored.plan.findings)
    np.testing.assert_array_equal(compiled(X), model(X))


def test_a_list_of_weights_in_another_order_is_refused(tmp_path):
    class Listed(keras.Model):
        def __init__(self):
            super().__init__(name="listed")
            self.parts = [keras.layers.Dense(5), keras.layers.Dense(5)]

        def call(self, inputs):
            return self.parts[1](self.parts[0](inputs))

    def built(parts):
        model = fresh(Listed)
        optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
        optimizer.build([one for n in parts for one in model.parts[n].weights])
        return model, tf.train.Checkpoint(model=model, optimizer=optimizer)

    model, root = built([0, 1])
    prefix = root.save(str(tmp_path / "ckpt"))
    same, root = built([0, 1])
    assert lr.restore_object(root, prefix).check().ok
    np.testing.assert_array_equal(same(X), model(X))
    # TensorFlow takes each layer for the other one.
    other, root = built([1, 0])
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_object(root, prefix)
    told = [one for one in caught.value.findings if one.id == "ambiguous-match"]
    assert len(told) == 4
    assert "another order" in told[0].message
    root.restore(prefix).expect_partial()
    np.testing.assert_array_equal(other.parts[0].kernel, model.parts[1].kernel)


def test_a_model_of_other_layers_is_refused_and_untouched(tmp_path):
    prefix = save(tmp_path, model=trained(Keras3))
    other = Keras3(units=4)
    other(X)
    before = [one.numpy() for one in other.weights]
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_object(other, prefix)
    assert "shape-mismatch" in ids(caught.value.findings)
    for one, value in zip(other.weights, before):
        np.testing.assert_array_equal(one.numpy(), value)


def test_generators_and_metrics_that_the_checkpoint_has_are_restored(tmp_path):
    def make():
        return tf.train.Checkpoint(
            w=tf.Variable([0.0]),
            random=tf.random.Generator.from_seed(1),
            seen=tf_keras.metrics.Mean(),
        )

    saved, root = make(), make()
    saved.w.assign([5.0])
    saved.random.normal([3])
    saved.seen.update_state(7.0)
    lr.restore_object(root, saved.save(str(tmp_path / "ckpt")))
    assert float(root.seen.result()) == 7.0
    np.testing.assert_array_equal(root.random.normal([2]), saved.random.normal([2]))


def test_two_parts_that_could_be_meant_are_refused(tmp_path):
    prefix = save(tmp_path, a=trained(Keras3), b=trained(Keras3))
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_object(fresh(Keras3), prefix)
    finding = next(one for one in caught.value.findings if one.id == "ambiguous-match")
    assert "is a in the checkpoint" in finding.message
    assert "is b in the checkpoint" in finding.message
    root = {"a": fresh(Keras3)}
    waived = ["b/.*", ".*_trainable_variables.*"]
    assert lr.restore_object(root, prefix, allow_unused=waived[:1]).check().ok


def test_one_variable_that_is_two_here_is_refused(tmp_path):
    shared = tf.Variable([1.0])
    prefix = save(tmp_path, a=shared, b=shared)
    root = tf.train.Checkpoint(a=tf.Variable([0.0]), b=tf.Variable([0.0]))
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_object(root, prefix)
    assert "ambiguous-match" in ids(caught.value.findings)
    assert (float(root.a[0]), float(root.b[0])) == (0.0, 0.0)


def layers_of(library):
    return [
        library.Input([3, 4]),
        library.layers.LSTM(5),
        library.layers.Dropout(0.2),
        library.layers.BatchNormalization(),
        library.layers.Dense(5),
        library.layers.Dense(5),
    ]


def sequential(library):
    return library.Sequential(layers_of(library))


def functional(library):
    inputs, *layers = layers_of(library)
    outputs = inputs
    for layer in layers:
        outputs = layer(outputs)
    return library.Model(inputs, outputs)


@pytest.mark.parametrize("make", [sequential, functional])
def test_what_keras_2_saved_goes_into_the_same_model_of_keras_3(tmp_path, make):
    inputs = numbers([6, 3, 4], 5)
    model = make(tf_keras)
    model.compile("adam", "mse")
    model.fit(inputs, numbers([6, 5], 6), verbose=0)
    model.save_weights(str(tmp_path / "weights"), save_format="tf")
    other = make(keras)
    restored = lr.restore_object(other, tmp_path / "weights")
    assert restored.check().ok
    np.testing.assert_allclose(other(inputs), model(inputs), atol=1e-5)
    # Stock TensorFlow restores nothing.
    stock = make(keras)
    before = [one.numpy() for one in stock.weights]
    tf.train.Checkpoint(stock).restore(str(tmp_path / "weights")).expect_partial()
    for one, value in zip(stock.weights, before):
        np.testing.assert_array_equal(one.numpy(), value)


def subclassed(library):
    class Subclassed(library.Model):
        def __init__(self):
            super().__init__()
            self.first = library.layers.Dense(4)
            self.inside = functional(library)
            self.last = library.layers.Dense(5)

        def call(self, inputs):
            return self.last(self.inside(self.first(inputs)))

    model = Subclassed()
    model(np.zeros([1, 3, 4], "f4"))
    return model


@pytest.mark.parametrize("make", [sequential, functional, subclassed])
def test_what_keras_3_saved_goes_into_the_same_model_of_keras_2(tmp_path, make):
    saved = make(keras)
    prefix = save(tmp_path, model=saved)
    inputs = numbers([2, 3, 4], 1)
    for _ in range(2):  # The second one's layers have other numbers.
        model = make(tf_keras)
        assert lr.restore_object({"model": model}, prefix).check().ok
        np.testing.assert_allclose(model(inputs), saved(inputs), rtol=1e-4, atol=1e-6)
    root = {
        "model": tf_keras.Sequential([tf_keras.Input([3, 4]), tf_keras.layers.LSTM(5)])
    }
    with pytest.raises(errors.RestoreError):
        lr.restore_object(root, prefix)


def blocks(library):
    """Layers of one shape in a list, a list of lists and a dictionary."""
    layers = library.layers

    class Blocks(library.Model):
        def __init__(self):
            super().__init__()
            self.steps = [layers.Dense(5) for _ in range(3)]
            self.nested = [[layers.Dense(5)], [layers.Dense(5), layers.LSTM(5)]]
            self.heads = {
                "a": layers.Dense(5),
                "b": library.Sequential([layers.Dense(5)]),
            }

        def call(self, inputs):
            for layer in [*self.steps, self.nested[0][0], self.nested[1][0]]:
                inputs = layer(inputs)
            inputs = self.nested[1][1](inputs[:, None])
            return self.heads["a"](inputs) - self.heads["b"](inputs)

    model = Blocks()
    model(X)
    return model


def test_layers_in_lists_of_keras_2_go_into_those_of_keras_3(tmp_path):
    saved = blocks(tf_keras)
    prefix = save(tmp_path, model=saved)
    for wrap in (lambda model: model, lambda model: {"model": model}):
        keras.layers.Dense(3)  # So that no layer has the number that it was saved with.
        model = blocks(keras)
        restored = lr.restore_object(wrap(model), prefix)
        assert restored.check().ok
        np.testing.assert_allclose(model(X), saved(X), rtol=1e-5, atol=1e-6)
        for one, value in zip(model.steps, saved.steps):
            np.testing.assert_array_equal(one.kernel, value.kernel)


def mnist(library):
    return library.Sequential(
        [
            library.Input([784]),
            library.layers.Dense(512, activation="relu"),
            library.layers.Dropout(0.2),
            library.layers.Dense(10, activation="softmax"),
        ]
    )


def test_keras_2_sample_gives_what_stock_keras_2_gives():
    prefix = sample("keras_object_based", "cp.ckpt.index")[: -len(".index")]
    stock = mnist(tf_keras)
    stock.load_weights(prefix).expect_partial()
    inputs = numbers([3, 784], 1)
    for library in (keras, tf_keras):
        model = mnist(library)
        restored = lr.restore_object(model, prefix)
        assert restored.check().ok
        assert restored.plan.coverage.restored_variables == 4
        np.testing.assert_allclose(model(inputs), stock(inputs), atol=1e-6)
        # Configurations are no weights: listed, and no waiver is needed.
        found = [one for one in restored.plan.findings if "CONFIG" in one.subject]
        assert set(ids(found)) == {"unused-training-state"}
        assert len(found) == 5


def test_the_save_counter_and_tables_are_no_weights(tmp_path):
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    root = tf.train.Checkpoint(w=tf.Variable([0.0], name="w"), table=table)
    root.save(str(tmp_path / "ckpt"))
    prefix = write(tmp_path / "a", {"w": np.ones([1], "f4")})
    plan = lr.restore_object(root, prefix).plan
    assert [(one.id, one.subject) for one in plan.findings] == [
        ("state-kept", "save_counter"),
        ("state-kept", "table"),
    ]


def test_entries_of_a_table_are_refused_unless_they_are_waived(tmp_path):
    def make(value):
        table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
        table.insert(["a"], [value])
        return tf.train.Checkpoint(w=tf.Variable([float(value)]), table=table)

    prefix = make(7).save(str(tmp_path / "ckpt"))
    root = make(1)
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_object(root, prefix)
    refused = [one.subject for one in caught.value.findings if one.is_error]
    assert refused == [f"table/.ATTRIBUTES/table-{half}" for half in ("keys", "values")]
    plan = lr.restore_object(root, prefix, allow_unused=["table/.*"]).plan
    assert (float(root.w[0]), int(root.table.lookup(tf.constant("a")))) == (7.0, 1)
    (kept,) = [one for one in plan.findings if one.id == "state-kept"]
    assert kept.subject == "table" and "MutableHashTable" in kept.message
    # The line that the hint names is stock TensorFlow's.
    assert "tf.train.Checkpoint" in kept.hint
    tf.train.Checkpoint(table=root.table).read(prefix).expect_partial()
    assert int(root.table.lookup(tf.constant("a"))) == 7
