"""Where stock TensorFlow makes one of two saved graphs, beside what happens here.

Stock is used as its documentation says: each model below an ``import_scope`` of its
own, each restored by its own Saver.
"""

import pathlib
import shutil

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.importing.reading import read_saved_model
from legacy_restore.tf import script_ops, tf
from tests.graph.helpers import of_kind
from tests.saved_graphs import saved_case

ROWS = np.float32([[1.0, 2.0]])


def trained(folder, kind, value, name):
    """Saves ``x * w`` with a ``w`` of one value, with its graph; returns the prefix."""

    def build():
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        w = tf.get_variable("w", [2], initializer=tf.constant_initializer(value))
        tf.multiply(x, w, name="y")

    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        of_kind(kind, build)()
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver()
        return saver.save(session, str(folder / name), write_state=False)


def of_meta(name, prefix, **more):
    ends = {"inputs": {"x": "x"}, "outputs": {"y": "y"}}
    return lr.Model.from_meta_graph(name, prefix, **ends, **more)


def stock_metas(prefixes, scopes):
    """What stock computes from two ``.meta`` with their checkpoints."""
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        savers = [
            tf.train.import_meta_graph(prefix + ".meta", import_scope=scope)
            for prefix, scope in zip(prefixes, scopes)
        ]
        for saver, prefix in zip(savers, prefixes):
            saver.restore(session, prefix)
        left = session.run(tf.report_uninitialized_variables())
        assert left.tolist() == []
        return [
            session.run(f"{scope}/y:0", {f"{scope}/x:0": ROWS}).tolist()
            for scope in scopes
        ]


def test_two_training_graphs(kind, tmp_path):
    """Resource variables: both answer as the second, and nothing says so."""
    prefixes = [
        trained(tmp_path, kind, value, name)
        for name, value in (("one", 4.0), ("other", 8.0))
    ]
    stock = stock_metas(prefixes, ["a", "b"])
    assert stock[1] == [[8.0, 16.0]]
    assert (stock[0] == stock[1]) is (kind == "resource")

    models = [of_meta(name, prefix) for name, prefix in zip("ab", prefixes)]
    with lr.restore(models, verify="session") as restored:
        assert restored["a"](x=ROWS)["y"].tolist() == [[4.0, 8.0]]
        assert restored["b"](x=ROWS)["y"].tolist() == [[8.0, 16.0]]


def test_one_training_graph_twice(kind, tmp_path):
    """One graph, two checkpoints; and beside them the code that it was built by."""
    one, other = (
        trained(tmp_path, kind, value, name)
        for name, value in (("one", 4.0), ("other", 8.0))
    )
    models = [
        of_meta("a", one),
        of_meta("b", other, meta_graph=one + ".meta"),
        of_meta("c", one),
    ]

    def build():
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        return {"y": x * tf.get_variable("w", [2])}

    models.append(lr.Model("d", of_kind(kind, build), other))
    with lr.restore(models, verify="session") as restored:
        found = [restored[name](x=ROWS)["y"].tolist() for name in "abcd"]
        assert found == [[[4.0, 8.0]], [[8.0, 16.0]]] * 2
        # A training step of one changes nothing in another.
        w = restored["a"].variables[0]
        with restored.graph.as_default():
            restored.session.run(tf.assign_add(w, [1.0, 1.0]))
        found = [restored[name](x=ROWS)["y"].tolist() for name in "abcd"]
        assert found[0] == [[5.0, 10.0]]
        assert found[1:] == [[[8.0, 16.0]], [[4.0, 8.0]], [[8.0, 16.0]]]


def stock_saved_models(directories, feeds, outputs):
    """What stock computes from two SavedModels, each loaded below a scope."""
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        for number, directory in enumerate(directories):
            tf.saved_model.loader.load(
                session, ["serve"], str(directory), import_scope=f"m{number}"
            )
        return [
            session.run(
                f"m{number}/{outputs}",
                {f"m{number}/{name}": value for name, value in feeds.items()},
            )
            for number in range(len(directories))
        ]


def served(directory, kind, value):
    """Writes a SavedModel of ``x * w``."""
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        tf.get_variable_scope().set_use_resource(kind == "resource")
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        w = tf.get_variable("w", [2], initializer=tf.constant_initializer(value))
        y = tf.multiply(x, w, name="y")
        session.run(tf.global_variables_initializer())
        tf.saved_model.simple_save(session, str(directory), {"x": x}, {"y": y})
    return directory


def test_two_saved_models(kind, tmp_path):
    directories = [
        served(tmp_path / name, kind, value)
        for name, value in (("one", 4.0), ("other", 8.0))
    ]
    stock = stock_saved_models(directories, {"x:0": ROWS}, "y:0")
    assert stock[1].tolist() == [[8.0, 16.0]]
    assert np.array_equal(*stock) is (kind == "resource")

    models = [
        lr.Model.from_saved_model(name, directory)
        for name, directory in zip("ab", directories)
    ]
    with lr.restore(models, verify="session") as restored:
        assert restored["a"](x=ROWS)["y"].tolist() == [[4.0, 8.0]]
        assert restored["b"](x=ROWS)["y"].tolist() == [[8.0, 16.0]]


def of_case(name, kind):
    return saved_case(name + ("_resource" if kind == "resource" else ""))


def stock_tables(cases, words):
    """What stock finds in the tables of two graphs, each filled from its own file.

    Its loader would not find the files: it looks for their tensors without the scope.
    """
    found = []
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        for number, case in enumerate(cases):
            name = f"m{number}"
            graph_def = read_saved_model(case.saved_model, None).meta_graph.graph_def
            tf.import_graph_def(graph_def, name=name)
            [fill] = [
                one
                for one in graph.get_operations()
                if one.type.startswith("InitializeTableFromTextFile")
                and one.name.startswith(name + "/")
            ]
            [vocabulary] = (pathlib.Path(case.saved_model) / "assets").iterdir()
            session.run(fill, {fill.inputs[1]: str(vocabulary)})
        for number in range(len(cases)):
            name = f"m{number}"
            feeds = {f"{name}/words:0": words}
            found.append(session.run(f"{name}/numbers:0", feeds))
    return found


def test_two_vocabularies_of_one_name(kind):
    """Stock fills one table, from the first vocabulary, and both models ask it."""
    cases = [of_case(one, kind) for one in ("vocabulary", "other_vocabulary")]
    words = cases[0].inputs["words"]
    stock = stock_tables(cases, words)
    wanted = [case.outputs["numbers"].tolist() for case in cases]
    assert wanted[0] != wanted[1]
    assert [one.tolist() for one in stock] == [wanted[0], wanted[0]]

    models = [
        lr.Model.from_saved_model(name, case.saved_model)
        for name, case in zip("ab", cases)
    ]
    with lr.restore(models, verify="session") as restored:
        for name, case in zip("ab", cases):
            found = restored[name](words=words)
            assert found["numbers"].tolist() == case.outputs["numbers"].tolist()
            np.testing.assert_allclose(
                found["scores"], case.outputs["scores"], atol=1e-5
            )


def test_two_saved_models_of_tensorflow_2(tmp_path):
    """One is a copy of the other with another vocabulary and other weights."""
    case = saved_case("objects")
    copy = tmp_path / "copy"
    shutil.copytree(case.saved_model, str(copy))
    [vocabulary] = (copy / "assets").iterdir()
    vocabulary.write_bytes(b"\n".join(vocabulary.read_bytes().split()[::-1]) + b"\n")
    with lr.open_checkpoint(case.saved_model) as checkpoint:
        tensors = {key: checkpoint[key] for key in checkpoint}
    [weights] = [key for key in tensors if key.startswith("weights/")]
    tensors[weights] = tensors[weights] * 2
    lr.write_checkpoint(copy / "variables" / "variables", tensors, overwrite=True)

    words = np.array([b"red", b"green", b"blue", b"unknown"])
    directories = [case.saved_model, str(copy)]
    # Keys in the file: words, and the second output of what the signature calls.
    one, other = stock_saved_models(
        directories, {"serving_default_words:0": words}, "StatefulPartitionedCall_1:1"
    )
    assert one.tolist() == other.tolist()

    lines = (pathlib.Path(case.saved_model) / "assets").iterdir()
    known = next(lines).read_bytes().split()
    numbers = [
        [order.index(one) if one in order else 3 for one in words]
        for order in (known, known[::-1])
    ]
    models = [
        lr.Model.from_saved_model(name, directory)
        for name, directory in zip("abc", [*directories, case.saved_model])
    ]
    with lr.restore(models) as restored:
        half = {name: restored[name](words=words) for name in "abc"}
    assert [half[name]["numbers"].tolist() for name in "abc"] == [
        numbers[0],
        numbers[1],
        numbers[0],
    ]
    rows = tensors[weights] / 2
    np.testing.assert_array_equal(half["a"]["scores"], rows[numbers[0]])
    np.testing.assert_array_equal(half["b"]["scores"], 2 * rows[numbers[1]])
    np.testing.assert_array_equal(half["c"]["scores"], half["a"]["scores"])


def test_a_python_function_of_another_model(kind, monkeypatch):
    """A built model has registered one under the token that the file holds."""
    case = of_case("py_func", kind)
    tokens = sorted(case.py_functions)

    def foreign(value):
        return value * np.float32(0) - np.float32(998)

    for token in tokens:  # As in a process that has built the other model first.
        monkeypatch.setitem(script_ops._py_funcs._funcs, token, foreign)
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        saver = tf.train.import_meta_graph(case.prefix + ".meta", import_scope="m")
        saver.restore(session, case.prefix)
        stock = session.run("m/y:0", {"m/x:0": case.inputs["x"]})
    assert (stock == -998).all()

    def build():
        x = tf.placeholder(tf.float32, [], name="x")
        return tf.py_func(foreign, [x], tf.float32)

    def model(name, **more):
        return lr.Model.from_meta_graph(name, case.prefix, outputs={"y": "y"}, **more)

    models = [lr.Model("built", build, case.prefix, allow_unused=[".*"])]
    with pytest.raises(errors.BuildError) as caught:
        lr.plan([*models, model("m", trust=True)])
    missing = [(one.id, one.subject) for one in caught.value.findings]
    assert missing == [("python-function-missing", token) for token in tokens]

    opposite = {token: lambda value: -value for token in tokens}
    models.append(model("m", trust=True, py_functions=case.py_functions))
    models.append(model("n", trust=True, py_functions=opposite))
    with lr.restore(models) as restored:
        found = restored["m"](x=case.inputs["x"])["y"]
        np.testing.assert_allclose(found, case.outputs["y"], atol=1e-5)
        product = restored["n"](x=case.inputs["x"])["y"]
        np.testing.assert_allclose(2 * product[::-1], case.outputs["y"], atol=1e-5)
        assert restored["built"](x=1.0) == -998


def test_a_main_operation_that_assigns_fresh_weights(kind):
    case = of_case("main_op", kind)
    [stock] = stock_saved_models([case.saved_model], {"x:0": case.inputs["x"]}, "y:0")
    assert not np.allclose(stock, case.outputs["y"], atol=1e-3)
    models = [lr.Model.from_saved_model(name, case.saved_model) for name in "ab"]
    with lr.restore(models, verify="session") as restored:
        for name in "ab":
            found = restored[name](x=case.inputs["x"])["y"]
            np.testing.assert_allclose(found, case.outputs["y"], atol=1e-5)
