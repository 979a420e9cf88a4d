"""Calling restored models: arrays in, arrays out."""

import threading

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf
from tests.graph.helpers import (
    IS_TF1,
    apply,
    linear,
    linear_model,
    linear_values,
    numbers,
    of_kind,
    write,
)

X = numbers([4, 3], 99)


@pytest.fixture
def restored(kind, tmp_path):
    with lr.restore([linear_model(kind, "m", tmp_path)]) as found:
        yield found


def echo(tmp_path, kind, *placeholders):
    """Restores a model that returns its inputs as they are, by name."""

    def build():
        tf.get_variable("w", [1])
        made = [make() for make in placeholders]
        return {one.op.name[2:]: tf.identity(one) for one in made}

    prefix = write(tmp_path / "m", {"w": numbers([1])})
    return lr.restore([lr.Model("m", of_kind(kind, build), prefix)])


def fed(dtype, shape=None, name="x"):
    return lambda: tf.placeholder(dtype, shape, name)


def default(value, shape, name):
    return lambda: tf.placeholder_with_default(value, shape, name)


# Names.


def test_inputs_by_name_and_by_tensor_give_the_same(restored):
    model = restored["m"]
    expected = apply(linear_values(), X)
    for found in (
        model(x=X),
        model({"x": X}),
        model({model.inputs["x"]: X}),
        model({"x": X.tolist()}),
    ):
        assert list(found) == ["y"]
        np.testing.assert_allclose(found["y"], expected, rtol=1e-5)


def test_outputs_are_arrays(restored):
    found = restored["m"](x=X)["y"]
    assert isinstance(found, np.ndarray)
    assert (found.dtype, found.shape) == (np.float32, (4, 2))


def test_names_that_are_no_identifiers(kind, tmp_path):
    def build():
        with tf.variable_scope("a"):
            b = tf.placeholder(tf.float32, [2], name="b")
        return b * tf.get_variable("w", [])

    prefix = write(tmp_path / "m", {"w": np.float32(3)})
    with lr.restore([lr.Model("m", of_kind(kind, build), prefix)]) as restored:
        assert list(restored["m"].inputs) == ["a/b"]
        assert restored["m"]({"a/b": [1, 2]}).tolist() == [3, 6]


def test_inputs_outside_of_the_scope_keep_their_whole_names(kind, tmp_path):
    def build():
        with tf.name_scope(None):
            x = tf.placeholder(tf.float32, [], name="outside")
        return x * tf.get_variable("w", [])

    prefix = write(tmp_path / "m", {"w": np.float32(3)})
    with lr.restore([lr.Model("m", of_kind(kind, build), prefix)]) as restored:
        assert restored["m"](outside=2.0) == 6


def raised_by(model, *arguments, **inputs):
    """The error of a call that has to be refused."""
    with pytest.raises(errors.InputError) as caught:
        model(*arguments, **inputs)
    assert isinstance(caught.value, ValueError)
    assert caught.value.exit_code == 1
    return str(caught.value)


def test_a_missing_input_is_named(restored):
    text = raised_by(restored["m"])
    assert "'x'" in text
    assert "'m'" in text


def test_an_unknown_input_is_named_beside_those_that_there_are(restored):
    text = raised_by(restored["m"], x=X, images=X)
    assert "'images'" in text
    assert "its inputs are x" in text


@pytest.mark.parametrize("key", ["m/x", "x:0", "X", ""])
def test_names_are_those_without_the_scope(restored, key):
    assert repr(key) in raised_by(restored["m"], {key: X})


def test_a_model_without_inputs_says_so(kind, tmp_path):
    with echo(tmp_path, kind) as restored:
        restored["m"].outputs["c"] = restored["m"].variables[0]
        assert "no inputs" in raised_by(restored["m"], x=1)


def test_an_input_that_is_given_twice_is_refused(restored):
    model = restored["m"]
    assert "twice" in raised_by(model, {"x": X}, x=X)
    assert "twice" in raised_by(model, {model.inputs["x"]: X}, x=X + 1)
    assert "twice" in raised_by(model, {model.inputs["x"]: X, "x": X + 1})


@pytest.mark.parametrize("key", [3, None, 1.5, ("x",), b"x"])
def test_keys_that_are_no_names(restored, key):
    raised_by(restored["m"], {key: X})


@pytest.mark.parametrize("given", [X, [X], "x", 0, ("x", X)])
def test_an_array_without_a_name_is_refused(restored, given):
    with pytest.raises(errors.InputError) as caught:
        restored["m"](given)
    assert caught.value.hint


def test_an_input_that_has_the_name_of_an_argument(kind, tmp_path):
    with echo(tmp_path, kind, fed(tf.float32, [], "feeds")) as restored:
        assert restored["m"]({"feeds": 2.0})["feeds"] == 2
        assert restored["m"](feeds=2.0)["feeds"] == 2


# Optional inputs.


def test_inputs_with_a_default_are_optional(kind, tmp_path):
    placeholders = [fed(tf.float32, [], "x"), default(np.float32(5), [], "rate")]
    with echo(tmp_path, kind, *placeholders) as restored:
        model = restored["m"]
        assert model.required_inputs == ["x"]
        assert sorted(model.inputs) == ["rate", "x"]
        assert model(x=1.0) == {"x": 1, "rate": 5}
        assert model(x=1.0, rate=2.0) == {"x": 1, "rate": 2}
        assert "rate (optional)" in raised_by(model)


def test_a_default_may_be_a_part_of_the_model(kind, tmp_path):
    def build():
        w = tf.get_variable("w", [2])
        return tf.placeholder_with_default(w * 2.0, [2], "state") + 1.0

    prefix = write(tmp_path / "m", {"w": np.array([1, 2], np.float32)})
    with lr.restore([lr.Model("m", of_kind(kind, build), prefix)]) as restored:
        assert restored["m"]().tolist() == [3, 5]
        assert restored["m"](state=[0, 0]).tolist() == [1, 1]


# Tensors of other graphs.


def test_a_tensor_of_another_graph_as_a_key(kind, restored, tmp_path):
    with lr.restore([linear_model(kind, "m", tmp_path / "other")]) as other:
        text = raised_by(restored["m"], {other["m"].inputs["x"]: X})
    assert "another graph" in text


def test_a_tensor_of_another_graph_as_a_value(restored):
    with tf.Graph().as_default():
        foreign = tf.zeros([4, 3])
    assert "no value" in raised_by(restored["m"], x=foreign)


def test_a_tensor_of_the_own_graph_as_a_value(restored):
    with restored.graph.as_default():
        own = tf.zeros([4, 3])
    assert "no value" in raised_by(restored["m"], x=own)


def test_another_tensor_of_the_own_graph_as_a_key(restored):
    model = restored["m"]
    assert "another graph" not in raised_by(model, {model.outputs["y"]: X})


@pytest.mark.skipif(IS_TF1, reason="TensorFlow 1 is not eager")
def test_an_eager_tensor_is_a_value(restored):
    found = restored["m"](x=tf.constant(X))["y"]
    np.testing.assert_allclose(found, apply(linear_values(), X), rtol=1e-5)


# Shapes and dtypes.


@pytest.mark.parametrize("shape", [(), (3,), (4, 2), (4, 3, 1), (0,)])
def test_another_shape_is_refused(restored, shape):
    text = raised_by(restored["m"], x=np.zeros(shape, np.float32))
    assert "'x'" in text
    assert str(shape) in text


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (7, 3)])
def test_open_axes_take_any_size(restored, shape):
    found = restored["m"](x=np.zeros(shape, np.float32))["y"]
    assert found.shape == (shape[0], 2)


@pytest.mark.parametrize("shape", [(), (2,), (1, 2, 3)])
def test_placeholders_of_unknown_rank_take_any_shape(kind, tmp_path, shape):
    with echo(tmp_path, kind, fed(tf.float32)) as restored:
        assert restored["m"](x=np.zeros(shape))["x"].shape == shape


@pytest.mark.parametrize(
    "dtype, value",
    [
        (tf.int32, 1.7),
        (tf.int32, [1.0]),
        (tf.int64, np.float32(1)),
        (tf.float32, 1j),
        (tf.bool, 1),
        (tf.uint8, -1),
        (tf.int32, "text"),
        (tf.float32, None),
        (tf.float32, [[1.0], [1.0, 2.0]]),
        (tf.float32, object()),
        (tf.string, 3),
        (tf.string, [b"a", 3]),
        (tf.string, None),
        (tf.int32, 2**40),
        (tf.int32, np.array([-(2**31) - 1])),
        (tf.int8, 200),
        (tf.uint8, 256),
        (tf.float32, 1e300),
        (tf.float16, 70000.0),
    ],
)
def test_values_that_would_be_lost_are_refused(kind, tmp_path, dtype, value):
    with echo(tmp_path, kind, fed(dtype)) as restored:
        assert "'x'" in raised_by(restored["m"], x=value)


@pytest.mark.parametrize(
    "dtype, value, expected",
    [
        (tf.float32, 1, 1.0),
        (tf.float32, 1.5, 1.5),
        (tf.float64, np.float32(1.5), 1.5),
        (tf.float32, np.float16(1.5), 1.5),
        (tf.float32, float("inf"), float("inf")),
        (tf.int32, 7, 7),
        (tf.int32, np.int64(-(2**31)), -(2**31)),
        (tf.int64, np.uint8(255), 255),
        (tf.uint8, np.int64(255), 255),
        (tf.uint8, 255, 255),
        (tf.int8, -128, -128),
        (tf.bool, True, True),
        (tf.float32, True, 1.0),
        (tf.complex64, 1.5, 1.5),
        (tf.string, b"a\xff", b"a\xff"),
        (tf.string, "ä", "ä".encode()),
        (tf.string, np.array("abc"), b"abc"),
    ],
)
def test_values_that_are_kept_are_taken(kind, tmp_path, dtype, value, expected):
    with echo(tmp_path, kind, fed(dtype)) as restored:
        assert restored["m"](x=value)["x"] == expected


def test_texts_of_any_length_are_taken(kind, tmp_path):
    texts = ["", "a", "long" * 100, "ä"]
    with echo(tmp_path, kind, fed(tf.string)) as restored:
        found = restored["m"](x=texts)["x"]
        assert found.tolist() == [text.encode() for text in texts]
        found = restored["m"](x=np.array([b"a\0", b"b"], object))["x"]
        assert found.tolist() == [b"a\0", b"b"]


def test_bfloat16_is_taken(kind, tmp_path):
    bfloat16 = tf.bfloat16.as_numpy_dtype
    with echo(tmp_path, kind, fed(tf.bfloat16)) as restored:
        value = np.array([1.5, 2]).astype(bfloat16)
        assert restored["m"](x=value)["x"].tolist() == value.tolist()


def test_lists_and_numbers_are_taken(restored):
    found = restored["m"](x=[[1, 2, 3]])["y"]
    expected = apply(linear_values(), np.array([[1, 2, 3]], np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_callers_array_is_not_changed(restored):
    given = X.astype(np.float64)
    before = given.copy()
    restored["m"](x=given)
    np.testing.assert_array_equal(given, before)


# Threads and closing.


def test_many_threads_may_call_at_once(kind, tmp_path):
    models = [
        linear_model(kind, name, tmp_path, seed) for seed, name in enumerate("ab")
    ]
    failures = []

    with lr.restore(models) as restored:

        def call(number):
            x = numbers([2, 3], number)
            expected = apply(linear_values(number % 2), x)
            for _ in range(20):
                found = restored["ab"[number % 2]](x=x)["y"]
                if not np.allclose(found, expected, rtol=1e-4, atol=1e-6):
                    failures.append(number)

        threads = [threading.Thread(target=call, args=(n,)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def test_a_call_adds_no_operation(restored):
    restored["m"](x=X)
    count = len(restored.graph.get_operations())
    restored.graph.finalize()
    restored["m"](x=X)
    assert len(restored.graph.get_operations()) == count


def test_after_close_everything_is_refused(restored):
    model = restored["m"]
    restored.close()
    for use in (
        lambda: model(x=X),
        lambda: restored.session,
        restored.check,
        lambda: restored["m"](x=X),
    ):
        with pytest.raises(errors.ClosedError) as caught:
            use()
        assert isinstance(caught.value, RuntimeError)
        assert "m" in str(caught.value)


def test_closing_twice_is_no_matter(restored):
    restored.close()
    restored.close()
    with restored:
        pass


def test_an_error_inside_of_with_closes_and_is_not_hidden(kind, tmp_path):
    with pytest.raises(KeyError), lr.restore(
        [linear_model(kind, "m", tmp_path)]
    ) as restored:
        raise KeyError
    with pytest.raises(errors.ClosedError):
        restored.check()


def test_a_session_that_is_closed_during_a_call_is_said_to_be_closed(
    restored, monkeypatch
):
    model = restored["m"]
    session = restored.session

    def run(*args, **kwargs):
        restored.close()
        raise RuntimeError("Attempted to use a closed Session.")

    monkeypatch.setattr(session, "run", run)
    with pytest.raises(errors.ClosedError):
        model(x=X)


def test_models_do_not_need_each_others_inputs(kind, tmp_path):
    prefix = write(tmp_path / "m", linear_values())
    models = [lr.Model(name, linear(kind), prefix) for name in "ab"]
    with lr.restore(models) as restored:
        assert restored["a"](x=X)["y"].shape == (4, 2)
        assert restored["b"](x=X[:1])["y"].shape == (1, 2)


# What a call does not do.


def test_operations_among_the_outputs_are_not_run(kind, tmp_path):
    def build():
        result = linear(kind)()
        return {**result, "init": tf.global_variables_initializer()}

    prefix = write(tmp_path / "m", linear_values())
    with lr.restore([lr.Model("m", build, prefix)]) as restored:
        found = restored["m"](x=X)
        assert found["init"] is None
        np.testing.assert_allclose(found["y"], apply(linear_values(), X), rtol=1e-5)
        restored["m"](x=X)
        assert restored.check().ok


def test_what_the_graph_refuses_is_an_input_error_with_its_cause(kind, tmp_path):
    def build():
        rows = tf.placeholder(tf.float32, [None, None], name="rows")
        return tf.matmul(rows, tf.get_variable("w", [3, 2]))

    prefix = write(tmp_path / "m", {"w": np.ones([3, 2], np.float32)})
    with lr.restore([lr.Model("m", of_kind(kind, build), prefix)]) as restored:
        with pytest.raises(errors.InputError) as caught:
            restored["m"](rows=np.ones([1, 5], np.float32))
        assert isinstance(caught.value.__cause__, tf.errors.OpError)


def test_placeholders_that_no_output_needs_are_optional(kind, tmp_path):
    def build():
        tf.placeholder(tf.int64, [None], name="labels")
        return linear(kind)()

    prefix = write(tmp_path / "m", linear_values())
    with lr.restore([lr.Model("m", build, prefix)]) as restored:
        assert restored["m"].required_inputs == ["x"]
        assert restored["m"](x=X)["y"].shape == (4, 2)


def test_check_after_the_session_ended_otherwise(restored):
    restored.session.close()
    with pytest.raises(errors.ClosedError):
        restored.check()
    with pytest.raises(errors.ClosedError):
        restored["m"](x=X)
