"""Handing a function and models to another process: what can be, and what cannot.

A process that is spawned imports what it is given by name (``pickle``): the program's
main module under another name, and no function that is defined inside of another one.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
from typing import Any, Dict, List, Optional, Sequence

from legacy_restore import errors
from legacy_restore.graph.graph_source import GraphSource
from legacy_restore.graph.model import Model
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text

_HINT = "define it with def at the top level of a module"
_NO_FILE = (
    "it is defined in this interactive session, which another process cannot import"
)


def pickled_calls(
    function: Any, models: Sequence[Model], options: Dict[str, Any]
) -> List[bytes]:
    """Returns, for each model, what its process is to do.

    Args:
      function: The function.
      models: The models.
      options: Keyword arguments of ``restore``.

    Raises:
      UsageError: Something cannot be handed over; all of it is in its findings.
    """
    findings = _faults(None, {"function": function, **options})
    for model in models:
        parts = dict(vars(model))
        if isinstance(model.build, GraphSource):
            parts.update(vars(model.build.options), build=model.build.path)
        findings += _faults(model.name, parts)
    if findings:
        headline = "this cannot be handed to another process; none was started"
        raise errors.UsageError(refusal_text(headline, findings), findings=findings)
    return [pickle.dumps((function, model, options)) for model in models]


def _faults(model: Optional[str], parts: Dict[str, Any]) -> List[Finding]:
    found = []
    for name, value in parts.items():
        fault = _fault(value)
        if fault is not None:
            owner = "" if model is None else f"model {model!r}: "
            subject = f"{owner}{name}={_shown(value)}"
            kind = KINDS["not-picklable"]
            found.append(Finding(kind, subject, fault, model=model, hint=_HINT))
    return found


def _shown(value: Any) -> str:
    return str(getattr(value, "__qualname__", None) or repr(value))


def _fault(value: Any) -> Optional[str]:
    """Why a value cannot be handed over, or None."""
    try:
        data = pickle.dumps(value)
        names = _Names(io.BytesIO(data))
        names.load()
    except Exception as error:  # pickle raises whatever an object's own methods raise.
        return str(error).strip().partition("\n")[0] or type(error).__name__
    if names.needs_main and not _main_can_be_imported():
        return _NO_FILE
    return None


class _Names(pickle.Unpickler):
    """Notes whether what is pickled is looked up in the main module."""

    needs_main = False

    def find_class(self, module: str, name: str) -> Any:
        """Looks a name up."""
        if module == "__main__":
            self.needs_main = True
        return super().find_class(module, name)


def _main_can_be_imported() -> bool:
    """Whether a spawned process imports the main module.

    By its name (``python -m``) or from its file (``get_preparation_data`` in
    ``multiprocessing/spawn.py``); a session has none, nor has ``python -c``.
    """
    main = sys.modules["__main__"]
    if getattr(getattr(main, "__spec__", None), "name", None) is not None:
        return True
    path = getattr(main, "__file__", None)
    return path is not None and os.path.exists(path)
