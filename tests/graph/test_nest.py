"""Nests of tensors."""

import collections

import pytest

from legacy_restore.graph.nest import leaves, pack
from legacy_restore.tf import tf

Pair = collections.namedtuple("Pair", ["left", "right"])

NESTS = [
    (1, [("", 1)]),
    (None, [("", None)]),
    ([], []),
    ({"b": 2, "a": 1}, [("a", 1), ("b", 2)]),
    ([1, (2, {"k": 3})], [("0", 1), ("1/0", 2), ("1/1/k", 3)]),
    (Pair(1, [2]), [("left", 1), ("right/0", 2)]),
    ({"a": None, "b": [None]}, [("a", None), ("b/0", None)]),
    (collections.OrderedDict([("z", 1), ("a", 2)]), [("a", 2), ("z", 1)]),
    ({2: "x", 10: "y"}, [("2", "x"), ("10", "y")]),
    ({"a": [], "b": 1}, [("b", 1)]),
]


@pytest.mark.parametrize("nest, expected", NESTS)
def test_leaves_have_paths_and_the_order_of_tensorflow(nest, expected):
    found = leaves(nest)
    assert [(leaf.path, leaf.value) for leaf in found] == expected
    assert [leaf.value for leaf in found] == tf.nest.flatten(nest)


@pytest.mark.parametrize("nest, expected", NESTS)
def test_other_leaves_in_the_same_nest(nest, expected):
    packed = pack(nest, list(range(len(expected))))
    assert type(packed) is (
        type(nest) if isinstance(nest, (dict, list, tuple)) else int
    )
    assert [leaf.path for leaf in leaves(packed)] == [path for path, _ in expected]
    assert [leaf.value for leaf in leaves(packed)] == list(range(len(expected)))


def test_sparse_tensors_are_leaves():
    with tf.Graph().as_default():
        sparse = tf.SparseTensor([[0]], [1.0], [3])
        [leaf] = leaves({"s": sparse})
    assert (leaf.path, leaf.value) == ("s", sparse)


def test_keys_that_cannot_be_sorted_are_a_type_error():
    with pytest.raises(TypeError):
        leaves({1: 2, "a": 3})
