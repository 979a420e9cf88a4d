"""Models of tf_keras, the Keras 2 that TensorFlow 2 had until 2.15."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from tests.eager.helpers import dense, dense_values, ids, numbers, write

tf_keras = pytest.importorskip("tf_keras")

X = numbers([5, 4], 99)
VALUES = dense_values()


class Subclassed(tf_keras.Model):
    def __init__(self):
        super().__init__(name="mine")
        self.parts = [tf_keras.layers.Dense(3, name="dense")]
        self.norm = tf_keras.layers.BatchNormalization(name="norm")
        self.seen = tf_keras.metrics.Mean(name="seen")

    def call(self, inputs, training=False):
        return self.norm(self.parts[0](inputs), training=training)


def norm_values():
    return {
        "norm/gamma": numbers([3], 11),
        "norm/beta": numbers([3], 12),
        "norm/moving_mean": numbers([3], 13),
        "norm/moving_variance": np.abs(numbers([3], 14)) + 1,
    }


def normed(values, inputs):
    scale = values["norm/gamma"] / np.sqrt(values["norm/moving_variance"] + 1e-3)
    centred = dense(values, inputs) - values["norm/moving_mean"]
    return centred * scale + values["norm/beta"]


def test_sequential_model(tmp_path):
    model = tf_keras.Sequential([tf_keras.layers.Dense(3, name="dense")])
    prefix = write(tmp_path / "a", VALUES)
    with pytest.raises(errors.BuildError, match=r"model.build\(\(None, 28, 28\)\)"):
        lr.restore_object(model, prefix)
    model.build((None, 4))
    assert lr.restore_object(model, prefix).check().ok
    np.testing.assert_allclose(model(X), dense(VALUES, X), rtol=1e-5)


def test_subclassed_model_that_is_compiled_and_counts(tmp_path):
    model = Subclassed()
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, X[:, :3], verbose=0)
    model.seen.update_state(3.0)
    kept = [np.array(one) for one in model.optimizer.variables]
    values = {**VALUES, **norm_values()}
    restored = lr.restore_object(model, write(tmp_path / "a", values))
    assert restored.check().ok
    np.testing.assert_allclose(model(X), normed(values, X), rtol=1e-4)
    assert float(model.seen.result()) == 3.0
    for one, value in zip(model.optimizer.variables, kept):
        np.testing.assert_array_equal(np.array(one), value)
    assert sorted(row.variable.local_name for row in restored.plan.rows) == sorted(
        values
    )
    assert set(ids(restored.plan.findings)) == {"state-kept"}
    subjects = [one.subject for one in restored.plan.findings]
    assert "optimizer" in subjects and len(subjects) == 3


@pytest.mark.parametrize("kind", ["RMSprop", "SGD"])
def test_legacy_optimizers_are_known(tmp_path, kind):
    model = tf_keras.Sequential([tf_keras.layers.Dense(3, name="dense")])
    model.compile(getattr(tf_keras.optimizers.legacy, kind)(), "mse")
    model.fit(X, X[:, :3], verbose=0)
    plan = lr.restore_object(model, write(tmp_path / "a", VALUES)).plan
    assert [one.subject for one in plan.findings] == ["optimizer"]
