"""Sessions of a cluster, in which nothing waits for ever.

TensorFlow waits without end for a task that is not there: a session is created only
once every task of the cluster has answered (``DeviceFinder`` in
``tensorflow/core/distributed_runtime/master.cc``), a step may wait for a task that has
died, and so does ``close()``. ``RunOptions.timeout_in_ms`` ends a step and nothing
else; ``operation_timeout_in_ms`` ends all, but it is for the life of a session, and the
session that is handed out is the caller's. So a session with that limit asks first
whether all tasks are there; the other's steps are limited while the toolkit runs them.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

from legacy_restore import errors
from legacy_restore.graph.tasks import tasks_in
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.restoring.reasons import reason_of
from legacy_restore.tf import tf

_log = logging.getLogger("legacy_restore")

_CLOSE_SECONDS = 10.0
_ASK_SECONDS = 5.0
# What TensorFlow itself needs to say that its own limit is over.
_GRACE_SECONDS = 5.0
# A filter that no task matches: the task that is asked answers for itself alone.
_NOBODY = "/job:legacy_restore_nobody"
# Not an answer, or that of a task which has been started anew meanwhile.
_LOST = (
    tf.errors.DeadlineExceededError,
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
)


class _Unanswered(Exception):
    """Something did not come back in time."""


class ClusterSession(tf.Session):  # type: ignore[misc]
    """A session of a cluster; what is run inside of ``time_limited`` comes to an end.

    Attributes:
      target: The task that the session is made by, ``grpc://host:port``.
      timeout: The seconds that a step may take.
    """

    def __init__(
        self,
        target: str,
        graph: Any,
        config: Any,
        timeout: float,
        devices: Sequence[Any],
    ) -> None:
        """Connects to nothing yet.

        Args:
          target: The task that is to make the session.
          graph: Its graph.
          config: Its ``ConfigProto``.
          timeout: The seconds that a step may take.
          devices: What ``connected_devices`` returned.
        """
        self._is_closed = True  # As long as there is nothing to close.
        super().__init__(target, graph, config)
        self._is_closed = False
        self.target = target
        self._given = config
        self.timeout = timeout
        self._devices = list(devices)
        self._limits = threading.local()

    def list_devices(self) -> List[Any]:
        """Returns the devices that were there when the cluster was asked for them.

        TensorFlow 2 holds the interpreter's lock while it waits for an answer.
        """
        return self._devices

    def beside(self, graph: Any) -> ClusterSession:
        """Returns a session of the same cluster with another graph."""
        return ClusterSession(
            self.target, graph, self._given, self.timeout, self._devices
        )

    @contextlib.contextmanager
    def limited(self) -> Iterator[None]:
        """Limits the steps that this thread runs within."""
        before = getattr(self._limits, "apply", False)
        self._limits.apply = True
        try:
            yield
        finally:
            self._limits.apply = before

    def run(
        self,
        fetches: Any,
        feed_dict: Any = None,
        options: Any = None,
        run_metadata: Any = None,
    ) -> Any:
        """Runs a step, as ``tf.Session.run`` does.

        Raises:
          RestoreError: Inside of ``limited``: a task does not answer.
        """
        is_limited = getattr(self._limits, "apply", False)
        if not is_limited or options is not None:
            return super().run(fetches, feed_dict, options, run_metadata)
        seconds = self.timeout
        limit = tf.RunOptions(timeout_in_ms=_milliseconds(seconds))
        run = super().run
        try:
            # The limit of a step says nothing of the session, which its first step
            # creates.
            return answer_within(
                seconds + _GRACE_SECONDS,
                lambda: run(fetches, feed_dict, limit, run_metadata),
            )
        except (*_LOST, _Unanswered) as error:
            tasks = tasks_in(one.name for one in self._devices)
            raise lost(self.target, tasks, seconds, error) from error

    def close(self) -> None:
        """Closes the session; waits some seconds for tasks that do not answer.

        May be called twice: TensorFlow calls it once more when nobody has it any more.
        """
        if self._is_closed:
            return
        self._is_closed = True
        close = super().close
        if sys.is_finalizing():  # No thread starts any more.
            close()
            return
        try:
            answer_within(_CLOSE_SECONDS, close)
        except (*_LOST, _Unanswered) as error:
            _log.warning(
                "a task of the cluster did not answer while the session was closed: %s",
                reason_of(error),
            )


@contextlib.contextmanager
def time_limited(session: Any) -> Iterator[None]:
    """Limits the steps of a session, if it is one of a cluster."""
    if not isinstance(session, ClusterSession):
        yield
        return
    with session.limited():
        yield


def connected_devices(
    target: str, config: Any, timeout: float, tasks: Sequence[str]
) -> List[Any]:
    """Waits until all tasks of a cluster are there.

    Args:
      target: The task that is asked.
      config: The ``ConfigProto`` of the session that is to be made; its
        ``device_filters`` say which tasks it is about.
      timeout: How long to wait, in seconds.
      tasks: Tasks that are expected, to name those that are not there.

    Returns:
      What ``tf.Session.list_devices`` gives.

    Raises:
      RestoreError: A task did not answer.
      UsageError: TensorFlow knows no such target.
    """
    try:
        return _devices_seen(target, config, timeout)
    except tf.errors.NotFoundError as error:
        raise errors.UsageError(
            f"target {target!r} is none that TensorFlow knows: {reason_of(error)}"
        ) from error
    except (*_LOST, _Unanswered) as error:
        raise lost(target, tasks, timeout, error) from error


def _devices_seen(target: str, config: Any, seconds: float) -> List[Any]:
    limited = limited_config(config, seconds)
    limited.isolate_session_state = True
    graph = tf.Graph()
    with graph.as_default():
        nothing = tf.no_op()
    session = tf.Session(target, graph, limited)
    try:
        # A step creates the session and lets other threads run meanwhile.
        answer_within(seconds + _GRACE_SECONDS, lambda: session.run(nothing))
        return list(session.list_devices())
    finally:
        session.close()


def limited_config(config: Any, seconds: float) -> Any:
    """Returns a copy of a ``ConfigProto`` for a session all of which is limited."""
    limited = tf.ConfigProto()
    if config is not None:
        limited.CopyFrom(config)
    limited.operation_timeout_in_ms = _milliseconds(seconds)
    return limited


def lost(
    target: str, tasks: Sequence[str], seconds: float, error: BaseException
) -> errors.RestoreError:
    """Returns the error for a cluster that has not answered, after asking each task.

    Args:
      target: The task that makes the sessions.
      tasks: Those that are known.
      seconds: How long was waited.
      error: What TensorFlow said.
    """
    said = reason_of(error) or "no answer"
    waited = f"no answer within {seconds:g} s ({said})"
    silent = silent_tasks(target, tasks)
    hint = "start it, or timeout=SECONDS if it only takes longer"
    if silent is None:
        findings = [Finding(KINDS["task-lost"], target, waited, hint=hint)]
    elif silent:
        findings = [
            Finding(KINDS["task-lost"], task, waited, hint=hint) for task in silent
        ]
    else:
        findings = [
            Finding(
                KINDS["cluster-timeout"],
                target,
                f"{waited}, but {', '.join(tasks) or 'it'} answers now: a task that no "
                "model asks for is missing, or one was started anew, or it takes "
                "longer",
                hint="timeout=SECONDS, or device_filters in config= for other tasks",
            )
        ]
    text = "the cluster does not answer; no session was left"
    return errors.RestoreError(refusal_text(text, findings), findings=findings)


def silent_tasks(target: str, tasks: Sequence[str]) -> Optional[List[str]]:
    """Asks each task whether it is there.

    Args:
      target: The task that makes the sessions.
      tasks: The tasks to ask.

    Returns:
      Those that do not answer; None if the target itself does not.
    """
    answers: Dict[str, bool] = {}

    def ask(task: str) -> None:
        config = tf.ConfigProto(device_filters=[task])
        try:
            _devices_seen(target, config, _ASK_SECONDS)
        except Exception:
            answers[task] = False
        else:
            answers[task] = True

    asking = [
        threading.Thread(target=ask, args=(task,), daemon=True)
        for task in [_NOBODY, *tasks]
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(_ASK_SECONDS + 2 * _GRACE_SECONDS)
    if not answers.get(_NOBODY):
        return None
    return [task for task in tasks if not answers.get(task)]


def answer_within(seconds: float, function: Callable[[], Any]) -> Any:
    """Returns what a function returns, unless that takes too long.

    What it does then goes on in a thread that does not keep the process alive.

    Raises:
      _Unanswered: It takes longer than the seconds.
    """
    results: List[Any] = []
    failures: List[BaseException] = []

    def call() -> None:
        try:
            results.append(function())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if failures:
        raise failures[0]
    if not results:
        raise _Unanswered(f"nothing came back within {seconds:g} s")
    return results[0]


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))
