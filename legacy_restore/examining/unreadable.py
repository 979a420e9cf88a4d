"""Tensors whose values cannot be read: a finding each, and the others go on."""

from __future__ import annotations

import dataclasses
from typing import List

from legacy_restore import errors
from legacy_restore.report.findings import KINDS, Finding, FindingKind

READ_ERRORS = (
    errors.CorruptCheckpointError,
    errors.UnsupportedCheckpointError,
    errors.MissingDependencyError,
)
"""What reading a tensor of an open checkpoint raises."""


def unreadable_findings(
    error: errors.LegacyRestoreError, key: str, prefix: str
) -> List[Finding]:
    """Returns what an error, one of ``READ_ERRORS``, says about a tensor.

    Args:
      error: What reading it raised.
      key: The tensor's key.
      prefix: The checkpoint it is in, which the findings name.
    """
    found = error.findings or [Finding(_kind(error), key, error.message)]
    return [
        dataclasses.replace(
            one,
            subject=key,
            message=f"in {prefix}: {one.message}",
            hint=one.hint or error.hint,
        )
        for one in found
    ]


def _kind(error: errors.LegacyRestoreError) -> FindingKind:
    if isinstance(error, errors.CorruptCheckpointError):
        return KINDS["tensor-corrupt"]
    if isinstance(error, errors.MissingDependencyError):
        return KINDS["missing-dependency"]
    return KINDS["unsupported"]
