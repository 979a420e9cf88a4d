"""What TensorFlow says went wrong, in one line."""

from __future__ import annotations

from typing import Any

_MAX_CHARACTERS = 300


def reason_of(error: Any) -> str:
    """Returns the line of an error's message that says what happened.

    TensorFlow 2 puts before it where the operation was made: ``Graph execution
    error:``, then ``Detected at node ...`` with a trace that ends in ``Node: ...``.

    Args:
      error: A ``tf.errors.OpError``, or any exception.
    """
    lines = str(getattr(error, "message", error)).strip().splitlines()
    for number, line in enumerate(lines):
        if line.startswith("Node: "):
            lines = lines[number + 1 :]
            break
    said = [line for line in lines if line and line != "Graph execution error:"]
    return said[0][:_MAX_CHARACTERS] if said else ""
