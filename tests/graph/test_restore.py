"""Restoring models into one session."""

import contextlib
import os
import threading

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.planning.plan import Action
from legacy_restore.tf import tf
from tests.graph.conftest import counted_sessions, temporary_files
from tests.graph.helpers import (
    apply,
    assert_same,
    data_file,
    linear,
    linear_model,
    linear_values,
    numbers,
    of_id,
    of_kind,
    only,
    values_in,
    variables,
    write,
)

X = numbers([4, 3], 99)


def under(prefix, values):
    """The values with their keys in a scope."""
    return {prefix + key: value for key, value in values.items()}


# Keys.


@pytest.mark.parametrize("prefix", ["", "m/", "old/", "old/net/", "M/"])
def test_keys_with_the_scope_without_it_and_under_another(kind, tmp_path, prefix):
    model = lr.Model(
        "m", linear(kind), write(tmp_path / "m", under(prefix, linear_values()))
    )
    with lr.restore([model]) as restored:
        assert_same(values_in(restored, "m"), linear_values())
        found = of_id(restored["m"].report.findings, "matched-under-prefix")
        assert [one.subject for one in found] == (
            [] if prefix in ("", "m/") else [prefix]
        )


def test_keys_that_rules_rename(kind, tmp_path):
    values = linear_values()
    old = {
        "v2/dense/weights": values["dense/kernel"],
        "v2/dense/biases": values["dense/bias"],
    }
    rules = [
        lr.Rename("^v2/(.*)/weights$", r"\1/kernel"),
        lr.Rename("^v2/(.*)/biases$", r"\1/bias"),
    ]
    model = lr.Model("m", linear(kind), write(tmp_path / "m", old), rules=rules)
    with lr.restore([model]) as restored:
        assert_same(values_in(restored, "m"), values)


@pytest.mark.parametrize("taken, left", [("x", "y"), ("y", "x")])
def test_a_permission_decides_between_two_ways_to_match(kind, tmp_path, taken, left):
    values = {"x": linear_values(1), "y": linear_values(2)}
    both = dict(under("x/", values["x"]), **under("y/", values["y"]))
    prefix = write(tmp_path / "m", both)
    model = lr.Model("m", linear(kind), prefix, allow_unused=[f"{left}/.*"])
    with lr.restore([model]) as restored:
        assert_same(values_in(restored, "m"), values[taken])


def test_left_weights_and_training_state(kind, tmp_path):
    values = dict(
        linear_values(),
        **{
            "dense/bias/Adam": numbers([2]),
            "global_step": np.int64(7),
            "head/w": numbers([5]),
        },
    )
    prefix = write(tmp_path / "m", values)
    model = lr.Model("m", linear(kind), prefix, allow_unused=["head/.*"])
    with lr.restore([model]) as restored:
        findings = restored.report.plan.findings
        assert only(findings, "unused-weights-waived").subject == "head/w"
        assert {one.subject for one in of_id(findings, "unused-training-state")} == {
            "dense/bias/Adam",
            "global_step",
        }


def test_a_tensor_that_the_file_holds_in_parts(kind, tmp_path):
    whole = numbers([6, 2])
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.variable_scope("", partitioner=tf.fixed_size_partitioner(3)):
            parts = tf.get_variable("w", [6, 2], use_resource=False)
        for number, part in enumerate(parts):
            session.run(tf.assign(part, whole[2 * number : 2 * number + 2]))
        prefix = tf.train.Saver([parts]).save(session, str(tmp_path / "m"))
    model = lr.Model("m", variables(kind, {"w": [6, 2]}), prefix)
    with lr.restore([model]) as restored:
        assert_same(values_in(restored, "m"), {"w": whole})
        assert restored.check().ok


def test_data_files_of_several_shards(kind, golden):
    location = os.path.join(str(golden), "tf1_15_sharded", "model.ckpt")
    with lr.open_checkpoint(location) as checkpoint:
        values = {key: checkpoint[key] for key in checkpoint}

    def build():
        return [
            tf.identity(tf.get_variable(key, one.shape, tf.as_dtype(one.dtype)))
            for key, one in values.items()
        ]

    with lr.restore([lr.Model("m", of_kind(kind, build), location)]) as restored:
        assert_same(values_in(restored, "m"), values)


@pytest.mark.parametrize("step", [100, 200, 300])
def test_two_models_that_tensorflow_1_15_wrote(kind, golden, step):
    def location(name):
        return f"{golden}/tf1_15_two_models/{name}@{step}"

    shapes = {}
    values = {}
    for name in ("encoder", "decoder"):
        with lr.open_checkpoint(location(name)) as checkpoint:
            slots = ("Adam", "Adam_1", "_power", "step")
            keys = [key for key in checkpoint if not key.endswith(slots)]
            shapes[name] = {key: checkpoint.entry(key).shape for key in keys}
            values[name] = {key: checkpoint[key] for key in keys}
    assert list(shapes["encoder"]) == list(shapes["decoder"])
    models = [
        lr.Model(name, variables(kind, shapes[name]), location(name)) for name in shapes
    ]
    with lr.restore(models) as restored:
        for name in shapes:
            assert_same(values_in(restored, name), values[name])


# Locations.


@pytest.mark.parametrize(
    "name",
    [
        "run[1]",
        "a b",
        "lr=1e-3",
        "run@12",
        "größe",
        "~",
        "a*b?",
        "{x}",
        "$HOME",
        "back\\slash",
        "quo'te\"s",
        "%s",
        "[",
        "a:b",
        "new\nline",
    ],
)
def test_directories_and_prefixes_with_odd_names(kind, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    plain = write(tmp_path / "plain" / "model", linear_values())
    os.mkdir(name)
    for ending in (".index", ".data-00000-of-00001"):
        os.rename(plain + ending, os.path.join(name, name + "-7" + ending))
    files = temporary_files()
    locations = [
        os.path.join(name, name + "-7"),
        os.path.join(str(tmp_path), name, name + "-7.index"),
        name + os.sep,
        os.path.join(str(tmp_path), name) + "@latest",
        name + "@7",
    ]
    for location in locations:
        with lr.restore([lr.Model("m", linear(kind), location)]) as restored:
            assert_same(values_in(restored, "m"), linear_values())
            assert restored.check().ok
        assert temporary_files() == files


def test_a_directory_whose_name_is_no_text(kind, tmp_path):
    directory = os.path.join(os.fsencode(str(tmp_path)), b"run\xff")
    os.mkdir(directory)
    plain = os.fsencode(write(tmp_path / "m", linear_values()))
    for ending in (b".index", b".data-00000-of-00001"):
        os.rename(plain + ending, os.path.join(directory, b"m" + ending))
    location = os.fsdecode(os.path.join(directory, b"m"))
    with lr.restore([lr.Model("m", linear(kind), location)]) as restored:
        assert_same(values_in(restored, "m"), linear_values())


def test_a_relative_location_holds_after_the_directory_was_left(
    kind, tmp_path, monkeypatch
):
    write(tmp_path / "m", linear_values())
    monkeypatch.chdir(tmp_path)
    with lr.restore([lr.Model("m", linear(kind), "m")]) as restored:
        monkeypatch.chdir("/")
        assert restored.check().ok


def test_a_state_file_of_another_machine_is_followed_beside_itself(kind, tmp_path):
    prefix = write(tmp_path / "model-3", linear_values())
    state = tmp_path / "checkpoint"
    state.write_text('model_checkpoint_path: "/old/machine/model-3"\n')
    with lr.restore([lr.Model("m", linear(kind), tmp_path)]) as restored:
        assert_same(values_in(restored, "m"), linear_values())
        report = restored["m"].report
        assert report.plan.location.prefix == prefix
        assert only(report.findings, "state-file-moved").model == "m"


def test_the_highest_complete_step_is_taken(kind, tmp_path):
    for step in (9, 10, 100):
        write(tmp_path / f"model-{step}", linear_values(step))
    os.truncate(data_file(tmp_path / "model-100"), 3)
    with lr.restore([lr.Model("m", linear(kind), tmp_path)]) as restored:
        assert_same(values_in(restored, "m"), linear_values(10))


# Sessions, graphs, plans.


def test_everything_is_restored_when_the_call_returns(kind, tmp_path):
    restored = lr.restore([linear_model(kind, "m", tmp_path)])
    assert_same(values_in(restored, "m"), linear_values())
    with restored as entered:
        assert entered is restored
    with pytest.raises(errors.ClosedError):
        restored.session  # noqa: B018


def test_one_session_is_opened_and_the_caller_closes_it(kind, tmp_path):
    models = [linear_model(kind, name, tmp_path) for name in "abc"]
    with counted_sessions() as sessions:
        restored = lr.restore(models)
        assert len(sessions.opened) == 1
        assert sessions.closed == []
        restored.close()
        assert sessions.closed == sessions.opened


def test_a_plan_is_made_without_a_session(kind, tmp_path):
    models = [linear_model(kind, name, tmp_path) for name in "ab"]
    with counted_sessions() as sessions:
        plan = lr.plan(models)
    assert plan.ok
    assert sessions.opened == []


def test_planning_and_then_restoring_is_the_same_as_restoring(kind, tmp_path):
    model = linear_model(kind, "m", tmp_path)
    plan = lr.plan([model])
    with lr.restore(plan) as restored, lr.restore([model]) as other:
        assert restored.plan is plan
        assert restored.graph is plan.graph
        assert_same(values_in(restored, "m"), values_in(other, "m"))


def test_restoring_a_plan_again_adds_no_operation(kind, tmp_path):
    models = [
        linear_model(kind, name, tmp_path, seed) for seed, name in enumerate("ab")
    ]
    plan = lr.plan(models)
    with lr.restore(plan) as first:
        count = len(plan.graph.get_operations())
        for _ in range(3):
            with lr.restore(plan) as again:
                assert_same(values_in(again, "b"), linear_values(1))
        assert first.check().ok
        assert first["a"](x=X)["y"].shape == (4, 2)
    assert len(plan.graph.get_operations()) == count


def test_a_plan_can_be_restored_although_its_graph_was_finalised(kind, tmp_path):
    plan = lr.plan([linear_model(kind, "m", tmp_path)])
    with lr.restore(plan) as restored:
        restored.graph.finalize()
        with lr.restore(plan) as again:
            assert again.check().ok
            assert again["m"](x=X)["y"].shape == (4, 2)


def test_sessions_of_one_plan_do_not_share_variables(kind, tmp_path):
    plan = lr.plan([linear_model(kind, "m", tmp_path)])
    with lr.restore(plan) as one, lr.restore(plan) as other:
        with one.graph.as_default():
            zero = tf.assign(one["m"].variables[1], [0.0, 0.0])
        one.session.run(zero)
        assert not one.check().ok
        assert other.check().ok


def test_many_threads_may_restore_one_plan(kind, tmp_path):
    models = [
        linear_model(kind, name, tmp_path, seed) for seed, name in enumerate("ab")
    ]
    plan = lr.plan(models)
    found = []

    def restore():
        with lr.restore(plan) as restored:
            found.append((restored.check().ok, values_in(restored, "b")))

    threads = [threading.Thread(target=restore) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for is_ok, values in found:
        assert is_ok
        assert_same(values, linear_values(1))
    reads = [one for one in plan.graph.get_operations() if one.type == "RestoreV2"]
    assert len(reads) == 2


def test_a_device_that_is_not_there_by_soft_placement(kind, tmp_path):
    def build():
        with tf.device("/device:GPU:7"):
            return tf.identity(tf.get_variable("w", [2]))

    values = {"w": numbers([2])}
    model = lr.Model("m", of_kind(kind, build), write(tmp_path / "m", values))
    config = tf.ConfigProto(allow_soft_placement=True)
    with lr.restore([model], config=config) as restored:
        assert_same(values_in(restored, "m"), values)


def test_values_never_enter_the_graph(kind, tmp_path):
    values = {"w": numbers([1024, 1024])}  # 4 MB
    model = lr.Model(
        "m", variables(kind, {"w": [1024, 1024]}), write(tmp_path / "m", values)
    )
    with lr.restore([model]) as restored:
        assert restored.graph.as_graph_def().ByteSize() < 100_000
        assert_same(values_in(restored, "m"), values)


def test_the_graph_is_not_finalised(kind, tmp_path):
    with lr.restore([linear_model(kind, "m", tmp_path)]) as restored:
        with restored.graph.as_default():
            doubled = restored["m"].outputs["y"] * 2.0
        found = restored.session.run(doubled, {restored["m"].inputs["x"]: X})
        np.testing.assert_allclose(found, 2 * apply(linear_values(), X), rtol=1e-5)


def test_the_configuration_reaches_the_session(kind, tmp_path):
    config = tf.ConfigProto(intra_op_parallelism_threads=3, device_count={"CPU": 2})
    with lr.restore([linear_model(kind, "m", tmp_path)], config=config) as restored:
        assert restored.session._config.intra_op_parallelism_threads == 3
        names = [one.name for one in restored.session.list_devices()]
        assert len([name for name in names if "device:CPU:" in name]) == 2


def test_without_a_configuration_the_session_has_the_default_options(kind, tmp_path):
    restored = lr.restore([linear_model(kind, "m", tmp_path)])
    with restored, tf.Session(graph=tf.Graph()) as plain:
        assert restored.session._config == plain._config


# What a restore tells.


def test_restored_models_are_a_mapping_by_name(kind, tmp_path):
    models = [linear_model(kind, name, tmp_path) for name in ("b", "a")]
    with lr.restore(models) as restored:
        assert list(restored) == ["b", "a"]
        assert len(restored) == 2
        assert "a" in restored
        assert "c" not in restored
        with pytest.raises(KeyError):
            restored["c"]


def test_a_restored_model_knows_its_parts(kind, tmp_path):
    with lr.restore([linear_model(kind, "m", tmp_path, scope="s")]) as restored:
        model = restored["m"]
        assert (model.name, model.scope) == ("m", "s")
        assert list(model.inputs) == ["x"]
        assert model.inputs["x"].op.name == "s/x"
        assert [one.op.name for one in model.variables] == [
            "s/dense/kernel",
            "s/dense/bias",
        ]
        assert model.required_inputs == ["x"]
        assert repr(model) == "<RestoredModel 'm': 2 variables>"


def test_variables_are_of_the_kind_that_the_builder_asked_for(kind, tmp_path):
    with lr.restore([linear_model(kind, "m", tmp_path)]) as restored:
        types = {one.op.type for one in restored["m"].variables}
        kinds = {row.variable.kind for row in restored.plan.rows}
    assert types == {"VarHandleOp" if kind == "resource" else "VariableV2"}
    assert kinds == {kind}


def test_the_report_counts_what_was_read(kind, tmp_path):
    models = [linear_model(kind, name, tmp_path) for name in "ab"]
    with lr.restore(models) as restored:
        report = restored.report
        assert (report.coverage.variables, report.coverage.restored_variables) == (4, 4)
        assert report.coverage.parameters == 2 * 8
        assert report.models["a"].nbytes == 4 * 8
        assert report.seconds_restoring >= 0
        assert report.seconds_planning >= 0
        found = report.to_json()
        assert [one["name"] for one in found["models"]] == ["a", "b"]
        assert found["models"][0]["nbytes"] == 32
        assert set(found) == {
            "check",
            "coverage",
            "seconds_planning",
            "seconds_restoring",
            "models",
            "findings",
        }
        text = str(report)
        assert "restored 4 of 4 variables, 16 of 16 parameters (100 %)" in text
        assert models[0].checkpoint in text


def test_the_plan_of_a_restore_can_be_asked_for_every_row(kind, tmp_path):
    with lr.restore([linear_model(kind, "m", tmp_path)]) as restored:
        rows = restored.plan["m"].rows
        assert [row.action for row in rows] == [Action.RESTORE, Action.RESTORE]
        assert [row.key for row in rows] == ["dense/kernel", "dense/bias"]
        assert restored.plan.to_json()["ok"] is True


def test_the_saver_of_a_model_has_the_checkpoints_own_keys(kind, tmp_path):
    prefix = write(tmp_path / "m", under("old/", linear_values()))
    with lr.restore([lr.Model("m", linear(kind), prefix)]) as restored:
        saver = restored["m"].saver
        assert isinstance(saver, tf.train.Saver)
        with restored.graph.as_default():
            count = len(restored.graph.get_operations())
            saved = saver.save(
                restored.session, str(tmp_path / "again"), write_meta_graph=False
            )
            other = write(tmp_path / "other", under("old/", linear_values(5)))
            saver.restore(restored.session, other)
            assert len(restored.graph.get_operations()) == count
        with lr.open_checkpoint(saved) as checkpoint:
            found = {key: checkpoint[key] for key in checkpoint}
        assert_same(found, under("old/", linear_values()))
        assert_same(values_in(restored, "m"), linear_values(5))


def test_a_model_that_restores_nothing_has_no_saver(kind, tmp_path):
    prefix = write(tmp_path / "m", {"global_step": np.int64(1)})
    model = lr.Model("m", linear(kind), prefix, allow_missing=[".*"])
    with lr.restore([model]) as restored:
        assert restored["m"].saver is None
        assert restored["m"](x=X)["y"].shape == (4, 2)
        assert restored.report.coverage.restored_variables == 0


def test_all_dtypes_that_variables_can_have(kind, tmp_path):
    values = {
        "bool": np.array([True, False]),
        "int8": np.array([-128, 127], np.int8),
        "uint8": np.array([0, 255], np.uint8),
        "int16": np.array([-(2**15)], np.int16),
        "int32": np.array([2**31 - 1], np.int32),
        "int64": np.array([-(2**63)], np.int64),
        "float16": np.array([1.5, np.nan, np.inf], np.float16),
        "float32": np.array([-0.0, np.nan, np.inf, 1e-45], np.float32),
        "float64": np.array([5e-324, np.nan]),
        "complex64": np.array([1 + 2j], np.complex64),
        "bfloat16": np.array([1.5, -2.0]).astype(tf.bfloat16.as_numpy_dtype),
        "string": np.array([[b"", b"a\0b"], [b"\xff", "ä".encode()]], object),
        "scalar_string": np.array(b"text", object),
    }

    def build():
        return [
            tf.identity(
                tf.get_variable(
                    name,
                    one.shape,
                    dtype_name(name),
                    tf.zeros_initializer(),
                )
            )
            for name, one in values.items()
        ]

    def dtype_name(name):
        return tf.as_dtype(name.replace("scalar_", ""))

    model = lr.Model("m", of_kind(kind, build), write(tmp_path / "m", values))
    with lr.restore([model]) as restored:
        found = restored.session.run({v.op.name: v for v in restored["m"].variables})
        for name, value in values.items():
            if value.dtype == object:
                same = np.array(found["m/" + name], object)
                assert same.tolist() == value.tolist(), name
            else:
                assert found["m/" + name].dtype == value.dtype, name
                assert found["m/" + name].tobytes() == value.tobytes(), name
        report = restored.check()
        assert report.ok
        assert {row.status.value for row in report.rows} == {"equal"}


def test_the_report_tells_where_values_came_from(kind, tmp_path):
    prefix = write(tmp_path / "m", {f"old/{k}": v for k, v in linear_values().items()})
    with lr.restore([lr.Model("m", linear(kind), prefix)]) as restored:
        assert "matched under another scope" in str(restored.report)


@pytest.mark.parametrize("train", [None, "train"])
def test_slots_repeat_the_scope_of_their_checkpoint_too(kind, tmp_path, train):
    """A training graph under one scope, saved, restored under another."""

    def build():
        w = tf.get_variable("dense/w", [2])
        with contextlib.ExitStack() as stack:
            if train:
                stack.enter_context(tf.variable_scope(train))
            tf.train.MomentumOptimizer(0.1, 0.9).minimize(tf.reduce_sum(w))
        return w + 0.0

    build = of_kind(kind, build)
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.variable_scope("x/y"):
            build()
        session.run(tf.global_variables_initializer())
        prefix = tf.train.Saver().save(session, str(tmp_path / "m"))
        saved = session.run({v.op.name: v for v in tf.global_variables()})
    with lr.restore([lr.Model("other", build, prefix)]) as restored:
        assert restored.check().ok
        found = [row.key for row in restored.plan.rows]
        assert sorted(found) == sorted(saved)
        assert only(restored.plan.findings, "matched-under-prefix").subject == "x/y/"
