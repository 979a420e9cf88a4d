"""Libraries with operations that TensorFlow itself does not have.

Loading one runs its code, and makes its operations known to the whole process, for as
long as that lives. Where the operations of ``tf.contrib`` are there - on TensorFlow 1 -
they are known only once the library that brings them is loaded.
"""

from __future__ import annotations

import importlib
import logging
import os
from typing import Any, Iterator, List, Optional, Sequence

from legacy_restore.graphdef.op_registry import Origin, origin_of
from legacy_restore.importing.nodes import all_bodies
from legacy_restore.importing.op_defs import registered
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.tf import IS_TF1, tf

_log = logging.getLogger(__name__)


def load_op_libraries(paths: Sequence[str]) -> List[Finding]:
    """Loads libraries with operations.

    Args:
      paths: Of the shared libraries (``.so``), as ``tf.load_op_library`` takes them.

    Returns:
      An error for each that cannot be loaded.
    """
    findings = []
    for path in paths:
        reason = _load(os.fspath(path))
        if reason is not None:
            findings.append(
                Finding(
                    KINDS["op-library-failed"],
                    os.fspath(path),
                    reason,
                    hint="a library has to be built for this TensorFlow "
                    f"({tf.VERSION}) and this machine",
                )
            )
    return findings


def load_contrib(meta_graph: Any) -> Any:
    """Makes the operations of ``tf.contrib`` known that a graph has, on TensorFlow 1.

    That takes seconds, and is done for graphs alone that have an operation of it which
    is not known yet.

    Returns:
      The message, as it is.
    """
    if not IS_TF1:
        return meta_graph
    missing = [op for op in _types(meta_graph) if _is_missing(op)]
    if missing:
        contrib = importlib.import_module("tensorflow.contrib")
        # It is loaded by being looked at; what it holds is lazy once more.
        _log.debug("loading tf.contrib, %d names, for %s", len(dir(contrib)), missing)
        folder = os.path.dirname(contrib.__file__ or "")
        for path in sorted(_libraries_below(folder)):
            if any(_is_missing(op) for op in missing):
                reason = _load(path)
                if reason is not None:
                    _log.debug("%s is not loaded: %s", path, reason)
    return meta_graph


def _load(path: str) -> Optional[str]:
    """Loads one library; returns why it cannot be, or None."""
    if not os.path.exists(path):
        return "no such file"
    try:
        # A path without a slash would be looked for where the system has its libraries.
        tf.load_op_library(os.path.abspath(path))
    except Exception as error:
        # What a library raises while it is loaded is its own affair.
        return str(error).partition("\n")[0]
    return None


def _types(meta_graph: Any) -> List[str]:
    return sorted({node.op for _, nodes in all_bodies(meta_graph) for node in nodes})


def _is_missing(op: str) -> bool:
    return origin_of(op) is Origin.CONTRIB and registered(op) is None


def _libraries_below(folder: str) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".so"):
                yield os.path.join(parent, name)
