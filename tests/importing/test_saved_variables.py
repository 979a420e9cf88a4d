"""Variables of saved graphs, and the definitions that are made of them."""

import numpy as np
import pytest

from legacy_restore.importing.collections import variable_in
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.saved_variables import (
    added_nodes,
    find_variables,
    left_in_graph,
    parse_slice,
    variable_definition,
)
from legacy_restore.importing.stored_as import StoredAs
from legacy_restore.tf import tf
from tests.importing.graphs import exported, graph_of, meta_graph_of, table_of

KINDS = ("ref", "resource")


def variables_of(meta_graph):
    return {one.name: one for one in find_variables(meta_graph, OpDefs(meta_graph))}


def objects_of(graph_def, definitions, scope):
    """The ``tf.Variable`` objects that stock TensorFlow makes of definitions."""
    tf.import_graph_def(graph_def, name=scope)
    for definition in definitions:
        tf.get_default_graph()  # from_proto is that of the collection.
        from tensorflow.python.framework import ops

        make = ops.get_from_proto_function("variables")
        yield make(definition, import_scope=scope)


@pytest.mark.parametrize("kind", KINDS)
def test_variables_are_found_by_type(kind):
    with graph_of(kind) as graph:
        tf.get_variable("w", [2, 3])
        tf.get_variable("n", [], tf.int64, trainable=False, collections=["mine"])
        local = tf.get_variable(
            "seen", [], collections=[tf.GraphKeys.LOCAL_VARIABLES], trainable=False
        )
        graph.add_to_collection("handles", local.op)
        meta_graph = exported(graph, tf.train.Saver())
    found = variables_of(meta_graph)
    assert list(found) == ["w", "n", "seen"]
    assert {one.kind for one in found.values()} == {kind}
    assert (found["w"].dtype, found["w"].shape) == ("float32", (2, 3))
    assert (found["n"].dtype, found["n"].shape) == ("int64", ())
    assert [one.is_trainable for one in found.values()] == [True, False, False]
    assert [one.is_local for one in found.values()] == [False, False, True]
    assert found["n"].collections == {"mine"}
    assert found["w"].initializer == "w/Assign"
    assert found["w"].snapshot.endswith(":0")
    assert found["w"].definition is not None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bare", [False, True])
def test_tensorflow_makes_variables_of_definitions(kind, bare):
    with graph_of(kind) as graph:
        tf.get_variable("a/w", [2])
        tf.get_variable("p", [4], partitioner=tf.fixed_size_partitioner(2))
        saver = tf.train.Saver()
        meta_graph = exported(graph, saver)
    table = table_of(meta_graph)
    if bare:  # Neither collections nor initialisers nor reads.
        meta_graph.collection_def.clear()
        for node in list(meta_graph.graph_def.node):
            if node.op not in ("VariableV2", "VarHandleOp"):
                meta_graph.graph_def.node.remove(node)
    found = variables_of(meta_graph)
    for one in found.values():
        meta_graph.graph_def.node.extend(added_nodes(one))
        assert bool(added_nodes(one)) == bare
    definitions = [
        variable_definition(one, table.keys[one.name]) for one in found.values()
    ]
    with tf.Graph().as_default(), tf.Session() as session:
        made = list(objects_of(meta_graph.graph_def, definitions, "m"))
        assert [one.op.name for one in made] == ["m/a/w", "m/p/part_0", "m/p/part_1"]
        slices = [one._get_save_slice_info() for one in made]
        assert slices[0] is None
        assert [one.full_name for one in slices[1:]] == ["m/p", "m/p"]
        assert [one.spec for one in slices[1:]] == ["4 0,2", "4 2,2"]
        if bare:  # Nothing is initialised without a word.
            with pytest.raises(tf.errors.InvalidArgumentError, match="legacy_restore"):
                session.run(made[0].initializer)
            for one in made:
                one.load(np.array([3, 4], np.float32), session)
        else:
            session.run([one.initializer for one in made])
            made[0].load(np.array([3, 4], np.float32), session)
        assert session.run(made[0]).tolist() == [3, 4]
        assert session.run(made[0].read_value()).tolist() == [3, 4]
        assert [type(one).__name__ for one in made] == [
            "ResourceVariable" if kind == "resource" else "RefVariable"
        ] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_left_out_of_the_graph_is_named_no_more(kind):
    with graph_of(kind) as graph:
        tf.get_variable("w", [2])
        tf.get_variable("gone", [2])
        meta_graph = exported(graph)
    found = find_variables(meta_graph, OpDefs(meta_graph))
    for node in list(meta_graph.graph_def.node):
        if node.name.startswith("gone") or node.name == "w/Assign":
            meta_graph.graph_def.node.remove(node)
    [one] = left_in_graph(found, meta_graph)
    assert (one.name, one.initializer) == ("w", "")
    assert one.snapshot
    assert [node.op for node in added_nodes(one)][0] == "Placeholder"


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_decides_of_which_kind_a_variable_is(kind):
    with graph_of(kind) as graph:
        tf.get_variable("w", [2])
        meta_graph = exported(graph)
    definition = find_variables(meta_graph, OpDefs(meta_graph))[0].definition
    definition.is_resource = kind != "resource"
    values = meta_graph.collection_def["variables"].bytes_list.value
    values[:] = [definition.SerializeToString()]
    [one] = find_variables(meta_graph, OpDefs(meta_graph))
    assert variable_definition(one).is_resource == (kind == "resource")


def test_assignments_of_savers_are_no_initializers():
    with graph_of("ref") as graph:
        tf.get_variable("w", [2])
        meta_graph = exported(graph, tf.train.Saver())
    for node in list(meta_graph.graph_def.node):
        if node.name == "w/Assign":
            meta_graph.graph_def.node.remove(node)
    assert variables_of(meta_graph)["w"].initializer == ""


@pytest.mark.parametrize(
    ("stored", "name", "whole"),
    [
        (StoredAs("k", "4 3 2,2:0,3"), "w/part_1", "w"),
        (StoredAs("k", "4 3 2,2:-"), "Variable_1", "k"),
        (StoredAs("k", "4 3 2,2:-"), "w/part_1/Adam", "w/Adam"),
    ],
)
def test_slices_are_read(stored, name, whole):
    found = parse_slice(stored, name)
    assert found.full_name == whole
    assert (found.full_shape, found.offset, found.shape) == ((4, 3), (2, 0), (2, 3))
    assert found.text == "4 3 2,2:0,3"


@pytest.mark.parametrize("text", ["", "4", "4 x,2", "4 3 0,2", "four 0,2"])
def test_texts_that_are_no_slices_are_none(text):
    assert parse_slice(StoredAs("k", text), "w/part_0") is None


def test_a_real_node_list_of_local_variables():
    found = variables_of(meta_graph_of("iris_partitioned", "model.ckpt-6001.meta"))
    local = [one.name for one in found.values() if one.is_local]
    assert len(local) == 8 and all(name.startswith("metrics/") for name in local)


def test_bytes_that_are_no_variable_are_not_parsed_as_one(capfd):
    name = b"\x0a\x03m/w"
    initializer = b"\x12\x0am/w/Assign"
    assert variable_in("mine", name + initializer).variable_name == "m/w"
    others = [
        b"\x0a\x02\xff\xfe" + initializer,
        name,
        name + initializer + b"\x1a\x01\xff",
        b"\xff",
        b"",
    ]
    assert [variable_in("mine", one) for one in others] == [None] * 5
    assert variable_in("savers", name + initializer) is None
    # TensorFlow 1.15's protocol buffers would complain.
    assert capfd.readouterr().err == ""
