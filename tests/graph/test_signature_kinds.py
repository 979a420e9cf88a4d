"""Tests of signatures whose inputs and outputs are not plain tensors."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf


@pytest.fixture(params=[False, True], ids=["ref", "resource"])
def saved_model(request, tmp_path):
    """A SavedModel with a sparse signature, and one that names an operation."""
    directory = str(tmp_path / "saved_model")
    info = tf.saved_model.build_tensor_info
    with tf.Graph().as_default() as graph, tf.Session() as session:
        sparse = tf.sparse_placeholder(tf.float32, [None, 2], name="sparse")
        ones = tf.ones_initializer()
        with tf.variable_scope("", use_resource=request.param):
            weights = tf.get_variable("weights", [2, 3], initializer=ones)
        dense = tf.sparse_tensor_dense_matmul(sparse, weights)
        doubled = tf.SparseTensor(sparse.indices, sparse.values * 2, sparse.dense_shape)
        reset = tf.group(weights.initializer, name="reset")
        of_operation = info(dense)
        of_operation.name = reset.name
        session.run(tf.global_variables_initializer())
        builder = tf.saved_model.Builder(directory)
        signatures = {
            "serving_default": ({"x": info(sparse)}, {"dense": info(dense)}),
            "doubled": ({"x": info(sparse)}, {"doubled": info(doubled)}),
            "reset": ({}, {"reset": of_operation, "weights": info(weights.value())}),
        }
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {
                name: tf.saved_model.build_signature_def(*parts, "method")
                for name, parts in signatures.items()
            },
        )
        builder.save()
    del graph
    return directory


_VALUE = tf.SparseTensorValue([[0, 1]], [3.0], [1, 2])


@pytest.mark.parametrize("prune", [True, False])
def test_a_sparse_input_is_fed_as_one(saved_model, prune):
    models = [
        lr.Model.from_saved_model(name, saved_model, prune=prune) for name in "ab"
    ]
    with lr.restore(models) as restored:
        for name in "ab":
            model = restored[name]
            np.testing.assert_array_equal(model(x=_VALUE)["dense"], [[3.0] * 3])
            by_tensor = model({model.inputs["x"]: _VALUE})
            np.testing.assert_array_equal(by_tensor["dense"], [[3.0] * 3])
            out = model.signatures["doubled"](x=_VALUE)["doubled"]
            np.testing.assert_array_equal(out.values, [6.0])


def test_what_is_no_sparse_value_is_refused(saved_model):
    with lr.restore([lr.Model.from_saved_model("a", saved_model)]) as restored:
        for wrong in (3.0, [[1.0, 2.0]], ([[0, 1]], ["text"], [1, 2])):
            with pytest.raises(errors.InputError) as caught:
                restored["a"](x=wrong)
            assert "input 'x" in str(caught.value)
        with pytest.raises(errors.InputError):
            restored["a"]({restored["a"].outputs["dense"]: _VALUE})


def test_an_output_may_be_an_operation_which_no_call_runs(saved_model):
    with lr.restore([lr.Model.from_saved_model("a", saved_model)]) as restored:
        model = restored["a"]
        changed = [[5.0] * 3] * 2
        with restored.graph.as_default():
            model.variables[0].load(changed, restored.session)
        out = model.signatures["reset"]()
        assert out["reset"] is None
        np.testing.assert_array_equal(out["weights"], changed)


def test_a_sparse_input_is_never_wired(saved_model):
    models = [lr.Model.from_saved_model(name, saved_model) for name in "ab"]
    with pytest.raises(errors.UsageError) as caught:
        lr.restore(models, connect={"b/x": "a/dense"})
    assert "no tensor but a SparseTensor" in str(caught.value)
