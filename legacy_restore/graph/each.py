"""Restoring one model after the other, so that only one is in memory."""

from __future__ import annotations

import ctypes
from typing import Any, Iterable, Iterator, List, Optional

from legacy_restore.checkpoint.closed_on_exit import ClosedOnExit
from legacy_restore.graph.model import Model
from legacy_restore.graph.preflight import (
    check_verify,
    listed_models,
    refuse_unless_all_open,
)
from legacy_restore.graph.restore import restore
from legacy_restore.graph.restored import Restored


class RestoredEach(Iterator[Restored], ClosedOnExit):
    """Restores a model when it is asked for, and closes the one before it.

    An iterator and a context manager; the model that is restored is closed with it.
    """

    def __init__(self, models: Iterable[Model], config: Any, verify: str) -> None:
        """Restores nothing yet; ``restore_each`` is the way to get one."""
        self._current: Optional[Restored] = None
        self._waiting: List[Model] = list(models)
        self._config = config
        self._verify = verify

    def __next__(self) -> Restored:
        """Closes the model before, and restores the next one.

        Raises:
          RestoreError: It cannot be restored; those after it can be asked for.
          CheckError: With ``verify="session"``: a variable is not its checkpoint's.
          BuildError: Its builder failed.
        """
        self._close_current()
        if not self._waiting:
            raise StopIteration
        model = self._waiting.pop(0)
        self._current = restore([model], config=self._config, verify=self._verify)
        return self._current

    def close(self) -> None:
        """Closes the model that is restored; no other one follows."""
        self._waiting = []
        self._close_current()

    def _close_current(self) -> None:
        current, self._current = self._current, None
        if current is not None:
            current.close()
            _give_back()

    def __del__(self) -> None:
        # None where the constructor was not reached.
        if getattr(self, "_current", None) is not None:
            self.close()


def restore_each(
    models: Iterable[Model], *, config: Any = None, verify: str = "read"
) -> RestoredEach:
    """Restores one model after the other, each into a graph and session of its own.

    The one before is closed when the next is asked for, so that the largest decides how
    much memory is needed, and not the sum. It is closed as well when the iterator ends,
    is closed, leaves its ``with`` or is forgotten: what is to be kept of a model has to
    be taken out of it before.

    Before the first is restored, the checkpoints of all of them are opened. Builders
    run later, each when its model's turn comes; what is wrong with one is raised then,
    and the next one can be asked for.

    Example::

        for restored in lr.restore_each(models):
            for name, model in restored.items():
                scores[name] = model(x=images)

    Args:
      models: The models. Names and scopes may repeat: none meets another.
      config: As in ``restore``.
      verify: As in ``restore``.

    Returns:
      An iterator of what ``restore`` gives for each, and a context manager.

    Raises:
      RestoreError: A checkpoint cannot be opened; all of them are in its findings.
      UsageError: It is no list of models, or an argument cannot be meant.
    """
    check_verify(verify)
    found = listed_models(models)
    refuse_unless_all_open(found)
    return RestoredEach(found, config, verify)


def _give_back() -> None:
    """Gives memory that is free back to the system, where glibc can be asked to.

    It keeps what several threads had in separate arenas (``malloc_trim(3)``). Five
    models of 19 to 72 MB, one after the other, took up to 2.4 times the largest without
    this, and 1.0 to 1.1 times with it, on TensorFlow 1.15 and on 2.21 without oneDNN's
    allocator, which keeps all that it has (1.5 times).
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):  # Another C library, another system.
        return
