"""What a message tells about risks, beside what the reader of files tells."""

import pytest

from legacy_restore.examining.risks import risks_of, saver_nodes
from legacy_restore.graphdef.messages import message_of
from legacy_restore.graphdef.meta_graph import read_meta_graph
from legacy_restore.importing.outline import outline_of
from legacy_restore.importing.reading import read_graph_file, read_saved_model
from legacy_restore.tf import tf
from tests.saved_graphs import names, saved_case


def as_file(meta_graph):
    return read_meta_graph(message_of(meta_graph.SerializeToString()))


def assert_same(meta_graph):
    found, expected = outline_of(meta_graph), as_file(meta_graph)
    assert risks_of(found) == risks_of(expected)
    assert saver_nodes(found) == saver_nodes(expected)
    assert [one.functions for one in found.graph.nodes] == [
        one.functions for one in expected.graph.nodes
    ]
    return risks_of(found)


@pytest.mark.parametrize("name", names())
def test_it_has_the_risks_of_the_file(name):
    case = saved_case(name)
    if case.saved_model:
        saved = read_saved_model(case.saved_model, None)
    else:
        saved = read_graph_file(case.graph_file)
    assert_same(saved.meta_graph)


def test_paths_go_through_identities_and_tokens_and_attributes_are_there():
    with tf.Graph().as_default() as graph:
        path = tf.identity(tf.constant("/etc/passwd"), name="path")
        tf.io.read_file(path, name="file")
        tf.py_func(lambda: 1.0, [], tf.float32, name="python")
        graph.create_op(
            "PrintV2",
            [tf.constant("text")],
            [],
            attrs={
                "output_stream": tf.AttrValue(s=b"file:///tmp/log"),
                "end": tf.AttrValue(s=b"\n"),
            },
        )
        meta_graph = tf.train.export_meta_graph()
    paths = {one.node: one.paths for one in assert_same(meta_graph)}
    assert paths["file"] == ("/etc/passwd",)
    assert paths["PrintV2"] == ("file:///tmp/log",)
    assert paths["python"][0].startswith("pyfunc_")


def test_functions_that_only_the_gradient_calls_are_reached():
    meta_graph = tf.MetaGraphDef()
    library = meta_graph.graph_def.library
    for name, op in (("f", "NoOp"), ("f_grad", "ReadFile")):
        function = library.function.add()
        function.signature.name = name
        function.node_def.add(name="inner", op=op)
    library.gradient.add(function_name="f", gradient_func="f_grad")
    caller = meta_graph.graph_def.node.add(name="call", op="PartitionedCall")
    caller.attr["f"].func.name = "f"
    assert [one.function for one in assert_same(meta_graph)] == ["f_grad"]
    assert outline_of(meta_graph).graph.nodes[0].functions == ("f",)
