"""Python functions of a model whose session runs in another process.

``tf.py_func`` keeps its function in the process that built the graph, and finds it by a
token in the process that runs the operation (``tensorflow/python/ops/script_ops.py``).
In a cluster that is the task on which it runs. Whether a task is this process nothing
says, not even its address: so a function that only this process has is called there.
"""

from __future__ import annotations

import random
from typing import Any, Dict, List, Set

import numpy as np

from legacy_restore import errors
from legacy_restore.graph.cluster_session import ClusterSession
from legacy_restore.graph.functions import GraphFunctions
from legacy_restore.graph.graph_source import GraphSource
from legacy_restore.graph.plan import GraphPlan
from legacy_restore.graph.tasks import task_of
from legacy_restore.importing.python_functions import CALLS_OF_PYTHON
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.tf import tf

_HINT = "outputs= that do not need it; or restore without target=, in this process"
# What a task answers that does not have the function, or no Python.
_NOT_THERE = (
    tf.errors.InternalError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.UnimplementedError,
    tf.errors.UnknownError,
)


def refuse_python_elsewhere(session: Any, plan: GraphPlan) -> None:
    """Demands that the tasks which call Python functions are this process.

    Args:
      session: The session; any but one of a cluster runs in this process.
      plan: Its plan.

    Raises:
      RestoreError: One of them is another process; nothing was changed.
    """
    if not isinstance(session, ClusterSession):
        return
    functions = GraphFunctions(plan.graph)
    answers: Dict[str, bool] = {}
    findings: List[Finding] = []
    for model in plan.models:
        built = plan.built[model.name]
        if not isinstance(built.model.build, GraphSource):
            continue  # What its code made may be for another occasion.
        for operation in built.operations:
            for device in sorted(_devices(operation, functions)):
                if device not in answers:
                    answers[device] = _is_here(session, device)
                if answers[device]:
                    continue
                where = task_of(device) or f"the task at {session.target}"
                findings.append(
                    Finding(
                        KINDS["python-elsewhere"],
                        operation.name,
                        f"{operation.type} calls Python on {where}, which is another "
                        "process",
                        model=model.name,
                        hint=_HINT,
                    )
                )
    if findings:
        text = "the cluster cannot call the Python functions; nothing was changed"
        raise errors.RestoreError(refusal_text(text, findings), findings=findings)


def _devices(operation: Any, functions: GraphFunctions) -> Set[str]:
    """The devices on which an operation, or functions that it leads to, call Python."""
    found = {
        node.device or operation.device
        for name in functions.reached_from([operation])
        for node in functions.nodes_of(name)
        if node.op in CALLS_OF_PYTHON
    }
    return found | ({operation.device} if operation.type in CALLS_OF_PYTHON else set())


def _is_here(session: ClusterSession, device: str) -> bool:
    """Whether what is put on a device can call functions of this process."""
    # Another process may have a function under the same token.
    secret = np.int64(random.SystemRandom().getrandbits(62))
    graph = tf.Graph()
    with graph.as_default(), tf.device(device):
        answer = tf.py_func(lambda: secret, [], tf.int64)
    with session.beside(graph) as another, another.limited():
        try:
            return bool(another.run(answer) == secret)
        except _NOT_THERE:
            return False
