"""The names of devices: what may be asked for, and what answers to it.

A name is ``/job:<text>/replica:<n>/task:<n>/device:<TYPE>:<n>``; each part may be left
out or be a ``*``. Before TensorFlow 1.0 the last part was ``/cpu:0`` or ``/gpu:0``, in
any case. ``tf.DeviceSpec`` reads all of that, and more than a session then takes: it
has no objection to ``/cpu:-1``. The grammar below is that of the session
(``DeviceNameUtils::ParseFullName`` in
``tensorflow/core/util/device_name_utils.cc``).
"""

from __future__ import annotations

import re
from typing import Optional, Tuple

from legacy_restore.tf import tf

_CANONICAL = re.compile(
    r"(?:/job:(?P<job>\*|[A-Za-z][A-Za-z0-9_]*))?"
    r"(?:/replica:(?P<replica>[0-9]+))?"
    r"(?:/task:(?P<task>[0-9]+))?"
    r"(?:/device:(?P<type>\*|[A-Za-z][A-Za-z0-9_]*):(?P<index>\*|[0-9]+))?"
)
_PLACE = ("job", "replica", "task")
_ALL = (*_PLACE, "type", "index")


def canonical_name(name: str) -> Optional[str]:
    """Returns the name of a device as TensorFlow writes it, or None if it is none.

    Args:
      name: What ``tf.device`` takes as a text; empty where any device will do.
    """
    try:
        canonical = str(tf.DeviceSpec.from_string(name).to_string())
    except ValueError:
        return None
    return canonical if _CANONICAL.fullmatch(canonical) else None


def matches(requested: str, device: str) -> bool:
    """Returns whether a device is one of those that a name asks for.

    Args:
      requested: The name, possibly only a part of one.
      device: The whole name of a device.
    """
    return _agree(requested, device, _ALL)


def has_same_place(requested: str, device: str) -> bool:
    """Returns whether a device is in the task that a name asks for.

    Soft placement exchanges devices only within a task
    (``tensorflow/core/common_runtime/placer.cc``).

    Args:
      requested: The name, possibly only a part of one.
      device: The whole name of a device.
    """
    return _agree(requested, device, _PLACE)


def may_be_one(name: str, other: str) -> bool:
    """Returns whether two names can be about one device.

    Args:
      name: The name of a device, or a part of one; empty where any will do.
      other: Another one.
    """
    parsed = [_CANONICAL.fullmatch(canonical_name(one) or "") for one in (name, other)]
    if None in parsed:
        return True
    pairs = [[one[part] for one in parsed if one] for part in _ALL]
    return all(len({*pair} - {None, "*"}) < 2 for pair in pairs)


def short_name(device: str) -> str:
    """Returns ``/device:CPU:0`` of the whole name of a device."""
    _, separator, rest = device.partition("/device:")
    return separator + rest


def _agree(requested: str, device: str, parts: Tuple[str, ...]) -> bool:
    name = canonical_name(requested)
    wanted = None if name is None else _CANONICAL.fullmatch(name)
    there = _CANONICAL.fullmatch(device)
    if wanted is None or there is None:
        return False
    return all(wanted[part] in (None, "*", there[part]) for part in parts)
