import random

from legacy_restore.importing.message_lists import keep_only
from legacy_restore.tf import tf


def test_what_is_kept_keeps_its_order():
    source = random.Random(5)
    for size in (0, 1, 2, 50):
        graph_def = tf.GraphDef()
        for number in range(size):
            graph_def.node.add(name=str(number), input=list("abc"))
        kept = [str(number) for number in range(size) if source.random() < 0.5]
        nodes = list(graph_def.node)
        keep_only(graph_def.node, lambda node: node.name in kept)  # noqa: B023
        assert [node.name for node in graph_def.node] == kept
        # The messages themselves are kept, not copies of them.
        for node in nodes:
            node.op = "changed"
        assert {node.op for node in graph_def.node} <= {"changed"}
        for node in graph_def.node:
            keep_only(node.input, lambda name: name != "b")
            assert list(node.input) == ["a", "c"]


def test_all_or_nothing_may_be_kept():
    graph_def = tf.GraphDef()
    for number in range(3):
        graph_def.node.add(name=str(number))
    keep_only(graph_def.node, lambda node: True)
    assert len(graph_def.node) == 3
    keep_only(graph_def.node, lambda node: False)
    assert not graph_def.node
