"""Whose an operation is: TensorFlow's own, ``tf.contrib``'s, or somebody else's.

``tensorflow_ops.txt`` has the names that the genuine TensorFlow 0.12.1, 1.0.1, 1.15.5
and 2.21 register, each in its build for CPUs, with the releases that have them; those
of contrib end in ``-contrib``. ``tests/graphdef/write_op_registry.py`` wrote it.
"""

from __future__ import annotations

import enum
import functools
import pkgutil
from typing import Dict, Tuple

_FILE = "tensorflow_ops.txt"
_OF_CONTRIB = "-contrib"


class Origin(enum.Enum):
    """Whose an operation is."""

    CORE = "TensorFlow"
    CONTRIB = "tf.contrib"
    UNKNOWN = "unknown"


def origin_of(op: str) -> Origin:
    """Returns whose an operation is.

    What any release has in its core is TensorFlow's: contrib's operations have moved
    there one by one.
    """
    releases = _releases().get(op)
    if releases is None:
        return Origin.UNKNOWN
    if all(release.endswith(_OF_CONTRIB) for release in releases):
        return Origin.CONTRIB
    return Origin.CORE


@functools.lru_cache(maxsize=1)
def _releases() -> Dict[str, Tuple[str, ...]]:
    data = pkgutil.get_data(__package__, _FILE) or b""
    found = {}
    for line in data.decode("ascii").splitlines():
        if not line.startswith("#"):
            name, *releases = line.split()
            found[name] = tuple(releases)
    return found
