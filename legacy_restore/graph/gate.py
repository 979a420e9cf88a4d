"""A gate that many calls pass at once, and a change of weights passes alone."""

from __future__ import annotations

import contextlib
import threading
from typing import Iterator


class Gate:
    """Keeps uses and changes of one thing apart.

    Any number of uses go on at once. A change waits for the uses that have begun and
    holds those that have not; changes go before uses that wait, so that a steady stream
    of calls cannot keep a change out for ever.
    """

    def __init__(self) -> None:
        """Starts open."""
        self._condition = threading.Condition()
        self._uses = 0
        self._changes_waiting = 0
        self._is_changing = False

    @contextlib.contextmanager
    def use(self) -> Iterator[None]:
        """Waits until no change goes on or waits; none begins within it."""
        with self._condition:
            self._condition.wait_for(
                lambda: not self._is_changing and not self._changes_waiting
            )
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
                self._condition.wait_for(
                    lambda: not self._is_changing and not self._uses
                )
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
