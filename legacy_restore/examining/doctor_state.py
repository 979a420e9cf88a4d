"""What became of the checkpoint that a state file names."""

from __future__ import annotations

import ntpath
import os
from typing import Optional, Set

from legacy_restore import errors
from legacy_restore.checkpoint.directory import incompleteness
from legacy_restore.checkpoint.directory_location import of_state_file
from legacy_restore.checkpoint.state_file import read_state_file
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.examining.diagnosis import StateRow, StateStatus
from legacy_restore.examining.doctor_checkpoint import is_there
from legacy_restore.report.findings import KINDS, Finding

_STATUS_OF = {
    "state-file-moved": StateStatus.MOVED,
    "state-file-elsewhere": StateStatus.ELSEWHERE,
}


def judge_state_file(path: str) -> StateRow:
    """Returns what there is to say about a state file.

    What it names is looked for as ``open_checkpoint`` does.
    """
    named = _named(path)
    taken: Optional[str] = None
    try:
        found = of_state_file(path, path)
        taken = found.prefix
        findings = [one for one in found.findings if one.id != "location-resolved"]
    except errors.LegacyRestoreError as error:
        findings = [Finding(KINDS["state-file-stale"], path, error.message)]
    except (OSError, ValueError) as error:  # Such as a path longer than any may be.
        findings = [Finding(KINDS["state-file-stale"], path, str(error))]
    return StateRow(
        path=path,
        named=named,
        status=_status(path, named, {one.id for one in findings}),
        is_foreign=named is not None and _is_foreign(named),
        taken=taken,
        findings=tuple(findings),
    )


def _named(path: str) -> Optional[str]:
    try:
        return read_state_file(path)
    except (OSError, FormatError):
        return None


def _status(path: str, named: Optional[str], ids: Set[str]) -> StateStatus:
    if named is None:
        return StateStatus.UNREADABLE
    for id, status in _STATUS_OF.items():
        if id in ids:
            return status
    prefix = os.path.join(os.path.dirname(path), named)
    try:
        if not is_there(prefix):
            return StateStatus.MISSING
        whole = incompleteness(prefix) is None
    except (OSError, ValueError):
        return StateStatus.MISSING
    if not whole:
        return StateStatus.INCOMPLETE
    here, there = (os.path.realpath(os.path.dirname(one)) for one in (path, prefix))
    return StateStatus.COMPLETE if here == there else StateStatus.ELSEWHERE


def _is_foreign(named: str) -> bool:
    """Whether a path is one of another machine: nothing is there."""
    if ntpath.splitdrive(named)[0] and not os.path.exists(named):
        return True
    return os.path.isabs(named) and not os.path.isdir(os.path.dirname(named))
