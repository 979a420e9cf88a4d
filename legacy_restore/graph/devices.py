"""Whether a session has the devices that the models ask for.

TensorFlow places all operations of a graph before it runs the first one, so a single
operation on a GPU that is not there, deep in a training step, fails every run. It says
so once the restore has begun, one operation at a time.

Soft placement puts operations elsewhere without a word. So the caller has to permit it
in ``config``, although sessions that are made where TensorFlow 2 executes eagerly have
it by default (``BaseSession.__init__`` in ``tensorflow/python/client/session.py``).
"""

from __future__ import annotations

from typing import Any, List, Sequence, Tuple

from legacy_restore import errors
from legacy_restore.graph.device_names import (
    canonical_name,
    has_same_place,
    matches,
    short_name,
)
from legacy_restore.graph.device_requests import DeviceRequest, device_requests
from legacy_restore.graph.plan import GraphPlan
from legacy_restore.graph.tasks import task_of
from legacy_restore.report.findings import KINDS, Finding, errors_of
from legacy_restore.report.refusal import refusal_text
from legacy_restore.report.table import cut_names

_SOFT_PLACEMENT = (
    "config=tf.compat.v1.ConfigProto(allow_soft_placement=True)   or   "
    "--allow_soft_placement"
)
_MAX_DEVICES = 8
_HERE = "/job:localhost/task:0"


def check_devices(session: Any, plan: GraphPlan, config: Any) -> Tuple[Finding, ...]:
    """Demands that a session has every device that a graph's operations ask for.

    Args:
      session: The session; nothing needs to have been run in it.
      plan: The plan whose graph the session has.
      config: The ``ConfigProto`` that the caller gave, or None.

    Returns:
      What there is to say about devices that are not there where soft placement is
      permitted.

    Raises:
      RestoreError: A device is not there, and nothing may come in its place.
    """
    devices = [one.name for one in session.list_devices()]
    owners = {
        operation: name
        for name, built in plan.built.items()
        for operation in built.operations
    }
    is_soft = config is not None and config.allow_soft_placement
    judge = _substituted if is_soft else _missing
    absent = [
        request
        for request in device_requests(plan.graph, owners)
        if not any(matches(request.device, one) for one in devices)
    ]
    # What reads and writes a model's variables is in their task.
    tasks = {task_of(one.device) for one in absent if one.model is not None}
    findings = [
        judge(request, devices)
        for request in absent
        if request.model is not None or task_of(request.device) not in tasks - {""}
    ]
    refusing = errors_of(findings)
    if refusing:
        names = cut_names(list(dict.fromkeys(one.subject for one in refusing)))
        raise errors.RestoreError(
            refusal_text(
                f"the session does not have {names}; no session was left", findings
            ),
            findings=findings,
        )
    return tuple(findings)


def _missing(request: DeviceRequest, devices: Sequence[str]) -> Finding:
    is_replaceable = _is_replaceable(request, devices)
    return Finding(
        KINDS["device-missing"],
        request.device,
        f"{_who_asks(request)} for it; there is {_listed(request, devices)}",
        model=request.model,
        hint=_SOFT_PLACEMENT if is_replaceable else _another(request, devices),
    )


def _another(request: DeviceRequest, devices: Sequence[str]) -> str:
    is_here = {task_of(one) for one in devices} == {_HERE}
    if is_here and task_of(request.device):
        return 'target="grpc://host:port" of a cluster that has it, or --target'
    return "name one of the session's devices"


def _substituted(request: DeviceRequest, devices: Sequence[str]) -> Finding:
    if not _is_replaceable(request, devices):
        return _missing(request, devices)
    return Finding(
        KINDS["device-substituted"],
        request.device,
        f"the session does not have {request.device}; {_who_asks(request)} for it and "
        f"may be placed on {_listed(request, devices)}",
        model=request.model,
    )


def _is_replaceable(request: DeviceRequest, devices: Sequence[str]) -> bool:
    return any(has_same_place(request.device, one) for one in devices)


def _who_asks(request: DeviceRequest) -> str:
    rest = request.count - 1
    return (
        f"{request.example} and {rest} more ask" if rest else f"{request.example} asks"
    )


def _listed(request: DeviceRequest, devices: Sequence[str]) -> str:
    """The devices there are, in the form in which one was asked for."""
    names: List[str] = list(devices)
    name = canonical_name(request.device)
    if name is not None and name.startswith("/device:"):
        names = list(dict.fromkeys(short_name(one) for one in devices))
    return cut_names(names, _MAX_DEVICES)
