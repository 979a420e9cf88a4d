"""Tests of models whose code is lost, as TensorFlow 1.15.5 wrote them.

Each is imported twice beside a built model that has the same names.
"""

import os
import shutil

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import IS_TF1, tf
from tests import saved_graphs
from tests.graph import helpers
from tests.saved_graphs import saved_case

# What a call of it gives first is what the file's session gave first.
_CASES = [name for name in saved_graphs.names() if not name.startswith("unsaved")]


def model_of(case, name, **options):
    """A model of a case, with the interface that its writer had."""
    if case.py_functions:
        options = {"py_functions": case.py_functions, "trust": True, **options}
    if case.saved_model:
        return lr.Model.from_saved_model(name, case.saved_model, **options)
    interface = {
        "inputs": case.described["inputs"],
        "outputs": case.described["outputs"],
    }
    options = {"checkpoint": case.prefix, **interface, **options}
    checkpoint = options.pop("checkpoint")
    graph = case.prefix + ".meta"
    return lr.Model.from_meta_graph(name, checkpoint, meta_graph=graph, **options)


@pytest.fixture
def built(tmp_path):
    """A built model whose names are those of the saved ones."""
    values = {"weights": helpers.numbers((2, 3), seed=77)}
    prefix = helpers.write(tmp_path / "built" / "model", values)

    def build():
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        weights = tf.get_variable("weights", [2, 3])
        table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(np.int64([0]), np.float32([8.0])),
            0.0,
            name="table",
        )
        queue = tf.FIFOQueue(8, tf.float32, [[2]], shared_name="work", name="queue")
        return {
            "y": tf.matmul(x, weights),
            "entry": table.lookup(tf.constant(0, tf.int64)),
            "size": queue.size(),
        }

    return lr.Model("built", build, prefix), values["weights"]


def assert_equal(found, expected):
    assert set(found) == set(expected)
    for key, value in expected.items():
        if value.dtype.kind == "f":
            np.testing.assert_allclose(found[key], value, atol=1e-5)
        else:
            np.testing.assert_array_equal(found[key], value)


def remarks(restored, name):
    return [one.id for one in restored[name].report.findings]


@pytest.mark.parametrize("name", _CASES)
def test_each_computes_what_it_did_twice_beside_another(name, built):
    case = saved_case(name)
    third, weights = built
    models = [model_of(case, "a"), third, model_of(case, "b")]
    with lr.restore(models) as restored:
        for one in ("a", "b"):
            assert_equal(restored[one](case.inputs), case.outputs)
        out = restored["built"](x=np.eye(2, dtype=np.float32))
        np.testing.assert_array_equal(out["y"], weights)
        assert (out["entry"], out["size"]) == (8.0, 0)
        restored.check().raise_if_failed()


@pytest.mark.parametrize("name", _CASES)
def test_each_can_be_imported_as_a_whole(name):
    case = saved_case(name)
    with lr.restore([model_of(case, "a", prune=False)]) as restored:
        assert_equal(restored["a"](case.inputs), case.outputs)
        restored.check().raise_if_failed()


@pytest.mark.parametrize("name", ["unsaved", "unsaved_resource"])
def test_what_the_saver_left_out_is_initialised_as_permitted(name):
    case = saved_case(name)
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([model_of(case, "a")])
    missing = [one.subject for one in caught.value.findings if one.id == "missing-key"]
    assert missing == ["a/scale", "a/shift"]
    permitted = {"allow_missing": ["scale", "shift"]}
    models = [model_of(case, "a", **permitted), model_of(case, "b", **permitted)]
    with lr.restore(models) as restored:
        assert_equal(restored["a"](case.inputs), case.outputs)
        # A local variable counts the calls of each model.
        assert restored["a"](case.inputs)["calls"] == 2
        assert_equal(restored["b"](case.inputs), case.outputs)


@pytest.mark.parametrize("name", ["rnn", "rnn_resource"])
def test_training_one_leaves_the_other_as_it_was(name):
    case = saved_case(name)
    train = case.described["train"]
    models = [model_of(case, "a", prune=False), model_of(case, "b")]
    with lr.restore(models) as restored:
        feeds = {
            "a/x:0": case.inputs["x"],
            "a/lengths:0": case.inputs["lengths"],
            "a/targets:0": case.arrays["train:targets"],
        }
        run = restored.session.run
        loss = "a/" + train["loss"]
        np.testing.assert_allclose(
            run(loss, feeds), case.arrays["train:loss"], atol=1e-5
        )
        run("a/" + train["operation"], feeds)
        trained = restored["a"](case.inputs)["logits"]
        np.testing.assert_allclose(trained, case.arrays["trained:logits"], atol=1e-5)
        np.testing.assert_allclose(
            run(loss, feeds), case.arrays["trained:loss"], atol=1e-5
        )
        assert_equal(restored["b"](case.inputs), case.outputs)
        rows = restored.check().rows
        changed = {one.variable for one in rows if one.status.value == "changed"}
        assert changed and all(one.startswith("a/") for one in changed)
        names = {one.op.name for one in restored["a"].variables}
        assert "a/global_step" in names
        assert "a/global_step" not in {one.op.name for one in restored["b"].variables}


@pytest.mark.parametrize("name", ["one_shot", "iterators_resource"])
def test_iterators_of_two_models_go_on_by_themselves(name):
    case = saved_case(name)
    with lr.restore([model_of(case, "a"), model_of(case, "b")]) as restored:
        first = restored["a"]()["y"]
        second = restored["a"]()["y"]
        assert not np.allclose(first, second)
        np.testing.assert_array_equal(restored["b"]()["y"], first)


def test_an_iterator_that_needs_a_feed_is_left_to_the_caller():
    case = saved_case("iterators")
    needs = case.described["needs_feed"]
    model = model_of(case, "m", inputs={}, outputs={"y": needs["output"]})
    with lr.restore([model]) as restored:
        assert "not-initialized" in remarks(restored, "m")
        with pytest.raises(errors.LegacyRestoreError):
            restored["m"]()
        rows = np.float32([[1, 0], [0, 1], [1, 1]])
        restored.session.run(
            "m/" + needs["initializer"], {"m/" + needs["placeholder"]: rows}
        )
        (weights,) = restored.session.run(restored["m"].variables)
        np.testing.assert_allclose(restored["m"]()["y"], rows @ weights, rtol=1e-6)


@pytest.mark.parametrize("name", ["queue", "queue_resource"])
def test_queues_of_one_shared_name_are_two(name):
    case = saved_case(name)
    size, enqueue = case.described["queue_size"], case.described["enqueue"]
    models = [model_of(case, one, prune=False) for one in ("a", "b")]
    with lr.restore(models) as restored:
        run = restored.session.run
        run("a/" + enqueue, {"a/x:0": case.inputs["x"]})
        assert run(["a/" + size, "b/" + size]) == [3, 0]


@pytest.mark.parametrize("suffix", ["", "_resource"])
def test_two_vocabularies_of_one_name_stay_apart(suffix):
    one, other = (saved_case(n + suffix) for n in ("vocabulary", "other_vocabulary"))
    with lr.restore([model_of(one, "a"), model_of(other, "b")]) as restored:
        assert_equal(restored["a"](one.inputs), one.outputs)
        assert_equal(restored["b"](other.inputs), other.outputs)
        assert not np.array_equal(one.outputs["numbers"], other.outputs["numbers"])
        only = restored["a"].signatures["first"](one.inputs)
        assert_equal(only, {"numbers": one.outputs["numbers"]})


@pytest.mark.parametrize("name", ["vocabulary", "objects"])
def test_a_vocabulary_can_be_given(name, tmp_path):
    case = saved_case(name)
    directory = tmp_path / "moved"
    shutil.copytree(case.saved_model, str(directory))
    os.remove(str(directory / "assets" / "vocab.txt"))
    moved = lr.Model.from_saved_model("m", directory)
    with pytest.raises(errors.LegacyRestoreError) as caught:
        lr.restore([moved])
    missing = [one for one in caught.value.findings if one.id == "asset-missing"]
    assert [one.subject for one in missing] == ["vocab.txt"]
    lines = tmp_path / "lines.txt"
    lines.write_bytes(b"unknown\nblue\ngreen\nred\n")
    given = {"vocab.txt": lines}
    with lr.restore(
        [lr.Model.from_saved_model("m", directory, assets=given)]
    ) as restored:
        numbers = restored["m"](case.inputs)["numbers"]
        assert numbers.tolist() == [3, 2, 1, 0]


def test_an_asset_that_the_file_has_not_is_refused(tmp_path):
    case = saved_case("vocabulary")
    model = model_of(case, "m", assets={"words.txt": tmp_path / "words.txt"})
    with pytest.raises(errors.BuildError) as caught:
        lr.restore([model])
    assert [one.id for one in caught.value.findings] == ["unused-asset"]


def test_a_graph_without_its_functions_in_python_is_refused():
    case = saved_case("py_func")
    with pytest.raises(errors.LegacyRestoreError) as caught:
        lr.restore([model_of(case, "m", py_functions={})])
    subjects = [one for one in caught.value.findings if one.is_error]
    assert len(subjects) == 2


@pytest.mark.parametrize("name", ["main_op", "main_op_resource"])
def test_a_main_op_does_not_assign_fresh_weights(name):
    case = saved_case(name)
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        tf.saved_model.loader.load(session, ["serve"], case.saved_model)
        stock = session.run("y:0", {"x:0": case.inputs["x"]})
    # Random weights, without a word.
    assert not np.allclose(stock, case.outputs["y"], atol=1e-3)
    with lr.restore([model_of(case, "m")]) as restored:
        assert_equal(restored["m"](case.inputs), case.outputs)
        assert "init-skipped" in remarks(restored, "m")
        restored.check().raise_if_failed()


@pytest.mark.parametrize("name", ["while", "cond_resource", "functions", "main_op"])
def test_what_was_saved_again_is_what_was_read(name, tmp_path):
    case = saved_case(name)
    with lr.restore([model_of(case, "m")]) as restored:
        prefix = restored["m"].save(str(tmp_path / "again"))
    with lr.restore([model_of(case, "m", checkpoint=prefix)]) as restored:
        assert_equal(restored["m"](case.inputs), case.outputs)


@pytest.mark.parametrize("name", ["while", "cond", "partitioned", "tables", "main_op"])
def test_ref_variables_can_become_resources(name):
    case = saved_case(name)
    models = [model_of(case, "a", variables="resource"), model_of(case, "b")]
    with lr.restore(models) as restored:
        types = {one.op.type for one in restored["a"].variables}
        assert types == {"VarHandleOp"}
        for one in ("a", "b"):
            assert_equal(restored[one](case.inputs), case.outputs)


def write_of_today(directory, words, numbers):
    """Writes a SavedModel with tables of both kinds; returns what it computes."""
    import tensorflow

    lookup = tensorflow.lookup
    vocabulary = directory / "vocab.txt"
    directory.mkdir()
    vocabulary.write_bytes(b"".join(word + b"\n" for word in words))

    class Root(tensorflow.Module):
        def __init__(self):
            super().__init__()
            self.weights = tensorflow.Variable(np.float32(numbers))
            initializer = lookup.TextFileInitializer(
                str(vocabulary),
                tensorflow.string,
                lookup.TextFileIndex.WHOLE_LINE,
                tensorflow.int64,
                lookup.TextFileIndex.LINE_NUMBER,
            )
            self.listed = lookup.StaticHashTable(initializer, 2)
            self.counts = lookup.experimental.MutableHashTable(
                tensorflow.string, tensorflow.int64, -1
            )
            self.counts.insert(words[:1], [numbers[0]])

        @tensorflow.function
        def __call__(self, words):
            places = self.listed.lookup(words)
            return {
                "counts": self.counts.lookup(words),
                "places": places,
                "scores": tensorflow.gather(self.weights, places),
            }

    with tensorflow.init_scope():
        root = Root()
        spec = tensorflow.TensorSpec([None], tensorflow.string, name="words")
        signature = root.__call__.get_concrete_function(spec)
        tensorflow.saved_model.save(root, str(directory / "saved_model"), signature)
        found = root(tensorflow.constant([b"red", b"green", b"blue"]))
        return {key: value.numpy() for key, value in found.items()}


@pytest.mark.skipif(IS_TF1, reason="writes with tf.saved_model.save of TensorFlow 2")
def test_two_saved_models_of_today_with_tables_stay_apart(tmp_path):
    first = write_of_today(tmp_path / "first", [b"red", b"green"], [3, 4, 5])
    second = write_of_today(tmp_path / "second", [b"green", b"red"], [6, 7, 8])
    models = [
        lr.Model.from_saved_model(name, tmp_path / name / "saved_model")
        for name in ("first", "second")
    ]
    with lr.restore(models) as restored:
        for name, expected in (("first", first), ("second", second)):
            found = restored[name](words=np.array([b"red", b"green", b"blue"]))
            assert_equal(found, expected)
        restored.check().raise_if_failed()
    assert first["counts"].tolist() == [3, -1, -1]
    assert second["counts"].tolist() == [-1, 6, -1]


def _gradients(name, **options):
    """The gradients of what a case computes, by its variables."""
    case = saved_case(name)
    output = sorted(set(case.described["outputs"]) - {"gradient"})[0]
    with lr.restore([model_of(case, "m", **options)]) as restored:
        model = restored["m"]
        trainable = restored.graph.get_collection("trainable_variables")
        with restored.graph.as_default():
            found = tf.gradients(model.outputs[output], trainable)
            assert None not in found
            dense = [tf.convert_to_tensor(one) for one in found]
        feeds = {model.inputs[key]: value for key, value in case.inputs.items()}
        values = restored.session.run(dense, feeds)
    return {one.op.name: value for one, value in zip(trainable, values)}


@pytest.mark.parametrize(
    "name", ["while", "while_resource", "cond", "rnn", "rnn_resource"]
)
def test_gradients_go_through_loops_of_which_the_outputs_need_a_part(name):
    pruned, whole = _gradients(name), _gradients(name, prune=False)
    assert set(pruned) == set(whole)
    for variable, value in whole.items():
        np.testing.assert_allclose(pruned[variable], value, rtol=1e-6)
