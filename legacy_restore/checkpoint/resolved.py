"""What resolving a location gives: a prefix, and what was decided on the way to it."""

from __future__ import annotations

import dataclasses
from typing import Sequence, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint import near_misses
from legacy_restore.checkpoint.v1_files import typed
from legacy_restore.report.findings import KINDS, Finding


@dataclasses.dataclass(frozen=True)
class Location:
    """Where a checkpoint was found.

    Attributes:
      given: What the user typed.
      prefix: The path stem of the files, or the path or pattern of V1 files, as
        ``tf.compat.v1.train.Saver`` takes it.
      findings: What was decided on the way from the one to the other.
    """

    given: str
    prefix: str
    findings: Tuple[Finding, ...] = ()


def resolved(given: str, prefix: str, why: str) -> Finding:
    """Returns the remark that a prefix was taken, and why."""
    return Finding(KINDS["location-resolved"], given, f"using {prefix}: {why}")


def ambiguous(given: str, what: str, choices: Sequence[str]) -> errors.LocationError:
    """Returns the error for a location that could mean several checkpoints."""
    shown = near_misses.listing(choices)
    return errors.LocationError(
        f"{given} holds {what}: {shown}",
        path=given,
        findings=[Finding(KINDS["location-ambiguous"], given, f"{what}: {shown}")],
        hint=f"name one of them: {typed(choices[-1])}",
    )
