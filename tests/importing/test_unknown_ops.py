import os

import pytest

from legacy_restore.importing.needed import needed_for
from legacy_restore.importing.op_defs import OpDefs, registered
from legacy_restore.importing.op_libraries import load_contrib, load_op_libraries
from legacy_restore.importing.pruning import prune
from legacy_restore.importing.saved_graph import Interface
from legacy_restore.importing.unknown_ops import (
    available_signatures,
    unknown_operations,
)
from legacy_restore.tf import IS_TF1, tf
from tests.importing.graphs import exported, node, signature


def strange_graph():
    """x -> a -> b; a is a custom operation, b one that calls a function with one."""
    from tensorflow.python.framework import function

    @function.Defun(tf.float32)
    def inner(x):
        return tf.negative(x, name="inside")

    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [], name="x")
        a = tf.negative(x, name="a")
        tf.negative(a, name="a2")
        tf.identity(inner(a), name="b")
        tf.exp(x, name="plain")
    meta_graph = exported(graph)
    for name in ("a", "a2"):
        node(meta_graph, name).op = "SomebodysOp"
    (body,) = meta_graph.graph_def.library.function
    body.node_def[0].op = "CudnnRNNParamsToCanonicalV9"
    listed = meta_graph.meta_info_def.stripped_op_list.op
    listed.add(name="SomebodysOp")
    return meta_graph


def test_all_operations_are_named_with_their_number_and_origin():
    meta_graph = strange_graph()
    errors = unknown_operations(meta_graph, OpDefs(meta_graph))
    assert [one.subject for one in errors] == [
        "CudnnRNNParamsToCanonicalV9",
        "SomebodysOp",
    ]
    inside, own = errors
    assert "in function" in inside.message and "1 operation" in inside.message
    assert "nobody" in inside.message
    assert "2 operations" in own.message and "'a'" in own.message
    assert "library (.so)" in own.message
    assert 'op_replacements={"SomebodysOp": builder}' in own.hint
    assert "op_libraries=" in own.hint
    assert all(one.is_error and one.is_input_fault for one in errors)


def test_what_no_output_needs_does_not_matter():
    meta_graph = strange_graph()
    asked = Interface(signature("", ["plain:0"], ["x:0"]))
    kept = needed_for(meta_graph, asked)
    left = prune(meta_graph, kept.nodes)
    assert not unknown_operations(left, OpDefs(left))


def test_signatures_that_need_them_are_left_out_but_the_main_one():
    meta_graph = strange_graph()
    main = signature("plain", ["plain:0"], ["x:0"])
    others = {
        "a": signature("a", ["a:0"], ["x:0"]),
        "b_behind_a": signature("b_behind_a", ["b:0"], ["a:0"]),
        "fine": signature("fine", ["x:0"], ["x:0"]),
    }
    op_defs = OpDefs(meta_graph)
    asked = Interface(main, {"plain": main, **others})
    left, remarks = available_signatures(meta_graph, asked, op_defs)
    assert left.main is main
    assert sorted(left.signatures) == ["fine", "plain"]
    found = {one.subject: one.message for one in remarks}
    assert sorted(found) == ["a", "b_behind_a"]
    assert "SomebodysOp" in found["a"] and "SomebodysOp" not in found["b_behind_a"]
    assert "CudnnRNNParamsToCanonicalV9" in found["b_behind_a"]
    assert not any(one.is_error for one in remarks)
    asked = Interface(others["a"], {"plain": main, **others})
    left, _ = available_signatures(meta_graph, asked, op_defs)
    assert sorted(left.signatures) == ["a", "fine", "plain"]


def test_libraries_that_cannot_be_loaded_are_errors(tmp_path):
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"no library")
    gone = str(tmp_path / "gone.so")
    findings = load_op_libraries([str(broken), gone])
    assert [one.subject for one in findings] == [str(broken), gone]
    assert {one.id for one in findings} == {"op-library-failed"}
    assert findings[1].message == "no such file"
    assert not load_op_libraries([])


@pytest.mark.skipif(not IS_TF1, reason="TensorFlow 1 brings libraries to load")
def test_libraries_make_their_operations_known():
    from tensorflow.contrib import resampler

    folder = os.path.join(os.path.dirname(resampler.__file__), "python", "ops")
    (name,) = [one for one in os.listdir(folder) if one.endswith(".so")]
    assert not load_op_libraries([os.path.join(folder, name)])
    assert registered("Resampler") is not None


def test_operations_of_contrib_are_known_where_contrib_is():
    with tf.Graph().as_default() as graph:
        tf.constant(1.0, name="x")
    meta_graph = exported(graph)
    node(meta_graph, "x").op = "BucketizeWithInputBoundaries"
    findings = unknown_operations(load_contrib(meta_graph), OpDefs(meta_graph))
    assert [one.subject for one in findings] == (
        [] if IS_TF1 else ["BucketizeWithInputBoundaries"]
    )
    if findings:
        assert "tf.contrib.boosted_trees" in findings[0].message
