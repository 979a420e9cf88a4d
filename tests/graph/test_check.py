"""Proving that variables still equal their checkpoints."""

import importlib
import shutil

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.checkpoint import Checkpoint
from legacy_restore.graph.check import check_session
from legacy_restore.report.check_report import CheckStatus
from legacy_restore.tf import tf
from tests.graph.helpers import (
    linear_model,
    numbers,
    of_kind,
    only,
    values_of,
    variables,
    write,
)


def statuses(report):
    return {row.variable: row.status for row in report.rows}


def run(restored, make):
    """Runs what a function of the graph gives."""
    with restored.graph.as_default():
        operation = make()
    restored.session.run(operation)


def assign(restored, variable, value):
    """Gives a variable another value."""
    run(restored, lambda: tf.assign(variable, value))


def test_all_are_equal_after_a_restore(kind, tmp_path):
    models = [
        linear_model(kind, name, tmp_path, seed) for seed, name in enumerate("ab")
    ]
    with lr.restore(models) as restored:
        report = restored.check()
        assert report.ok
        report.raise_if_failed()
        assert statuses(report) == {
            f"{name}/dense/{part}": CheckStatus.EQUAL
            for name in "ab"
            for part in ("kernel", "bias")
        }
        assert [row.key for row in report.rows] == ["dense/kernel", "dense/bias"] * 2
        assert [row.model for row in report.rows] == ["a", "a", "b", "b"]


def test_every_variable_that_was_initialised_again_is_named(kind, tmp_path):
    models = [
        linear_model(kind, name, tmp_path, seed) for seed, name in enumerate("ab")
    ]
    with lr.restore(models) as restored:
        run(restored, tf.global_variables_initializer)
        report = restored.check()
        assert not report.ok
        with pytest.raises(errors.CheckError) as caught:
            report.raise_if_failed()
        assert [one.subject for one in caught.value.findings] == [
            "a/dense/kernel",
            "a/dense/bias",
            "b/dense/kernel",
            "b/dense/bias",
        ]
        assert {one.id for one in caught.value.findings} == {"variable-changed"}
        assert len(str(caught.value).splitlines()) <= 15


def test_the_one_variable_that_was_assigned_is_named(kind, tmp_path):
    models = [linear_model(kind, name, tmp_path) for name in "ab"]
    with lr.restore(models) as restored:
        assign(restored, restored["b"].variables[1], numbers([2], 77))
        changed = restored.check().with_status(CheckStatus.CHANGED)
        assert [(row.model, row.variable) for row in changed] == [("b", "b/dense/bias")]


def test_a_variable_that_gets_its_value_back_is_equal_again(kind, tmp_path):
    with lr.restore([linear_model(kind, "m", tmp_path)]) as restored:
        bias = restored["m"].variables[1]
        before = restored.session.run(bias)
        assign(restored, bias, before + np.float32(1))
        assert not restored.check().ok
        assign(restored, bias, before)
        assert restored.check().ok


def test_the_last_bit_counts(kind, tmp_path):
    values = {"w": np.array([1.0, 0.0], np.float32)}
    model = lr.Model("m", variables(kind, {"w": [2]}), write(tmp_path / "m", values))
    with lr.restore([model]) as restored:
        [w] = restored["m"].variables
        for other in ([1.0 + 2.0**-23, 0.0], [1.0, -0.0]):
            assign(restored, w, np.array(other, np.float32))
            assert not restored.check().ok


DTYPES = {
    "bool": (np.array([True, False]), np.array([True, True])),
    "int8": (np.array([1, -1], np.int8), np.array([1, 1], np.int8)),
    "int32": (np.array([1, 2], np.int32), np.array([2, 1], np.int32)),
    "int64": (np.array([2**40]), np.array([2**41])),
    "float16": (np.array([1.5, 2.0], np.float16), np.array([1.5, 2.5], np.float16)),
    "float64": (np.array([1.5]), np.array([1.0])),
    "bfloat16": (
        np.array([1.5, 2]).astype(tf.bfloat16.as_numpy_dtype),
        np.array([1.5, 3]).astype(tf.bfloat16.as_numpy_dtype),
    ),
    "string": (
        np.array([b"a", b"bc\0"], object),
        np.array([b"ab", b"c\0"], object),
    ),
    "scalar string": (np.array(b"a\0", object), np.array(b"a", object)),
    "scalar": (np.array(1.5, np.float32), np.array(2.5, np.float32)),
}


@pytest.mark.parametrize("case", sorted(DTYPES))
def test_values_of_every_dtype_are_proved_and_changes_found(kind, tmp_path, case):
    value, other = DTYPES[case]
    dtype = tf.string if value.dtype == object else tf.as_dtype(value.dtype)

    def build():
        w = tf.get_variable("w", value.shape, dtype, tf.zeros_initializer())
        fed = tf.placeholder(dtype, value.shape, "fed")
        return tf.assign(w, fed).op

    model = lr.Model("m", of_kind(kind, build), write(tmp_path / "m", {"w": value}))
    with lr.restore([model]) as restored:
        assert statuses(restored.check()) == {"m/w": CheckStatus.EQUAL}
        assign, fed = restored["m"].outputs, restored["m"].inputs["fed"]
        restored.session.run(assign, {fed: other})
        assert statuses(restored.check()) == {"m/w": CheckStatus.CHANGED}
        restored.session.run(assign, {fed: value})
        assert statuses(restored.check()) == {"m/w": CheckStatus.EQUAL}


@pytest.mark.parametrize("shape", [[], [0], [3, 0, 2], [1, 1, 1]])
def test_values_of_every_shape_are_proved(kind, tmp_path, shape):
    values = {"w": numbers(shape)}
    model = lr.Model("m", variables(kind, {"w": shape}), write(tmp_path / "m", values))
    with lr.restore([model]) as restored:
        assert statuses(restored.check()) == {"m/w": CheckStatus.EQUAL}


def test_a_variable_with_another_shape_has_changed(kind, tmp_path):
    def build():
        start = tf.placeholder_with_default(np.zeros([1, 1], np.float32), [None, None])
        w = tf.Variable(start, name="w", validate_shape=False)
        return tf.assign(w, tf.zeros([3, 2]), validate_shape=False).op

    values = {"w": np.zeros([2, 3], np.float32)}
    model = lr.Model("m", of_kind(kind, build), write(tmp_path / "m", values))
    with lr.restore([model]) as restored:
        assert restored.check().ok
        restored.session.run(restored["m"].outputs)
        assert restored.session.run(restored["m"].variables[0]).shape == (3, 2)
        assert statuses(restored.check()) == {"m/w": CheckStatus.CHANGED}


def test_variables_that_the_plan_leaves_are_initialised(kind, tmp_path):
    def build():
        w = tf.get_variable("w", [2])
        tf.get_local_variable("total", [2])
        return w + tf.get_variable("head", [2])

    model = lr.Model(
        "m",
        of_kind(kind, build),
        write(tmp_path / "m", {"w": numbers([2])}),
        allow_missing=["head"],
    )
    with lr.restore([model]) as restored:
        report = restored.check()
        assert report.ok
        assert statuses(report) == {
            "m/w": CheckStatus.EQUAL,
            "m/total": CheckStatus.INITIALIZED,
            "m/head": CheckStatus.INITIALIZED,
        }


def test_a_variable_without_a_value_has_changed(kind, tmp_path):
    models = [linear_model(kind, name, tmp_path) for name in "ab"]
    with lr.restore(models) as restored, tf.Session(graph=restored.graph) as session:
        bias = restored["b"].variables[1]
        with restored.graph.as_default():
            fed = tf.placeholder(tf.float32, [2])
            restore_one = tf.assign(bias, fed)
        session.run(restore_one, {fed: restored.session.run(bias)})
        report = check_session(session, restored.plan)
        changed = report.with_status(CheckStatus.CHANGED)
        assert [row.variable for row in changed] == [
            "a/dense/kernel",
            "a/dense/bias",
            "b/dense/kernel",
        ]
        assert all(row.reason for row in changed)
        [equal] = report.with_status(CheckStatus.EQUAL)
        assert equal.variable == "b/dense/bias"


def partitioned(tmp_path, whole):
    """Writes a checkpoint that holds one variable in three parts."""
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.variable_scope("", partitioner=tf.fixed_size_partitioner(3)):
            parts = tf.get_variable("w", [6, 2], use_resource=False)
        for number, part in enumerate(parts):
            session.run(tf.assign(part, whole[2 * number : 2 * number + 2]))
        return tf.train.Saver([parts]).save(session, str(tmp_path / "parts" / "m"))


def test_what_the_file_holds_in_parts_is_proved_without_its_files(kind, tmp_path):
    whole = numbers([6, 2])
    prefix = partitioned(tmp_path, whole)
    model = lr.Model("m", variables(kind, {"w": [6, 2]}), prefix)
    with lr.restore([model]) as restored:
        shutil.rmtree(str(tmp_path / "parts"))
        assert statuses(restored.check()) == {"m/w": CheckStatus.EQUAL}
        assign(restored, restored["m"].variables[0], whole + np.float32(1))
        assert statuses(restored.check()) == {"m/w": CheckStatus.CHANGED}


@pytest.fixture
def without_checksums(monkeypatch):
    """Checkpoints whose checksums are of no use here, as those of the other order."""
    monkeypatch.setattr(Checkpoint, "has_crcs", False)


def test_what_is_read_again_is_found_from_another_directory(
    kind, tmp_path, monkeypatch, without_checksums
):
    partitioned(tmp_path, numbers([6, 2]))
    monkeypatch.chdir(tmp_path)
    model = lr.Model("m", variables(kind, {"w": [6, 2]}), "parts/m")
    with lr.restore([model]) as restored:
        monkeypatch.chdir("/")
        assert statuses(restored.check()) == {"m/w": CheckStatus.EQUAL}


def test_what_is_read_again_is_found_beside_a_directory_of_the_prefixs_name(
    kind, tmp_path, without_checksums
):
    prefix = partitioned(tmp_path, numbers([6, 2]))
    (tmp_path / "parts" / "m").mkdir()
    model = lr.Model("m", variables(kind, {"w": [6, 2]}), prefix + ".index")
    with lr.restore([model]) as restored:
        assert statuses(restored.check()) == {"m/w": CheckStatus.EQUAL}


def test_files_that_were_replaced_are_not_read_again(kind, tmp_path, without_checksums):
    model = linear_model(kind, "m", tmp_path)
    with lr.restore([model]) as restored:
        bias = restored["m"].variables[1]
        assign(restored, bias, restored.session.run(bias) + np.float32(1))
        assert statuses(restored.check())["m/dense/bias"] == CheckStatus.CHANGED
        restored["m"].save(model.checkpoint, overwrite=True)
        rows = restored.check().rows
        assert {row.status for row in rows} == {CheckStatus.UNPROVED}
        assert all("replaced since" in row.reason for row in rows)


def test_what_has_no_checksum_is_read_again(kind, tmp_path, without_checksums):
    with lr.restore([linear_model(kind, "m", tmp_path)]) as restored:
        assert set(statuses(restored.check()).values()) == {CheckStatus.EQUAL}


def test_what_cannot_be_read_again_says_why(kind, tmp_path, without_checksums):
    with lr.restore([linear_model(kind, "m", tmp_path)]) as restored:
        shutil.rmtree(str(tmp_path / "m"))
        report = restored.check()
        assert len(report.with_status(CheckStatus.UNPROVED)) == 2
        assert all(row.reason for row in report.rows)
        assert report.ok


def test_a_whole_tensor_is_proved_without_its_files(kind, tmp_path):
    with lr.restore([linear_model(kind, "m", tmp_path)]) as restored:
        shutil.rmtree(str(tmp_path / "m"))
        assert set(statuses(restored.check()).values()) == {CheckStatus.EQUAL}


def test_many_variables_are_checked_in_batches(kind, tmp_path, monkeypatch):
    shapes = {f"v{number}": [10] for number in range(9)}
    monkeypatch.setattr("legacy_restore.graph.check._BATCH_BYTES", 100)
    model = lr.Model(
        "m", variables(kind, shapes), write(tmp_path / "m", values_of(shapes))
    )
    with lr.restore([model]) as restored:
        assert set(statuses(restored.check())) == {f"m/{name}" for name in shapes}
        assert restored.check().ok
        assign(restored, restored["m"].variables[4], np.zeros(10, np.float32))
        [row] = restored.check().with_status(CheckStatus.CHANGED)
        assert row.variable == "m/v4"


def test_a_check_adds_no_operation(kind, tmp_path):
    with lr.restore([linear_model(kind, "m", tmp_path)]) as restored:
        restored.check()
        count = len(restored.graph.get_operations())
        restored.check()
        assert len(restored.graph.get_operations()) == count
        restored.graph.finalize()
        assert restored.check().ok


def test_a_check_after_close_is_refused(kind, tmp_path):
    restored = lr.restore([linear_model(kind, "m", tmp_path)])
    restored.close()
    with pytest.raises(errors.ClosedError):
        restored.check()


def test_a_restore_proves_itself_if_asked_to(kind, tmp_path):
    model = linear_model(kind, "m", tmp_path)
    with lr.restore([model], verify="session") as restored:
        check = restored.report.check
        assert [row.status.value for row in check.rows] == ["equal", "equal"]
        assert restored.report.to_json()["check"] == check.to_json()
        assert "checked 2 variables: 2 equal" in str(restored.report)
    with lr.restore([model]) as restored:
        assert restored.report.check is None


def test_a_restore_that_cannot_prove_itself_is_refused(
    kind, tmp_path, refused, monkeypatch
):
    model = linear_model(kind, "m", tmp_path)
    restore_module = importlib.import_module("legacy_restore.graph.restore")
    initialize = restore_module._initialize_rest

    def initialize_all(session, plan):
        remarks = initialize(session, plan)
        variable = plan.built["m"].variables["m/dense/kernel"].parts[0]
        session.run(variable.initializer)
        return remarks

    monkeypatch.setattr(restore_module, "_initialize_rest", initialize_all)
    error = refused(
        [model], error=errors.CheckError, sessions_opened=1, verify="session"
    )
    assert only(error.findings, "variable-changed").subject == "m/dense/kernel"


def test_a_way_to_verify_that_does_not_exist(tmp_path, refused):
    model = linear_model("ref", "m", tmp_path)
    error = refused([model], error=errors.UsageError, verify="none")
    assert '"read" or "session"' in str(error)
