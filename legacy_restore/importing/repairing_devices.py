"""Devices of the machines on which a graph was made.

A graph names the GPUs and the tasks of its cluster, and a session refuses to run
anything as long as one of them is not there. Where a model computes does not change
what it computes: only the CPU stays, which every machine has. Whoever wants a device
gives it when the model is made. The grammar of the names is in
``tensorflow/core/util/device_name_utils.cc``; before TensorFlow 1.0 they ended in
``/cpu:0`` or ``/gpu:0``, in any case.
"""

from __future__ import annotations

import collections
import re
from typing import Any, Counter, List, Tuple

from legacy_restore.importing.nodes import all_bodies
from legacy_restore.report.findings import KINDS, Finding

_CPU = re.compile(
    r"(?:/job:[^/]*|/replica:[^/]*|/task:[^/]*)*/(?:device:)?cpu(?::(?P<index>0|\*))?",
    re.IGNORECASE,
)
_MAX_LISTED = 8


def drop_devices(meta_graph: Any) -> Tuple[Any, List[Finding]]:
    """Leaves of each device only that it is the CPU, in functions too.

    Returns:
      The message, changed in place, and a remark that counts what was dropped.
    """
    dropped: Counter[str] = collections.Counter()
    for _, nodes in all_bodies(meta_graph):
        for node in nodes:
            if not node.device:
                continue
            left = portable_device(node.device)
            if not _says_the_same(node.device, left):
                dropped[node.device] += 1
            node.device = left
    if not dropped:
        return meta_graph, []
    listed = [f"{name} ({count})" for name, count in dropped.most_common(_MAX_LISTED)]
    if len(dropped) > len(listed):
        listed.append(f"{len(dropped) - len(listed)} others")
    return meta_graph, [
        Finding(
            KINDS["devices-dropped"],
            ", ".join(sorted(dropped)),
            f"devices of the machine that it was made on, operations in brackets: "
            f"{', '.join(listed)}; TensorFlow places these operations now",
            hint="device= puts the whole model on a device",
        )
    ]


def portable_device(name: str) -> str:
    """Returns what stays of the name of a device: the CPU, or nothing."""
    found = _CPU.fullmatch(name)
    if found is None:
        return ""
    return f"/device:CPU:{found.group('index') or 0}"


def _says_the_same(old: str, new: str) -> bool:
    """Whether nothing was lost but the way of writing it."""
    return bool(new) and not re.search(r"/(job|replica|task):", old)
