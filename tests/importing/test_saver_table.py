"""The table of variables and keys that a saved graph's own Savers give."""

import os
import pathlib

import numpy as np
import pytest

from legacy_restore.importing.saver_table import NAMES, SAVER
from legacy_restore.importing.stored_as import StoredAs
from legacy_restore.tf import IS_TF1, tf
from tests.importing.graphs import exported, graph_of, meta_graph_of, table_of

KINDS = ("ref", "resource")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sharded", [False, True])
def test_keys_are_those_of_a_saver_that_maps_names(kind, sharded):
    with graph_of(kind) as graph:
        with tf.device("/cpu:0"):
            w = tf.get_variable("w", [2])
        with tf.device("/cpu:1"):
            b = tf.get_variable("b", [3])
        saver = tf.train.Saver({"old/weights": w, "old/bias": b}, sharded=sharded)
        table = table_of(exported(graph, saver))
    assert table.keys == {"w": StoredAs("old/weights"), "b": StoredAs("old/bias")}
    assert table.all_keys == ("old/bias", "old/weights")
    assert (table.source, table.has_saver) == (SAVER, True)
    assert not table.conflicts and not table.objects


@pytest.mark.parametrize("kind", KINDS)
def test_keys_are_those_of_an_old_saver(kind):
    with graph_of(kind) as graph:
        w = tf.get_variable("w", [2])
        saver = tf.train.Saver({"k": w}, write_version=tf.train.SaverDef.V1)
        table = table_of(exported(graph, saver))
    assert table.keys == {"w": StoredAs("k")}


@pytest.mark.parametrize("kind", KINDS)
def test_parts_have_one_key_and_their_slices(kind):
    with graph_of(kind) as graph:
        tf.get_variable("w", [4, 3], partitioner=tf.fixed_size_partitioner(2))
        table = table_of(exported(graph, tf.train.Saver()))
    assert table.keys == {
        "w/part_0": StoredAs("w", "4 3 0,2:0,3"),
        "w/part_1": StoredAs("w", "4 3 2,2:0,3"),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_reshaping_saver_is_seen_through(kind):
    with graph_of(kind) as graph:
        w = tf.get_variable("w", [2])
        table = table_of(exported(graph, tf.train.Saver({"k": w}, reshape=True)))
    assert table.keys == {"w": StoredAs("k")}


@pytest.mark.parametrize("kind", KINDS)
def test_savers_that_disagree_are_a_conflict(kind):
    with graph_of(kind) as graph:
        w, b = tf.get_variable("w", [2]), tf.get_variable("b", [2])
        tf.train.Saver({"pretrained/w": w})
        saver = tf.train.Saver({"w": w, "b": b})
        table = table_of(exported(graph, saver))
    assert set(table.conflicts) == {"w"}
    assert set(table.conflicts["w"]) == {StoredAs("pretrained/w"), StoredAs("w")}
    assert table.all_keys == ("b", "w")  # Of the Saver that wrote the file.


@pytest.mark.parametrize("kind", KINDS)
def test_what_no_saver_restores_is_told(kind):
    with graph_of(kind) as graph:
        w = tf.get_variable("w", [2])
        tf.get_variable("step", [])
        table = table_of(exported(graph, tf.train.Saver([w])))
    assert table.unsaved(["w", "step"]) == {"step"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_initializer_from_a_checkpoint_is_no_saver(kind, tmp_path):
    prefix = os.fspath(tmp_path / "old.ckpt")
    with graph_of(kind) as graph, tf.Session() as session:
        w = tf.get_variable("theirs", [2])
        session.run(w.initializer)
        tf.train.Saver().save(session, prefix)
    with graph_of(kind) as graph:
        w = tf.get_variable("w", [2])
        tf.train.init_from_checkpoint(prefix, {"theirs": w})
        table = table_of(exported(graph, tf.train.Saver()))
        without = table_of(exported(graph, None, clear_extraneous_savers=True))
    assert table.keys == {"w": StoredAs("w")} and not table.conflicts
    assert table.all_keys == ("w",)
    assert without.keys == {"w": StoredAs("w")}


def test_without_a_saver_definitions_tell_then_names():
    with graph_of("ref") as graph:
        tf.get_variable("w", [4], partitioner=tf.fixed_size_partitioner(2))
        meta_graph = exported(graph)
    table = table_of(meta_graph)
    assert table.keys == {
        "w/part_0": StoredAs("w", "4 0,2"),
        "w/part_1": StoredAs("w", "4 2,2"),
    }
    assert (table.source, table.has_saver) == (NAMES, False)
    assert table.unsaved(["w/part_0", "other"]) == frozenset()
    meta_graph.collection_def.clear()
    bare = table_of(meta_graph)
    assert bare.keys["w/part_0"] == StoredAs("w/part_0")


def mutable_table(name):
    """A mutable table from texts to integers."""
    if IS_TF1:
        import tensorflow.contrib.lookup as lookup
    else:
        lookup = tf.lookup.experimental
    return lookup.MutableHashTable(tf.string, tf.int64, -1, name=name)


def test_tables_are_objects_with_keys_and_values():
    with graph_of("ref") as graph:
        tf.get_variable("w", [2])
        table = mutable_table("words")
        node = table.resource_handle.op.name
        found = table_of(exported(graph, tf.train.Saver()))
    [one] = found.objects
    assert (one.node, one.is_table) == (node, True)
    assert one.op == "LookupTableImportV2"
    assert one.keys == ("words-keys", "words-values")
    assert found.keys == {"w": StoredAs("w")}


@pytest.mark.skipif(IS_TF1, reason="SavedModels of TensorFlow 2")
def test_a_tensorflow_2_saved_model_restores_in_functions(tmp_path):
    tf2 = tf.compat.v2 if hasattr(tf.compat, "v2") else tf
    path = os.fspath(tmp_path / "saved")

    with tf2.init_scope():
        root = tf2.Module()
        root.first = tf2.Variable(np.ones(2, np.float32), name="same")
        root.second = tf2.Variable(np.zeros(3, np.float32), name="same")
        root.third = tf2.Module()
        root.third.v = tf2.Variable(1.0, name="alone")
        root.table = tf2.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
        tf2.saved_model.save(root, path)
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    with open(os.path.join(path, "saved_model.pb"), "rb") as file:
        meta_graph = SavedModel.FromString(file.read()).meta_graphs[0]
    table = table_of(meta_graph)
    assert sorted(one.key for one in table.keys.values()) == [
        "first/.ATTRIBUTES/VARIABLE_VALUE",
        "second/.ATTRIBUTES/VARIABLE_VALUE",
        "third/v/.ATTRIBUTES/VARIABLE_VALUE",
    ]
    types = {node.name: node.op for node in meta_graph.graph_def.node}
    assert {types[name] for name in table.keys} == {"VarHandleOp"}
    [one] = [one for one in table.objects if one.is_table]
    assert types[one.node].startswith("MutableHashTable")
    assert [key.rpartition("/")[2] for key in one.keys] == [
        "table-keys",
        "table-values",
    ]
    # Without its functions, the objects' paths tell, where the names do.
    meta_graph.ClearField("saver_def")
    for node in list(meta_graph.graph_def.node):
        if node.op == "StatefulPartitionedCall":
            meta_graph.graph_def.node.remove(node)
    by_paths = table_of(meta_graph)
    assert by_paths.keys["alone"] == StoredAs("third/v/.ATTRIBUTES/VARIABLE_VALUE")
    assert all(
        one.key.startswith("third") or "/" not in one.key
        for one in by_paths.keys.values()
    )
    assert not by_paths.has_saver


def test_what_was_read_is_followed_into_functions_of_its_own():
    meta_graph = tf.MetaGraphDef()
    with graph_of("resource") as graph:
        tf.get_variable("w", [2])
        tf.raw_ops.MutableHashTableV2(
            key_dtype=tf.string, value_dtype=tf.int64, name="table"
        )
        meta_graph = exported(graph, tf.train.Saver())
    nodes = meta_graph.graph_def.node
    [assign] = [one for one in nodes if one.name.endswith("AssignVariableOp")]
    value = assign.input[1]
    nodes.remove(assign)
    function = meta_graph.graph_def.library.function.add()
    function.signature.name = "restore_fn"
    for name in ("handle", "value", "table"):
        function.signature.input_arg.add(name=name)
    function.node_def.add(name="i", op="Identity", input=["value"])
    inputs = ["handle", "i:output:0"]
    function.node_def.add(name="a", op="AssignVariableOp", input=inputs)
    inputs = ["table", "value", "i:output:0"]
    function.node_def.add(name="t", op="LookupTableImportV2", input=inputs)
    call = nodes.add(
        name="call", op="StatefulPartitionedCall", input=["w", value, "table"]
    )
    call.attr["f"].func.name = "restore_fn"
    table = table_of(meta_graph)
    assert table.keys == {"w": StoredAs("w")}
    [one] = table.objects
    assert (one.node, one.op, one.keys) == ("table", "LookupTableImportV2", ("w", "w"))


def test_functions_that_call_each_other_end():
    meta_graph = tf.MetaGraphDef()
    names = [f"f{number}" for number in range(60)]
    for name, called in zip(names, [*names[1:], names[0]]):
        function = meta_graph.graph_def.library.function.add()
        function.signature.name = name
        function.node_def.add(name="a", op=called)
        function.node_def.add(name="b", op=called)
        function.node_def.add(name="RestoreV2", op="RestoreV2")
    meta_graph.graph_def.node.add(name="call", op="f0")
    assert not table_of(meta_graph).has_saver


def test_a_text_that_stands_for_many_is_not_made_without_bound():
    with graph_of("ref") as graph:
        tf.get_variable("w", [2])
        meta_graph = exported(graph, tf.train.Saver())
    for node in meta_graph.graph_def.node:
        if node.name.endswith("tensor_names"):
            node.attr["value"].tensor.tensor_shape.dim[0].size = 1 << 60
    assert table_of(meta_graph).keys == {"w": StoredAs("w")}


@pytest.mark.parametrize(
    ("parts", "keys", "objects", "others"),
    [
        (("char_rnn", "tf1_1", "model-70280.meta"), 27, 0, 0),
        (("cudnn_lstm", "best.meta"), 4, 2, 22),
        (("dm21", "DM21", "saved_model.pb"), 28, 0, 0),
        (("hub", "saved_model_v2_mini", "saved_model.pb"), 1, 0, 0),
        (("iris_partitioned", "model.ckpt-6001.meta"), 18, 0, 8),
        (("mnist_ema", "mnist_model-64004.meta"), 9, 0, 0),
        (("mtcnn", "ONet_landmark", "ONet-16.meta"), 41, 0, 0),
        (("srcnn", "v1", "SRCNN.model-2550000.meta"), 6, 0, 0),
        (("srcnn", "v2 gaussian sigma=1", "SRCNN.model-5332.meta"), 6, 0, 14),
        (("taxi_estimator", "model.ckpt-10000.meta"), 51, 0, 0),
        (("taxi_estimator", "saved_model", "saved_model.pb"), 21, 0, 0),
        (
            ("serving", "saved_model_half_plus_two_mkl", "00000123", "saved_model.pb"),
            9,
            0,
            1,
        ),
        (
            (
                "serving",
                "saved_model_half_plus_two_tf2_cpu",
                "00000123",
                "saved_model.pb",
            ),
            3,
            0,
            1,
        ),
        (
            ("serving", "session_bundle_half_plus_two", "00000123", "export.meta"),
            2,
            0,
            4,
        ),
        (("serving", "bad_half_plus_two", "00000123", "export.meta"), 2, 0, 0),
    ],
)
def test_real_files(parts, keys, objects, others):
    meta_graph = meta_graph_of(*parts)
    table = table_of(meta_graph)
    types = ("Variable", "VariableV2", "VarHandleOp")
    names = [node.name for node in meta_graph.graph_def.node if node.op in types]
    found = (len(table.keys), len(table.objects), len(table.unsaved(names)))
    assert found == (keys, objects, others)
    assert not table.conflicts


GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "saved_graphs"


@pytest.mark.parametrize("ending", ["", "_resource"])
def test_graphs_of_genuine_tensorflow_1(ending):
    def table(case):
        path = GOLDEN / f"tf1_15_{case}{ending}" / "model.ckpt.meta"
        return table_of(tf.MetaGraphDef.FromString(path.read_bytes()))

    parts = table("partitioned").keys
    assert parts["thirds/part_1"] == StoredAs("old/columns", "4 7 0,4:3,2")
    assert parts["halves/part_1"] == StoredAs("old/rows", "2 4 1,1:0,4")
    assert parts["bias"] == StoredAs("old/shift")
    [held] = table("mutable_table").objects
    assert held.rows == {"table-keys": "table-keys", "table-values": "table-values"}
    unsaved = table("unsaved").unsaved(["weights", "calls", "scale", "shift"])
    assert unsaved == {"calls", "scale", "shift"}


def test_real_keys_that_are_no_names():
    table = table_of(meta_graph_of("cudnn_lstm", "best.meta"))
    assert table.keys["build_vars/embedding_matrix"] == StoredAs("embedding_matrix")
    assert {one.op for one in table.objects} == {"CudnnRNNCanonicalToParams"}
    assert all(len(one.keys) == 2 for one in table.objects)
    table = table_of(meta_graph_of("iris_partitioned", "model.ckpt-6001.meta"))
    slot = "dnn/dnn/hiddenlayer_0/weights/part_0/Adagrad"
    key = "dnn/hiddenlayer_0/weights/t_0/Adagrad"
    assert table.keys[slot] == StoredAs(key, "4 10 0,4:0,10")
