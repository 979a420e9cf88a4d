"""Errors for locations at which no checkpoint was found, with what is there instead."""

from __future__ import annotations

import difflib
import os
from typing import Mapping, Optional, Sequence

from legacy_restore import errors
from legacy_restore.checkpoint.data_files import counts_beside
from legacy_restore.checkpoint.directory import Candidate, list_candidates
from legacy_restore.checkpoint.v1_files import typed
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names

_MAX_LISTED = 8


def listing(names: Sequence[str]) -> str:
    """Returns names in one line, cut with a count."""
    return cut_names(names, _MAX_LISTED)


def no_checkpoint(
    given: str, message: str, hint: Optional[str] = None
) -> errors.LocationError:
    """Returns the error for a location that leads to no checkpoint."""
    finding = Finding(KINDS["location-not-found"], given, message, hint=hint)
    return errors.LocationError(message, path=given, findings=[finding], hint=hint)


def not_found(given: str) -> errors.LocationError:
    """Returns the error for a location at which nothing is."""
    directory = os.path.dirname(given)
    if not os.path.isdir(directory or os.curdir):
        return no_checkpoint(
            given,
            f"no checkpoint at {given}: there is no directory {directory}",
            _home_hint(given),
        )
    if counts_beside(given):
        return no_checkpoint(
            given,
            f"{given} has data files and no index: there is no {given}.index",
            "copy all files of the checkpoint: .index and every .data file",
        )
    candidates = list_candidates(directory or os.curdir)
    if not candidates:
        return no_checkpoint(
            given,
            f"no checkpoint at {given}: there is none in {directory or os.curdir}",
            _home_hint(given),
        )
    names = [one.name for one in candidates]
    near = difflib.get_close_matches(os.path.basename(given), names, n=1, cutoff=0)
    return no_checkpoint(
        given,
        f"no checkpoint at {given}; in {directory or os.curdir} there is "
        f"{listing(names)}",
        f"did you mean {typed(os.path.join(directory, near[0]))}?",
    )


def nothing_whole(
    given: str,
    directory: str,
    faults: Mapping[Candidate, str],
    findings: Sequence[Finding],
) -> errors.LocationError:
    """Returns the error for a directory without a complete checkpoint."""
    where = directory or os.curdir
    if not faults:
        said = "".join(f"; {one.subject}: {one.message}" for one in findings)
        return no_checkpoint(given, f"no checkpoint in {where}{said}", None)
    reasons = [f"{one.name} ({reason})" for one, reason in faults.items()]
    return no_checkpoint(
        given, f"no complete checkpoint in {where}: {listing(reasons)}", None
    )


def no_such_step(
    given: str, directory: str, candidates: Sequence[Candidate]
) -> errors.LocationError:
    """Returns the error for a step that the directory does not have."""
    steps = sorted({one.step for one in candidates if one.step is not None})
    if not steps:
        return no_checkpoint(given, f"no checkpoint with a step in {directory}", None)
    return no_checkpoint(
        given,
        f"no checkpoint of that step in {directory}; there is "
        f"{listing([str(step) for step in steps])}",
        f"{directory}@{steps[-1]}",
    )


def _home_hint(given: str) -> Optional[str]:
    if not given.startswith("~"):
        return None
    expanded = os.path.expanduser(given)
    if expanded == given or not os.path.isdir(os.path.dirname(expanded) or os.curdir):
        return "~ is not expanded here: name the whole path"
    return f"~ is not expanded here: {expanded}"
