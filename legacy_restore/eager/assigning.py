"""Assigning variables: all of them, or none."""

from __future__ import annotations

import dataclasses
import logging
from typing import List, Sequence, Tuple

import numpy as np

from legacy_restore.eager.recomputing import recompute
from legacy_restore.eager.variables import LiveVariable
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.restoring.cast_findings import failure
from legacy_restore.restoring.reasons import reason_of
from legacy_restore.restoring.refusals import NOTHING_CHANGED

_log = logging.getLogger("legacy_restore")


@dataclasses.dataclass(frozen=True, eq=False)
class NewValue:
    """What a variable is to be.

    Attributes:
      variable: The variable.
      value: Its value.
    """

    variable: LiveVariable
    value: np.ndarray


_Old = Tuple[LiveVariable, List[np.ndarray]]


def assign_all(name: str, new: Sequence[NewValue]) -> None:
    """Assigns variables in place; puts their values back if one cannot be assigned.

    The old values are in memory until the last one is assigned.

    Args:
      name: What the root is called.
      new: The values.

    Raises:
      RestoreError: A variable cannot be assigned. All have the values that they had,
        but for those that ``swap-half-done`` among its findings names.
    """
    old: List[_Old] = []
    subject = name
    try:
        for one in new:
            subject = one.variable.name
            old.append((one.variable, one.variable.values()))
            one.variable.assign(one.value)
        subject = name
        recompute([one.variable for one in new])
    except BaseException as error:
        lost = _put_back(name, old)
        if not lost and not isinstance(error, Exception):
            raise  # The program is interrupted.
        text = f"{type(error).__name__}: {reason_of(error)}"
        failed = Finding(KINDS["restore-failed"], subject, text, model=name)
        consequence = "other values are lost" if lost else NOTHING_CHANGED
        raise failure([failed, *lost], consequence) from error
    _log.debug("assigned %d variables of %s", len(new), name)


def _put_back(name: str, old: Sequence[_Old]) -> List[Finding]:
    """Assigns old values, the last first; returns what cannot be put back."""
    lost = []
    for variable, values in reversed(old):
        try:
            variable.put_back(values)
        except Exception as error:
            text = f"its value cannot be put back: {reason_of(error)}"
            kind = KINDS["swap-half-done"]
            lost.append(Finding(kind, variable.name, text, model=name))
    try:
        recompute([variable for variable, _ in old])
    except Exception as error:
        text = f"what is computed of it cannot be put back: {reason_of(error)}"
        lost.append(Finding(KINDS["swap-half-done"], name, text, model=name))
    return lost
