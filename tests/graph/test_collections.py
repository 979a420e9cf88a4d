"""Collections that several builders fill."""

import pytest

from legacy_restore.graph.collections import own_collections
from legacy_restore.tf import tf


def test_collections_are_empty_within_and_merged_in_order_afterwards():
    with tf.Graph().as_default() as graph:
        tf.add_to_collection("a", 1)
        tf.add_to_collection("b", 2)
        with own_collections(graph):
            assert tf.get_collection("a") == []
            tf.add_to_collection("a", 3)
            tf.add_to_collection("c", 4)
            assert tf.get_collection("a") == [3]
        with own_collections(graph):
            assert tf.get_collection("c") == []
            tf.add_to_collection("c", 5)
        assert tf.get_collection("a") == [1, 3]
        assert tf.get_collection("b") == [2]
        assert tf.get_collection("c") == [4, 5]


def test_collections_are_merged_although_the_builder_failed():
    with tf.Graph().as_default() as graph:
        tf.add_to_collection("a", 1)
        with pytest.raises(ZeroDivisionError), own_collections(graph):
            tf.add_to_collection("a", 2)
            raise ZeroDivisionError
        assert tf.get_collection("a") == [1, 2]


def test_a_collection_that_is_cleared_within_keeps_what_was_before():
    with tf.Graph().as_default() as graph:
        tf.add_to_collection("a", 1)
        with own_collections(graph):
            tf.add_to_collection("a", 2)
            graph.clear_collection("a")
        assert tf.get_collection("a") == [1]


def test_references_that_were_taken_before_stay_whole():
    with tf.Graph().as_default() as graph:
        reference = tf.get_collection_ref("a")
        reference.append(1)
        with own_collections(graph):
            pass
        assert tf.get_collection("a") == [1]
        assert reference == [1]


def test_variables_can_be_got_by_name_again_within(kind):
    resource = kind == "resource"
    with tf.Graph().as_default() as graph:
        first = tf.get_variable("w", [2], use_resource=resource)
        with own_collections(graph):
            assert tf.global_variables() == []
            with tf.variable_scope("", reuse=True):
                again = tf.get_variable("w", [2], use_resource=resource)
        assert again is first
        assert tf.global_variables() == [first]
