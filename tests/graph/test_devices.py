"""Models on devices of their own, and devices that a session does not have."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf
from tests.graph.conftest import counted_sessions
from tests.graph.helpers import (
    IS_TF1,
    apply,
    assert_same,
    ids,
    linear,
    linear_model,
    linear_values,
    numbers,
    of_id,
    of_kind,
    only,
    values_in,
    write,
)

X = numbers([4, 3], 7)
ON_CPU_1 = "/device:CPU:1"
ABSENT = "/device:GPU:7"  # On no machine that runs these tests.


def two_cpus(**more):
    return tf.ConfigProto(device_count={"CPU": 2}, **more)


def devices_of(variable):
    """Where a variable's operation and its initialiser are."""
    return {variable.device, variable.op.device, variable.initializer.device}


def placed(session, fetches, feeds):
    """The devices on which a run has run, by what the operations' names begin with."""
    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    metadata = tf.RunMetadata()
    session.run(fetches, feeds, options=options, run_metadata=metadata)
    found = {}
    for step in metadata.step_stats.dev_stats:
        for node in step.node_stats:
            _, known, device = step.device.partition("/device:")
            if known:  # TensorFlow 1 counts the host, too.
                name = node.node_name.split("/")[0]
                found.setdefault(name, set()).add(known + device)
    return found


# Devices that are there.


@pytest.mark.parametrize(
    "device",
    ["/cpu:1", "cpu:1", "CPU:1", "/CPU:1", "/device:cpu:1", ON_CPU_1]
    + [f"/job:localhost/replica:0/task:0{ON_CPU_1}", "/job:localhost/cpu:1"],
)
def test_a_model_is_on_its_device(kind, tmp_path, device):
    model = linear_model(kind, "m", tmp_path, device=device)
    with lr.restore([model], config=two_cpus()) as restored:
        for variable in restored["m"].variables:
            assert devices_of(variable) == {model.device}
            assert variable.device.endswith(ON_CPU_1)
        assert restored["m"].outputs["y"].device.endswith(ON_CPU_1)
        found = restored["m"](x=X)["y"]
        np.testing.assert_allclose(found, apply(linear_values(), X), rtol=1e-6)
        assert_same(values_in(restored, "m"), linear_values())
        assert restored.check().ok
        assert restored.report.remarks == ()


def test_its_operations_really_run_there(kind, tmp_path):
    models = [
        linear_model(kind, "a", tmp_path, 0),
        linear_model(kind, "b", tmp_path, 1, device="/cpu:1"),
    ]
    with lr.restore(models, config=two_cpus()) as restored:
        outputs = [restored[name].outputs["y"] for name in "ab"]
        feeds = {restored[name].inputs["x"]: X for name in "ab"}
        where = placed(restored.session, outputs, feeds)
        assert where["a"] == {"/device:CPU:0"}
        assert where["b"] == {ON_CPU_1}


def test_two_models_on_two_devices_are_wired(kind, tmp_path):
    def square():
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        return tf.matmul(x, tf.get_variable("w", [2, 2]))

    weights = numbers([2, 2], 3)
    prefix = write(tmp_path / "b" / "m", {"w": weights})
    models = [
        linear_model(kind, "a", tmp_path, device="/cpu:0"),
        lr.Model("b", of_kind(kind, square), prefix, device="/cpu:1"),
    ]
    with lr.restore(models, config=two_cpus(), connect={"b/x": "a/y"}) as restored:
        assert {one.device for one in restored["a"].variables} == {"/device:CPU:0"}
        assert {one.device for one in restored["b"].variables} == {ON_CPU_1}
        found = restored["b"]({"a/x": X})
        expected = apply(linear_values(), X) @ weights
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert restored.check().ok


def test_a_device_of_the_builders_own_wins(kind, tmp_path):
    def build():
        with tf.device("/cpu:0"):
            inner = tf.get_variable("inner", [2])
        return inner + tf.get_variable("outer", [2])

    values = {"inner": numbers([2]), "outer": numbers([2], 1)}
    prefix = write(tmp_path / "m", values)
    model = lr.Model("m", of_kind(kind, build), prefix, device="/cpu:1")
    with lr.restore([model], config=two_cpus()) as restored:
        assert [one.device for one in restored["m"].variables] == [
            "/device:CPU:0",
            ON_CPU_1,
        ]
        assert_same(values_in(restored, "m"), values)


def test_what_is_left_to_its_initialiser_is_there_too(kind, tmp_path):
    def build():
        head = tf.get_variable("head", [2], initializer=tf.ones_initializer())
        local = tf.get_variable(
            "local",
            [2],
            initializer=tf.zeros_initializer(),
            collections=[tf.GraphKeys.LOCAL_VARIABLES],
        )
        return linear(kind)()["y"] + head + local

    prefix = write(tmp_path / "m", linear_values())
    model = lr.Model(
        "m", of_kind(kind, build), prefix, allow_missing=["head"], device="/cpu:1"
    )
    with lr.restore([model], config=two_cpus()) as restored:
        assert {one.device for one in restored["m"].variables} == {ON_CPU_1}
        expected = apply(linear_values(), X) + 1
        np.testing.assert_allclose(restored["m"](x=X), expected, rtol=1e-5)


def test_tables_and_partitioned_variables_are_there_too(kind, tmp_path):
    def build():
        keys = tf.constant(["a", "b"])
        values = tf.constant([3, 4], tf.int64)
        table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(keys, values), -1
        )
        with tf.variable_scope("p", partitioner=tf.fixed_size_partitioner(2)):
            parts = tf.get_variable("w", [4, 2])
        return {"id": table.lookup(tf.constant("b")), "w": tf.convert_to_tensor(parts)}

    value = numbers([4, 2])
    prefix = write(tmp_path / "m", {"p/w": value})
    model = lr.Model("m", of_kind(kind, build), prefix, device="/cpu:1")
    with lr.restore([model], config=two_cpus()) as restored:
        assert len(restored["m"].variables) == 2
        assert {one.device for one in restored["m"].variables} == {ON_CPU_1}
        found = restored["m"]()
        assert found["id"] == 4
        assert found["w"].tobytes() == value.tobytes()


@pytest.mark.parametrize(
    "device", ["/cpu:*", "CPU", "/device:CPU:*", "/task:0", "/job:*/cpu:0"]
)
def test_a_part_of_a_name_is_enough(kind, tmp_path, device):
    with lr.restore([linear_model(kind, "m", tmp_path, device=device)]) as restored:
        assert restored.check().ok
        assert restored["m"](x=X)["y"].shape == (4, 2)


def test_a_model_without_a_device_asks_for_none(kind, tmp_path):
    plan = lr.plan([linear_model(kind, "m", tmp_path)])
    assert {one.device for one in plan.built["m"].operations} == {""}


def test_a_device_around_the_call_does_not_reach_the_models(kind, tmp_path):
    with tf.Graph().as_default(), tf.device(ABSENT):
        model = linear_model(kind, "m", tmp_path)
        with lr.restore([model]) as restored:
            assert {one.device for one in restored["m"].variables} == {""}


# Devices that are not there.


def test_a_missing_device_is_refused_with_those_that_there_are(kind, tmp_path, refused):
    model = linear_model(kind, "m", tmp_path, device="/gpu:7")
    error = refused([model], sessions_opened=1, config=two_cpus())
    assert ids(error.findings) == ["device-missing"]
    finding = only(error.findings, "device-missing")
    assert (finding.model, finding.subject) == ("m", ABSENT)
    # The rest is placed with the variables that it initialises.
    count = [one.device for one in lr.plan([model]).built["m"].operations].count(ABSENT)
    assert count > 8
    assert finding.message.startswith(f"m/x and {count - 1} more ask for it; there is ")
    assert "/device:CPU:0, /device:CPU:1" in finding.message
    assert "/job:" not in finding.message
    assert "ConfigProto(allow_soft_placement=True)" in finding.hint
    assert finding.hint in error.message
    assert error.exit_code == 1


@pytest.mark.parametrize("where", ["variable", "operation", "training"])
def test_a_device_in_the_builder_is_refused_too(kind, tmp_path, refused, where):
    def build():
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        with tf.device("/gpu:7" if where == "variable" else None):
            kernel = tf.get_variable("dense/kernel", [3, 2])
        y = tf.matmul(x, kernel) + tf.get_variable("dense/bias", [2])
        with tf.device("/gpu:7" if where == "training" else None):
            tf.nn.relu(y, name="loss")
        with tf.device("/gpu:7" if where == "operation" else None):
            return tf.nn.relu(y)

    prefix = write(tmp_path / "m", linear_values())
    model = lr.Model("m", of_kind(kind, build), prefix)
    error = refused([model], sessions_opened=1)
    finding = only(error.findings, "device-missing")
    assert ids(error.findings) == ["device-missing"]
    assert (finding.model, finding.subject) == ("m", ABSENT)
    example = {"variable": "dense/kernel", "operation": "Relu", "training": "loss"}
    assert finding.message.startswith(f"m/{example[where]}")


def test_all_that_is_missing_is_found_at_once(kind, tmp_path, refused):
    models = [
        linear_model(kind, "a", tmp_path, device="/gpu:7"),
        linear_model(kind, "b", tmp_path, device="/cpu:5"),
        linear_model(kind, "c", tmp_path, device="/cpu:0"),
    ]
    error = refused(models, sessions_opened=1)
    found = [
        (one.model, one.subject) for one in of_id(error.findings, "device-missing")
    ]
    assert found == [("a", ABSENT), ("b", "/device:CPU:5")]
    # The plan has restore operations now, which follow their variables.
    again = refused(lr.plan(models), sessions_opened=1)
    assert len(again.findings) == 2


def test_operations_of_the_callers_own_are_looked_at(kind, tmp_path, refused):
    plan = lr.plan([linear_model(kind, "m", tmp_path)])
    with plan.graph.as_default(), tf.device("/gpu:7"):
        tf.constant(3.0, name="own")
    finding = only(refused(plan, sessions_opened=1).findings, "device-missing")
    assert finding.model is None
    assert finding.message.startswith("own asks for it")


@pytest.mark.parametrize("function", ["cond", "while_loop", "defun", "nested"])
def test_devices_inside_of_functions_are_looked_at(kind, tmp_path, refused, function):
    def on_device(x):
        with tf.device("/gpu:7"):
            return x * 2.0

    def nested(x):
        return tf.cond(x > 0.0, lambda: on_device(x), lambda: x)

    def build():
        w = tf.get_variable("w", [])
        if function == "cond":
            return nested(w)
        if function == "while_loop":
            return tf.while_loop(lambda x: x < 1e3, on_device, [w])
        if function == "nested":
            return tf.while_loop(lambda x: x < 1e3, nested, [w])
        return tf.py_func(abs, [tf_function(on_device)(w + 0.0)], tf.float32)

    prefix = write(tmp_path / "m", {"w": np.float32(3)})
    model = lr.Model("m", of_kind(kind, build), prefix)
    finding = only(refused([model], sessions_opened=1).findings, "device-missing")
    assert (finding.model, finding.subject) == ("m", ABSENT)
    soft = tf.ConfigProto(allow_soft_placement=True)
    with lr.restore([model], config=soft) as restored:
        assert restored["m"]() >= 6


def tf_function(function):
    """A function whose graph is its own, in both versions of TensorFlow."""
    if not IS_TF1:
        import tensorflow

        return tensorflow.function(function)
    from tensorflow.python.framework.function import Defun

    return Defun(tf.float32)(function)


@pytest.mark.parametrize(
    "device", ["/job:worker/cpu:0", "/job:Localhost/cpu:0", "/task:3/cpu:0"]
)
def test_another_task_is_refused_and_no_placement_is_soft_enough(
    kind, tmp_path, refused, device
):
    model = linear_model(kind, "m", tmp_path, device=device)
    for config in (None, tf.ConfigProto(allow_soft_placement=True)):
        error = refused([model], sessions_opened=1, config=config)
        finding = only(error.findings, "device-missing")
        assert "/job:localhost/replica:0/task:0/device:CPU:0" in finding.message
        assert "allow_soft_placement" not in finding.hint


def test_what_only_tensorflow_takes_for_a_device_is_refused(kind, tmp_path, refused):
    def build():
        with tf.device("/cpu:-1"):
            return linear(kind)()

    model = lr.Model("m", build, write(tmp_path / "m", linear_values()))
    for config in (None, tf.ConfigProto(allow_soft_placement=True)):
        error = refused([model], sessions_opened=1, config=config)
        assert only(error.findings, "device-missing").subject == "/device:CPU:-1"


# Soft placement.


def test_soft_placement_is_permitted_and_said(kind, tmp_path):
    models = [
        linear_model(kind, "a", tmp_path, 0),
        linear_model(kind, "b", tmp_path, 1, device="/gpu:7"),
    ]
    soft = two_cpus(allow_soft_placement=True)
    with lr.restore(models, config=soft) as restored:
        assert restored.check().ok
        np.testing.assert_allclose(
            restored["b"](x=X)["y"], apply(linear_values(1), X), rtol=1e-6
        )
        finding = only(restored["b"].report.findings, "device-substituted")
        assert not finding.is_error
        assert finding in restored.report.findings
        assert of_id(restored["a"].report.findings, "device-substituted") == []
        told = restored.report.to_json()["findings"]
        assert [one["subject"] for one in told if one["id"] == finding.id] == [ABSENT]
        assert "the session does not have /device:GPU:7" in str(restored.report)


def test_soft_placement_that_is_not_needed_says_nothing(kind, tmp_path):
    soft = two_cpus(allow_soft_placement=True)
    model = linear_model(kind, "m", tmp_path, device="/cpu:1")
    with lr.restore([model], config=soft) as restored:
        assert restored.report.remarks == ()


def test_a_plan_that_was_refused_can_be_restored_softly(kind, tmp_path, refused):
    plan = lr.plan([linear_model(kind, "m", tmp_path, device="/gpu:7")])
    refused(plan, sessions_opened=1)
    with counted_sessions() as sessions:
        soft = tf.ConfigProto(allow_soft_placement=True)
        with lr.restore(plan, config=soft) as restored:
            assert restored.check().ok
    assert len(sessions.opened) == 1


# What is no device.


@pytest.mark.parametrize(
    "device",
    ["", "/", "gpu:x", "cuda", "/cpu:-1", "/foo:1", "/device:CPU", "/cpu:0/gpu:0"]
    + [
        "/job:my-job",
        "/device:Ü:0",
        "m/x",
        3,
        b"/cpu:0",
        ["/cpu:0"],
        lambda op: "/cpu:0",
    ],
)
def test_what_is_no_device_is_refused_when_the_model_is_described(device):
    with pytest.raises(errors.UsageError) as caught:
        lr.Model("m", lambda: None, "x", device=device)
    assert caught.value.exit_code == 2
    assert "'m'" in str(caught.value)


def test_a_device_is_kept_as_tensorflow_writes_it():
    assert lr.Model("m", lambda: None, "x", device="gpu:1").device == "/device:GPU:1"
    assert lr.Model("m", lambda: None, "x").device is None
