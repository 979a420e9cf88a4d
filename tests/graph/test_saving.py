"""Saving a model under its names without the scope."""

import os
import subprocess
import sys

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.graph import saving
from legacy_restore.tf import tf
from tests.checkpoint.v1_builders import small_v1
from tests.graph.helpers import (
    assert_same,
    damage,
    linear,
    linear_model,
    linear_values,
    of_kind,
    only,
    values_in,
    write,
)


def listing(directory):
    """All files of a directory with their contents."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def read(prefix):
    with lr.open_checkpoint(prefix) as checkpoint:
        return {key: checkpoint[key] for key in checkpoint}


@pytest.fixture
def out(tmp_path):
    directory = tmp_path / "out"
    directory.mkdir()
    return directory


def test_what_is_saved_has_no_scope_and_fits_another_one(kind, tmp_path, out):
    model = linear_model(kind, "a", tmp_path)
    with lr.restore([model]) as restored:
        before = len(restored.graph.get_operations())
        assert restored["a"].save(out / "m") == str(out / "m")
        assert len(restored.graph.get_operations()) == before
    assert sorted(listing(out)) == ["m.data-00000-of-00001", "m.index"]
    assert_same(read(out / "m"), linear_values())
    with lr.restore([lr.Model("b", linear(kind), out / "m", scope="x/y")]) as restored:
        assert_same(values_in(restored, "b"), linear_values())
        assert restored.check().ok


def test_stock_tensorflow_restores_it_in_another_process(kind, tmp_path, out):
    with lr.restore([linear_model(kind, "a", tmp_path)]) as restored:
        prefix = restored["a"].save(out / "m")
    program = """
import sys
import numpy as np
import tensorflow as tensorflow
tf = tensorflow.compat.v1
with tf.Graph().as_default(), tf.Session() as session:
    variables = {
        "dense/kernel": tf.get_variable("k", [3, 2]),
        "dense/bias": tf.get_variable("b", [2]),
    }
    tf.train.Saver(variables).restore(session, sys.argv[1])
    np.savez(sys.argv[2], **session.run(variables))
"""
    found = str(tmp_path / "found.npz")
    subprocess.run([sys.executable, "-c", program, prefix, found], check=True)
    with np.load(found) as arrays:
        assert_same({key: arrays[key] for key in arrays}, linear_values())


def test_current_values_are_saved_of_all_variables(kind, tmp_path, out):
    def build():
        outputs = linear("ref")()
        tf.get_variable("head", [2], initializer=tf.ones_initializer())
        tf.get_variable("texts", initializer=tf.constant([b"a\0", b""]))
        tf.get_local_variable("local", [1])
        return outputs

    prefix = write(tmp_path / "m", linear_values())
    model = lr.Model("m", of_kind(kind, build), prefix, allow_missing=["head", "texts"])
    with lr.restore([model]) as restored:
        with restored.graph.as_default():
            train = [
                tf.assign_add(one, one)
                for one in restored["m"].variables
                if one.dtype.base_dtype == tf.float32
            ]
        restored.session.run(train)
        restored["m"].save(out / "m")
    expected = {key: 2 * value for key, value in linear_values().items()}
    expected["head"] = np.float32([2, 2])
    expected["texts"] = np.array([b"a\0", b""], dtype=object)
    assert_same(read(out / "m"), expected)


def test_a_swapped_model_is_saved_under_its_own_names(kind, tmp_path, out):
    model = linear_model(kind, "m", tmp_path)
    values = linear_values(4)
    other = write(tmp_path / "o", {f"old/{key}": values[key] for key in values})
    with lr.restore([model]) as restored:
        restored["m"].swap(other)
        restored["m"].save(out / "m")
    assert_same(read(out / "m"), values)


def test_a_model_without_a_checkpoint_key_is_saved_too(kind, tmp_path, out):
    def build():
        return tf.get_variable("w", [2], initializer=tf.ones_initializer()) + 0.0

    prefix = write(tmp_path / "m", {"global_step": np.int64(1)})
    model = lr.Model("m", of_kind(kind, build), prefix, allow_missing=["w"])
    with lr.restore([model]) as restored:
        restored["m"].save(out / "m")
    assert_same(read(out / "m"), {"w": np.float32([1, 1])})


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_partitioned_variables_are_saved_as_slices_of_one(kind, tmp_path, out, parts):
    def build(parts):
        def build_parts():
            partitioner = tf.fixed_size_partitioner(parts, axis=0)
            with tf.variable_scope("p", partitioner=partitioner):
                w = tf.get_variable("w", [5, 2])
            with tf.variable_scope("q", partitioner=partitioner):
                tf.get_variable("v", [6], initializer=tf.ones_initializer())
            return tf.convert_to_tensor(w)

        return of_kind(kind, build_parts)

    values = {"p/w": np.arange(10, dtype=np.float32).reshape(5, 2)}
    prefix = write(tmp_path / "m", values)
    model = lr.Model("m", build(parts), prefix, allow_missing=["q/v"])
    with lr.restore([model]) as restored:
        restored["m"].save(out / "m")
    assert_same(read(out / "m"), {**values, "q/v": np.ones(6, np.float32)})
    with lr.restore([lr.Model("n", build(2), out / "m")]) as restored:
        assert restored.check().ok


def test_slots_are_saved_without_the_scope_that_they_repeat(kind, tmp_path, out):
    def build():
        w = tf.get_variable("dense/w", [2])
        tf.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(w))
        return w + 0.0

    build = of_kind(kind, build)
    with tf.Graph().as_default(), tf.Session() as session:
        build()
        session.run(tf.global_variables_initializer())
        prefix = tf.train.Saver().save(session, str(tmp_path / "m"))
    with lr.restore([lr.Model("a", build, prefix)]) as restored:
        restored["a"].save(out / "m")
    assert sorted(read(out / "m")) == sorted(read(prefix))
    with lr.restore([lr.Model("b", build, out / "m")]) as restored:
        assert restored.check().ok


def test_a_checkpoint_that_is_there_is_refused_unless_named(kind, tmp_path, out):
    with lr.restore([linear_model(kind, "m", tmp_path, seed=1)]) as restored:
        write(out / "m", linear_values(9))
        (out / "m.meta").write_bytes(b"the graph of something else")
        (out / "m2.index").write_bytes(b"something else")
        before = listing(out)
        with pytest.raises(errors.RestoreError) as caught:
            restored["m"].save(out / "m")
        finding = only(caught.value.findings, "checkpoint-exists")
        assert "overwrite=True" in finding.hint
        assert listing(out) == before
        restored["m"].save(out / "m", overwrite=True)
        assert_same(read(out / "m"), linear_values(1))
        assert sorted(listing(out)) == [
            "m.data-00000-of-00001",
            "m.index",
            "m2.index",
        ]


@pytest.mark.parametrize("place", range(1, 6))
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failure_at_any_rename_leaves_what_was_there(
    kind, tmp_path, out, monkeypatch, place, error
):
    rename = os.rename
    calls = []

    def fail(source, destination):
        calls.append(source)
        if len(calls) == place:
            raise error("no renaming here")
        rename(source, destination)

    with lr.restore([linear_model(kind, "m", tmp_path)]) as restored:
        write(out / "m", linear_values(9))
        (out / "m.meta").write_bytes(b"a graph")
        before = listing(out)
        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", fail)
            expected = errors.RestoreError if error is OSError else error
            with pytest.raises(expected):
                restored["m"].save(out / "m", overwrite=True)
        assert listing(out) == before
        restored["m"].save(out / "m", overwrite=True)
        assert_same(read(out / "m"), linear_values(0))


def test_what_cannot_be_read_back_does_not_take_its_name(
    kind, tmp_path, out, monkeypatch
):
    move = saving._verify

    def damage_and_verify(prefix, writer):
        damage(prefix, "dense/kernel")
        move(prefix, writer)

    monkeypatch.setattr(saving, "_verify", damage_and_verify)
    with lr.restore([linear_model(kind, "m", tmp_path)]) as restored:
        with pytest.raises(errors.RestoreError) as caught:
            restored["m"].save(out / "m")
        assert only(caught.value.findings, "save-failed")
        assert listing(out) == {}


def test_prefixes_that_cannot_be_meant(kind, tmp_path, out):
    with lr.restore([linear_model(kind, "m", tmp_path)]) as restored:
        for prefix in (None, 3, "", f"{out}/", out, out / "no" / "m"):
            with pytest.raises(errors.UsageError):
                restored["m"].save(prefix)
        assert listing(out) == {}


def test_a_directory_that_cannot_be_written_to(kind, tmp_path):
    with lr.restore([linear_model(kind, "m", tmp_path)]) as restored:
        with pytest.raises(errors.RestoreError) as caught:
            restored["m"].save("/proc/m")
        assert only(caught.value.findings, "save-failed")


@pytest.mark.parametrize("name", ["run[1]", "a b", "ä", "star*"])
def test_directories_with_odd_names(kind, tmp_path, name):
    (tmp_path / name).mkdir()
    with lr.restore([linear_model(kind, "m", tmp_path)]) as restored:
        restored["m"].save(tmp_path / name / "m")
        restored["m"].swap(tmp_path / name / "m")
    assert_same(read(tmp_path / name / "m"), linear_values())


def test_two_variables_of_one_name_without_the_scope(kind, tmp_path, out):
    def build():
        with tf.variable_scope(
            tf.VariableScope(reuse=False, name=""), auxiliary_name_scope=False
        ):
            outer = tf.get_variable("w", [2], use_resource=kind == "resource")
        return tf.get_variable("w", [2]) + outer

    values = {"w": np.ones(2, np.float32), "m/w": np.zeros(2, np.float32)}
    model = lr.Model("m", of_kind(kind, build), write(tmp_path / "m", values))
    with lr.restore([model]) as restored:
        with pytest.raises(errors.RestoreError) as caught:
            restored["m"].save(out / "m")
        assert only(caught.value.findings, "key-claimed-twice")
        assert listing(out) == {}


def test_a_model_without_variables(tmp_path, out):
    prefix = write(tmp_path / "m", {"global_step": np.int64(1)})
    model = lr.Model("m", lambda: tf.constant(1.0), prefix)
    with lr.restore([model]) as restored, pytest.raises(errors.UsageError):
        restored["m"].save(out / "m")


def test_a_closed_session(kind, tmp_path, out):
    with lr.restore([linear_model(kind, "m", tmp_path)]) as restored:
        pass
    with pytest.raises(errors.ClosedError):
        restored["m"].save(out / "m")
    assert listing(out) == {}


def test_a_checkpoint_of_a_longer_name_is_another_one(kind, tmp_path, out):
    with lr.restore([linear_model(kind, "m", tmp_path)]) as restored:
        restored["m"].save(out / "model.data-v2")
        (out / "model-00000-of-00001.txt").write_text("no data file")
        before = listing(out)
        restored["m"].save(out / "model")
        restored["m"].save(out / "model", overwrite=True)
        assert {name: listing(out)[name] for name in before} == before
        assert_same(read(out / "model"), linear_values())


def test_shards_of_an_old_format_are_a_checkpoint_too(kind, tmp_path, out):
    small_v1(out / "m-00000-of-00001")
    with lr.restore([linear_model(kind, "m", tmp_path)]) as restored:
        with pytest.raises(errors.RestoreError) as caught:
            restored["m"].save(out / "m")
        assert only(caught.value.findings, "checkpoint-exists")
