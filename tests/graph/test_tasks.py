"""The tasks of a cluster in the names of devices."""

import pytest

from legacy_restore.graph.tasks import grouped_by_task, task_of, tasks_in


@pytest.mark.parametrize(
    ("device", "task"),
    [
        ("", ""),
        ("/device:GPU:1", ""),
        ("/job:ps", "/job:ps"),
        ("/job:ps/task:1", "/job:ps/task:1"),
        ("/job:ps/replica:0/task:1/device:CPU:0", "/job:ps/task:1"),
        ("/job:ps/replica:1/task:1/device:CPU:0", "/job:ps/replica:1/task:1"),
    ],
)
def test_the_task_of_a_device(device, task):
    assert task_of(device) == task


def test_what_is_on_one_task_is_read_together_in_order():
    devices = ["/job:ps/task:1", "", "/job:ps/task:1/device:GPU:0", "/device:GPU:0"]
    assert grouped_by_task("abcd", devices) == [
        ("/job:ps/task:1/device:CPU:0", ["a", "c"]),
        ("/device:CPU:0", ["b", "d"]),
    ]
    assert tasks_in(devices) == ["/job:ps/task:1"]
