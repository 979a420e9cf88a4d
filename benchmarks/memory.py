"""This process's memory, as Linux counts it in ``/proc/self``."""

from __future__ import annotations

import os
from typing import Optional

_STATUS = "/proc/self/status"
_CLEAR_REFS = "/proc/self/clear_refs"
# What resets the peak (proc(5), /proc/pid/clear_refs).
_RESET_PEAK = "5"


def is_available() -> bool:
    """Returns whether there is a ``/proc`` that tells memory."""
    return os.path.exists(_STATUS)


def resident() -> int:
    """Returns the bytes that are resident now (VmRSS)."""
    return _read("VmRSS")


def peak() -> int:
    """Returns the most bytes that were resident since ``reset_peak`` (VmHWM)."""
    return _read("VmHWM")


def reset_peak() -> Optional[str]:
    """Begins a new peak; returns the reason where that is not permitted, else None."""
    try:
        with open(_CLEAR_REFS, "w", encoding="ascii") as file:
            file.write(_RESET_PEAK)
    except OSError as error:
        return str(error)
    return None


def _read(field: str) -> int:
    with open(_STATUS, encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} has no {field}")
