"""Results on stdout, logs on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from legacy_restore import errors
from legacy_restore.report.table import printable


def make_printable(*streams: Any) -> None:
    """Lets streams print any key: what their encoding lacks comes escaped."""
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def print_text(text: str) -> None:
    """Prints a result.

    Raises:
      FileError: Standard output is closed or cannot be written to.
    """
    if sys.stdout is None:
        raise errors.FileError("standard output is closed: the result is lost")
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise errors.FileError(f"standard output: {error}") from error


def print_json(data: Any) -> None:
    """Prints a result as JSON."""
    print_text(json.dumps(data, indent=2))


def log(text: str) -> None:
    """Prints what is no result; with no standard error, nowhere.

    Names of files and what stands in them must not be able to move the cursor.
    """
    if sys.stderr is not None:
        shown = "\n".join(map(printable, text.split("\n")))
        print(shown, file=sys.stderr, flush=True)
