"""What there is to say about a checkpoint that could not be opened."""

from __future__ import annotations

import dataclasses
import os
from typing import List, Optional

from legacy_restore import errors
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.report.findings import KINDS, Finding

_INPUT_KINDS = {
    errors.LocationError: "location-not-found",
    errors.CorruptCheckpointError: "corrupt",
    errors.UnsupportedCheckpointError: "unsupported",
    errors.MissingDependencyError: "missing-dependency",
}


def input_findings(
    model: Optional[str], location: LocationLike, error: errors.LegacyRestoreError
) -> List[Finding]:
    """Returns the findings about a checkpoint that could not be opened.

    Args:
      model: The model's name, or None where there is only the location.
      location: The location, as it was given.
      error: What opening it raised.
    """
    if error.findings:
        return [dataclasses.replace(one, model=model) for one in error.findings]
    kind = next(
        (name for cls, name in _INPUT_KINDS.items() if isinstance(error, cls)),
        "corrupt",
    )
    finding = Finding(
        KINDS[kind],
        os.fspath(location),
        error.message,
        model=model,
        hint=error.hint,
    )
    return [finding]
