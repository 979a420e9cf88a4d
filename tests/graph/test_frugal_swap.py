"""Swapping tensor by tensor."""

import sys

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.graph import frugal_swap
from legacy_restore.tf import tf
from tests.graph.helpers import (
    assert_same,
    damage,
    ids,
    linear,
    of_kind,
    only,
    values_in,
    values_of,
    variables,
    write,
)
from tests.graph.table_models import tables

SHAPES = {f"layer_{number}/w": (50, 40) for number in range(4)}


@pytest.fixture
def restored(kind, tmp_path):
    models = [
        lr.Model(
            name,
            variables(kind, SHAPES),
            write(tmp_path / name, values_of(SHAPES, seed)),
        )
        for seed, name in enumerate("ab")
    ]
    with lr.restore(models) as found:
        yield found


@pytest.fixture(params=[1, 1 << 20], ids=["one_by_one", "together"])
def batches(request, monkeypatch):
    monkeypatch.setattr(frugal_swap, "_BATCH_BYTES", request.param)


def test_one_model_gets_other_weights(restored, tmp_path, batches):
    restored.graph.finalize()
    for seed in (5, 6):
        other = write(tmp_path / f"other-{seed}", values_of(SHAPES, seed))
        report = restored["b"].swap(other, memory="low")
        assert report is restored["b"].report
        assert restored.plan["b"].location.prefix == other
        assert_same(values_in(restored, "b"), values_of(SHAPES, seed))
        assert_same(values_in(restored, "a"), values_of(SHAPES, 0))
        assert restored.check().ok


def test_a_damaged_checkpoint_changes_nothing(restored, tmp_path, batches):
    other = write(tmp_path / "other", values_of(SHAPES, 5))
    for key in ("layer_1/w", "layer_3/w"):
        damage(other, key)
    with pytest.raises(errors.RestoreError) as caught:
        restored["b"].swap(other, memory="low")
    assert [one.subject for one in caught.value.findings] == ["layer_1/w", "layer_3/w"]
    assert "the weights are as they were" in str(caught.value)
    assert_same(values_in(restored, "b"), values_of(SHAPES, 1))
    assert restored.check().ok


def test_what_does_not_fit_is_refused_as_ever(restored, tmp_path):
    other = write(tmp_path / "other", values_of({"layer_0/w": (50, 40)}))
    with pytest.raises(errors.RestoreError) as caught:
        restored["b"].swap(other, memory="low")
    assert set(ids(caught.value.findings)) == {"missing-key"}
    assert restored.check().ok


def test_a_file_that_changes_meanwhile_is_said_and_can_be_mended(
    restored, tmp_path, monkeypatch
):
    monkeypatch.setattr(frugal_swap, "_BATCH_BYTES", 1)
    other = write(tmp_path / "other", values_of(SHAPES, 5))
    assign = frugal_swap._assign
    batches = []

    def assign_and_replace(*arguments):
        assign(*arguments)
        batches.append(arguments)
        if len(batches) == 2:
            damage(other, "layer_3/w")

    monkeypatch.setattr(frugal_swap, "_assign", assign_and_replace)
    before = restored.plan
    with pytest.raises(errors.RestoreError) as caught:
        restored["b"].swap(other, memory="low")
    finding = only(caught.value.findings, "swap-half-done")
    assert finding.message.startswith("3 of 4 variables have the values of the new")
    assert "as they were" not in finding.message
    assert "some weights are new and others old" in str(caught.value)
    assert restored.plan is before
    changed = [row for row in restored.check().rows if row.status.value == "changed"]
    assert len(changed) == 3
    damage(other, "layer_3/w")  # The same bit again: as it was.
    restored["b"].swap(other, memory="low")
    assert_same(values_in(restored, "b"), values_of(SHAPES, 5))
    assert restored.check().ok


def test_files_that_are_deleted_meanwhile_are_read_all_the_same(
    restored, tmp_path, monkeypatch
):
    monkeypatch.setattr(frugal_swap, "_BATCH_BYTES", 1)
    other = write(tmp_path / "other", values_of(SHAPES, 5))
    assign = frugal_swap._assign

    def delete_and_assign(*arguments):
        for path in tmp_path.glob("other*"):
            path.unlink()
        assign(*arguments)

    monkeypatch.setattr(frugal_swap, "_assign", delete_and_assign)
    restored["b"].swap(other, memory="low")
    assert_same(values_in(restored, "b"), values_of(SHAPES, 5))
    assert restored.check().ok


def test_what_no_array_can_hold_here_is_refused_before(kind, tmp_path, monkeypatch):
    def build():
        tf.get_variable("v", initializer=tf.cast(tf.constant([1.0, 2.0]), tf.bfloat16))

    with tf.Graph().as_default(), tf.Session() as session:
        build()
        session.run(tf.global_variables_initializer())
        prefix = tf.train.Saver().save(session, str(tmp_path / "m"))
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with lr.restore([lr.Model("m", of_kind(kind, build), prefix)]) as restored:
        with pytest.raises(errors.RestoreError) as caught:
            restored["m"].swap(prefix, memory="low")
        assert ids(caught.value.findings) == ["missing-dependency"]
        assert "the weights are as they were" in str(caught.value)
        restored["m"].swap(prefix)


def test_what_is_done_is_said_where_memory_ends(restored, tmp_path, monkeypatch):
    monkeypatch.setattr(frugal_swap, "_BATCH_BYTES", 1)
    converted = frugal_swap.converted_tensor

    def too_large(row, *arguments):
        if row.variable.name == "b/layer_2/w":
            raise MemoryError("no 8,000 bytes")
        return converted(row, *arguments)

    monkeypatch.setattr(frugal_swap, "converted_tensor", too_large)
    other = write(tmp_path / "other", values_of(SHAPES, 5))
    with pytest.raises(errors.RestoreError, match="no 8,000 bytes") as caught:
        restored["b"].swap(other, memory="low")
    finding = only(caught.value.findings, "swap-half-done")
    assert finding.message.startswith("2 of 4 variables have the values of the new")


def test_what_is_converted_and_what_is_in_parts(kind, tmp_path, batches):
    def build():
        tf.get_variable("step", [], tf.int64)
        tf.get_variable("grown", [6, 2], initializer=tf.ones_initializer())
        tf.get_variable("parts", [6, 2], partitioner=tf.fixed_size_partitioner(3))

    def written(name, seed):
        values = values_of({"grown": (4, 2), "parts": (6, 2)}, seed)
        return write(tmp_path / name, {**values, "step": np.int32(seed)}), values

    first, _ = written("first", 1)
    second, values = written("second", 2)
    model = lr.Model(
        "m",
        of_kind(kind, build),
        first,
        allow_shape={"grown": "pad"},
        cast={"step": "int64"},
    )
    with lr.restore([model]) as restored:
        restored["m"].swap(second, memory="low")
        assert restored.check().ok
        found = restored.session.run(list(restored["m"].variables))
        assert found[0] == 2
        assert_same({"w": found[1][:4]}, {"w": values["grown"]})
        assert np.all(found[1][4:] == 1)
        assert_same({"w": np.concatenate(found[2:])}, {"w": values["parts"]})


def test_an_overflow_changes_nothing(kind, tmp_path):
    def build():
        tf.get_variable("first", [2])
        tf.get_variable("half", [2], tf.float16)

    def written(name, value):
        values = {"first": np.float32([1, value]), "half": np.float32([1, value])}
        return write(tmp_path / name, values)

    model = lr.Model(
        "m", of_kind(kind, build), written("a", 2), cast={"half": "float16"}
    )
    with lr.restore([model]) as restored:
        with pytest.raises(errors.RestoreError) as caught:
            restored["m"].swap(written("b", 1e6), memory="low")
        assert ids(caught.value.findings) == ["cast-overflow"]
        assert restored.check().ok


def test_tables_are_swapped_whole(kind, tmp_path, batches):
    build = tables(kind)

    def written(name, start):
        with tf.Graph().as_default(), tf.Session() as session:
            build()
            words = build.made[0]
            session.run(tf.global_variables_initializer())
            session.run(
                words.insert(tf.constant([b"a"]), tf.constant([start], tf.int64))
            )
            return tf.train.Saver().save(session, str(tmp_path / name))

    with lr.restore([lr.Model("t", build, written("a", 1))]) as restored:
        restored["t"].swap(written("b", 2), memory="low")
        assert restored.check().ok


def test_the_memory_of_a_swap_is_full_or_low(restored, tmp_path):
    other = write(tmp_path / "other", values_of(SHAPES, 5))
    with pytest.raises(errors.UsageError, match='"full" or "low"'):
        restored["b"].swap(other, memory="none")
    assert restored.check().ok


def test_a_model_without_anything_to_restore(kind, tmp_path):
    prefix = write(tmp_path / "m", {"global_step": np.int64(1)})
    model = lr.Model("m", linear(kind), prefix, allow_missing=[".*"])
    with lr.restore([model]) as restored:
        restored["m"].swap(prefix, memory="low")
