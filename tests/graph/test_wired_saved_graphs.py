"""Saved graphs that are imported with another model's output in the place of an input.

What a wire does is compared with what TensorFlow does where the tensor is fed.
"""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.graph import rewiring
from legacy_restore.graph.connections import build_order, parse_connections
from legacy_restore.tf import tf
from tests.graph.helpers import dtype_of, of_kind, write
from tests.graph.test_saved_graphs import _CASES, assert_equal, model_of
from tests.importing.graphs import control_flow_v1
from tests.saved_graphs import saved_case


def saved(kind, name, tmp_path, factor, build=None, **options):
    """A model without code: its input times its one variable, or what it is given."""

    def scale():
        x = tf.placeholder(tf.float32, [None], "x")
        tf.multiply(x, tf.get_variable("w", []), name="y")

    (tmp_path / name).mkdir()
    prefix = str(tmp_path / name / "model.ckpt")
    with tf.Graph().as_default(), tf.Session() as session:
        of_kind(kind, build or scale)()
        tf.global_variables_initializer().run()
        tf.global_variables()[0].load(np.float32(factor), session)
        tf.train.Saver().save(session, prefix)
    options = {"inputs": {"x": "x"}, "outputs": {"y": "y"}, **options}
    return lr.Model.from_meta_graph(name, prefix, **options)


def built(kind, name, tmp_path, factor, make=None):
    """A model with code that does the same."""

    def build():
        x = tf.placeholder(tf.float32, [None], "x")
        w = tf.get_variable("w", [])
        return {"y": x * w} if make is None else make(x, w)

    prefix = write(tmp_path / name / "m", {"w": np.float32(factor)})
    return lr.Model(name, of_kind(kind, build), prefix)


def of_v1(build):
    """The builder, its loops and conditions those of TensorFlow 1."""

    def build_so():
        with control_flow_v1():
            build()

    return build_so


def owners(plan):
    """The operations that are not in the scope of the model that they belong to."""
    return [
        operation.name
        for name, model in plan.built.items()
        for operation in model.operations
        if not operation.name.startswith(model.model.scope + "/")
    ]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_a_chain_of_built_and_saved_models_in_any_order(
    kind, tmp_path, monkeypatch, order
):
    chain = [
        built(kind, "a", tmp_path, 2),
        saved(kind, "b", tmp_path, 3),
        saved(kind, "c", tmp_path, 5),
        built(kind, "d", tmp_path, 7),
    ]
    moved = []
    move = rewiring.move_edges
    monkeypatch.setattr(
        "legacy_restore.graph.wiring.move_edges",
        lambda old, new: (moved.append(old.name), move(old, new)),
    )
    connect = {"d/x": "c/y", "c/x": "b/y", "b/x": "a/y"}
    plan = lr.plan([chain[number] for number in order], connect=connect)
    names = ["abcd"[number] for number in order]
    assert [one.name for one in plan.models] == list(plan.built) == names
    # Edges are moved of built models alone.
    assert moved == ["d/x:0"]
    assert owners(plan) == []
    with lr.restore(plan) as restored:
        for name, factor in (("a", 2), ("b", 6), ("c", 30), ("d", 210)):
            key = "x" if name == "a" else "a/x"
            assert list(restored[name].inputs) == [key]
            assert restored[name]({key: [1, 10]})["y"].tolist() == [factor, 10 * factor]
        assert restored.check().ok


def test_saved_graphs_are_wired_where_no_edge_can_be_moved(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(rewiring, "_NEEDED", ("_update_input_of_old",))
    models = [saved(kind, "a", tmp_path, 2), saved(kind, "b", tmp_path, 3)]
    with lr.restore(models, connect={"b/x": "a/y"}) as restored:
        assert restored["b"]({"a/x": [1]})["y"].tolist() == [6]


def test_shapes_come_from_the_real_source(kind, tmp_path):
    def source(x, w):
        return {"y": tf.reshape(x, [4]) * w}

    models = [built(kind, "a", tmp_path, 2, source), saved(kind, "b", tmp_path, 3)]
    assert lr.plan(models).built["b"].outputs["y"].shape.as_list() == [None]
    wired = lr.plan(models, connect={"b/x": "a/y"})
    assert wired.built["b"].outputs["y"].shape.as_list() == [4]


def test_shapes_that_only_the_graph_cannot_take_are_refused_by_the_plan(kind, tmp_path):
    def needs_three():
        x = tf.placeholder(tf.float32, None, "x")
        w = tf.get_variable("w", [])
        tf.add(x * w, tf.constant([1.0, 2.0, 3.0]), name="y")

    def source(x, w):
        return {"y": tf.reshape(x, [4]) * w}

    models = [
        saved(kind, "b", tmp_path, 3, needs_three),
        built(kind, "a", tmp_path, 2, source),
    ]
    with pytest.raises(errors.BuildError) as caught:
        lr.plan(models, connect={"b/x": "a/y"})
    (finding,) = caught.value.findings
    assert (finding.id, finding.model) == ("import-failed", "b")
    assert "3 and 4" in finding.message or "4 and 3" in finding.message
    assert finding.hint.startswith("x:0 comes from a/") and "(4" in finding.hint


def returns_its_input():
    x = tf.placeholder(tf.float32, [None], "x")
    tf.multiply(x, tf.get_variable("w", []), name="y")


def test_an_output_that_is_the_input_itself_goes_on(kind, tmp_path):
    outputs = {"outputs": {"y": "y", "same": "x"}}
    models = [
        saved(kind, "c", tmp_path, 5),
        saved(kind, "b", tmp_path, 3, returns_its_input, **outputs),
        built(kind, "a", tmp_path, 2, lambda x, w: {"y": x * w, "x": x}),
        saved(kind, "z", tmp_path, 7),
    ]
    connect = {"c/x": "b/same", "b/x": "a/x", "a/x": "z/y"}
    with lr.restore(models, connect=connect) as restored:
        found = restored["b"]({"z/x": [1]})
        assert (found["y"].tolist(), found["same"].tolist()) == ([21], [7])
        assert restored["c"]({"z/x": [1]})["y"].tolist() == [35]
        assert list(restored["c"].inputs) == ["z/x"]


def waits_for_its_input():
    """A graph that can be fed in its middle, and waits for what is before that."""
    x = tf.placeholder(tf.float32, [None], "x")
    seen = tf.identity(x, "seen")
    with tf.control_dependencies([seen, x.op]):
        late = tf.identity(tf.get_variable("w", []), "late")
    tf.add(tf.multiply(x, 2.0, "middle"), late, name="y")


@pytest.mark.parametrize("prune", [True, False])
@pytest.mark.parametrize("key", ["x", "m"])
def test_a_wire_does_what_feeding_does(kind, tmp_path, prune, key):
    asked = {
        "inputs": {"x": "x", "m": "middle"},
        "outputs": {"y": "y", "seen": "seen"},
        "prune": prune,
    }
    target = saved(kind, "b", tmp_path, 3, waits_for_its_input, **asked)
    models = [built(kind, "a", tmp_path, 2), target]
    given = {"x": [5.0], "m": [7.0]}
    with lr.restore(models) as restored:
        twice = restored["a"](x=given[key])["y"]
        expected = restored["b"]({**given, key: twice})
    assert expected["seen"].tolist() == ([10] if key == "x" else [5])
    assert expected["y"].tolist() == ([10] if key == "x" else [17])
    rest = {one: value for one, value in given.items() if one != key}
    with lr.restore(models, connect={f"b/{key}": "a/y"}) as restored:
        assert sorted(restored["b"].inputs) == sorted(["a/x", *rest])
        found = restored["b"]({"a/x": given[key], **rest})
        assert {one: value.tolist() for one, value in found.items()} == {
            one: value.tolist() for one, value in expected.items()
        }


def loops_and_chooses():
    x = tf.placeholder(tf.float32, [None], "x")
    w = tf.get_variable("w", [])
    looped = tf.while_loop(lambda n, t: n < 2, lambda n, t: (n + 1, t + x), [0, x])
    chosen = tf.cond(tf.size(x) > 0, lambda: x * 100.0, lambda: x)
    tf.add(looped[1], chosen * w, name="y")


@pytest.mark.parametrize("prune", [True, False])
@pytest.mark.parametrize("build", [loops_and_chooses, of_v1(loops_and_chooses)])
def test_loops_and_conditions_take_the_wire(kind, tmp_path, prune, build):
    models = [
        saved(kind, "b", tmp_path, 3, build, prune=prune),
        built(kind, "a", tmp_path, 2),
    ]
    with lr.restore(models, connect={"b/x": "a/y"}) as restored:
        assert restored["b"]({"a/x": [1]})["y"].tolist() == [606]
        assert restored.check().ok


def test_gradients_go_through_a_loop_and_over_the_wire(kind, tmp_path):
    def build():
        x = tf.placeholder(tf.float32, [None], "x")
        w = tf.get_variable("w", [])
        looped = tf.while_loop(
            lambda n, t: n < 3, lambda n, t: (n + 1, t * w + x), [0, x]
        )
        chosen = tf.cond(tf.size(x) > 0, lambda: x * 100.0, lambda: x)
        tf.add(looped[1], chosen, name="y")

    models = [
        built(kind, "a", tmp_path, 2),
        saved(kind, "b", tmp_path, 3, of_v1(build), prune=False),
    ]
    with lr.restore(models, connect={"b/x": "a/y"}) as restored:
        with restored.graph.as_default():
            weights = [restored[name].variables[0] for name in ("a", "b")]
            slopes = tf.gradients(restored["b"].outputs["y"], weights)
        x = restored["a"].inputs["x"]
        # a * x * (b ** 3 + b ** 2 + b + 1 + 100) where a is 2, b is 3, x is 1.
        found = [float(one) for one in restored.session.run(slopes, {x: [1.0]})]
        assert found == [140.0, 2 * (27 + 6 + 1)]


def test_other_signatures_lose_the_input_too(kind, tmp_path):
    case = saved_case("main_op" if kind == "ref" else "main_op_resource")
    alone = model_of(case, "b")
    with lr.restore([alone]) as restored:
        (key,) = restored["b"].inputs
        placeholder = restored["b"].inputs[key]
        shape = [1 if one is None else one for one in placeholder.shape.as_list()]
        names = sorted(restored["b"].signatures)
    dtype, declared = placeholder.dtype, placeholder.shape.as_list()

    def build():
        given = tf.placeholder(dtype, declared, "given")
        return {"y": given + tf.cast(tf.get_variable("w", []), dtype)}

    prefix = write(tmp_path / "a" / "m", {"w": np.float32(1)})
    source = lr.Model("a", of_kind(kind, build), prefix)
    value = np.zeros(shape, dtype.as_numpy_dtype)
    with lr.restore([alone, source], connect={f"b/{key}": "a/y"}) as restored:
        model = restored["b"]
        found = model({"a/given": value})
        assert sorted(model.signatures) == names and names
        for name in names:
            assert list(model.signatures[name].inputs) == ["a/given"]
            again = model.signatures[name]({"a/given": value})
            for output in set(again) & set(found):
                np.testing.assert_array_equal(again[output], found[output])
    with lr.restore([alone]) as restored:
        expected = restored["b"]({key: value + 1})
        np.testing.assert_equal(found, expected)


def two_inputs():
    x = tf.placeholder(tf.float32, [None], "x")
    z = tf.placeholder(tf.float32, [None], "z")
    tf.multiply(x + z, tf.get_variable("w", []), name="y")


def test_one_output_goes_into_two_inputs_and_two_models(kind, tmp_path):
    both = {"inputs": {"x": "x", "z": "z"}}
    models = [
        saved(kind, "b", tmp_path, 3, two_inputs, **both),
        saved(kind, "c", tmp_path, 5, two_inputs, **both),
        saved(kind, "a", tmp_path, 2),
    ]
    connect = {"b/x": "a/y", "b/z": "a/y", "c/z": "a/y"}
    with lr.restore(models, connect=connect) as restored:
        assert restored["b"]({"a/x": [1]})["y"].tolist() == [12]
        assert sorted(restored["c"].inputs) == ["a/x", "x"]
        assert restored["c"]({"a/x": [1], "x": [10]})["y"].tolist() == [60]


def test_two_outputs_for_one_tensor_are_refused(kind, tmp_path):
    directory = str(tmp_path / "saved_model")
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None], "x")
        with tf.variable_scope("", use_resource=kind == "resource"):
            w = tf.get_variable("w", [], initializer=tf.ones_initializer())
        session.run(w.initializer)
        tf.saved_model.simple_save(
            session, directory, {"x": x, "again": x}, {"y": x * (w + 2.0)}
        )
    models = [
        lr.Model.from_saved_model("b", directory),
        saved(kind, "a", tmp_path, 2),
        saved(kind, "c", tmp_path, 5),
    ]
    with pytest.raises(errors.UsageError) as caught:
        lr.plan(models, connect={"b/x": "a/y", "b/again": "c/y"})
    assert "one tensor of model 'b', b/x:0" in str(caught.value)
    for connect in ({"b/x": "a/y", "b/again": "a/y"}, {"b/again": "a/y"}):
        with lr.restore(models, connect=connect) as restored:
            assert list(restored["b"].inputs) == ["a/x"]
            assert restored["b"]({"a/x": [1]})["y"].tolist() == [6]


def make_wrong(x, w):
    return {"y": x * w, "cast": tf.cast(x, tf.int32), "sum": tf.reduce_sum(x)}


@pytest.mark.parametrize(
    "connect, named",
    [
        ({"b/z": "a/y"}, "model 'b' has no input 'z'; it has x"),
        ({"b/x": "a/z"}, "model 'a' has no output 'z'; it has 'cast', 'sum', 'y'"),
        ({"b/x": "a/cast"}, "b/x is float32("),
        ({"b/x": "a/sum"}, "a/sum is float32()"),
    ],
)
def test_what_cannot_be_wired_is_refused_after_all_that_fails(
    kind, tmp_path, connect, named
):
    models = [
        saved(kind, "b", tmp_path, 3),
        built(kind, "a", tmp_path, 2, make_wrong),
        saved(kind, "c", tmp_path, 3),
    ]
    with pytest.raises(errors.UsageError) as caught:
        lr.plan(models, connect=connect)
    assert named in str(caught.value)
    models[2].build = lambda: 1 / 0
    with pytest.raises(errors.BuildError) as failed:
        lr.plan(models, connect=connect)
    assert [one.model for one in failed.value.findings] == ["c"]


def test_a_source_and_its_target_that_both_fail_are_both_named(kind, tmp_path):
    models = [
        saved(kind, "b", tmp_path, 3, outputs={"y": "nothing"}),
        built(kind, "a", tmp_path, 2, lambda x, w: 1 / 0),
    ]
    with pytest.raises(errors.BuildError) as caught:
        lr.plan(models, connect={"b/x": "a/y"})
    found = [(one.id, one.model) for one in caught.value.findings]
    assert found == [("unknown-tensor", "b"), ("builder-failed", "a")]


# Variables as sources.


@pytest.mark.parametrize("options", [{}, {"variables": "resource"}])
def test_a_variable_as_an_output_is_read_by_its_own_model(kind, tmp_path, options):
    if options and kind == "resource":
        pytest.skip("its variables are resources already")
    held = "w" if kind == "ref" else "w/Read/ReadVariableOp"
    target = saved(kind, "b", tmp_path, 3, lambda: returns_scalar())
    sources = [
        saved(kind, "a", tmp_path, 2, outputs={"w": held}, inputs={}, **options),
        built(kind, "c", tmp_path, 5, lambda x, w: {"w": w}),
    ]
    for source in sources:
        connect = {"b/x": f"{source.name}/w"}
        plan = lr.plan([target, source], connect=connect)
        assert owners(plan) == []
        alone = lr.plan([target, source])
        counts = [len(one.graph.get_operations()) for one in (plan, alone)]
        assert counts[0] == counts[1]
        with lr.restore(plan) as restored:
            inputs = {one: [0.0] for one in restored["b"].inputs}
            value = 2 if source.name == "a" else 5
            assert restored["b"](inputs)["y"] == 3 * value
            with restored.graph.as_default():
                restored[source.name].variables[0].load(11.0, restored.session)
            assert restored["b"](inputs)["y"] == 33


def returns_scalar():
    x = tf.placeholder(tf.float32, [], "x")
    tf.multiply(x, tf.get_variable("w", []), name="y")


def test_what_an_assignment_of_a_ref_variable_gives_is_refused_with_what_to_do(
    tmp_path,
):
    target = saved("ref", "b", tmp_path, 3, returns_scalar)

    def counting():
        w = tf.get_variable("w", [], use_resource=False)
        tf.identity(tf.assign_add(w, 1.0, name="more"), name="read_after")

    asked = {"inputs": {}, "outputs": {"more": "more", "read": "read_after"}}
    source = saved("ref", "a", tmp_path, 2, counting, **asked)
    with pytest.raises(errors.UsageError) as caught:
        lr.plan([source, target], connect={"b/x": "a/more"})
    assert "a/more is float32_ref" in str(caught.value)
    assert "a/more: 'read_after:0'" in caught.value.hint
    with lr.restore([source, target], connect={"b/x": "a/read"}) as restored:
        assert restored["b"]()["y"] == 9
    source = built("ref", "c", tmp_path, 5, lambda x, w: {"m": tf.assign_add(w, 1.0)})
    with pytest.raises(errors.UsageError) as caught:
        lr.plan([source, target], connect={"b/x": "c/m"})
    assert "tf.identity(...) of c/" in caught.value.hint


def test_a_wire_before_an_input_in_the_middle_may_change_what_fits(kind, tmp_path):
    # Without the shapes that `.meta` files keep of each operation.
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [2], "x")
        tf.multiply(tf.multiply(x, 2.0, "middle"), 3.0, name="y")
        tf.identity(x, "seen")
        path = tmp_path / "graph.pb"
        path.write_bytes(graph.as_graph_def().SerializeToString())

    def source(x, w):
        return {"y": x * w, "three": tf.reshape(x, [3]), "two": tf.reshape(x, [2])}

    asked = {
        "inputs": {"x": "x", "m": "middle"},
        "outputs": {"y": "y", "seen": "seen"},
        "prune": False,
    }
    models = [
        built(kind, "a", tmp_path, 2, source),
        lr.Model.from_graph_def("b", str(path), **asked),
    ]
    with pytest.raises(errors.UsageError) as caught:
        lr.plan(models, connect={"b/m": "a/three", "b/x": "a/y"})
    assert "a/three is float32(3" in str(caught.value)
    connect = {"b/m": "a/two", "b/x": "a/y"}
    with lr.restore(models, connect=connect) as restored:
        found = restored["b"]({"a/x": [1.0, 10.0]})
        assert found["y"].tolist() == [3.0, 30.0]
        assert found["seen"].tolist() == [2.0, 20.0]


def test_what_waits_for_an_operation_in_the_middle_goes_on_to_wait(kind, tmp_path):
    def build():
        x = tf.placeholder(tf.float32, [None], "x")
        w = tf.get_variable("w", [])
        with tf.control_dependencies([tf.assign_add(w, 1.0)]):
            middle = tf.multiply(x, 2.0, "middle")
        with tf.control_dependencies([middle.op]):
            one = tf.identity(tf.constant(1.0))
        tf.add(middle, one, name="y")

    asked = {"inputs": {"x": "x", "m": "middle"}, "prune": False}
    models = [
        built(kind, "a", tmp_path, 2),
        saved(kind, "b", tmp_path, 3, build, **asked),
    ]
    for connect, fed in (({}, {"m": [6.0]}), ({"b/m": "a/y"}, {"a/x": [3.0]})):
        with lr.restore(models, connect=connect) as restored:
            assert restored["b"]({"x": [0.0], **fed})["y"].tolist() == [7.0]
            assert restored.session.run(restored["b"].variables[0]) == 4


@pytest.mark.parametrize("name", _CASES)
def test_each_computes_over_wires_what_it_does_when_it_is_fed(name, kind, tmp_path):
    case = saved_case(name)
    if not case.inputs:
        pytest.skip("it has no inputs")

    def build():
        found = {
            key: tf.placeholder(dtype_of(value), value.shape, key)
            for key, value in case.inputs.items()
        }
        return {**found, "own": tf.get_variable("w", []) + 0.0}

    prefix = write(tmp_path / "m", {"w": np.float32(2)})
    models = [
        model_of(case, "b"),
        lr.Model("a", of_kind(kind, build), prefix),
        model_of(case, "c", prune=False),
        model_of(case, "alone"),
    ]
    connect = {f"{one}/{key}": f"a/{key}" for one in "bc" for key in case.inputs}
    with lr.restore(models, connect=connect) as restored:
        fed = {f"a/{key}": value for key, value in case.inputs.items()}
        for one in "bc":
            assert sorted(restored[one].inputs) == sorted(fed)
            assert_equal(restored[one](fed), case.outputs)
        assert_equal(restored["alone"](case.inputs), case.outputs)
        restored.check().raise_if_failed()


def test_a_wire_permits_no_builder_to_take_the_tensor_itself(kind, tmp_path):
    held = {}

    def source(x, w):
        held["y"] = x * w
        return {"y": held["y"]}

    models = [
        built(kind, "a", tmp_path, 2, source),
        built(kind, "d", tmp_path, 7, lambda x, w: {"y": x * w + held["y"]}),
        saved(kind, "b", tmp_path, 3),
    ]
    plan = lr.plan(models, connect={"d/x": "a/y", "b/x": "a/y"})
    claimed = [one.model for one in plan.findings if one.id == "variable-claimed"]
    assert claimed == ["d"]


def test_only_what_feeds_saved_graphs_is_put_before_them():
    model = lr.Model.from_graph_def("s", "f.pb")
    models = {name: lr.Model(name, dict, "m") for name in "abcde"}
    models = [models["b"], models["a"], model, models["c"], models["d"], models["e"]]
    connect = {"b/x": "a/y", "s/x": "d/y", "s/z": "c/y", "d/x": "c/y", "s/w": "e/y"}

    def order(connect):
        names = [one.name for one in models]
        found = build_order(models, parse_connections(connect, names))
        return "".join(one.name for one in found)

    assert order({}) == "bascde"
    assert order({"b/x": "a/y"}) == "bascde"
    assert sorted(order(connect)) == sorted("bascde")
    assert order(connect).startswith("ba") and order(connect).endswith("s")
    assert order(connect).index("c") < order(connect).index("d")
