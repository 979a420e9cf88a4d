"""What a cluster holds under the names of a graph, outside of any session.

Unless a session's state is isolated, a variable belongs to the task that it is on: it
outlives the session, and every graph with a variable of that name there has the same
one (``ResourceMgr`` in ``tensorflow/core/framework/resource_mgr.h``). What is looked at
here are copies of the operations that hold state, alone in a graph of their own.
"""

from __future__ import annotations

import logging
from typing import Any, Dict, Iterable, List, Sequence, Tuple

from legacy_restore import errors
from legacy_restore.graph.cluster_session import (
    ClusterSession,
    answer_within,
    limited_config,
)
from legacy_restore.graph.plan import GraphPlan
from legacy_restore.graph.tasks import task_of
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.tf import tf

_log = logging.getLogger("legacy_restore")

_CLEAN_SECONDS = 10.0
_RESOURCE_TABLES = frozenset(
    ["HashTableV2", "MutableHashTableV2", "MutableHashTableOfTensorsV2"]
)
_REF_TABLES = frozenset(["HashTable", "MutableHashTable", "MutableHashTableOfTensors"])
_REF_VARIABLES = frozenset(["Variable", "VariableV2"])
_RESOURCE_VARIABLE = "VarHandleOp"
# A dense table is made from tensors, which the copy would need, too.
_STATE = _RESOURCE_TABLES | _REF_TABLES | _REF_VARIABLES | {_RESOURCE_VARIABLE}


def state_operations(plan: GraphPlan) -> Dict[str, List[Any]]:
    """Returns the operations that hold state, by the model whose builder made them.

    Args:
      plan: The plan.
    """
    return {
        name: [one for one in built.operations if one.type in _STATE]
        for name, built in plan.built.items()
    }


def containers_of(operations: Iterable[Any]) -> List[str]:
    """Returns the containers of their own in which operations keep their state."""
    found = {one.get_attr("container").decode() for one in operations}
    return sorted(found - {""})


def names_there(session: ClusterSession, plan: GraphPlan) -> List[Finding]:
    """Returns a finding for each variable and table that the cluster has already.

    Args:
      session: A session of the cluster whose state is not isolated.
      plan: The plan.

    Raises:
      RestoreError: A task does not answer.
    """
    findings = []
    for model, operations in state_operations(plan).items():
        for operation, what in _with_state(session, operations):
            task = task_of(operation.device) or f"the task at {session.target}"
            findings.append(
                Finding(
                    KINDS["name-in-cluster"],
                    operation.name,
                    f"{task} {what}",
                    model=model,
                    hint='another scope, state="isolated", or state="reset", which '
                    "clears all that the cluster holds",
                )
            )
    return findings


def _with_state(
    session: ClusterSession, operations: Sequence[Any]
) -> List[Tuple[Any, str]]:
    """The operations whose state is there, with what is there."""
    if not operations:
        return []
    graph, copies = _copied(operations)
    with graph.as_default():
        asked = [_is_there(one) for one in copies]
    with session.beside(graph) as another, another.limited():
        return _answers(another, list(zip(operations, asked)))


def _answers(
    session: ClusterSession, asked: Sequence[Tuple[Any, Any]]
) -> List[Tuple[Any, str]]:
    try:
        values = session.run([question for _, question in asked])
    except tf.errors.OpError:
        # A variable of another dtype has the name: asking for it fails.
        if len(asked) == 1:
            return [(asked[0][0], "has another kind of it")]
        middle = len(asked) // 2
        return _answers(session, asked[:middle]) + _answers(session, asked[middle:])
    return [(one, "has it") for (one, _), value in zip(asked, values) if value]


def _is_there(operation: Any) -> Any:
    with tf.device(operation.device):
        held = operation.outputs[0]
        if operation.type in _REF_VARIABLES:
            return tf.raw_ops.IsVariableInitialized(ref=held)
        if operation.type == _RESOURCE_VARIABLE:
            return tf.raw_ops.VarIsInitializedOp(resource=held)
        if operation.type in _RESOURCE_TABLES:
            return tf.raw_ops.LookupTableSizeV2(table_handle=held) > 0
        return tf.raw_ops.LookupTableSize(table_handle=held) > 0


def _copied(operations: Sequence[Any]) -> Tuple[Any, List[Any]]:
    """A graph of operations that have no inputs, under the names that they have."""
    definition = tf.GraphDef()
    for operation in operations:
        node = definition.node.add()
        node.CopyFrom(operation.node_def)
        del node.input[:]
        # Another operation's place, or what the attributes of shapes were made from.
        for name in [one for one in node.attr if one.startswith("_")]:
            del node.attr[name]
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    return graph, [graph.get_operation_by_name(one.name) for one in operations]


def clear(target: str, containers: Sequence[str], timeout: float) -> None:
    """Clears what all tasks of a cluster hold, and closes the target's sessions.

    Args:
      target: The task that is told to.
      containers: The containers to clear besides that which each task has from the
        start. It is called like the job, and only an empty list means it in all tasks
        (``DeviceMgr.ClearContainers``).
      timeout: The seconds that it may take.

    Raises:
      tf.errors.OpError: A task does not answer.
    """
    config = limited_config(None, timeout)
    tf.Session.reset(target, None, config)
    if containers:
        tf.Session.reset(target, list(containers), config)


def take_away(session: ClusterSession, plan: GraphPlan) -> List[Finding]:
    """Takes away what a failed restore has left in a cluster.

    Resource variables and tables can be destroyed; a variable of the old kind goes
    only with everything else that is in its container.

    Args:
      session: The session of the restore; it may be closed.
      plan: The plan; nothing of it was there before.

    Returns:
      A finding for each variable that could not be taken away, and for each task that
      does not answer.
    """
    findings: List[Finding] = []
    by_task: Dict[str, List[Any]] = {}
    for operations in state_operations(plan).values():
        for operation in operations:
            by_task.setdefault(task_of(operation.device), []).append(operation)
    for task, operations in by_task.items():
        where = task or f"the task at {session.target}"
        try:
            left = _taken_away(session.target, task, operations)
        except Exception as error:
            _log.warning("%s cannot be cleaned up: %s", where, error)
            names = f"{len(operations)} variables and tables"
            findings.append(_left(where, f"{names} may be left there: no answer"))
        else:
            findings += [_left(name, f"it is left, whole, on {where}") for name in left]
    return findings


def _left(subject: str, message: str) -> Finding:
    hint = 'state="reset" clears it, and all else that the cluster holds'
    return Finding(KINDS["state-left"], subject, message, hint=hint)


def _taken_away(target: str, task: str, operations: Sequence[Any]) -> List[str]:
    """Destroys what can be; the names of the variables that are left."""
    graph, copies = _copied(operations)
    with graph.as_default():
        destroying = []
        for one in copies:
            if one.type in _RESOURCE_TABLES | {_RESOURCE_VARIABLE}:
                with tf.device(one.device):
                    destroying.append(
                        tf.raw_ops.DestroyResourceOp(
                            resource=one.outputs[0], ignore_lookup_error=True
                        )
                    )
        refs = [one for one in copies if one.type in _REF_VARIABLES]
        asked = [_is_there(one) for one in refs]
    # Another task may be the reason why the restore has failed.
    filters = tf.ConfigProto(device_filters=[task] if task else [])
    config = limited_config(filters, _CLEAN_SECONDS)
    session = tf.Session(target, graph, config)
    try:
        _, values = answer_within(
            2 * _CLEAN_SECONDS, lambda: session.run([destroying, asked])
        )
    finally:
        session.close()
    return [one.name for one, is_left in zip(refs, values) if is_left]


def refuse_names_there(session: ClusterSession, plan: GraphPlan, text: str) -> None:
    """Raises if the cluster has a variable or a table of the plan already.

    Raises:
      RestoreError: It has; nothing was changed.
    """
    findings = names_there(session, plan)
    if findings:
        raise errors.RestoreError(refusal_text(text, findings), findings=findings)
