"""What is refused, and that nothing is changed when it is.

The fixture ``refused`` shows for each refusal that no session was opened (or left), no
temporary file, and no operation in the caller's graph.
"""

import dataclasses
import importlib
import os
import sys

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf
from tests.graph.helpers import (
    LINEAR,
    damage,
    data_file,
    flip,
    ids,
    linear,
    linear_model,
    linear_values,
    numbers,
    of_id,
    of_kind,
    only,
    values_of,
    variables,
    write,
    write_v1,
)

restore_module = importlib.import_module("legacy_restore.graph.restore")


def files_of(directory):
    """The contents of all files below a directory."""
    return {
        str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


# What does not fit.


def test_a_missing_key(kind, tmp_path, refused):
    prefix = write(tmp_path / "m", {"dense/kernel": numbers([3, 2])})
    error = refused([lr.Model("m", linear(kind), prefix)])
    assert ids(error.findings) == ["missing-key"]
    finding = only(error.findings, "missing-key")
    assert finding.model == "m"
    assert finding.subject == "m/dense/bias"
    assert finding.expected == "float32[2]"
    assert finding.waiver == ("allow_missing", "dense/bias")
    assert error.exit_code == 1


def test_left_weights(kind, tmp_path, refused):
    values = dict(linear_values(), **{"logits/kernel": numbers([2, 5])})
    prefix = write(tmp_path / "m", values)
    error = refused([lr.Model("m", linear(kind), prefix)])
    assert ids(error.findings) == ["unused-weights"]
    finding = only(error.findings, "unused-weights")
    assert (finding.subject, finding.found) == ("logits/kernel", "float32[2,5]")


def test_another_shape(kind, tmp_path, refused):
    prefix = write(tmp_path / "m", linear_values())
    error = refused([lr.Model("m", linear(kind, outputs=5), prefix)])
    assert ids(error.findings) == ["shape-mismatch", "shape-mismatch"]
    found = {one.subject: (one.expected, one.found) for one in error.findings}
    assert found == {
        "m/dense/kernel": ("float32[3,5]", "float32[3,2]"),
        "m/dense/bias": ("float32[5]", "float32[2]"),
    }


def test_a_transposed_kernel(kind, tmp_path, refused):
    prefix = write(tmp_path / "m", {"w": numbers([2, 3])})
    error = refused([lr.Model("m", variables(kind, {"w": [3, 2]}), prefix)])
    assert ids(error.findings) == ["shape-mismatch"]


@pytest.mark.parametrize("dtype", [tf.float64, tf.float16, tf.int32])
def test_another_dtype(kind, tmp_path, refused, dtype):
    prefix = write(tmp_path / "m", {"w": numbers([2])})
    error = refused([lr.Model("m", variables(kind, {"w": [2]}, dtype), prefix)])
    finding = only(error.findings, "dtype-mismatch")
    assert (finding.subject, finding.found) == ("m/w", "float32[2]")
    assert finding.expected == f"{dtype.name}[2]"


def test_batch_norm_statistics_that_were_not_saved(kind, tmp_path, refused):
    shapes = {f"bn/{name}": [4] for name in ("beta", "moving_mean", "moving_variance")}
    prefix = write(tmp_path / "m", {"bn/beta": numbers([4])})
    error = refused([lr.Model("m", variables(kind, shapes), prefix)])
    assert [one.subject for one in of_id(error.findings, "missing-key")] == [
        "m/bn/moving_mean",
        "m/bn/moving_variance",
    ]


def test_statistics_that_are_not_trainable_are_the_models_too(kind, tmp_path, refused):
    def build():
        w = tf.get_variable("w", [2])
        mean = tf.get_variable("mean", [2], trainable=False)
        hidden = tf.get_variable("hidden", [2], trainable=False, collections=[])
        return w + mean + hidden

    prefix = write(tmp_path / "m", {"w": numbers([2])})
    error = refused([lr.Model("m", of_kind(kind, build), prefix)])
    missing = {one.subject for one in of_id(error.findings, "missing-key")}
    assert missing == {"m/mean", "m/hidden"}


# Models that are exchanged.


def test_swapped_checkpoints_of_different_models(kind, tmp_path, refused):
    shapes = {"conv/w": [3, 3], "conv/b": [3]}
    of_linear = write(tmp_path / "linear" / "m", linear_values())
    of_conv = write(tmp_path / "conv" / "m", values_of(shapes))
    error = refused(
        [
            lr.Model("linear", linear(kind), of_conv),
            lr.Model("conv", variables(kind, shapes), of_linear),
        ]
    )
    hints = {one.model: one.hint for one in error.findings if one.hint}
    assert set(hints) == {"linear", "conv"}
    assert "'conv'" in hints["linear"] and "swapped" in hints["linear"]
    assert "'linear'" in hints["conv"] and "swapped" in hints["conv"]


def test_swapped_checkpoints_of_two_copies_of_a_model(kind, tmp_path, refused):
    prefixes = {
        name: write(
            tmp_path / name / "m",
            {f"{name}/{key}": value for key, value in linear_values().items()},
        )
        for name in ("left", "right")
    }
    error = refused(
        [
            lr.Model("left", linear(kind), prefixes["right"]),
            lr.Model("right", linear(kind), prefixes["left"]),
        ]
    )
    assert ids(error.findings) == ["foreign-prefix", "foreign-prefix"]
    found = {one.model: one.subject for one in of_id(error.findings, "foreign-prefix")}
    assert found == {"left": "right/", "right": "left/"}


# Damaged files.


def test_a_truncated_data_file(kind, tmp_path, refused):
    model = linear_model(kind, "m", tmp_path)
    path = data_file(model.checkpoint)
    os.truncate(path, os.path.getsize(path) - 1)
    error = refused([model])
    finding = only(error.findings, "shard-truncated")
    assert finding.subject == path
    assert finding.model == "m"
    assert finding.expected == "32 bytes"
    assert finding.found == "31 bytes"
    assert error.exit_code == 3


def test_a_missing_data_file(kind, tmp_path, refused):
    model = linear_model(kind, "m", tmp_path)
    os.remove(data_file(model.checkpoint))
    error = refused([model])
    finding = only(error.findings, "shard-missing")
    assert finding.subject == data_file(model.checkpoint)
    assert error.exit_code == 3


def test_a_flipped_byte_in_the_data(kind, tmp_path, refused):
    model = linear_model(kind, "m", tmp_path)
    damage(model.checkpoint, "dense/kernel")
    error = refused([model], sessions_opened=1)
    assert ids(error.findings) == ["tensor-corrupt"]
    finding = only(error.findings, "tensor-corrupt")
    assert (finding.model, finding.subject) == ("m", "dense/kernel")
    assert isinstance(error.__cause__, tf.errors.OpError)
    assert error.exit_code == 3


def test_flipped_bytes_in_several_tensors_are_all_named(kind, tmp_path, refused):
    models = [linear_model(kind, name, tmp_path) for name in "abc"]
    damage(models[0].checkpoint, "dense/bias")
    damage(models[2].checkpoint, "dense/kernel")
    damage(models[2].checkpoint, "dense/bias")
    error = refused(models, sessions_opened=1)
    found = [(one.model, one.subject) for one in error.findings]
    assert sorted(found) == [
        ("a", "dense/bias"),
        ("c", "dense/bias"),
        ("c", "dense/kernel"),
    ]


def test_a_flipped_byte_in_a_tensor_that_is_not_restored_is_no_matter(kind, tmp_path):
    values = dict(linear_values(), **{"dense/bias/Adam": numbers([2])})
    prefix = write(tmp_path / "m", values)
    damage(prefix, "dense/bias/Adam")
    with lr.restore([lr.Model("m", linear(kind), prefix)]) as restored:
        assert restored.check().ok


def test_a_flipped_byte_is_named_although_a_directory_has_the_prefix_as_its_name(
    kind, tmp_path, refused
):
    prefix = write(tmp_path / "run", linear_values())
    os.mkdir(prefix)
    damage(prefix, "dense/bias")
    model = lr.Model("m", linear(kind), prefix + ".index")
    error = refused([model], sessions_opened=1)
    assert only(error.findings, "tensor-corrupt").subject == "dense/bias"


@pytest.mark.parametrize("offset", [0, 20, -60, -1])
def test_a_flipped_byte_in_the_index(kind, tmp_path, refused, offset):
    model = linear_model(kind, "m", tmp_path)
    path = model.checkpoint + ".index"
    flip(path, offset % os.path.getsize(path))
    error = refused([model])
    [finding] = error.findings
    assert finding.is_input_fault
    assert finding.model == "m"
    assert error.exit_code == 3


def test_a_missing_index(kind, tmp_path, refused):
    model = linear_model(kind, "m", tmp_path)
    os.remove(model.checkpoint + ".index")
    error = refused([model])
    assert ids(error.findings) == ["location-not-found"]
    assert error.exit_code == 3


def test_an_unknown_location(kind, tmp_path, refused):
    error = refused([lr.Model("m", linear(kind), tmp_path / "no" / "such")])
    finding = only(error.findings, "location-not-found")
    assert finding.model == "m"
    assert finding.subject == str(tmp_path / "no" / "such")
    assert error.exit_code == 3


def test_a_file_of_the_first_format_that_was_cut(kind, tmp_path, refused):
    prefix = write_v1(tmp_path / "m", {"w": numbers([2])})
    with open(prefix, "r+b") as file:
        file.truncate(os.path.getsize(prefix) - 1)
    error = refused([lr.Model("m", variables(kind, {"w": [2]}), prefix)])
    assert ids(error.findings) == ["unsupported"]
    assert error.exit_code == 3


def test_files_that_changed_between_plan_and_restore(kind, tmp_path, refused):
    model = linear_model(kind, "m", tmp_path)
    plan = lr.plan([model])
    write(model.checkpoint, dict(linear_values(), more=numbers([1])))
    error = refused(plan)
    assert set(ids(error.findings)) == {"checkpoint-changed"}
    changed = {one.subject for one in error.findings}
    assert changed == {model.checkpoint + ".index", data_file(model.checkpoint)}


def test_a_file_that_was_replaced_by_one_of_its_size_and_time(kind, tmp_path, refused):
    model = linear_model(kind, "m", tmp_path)
    other = linear_model(kind, "other", tmp_path, seed=5)
    path = data_file(model.checkpoint)
    plan = lr.plan([model])
    status = os.stat(path)
    os.utime(data_file(other.checkpoint), ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace(data_file(other.checkpoint), path)
    assert only(refused(plan).findings, "checkpoint-changed").subject == path


def test_files_that_went_between_plan_and_restore(kind, tmp_path, refused):
    model = linear_model(kind, "m", tmp_path)
    plan = lr.plan([model])
    os.remove(data_file(model.checkpoint))
    error = refused(plan)
    finding = only(error.findings, "checkpoint-changed")
    assert finding.subject == data_file(model.checkpoint)


def test_a_plan_with_faults_is_made_and_refused_when_restored(kind, tmp_path, refused):
    plan = lr.plan([lr.Model("m", linear(kind), tmp_path / "none")])
    assert not plan.ok
    error = refused(plan)
    assert error.findings == plan.findings


# Scopes and variables.


@pytest.mark.parametrize(
    "scopes",
    [
        ("a", "a"),
        ("a", "A"),
        ("a", "a/b"),
        ("a/b/c", "a"),
        ("Net", "net/sub"),
    ],
)
def test_a_scope_in_use(kind, tmp_path, refused, scopes):
    prefix = write(tmp_path / "m", linear_values())
    models = [
        lr.Model(f"model_{number}", linear(kind), prefix, scope=scope)
        for number, scope in enumerate(scopes)
    ]
    error = refused(models, errors.UsageError)
    assert ids(error.findings) == ["scope-in-use"]
    assert error.exit_code == 2
    assert isinstance(error, ValueError)


@pytest.mark.parametrize("scopes", [("a", "ab"), ("a/b", "a/c"), ("m_1", "m_10")])
def test_scopes_that_are_apart_although_they_begin_alike(kind, tmp_path, scopes):
    prefix = write(tmp_path / "m", linear_values())
    models = [
        lr.Model(f"model_{number}", linear(kind), prefix, scope=scope)
        for number, scope in enumerate(scopes)
    ]
    with lr.restore(models) as restored:
        assert restored.check().ok
        assert len(restored.report.plan.rows) == 4


def test_two_models_of_one_name(kind, tmp_path, refused):
    prefix = write(tmp_path / "m", linear_values())
    models = [lr.Model("m", linear(kind), prefix, scope=scope) for scope in "ab"]
    refused(models, errors.UsageError)


def test_a_scope_that_the_builder_of_another_model_has_used(kind, tmp_path, refused):
    def build_elsewhere():
        with tf.name_scope(None), tf.name_scope("b"):
            return tf.constant(1.0) + linear(kind)()["y"]

    prefix = write(tmp_path / "m", linear_values())
    models = [
        lr.Model("a", build_elsewhere, prefix),
        lr.Model("b", linear(kind), prefix),
    ]
    error = refused(models, errors.BuildError)
    finding = only(error.findings, "scope-in-use")
    assert (finding.model, finding.subject) == ("b", "b")


def test_two_models_that_claim_one_variable(kind, tmp_path, refused):
    scopes = []

    def build_first():
        with tf.variable_scope("net") as scope:
            scopes.append(scope)
            return tf.identity(tf.get_variable("w", [2]))

    def build_second():
        with tf.variable_scope(scopes[0], reuse=True):
            return tf.identity(tf.get_variable("w", [2]))

    prefix = write(tmp_path / "m", {"net/w": numbers([2])})
    error = refused(
        [
            lr.Model("first", of_kind(kind, build_first), prefix),
            lr.Model("second", of_kind(kind, build_second), prefix),
        ]
    )
    finding = only(error.findings, "variable-claimed")
    assert (finding.model, finding.subject) == ("second", "first/net/w")
    assert "'first'" in finding.message


def test_a_variable_object_that_two_builders_share(kind, tmp_path, refused):
    kept = []

    def build():
        if not kept:
            kept.append(tf.get_variable("w", [2]))
        return kept[0] * 2.0

    prefix = write(tmp_path / "m", {"w": numbers([2])})
    models = [lr.Model(name, of_kind(kind, build), prefix) for name in "ab"]
    error = refused(models)
    assert only(error.findings, "variable-claimed").model == "b"


def test_a_variable_that_no_object_stands_for(tmp_path, refused):
    def build():
        return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[2], shared_name="w")

    prefix = write(tmp_path / "m", {"w": numbers([2])})
    error = refused([lr.Model("m", build, prefix)])
    assert "variable-without-object" in ids(error.findings)


# Rules and waivers.


def test_a_rule_that_matches_nothing(kind, tmp_path, refused):
    model = linear_model(kind, "m", tmp_path, rules=[lr.Rename("^typo/", "")])
    error = refused([model])
    assert ids(error.findings) == ["unused-rule"]


@pytest.mark.parametrize("argument", ["allow_missing", "allow_unused"])
def test_a_waiver_that_permits_nothing(kind, tmp_path, refused, argument):
    model = linear_model(kind, "m", tmp_path, **{argument: ["typo/.*"]})
    error = refused([model])
    assert only(error.findings, "unused-waiver").subject == f"{argument}='typo/.*'"


def test_two_keys_on_one_name(kind, tmp_path, refused):
    values = {f"{one}/{key}": numbers(LINEAR[key]) for one in "xy" for key in LINEAR}
    prefix = write(tmp_path / "m", values)
    rules = [lr.Rename("^[xy]/", "")]
    error = refused([lr.Model("m", linear(kind), prefix, rules=rules)])
    subjects = {one.subject for one in of_id(error.findings, "rule-collision")}
    assert subjects == set(LINEAR)


def test_an_ambiguous_match(kind, tmp_path, refused):
    values = {f"{one}/{key}": numbers(LINEAR[key]) for one in "xy" for key in LINEAR}
    prefix = write(tmp_path / "m", values)
    error = refused([lr.Model("m", linear(kind), prefix)])
    finding = only(error.findings, "ambiguous-match")
    assert "x/dense/" in finding.message
    assert "y/dense/" in finding.message


# Builders.


def fail():
    raise KeyError("no such thing")


def test_a_builder_that_raises(kind, tmp_path, refused):
    prefix = write(tmp_path / "m", linear_values())
    error = refused([lr.Model("m", fail, prefix)], errors.BuildError)
    finding = only(error.findings, "builder-failed")
    assert finding.model == "m"
    assert finding.subject == "fail"
    assert "KeyError" in finding.message
    assert isinstance(error.__cause__, KeyError)
    assert error.exit_code == 1


def test_several_builders_that_raise_are_all_named(kind, tmp_path, refused):
    prefix = write(tmp_path / "m", linear_values())
    models = [
        lr.Model("a", fail, prefix),
        lr.Model("b", linear(kind), prefix),
        lr.Model("c", fail, prefix),
        lr.Model("d", linear(kind), tmp_path / "none"),
    ]
    error = refused(models, errors.BuildError)
    found = [(one.model, one.id) for one in error.findings]
    assert found == [
        ("a", "builder-failed"),
        ("c", "builder-failed"),
        ("d", "location-not-found"),
    ]
    assert error.exit_code == 3


# Several models.


def test_faults_of_several_models_are_all_listed_at_once(kind, tmp_path, refused):
    good = linear_model(kind, "good", tmp_path)
    torn = linear_model(kind, "torn", tmp_path)
    os.truncate(data_file(torn.checkpoint), 3)
    left = write(tmp_path / "left", dict(linear_values(), more=numbers([1])))
    error = refused(
        [
            lr.Model("lost", linear(kind), tmp_path / "none"),
            good,
            torn,
            lr.Model("left", linear(kind), left),
            lr.Model("wide", linear(kind, outputs=9), good.checkpoint),
            linear_model(kind, "waived", tmp_path, allow_missing=["typo"]),
        ]
    )
    found = {(one.model, one.id) for one in error.findings if one.is_error}
    assert found == {
        ("lost", "location-not-found"),
        ("torn", "shard-truncated"),
        ("left", "unused-weights"),
        ("wide", "shape-mismatch"),
        ("waived", "unused-waiver"),
    }
    assert error.exit_code == 3


def cut_data(prefix):
    os.truncate(data_file(prefix), 3)


def drop_data(prefix):
    os.remove(data_file(prefix))


def damage_data(prefix):
    damage(prefix, "dense/kernel")


def damage_index(prefix):
    flip(prefix + ".index", 20)


@pytest.mark.parametrize(
    "fault, opened",
    [(cut_data, 0), (drop_data, 0), (damage_index, 0), (damage_data, 1)],
)
def test_a_fault_in_the_last_of_four_models_leaves_nothing(
    kind, tmp_path, refused, fault, opened
):
    models = [
        linear_model(kind, name, tmp_path, seed) for seed, name in enumerate("abcd")
    ]
    fault(models[-1].checkpoint)
    before = files_of(tmp_path)
    error = refused(models, sessions_opened=opened)
    assert {one.model for one in error.findings} == {"d"}
    assert files_of(tmp_path) == before


def test_a_fault_behind_an_alias_leaves_no_alias(kind, tmp_path, refused):
    prefix = write(tmp_path / "run[1]" / "m", linear_values())
    damage(prefix, "dense/bias")
    error = refused([lr.Model("m", linear(kind), prefix)], sessions_opened=1)
    assert only(error.findings, "tensor-corrupt").subject == "dense/bias"


def test_an_initialiser_that_fails_leaves_no_session(kind, tmp_path, refused):
    def build():
        checked = tf.debugging.assert_greater(tf.random_uniform([]), 2.0)
        with tf.control_dependencies([checked]):
            start = tf.identity(tf.zeros([2]))
        head = tf.get_variable("head", initializer=start)
        return linear(kind)()["y"] + head

    prefix = write(tmp_path / "m", linear_values())
    model = lr.Model("m", of_kind(kind, build), prefix, allow_missing=["head"])
    error = refused([model], sessions_opened=1)
    finding = only(error.findings, "initializer-failed")
    assert "did not hold" in finding.message
    assert isinstance(error.__cause__, tf.errors.OpError)


def test_what_tensorflow_cannot_read_although_we_can(kind, tmp_path, refused):
    plan = lr.plan([linear_model(kind, "m", tmp_path)])
    run_of = plan.operations.restore_run

    def elsewhere(session):
        run = run_of(session)
        return dataclasses.replace(
            run,
            feeds=lambda prefixes: run.feeds(
                {name: str(tmp_path / "elsewhere") for name in prefixes}
            ),
        )

    plan.operations.restore_run = elsewhere
    error = refused(plan, sessions_opened=1)
    finding = only(error.findings, "restore-failed")
    assert "elsewhere" in finding.message
    # No file is at fault as far as anybody can tell: that is no input fault.
    assert not finding.is_input_fault
    assert error.exit_code == 1


def test_a_graph_that_tensorflow_cannot_place(kind, tmp_path, refused):
    def build():
        y = linear(kind)()["y"]
        with tf.device("/cpu:0"):  # Where it has no kernel.
            return tf.raw_ops.NcclAllReduce(
                input=y, reduction="sum", num_devices=1, shared_name="all"
            )

    model = lr.Model("m", build, write(tmp_path / "m", linear_values()))
    error = refused([model], sessions_opened=1)
    finding = only(error.findings, "restore-failed")
    assert "NcclAllReduce" in finding.message
    assert error.exit_code == 1
    assert "cannot be read" not in error.message


def test_an_alias_that_cannot_be_made(kind, tmp_path, refused, monkeypatch):
    def refuse(source, target):
        raise OSError(95, "no links here")

    monkeypatch.setattr(os, "symlink", refuse)
    prefix = write(tmp_path / "run[1]" / "m", linear_values())
    error = refused([lr.Model("m", linear(kind), prefix)], sessions_opened=1)
    assert "no links here" in only(error.findings, "restore-failed").message


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_interruption_leaves_no_session(kind, tmp_path, refused, monkeypatch, error):
    def interrupt(session, plan):
        raise error

    monkeypatch.setattr("legacy_restore.graph.restore._initialize_rest", interrupt)
    refused([linear_model(kind, "m", tmp_path)], error, sessions_opened=1)


# Calls that cannot be meant.


@pytest.mark.parametrize("models", [[], "models", [None], [lr], 3, None])
def test_what_is_no_list_of_models(refused, models):
    refused(models, errors.UsageError)


def test_a_model_instead_of_a_list(kind, tmp_path, refused):
    model = linear_model(kind, "m", tmp_path)
    assert refused(model, errors.UsageError).hint == "[model]"


def test_connections_belong_to_the_call_that_made_the_plan(kind, tmp_path, refused):
    plan = lr.plan([linear_model(kind, "m", tmp_path)])
    refused(plan, errors.UsageError, connect={})


@pytest.mark.parametrize("config", [{}, "cpu", 3])
def test_a_configuration_of_another_kind(kind, tmp_path, refused, config):
    model = linear_model(kind, "m", tmp_path)
    refused([model], errors.UsageError, config=config)


# Graphs that take no more operations.


def test_a_plan_whose_graph_was_finalised_before_the_first_restore(
    kind, tmp_path, refused
):
    plan = lr.plan([linear_model(kind, name, tmp_path) for name in "ab"])
    plan.graph.finalize()
    error = refused(plan)
    finding = only(error.findings, "graph-finalized")
    assert finding.subject == "a, b"
    assert "before graph.finalize()" in finding.hint
    assert error.exit_code == 1
    refused(plan)  # Again: nothing was left half done.


def test_a_finalised_graph_without_anything_to_restore(tmp_path):
    prefix = write(tmp_path / "m", {"global_step": np.int64(3)})
    plan = lr.plan([lr.Model("m", lambda: tf.constant(3.0), prefix)])
    plan.graph.finalize()
    with lr.restore(plan) as restored:
        assert restored["m"]() == 3


# Files that are replaced while they are read.


def test_files_replaced_during_the_restore(kind, tmp_path, refused, monkeypatch):
    prefix = write(tmp_path / "m", linear_values())
    read = restore_module._read_and_assign

    def read_and_replace(session, plan):
        remarks = read(session, plan)
        os.utime(data_file(prefix), (1, 1))
        return remarks

    monkeypatch.setattr(restore_module, "_read_and_assign", read_and_replace)
    models = [lr.Model("m", linear(kind), prefix)]
    error = refused(models, sessions_opened=1)
    assert ids(error.findings) == ["checkpoint-changed"]


def test_damage_in_a_dtype_that_numpy_lacks(kind, tmp_path, refused, monkeypatch):
    def build():
        return tf.cast(tf.get_variable("w", [4], tf.bfloat16), tf.float32)

    value = np.ones([4]).astype(tf.bfloat16.as_numpy_dtype)
    prefix = write(tmp_path / "m", {"w": value})
    damage(prefix, "w")
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    error = refused([lr.Model("m", of_kind(kind, build), prefix)], sessions_opened=1)
    assert only(error.findings, "tensor-corrupt").subject == "w"


# Builders that end the program, or the graph.


def test_a_builder_that_exits(kind, tmp_path, refused):
    model = linear_model(kind, "m", tmp_path)
    model.build = lambda: sys.exit(0)
    error = refused([model], errors.BuildError)
    assert isinstance(error.__cause__, SystemExit)


def test_a_builder_that_finalises_the_graph(kind, tmp_path, refused):
    def build():
        result = linear(kind)()
        tf.get_default_graph().finalize()
        return result

    prefix = write(tmp_path / "m", linear_values())
    error = refused([lr.Model("m", build, prefix)], errors.BuildError)
    assert "finalised" in only(error.findings, "builder-failed").message


def test_a_builder_with_two_outputs_of_one_path(kind, tmp_path, refused):
    def build():
        y = linear(kind)()["y"]
        return {"a/b": y, "a": {"b": y + 1.0}}

    prefix = write(tmp_path / "m", linear_values())
    error = refused([lr.Model("m", build, prefix)], errors.BuildError)
    assert "'a/b'" in only(error.findings, "builder-failed").message


def test_where_a_builder_failed_is_told(kind, tmp_path, refused):
    def build():
        raise NotImplementedError

    prefix = write(tmp_path / "m", linear_values())
    error = refused([lr.Model("m", build, prefix)], errors.BuildError)
    message = only(error.findings, "builder-failed").message
    assert message.startswith("test_refusals.py:")


def test_keys_cannot_forge_lines(kind, tmp_path, refused):
    key = "a\nready to restore: all\x1b[2J"
    values = {**linear_values(), key: np.ones([2], np.float32)}
    prefix = write(tmp_path / "m", values)
    models = [lr.Model("m", linear(kind), prefix)]
    text = str(refused(models))
    for shown in (text, str(lr.plan(models))):
        assert "\x1b" not in shown
        assert "\nready" not in shown
        assert "\\nready" in shown


# A location that is relative, and a program that moves.


def test_a_plan_outlives_a_change_of_directory(kind, tmp_path, monkeypatch):
    write(tmp_path / "runs" / "m", linear_values())
    monkeypatch.chdir(tmp_path)
    plan = lr.plan([lr.Model("m", linear(kind), "runs/m")])
    monkeypatch.chdir(tmp_path / "runs")
    with lr.restore(plan) as restored:
        assert restored.check().ok
