"""Where stock TensorFlow is silently wrong, beside what happens here."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf
from tests.graph.helpers import (
    assert_same,
    linear_values,
    numbers,
    only,
    values_in,
    variables,
    write,
)


def test_a_head_with_another_number_of_classes(kind, tmp_path, refused):
    """Stock takes it for resource variables; for ref variables it stops half-way."""
    shapes = {"body": [3], "logits/kernel": [4, 5], "logits/bias": [5]}
    stored = {
        "body": numbers([3]),
        "logits/kernel": numbers([4, 2]),
        "logits/bias": numbers([2]),
    }
    prefix = write(tmp_path / "m", stored)
    build = variables(kind, shapes)

    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        build()
        saver = tf.train.Saver()
        if kind == "resource":
            saver.restore(session, prefix)
            [bias] = [v for v in tf.global_variables() if v.op.name == "logits/bias"]
            assert bias.shape.as_list() == [5]
            assert session.run(bias).shape == (2,)
        else:
            with pytest.raises(tf.errors.InvalidArgumentError):
                saver.restore(session, prefix)

    error = refused([lr.Model("m", build, prefix)])
    found = {one.subject: (one.expected, one.found) for one in error.findings}
    assert found == {
        "m/logits/kernel": ("float32[4,5]", "float32[4,2]"),
        "m/logits/bias": ("float32[5]", "float32[2]"),
    }


def test_an_index_file_for_a_checkpoint(kind, tmp_path):
    """Stock opens it as a checkpoint without tensors; here it names its checkpoint."""
    prefix = write(tmp_path / "model.ckpt", linear_values())
    stock = tf.train.load_checkpoint(prefix + ".index")
    assert stock.get_variable_to_shape_map() == {}

    with lr.open_checkpoint(prefix + ".index") as checkpoint:
        assert_same({key: checkpoint[key] for key in checkpoint}, linear_values())
    shapes = {key: value.shape for key, value in linear_values().items()}
    model = lr.Model("m", variables(kind, shapes), prefix + ".index")
    with lr.restore([model]) as restored:
        assert_same(values_in(restored, "m"), linear_values())
        resolved = only(restored["m"].report.findings, "location-resolved")
        assert prefix in resolved.message


NAMES = ["model_1", "model_10", "a.b", "aXb"]


def test_scopes_of_which_one_begins_like_the_other(kind, tmp_path):
    """Stock finds the variables of model_10 too; here each model has its own."""
    values = {name: {"w": numbers([2], seed)} for seed, name in enumerate(NAMES)}
    models = [
        lr.Model(
            name, variables(kind, {"w": [2]}), write(tmp_path / name, values[name])
        )
        for name in NAMES
    ]
    with lr.restore(models) as restored:
        with restored.graph.as_default():
            stock = tf.global_variables(scope="model_1")
            dotted = tf.global_variables(scope="a.b/")
        assert [one.op.name for one in stock] == ["model_1/w", "model_10/w"]
        assert [one.op.name for one in dotted] == ["a.b/w", "aXb/w"]

        for name in NAMES:
            assert [one.op.name for one in restored[name].variables] == [f"{name}/w"]
            assert_same(values_in(restored, name), values[name])


def test_an_initialiser_that_runs_after_the_restore(kind, tmp_path):
    """Stock has no way to tell; here a check names every variable that was reset."""
    prefix = write(tmp_path / "m", {"w": numbers([2]), "b": numbers([2])})
    build = variables(kind, {"w": [2], "b": [2]})
    with lr.restore([lr.Model("m", build, prefix)]) as restored:
        with restored.graph.as_default():
            restored.session.run(tf.global_variables_initializer())
            left = restored.session.run(tf.report_uninitialized_variables())
        assert left.tolist() == []
        with pytest.raises(errors.CheckError) as caught:
            restored.check().raise_if_failed()
    assert {one.subject for one in caught.value.findings} == {"m/w", "m/b"}


def test_a_directory_whose_name_has_brackets(kind, tmp_path):
    """Stock cannot restore from it; here an alias stands in."""
    prefix = write(tmp_path / "run[1]" / "m", {"w": numbers([2])})
    build = variables(kind, {"w": [2]})
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        build()
        saver = tf.train.Saver()
        with pytest.raises((ValueError, tf.errors.OpError)):
            saver.restore(session, prefix)
    with lr.restore([lr.Model("m", build, prefix)]) as restored:
        assert_same(values_in(restored, "m"), {"w": numbers([2])})


def test_a_state_file_of_another_machine(kind, tmp_path):
    """Stock returns None; here what stands beside the file is taken, and said."""
    write(tmp_path / "model-3", {"w": numbers([2])})
    state = tmp_path / "checkpoint"
    (tmp_path / "old machine").mkdir()
    state.write_text(f'model_checkpoint_path: "{tmp_path}/old machine/model-3"\n')
    assert tf.train.latest_checkpoint(str(tmp_path)) is None

    model = lr.Model("m", variables(kind, {"w": [2]}), tmp_path)
    with lr.restore([model]) as restored:
        assert_same(values_in(restored, "m"), {"w": numbers([2])})
        assert only(restored["m"].report.findings, "state-file-moved")


def test_a_kernel_that_is_transposed_with_reshape(kind, tmp_path, refused):
    """Stock takes it with reshape=True and mixes its elements up."""
    stored = np.arange(8, dtype=np.float32).reshape(4, 2)
    prefix = write(tmp_path / "m", {"w": stored})
    build = variables(kind, {"w": [2, 4]})
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        build()
        tf.train.Saver(reshape=True).restore(session, prefix)
        [w] = tf.global_variables()
        found = session.run(w)
    assert found.shape == (2, 4)
    assert not np.array_equal(found, stored.T)

    error = refused([lr.Model("m", build, prefix)])
    assert only(error.findings, "shape-mismatch").found == "float32[4,2]"
