"""All or nothing: what is read, converted, assigned, and put back."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.eager import restore as restore_module
from legacy_restore.eager.variables import LiveVariable
from legacy_restore.report.check_report import CheckStatus
from tests.eager.helpers import damage, dense, dense_values, ids, numbers, write

X = numbers([5, 4], 99)
VALUES = dense_values()


def model():
    return keras.Sequential(
        [keras.Input([4]), keras.layers.Dense(3, name="dense")], name="net"
    )


def values_of(one):
    return [np.array(weight) for weight in one.weights]


def assert_unchanged(one, before):
    for weight, value in zip(values_of(one), before):
        np.testing.assert_array_equal(weight, value)


def test_a_function_that_was_traced_before_sees_new_values(tmp_path):
    one = model()
    traces = []

    @tf.function
    def predict(inputs):
        traces.append(1)
        return one(inputs)

    predict(X)
    compiled = one.predict(X, verbose=0)
    lr.restore_object(one, write(tmp_path / "a", VALUES))
    np.testing.assert_allclose(predict(X), dense(VALUES, X), rtol=1e-5)
    np.testing.assert_allclose(one.predict(X, verbose=0), dense(VALUES, X), rtol=1e-5)
    assert not np.allclose(compiled, dense(VALUES, X))
    assert traces == [1]


def test_damage_in_the_last_tensor_leaves_all_as_it_was(tmp_path):
    one = model()
    before = values_of(one)
    prefix = write(tmp_path / "a", VALUES)
    damage(prefix, VALUES["dense/bias"])
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_object(one, prefix)
    assert "nothing was changed" in str(caught.value)
    assert caught.value.exit_code == errors.EXIT_INPUT
    assert_unchanged(one, before)


@pytest.mark.parametrize("failure", [ValueError("no room"), KeyboardInterrupt()])
def test_a_failed_assign_is_rolled_back(tmp_path, monkeypatch, failure):
    one = model()
    before = values_of(one)
    assign = LiveVariable.assign

    def assign_and_fail(self, value):
        assign(self, value)
        if self.name == "dense/bias":
            raise failure

    monkeypatch.setattr(LiveVariable, "assign", assign_and_fail)
    prefix = write(tmp_path / "a", VALUES)
    if isinstance(failure, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            lr.restore_object(one, prefix)
    else:
        with pytest.raises(errors.RestoreError, match="nothing was changed") as caught:
            lr.restore_object(one, prefix)
        (finding,) = caught.value.findings
        assert (finding.id, finding.subject) == ("restore-failed", "dense/bias")
        assert "no room" in finding.message
    assert_unchanged(one, before)


def test_what_cannot_be_put_back_is_named(tmp_path, monkeypatch):
    def fail(self, value):
        raise ValueError("no more")

    monkeypatch.setattr(LiveVariable, "assign", fail)
    monkeypatch.setattr(LiveVariable, "put_back", fail)
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_object(model(), write(tmp_path / "a", VALUES))
    assert ids(caught.value.findings) == ["restore-failed", "swap-half-done"]
    assert "nothing was changed" not in str(caught.value)


def test_files_that_change_between_plan_and_restore_are_refused(tmp_path, monkeypatch):
    one = model()
    before = values_of(one)
    prefix = write(tmp_path / "a", VALUES)

    def plan_then_write(*args, **kwargs):
        plan = lr.plan_object(*args, **kwargs)
        write(tmp_path / "a", dense_values(40))
        return plan

    monkeypatch.setattr(restore_module, "plan_object", plan_then_write)
    with pytest.raises(errors.RestoreError):
        lr.restore_object(one, prefix)
    assert_unchanged(one, before)


def test_a_plan_touches_no_variable(tmp_path):
    one = model()
    before = values_of(one)
    plan = lr.plan_object(one, write(tmp_path / "a", VALUES))
    assert plan.ok
    assert_unchanged(one, before)
    assert plan.to_json()["models"][0]["name"] == "net"
    assert "dense/kernel" in str(plan)


def test_other_shapes_and_dtypes_are_refused_and_can_be_waived(tmp_path):
    one = model()
    before = values_of(one)
    kernel = np.arange(20, dtype="f8").reshape([4, 5]) / 3
    values = {"dense/kernel": kernel, "dense/bias": numbers([2], 1)}
    prefix = write(tmp_path / "a", values)
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_object(one, prefix)
    assert set(ids(caught.value.findings)) == {"dtype-mismatch", "shape-mismatch"}
    restored = lr.restore_object(
        one,
        prefix,
        cast={"dense/kernel": "float32"},
        allow_shape={"dense/kernel": "slice", "dense/bias": "pad"},
    )
    np.testing.assert_array_equal(one.weights[0].numpy(), kernel[:, :3].astype("f4"))
    np.testing.assert_array_equal(
        one.weights[1].numpy(), [*values["dense/bias"], before[1][2]]
    )
    assert [row.status.value for row in restored.check().rows] == ["equal", "equal"]
    assert "cast-lossy" in ids(restored.report.findings)
    one.weights[0].assign(np.zeros([4, 3]))
    assert not restored.check().ok


def test_a_cast_that_overflows_is_refused_before_anything_is_assigned(tmp_path):
    one = model()
    before = values_of(one)
    values = {**VALUES, "dense/bias": np.array([1.0, 2.0, 1e300])}
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_object(
            one, write(tmp_path / "a", values), cast={"dense/bias": "float32"}
        )
    assert ids(caught.value.findings) == ["cast-overflow"]
    assert_unchanged(one, before)


def test_only_and_exclude(tmp_path):
    one = model()
    before = values_of(one)
    prefix = write(tmp_path / "a", VALUES)
    lr.restore_object(one, prefix, only=["dense/kernel"])
    np.testing.assert_array_equal(one.weights[0].numpy(), VALUES["dense/kernel"])
    np.testing.assert_array_equal(one.weights[1].numpy(), before[1])
    restored = lr.restore_object(one, prefix, exclude=[".*/kernel"])
    np.testing.assert_array_equal(one.weights[1].numpy(), VALUES["dense/bias"])
    assert ids(restored.plan.findings) == ["left-as-it-is"]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64", "int64", "bool"])
def test_dtypes(tmp_path, dtype):
    value = tf.cast(tf.constant([[0.0, 1.5], [-2.0, 3.0]]), dtype).numpy()
    variable = tf.Variable(tf.zeros([2, 2], dtype), name="w")
    restored = lr.restore_object([variable], write(tmp_path / "a", {"w": value}))
    assert restored.check().rows[0].status.value == "equal"
    np.testing.assert_array_equal(variable.numpy(), value)


def test_strings_and_scalars(tmp_path):
    words = tf.Variable([b"", b"", b""], name="words")
    step = tf.Variable(0, dtype=tf.int64, name="step")
    name = tf.Variable(b"", name="name")
    values = {
        "words": np.array([b"a", b"b\0", b"\xff"], object),
        "step": np.int64(7),
        "name": b"x\0",
    }
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for key, value in values.items():
            tf.compat.v1.get_variable(
                key, initializer=tf.constant(value), use_resource=True
            )
        session.run(tf.compat.v1.global_variables_initializer())
        prefix = tf.compat.v1.train.Saver().save(session, str(tmp_path / "a"))
    restored = lr.restore_object([words, step, name], prefix)
    assert restored.check().ok
    assert not restored.check().with_status(CheckStatus.UNPROVED)
    assert list(words.numpy()) == [b"a", b"b\0", b"\xff"]
    assert (int(step), name.numpy()) == (7, b"x\0")
