"""What is refused, rolled back and told of an optimizer that is asked for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.eager import optimizers
from legacy_restore.eager.variables import LiveVariable
from tests.eager.adam_models import (
    X,
    Y,
    adam,
    error_ids,
    model,
    refusal,
    v1,
    write,
)
from tests.eager.helpers import damage, ids
from tests.json_docs import example


@pytest.fixture(autouse=True)
def own_names():
    """Clears no session: models and layers have names of their own, and it is slow."""


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    return write(tmp_path_factory.mktemp("adam") / "ckpt", adam)


# What is told.


def test_a_plan_lists_the_optimizer_and_builds_nothing(prefix):
    one, optimizer = model(), keras.optimizers.Adam(0.05)
    plan = lr.plan_object(one, prefix, optimizer=optimizer)
    assert plan.ok and not optimizer.built
    text = str(plan)
    source = "Adam (tf.compat.v1.train.AdamOptimizer)"
    assert f"optimizer keras.optimizers.Adam <- {source}" in text
    assert "hidden/kernel: m" in text and "hidden/kernel/Adam" in text
    assert "3 steps" in text
    assert any(
        line.split() == ["epsilon", "not", "stored", "1e-07"]
        for line in text.splitlines()
    )
    told = plan.to_json()["optimizer"]
    assert (told["steps"], told["steps_are_exact"]) == (3, True)
    assert told["rows"][0] == {
        "variable": "hidden/kernel",
        "slot": "m",
        "value": "m",
        "key": "hidden/kernel/Adam",
    }
    assert {"name": "epsilon", "stored": None, "optimizer": 1e-7} in told[
        "hyperparameters"
    ]
    documented = example("plan-json.md", 2)
    assert set(documented) == set(told)
    for name in ("rows", "hyperparameters"):
        assert set(documented[name][0]) == set(told[name][0])
    # What it takes is not left behind, and it is not kept.
    assert set(ids(plan.findings)) == {"hyperparameter-unknown"}
    assert lr.plan_object(one, prefix).to_json()["optimizer"] is None


def test_report_and_check_have_the_optimizer(prefix):
    one, optimizer = model(), keras.optimizers.Adam(0.05)
    restored = lr.restore_object(one, prefix, optimizer=optimizer)
    assert "optimizer keras.optimizers.Adam: 8 slots, 3 steps" in str(restored.report)
    # Nobody should have to ask for what could not be compared.
    assert str(restored.report).splitlines()[-1] == (
        "  has to be what it was, and is not stored: "
        "learning_rate 0.05, beta_1 0.9, beta_2 0.999, epsilon 1e-07"
    )
    assert restored.report.to_json()["optimizer"]["steps"] == 3
    check = restored.check()
    assert check.ok and len(check.rows) == 4 + 8 + 1
    changes = {
        "hidden/bias: v": optimizers.slots_of(optimizer, one.weights)[1]["v"],
        "optimizer: iterations": optimizer._iterations,
    }
    for name, variable in changes.items():
        before = np.array(variable)
        variable.assign(before + 1)
        assert [row.subject for row in restored.check().findings] == [name]
        variable.assign(before)
    assert restored.check().ok


def test_without_optimizer_none_is_touched(prefix):
    one, optimizer = model(), keras.optimizers.Adam(0.05)
    one.compile(optimizer, "mse")
    one.fit(X, Y, verbose=0)
    before = [np.array(v) for v in optimizer.variables]
    plan = lr.restore_object(one, prefix).plan
    assert plan.optimizer is None
    assert "state-kept" in ids(plan.findings)
    for old, variable in zip(before, optimizer.variables):
        np.testing.assert_array_equal(old, variable)


def test_an_optimizer_of_its_own_is_restored_and_that_of_the_model_kept(prefix):
    one, optimizer = model(), keras.optimizers.Adam(0.05)
    one.compile("sgd", "mse")
    one.fit(X, Y, verbose=0)
    plan = lr.restore_object(one, prefix, optimizer=optimizer).plan
    kept = [one for one in plan.findings if one.id == "state-kept"]
    assert [one.subject for one in kept] == ["optimizer"]
    assert "of SGD" in kept[0].message
    assert int(optimizer.iterations) == 3
    assert int(one.optimizer.iterations) == 1


def test_what_the_user_knows_is_compared(prefix):
    one, optimizer = model(), keras.optimizers.Adam(0.05)
    known = {"epsilon": 1e-7, "learning_rate": 0.05, "beta_1": 0.9, "beta_2": 0.999}
    plan = lr.plan_object(one, prefix, optimizer=optimizer, trained_with=known)
    assert plan.ok and not plan.findings
    error = refusal(
        one, prefix, optimizer=optimizer, trained_with={**known, "epsilon": 1e-8}
    )
    assert error_ids(error) == ["hyperparameter-differs"]
    assert "epsilon=1e-08" in str(error)
    with pytest.raises(errors.UsageError, match="beta1") as caught:
        lr.plan_object(one, prefix, optimizer=optimizer, trained_with={"beta1": 0.9})
    assert "beta_1" in caught.value.hint


def test_what_the_checkpoint_says_otherwise_is_not_overruled(tmp_path):
    one, optimizer = model(), keras.optimizers.Adam(0.05)
    optimizer.build(one.trainable_variables)
    root = tf.train.Checkpoint(model=one, optimizer=optimizer)
    saved = root.save(str(tmp_path / "ckpt"))
    asked = {"optimizer": optimizer, "trained_with": {"learning_rate": 0.1}}
    error = refusal(one, saved, **asked)
    found = [one for one in error.findings if one.is_error]
    assert {one.id for one in found} == {"hyperparameter-differs"}
    assert "was stated" in found[0].message


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"trained_with": {"epsilon": 1.0}}, "optimizer= is None"),
        ({"optimizer": keras.optimizers.Lion()}, "Lion keeps is not known"),
        ({"optimizer": "adam"}, "has to be an optimizer, not 'adam'"),
        ({"optimizer": keras.optimizers.Adam}, "has to be an optimizer"),
        ({"optimizer": keras.optimizers.Adam(), "weights": "ema"}, "raw values"),
        ({"optimizer": keras.optimizers.Adam(), "trained_with": [1]}, "numbers"),
        ({"optimizer": keras.optimizers.Adam(), "trained_with": {"a": "b"}}, "numbers"),
    ],
)
def test_arguments_that_cannot_be_meant(prefix, arguments, text):
    with pytest.raises(errors.UsageError, match=text):
        lr.plan_object(model(), prefix, **arguments)


# All or nothing.


def test_a_pair_without_a_rule_refuses_the_weights_too(prefix, tmp_path):
    optimizer = keras.optimizers.SGD(0.05, 0.9)
    error = refusal(model(), prefix, optimizer=optimizer)
    assert "optimizer-rule" in error_ids(error)
    assert "tf.compat.v1.train.AdamOptimizer" in str(error)
    assert "nothing was changed" in str(error)
    assert not optimizer.built
    plain = write(tmp_path / "sgd", lambda: v1.train.GradientDescentOptimizer(0.1))
    error = refusal(model(), plain, optimizer=keras.optimizers.Adam(0.1))
    assert "optimizer-missing" in error_ids(error)


def test_a_slot_that_is_damaged_leaves_all_as_it_was(tmp_path):
    saved = write(tmp_path / "ckpt", adam)
    with lr.open_checkpoint(saved) as checkpoint:
        slot = checkpoint["logits/bias/Adam_1"]
    damage(saved, slot)
    optimizer = keras.optimizers.Adam(0.05)
    error = refusal(model(), saved, optimizer=optimizer)
    assert error.exit_code == errors.EXIT_INPUT
    assert not optimizer.built


def test_a_damaged_counter_is_found_when_it_is_planned(tmp_path):
    saved = write(tmp_path / "ckpt", adam)
    with lr.open_checkpoint(saved) as checkpoint:
        power = checkpoint["beta1_power"]
    damage(saved, power)
    error = refusal(model(), saved, optimizer=keras.optimizers.Adam(0.05))
    assert error.exit_code == errors.EXIT_INPUT


@pytest.mark.parametrize("name", ["logits/bias: v", "optimizer: iterations"])
@pytest.mark.parametrize("is_built", [True, False])
def test_a_failed_assignment_is_rolled_back(prefix, monkeypatch, name, is_built):
    one, optimizer = model(), keras.optimizers.Adam(0.05)
    one.compile(optimizer, "mse")
    if is_built:
        one.fit(X, Y, verbose=0)
    before = [np.array(v) for v in one.trainable_variables]
    slots = [np.array(v) for v in optimizer.variables] if is_built else None
    assign = LiveVariable.assign

    def assign_and_fail(self, value):
        assign(self, value)
        if self.name == name:
            raise ValueError("no room")

    monkeypatch.setattr(LiveVariable, "assign", assign_and_fail)
    with pytest.raises(errors.RestoreError, match="nothing was changed") as caught:
        lr.restore_object(one, prefix, optimizer=optimizer)
    assert [f.subject for f in caught.value.findings] == [name]
    for old, variable in zip(before, one.trainable_variables):
        np.testing.assert_array_equal(old, variable)
    if slots is None:
        # It was built here, and is what its first step would have built.
        slots = [np.zeros(v.shape) for v in optimizer.variables]
        slots[1] = np.float32(0.05)
    for old, variable in zip(slots, optimizer.variables):
        np.testing.assert_array_equal(old, np.array(variable))


def test_an_optimizer_that_cannot_be_built_leaves_the_variables(prefix, monkeypatch):
    one, optimizer = model(), keras.optimizers.Adam(0.05)

    def fail(variables):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(optimizer, "build", fail)
    error = refusal(one, prefix, optimizer=optimizer)
    assert error_ids(error) == ["restore-failed"]
    assert "out of memory" in str(error)
    assert "no variable was assigned" in str(error)


def test_a_slot_of_another_type_than_its_variable_is_refused(prefix):
    one, optimizer = model(), keras.optimizers.Adam(0.05)
    optimizer.build(one.trainable_variables)
    optimizer._velocities[3] = keras.Variable(np.zeros([3], "f8"), dtype="float64")
    error = refusal(one, prefix, optimizer=optimizer)
    (fault,) = [found for found in error.findings if found.is_error]
    assert (fault.id, fault.subject) == ("restore-failed", "logits/bias: v")
    assert (fault.expected, fault.found) == ("float32[3]", "float64[3]")


def test_files_of_keras_have_no_optimizers_to_take(tmp_path):
    pytest.importorskip("h5py")
    one = model()
    one.compile("adam", "mse")
    one.fit(X, Y, verbose=0)
    path = str(tmp_path / "net.weights.h5")
    one.save_weights(path)
    error = refusal(model(), path, optimizer=keras.optimizers.Adam())
    assert "optimizer-missing" in error_ids(error)


def test_without_a_checkpoint_only_that_is_said(tmp_path):
    optimizer = keras.optimizers.Adam(0.05)
    error = refusal(model(), tmp_path / "nothing", optimizer=optimizer)
    assert error_ids(error) == ["location-not-found"]
