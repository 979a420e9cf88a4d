"""Wiring models inside the graph."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf
from tests.graph.helpers import of_kind, write


def scale(kind, factor_name="w", inputs=("x",), **more):
    """A builder whose output is the sum of its inputs times its one variable."""

    def build():
        made = [tf.placeholder(tf.float32, [None], name) for name in inputs]
        factor = tf.get_variable(factor_name, [])
        return {"y": tf.add_n(made) * factor, "parts": [made[0] + 0.0], **more}

    return of_kind(kind, build)


def model(kind, name, tmp_path, factor, build=None):
    prefix = write(tmp_path / name, {"w": np.float32(factor)})
    return lr.Model(name, build or scale(kind), prefix)


@pytest.fixture
def models(kind, tmp_path):
    """Three models that multiply by 2, 3 and 5."""
    return [
        model(kind, name, tmp_path, factor)
        for name, factor in (("a", 2), ("b", 3), ("c", 5))
    ]


def test_the_output_of_one_is_the_input_of_another(models):
    with lr.restore(models[:2], connect={"b/x": "a/y"}) as restored:
        found = restored["b"]({"a/x": [1, 2]})
        assert found["y"].tolist() == [6, 12]
        assert restored["a"](x=[1, 2])["y"].tolist() == [2, 4]
        assert list(restored["b"].inputs) == ["a/x"]


def test_models_may_be_given_in_any_order(models):
    with lr.restore(models[1::-1], connect={"b/x": "a/y"}) as restored:
        assert restored["b"]({"a/x": [1]})["y"].tolist() == [6]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_chain_takes_the_inputs_of_its_first_model(models, backwards):
    connect = {"b/x": "a/y", "c/x": "b/y"}
    if backwards:
        connect = dict(reversed(list(connect.items())))
    with lr.restore(models, connect=connect) as restored:
        assert list(restored["c"].inputs) == ["a/x"]
        assert restored["c"]({"a/x": [1, 2]})["y"].tolist() == [30, 60]
        assert restored["b"]({"a/x": [1]})["y"].tolist() == [6]


def test_one_output_may_feed_several_models(models):
    connect = {"b/x": "a/y", "c/x": "a/y"}
    with lr.restore(models, connect=connect) as restored:
        assert restored["b"]({"a/x": [1]})["y"].tolist() == [6]
        assert restored["c"]({"a/x": [1]})["y"].tolist() == [10]


def test_inputs_that_are_not_connected_stay(kind, tmp_path):
    two = model(kind, "two", tmp_path, 3, scale(kind, inputs=("x", "z")))
    with lr.restore(
        [model(kind, "a", tmp_path, 2), two], connect={"two/x": "a/y"}
    ) as restored:
        assert sorted(restored["two"].inputs) == ["a/x", "z"]
        assert restored["two"]({"a/x": [1], "z": [10]})["y"].tolist() == [36]
        with pytest.raises(errors.InputError) as caught:
            restored["two"](z=[10])
        assert "'a/x'" in str(caught.value)


def test_an_output_deep_in_the_nest(models):
    with lr.restore(models[:2], connect={"b/x": "a/parts/0"}) as restored:
        assert restored["b"]({"a/x": [7]})["y"].tolist() == [21]


def test_an_output_that_is_the_whole_nest(kind, tmp_path):
    def build():
        x = tf.placeholder(tf.float32, [None], "x")
        return x * tf.get_variable("w", [])

    whole = model(kind, "a", tmp_path, 2, of_kind(kind, build))
    with lr.restore(
        [whole, model(kind, "b", tmp_path, 3)], connect={"b/x": "a"}
    ) as restored:
        assert restored["b"]({"a/x": [1]})["y"].tolist() == [6]


def passing_on(kind):
    """A builder that returns its input as it is, too."""

    def build():
        x = tf.placeholder(tf.float32, [None], "x")
        return {"y": x * tf.get_variable("w", []), "x": x}

    return of_kind(kind, build)


def test_an_input_that_is_an_output_too_is_connected_as_well(kind, tmp_path):
    first = model(kind, "a", tmp_path, 2)
    second = model(kind, "b", tmp_path, 3, passing_on(kind))
    with lr.restore([first, second], connect={"b/x": "a/y"}) as restored:
        found = restored["b"]({"a/x": [1]})
        assert found["y"].tolist() == [6]
        assert found["x"].tolist() == [2]


@pytest.mark.parametrize("backwards", [False, True])
def test_an_input_that_is_passed_on_through_a_chain(kind, tmp_path, backwards):
    chain = [
        model(kind, "a", tmp_path, 2),
        model(kind, "b", tmp_path, 3, passing_on(kind)),
        model(kind, "c", tmp_path, 5),
    ]
    connect = {"b/x": "a/y", "c/x": "b/x"}
    if backwards:
        connect = dict(reversed(list(connect.items())))
    with lr.restore(chain, connect=connect) as restored:
        assert restored["c"]({"a/x": [1]})["y"].tolist() == [10]


def test_an_input_with_a_default_is_connected(kind, tmp_path):
    def build():
        x = tf.placeholder_with_default(np.ones([1], np.float32), [None], "x")
        return {"y": x * tf.get_variable("w", [])}

    optional = model(kind, "b", tmp_path, 3, of_kind(kind, build))
    with lr.restore(
        [model(kind, "a", tmp_path, 2), optional], connect={"b/x": "a/y"}
    ) as restored:
        assert restored["b"]({"a/x": [1]})["y"].tolist() == [6]


def test_an_input_used_in_many_places(kind, tmp_path):
    def build():
        x = tf.placeholder(tf.float32, [None], "x")
        total = x + x * x
        looped = tf.while_loop(lambda n, t: n < 2, lambda n, t: (n + 1, t + x), [0, x])
        chosen = tf.cond(tf.size(x) > 0, lambda: x * 100.0, lambda: x)
        return [total, looped[1], chosen * tf.get_variable("w", [])]

    wide = model(kind, "b", tmp_path, 3, of_kind(kind, build))
    with lr.restore(
        [model(kind, "a", tmp_path, 2), wide], connect={"b/x": "a/y"}
    ) as restored:
        found = restored["b"]({"a/x": [1]})
        assert [one.tolist() for one in found] == [[6], [6], [600]]


def test_an_unused_input_may_be_connected(kind, tmp_path):
    def build():
        tf.placeholder(tf.float32, [None], "x")
        return {"y": tf.get_variable("w", []) + 0.0}

    idle = model(kind, "b", tmp_path, 3, of_kind(kind, build))
    with lr.restore(
        [model(kind, "a", tmp_path, 2), idle], connect={"b/x": "a/y"}
    ) as restored:
        assert restored["b"]({"a/x": [1]})["y"] == 3


def test_connected_variables_are_restored_and_proved(models):
    with lr.restore(models[:2], connect={"b/x": "a/y"}) as restored:
        assert restored.check().ok
        assert len(restored.report.plan.rows) == 2


def test_a_plan_with_connections_is_restored(models):
    plan = lr.plan(models[:2], connect={"b/x": "a/y"})
    with lr.restore(plan) as restored:
        assert restored["b"]({"a/x": [1]})["y"].tolist() == [6]


def refusal(models, connect):
    """The error of connections that cannot be meant."""
    with pytest.raises(errors.UsageError) as caught:
        lr.plan(models, connect=connect)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    "connect, named",
    [
        ({"z/x": "a/y"}, "'z'"),
        ({"b/x": "z/y"}, "'z'"),
        ({"b/z": "a/y"}, "'z'"),
        ({"b/x": "a/z"}, "'z'"),
        ({"b/x": "a"}, "''"),
        ({"b": "a/y"}, "''"),
        ({"b/x": "a/parts"}, "'parts'"),
        ({"b/x:0": "a/y"}, "'x:0'"),
    ],
)
def test_unknown_names_are_refused_with_those_that_there_are(models, connect, named):
    assert named in refusal(models[:2], connect)


@pytest.mark.parametrize(
    "connect",
    [
        {"a/x": "a/y"},
        {"b/x": "a/y", "a/x": "b/y"},
        {"b/x": "a/y", "c/x": "b/y", "a/x": "c/y"},
    ],
)
def test_a_model_that_would_feed_itself_is_refused(models, connect):
    assert "itself" in refusal(models, connect)


@pytest.mark.parametrize(
    "make, what",
    [
        (lambda x: tf.cast(x, tf.float64), "float64"),
        (lambda x: tf.cast(x, tf.int32), "int32"),
        (lambda x: tf.reduce_sum(x), "()"),
        (lambda x: tf.stack([x, x]), "(2, "),
        (lambda x: x.op, "Operation"),
        (lambda x: None, "NoneType"),
        (lambda x: tf.SparseTensor([[0]], x, [1]), "SparseTensor"),
    ],
)
def test_what_does_not_fit_the_input_is_refused(kind, tmp_path, make, what):
    def build():
        x = tf.placeholder(tf.float32, [None], "x")
        return {"y": x * tf.get_variable("w", []), "odd": make(x)}

    odd = model(kind, "a", tmp_path, 2, of_kind(kind, build))
    assert what in refusal([odd, model(kind, "b", tmp_path, 3)], {"b/x": "a/odd"})


def test_an_input_whose_name_would_hide_an_upstream_input_is_refused(kind, tmp_path):
    def build():
        x = tf.placeholder(tf.float32, [None], "x")
        with tf.variable_scope("a"):
            hidden = tf.placeholder(tf.float32, [None], "x")
        return {"y": (x + hidden) * tf.get_variable("w", [])}

    clash = model(kind, "b", tmp_path, 3, of_kind(kind, build))
    assert "'a/x'" in refusal([model(kind, "a", tmp_path, 2), clash], {"b/x": "a/y"})


@pytest.mark.parametrize("connect", [{"b/x": 3}, {3: "a/y"}, "b/x=a/y", [("b/x",)]])
def test_what_is_no_mapping_of_names_is_refused(models, connect):
    refusal(models[:2], connect)


def test_two_copies_share_an_upstream_input(kind, tmp_path):
    def build():
        x = tf.placeholder(tf.float32, [None], "x")
        z = tf.placeholder(tf.float32, [None], "z")
        return {"y": (x + z) * tf.get_variable("w", [])}

    both = model(kind, "b", tmp_path, 3, of_kind(kind, build))
    connect = {"b/x": "a/y", "b/z": "a/parts/0"}
    with lr.restore([model(kind, "a", tmp_path, 2), both], connect=connect) as restored:
        assert list(restored["b"].inputs) == ["a/x"]
        assert restored["b"]({"a/x": [1]})["y"].tolist() == [9]
