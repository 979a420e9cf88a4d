"""Time and memory of one restore, without those of its builders."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import Iterator, Optional

import memory


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What one run took.

    Attributes:
      seconds_restored: From the built graph until all is restored.
      seconds_first_output: From the built graph until one output was computed.
      peak_bytes: The most memory until all was restored, beyond that of the built
        graph; None where it cannot be told.
      remark: What there is to say about the memory, or None.
      graph_bytes: Size of the graph's ``GraphDef`` afterwards; no weights are in it.
    """

    seconds_restored: float
    seconds_first_output: float
    peak_bytes: Optional[int]
    remark: Optional[str]
    graph_bytes: Optional[int] = None


class Meter:
    """Measures one run: ``start``, ``restored``, ``first_output``, each once."""

    def __init__(self) -> None:
        """Measures nothing yet."""
        self._builder_seconds = 0.0
        self._builder_bytes = 0
        self._started = 0.0
        self._bytes_before = 0
        self._seconds_restored = 0.0
        self._peak: Optional[int] = None
        self._remark: Optional[str] = None

    def start(self) -> None:
        """Begins: with the built graph, or before the builders, which are excluded."""
        if memory.is_available():
            refused = memory.reset_peak()
            if refused:
                self._remark = f"peaks may be those of the imports: {refused}"
            self._bytes_before = memory.resident()
        else:
            self._remark = "memory was not measured: this system has no /proc"
        self._started = time.perf_counter()

    @contextlib.contextmanager
    def excluded(self) -> Iterator[None]:
        """Leaves out the time that a builder takes, and the memory that it keeps."""
        started = time.perf_counter()
        before = memory.resident() if memory.is_available() else 0
        yield
        if memory.is_available():
            self._builder_bytes += memory.resident() - before
        self._builder_seconds += time.perf_counter() - started

    def restored(self) -> None:
        """Notes that everything is restored."""
        self._seconds_restored = self._elapsed()
        if memory.is_available():
            built = self._bytes_before + self._builder_bytes
            self._peak = max(0, memory.peak() - built)

    def first_output(self) -> Measurement:
        """Notes that an output was computed; returns what was measured."""
        return Measurement(
            self._seconds_restored, self._elapsed(), self._peak, self._remark
        )

    def _elapsed(self) -> float:
        return time.perf_counter() - self._started - self._builder_seconds
