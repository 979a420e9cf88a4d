"""Statistics of each tensor of a checkpoint, one tensor in memory at a time."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any, Dict, List, Mapping, Optional, Union

from legacy_restore.checkpoint import Checkpoint, TensorEntry
from legacy_restore.examining.contents import Contents
from legacy_restore.examining.contents_text import stored_type, to_the_right
from legacy_restore.examining.moments import VALUES, Moments, Statistics
from legacy_restore.examining.unreadable import READ_ERRORS, unreadable_findings
from legacy_restore.examining.view import View
from legacy_restore.report.findings import Finding
from legacy_restore.report.table import align

_log = logging.getLogger("legacy_restore")

_INDENT = "  "


@dataclasses.dataclass(frozen=True)
class TensorStatistics(View):
    """What the values of a checkpoint are like.

    Attributes:
      contents: What it holds, with a finding for each tensor that cannot be read.
      statistics: Those of each tensor that can be read, by key.
    """

    statistics: Mapping[str, Statistics]

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data: ``stats`` of each tensor, or null."""
        data = self.contents.to_json()
        for tensor in data["tensors"]:
            found = self.statistics.get(tensor["key"])
            tensor["stats"] = None if found is None else found.to_json()
        return data

    def blocks(self) -> List[List[str]]:
        """Returns the table of tensors."""
        entries = [row.entry for row in self.contents.rows]
        found = [self.statistics.get(entry.key) for entry in entries]
        columns = [
            ["key", *(entry.key for entry in entries)],
            ["type", *(map(_type, entries, found))],
            *(
                to_the_right([name, *(_cell(one, name) for one in found)])
                for name in ("min", "max", "mean", "std", "nan", "inf", "zero")
            ),
        ]
        return [align(list(zip(*columns)), _INDENT)]


def _type(entry: TensorEntry, found: Optional[Statistics]) -> str:
    of = "" if found is None or found.of == VALUES else f" ({found.of})"
    return stored_type(entry) + of


def _cell(found: Optional[Statistics], name: str) -> str:
    if found is None:
        return "not read" if name == "min" else ""
    return number_text(found.to_json()[name])


def number_text(number: Union[int, float, None]) -> str:
    """Returns integers as they are, other numbers with six digits."""
    if number is None:
        return "-"
    return str(number) if isinstance(number, int) else f"{number:.6g}"


def tensor_statistics(checkpoint: Checkpoint, contents: Contents) -> TensorStatistics:
    """Reads the tensors of ``contents`` and returns what their values are like.

    A partitioned tensor is read slice by slice; of one of which slices are missing,
    those that are there count. A tensor that cannot be read makes a finding, and the
    others go on.

    Args:
      checkpoint: Open; its tensors are verified while they are read.
      contents: What of it is to be read.

    Raises:
      ClosedError: The checkpoint was closed.
    """
    statistics: Dict[str, Statistics] = {}
    findings: List[Finding] = []
    for number, row in enumerate(contents.rows):
        key = row.entry.key
        _log.debug("reading tensor %d of %d", number + 1, len(contents.rows))
        try:
            statistics[key] = statistics_of(checkpoint, key)
        except READ_ERRORS as error:
            findings += unreadable_findings(error, key, checkpoint.prefix)
    found = dataclasses.replace(contents, findings=(*contents.findings, *findings))
    return TensorStatistics(found, statistics)


def statistics_of(checkpoint: Checkpoint, key: str) -> Statistics:
    """Reads a tensor and returns what its values are like.

    Raises:
      KeyNotFoundError: There is no such key.
      CorruptCheckpointError: The tensor is damaged.
      UnsupportedCheckpointError: NumPy cannot hold the dtype.
      MissingDependencyError: The dtype needs ``ml_dtypes``.
    """
    moments = Moments(checkpoint.entry(key).dtype)
    for _, values in checkpoint.read_parts(key):
        moments.add(values)
    return moments.result()
