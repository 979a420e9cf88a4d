"""Whose an operation is: TensorFlow's own, ``tf.contrib``'s, or somebody else's.

``tensorflow_ops.txt`` has the names that the genuine TensorFlow 0.12.1, 1.0.1, 1.15.5
and 2.21 register, each in its build for CPUs, with the releases that have them; those
of contrib are followed by ``-contrib``, and those of 1.15.5 by the module below which
their library is: ``1.15-contrib.boosted_trees``.
``tests/graphdef/write_op_registry.py`` wrote it.
"""

from __future__ import annotations

import enum
import functools
import pkgutil
from typing import Dict, Optional, Tuple

_FILE = "tensorflow_ops.txt"
_OF_CONTRIB = "-contrib"
_MODULE = f"{_OF_CONTRIB}."


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
    if all(_OF_CONTRIB in release for release in releases):
        return Origin.CONTRIB
    return Origin.CORE


def contrib_module_of(op: str) -> Optional[str]:
    """Returns the module of contrib that has an operation, None if that is not known.

    Such as ``tf.contrib.boosted_trees``, in TensorFlow 1.15.
    """
    for release in _releases().get(op, ()):
        _, separator, module = release.partition(_MODULE)
        if separator:
            return f"tf.contrib.{module}"
    return None


@functools.lru_cache(maxsize=1)
def _releases() -> Dict[str, Tuple[str, ...]]:
    data = pkgutil.get_data(__package__, _FILE) or b""
    found = {}
    for line in data.decode("ascii").splitlines():
        if not line.startswith("#"):
            name, *releases = line.split()
            found[name] = tuple(releases)
    return found
