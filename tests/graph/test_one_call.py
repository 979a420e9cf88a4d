"""Restoring by one call that no graph optimiser touches, and where it is not taken."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.graph import operations as operations_module
from legacy_restore.tf import IS_TF1, tf
from tests.graph.helpers import (
    assert_same,
    damage,
    linear,
    linear_values,
    of_kind,
    values_in,
    values_of,
    variables,
    write,
)
from tests.graph.table_models import tables

SHAPES = {f"layer_{number}/w": (50, 40) for number in range(4)}
# TensorFlow 1 does without a function: a feed keeps its optimiser away.
WHERE_IT_IS_TAKEN = 0 if IS_TF1 else 1


@pytest.fixture
def calls(monkeypatch):
    """The calls that were added to graphs."""
    found = []
    add = operations_module.add_restore_call

    def counted(*arguments):
        found.append(add(*arguments))
        return found[-1]

    monkeypatch.setattr(operations_module, "add_restore_call", counted)
    return found


def models_of(kind, tmp_path, names="ab"):
    return [
        lr.Model(
            name,
            variables(kind, SHAPES),
            write(tmp_path / name, values_of(SHAPES, seed)),
        )
        for seed, name in enumerate(names)
    ]


def test_all_models_are_restored_by_one_call(kind, tmp_path, calls):
    with lr.restore(models_of(kind, tmp_path), verify="session") as restored:
        assert len(calls) == WHERE_IT_IS_TAKEN
        for seed, name in enumerate("ab"):
            assert_same(values_in(restored, name), values_of(SHAPES, seed))


def test_a_damaged_file_leaves_every_variable_as_it_was(kind, tmp_path, calls):
    models = models_of(kind, tmp_path, "abcd")
    damage(models[-1].checkpoint, "layer_3/w")
    plan = lr.plan(models)
    plan.operations.prepare()
    with plan.graph.as_default(), tf.Session(graph=plan.graph) as session:
        session.run(
            [tf.assign(one, one.initial_value * 0 + 7) for one in tf.global_variables()]
        )
        run = plan.operations.restore_run(session)
        prefixes = {one.name: one.checkpoint for one in models}
        for _ in range(3):
            with pytest.raises(tf.errors.DataLossError):
                session.run(run.operations, run.feeds(prefixes))
            for value in session.run(tf.global_variables()):
                assert np.all(value == 7)
        damage(models[-1].checkpoint, "layer_3/w")  # The same bit again.
        session.run(run.operations, run.feeds(prefixes))
        assert not any(np.any(one == 7) for one in session.run(tf.global_variables()))
    assert len(calls) == WHERE_IT_IS_TAKEN


def test_every_dtype_shape_and_partition_is_restored(kind, tmp_path, calls):
    values = {
        "text": np.array([b"a\0", b""], object),
        "flag": np.array(True),
        "half": np.float16([1, np.inf]),
        "long": np.int64(7),
        "free": np.float32([[1, 2, 3]]),
        "parts": np.arange(12, dtype=np.float32).reshape(6, 2),
    }

    def build():
        for name in ("text", "flag", "half", "long"):
            value = values[name]
            dtype = tf.string if value.dtype == object else value.dtype
            tf.get_variable(name, np.shape(value), dtype)
        start = tf.placeholder_with_default(np.zeros([2], np.float32), None)
        tf.get_variable("free", initializer=start, validate_shape=False)
        tf.get_variable("parts", [6, 2], partitioner=tf.fixed_size_partitioner(3))

    prefix = write(tmp_path / "m", values)
    with lr.restore([lr.Model("m", of_kind(kind, build), prefix)]) as restored:
        assert len(calls) == WHERE_IT_IS_TAKEN
        assert restored.check().ok
        assert restored.session.run(
            "m/free:0" if kind == "ref" else "m/free/Read/ReadVariableOp:0"
        ).shape == (1, 3)


def test_a_variable_is_found_under_the_name_of_its_storage(tmp_path, calls):
    def build():
        dtype = tf.float32
        first = tf.Variable(tf.zeros([2]), name="v", use_resource=False)
        first.op._set_attr("shared_name", tf.AttrValue(s=b"storage"))
        first.op._set_attr("container", tf.AttrValue(s=b"box"))
        return tf.identity(first, name=str(dtype.name))

    prefix = write(tmp_path / "m", {"v": np.float32([3, 4])})
    with lr.restore([lr.Model("m", build, prefix)], verify="session") as restored:
        assert restored["m"]().tolist() == [3, 4]
    assert len(calls) == WHERE_IT_IS_TAKEN


def test_a_session_with_more_devices_runs_the_operations_themselves(
    kind, tmp_path, calls
):
    config = tf.ConfigProto(device_count={"CPU": 2})
    models = models_of(kind, tmp_path)
    models[1] = lr.Model("b", models[1].build, models[1].checkpoint, device="/cpu:1")
    with lr.restore(models, config=config, verify="session") as restored:
        assert restored.check().ok
    assert calls == []


def test_tables_are_restored_by_their_own_operations(kind, tmp_path, calls):
    with lr.restore(
        [lr.Model("a", linear(kind), write(tmp_path / "a", linear_values()))]
    ):
        assert len(calls) == WHERE_IT_IS_TAKEN
    del calls[:]
    build = tables(kind)
    with tf.Graph().as_default(), tf.Session() as session:
        build()
        session.run([tf.global_variables_initializer(), tf.tables_initializer()])
        prefix = tf.train.Saver().save(session, str(tmp_path / "t"))
    with lr.restore([lr.Model("t", tables(kind), prefix)]) as restored:
        assert restored.check().ok
    assert calls == []


def test_a_graph_that_was_finalised_meanwhile_is_restored(kind, tmp_path, calls):
    plan = lr.plan(models_of(kind, tmp_path))
    plan.operations.prepare()
    plan.graph.finalize()
    with lr.restore(plan, verify="session") as restored:
        with pytest.raises(errors.RestoreError) as caught:
            restored["a"].saver  # noqa: B018
        assert [one.id for one in caught.value.findings] == ["graph-finalized"]
        other = write(tmp_path / "other", values_of(SHAPES, 9))
        restored["a"].swap(other)
        restored["a"].save(tmp_path / "out")
        assert restored.check().ok
    assert calls == []


def test_a_saver_restores_its_model_and_no_other(kind, tmp_path):
    with lr.restore(models_of(kind, tmp_path)) as restored:
        count = len(restored.graph.get_operations())
        saver = restored["b"].saver
        assert len(restored.graph.get_operations()) > count
        assert restored["b"].saver is saver
        other = write(tmp_path / "other", values_of(SHAPES, 9))
        with restored.graph.as_default():
            saver.restore(restored.session, other)
        assert_same(values_in(restored, "b"), values_of(SHAPES, 9))
        assert_same(values_in(restored, "a"), values_of(SHAPES, 0))


def test_the_graph_does_not_grow_with_the_values(kind, tmp_path):
    sizes = []
    for width in (10, 1000):
        shapes = {"w": (width, width)}
        prefix = write(tmp_path / str(width), values_of(shapes))
        with lr.restore([lr.Model("m", variables(kind, shapes), prefix)]) as restored:
            sizes.append(restored.graph.as_graph_def().ByteSize())
    assert sizes[1] - sizes[0] < 100


def test_the_graph_of_a_restored_model_is_restored_in_another(kind, tmp_path):
    [first] = models_of(kind, tmp_path, "a")
    with lr.restore([first]) as restored, restored.graph.as_default():
        meta_graph = tf.train.export_meta_graph(graph=restored.graph)
    again = {f"a/{name}": value for name, value in values_of(SHAPES, 1).items()}

    def build():
        tf.train.import_meta_graph(meta_graph)

    second = lr.Model("b", build, write(tmp_path / "b", again))
    with lr.restore([second], verify="session") as restored:
        assert_same(values_in(restored, "b"), again)
