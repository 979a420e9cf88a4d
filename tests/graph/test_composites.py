"""Calling signatures whose inputs are several tensors, or one under two keys."""

import threading

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf
from tests.graph.helpers import write

_W = np.float32([1, 2, 3])
_VALUE = tf.SparseTensorValue(
    np.int64([[0, 0], [1, 2]]), np.float32([1, 10]), np.int64([2, 3])
)
_EXPECTED = [[1], [30]]


def save(directory, kind):
    """A SavedModel with sparse, composite, and repeated inputs."""
    info = tf.saved_model.utils.build_tensor_info
    signature = tf.saved_model.signature_def_utils.build_signature_def
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        sparse = tf.sparse_placeholder(tf.float32, [None, 3], name="sparse")
        x = tf.placeholder(tf.float32, [None], name="x")
        w = tf.get_variable("w", initializer=_W, use_resource=kind == "resource")
        dense = {"y": info(tf.sparse_tensor_dense_matmul(sparse, w[:, None]))}
        doubled = {"z": info(x * 2.0)}
        composite = type(info(x))()
        if hasattr(composite, "composite_tensor"):
            parts = composite.composite_tensor.components
            parts.extend([info(x), info(sparse.values)])
        signatures = {
            "serving_default": signature({"s": info(sparse)}, dense),
            "doubled": signature({"x": info(x)}, doubled),
            "both": signature({"s": info(sparse), "x": info(x)}, {**dense, **doubled}),
            "twice": signature({"a": info(x), "b": info(x)}, doubled),
        }
        if hasattr(composite, "composite_tensor"):
            total = {"sum": info(x + sparse.values)}
            signatures["pair"] = signature({"pair": composite}, total)
        session.run(tf.global_variables_initializer())
        builder = tf.saved_model.builder.SavedModelBuilder(str(directory))
        builder.add_meta_graph_and_variables(session, ["serve"], signatures)
        builder.save()
    return str(directory)


@pytest.fixture
def model(kind, tmp_path):
    described = lr.Model.from_saved_model("m", save(tmp_path / "saved", kind))
    with lr.restore([described]) as restored:
        yield restored["m"]


def test_a_sparse_input_is_fed_as_tensorflow_feeds_it(model):
    for given in (_VALUE, tuple(_VALUE), [one.tolist() for one in _VALUE]):
        np.testing.assert_array_equal(model(s=given)["y"], _EXPECTED)
    np.testing.assert_array_equal(model({model.inputs["s"]: _VALUE})["y"], _EXPECTED)
    nothing = model(s=([], [], [2, 3]))
    np.testing.assert_array_equal(nothing["y"], [[0], [0]])
    both = model.signatures["both"](s=_VALUE, x=[1.0])
    np.testing.assert_array_equal(both["y"], _EXPECTED)
    assert both["z"] == [2]


@pytest.mark.parametrize(
    "value",
    [
        np.ones((2, 3), np.float32),
        None,
        ([[0, 0]], [1.0]),
        ([[0, 0]], [1.0, 2.0], [2, 3]),
        ([[0]], [1.0], [2, 3]),
        ([[2, 0]], [1.0], [2, 3]),
        ([[0, -1]], [1.0], [2, 3]),
        ([[0, 0]], [1.0], [[2, 3]]),
        ([[0, 0]], [1e300], [2, 3]),
        ([[0, 0]], ["a"], [2, 3]),
        ([[0.5, 0]], [1.0], [2, 3]),
    ],
)
def test_what_makes_no_sparse_tensor_is_refused(model, value):
    with pytest.raises(errors.InputError) as caught:
        model(s=value)
    assert "model 'm', input 's" in str(caught.value)


def test_a_sparse_input_that_is_missing_is_named(model):
    with pytest.raises(errors.InputError) as caught:
        model()
    assert "model 'm' misses 's'; its inputs are s" in str(caught.value)


def test_other_composite_inputs_take_their_components(model):
    if "pair" not in model.signatures:
        pytest.skip("this TensorFlow has no composite signatures")
    pair = model.signatures["pair"]
    assert pair(pair=[[1.0], [2.0]])["sum"] == [3]
    with pytest.raises(errors.InputError) as caught:
        pair(pair=[[1.0]])
    assert "consists of 2 tensors" in str(caught.value)


def test_one_tensor_under_two_keys_is_given_once(model):
    twice = model.signatures["twice"]
    assert twice(a=[1.0])["z"] == twice(b=[1.0])["z"] == [2]
    with pytest.raises(errors.InputError) as caught:
        twice(a=[1.0], b=[5.0])
    assert "'b', which is 'a', is given twice" in str(caught.value)
    with pytest.raises(errors.InputError):
        twice()


def test_a_message_says_which_signature_it_is_about(model):
    with pytest.raises(errors.InputError) as caught:
        model.signatures["doubled"](y=1)
    assert str(caught.value) == (
        "model 'm', signature 'doubled' has no input 'y'; its inputs are x"
    )
    assert repr(model.signatures["doubled"]) == (
        "<model 'm', signature 'doubled': x -> z>"
    )


def test_signatures_run_in_many_threads_until_the_session_closes(kind, tmp_path):
    described = lr.Model.from_saved_model("m", save(tmp_path / "saved", kind))
    with lr.restore([described]) as restored:
        signatures = restored["m"].signatures
        wrong = []

        def run(number):
            for _ in range(10):
                got = signatures["doubled"](x=[float(number)])["z"]
                wrong.extend(got[got != 2 * number])
                wrong.extend(signatures["both"](s=_VALUE, x=[1.0])["z"] != 2)

        threads = [threading.Thread(target=run, args=(one,)) for one in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert [one for one in wrong if one] == []
    with pytest.raises(errors.ClosedError):
        signatures["doubled"](x=[1.0])


def test_the_other_inputs_of_a_model_with_a_sparse_one_are_connected(kind, tmp_path):
    def build():
        x = tf.placeholder(tf.float32, [None], name="x")
        return {"y": x * tf.get_variable("w", [1])}

    source = lr.Model("a", build, write(tmp_path / "a" / "m", {"w": np.float32([3])}))
    target = lr.Model.from_saved_model(
        "m", save(tmp_path / "saved", kind), signature="both"
    )
    with lr.restore([source, target], connect={"m/x": "a/y"}) as restored:
        out = restored["m"]({"a/x": [1.0], "s": _VALUE})
        np.testing.assert_array_equal(out["y"], _EXPECTED)
        assert out["z"] == [6]
        assert restored["m"].signatures["doubled"]({"a/x": [2.0]})["z"] == [12]
        out = restored["m"].signatures["serving_default"](s=_VALUE)
        np.testing.assert_array_equal(out["y"], _EXPECTED)
    with pytest.raises(errors.UsageError) as caught:
        lr.plan([source, target], connect={"m/s": "a/y"})
    assert "m/s is no tensor but a SparseTensor" in str(caught.value)
