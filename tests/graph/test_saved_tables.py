"""Saved graphs whose own table says which key goes where: restored, saved, swapped."""

import os

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import IS_TF1, tf
from tests.graph.helpers import numbers, of_id
from tests.importing.graphs import graph_of
from tests.planning.specs import error_ids
from tests.samples import sample


def mutable_table(name="words"):
    """A mutable table from texts to integers."""
    if IS_TF1:
        import tensorflow.contrib.lookup as lookup
    else:
        lookup = tf.lookup.experimental
    return lookup.MutableHashTable(tf.string, tf.int64, -1, name=name)


def write_training(prefix, kind, seed=0, table=False):
    """A training graph beside its checkpoint, whose keys are no variable's names."""
    with graph_of(kind) as graph, tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 4], name="x")
        w = tf.get_variable("net/w", [4, 2], partitioner=tf.fixed_size_partitioner(2))
        b = tf.get_variable("net/b", [2])
        head = tf.get_variable("head", [2])
        step = tf.get_variable("step", [], tf.int64, trainable=False)
        y = tf.matmul(x, tf.convert_to_tensor(w)) + b
        words = mutable_table() if table else None
        if table:
            found = words.lookup(tf.constant(["a"]))
            y += tf.cast(found[0], tf.float32)
        tf.identity(y, name="y")
        tf.multiply(y, head, name="z")
        keys = {"k/w": w, "k/b": b, "k/head": head, "k/step": step}
        saveables = tf.get_collection(tf.GraphKeys.SAVEABLE_OBJECTS)
        keys.update((one.name, one) for one in saveables)
        saver = tf.train.Saver(keys)
        values = {
            "w": numbers((4, 2), 10 * seed),
            "b": numbers((2,), 10 * seed + 1),
            "head": numbers((2,), 10 * seed + 2),
            "step": np.int64(100 + seed),
        }
        parts = list(w)
        parts[0].load(values["w"][:2], session)
        parts[1].load(values["w"][2:], session)
        for variable, name in ((b, "b"), (head, "head"), (step, "step")):
            variable.load(values[name], session)
        if table:
            key = tf.constant(["a"])
            session.run(words.insert(key, tf.constant([5 + seed], tf.int64)))
        saver.save(session, os.fspath(prefix), write_state=False)
        graph.finalize()
    return values


def model_of(prefix, name="m", outputs=("y",), **more):
    chosen = {key: key for key in outputs}
    return lr.Model.from_meta_graph(name, prefix, outputs=chosen, **more)


X = np.arange(8, dtype=np.float32).reshape(2, 4)


def y_of(values, more=0):
    return X @ values["w"] + values["b"] + more


def test_the_table_of_the_file_restores_it(kind, tmp_path):
    values = write_training(tmp_path / "model.ckpt", kind)
    with lr.restore([model_of(tmp_path / "model.ckpt")]) as restored:
        plan = restored.plan["m"]
        assert plan.matched_by == "the file's own table"
        keys = {row.variable.local_name: row.key for row in plan.rows}
        assert keys == {"net/w": "k/w", "net/b": "k/b"}
        left = {one.subject for one in of_id(plan.findings, "not-needed")}
        assert left == {"k/head", "k/step"}
        np.testing.assert_allclose(restored["m"](x=X)["y"], y_of(values), rtol=1e-5)
        restored.check().raise_if_failed()


def test_what_is_saved_is_what_the_files_own_saver_reads(kind, tmp_path):
    values = write_training(tmp_path / "model.ckpt", kind)
    with lr.restore([model_of(tmp_path / "model.ckpt")]) as restored:
        [b] = [one for one in restored["m"].variables if one.op.name == "m/net/b"]
        with restored.graph.as_default():
            b.load(np.array([1, 2], np.float32), restored.session)
        saved = restored["m"].save(tmp_path / "saved.ckpt")
    with tf.Graph().as_default(), tf.Session() as session:
        saver = tf.train.import_meta_graph(f"{tmp_path}/model.ckpt.meta")
        saver.restore(session, saved)
        names = ("net/b", "head", "step", "net/w/part_1")
        variables = {one.op.name: one for one in tf.global_variables()}
        found = session.run([variables[name].value() for name in names])
    assert found[0].tolist() == [1, 2]
    assert found[1].tolist() == values["head"].tolist()
    assert found[2] == values["step"]
    assert found[3].tolist() == values["w"][2:].tolist()
    with lr.open_checkpoint(saved) as new, lr.open_checkpoint(
        tmp_path / "model.ckpt"
    ) as old:
        assert new.entry("k/head").crc32c == old.entry("k/head").crc32c
        assert sorted(new) == sorted(old)
        assert new.verify().ok
    assert len([one for one in os.listdir(tmp_path) if "saved.ckpt.data" in one]) == 1
    assert not [one for one in os.listdir(tmp_path) if one.startswith(".legacy")]


def test_what_is_saved_after_a_swap_is_of_the_swapped_checkpoint(kind, tmp_path):
    write_training(tmp_path / "one.ckpt", kind)
    other = write_training(tmp_path / "two.ckpt", kind, seed=1)
    with lr.restore([model_of(tmp_path / "one.ckpt")]) as restored:
        restored["m"].swap(tmp_path / "two.ckpt")
        saved = restored["m"].save(tmp_path / "saved.ckpt")
        np.testing.assert_allclose(restored["m"](x=X)["y"], y_of(other), rtol=1e-5)
    with lr.open_checkpoint(saved) as found:
        assert found["k/head"].tolist() == other["head"].tolist()
        assert int(found["k/step"]) == 101


def test_what_can_no_longer_be_copied_is_left_only_if_that_is_permitted(kind, tmp_path):
    values = write_training(tmp_path / "model.ckpt", kind)
    with lr.restore([model_of(tmp_path / "model.ckpt")]) as restored:
        write_training(tmp_path / "model.ckpt", kind, seed=1)  # Training goes on.
        model = restored["m"]
        with pytest.raises(errors.RestoreError) as caught:
            model.save(tmp_path / "saved.ckpt")
        assert "replaced" in str(caught.value) and "allow_lost" in str(caught.value)
        with pytest.raises(errors.RestoreError) as caught:
            model.save(tmp_path / "saved.ckpt", allow_lost=["k/.*", "k/w"])
        assert [one.id for one in caught.value.findings] == ["unused-waiver"]
        assert not [one for one in os.listdir(tmp_path) if "saved" in one]
        saved = model.save(tmp_path / "saved.ckpt", allow_lost=["k/.*"])
    with lr.open_checkpoint(saved) as found:
        assert sorted(found) == ["k/b", "k/w"]
        assert found["k/w"].tolist() == values["w"].tolist()


def test_a_damaged_tensor_is_not_copied_through(tmp_path):
    write_training(tmp_path / "model.ckpt", "ref")
    with lr.open_checkpoint(tmp_path / "model.ckpt") as checkpoint:
        [part] = checkpoint.stored_parts("k/head")
    with open(part.path, "r+b") as file:
        file.seek(part.offset)
        file.write(b"\xff\xff\xff")
    model = model_of(tmp_path / "model.ckpt")
    with lr.restore([model]) as restored, pytest.raises(errors.RestoreError) as caught:
        restored["m"].save(tmp_path / "saved.ckpt")
    assert [one.id for one in caught.value.findings] == ["save-failed"]
    assert "k/head" in str(caught.value)
    assert not [one for one in os.listdir(tmp_path) if "saved" in one]
    assert not [one for one in os.listdir(tmp_path) if one.startswith(".legacy")]


def test_a_swap_to_a_checkpoint_with_names_goes_by_names(kind, tmp_path):
    write_training(tmp_path / "model.ckpt", kind)
    values = {"net/w": numbers((4, 2), 50), "net/b": numbers((2,), 51)}
    head = numbers((2,), 52)
    lr.write_checkpoint(tmp_path / "names.ckpt", {**values, "head": head})
    with lr.restore([model_of(tmp_path / "model.ckpt")]) as restored:
        restored["m"].swap(tmp_path / "names.ckpt")
        expected = X @ values["net/w"] + values["net/b"]
        np.testing.assert_allclose(restored["m"](x=X)["y"], expected, rtol=1e-5)
        restored["m"].save(tmp_path / "saved.ckpt")
    with lr.open_checkpoint(tmp_path / "saved.ckpt") as found:
        assert found["k/head"].tolist() == head.tolist()
        assert sorted(found) == ["k/b", "k/head", "k/w"]


def test_a_graph_beside_another_models_checkpoint_is_said_first(tmp_path):
    write_training(tmp_path / "model.ckpt", "ref")
    lr.write_checkpoint(tmp_path / "other.ckpt", {"conv/kernel": np.zeros((3, 3))})
    model = lr.Model.from_meta_graph(
        "m",
        tmp_path / "other.ckpt",
        meta_graph=tmp_path / "model.ckpt.meta",
        outputs={"y": "y"},
    )
    plan = lr.plan([model])
    assert error_ids(plan.findings)[0] == "graph-mismatch"
    assert "0 of the 4 keys" in plan.findings[0].message


def test_an_unpruned_graph_restores_all_of_the_table(kind, tmp_path):
    values = write_training(tmp_path / "model.ckpt", kind)
    model = model_of(tmp_path / "model.ckpt", outputs=("y", "z"), prune=False)
    with lr.restore([model]) as restored:
        assert not of_id(restored.plan.findings, "not-needed")
        z = restored["m"](x=X)["z"]
        np.testing.assert_allclose(z, y_of(values) * values["head"], rtol=1e-5)
        restored.check().raise_if_failed()


def test_savers_that_disagree_refuse_until_a_rule_says_which(kind, tmp_path):
    prefix = os.fspath(tmp_path / "model.ckpt")
    with graph_of(kind) as graph, tf.Session() as session:
        w = tf.get_variable("w", [2])
        tf.identity(w, name="y")
        tf.train.Saver({"pretrained/w": w})
        saver = tf.train.Saver({"w": w})
        w.load(np.array([1, 2], np.float32), session)
        saver.save(session, prefix)
        graph.finalize()
    plan = lr.plan([model_of(prefix)])
    assert error_ids(plan.findings)[-1:] == ["saver-conflict"]
    rules = [lr.Rename("^w$", "w")]
    with lr.restore([model_of(prefix, rules=rules)]) as restored:
        assert restored["m"]()["y"].tolist() == [1, 2]


def test_tables_are_restored_swapped_saved_and_checked(kind, tmp_path):
    values = write_training(tmp_path / "one.ckpt", kind, table=True)
    other = write_training(tmp_path / "two.ckpt", kind, seed=1, table=True)
    with lr.restore([model_of(tmp_path / "one.ckpt")]) as restored:
        np.testing.assert_allclose(restored["m"](x=X)["y"], y_of(values, 5), rtol=1e-5)
        restored.check().raise_if_failed()
        restored["m"].swap(tmp_path / "two.ckpt")
        np.testing.assert_allclose(restored["m"](x=X)["y"], y_of(other, 6), rtol=1e-5)
        saved = restored["m"].save(tmp_path / "saved.ckpt")
    with lr.open_checkpoint(saved) as new, lr.open_checkpoint(
        tmp_path / "two.ckpt"
    ) as old:
        assert sorted(new) == sorted(old)
    with tf.Graph().as_default(), tf.Session() as session:
        saver = tf.train.import_meta_graph(f"{tmp_path}/one.ckpt.meta")
        saver.restore(session, saved)
        np.testing.assert_allclose(
            session.run("y:0", {"x:0": X}), y_of(other, 6), rtol=1e-5
        )


def test_a_saved_model_is_of_the_saver_that_it_names(kind, tmp_path):
    """Exported from averages, as most servers were: two Savers with other keys."""
    training, directory = (
        os.fspath(tmp_path / name) for name in ("training", "served")
    )
    average = {"w/ExponentialMovingAverage": np.array([3, 4], np.float32)}
    lr.write_checkpoint(training, average)
    with graph_of(kind), tf.Session() as session:
        x = tf.placeholder(tf.float32, [2], name="x")
        w = tf.get_variable("w", [2])
        y = tf.multiply(x, w, name="y")
        tf.train.Saver({"w/ExponentialMovingAverage": w}).restore(session, training)
        tf.saved_model.simple_save(session, directory, {"x": x}, {"y": y})
    models = [lr.Model.from_saved_model(name, directory) for name in ("a", "b")]
    with lr.restore(models, verify="session") as restored:
        for name in ("a", "b"):
            row = restored.plan[name].rows[0]
            assert (row.key, restored.plan[name].matched_by) == (
                "w",
                "the file's own table",
            )
            assert restored[name](x=[10, 10])["y"].tolist() == [30, 40]


@pytest.mark.skipif(IS_TF1, reason="SavedModels of TensorFlow 2")
def test_a_saved_model_of_tensorflow_2_reads_what_is_saved(tmp_path):
    tf2 = tf.compat.v2
    path = os.fspath(tmp_path / "model")
    with tf2.init_scope():
        root = tf2.Module()
        root.first = tf2.Variable(np.ones(2, np.float32), name="same")
        root.second = tf2.Variable(np.zeros(2, np.float32), name="same")
        root.unused = tf2.Variable(np.full(3, 7, np.float32), name="unused")
        spec = tf2.TensorSpec([2], tf.float32, name="x")
        root.f = tf2.function(lambda x: {"y": x * root.first + root.second}, [spec])
        tf2.saved_model.save(root, path, signatures=root.f)
    with lr.restore([lr.Model.from_saved_model("m", path)]) as restored:
        found = {row.variable.local_name: row.key for row in restored.plan["m"].rows}
        assert sorted(found.values()) == [
            "first/.ATTRIBUTES/VARIABLE_VALUE",
            "second/.ATTRIBUTES/VARIABLE_VALUE",
        ]
        [name] = [one for one, key in found.items() if key.startswith("second")]
        variables = {one.op.name: one for one in restored["m"].variables}
        with restored.graph.as_default():
            value = np.array([3, 4], np.float32)
            variables[f"m/{name}"].load(value, restored.session)
        y = restored["m"](x=np.array([10, 20], np.float32))["y"]
        assert y.tolist() == [13, 24]
        prefix = os.path.join(path, "variables", "variables")
        restored["m"].save(prefix, overwrite=True)
    with tf2.init_scope():
        loaded = tf2.saved_model.load(path)
        assert loaded.second.numpy().tolist() == [3, 4]
        assert loaded.first.numpy().tolist() == [1, 1]
        assert loaded.unused.numpy().tolist() == [7, 7, 7]


@pytest.mark.parametrize("weights", ["raw", "ema"])
def test_real_averages(weights):
    prefix = sample("mnist_ema", "mnist_model-64004.meta")[: -len(".meta")]
    golden = np.load(sample("mnist_ema", "golden.npz"))
    model = lr.Model.from_meta_graph(
        "m",
        prefix,
        inputs={"x": "Placeholder"},
        outputs={"y": "add_1"},
        weights=weights,
    )
    with lr.restore([model]) as restored:
        y = restored["m"](x=golden["in:random"])["y"]
        expected = golden[f"out:{weights}_64004_random"]
        np.testing.assert_allclose(y, expected, atol=1e-5)
        assert restored.plan["m"].matched_by.startswith("the file's own table")
