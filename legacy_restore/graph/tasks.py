"""The tasks of a cluster, as the names of devices tell them.

A device is called ``/job:<text>/replica:<n>/task:<n>/device:<TYPE>:<n>``: what stands
before ``/device:`` is a task, a process that may run on a machine of its own. Files are
read and written by the task on which the operation runs.
"""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, Sequence, Tuple, TypeVar

_REPLICA_0 = re.compile(r"/replica:0(?=/|$)")

Item = TypeVar("Item")


def task_of(device: str) -> str:
    """Returns the task that a device is in, such as ``/job:ps/task:1``.

    Args:
      device: The name of a device, or a part of one, as TensorFlow writes it.

    Returns:
      The task, possibly only its job; empty where any task will do.
    """
    place, _, _ = device.partition("/device:")
    return _REPLICA_0.sub("", place) if place.startswith("/job:") else ""


def tasks_in(devices: Iterable[str]) -> List[str]:
    """Returns the tasks that devices are in, sorted; those of no task are left out."""
    return sorted({task_of(one) for one in devices} - {""})


def grouped_by_task(
    items: Sequence[Item], devices: Sequence[str]
) -> List[Tuple[str, List[Item]]]:
    """Puts together what is read or written by one task.

    A value that is read elsewhere travels to its variable; read beside it, it becomes
    the variable.

    Args:
      items: What is to be read or written.
      devices: The device of each.

    Returns:
      Pairs of the device that reads or writes, always a CPU, and its items, in the
      order of the items.
    """
    groups: Dict[str, List[Item]] = {}
    for item, device in zip(items, devices):
        groups.setdefault(f"{task_of(device)}/device:CPU:0", []).append(item)
    return list(groups.items())
