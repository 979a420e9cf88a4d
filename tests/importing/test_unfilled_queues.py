"""Tests of the queues for which a restored model would wait."""

import pytest

from legacy_restore.importing.unfilled_queues import unfilled_queues
from legacy_restore.tf import tf
from tests.importing.graphs import graph_of


def _remarks(build, kind="resource"):
    """The subjects for what a builder made, of which all is called that it returns."""
    with graph_of(kind) as graph:
        called = {one.name for one in build()}
        meta_graph = tf.train.export_meta_graph(graph=graph)
    return [one.subject for one in unfilled_queues(meta_graph, called)]


@pytest.mark.parametrize("take", ["dequeue", "dequeue_many", "dequeue_up_to"])
def test_who_takes_from_a_queue_waits(take):
    def build():
        queue = tf.FIFOQueue(4, tf.float32, [[]], name="queue")
        queue.enqueue([1.0], name="enqueue")
        found = queue.dequeue() if take == "dequeue" else getattr(queue, take)(2)
        return [found.op, queue.queue_ref.op]

    assert _remarks(build) == ["queue"]


def test_a_queue_that_the_call_fills_is_no_matter():
    def build():
        queue = tf.FIFOQueue(4, tf.float32, [[]], name="queue")
        enqueue = queue.enqueue([1.0])
        with tf.control_dependencies([enqueue]):
            return [queue.dequeue().op, enqueue, queue.queue_ref.op]

    assert _remarks(build) == []


def test_a_queue_that_is_only_counted_is_no_matter():
    def build():
        queue = tf.FIFOQueue(4, tf.float32, [[]], name="queue")
        queue.dequeue()
        return [queue.size().op, queue.queue_ref.op]

    assert _remarks(build) == []


def test_a_reader_waits_for_names_of_files():
    def build():
        files = tf.FIFOQueue(4, tf.string, [[]], name="files")
        tf.TFRecordReader().read(files)
        return files.queue_ref.graph.get_operations()

    assert _remarks(build) == ["files"]
