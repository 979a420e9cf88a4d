"""What a child process does: restore one model, run the function, send the result.

It imports TensorFlow itself, once it has been told what for.
"""

from __future__ import annotations

import os
import pickle
import threading
import traceback
from typing import Any

from legacy_restore import errors

# How a process ends that is told to leave, or whose parent is gone; as a shell does.
EXIT_INTERRUPTED = 130
_EXIT_WITHOUT_PARENT = 143

STARTED = b"started"
"""What it sends first."""


def run_child(results: Any, lifeline: Any, call: bytes) -> None:
    """Runs in the child process.

    Args:
      results: The connection that ``STARTED``, and then what ``pickle`` makes of a
        pair is sent to: ``"result"`` and the result, ``"raised"``, the exception and
        its traceback as text, or ``"lost"`` and a text.
      lifeline: A connection that is closed when the parent ends, whatever ends it.
      call: What ``pickled_calls`` made.
    """
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    results.send_bytes(STARTED)
    try:
        message = _message_of(call)
    except KeyboardInterrupt:
        # Whoever interrupts the parent's terminal interrupts this process too.
        raise SystemExit(EXIT_INTERRUPTED) from None
    results.send_bytes(message)
    results.close()


def _end_with(lifeline: Any) -> None:
    """Ends this process when its parent does."""
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        os._exit(_EXIT_WITHOUT_PARENT)


def _message_of(call: bytes) -> bytes:
    try:
        result = _called(call)
    except KeyboardInterrupt:
        raise
    except SystemExit as error:
        return pickle.dumps(("lost", f"the function ended its process: {error!r}"))
    except BaseException as error:
        return _raised(error)
    try:
        return pickle.dumps(("result", result))
    except Exception as error:
        kind = type(result).__name__
        text = f"what the function returned, of type {kind}, cannot be pickled: {error}"
        return pickle.dumps(("lost", text))


def _called(call: bytes) -> Any:
    try:
        function, model, options = pickle.loads(call)
    except Exception as error:
        raise errors.UsageError(
            f"cannot be imported by another process: {type(error).__name__}: {error}",
            hint="function and builders have to be at the top level of modules, not "
            'below  if __name__ == "__main__":',
        ) from error
    from legacy_restore.graph.restore import restore

    with restore([model], **options) as restored:
        return function(restored)


def _raised(error: BaseException) -> bytes:
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        data = pickle.dumps(("raised", (error, text)))
        pickle.loads(data)  # What takes other arguments than its own is found here.
        return data
    except Exception:
        return pickle.dumps(("lost", f"{type(error).__name__}: {error}\n\n{text}"))
