"""Names of devices, compared with what a session makes of them."""

import pytest

from legacy_restore.graph.device_names import (
    canonical_name,
    has_same_place,
    matches,
    short_name,
)
from legacy_restore.tf import tf

THERE = "/job:localhost/replica:0/task:0/device:CPU:1"


@pytest.mark.parametrize(
    "name, canonical",
    [
        ("/cpu:1", "/device:CPU:1"),
        ("gpu:0", "/device:GPU:0"),
        ("/GPU:*", "/device:GPU:*"),
        ("/device:XPU:3", "/device:XPU:3"),
        ("/job:ps/task:2", "/job:ps/task:2"),
        ("", ""),
        ("/", ""),
        ("/cpu:x", None),
        ("/cpu:-1", None),
        ("/job:a-b", None),
        ("/job:", None),
        ("/device::0", None),
        ("nonsense", None),
    ],
)
def test_names_are_read_as_tensorflow_reads_them(name, canonical):
    assert canonical_name(name) == canonical


@pytest.mark.parametrize(
    "name, is_there",
    [
        ("/cpu:1", True),
        ("/device:cpu:1", True),
        ("/device:CPU:*", True),
        ("/device:*:1", True),
        ("/job:localhost", True),
        ("/job:*/replica:0/task:0", True),
        ("/job:localhost/cpu:1", True),
        ("", True),
        ("/cpu:2", False),
        ("/cpu:11", False),
        ("/gpu:1", False),
        ("/device:Cpu:1", False),
        ("/job:local", False),
        ("/job:LOCALHOST", False),
        ("/task:1", False),
        ("/replica:1/cpu:1", False),
        ("/cpu:-1", False),
    ],
)
def test_what_matches_is_what_a_session_finds(name, is_there):
    assert matches(name, THERE) == is_there
    with tf.Graph().as_default() as graph:
        with tf.device(name):
            constant = tf.constant(3.0)
        two = tf.ConfigProto(device_count={"CPU": 2})
        with tf.Session(graph=graph, config=two) as session:
            if is_there:
                assert session.run(constant) == 3
            else:
                with pytest.raises(tf.errors.InvalidArgumentError):
                    session.run(constant)


@pytest.mark.parametrize(
    "name, is_same",
    [
        ("/gpu:0", True),
        ("/job:localhost/gpu:0", True),
        ("/task:0/device:XPU:0", True),
        ("/job:worker/cpu:1", False),
        ("/task:1/cpu:1", False),
        ("/cpu:-1", False),
    ],
)
def test_a_place_is_all_but_the_device(name, is_same):
    assert has_same_place(name, THERE) == is_same


def test_short_names():
    assert short_name(THERE) == "/device:CPU:1"
