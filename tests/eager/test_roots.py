"""Roots that are no Keras models, and what cannot be one."""

import numpy as np
import pytest
import tensorflow as tf

import legacy_restore as lr
from legacy_restore import errors
from tests.eager.helpers import dense_values, ids, write

VALUES = dense_values()
ONE = {"w": np.ones([1], "f4")}


class Module(tf.Module):
    def __init__(self):
        super().__init__(name="mod")
        with self.name_scope:
            self.parts = [
                tf.Variable(VALUES["dense/kernel"] * 0, name="dense/kernel"),
                tf.Variable(VALUES["dense/bias"] * 0, name="dense/bias"),
            ]


def module():
    return Module()


def listed():
    return module().parts


def keyed():
    return {name: tf.Variable(value * 0) for name, value in VALUES.items()}


def tracked():
    return tf.train.Checkpoint(anything=listed())


def nested():
    return {"a": [listed()[0]], "b": (listed()[1],)}


@pytest.mark.parametrize("make", [module, keyed])
def test_roots_with_names_of_their_own(tmp_path, make):
    root = make()
    restored = lr.restore_object(root, write(tmp_path / "a", VALUES))
    assert restored.check().ok
    assert {row.variable.name for row in restored.plan.rows} == set(VALUES)


@pytest.mark.parametrize("make", [listed, tracked, nested])
def test_roots_without_a_name(tmp_path, make):
    values = {f"mod/{name}": value for name, value in VALUES.items()}
    restored = lr.restore_object(make(), write(tmp_path / "a", values))
    assert restored.check().ok
    assert restored.plan.models[0].name == "root"
    assert len(restored.plan.rows) == 2


def test_variables_of_one_name_are_known_by_how_the_root_holds_them(tmp_path):
    root = tf.train.Checkpoint(a=tf.Variable([0.0]), b=tf.Variable([0.0]))
    values = {"a": np.array([1.0], "f4"), "b": np.array([2.0], "f4")}
    lr.restore_object(root, write(tmp_path / "a", values))
    assert (float(root.a[0]), float(root.b[0])) == (1.0, 2.0)


def test_a_variable_that_is_held_twice_is_one(tmp_path):
    variable = tf.Variable([0.0], name="w")
    root = tf.train.Checkpoint(a=variable, b=[variable])
    plan = lr.restore_object(root, write(tmp_path / "a", ONE)).plan
    assert len(plan.rows) == 1


def test_an_optimizer_of_tensorflow_1_is_kept(tmp_path):
    variable = tf.Variable([3.0], name="w")
    optimizer = tf.compat.v1.train.MomentumOptimizer(0.1, 0.9)
    optimizer.minimize(lambda: variable * variable, var_list=[variable])
    root = tf.train.Checkpoint(w=variable, optimizer=optimizer)
    plan = lr.restore_object(root, write(tmp_path / "a", ONE)).plan
    assert [(one.id, one.subject) for one in plan.findings] == [
        ("state-kept", "optimizer")
    ]
    assert "1 variable of MomentumOptimizer" in plan.findings[0].message


def test_a_random_generator_keeps_its_state(tmp_path):
    root = tf.train.Checkpoint(
        w=tf.Variable([0.0], name="w"), random=tf.random.Generator.from_seed(1)
    )
    before = root.random.state.numpy()
    plan = lr.restore_object(root, write(tmp_path / "a", ONE)).plan
    assert ids(plan.findings) == ["state-kept"]
    np.testing.assert_array_equal(root.random.state.numpy(), before)


@pytest.mark.parametrize(
    "root", [None, 3, "model", np.zeros([2]), tf.Variable([1.0]), lambda: 1, tf.Module]
)
def test_what_holds_no_variables_is_no_root(tmp_path, root):
    with pytest.raises(errors.UsageError, match="has to hold variables"):
        lr.plan_object(root, str(tmp_path))


def test_a_list_of_anything_else_is_refused(tmp_path):
    with pytest.raises(errors.UsageError, match="ndarray as 'a/1'"):
        lr.plan_object({"a": [tf.Variable(1.0), np.zeros([2])]}, str(tmp_path))


@pytest.mark.parametrize("root", [[], {}, tf.Module(), tf.train.Checkpoint()])
def test_a_root_without_variables_is_not_built(tmp_path, root):
    with pytest.raises(errors.BuildError) as caught:
        lr.plan_object(root, str(tmp_path))
    assert ids(caught.value.findings) == ["not-built"]


def test_a_list_that_tensorflow_cannot_save_is_said(tmp_path):
    root = tf.train.Checkpoint(a=[tf.Variable(1.0), tf.Variable(2.0)])
    del root.a[0]
    with pytest.raises(errors.UsageError, match="cannot tell what 'a' holds"):
        lr.plan_object(root, str(tmp_path))


def test_in_a_graph_it_is_refused_with_what_to_do():
    with tf.Graph().as_default(), pytest.raises(errors.UsageError) as caught:
        lr.restore_object({"w": 1}, "nowhere")
    assert "lr.restore(" in caught.value.hint

    @tf.function
    def function():
        with pytest.raises(errors.UsageError):
            lr.plan_object({"w": 1}, "nowhere")

    function()


def test_a_location_without_a_checkpoint_is_refused_with_the_plan(tmp_path):
    plan = lr.plan_object(keyed(), tmp_path / "nothing")
    assert ids(plan.findings) == ["location-not-found"]
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_object(keyed(), tmp_path / "nothing")
    assert caught.value.exit_code == errors.EXIT_INPUT


@pytest.mark.parametrize(
    "arguments",
    [{"rules": [1]}, {"weights": "best"}, {"allow_missing": "a"}, {"cast": {"a": "x"}}],
)
def test_arguments_that_cannot_be_meant(tmp_path, arguments):
    with pytest.raises(errors.UsageError):
        lr.plan_object(keyed(), str(tmp_path), **arguments)
