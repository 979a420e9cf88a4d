"""Progress on stderr, for work that takes more than a second."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import Iterator

from legacy_restore.cli import output

_PATIENCE_SECONDS = 1.0


class _Progress(logging.Handler):
    """Shows what the library logs, once the work has lasted longer than a second.

    The last message is kept until then, so that a long step is announced although it
    began before the second was over.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._started = time.monotonic()
        self._last = ""
        self._timer = threading.Timer(_PATIENCE_SECONDS, self._show_last)
        self._timer.daemon = True
        self._timer.start()

    def emit(self, record: logging.LogRecord) -> None:
        self._last = record.getMessage()
        if time.monotonic() - self._started > _PATIENCE_SECONDS:
            self._show_last()

    def stop(self) -> None:
        self._timer.cancel()
        self._last = ""

    def _show_last(self) -> None:
        if self._last:
            seconds = time.monotonic() - self._started
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
