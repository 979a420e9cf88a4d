"""Queues that outputs wait for, and that nothing fills when they are computed.

A training graph took its examples out of queues that threads filled (queue runners,
``tensorflow/python/training/queue_runner_impl.py``). Nobody starts those for a restored
model: what comes out of such a queue never comes, and a call of it does not return.
"""

from __future__ import annotations

from typing import AbstractSet, Any, Dict, List

from legacy_restore.importing.nodes import node_of
from legacy_restore.report.findings import KINDS, Finding

_ENQUEUES = ("QueueEnqueue", "QueueEnqueueMany")
_DEQUEUES = ("QueueDequeue", "QueueDequeueMany", "QueueDequeueUpTo")
# They take the names of files out of a queue, which is their second input.
_READERS = ("ReaderRead", "ReaderReadUpTo")
# Which input is the queue, by the type of the operation. V2 are those with resources.
_TAKING = {
    op + version: number
    for ops, number in ((_DEQUEUES, 0), (_READERS, 1))
    for op in ops
    for version in ("", "V2")
}
_FILLING = frozenset(op + version for op in _ENQUEUES for version in ("", "V2"))


def unfilled_queues(meta_graph: Any, called: AbstractSet[str]) -> List[Finding]:
    """Returns a remark for each queue that a call waits for and does not fill.

    Args:
      meta_graph: The ``MetaGraphDef``; it is not changed.
      called: The nodes that run when an output is computed.
    """
    nodes = [one for one in meta_graph.graph_def.node if one.name in called]
    filled = {node_of(one.input[0]) for one in nodes if one.op in _FILLING}
    waiting: Dict[str, str] = {}
    for one in nodes:
        number = _TAKING.get(one.op)
        if number is not None and len(one.input) > number:
            waiting.setdefault(node_of(one.input[number]), one.name)
    return [
        Finding(
            KINDS["queue-not-filled"],
            queue,
            f"{taker} takes from it, and waits: no queue runner is started",
            hint=f'inputs={{"x": "{taker}:0"}} for what comes out of it, or '
            "prune=False and its enqueue operation",
        )
        for queue, taker in sorted(waiting.items())
        if queue not in filled
    ]
