"""Building several models in one graph."""

import collections

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf
from tests.graph.helpers import (
    apply,
    assert_same,
    ids,
    linear,
    linear_model,
    linear_values,
    numbers,
    of_id,
    of_kind,
    only,
    values_in,
    values_of,
    variables,
    write,
)

X = numbers([4, 3], 99)


# Names.


def test_two_builders_with_the_same_names_inside(kind, tmp_path):
    models = [
        linear_model(kind, name, tmp_path, seed) for seed, name in enumerate("ab")
    ]
    with lr.restore(models) as restored:
        for seed, name in enumerate("ab"):
            assert_same(values_in(restored, name), linear_values(seed))
            expected = apply(linear_values(seed), X)
            np.testing.assert_allclose(restored[name](x=X)["y"], expected, rtol=1e-5)


def test_one_builder_used_many_times(kind, tmp_path):
    build = linear(kind)
    models = [
        lr.Model(
            f"copy_{seed}", build, write(tmp_path / str(seed), linear_values(seed))
        )
        for seed in range(12)
    ]
    with lr.restore(models) as restored:
        for seed in range(12):  # copy_1 is no prefix of copy_10 and copy_11.
            assert_same(values_in(restored, f"copy_{seed}"), linear_values(seed))


def test_a_scope_of_several_parts(kind, tmp_path):
    prefix = write(tmp_path / "m", linear_values())
    with lr.restore([lr.Model("m", linear(kind), prefix, scope="a/b")]) as restored:
        assert [one.op.name for one in restored["m"].variables] == [
            "a/b/dense/kernel",
            "a/b/dense/bias",
        ]
        assert restored.check().ok


def test_variables_made_by_tf_variable_with_a_name(kind, tmp_path):
    def build():
        return tf.Variable(tf.zeros([2]), name="w") + tf.Variable(
            tf.ones([2]), name="b"
        )

    values = {"w": numbers([2], 1), "b": numbers([2], 2)}
    prefix = write(tmp_path / "m", values)
    models = [lr.Model(name, of_kind(kind, build), prefix) for name in "ab"]
    with lr.restore(models) as restored:
        for name in "ab":
            assert_same(values_in(restored, name), values)
            assert restored[name].variables[0].op.name == f"{name}/w"


def test_variables_with_default_names(kind, tmp_path):
    def build():
        first = tf.Variable(tf.zeros([2, 3]))
        return first, tf.Variable(tf.zeros([3])), tf.Variable(0, trainable=False)

    values = {
        "Variable": numbers([2, 3]),
        "Variable_1": numbers([3]),
        "Variable_2": np.int32(7),
    }
    prefix = write(tmp_path / "m", values)
    models = [lr.Model(name, of_kind(kind, build), prefix) for name in "ab"]
    with lr.restore(models) as restored:
        for name in "ab":
            assert_same(values_in(restored, name), values)


def test_variables_in_no_collection(kind, tmp_path):
    def build():
        return tf.get_variable("w", [2], collections=[]) + tf.Variable(
            tf.zeros([2]), name="b", collections=[]
        )

    values = {"w": numbers([2], 1), "b": numbers([2], 2)}
    model = lr.Model("m", of_kind(kind, build), write(tmp_path / "m", values))
    with lr.restore([model]) as restored:
        assert_same(values_in(restored, "m"), values)
        with restored.graph.as_default():
            assert tf.global_variables() == []


def test_variables_shared_inside_a_model_by_reuse(kind, tmp_path):
    def build():
        for reuse in (False, True):
            with tf.variable_scope("tower", reuse=reuse):
                w = tf.get_variable("w", [2])
        return tf.identity(w)

    values = {"tower/w": numbers([2])}
    model = lr.Model("m", of_kind(kind, build), write(tmp_path / "m", values))
    with lr.restore([model]) as restored:
        assert_same(values_in(restored, "m"), values)


# Builders that leave their scope: found out, never matched wrongly.


def test_tf_variable_under_a_scope_that_is_entered_again(kind, tmp_path):
    def build():
        with tf.variable_scope("net") as scope:
            first = tf.Variable(tf.zeros([2]), name="w")
        with tf.variable_scope(scope, reuse=True):
            return first + tf.Variable(tf.zeros([2]), name="w")

    values = {"net/w": numbers([2], 1), "net_1/w": numbers([2], 2)}
    model = lr.Model("m", of_kind(kind, build), write(tmp_path / "m", values))
    with lr.restore([model]) as restored:
        assert_same(values_in(restored, "m"), values)
        total = values["net/w"] + values["net_1/w"]
        np.testing.assert_array_equal(restored["m"](), total)


def test_tf_variable_under_the_models_own_scope_entered_again(kind, tmp_path):
    def build():
        with tf.variable_scope(tf.get_variable_scope()):
            return tf.identity(tf.Variable(tf.zeros([2]), name="w"))

    model = lr.Model(
        "m", of_kind(kind, build), write(tmp_path / "m", {"w": numbers([2])})
    )
    plan = lr.plan([model])
    [row] = plan.rows
    # TensorFlow makes the name scope of a scope object unique: m/m/w is not w.
    assert row.variable.name == "m/m/w"
    assert ids(plan.findings) == ["missing-key", "unused-weights"]


@pytest.mark.parametrize("key", ["outside/w", "w"])
def test_names_at_the_top_are_matched_as_they_are_or_missed(kind, tmp_path, key):
    def build():
        with tf.name_scope(None), tf.name_scope("outside"):
            return tf.identity(tf.Variable(tf.zeros([2]), name="w"))

    model = lr.Model(
        "m", of_kind(kind, build), write(tmp_path / "m", {key: numbers([2])})
    )
    plan = lr.plan([model])
    assert only(plan.findings, "scope-escaped").subject == "outside/w"
    assert [row.key for row in plan.rows] == [key if key == "outside/w" else None]
    assert plan.ok == (key == "outside/w")


@pytest.mark.parametrize("scope", ["m_1", "mm", "M_1"])
def test_a_scope_that_begins_like_the_models_is_outside(kind, tmp_path, scope):
    def build():
        with tf.name_scope(None), tf.name_scope(scope):
            x = tf.placeholder(tf.float32, [2], name="x")
            return x + tf.Variable(tf.zeros([2]), name="w")

    values = {f"{scope}/w": numbers([2])}
    model = lr.Model("m", of_kind(kind, build), write(tmp_path / "m", values))
    with lr.restore([model]) as restored:
        found = restored["m"].report.findings
        assert only(found, "scope-escaped").subject == f"{scope}/w"
        assert [row.variable.local_name for row in restored.plan.rows] == [f"{scope}/w"]
        assert list(restored["m"].inputs) == [f"{scope}/x"]


def test_a_scope_object_from_outside_is_followed_and_said(kind, tmp_path):
    outer = []
    with tf.Graph().as_default(), tf.variable_scope("elsewhere") as scope:
        outer.append(scope)

    def build():
        with tf.variable_scope(outer[0], use_resource=kind == "resource"):
            return tf.identity(tf.get_variable("w", [2]))

    values = {"elsewhere/w": numbers([2])}
    model = lr.Model("m", build, write(tmp_path / "m", values))
    with lr.restore([model]) as restored:
        found = restored["m"].report.findings
        assert only(found, "scope-escaped").subject == "elsewhere/w"
        np.testing.assert_array_equal(restored["m"](), values["elsewhere/w"])


def test_two_models_in_one_foreign_scope_never_share_a_variable(kind, tmp_path):
    outer = []
    with tf.Graph().as_default(), tf.variable_scope("elsewhere") as scope:
        outer.append(scope)

    def build():
        with tf.variable_scope(outer[0], use_resource=kind == "resource"):
            return tf.identity(tf.get_variable("w", [2]))

    prefix = write(tmp_path / "m", {"elsewhere/w": numbers([2])})
    with pytest.raises(errors.BuildError) as caught:
        lr.plan([lr.Model(name, build, prefix) for name in "ab"])
    assert only(caught.value.findings, "builder-failed").model == "b"
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_variable_outside_under_the_name_of_one_inside(kind, tmp_path):
    def build():
        inside = tf.get_variable("w", [2])
        with tf.name_scope(None):
            return inside + tf.Variable(tf.zeros([2]), name="w")

    model = lr.Model(
        "m", of_kind(kind, build), write(tmp_path / "m", {"w": numbers([2])})
    )
    plan = lr.plan([model])
    assert ids(plan.findings) == ["key-claimed-twice", "key-claimed-twice"]
    claimed = of_id(plan.findings, "key-claimed-twice")
    assert {one.subject for one in claimed} == {"m/w", "w"}


def write_with_meta_graph(kind, prefix, value):
    """Writes a checkpoint with the graph that it comes from: ``y`` is twice ``w``."""
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        with tf.variable_scope("", use_resource=kind == "resource"):
            w = tf.get_variable("w", [])
        tf.multiply(w, 2.0, name="y")
        session.run(tf.assign(w, value))
        return tf.train.Saver().save(session, str(prefix))


def importing(prefix):
    """A builder that imports a graph as it was saved."""

    def build():
        scope = tf.get_default_graph().get_name_scope()
        tf.train.import_meta_graph(prefix + ".meta")
        return tf.get_default_graph().get_tensor_by_name(f"{scope}/y:0")

    return build


def test_a_builder_that_imports_a_graph(kind, tmp_path):
    prefix = write_with_meta_graph(kind, tmp_path / "m", 3.0)
    with lr.restore([lr.Model("m", importing(prefix), prefix)]) as restored:
        assert restored["m"]() == 6
        assert [one.op.name for one in restored["m"].variables] == ["m/w"]
        assert restored.check().ok


def test_two_imported_graphs_never_share_a_storage(kind, tmp_path):
    prefixes = [
        write_with_meta_graph(kind, tmp_path / str(value), value) for value in (3, 4)
    ]
    models = [
        lr.Model(name, importing(prefix), prefix)
        for name, prefix in zip("ab", prefixes)
    ]
    plan = lr.plan(models)
    if (
        kind == "resource"
    ):  # Both keep the storage name of the file, whatever the scope.
        finding = only(plan.findings, "variable-claimed")
        assert (finding.model, finding.subject) == ("b", "b/w")
        assert not plan.ok
    else:
        with lr.restore(plan) as restored:
            assert [restored[name]() for name in "ab"] == [6, 8]


# What builders see of the graph.


def test_a_builder_sees_only_its_own_variables(kind, tmp_path):
    seen = {}

    def builder(name):
        def build():
            result = linear(kind)()
            trainable = tf.trainable_variables()
            seen[name] = {
                "trainable": [one.op.name for one in trainable],
                "global": [one.op.name for one in tf.global_variables()],
                "losses": tf.losses.get_regularization_losses(),
                "steps": tf.get_collection("my_collection"),
            }
            tf.losses.add_loss(tf.constant(1.0), tf.GraphKeys.REGULARIZATION_LOSSES)
            tf.add_to_collection("my_collection", name)
            return result

        return build

    models = [
        lr.Model(name, builder(name), write(tmp_path / name, linear_values()))
        for name in "abc"
    ]
    with lr.restore(models) as restored:
        for name in "abc":
            own = [f"{name}/dense/kernel", f"{name}/dense/bias"]
            assert seen[name]["trainable"] == own
            assert seen[name]["global"] == own
            assert seen[name]["losses"] == []
            assert seen[name]["steps"] == []
        with restored.graph.as_default():
            assert tf.get_collection("my_collection") == ["a", "b", "c"]
            assert [one.op.name for one in tf.trainable_variables()] == [
                f"{name}/dense/{part}" for name in "abc" for part in ("kernel", "bias")
            ]
            assert len(tf.losses.get_regularization_losses()) == 3


def test_a_builder_that_makes_a_saver_saves_its_own_variables(kind, tmp_path):
    savers = {}

    def builder(name):
        def build():
            result = linear(kind)()
            savers[name] = tf.train.Saver()
            return result

        return build

    models = [
        lr.Model(name, builder(name), write(tmp_path / name, linear_values(seed)))
        for seed, name in enumerate("ab")
    ]
    with lr.restore(models) as restored:
        for seed, name in enumerate("ab"):
            with restored.graph.as_default():
                saved = savers[name].save(restored.session, str(tmp_path / f"{name}_2"))
            expected = {f"{name}/{key}": v for key, v in linear_values(seed).items()}
            with lr.open_checkpoint(saved) as checkpoint:
                assert_same({key: checkpoint[key] for key in checkpoint}, expected)


def test_every_builder_gets_a_global_step_of_its_own(kind, tmp_path):
    def build():
        step = tf.train.get_or_create_global_step()
        assert tf.train.get_global_step() is step
        return tf.identity(step)

    models = [
        lr.Model(
            name,
            of_kind(kind, build),
            write(tmp_path / name, {"global_step": np.int64(number)}),
        )
        for number, name in enumerate("ab")
    ]
    with lr.restore(models) as restored:
        assert [restored[name]() for name in "ab"] == [0, 1]


def test_training_operations_belong_to_the_model(kind, tmp_path):
    def build():
        y = linear(kind)()["y"]
        train = tf.train.AdamOptimizer().minimize(tf.reduce_mean(y))
        return {"y": y, "train": train}

    slots = {f"{key}/{slot}" for key in linear_values() for slot in ("Adam", "Adam_1")}
    model = lr.Model("m", of_kind(kind, build), write(tmp_path / "m", linear_values()))
    plan = lr.plan([model])
    missing = {one.subject[2:] for one in of_id(plan.findings, "missing-key")}
    powers = {name for name in missing if name.endswith("_power")}
    assert len(powers) == 2
    # The optimizer repeats the scope before the whole name of the variable.
    assert {name.replace("m/", "") for name in missing - powers} == slots


# What builders return.

Pair = collections.namedtuple("Pair", ["left", "right"])


def returning(kind, make):
    def build():
        w = tf.get_variable("w", [2])
        return make(tf.identity(w))

    return of_kind(kind, build)


def restore_returning(kind, tmp_path, make):
    prefix = write(tmp_path / "m", {"w": np.array([1, 2], np.float32)})
    return lr.restore([lr.Model("m", returning(kind, make), prefix)])


@pytest.mark.parametrize(
    "make, expected",
    [
        (lambda w: w, [1, 2]),
        (lambda w: [w, (w * 2, {"k": w * 3})], [[1, 2], ([2, 4], {"k": [3, 6]})]),
        (lambda w: {"b": [w], "a": {"c": w * 2}}, {"a": {"c": [2, 4]}, "b": [[1, 2]]}),
        (lambda w: Pair(w, [w * 2]), Pair([1, 2], [[2, 4]])),
        (lambda w: [None, w, None], [None, [1, 2], None]),
        (lambda w: [w, w], [[1, 2], [1, 2]]),
        (lambda w: {"w": w, "empty": []}, {"w": [1, 2], "empty": []}),
    ],
)
def test_the_nest_that_a_builder_returns_is_what_a_call_gives(
    kind, tmp_path, make, expected
):
    def as_lists(nest):
        return tf.nest.map_structure(
            lambda leaf: None if leaf is None else leaf.tolist(), nest
        )

    with restore_returning(kind, tmp_path, make) as restored:
        found = as_lists(restored["m"]())
        assert found == expected
        assert type(found) is type(expected)


def test_operations_are_run_and_give_none(kind, tmp_path):
    def make(w):
        return {"w": w, "init": tf.group(w.op)}

    with restore_returning(kind, tmp_path, make) as restored:
        assert restored["m"]()["init"] is None


def test_sparse_tensors_come_as_values(kind, tmp_path):
    def make(w):
        return {"sparse": tf.SparseTensor([[0, 1], [2, 3]], w, [4, 5])}

    with restore_returning(kind, tmp_path, make) as restored:
        found = restored["m"]()["sparse"]
        assert found.indices.tolist() == [[0, 1], [2, 3]]
        assert found.values.tolist() == [1, 2]
        assert found.dense_shape.tolist() == [4, 5]


def test_a_variable_may_be_returned(kind, tmp_path):
    def build():
        return [tf.get_variable("w", [2])]

    prefix = write(tmp_path / "m", {"w": np.array([1, 2], np.float32)})
    with lr.restore([lr.Model("m", of_kind(kind, build), prefix)]) as restored:
        assert restored["m"]()[0].tolist() == [1, 2]


@pytest.mark.parametrize(
    "make",
    [
        lambda w: "w:0",
        lambda w: ["m/w"],
        lambda w: {"y": 3},
        lambda w: {"y": np.zeros(2)},
        lambda w: (w, object()),
        lambda w: tf.Graph(),
        lambda w: len,
        lambda w: {1: w, "a": w},
    ],
)
def test_what_is_no_tensor_is_refused_when_the_model_is_built(kind, tmp_path, make):
    with pytest.raises(errors.BuildError) as caught:
        restore_returning(kind, tmp_path, make)
    finding = only(caught.value.findings, "builder-failed")
    assert finding.model == "m"
    assert finding.hint


def test_two_outputs_of_one_path_are_refused(kind, tmp_path):
    with pytest.raises(errors.BuildError) as caught:
        restore_returning(kind, tmp_path, lambda w: {"a/b": w, "a": {"b": w * 2.0}})
    assert "'a/b'" in only(caught.value.findings, "builder-failed").message


def test_the_place_where_a_builder_failed_is_named(kind, tmp_path):
    def make(w):
        return tf.matmul(w, w)  # Vectors are no matrices.

    with pytest.raises(errors.BuildError) as caught:
        restore_returning(kind, tmp_path, make)
    place = f"test_building.py:{make.__code__.co_firstlineno + 1}: "
    assert place in only(caught.value.findings, "builder-failed").message


def test_a_tensor_of_another_graph_is_refused_when_the_model_is_built(kind, tmp_path):
    with tf.Graph().as_default():
        foreign = tf.constant(1.0)
    with pytest.raises(errors.BuildError) as caught:
        restore_returning(kind, tmp_path, lambda w: {"w": w, "far": foreign})
    assert "'far'" in only(caught.value.findings, "builder-failed").message


def test_a_builder_that_returns_nothing_is_restored_and_not_callable(kind, tmp_path):
    with restore_returning(kind, tmp_path, lambda w: None) as restored:
        assert restored.check().ok
        with pytest.raises(errors.InputError):
            restored["m"]()


# Builders that interfere.


def test_a_builder_that_resets_the_default_graph_is_refused(kind, tmp_path):
    def build():
        tf.reset_default_graph()
        return linear(kind)()

    prefix = write(tmp_path / "m", linear_values())
    with pytest.raises(errors.BuildError) as caught:
        lr.plan([lr.Model("m", build, prefix)])
    assert only(caught.value.findings, "builder-failed").model == "m"


def test_a_builder_with_a_graph_of_its_own_is_refused(kind, tmp_path):
    def build():
        with tf.Graph().as_default():
            return linear(kind)()

    prefix = write(tmp_path / "m", linear_values())
    with pytest.raises(errors.BuildError) as caught:
        lr.plan([lr.Model("m", build, prefix)])
    assert only(caught.value.findings, "builder-failed").model == "m"


def test_a_graph_of_the_builders_own_that_it_does_not_return_is_no_matter(
    kind, tmp_path
):
    def build():
        with tf.Graph().as_default():
            linear(kind)()
        return linear(kind)()

    model = lr.Model("m", build, write(tmp_path / "m", linear_values()))
    with lr.restore([model]) as restored:
        assert_same(values_in(restored, "m"), linear_values())


def test_a_failed_builder_leaves_the_callers_scopes_and_graph_alone(kind, tmp_path):
    def build():
        with tf.variable_scope("inside"):
            raise RuntimeError

    with tf.Graph().as_default() as graph, tf.variable_scope("callers"):
        with pytest.raises(errors.BuildError):
            lr.plan([lr.Model("m", build, tmp_path / "m")])
        assert tf.get_default_graph() is graph
        assert tf.get_variable_scope().name == "callers"
        assert tf.constant(1.0, name="c").op.name == "callers/c"


def test_models_are_built_in_a_new_graph_each_time(kind, tmp_path):
    model = linear_model(kind, "m", tmp_path)
    with tf.Graph().as_default() as graph:
        plans = [lr.plan([model]) for _ in range(2)]
        assert graph.get_operations() == []
    assert plans[0].graph is not plans[1].graph
    assert plans[0].to_json() == plans[1].to_json()


def test_a_graph_seed_of_the_caller_does_not_reach_the_models(kind, tmp_path):
    seeds = []

    def build():
        seeds.append(tf.get_default_graph().seed)
        return linear(kind)()

    with tf.Graph().as_default():
        tf.set_random_seed(3)
        lr.plan([lr.Model("m", build, write(tmp_path / "m", linear_values()))])
    assert seeds == [None]


def test_a_model_without_variables_is_remarked(tmp_path):
    model = lr.Model("m", lambda: tf.constant(1.0), write(tmp_path / "m", {"w": 1.0}))
    plan = lr.plan([model])
    assert of_id(plan.findings, "no-variables")
    assert ids(plan.findings) == ["unused-weights"]


@pytest.mark.parametrize("shape", [None, [None, 2]])
def test_variables_without_a_known_shape_take_what_is_stored(kind, tmp_path, shape):
    def build():
        start = tf.placeholder_with_default(np.zeros([1, 2], np.float32), shape)
        return tf.identity(tf.Variable(start, name="w", validate_shape=False))

    model = lr.Model(
        "m", of_kind(kind, build), write(tmp_path / "m", {"w": numbers([5, 2])})
    )
    with lr.restore([model]) as restored:
        np.testing.assert_array_equal(restored["m"](), numbers([5, 2]))
        assert restored.check().ok


def test_many_models_of_different_sizes(kind, tmp_path):
    shapes = {
        "small": {"w": (2,)},
        "deep": {f"layer_{n}/{part}": (3, n + 1) for n in range(9) for part in "wb"},
        "scalar": {"gain": ()},
        "empty": {"none": (0, 4), "w": (1,)},
    }
    models = [
        lr.Model(
            name,
            variables(kind, of_model),
            write(tmp_path / name, values_of(of_model, seed)),
        )
        for seed, (name, of_model) in enumerate(shapes.items())
    ]
    with lr.restore(models) as restored:
        for seed, (name, of_model) in enumerate(shapes.items()):
            assert_same(values_in(restored, name), values_of(of_model, seed))
        assert restored.check().ok
