"""A gate that many calls pass at once, and a change of weights passes alone."""

from __future__ import annotations

import contextlib
import threading
from typing import Iterator

_PATIENCE = 10.0  # Seconds.


class Gate:
    """Keeps uses and changes of one thing apart.

    Any number of uses go on at once. A change waits for the uses that have begun and
    holds those that have not; changes go before uses that wait, so that a steady stream
    of calls cannot keep a change out for ever.

    A use that was held for ten seconds goes on if nothing changes right then: it may
    be part of another use that the change waits for, as when a ``tf.py_func`` of one
    model calls another model.
    """

    def __init__(self) -> None:
        """Starts open."""
        self._condition = threading.Condition()
        self._uses = 0
        self._changes_waiting = 0
        self._is_changing = False
        self._is_open_for_good = False

    def open_for_good(self) -> None:
        """Lets everything pass from now on: what it kept apart is gone."""
        with self._condition:
            self._is_open_for_good = True
            self._condition.notify_all()

    @contextlib.contextmanager
    def use(self) -> Iterator[None]:
        """Waits until no change goes on or waits; none begins within it."""
        with self._condition:
            self._condition.wait_for(
                lambda: (
                    self._is_open_for_good
                    or not (self._is_changing or self._changes_waiting)
                ),
                _PATIENCE,
            )
            self._condition.wait_for(self._may_pass)
            self._uses += 1
        try:
            yield
        finally:
            with self._condition:
                self._uses -= 1
                self._condition.notify_all()

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """Waits until nothing else is within the gate, and is alone there."""
        with self._condition:
            self._changes_waiting += 1
            try:
                self._condition.wait_for(self._may_change)
                self._is_changing = True
            finally:
                self._changes_waiting -= 1
                self._condition.notify_all()
        try:
            yield
        finally:
            with self._condition:
                self._is_changing = False
                self._condition.notify_all()

    def _may_pass(self) -> bool:
        return self._is_open_for_good or not self._is_changing

    def _may_change(self) -> bool:
        return self._is_open_for_good or not (self._is_changing or self._uses)
