"""Restoring into a cluster of ``tf.compat.v1.train.Server`` processes.

Two things are other there. What a session leaves in the tasks may outlive it, so that
somebody has to say whose the state is. And a task may be missing, or die.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import re
from typing import Any, Iterator, List, Optional

from legacy_restore import errors
from legacy_restore.graph import cluster_state
from legacy_restore.graph.cluster_session import (
    ClusterSession,
    connected_devices,
    time_limited,
)
from legacy_restore.graph.device_requests import device_requests
from legacy_restore.graph.devices import check_devices
from legacy_restore.graph.plan import GraphPlan
from legacy_restore.graph.python_elsewhere import refuse_python_elsewhere
from legacy_restore.graph.tasks import task_of
from legacy_restore.graph.visibility import refuse_unseen
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.restoring.reasons import reason_of
from legacy_restore.tf import tf

_log = logging.getLogger("legacy_restore")

STATES = ("isolated", "shared", "reset")
TIMEOUT = 300.0
"""The seconds that a step may take unless the caller says how many."""

# A month: what threads and TensorFlow can wait has an end, which differs by system.
_LONGEST = 30 * 24 * 3600.0

_THERE = {
    "shared": "the cluster has such names; nothing was changed",
    "reset": "the cluster was cleared, and has such names again; no session was left",
}
_TARGET = re.compile(r"[A-Za-z][A-Za-z0-9+]*://\S+")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Where a restore goes to.

    Attributes:
      target: The task that makes the session, ``grpc://host:port``.
      state: One of ``STATES``.
      config: The ``ConfigProto`` of the session.
      is_chosen: Whether the caller's own config says whose the state is.
      timeout: The seconds that a step may take.
    """

    target: str
    state: str
    config: Any
    is_chosen: bool
    timeout: float


def cluster_of(
    target: Optional[str], config: Any, state: Optional[str], timeout: Optional[float]
) -> Optional[Cluster]:
    """Returns the cluster that arguments of ``restore`` describe; None without one.

    Raises:
      UsageError: An argument cannot be meant.
    """
    if target is None:
        for name, value in [("state", state), ("timeout", timeout)]:
            if value is not None:
                raise errors.UsageError(
                    f"{name} is for clusters", hint='target="grpc://host:port"'
                )
        return None
    if not isinstance(target, str) or not _TARGET.fullmatch(target):
        raise errors.UsageError(
            f"{target!r} is no target", hint='target="grpc://host:port"'
        )
    if state is not None and state not in STATES:
        names = ", ".join(f'"{one}"' for one in STATES)
        raise errors.UsageError(f"state has to be one of {names}, not {state!r}")
    if timeout is not None and not (
        isinstance(timeout, (int, float)) and 0 < timeout <= _LONGEST
    ):
        raise errors.UsageError(
            f"timeout has to be seconds, not {timeout!r}",
            hint=f"{_LONGEST:g} at the most",
        )
    seconds = TIMEOUT if timeout is None else float(timeout)
    if config is None:
        chosen = state or "isolated"
        own = tf.ConfigProto(isolate_session_state=chosen == "isolated")
        return Cluster(target, chosen, own, False, seconds)
    of_config = "isolated" if config.isolate_session_state else "shared"
    if state is not None and (state == "isolated") != (of_config == "isolated"):
        raise errors.UsageError(
            f"state={state!r}, but the config says that the state is {of_config}",
            hint=f"isolate_session_state={state == 'isolated'} in the config",
        )
    return Cluster(target, state or of_config, config, True, seconds)


@contextlib.contextmanager
def session_for(
    plan: GraphPlan, config: Any, cluster: Optional[Cluster]
) -> Iterator[Any]:
    """Gives a session for a plan's graph; closes it if what is within fails.

    In a cluster, what is run within comes to an end, and what fails takes away what it
    has left there.

    Args:
      plan: The plan.
      config: The ``ConfigProto`` of a session in this process.
      cluster: Where the session is made else.

    Raises:
      RestoreError: A task does not answer, or the cluster has variables of these
        names already.
      UsageError: TensorFlow knows no such target.
    """
    if cluster is None:
        session = tf.Session(graph=plan.graph, config=config)
        try:
            yield session
        except BaseException:
            session.close()
            raise
        return
    session = _connected(plan, cluster)
    try:
        with time_limited(session):
            refuse_python_elsewhere(session, plan)
            if cluster.state != "isolated":
                cluster_state.refuse_names_there(session, plan, _THERE[cluster.state])
    except BaseException:
        session.close()
        raise
    try:
        with time_limited(session):
            yield session
    except BaseException as error:
        session.close()
        _take_away(session, plan, cluster, error)
        raise


def _connected(plan: GraphPlan, cluster: Cluster) -> ClusterSession:
    # What the graph asks for: only the target knows which tasks there are.
    requests = device_requests(plan.graph, {})
    tasks = sorted({task_of(one.device) for one in requests} - {""})
    known = [one for one in tasks if "/task:" in one]
    devices = connected_devices(cluster.target, cluster.config, cluster.timeout, known)

    def session() -> ClusterSession:
        return ClusterSession(
            cluster.target, plan.graph, cluster.config, cluster.timeout, devices
        )

    if cluster.state == "reset":
        # A restore that is refused must not have cleared what others need.
        with contextlib.closing(session()) as first, time_limited(first):
            check_devices(first, plan, cluster.config)
            refuse_python_elsewhere(first, plan)
            restored = plan.operations.restored_models
            refuse_unseen(
                first,
                {name: plan.opened[name] for name in restored},
                {name: plan.operations.reading_devices(name) for name in restored},
            )
        _clear(plan, cluster)
    return session()


def _clear(plan: GraphPlan, cluster: Cluster) -> None:
    operations = [
        one for own in cluster_state.state_operations(plan).values() for one in own
    ]
    containers = cluster_state.containers_of(operations)
    try:
        cluster_state.clear(cluster.target, containers, cluster.timeout)
    except tf.errors.OpError as error:
        finding = Finding(
            KINDS["cluster-timeout"],
            cluster.target,
            f"it could not be reset: {reason_of(error)}",
        )
        text = "the cluster may be cleared in part; no session was left"
        raise errors.RestoreError(
            refusal_text(text, [finding]), findings=[finding]
        ) from error


def _take_away(
    session: ClusterSession, plan: GraphPlan, cluster: Cluster, error: BaseException
) -> None:
    """Takes away what a failed restore has left; raises if something stays."""
    if cluster.state == "isolated":
        return  # It goes with the session.
    if cluster.state == "reset":
        try:
            _clear(plan, cluster)
            return
        except errors.RestoreError as another:
            _log.warning("%s", another)
    left = cluster_state.take_away(session, plan)
    if left and isinstance(error, errors.RestoreError):
        findings = [*error.findings, *left]
        text = "the restore failed, and the cluster keeps some of it"
        raise errors.RestoreError(
            refusal_text(text, findings), findings=findings
        ) from error
    for one in left:
        _log.warning("%s: %s", one.subject, one.message)


def state_remarks(cluster: Optional[Cluster]) -> List[Finding]:
    """Returns what there is to say about whose the state of a session is."""
    if cluster is None:
        return []
    said = {
        "isolated": "the variables are this session's alone, and go with it",
        "shared": "other sessions see these variables, which stay when it is closed",
        "reset": "all that the cluster held was cleared; other sessions see these "
        "variables, which stay when it is closed",
    }[cluster.state]
    by = " (isolate_session_state of the config)" if cluster.is_chosen else ""
    return [Finding(KINDS["session-state"], cluster.target, said + by)]
