"""Looking at any directory: which checkpoints it holds, and what is wrong with them.

What is found is put together here; each part of it is a module of its own: the walk
(``doctor_files``), what the files are (``doctor_names``), one checkpoint
(``doctor_checkpoint``), the TensorFlow that wrote it (``doctor_eras``), state files,
graphs, remarks, and what to type next (``doctor_commands``).
"""

from __future__ import annotations

import dataclasses
import os
import re
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence

from legacy_restore import errors
from legacy_restore.checkpoint import near_misses
from legacy_restore.checkpoint.location import LocationLike, resolve_location
from legacy_restore.checkpoint.state_file import is_state_file
from legacy_restore.checkpoint.v1_files import (
    shard_set_of_file,
    shard_set_of_pattern,
    stem_of,
    stem_of_open_pattern,
)
from legacy_restore.examining.diagnosis import (
    CheckpointRow,
    Diagnosis,
    GraphRow,
    Group,
    StateRow,
)
from legacy_restore.examining.doctor_checkpoint import Judge
from legacy_restore.examining.doctor_commands import next_commands
from legacy_restore.examining.doctor_files import Listing, Walk, walk
from legacy_restore.examining.doctor_graphs import home_of, lone_graphs
from legacy_restore.examining.doctor_names import sort_names
from legacy_restore.examining.doctor_remarks import (
    leftover_findings,
    orphan_findings,
    remarks_on,
)
from legacy_restore.examining.doctor_state import judge_state_file
from legacy_restore.graphdef.locating import SAVED_MODEL_FILE
from legacy_restore.report.findings import KINDS, Finding

# The most that are looked at; each takes as long as its index is to read.
MAX_CHECKPOINTS = 5_000

_MEMBER = re.compile(r"(?P<prefix>.+)\.(?:index|meta|data-\d{5}-of-\d{5})", re.DOTALL)
_BEHIND_PREFIX = (
    r"(?:\.(?:index|meta|data-\d{5}-of-\d{5})|-\d{5}-of-\d{5})?(?:\.tempstate\d+)?"
)
# How often to look again at a directory in which a training job writes.
_MAX_ATTEMPTS = 5

_READS = ("index", "all")


def diagnose(path: LocationLike, *, read: str = "index") -> Diagnosis:
    """Says what is below a path, what is wrong with it, and what to type next.

    Directories are looked through to a depth, and to a number of directories, files
    and checkpoints; what was left out is said. Links to directories are not followed.
    Files may come and go meanwhile. No TensorFlow.

    Args:
      path: A directory, a file, a prefix, or whatever else ``open_checkpoint`` takes.
      read: ``"index"`` to read what lists the tensors and compare the sizes of files,
        or ``"all"`` to verify all data too.

    Raises:
      LocationError: Nothing is there.
      UsageError: ``read`` is neither of the two.
    """
    if read not in _READS:
        raise errors.UsageError(f"read={read!r} is none of {', '.join(_READS)}")
    given = os.fsdecode(os.fspath(path))
    for _ in range(_MAX_ATTEMPTS):
        walked = _walk(given)
        seen = _Seen([], [], [], list(walked.findings), {})
        left_out = _look(walked.listings, Judge(read=read), seen)
        # A job may have deleted all that were there, and written others.
        if seen.checkpoints or not _has_vanished(seen):
            break
    seen.findings.extend(orphan_findings(seen.orphans))
    if left_out:
        message = f"{left_out:,} checkpoints more than {MAX_CHECKPOINTS:,} are there"
        more = Finding(KINDS["not-looked-at"], given, message, hint="name a directory")
        seen.findings.append(more)
    seen.findings.extend(leftover_findings(walked.leftovers))
    is_of_keras = any(one.id == "keras-file" for one in seen.findings)
    if not (seen.checkpoints or seen.graphs or is_of_keras):
        message = "no checkpoint and no saved graph is here"
        seen.findings.append(Finding(KINDS["location-not-found"], given, message))
    return _with_commands(given, read, walked, seen)


class _Seen(NamedTuple):
    """What was found so far."""

    checkpoints: List[CheckpointRow]
    graphs: List[GraphRow]
    state_files: List[StateRow]
    findings: List[Finding]
    orphans: Dict[str, List[str]]


def _with_commands(given: str, read: str, walked: Walk, seen: _Seen) -> Diagnosis:
    found = Diagnosis(
        path=given,
        num_directories=len(walked.listings),
        num_files=sum(len(one.names) for one in walked.listings),
        read=read,
        nbytes=sum(one.nbytes for one in seen.checkpoints),
        checkpoints=tuple(seen.checkpoints),
        graphs=tuple(seen.graphs),
        state_files=tuple(seen.state_files),
        more_findings=tuple(seen.findings),
        commands=(),
    )
    groups: Sequence[Group] = found.groups
    commands = next_commands(
        given, groups, found.graphs, found.findings, read, found.nbytes
    )
    return dataclasses.replace(found, commands=tuple(commands))


def _look(listings: Iterable[Listing], judge: Judge, seen: _Seen) -> int:
    """Looks at directories; returns how many checkpoints were left out."""
    left_out = 0
    for listing in listings:
        names = sort_names(listing.directory, listing.names)
        for candidate in names.candidates:
            if len(seen.checkpoints) == MAX_CHECKPOINTS:
                left_out += 1
                continue
            home = home_of(candidate, names, stem_of(candidate.prefix))
            row = judge.judge(candidate, home)
            if row is None:
                seen.findings.append(_vanished(candidate.prefix))
            else:
                seen.checkpoints.append(row)
        seen.graphs.extend(lone_graphs(names))
        seen.state_files.extend(map(judge_state_file, names.state_files))
        seen.findings.extend(remarks_on(names))
        seen.orphans.update(names.orphans)
    return left_out


def _has_vanished(seen: _Seen) -> bool:
    return any(one.id == "checkpoint-vanished" for one in seen.findings)


def _vanished(prefix: str) -> Finding:
    message = "it was deleted while it was looked at"
    return Finding(KINDS["checkpoint-vanished"], prefix, message)


# Where to look.


def _walk(given: str) -> Walk:
    """The directories that a path means, and of a prefix its files alone."""
    if "\0" in given:
        raise near_misses.no_checkpoint(given, f"{given!r} holds a NUL byte")
    if os.path.isdir(given):
        return walk(given)
    directory, name = os.path.split(given)
    if os.path.isfile(given):
        if is_state_file(given):
            return walk(directory or os.curdir, depth=0)
        if name in (SAVED_MODEL_FILE, SAVED_MODEL_FILE + "txt"):
            return walk(directory or os.curdir)
    found = _files_of(given)
    if found is None:
        found = _files_of(resolve_location(given).prefix)
    if found is None:
        raise near_misses.not_found(given)
    return Walk((found,), (), ())


def _files_of(given: str) -> Optional[Listing]:
    """The files that belong to a prefix, or to the checkpoint of a file; or None."""
    directory, name = os.path.split(given)
    stem = re.escape(_stem_of_name(name))
    belongs = re.compile(stem + _BEHIND_PREFIX, re.DOTALL)
    try:
        there = os.listdir(directory or os.curdir)
    except (OSError, ValueError):
        return None
    names = sorted(
        one
        for one in there
        if belongs.fullmatch(one) and not os.path.isdir(os.path.join(directory, one))
    )
    return Listing(directory, tuple(names)) if names else None


def _stem_of_name(name: str) -> str:
    member = _MEMBER.fullmatch(name)
    if member is not None:
        return member["prefix"]
    shards = shard_set_of_pattern(name) or shard_set_of_file(name)
    if shards is not None:
        return shards.stem
    return stem_of_open_pattern(name) or name
