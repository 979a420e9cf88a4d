"""What a plan is told of the keys of a saved graph."""

import pytest

from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.own_keys import own_keys
from legacy_restore.importing.saved_variables import find_variables
from legacy_restore.importing.saver_table import SAVER
from legacy_restore.tf import tf
from tests.importing.graphs import exported, graph_of, meta_graph_of, table_of


def keys_of(meta_graph, dropped=()):
    variables = find_variables(meta_graph, OpDefs(meta_graph))
    names = {node.name for node in meta_graph.graph_def.node}
    kept = {name for name in names if not name.startswith(tuple(dropped) or ("\0",))}
    return own_keys("m", table_of(meta_graph), variables, kept)


@pytest.mark.parametrize("kind", ["ref", "resource"])
def test_keys_are_those_of_whole_variables_in_the_scope(kind):
    with graph_of(kind) as graph:
        w = tf.get_variable("w", [4], partitioner=tf.fixed_size_partitioner(2))
        b, head = tf.get_variable("b", [2]), tf.get_variable("head", [2])
        tf.get_variable("step", [])
        saver = tf.train.Saver({"old/w": w, "old/b": b, "old/head": head})
        meta_graph = exported(graph, saver)
    found = keys_of(meta_graph, dropped=["head"])
    assert found.keys == {"m/w": "old/w", "m/b": "old/b"}
    assert found.unsaved == {"m/step"}
    assert found.not_needed == {"old/head": "head"}
    assert found.saver_keys == ("old/b", "old/head", "old/w")
    assert found.label == SAVER
    assert not found.conflicts
    meta_graph.collection_def.clear()  # Without definitions the parts' names tell.
    assert keys_of(meta_graph).keys["m/w"] == "old/w"


@pytest.mark.parametrize("kind", ["ref", "resource"])
def test_conflicts_are_those_of_what_is_kept(kind):
    with graph_of(kind) as graph:
        w, b = tf.get_variable("w", [2]), tf.get_variable("b", [2])
        tf.train.Saver({"pre/w": w, "pre/b": b})
        meta_graph = exported(graph, tf.train.Saver())
    found = keys_of(meta_graph, dropped=["b"])
    assert list(found.conflicts) == ["m/w"]
    assert set(found.conflicts["m/w"]) == {"w", "pre/w"}


def test_a_part_that_is_kept_keeps_its_key():
    with graph_of("ref") as graph:
        tf.get_variable("w", [4], partitioner=tf.fixed_size_partitioner(2))
        meta_graph = exported(graph, tf.train.Saver())
    found = keys_of(meta_graph, dropped=["w/part_1"])
    assert found.keys == {"m/w": "w"} and not found.not_needed


def test_keys_of_opaque_parameters_that_are_left_out():
    meta_graph = meta_graph_of("cudnn_lstm", "best.meta")
    found = keys_of(meta_graph, dropped=["lstm_char_enc_dec"])
    assert found.keys["m/build_vars/embedding_matrix"] == "embedding_matrix"
    assert len(found.not_needed) == 4
    assert "m/build_vars/embedding_matrix/Adam" in found.unsaved
    assert not any("opaque" in name for name in found.unsaved)
