"""What is said where saved graphs cannot be imported or have no checkpoint."""

import json

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.graph import rewiring
from legacy_restore.tf import tf
from tests.graph.helpers import linear_model, write
from tests.saved_graphs import saved_case


def graph_file(path, build):
    with tf.Graph().as_default() as graph:
        build()
        path.write_bytes(graph.as_graph_def().SerializeToString())
    return str(path)


def constants():
    x = tf.placeholder(tf.float32, [None], name="x")
    tf.multiply(x, tf.constant([2.0, 3.0]), name="y")


def frozen(name, tmp_path, **more):
    path = graph_file(tmp_path / "frozen.pb", constants)
    return lr.Model.from_graph_def(name, path, **{"outputs": {"y": "y"}, **more})


def meta(name, **more):
    case = saved_case("rnn")
    described = {"outputs": case.described["outputs"], **more}
    return lr.Model.from_meta_graph(name, case.prefix, **described)


def builder_that_fails():
    raise ValueError("no such layer")


def test_one_refusal_is_raised_as_it_is_and_says_of_which_model(tmp_path):
    models = [frozen("a", tmp_path), frozen("b", tmp_path, signature="s")]
    with pytest.raises(errors.UsageError) as caught:
        lr.restore(models)
    assert caught.value.message.startswith("model 'b': ")
    assert [one.model for one in caught.value.findings] == ["b"]
    assert "leave one of the two out" in caught.value.hint
    with pytest.raises(errors.BuildError) as caught:
        lr.restore([frozen("a", tmp_path), frozen("b", tmp_path, outputs=None)])
    assert caught.value.message.startswith("model 'b': ")
    assert [(one.id, one.model) for one in caught.value.findings] == [
        ("outputs-unknown", "b")
    ]


def test_several_refusals_are_listed_together(kind, tmp_path):
    broken = linear_model(kind, "x", tmp_path)
    broken.build = builder_that_fails
    models = [
        frozen("a", tmp_path, signature="s"),
        broken,
        meta("b", outputs={"y": "nothing"}),
        meta("c"),
    ]
    with pytest.raises(errors.BuildError) as caught:
        lr.plan(models)
    assert [(one.id, one.model) for one in caught.value.findings] == [
        ("import-failed", "a"),
        ("builder-failed", "x"),
        ("unknown-tensor", "b"),
    ]
    assert caught.value.message.startswith("model 'a', 'x', 'b' cannot be built")


def test_a_mistyped_checkpoint_is_all_that_is_said(tmp_path):
    prefix = saved_case("rnn").prefix
    asked = {"outputs": saved_case("rnn").described["outputs"]}
    with pytest.raises(errors.BuildError) as caught:
        lr.restore([lr.Model.from_meta_graph("m", prefix + "t", **asked)])
    (finding,) = caught.value.findings
    assert (finding.id, finding.model) == ("location-not-found", "m")
    assert f"did you mean {prefix}?" in str(caught.value)
    # With the graph at hand, the plan shows what would be restored.
    graph = prefix + ".meta"
    wanted = lr.Model.from_meta_graph("m", prefix + "t", meta_graph=graph, **asked)
    plan = lr.plan([wanted])
    assert [one.id for one in plan.findings if one.is_error] == ["location-not-found"]


def test_a_graph_without_checkpoint_has_constants_and_nothing_to_prove(tmp_path):
    with lr.restore([frozen("f", tmp_path)]) as restored:
        np.testing.assert_array_equal(restored["f"](x=[1, 1])["y"], [2, 3])
        found = restored.plan.to_json()
        assert found["coverage"]["constants"] == 1
        assert found["models"][0]["location"] is None
        assert found["models"][0]["coverage"]["constants"] == 1
        assert restored.report.to_json()["coverage"] == found["coverage"]
        json.dumps(restored.report.to_json())
        assert "1 constant" in str(restored.report)
        assert restored.check().ok
        assert str(restored.check()) == "checked 0 variables"
        assert restored["f"].saver is None
        with pytest.raises(errors.UsageError):
            restored["f"].save(tmp_path / "out")
    estimate = lr.estimate([frozen("f", tmp_path)])
    assert "f              0      0 B" in str(estimate)
    assert [len(list(one)) for one in lr.restore_each([frozen("f", tmp_path)])] == [1]


def weights_file(tmp_path, kind, name="graph.pb"):
    def build():
        tf.get_variable_scope().set_use_resource(kind == "resource")
        initializer = tf.constant_initializer([3.0, 4.0])
        w = tf.get_variable("w", [2], initializer=initializer)
        v = tf.get_variable("v", initializer=np.float32([6, 8]))
        tf.identity(w + v, name="y")

    return graph_file(tmp_path / name, build)


def test_variables_without_checkpoint_are_refused(tmp_path, kind):
    path = weights_file(tmp_path, kind)
    model = lr.Model.from_graph_def("m", path, outputs={"y": "y"})
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([model])
    (finding,) = [one for one in caught.value.findings if one.is_error]
    assert (finding.id, finding.subject) == ("no-checkpoint", path)
    assert finding.message == "2 variables: w, v"
    assert "from_meta_graph" in finding.hint and "allow_missing" in finding.hint


@pytest.mark.parametrize(
    "more", [{"allow_missing": ["w|v"]}, {"exclude": ["w"], "allow_missing": ["v"]}]
)
def test_they_are_initialised_where_that_is_permitted(tmp_path, kind, more):
    path = weights_file(tmp_path, kind)
    model = lr.Model.from_graph_def("m", path, outputs={"y": "y"}, **more)
    with lr.restore([model]) as restored:
        np.testing.assert_array_equal(restored["m"]()["y"], np.float32([9, 12]))
        assert restored.report.coverage.restored_variables == 0
        assert restored.check().ok
        assert {one.status.value for one in restored.check().rows} == {"initialised"}
        (tmp_path / "out").mkdir()
        prefix = restored["m"].save(tmp_path / "out" / "model")
        with pytest.raises(errors.RestoreError):  # Nothing was made that would read it.
            restored["m"].swap(prefix)
    with lr.open_checkpoint(prefix) as checkpoint:
        np.testing.assert_array_equal(checkpoint["v"], np.float32([6, 8]))


def test_what_is_not_permitted_is_refused_alone(tmp_path, kind):
    path = weights_file(tmp_path, kind)
    for more, ids, text in (
        ({"allow_missing": ["w"]}, {"no-checkpoint"}, "1 variable: v"),
        ({"allow_missing": [".*", "x"]}, {"unused-waiver"}, ""),
    ):
        model = lr.Model.from_graph_def("m", path, outputs={"y": "y"}, **more)
        findings = [one for one in lr.plan([model]).findings if one.is_error]
        assert {one.id for one in findings} == ids
        assert text in [findings[0].message, ""]


def test_one_saved_graph_after_the_other_each_with_its_own_error(tmp_path):
    models = [frozen("m", tmp_path), frozen("m", tmp_path, signature="s"), meta("m")]
    found = []
    each = lr.restore_each(models)
    while True:
        try:
            found.append(next(each)["m"].name)
        except StopIteration:
            break
        except errors.UsageError as error:
            found.append(error.findings[0].id)
    assert found == ["m", "import-failed", "m"]


@pytest.mark.parametrize("lacking", rewiring._NEEDED)
def test_a_tensorflow_that_cannot_rewire_is_said_so(monkeypatch, tmp_path, lacking):
    monkeypatch.setattr(rewiring, "_NEEDED", (lacking + "_of_old",))
    prefix = write(tmp_path / "m", {"w": np.float32(2)})

    def scale():
        x = tf.placeholder(tf.float32, [None], name="x")
        return {"y": x * tf.get_variable("w", [])}

    models = [frozen("a", tmp_path), lr.Model("b", scale, prefix)]
    with pytest.raises(errors.BuildError) as caught:
        lr.restore(models, connect={"b/x": "a/y"})
    assert f"have no {lacking}_of_old" in str(caught.value)
    assert "feed the result" in caught.value.hint


def test_what_waits_for_an_input_waits_for_what_comes_in_its_place(kind, tmp_path):
    def source():
        tf.get_variable_scope().set_use_resource(kind == "resource")
        x = tf.placeholder(tf.float32, [], name="x")
        calls = tf.get_variable("calls", [], trainable=False)
        with tf.control_dependencies([calls.assign_add(1.0)]):
            return {"y": x + 1.0}

    def target():
        x = tf.placeholder(tf.float32, [], name="x")
        with tf.control_dependencies([x.op]):
            return {"late": tf.constant(5.0)}

    graph = graph_file(tmp_path / "late.pb", lambda: tf.identity(target()["late"], "y"))
    prefix = write(tmp_path / "a" / "m", {"calls": np.float32(0)})
    models = [
        lr.Model("a", source, prefix),
        lr.Model.from_graph_def("b", graph, inputs={"x": "x"}, outputs={"y": "y"}),
    ]
    with lr.restore(models, connect={"b/x": "a/y"}) as restored:
        assert restored["b"]({"a/x": 1.0}) == {"y": 5}
        assert restored.session.run(restored["a"].variables[0]) == 1


def test_a_variable_that_its_graph_cannot_initialise_is_refused_by_the_plan(
    kind, tmp_path
):
    prefix = str(tmp_path / "model.ckpt")
    with tf.Graph().as_default() as graph, tf.Session() as session:
        with tf.variable_scope("", use_resource=kind == "resource"):
            weights = tf.get_variable("weights", [2])
        tf.identity(weights, name="y")
        tf.global_variables_initializer().run()
        tf.train.Saver().save(session, prefix, write_meta_graph=False)
        definition = tf.MetaGraphDef(graph_def=graph.as_graph_def())
    nodes = definition.graph_def.node
    kept = [one for one in nodes if "Assign" not in one.name and "save" not in one.name]
    del nodes[:]
    nodes.extend(kept)
    path = tmp_path / "graph.meta"
    path.write_bytes(definition.SerializeToString())
    options = {"meta_graph": path, "outputs": {"y": "y"}}
    assert lr.plan([lr.Model.from_meta_graph("m", prefix, **options)]).ok
    left = lr.Model.from_meta_graph("m", prefix, exclude=["weights"], **options)
    refused = lr.plan([left])
    assert [one.id for one in refused.findings if one.is_error] == ["no-initializer"]
