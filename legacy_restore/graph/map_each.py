"""Running a function on one model after the other, each in a process of its own.

A process that ends gives all of its memory back, whatever allocator TensorFlow uses.
"""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import signal
from multiprocessing import connection
from typing import Any, Callable, Iterable, List, Optional

from legacy_restore import errors
from legacy_restore.graph.child import run_child
from legacy_restore.graph.handing_over import pickled_calls
from legacy_restore.graph.model import Model
from legacy_restore.graph.preflight import (
    check_verify,
    listed_models,
    refuse_unless_all_open,
)
from legacy_restore.report.outcomes import (
    ChildTraceback,
    Outcome,
    child_error,
    raise_for_failed,
)

_log = logging.getLogger("legacy_restore")

_ON_ERROR = ("raise", "stop", "collect")
# What a process that is told to end gets to do so, in seconds.
_GRACE = 5
# How often is looked whether a process is gone, in seconds.
_LOOK_AGAIN = 1.0
# How a child ends that calls map_each while it imports the program.
_EXIT_IMPORTING = 78
_GUARD = 'call map_each below  if __name__ == "__main__":'


def map_each(
    function: Callable[[Any], Any],
    models: Iterable[Model],
    *,
    config: Any = None,
    verify: str = "read",
    on_error: str = "raise",
) -> List[Outcome]:
    """Runs a function on each model, restored in a process of its own.

    One process runs at a time, and its memory is the system's again when it has ended.
    It is spawned: the function and the builders have to be at the top level of modules
    that it can import, and a program that calls this has to do so below
    ``if __name__ == "__main__":`` (``multiprocessing``, "Safe importing of main
    module"). Working directory, ``sys.path`` and environment are those of this process;
    absl's flags are not parsed there: hand over what the function needs of them, by
    ``functools.partial``.

    Before a process is started, all that it is given is pickled, and the checkpoints of
    all models are opened. Here TensorFlow is not imported.

    Args:
      function: Takes what ``restore`` gives of one model; what it returns is pickled.
      models: The models. Names and scopes may repeat.
      config: As in ``restore``.
      verify: As in ``restore``.
      on_error: What is done if there is no result for a model: ``"raise"`` after all
        models had their turn, ``"stop"`` at once, without the models after it, or
        ``"collect"`` and leave it to the caller to ask each outcome.

    Returns:
      What became of each model, in their order; ``[one.result for one in outcomes]``.

    Raises:
      ChildError: A function failed, or its process died; the outcomes of all models
        that were run are in it.
      RestoreError: A checkpoint cannot be opened; all of them are in its findings.
      UsageError: Something cannot be handed to another process, all of which is in its
        findings; or an argument cannot be meant.
    """
    _end_if_importing()
    if not callable(function):
        raise errors.UsageError(f"{function!r} is no function")
    check_verify(verify)
    if on_error not in _ON_ERROR:
        raise errors.UsageError(f"on_error has to be one of {', '.join(_ON_ERROR)}")
    if multiprocessing.current_process().daemon:
        raise errors.UsageError("a daemonic process can start no other one")
    found = listed_models(models)
    calls = pickled_calls(function, found, {"config": config, "verify": verify})
    refuse_unless_all_open(found)
    outcomes: List[Outcome] = []
    for model, call in zip(found, calls):
        outcomes.append(_outcome(model.name, call))
        if on_error == "stop" and not outcomes[-1].ok:
            break
    if on_error != "collect":
        raise_for_failed(outcomes, len(found))
    return outcomes


def _end_if_importing() -> None:
    """Ends a child that has come here because it imports the program, unguarded."""
    # What multiprocessing itself asks (multiprocessing/spawn.py).
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(_EXIT_IMPORTING)


def _outcome(model: str, call: bytes) -> Outcome:
    """Runs one process from its start to its end."""
    context = multiprocessing.get_context("spawn")
    receiver, results = context.Pipe(duplex=False)
    lifeline, held = context.Pipe(duplex=False)
    process = context.Process(
        target=run_child, args=(results, lifeline, call), name=f"map_each {model}"
    )
    try:
        process.start()
        # Only the child holds these ends, so that they end with it.
        results.close()
        lifeline.close()
        messages = _received(receiver, process)
        process.join()
    finally:
        _end(process)
        for one in (results, lifeline, receiver, held):
            one.close()
    if len(messages) < 2:
        return Outcome(model, _death(model, process.exitcode, bool(messages)))
    if process.exitcode:
        how = _ended(process.exitcode)
        _log.warning("the process of model %r gave its result, then %s", model, how)
    return _read(model, messages[1])


def _received(receiver: Any, process: Any) -> List[bytes]:
    """What a process sends: that it began, and what came of it, as far as it got."""
    messages: List[bytes] = []
    while len(messages) < 2:
        # A process that it has started itself may hold both ends when it is gone.
        ready = connection.wait([receiver, process.sentinel], _LOOK_AGAIN)
        if receiver not in ready:
            is_gone = not process.is_alive()
            if is_gone and not receiver.poll():
                break
            continue
        try:
            messages.append(receiver.recv_bytes())
        except (EOFError, OSError):
            break
    return messages


def _end(process: Any) -> None:
    """Ends a process that still runs: nobody waits for its result any more."""
    if process.pid is None or not process.is_alive():
        return
    process.terminate()
    process.join(_GRACE)
    if process.is_alive():
        process.kill()
        process.join()


def _read(model: str, message: bytes) -> Outcome:
    try:
        kind, content = pickle.loads(message)
    except Exception as error:
        text = f"what it gave cannot be read here: {type(error).__name__}: {error}"
        return Outcome(model, child_error("child-failed", model, text))
    if kind == "result":
        return Outcome(model, None, content)
    if kind == "lost":
        text, _, trace = content.partition("\n\n")
        failure = child_error("child-failed", model, text)
        if trace:
            failure.__cause__ = ChildTraceback(trace)
        return Outcome(model, failure)
    raised, trace = content
    raised.__cause__ = ChildTraceback(trace)
    return Outcome(model, raised)


def _death(model: str, code: Optional[int], began: bool) -> errors.ChildError:
    if not began and code == _EXIT_IMPORTING:
        raise errors.UsageError(
            "the program calls map_each when it is imported, as each process has to",
            hint=_GUARD,
        )
    what = f"its process {_ended(code)}"
    if not began:
        what += " before it began; standard error says why"
        return child_error("child-died", model, what, _GUARD)
    return child_error("child-died", model, f"{what}, without a result")


def _ended(code: Optional[int]) -> str:
    if code is None or code >= 0:
        return f"ended with exit code {code}"
    text = f"was killed by signal {-code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = ""
    if name:
        text += f" ({name})"
    # The kernel kills so what takes the last of the memory.
    return f"{text}: out of memory?" if name == "SIGKILL" else text
