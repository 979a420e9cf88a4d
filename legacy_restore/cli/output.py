"""Results on stdout, logs on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any


def make_printable(*streams: Any) -> None:
    """Lets streams print any key: what their encoding lacks comes escaped."""
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def print_text(text: str) -> None:
    """Prints a result."""
    print(text, flush=True)


def print_json(data: Any) -> None:
    """Prints a result as JSON."""
    print(json.dumps(data, indent=2), flush=True)


def log(text: str) -> None:
    """Prints what is no result."""
    print(text, file=sys.stderr, flush=True)
