"""Graphs that take no more operations.

A restore adds operations to the graph once. ``tf.Graph.finalize`` forbids that, and old
code calls it: so do ``tf.train.Supervisor`` and ``MonitoredSession``. TensorFlow then
raises a plain ``RuntimeError`` (``Graph._check_not_finalized`` in
``tensorflow/python/framework/ops.py``).
"""

from __future__ import annotations

from typing import Any

from legacy_restore import errors
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text


def refuse_finalized(graph: Any, subject: str, hint: str) -> None:
    """Demands that operations can be added to a graph.

    Args:
      graph: The graph.
      subject: What takes operations, for the finding.
      hint: What the caller has to do before the graph is finalised.

    Raises:
      RestoreError: It is finalised.
    """
    if not graph.finalized:
        return
    finding = Finding(
        KINDS["graph-finalized"],
        subject,
        "it takes operations that are not there yet, and none can be added any more",
        hint=hint,
    )
    raise errors.RestoreError(
        refusal_text("the graph is finalised; nothing was changed", [finding]),
        findings=[finding],
    )
