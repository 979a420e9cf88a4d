"""Progress on stderr, for work that takes more than a second."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import Iterator, Optional

from legacy_restore.cli import output

_PATIENCE_SECONDS = 1.0


class _Progress(logging.Handler):
    """Shows what the library logs: at most one message a second, the latest.

    Nothing is shown of work that is done within a second. Each message waits until a
    second has passed since the one before, so that thousands of short steps make few
    lines, and a long step is announced although it began before that second was over.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._started = self._shown = time.monotonic()
        self._last = ""
        self._timer: Optional[threading.Timer] = None

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a message; the handler's lock is held."""
        self._last = record.getMessage()
        waited = time.monotonic() - self._shown
        if waited >= _PATIENCE_SECONDS:
            self._show_last()
        elif self._timer is None:
            self._timer = threading.Timer(_PATIENCE_SECONDS - waited, self._on_time)
            self._timer.daemon = True
            self._timer.start()

    def stop(self) -> None:
        """Shows nothing more."""
        with self._locked():
            self._last = ""
            if self._timer is not None:
                self._timer.cancel()

    def _on_time(self) -> None:
        with self._locked():
            self._timer = None
            self._show_last()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def _show_last(self) -> None:
        if self._last:
            self._shown = time.monotonic()
            seconds = self._shown - self._started
            output.log(f"[{seconds:5.1f} s] {self._last}")
            self._last = ""


@contextlib.contextmanager
def progress_on_stderr() -> Iterator[None]:
    """Shows the library's progress meanwhile."""
    logger = logging.getLogger("legacy_restore")
    level, propagate = logger.level, logger.propagate
    handler = _Progress()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    finally:
        handler.stop()
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
