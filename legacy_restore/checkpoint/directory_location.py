"""Which of the checkpoints of a directory is meant.

The one that its state file names, if that is complete, else the one with the highest
step; or the one of a step. TensorFlow's ``latest_checkpoint`` returns None for a state
file whose paths are those of another machine.
"""

from __future__ import annotations

import filecmp
import os
import re
from typing import List, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint import directory as directories
from legacy_restore.checkpoint import near_misses
from legacy_restore.checkpoint.formats import open_reader
from legacy_restore.checkpoint.resolved import Location, ambiguous, resolved
from legacy_restore.checkpoint.state_file import read_state_file
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.report.findings import KINDS, Finding


def of_state_file(given: str, state_file: str) -> Location:
    """Finds the checkpoint that a state file names, or another one beside it.

    Args:
      given: What the user typed.
      state_file: Path of the state file.

    Raises:
      LocationError: None is there, or more than one could be meant.
    """
    directory = os.path.dirname(state_file)
    try:
        named = read_state_file(state_file)
    except (OSError, FormatError) as error:
        return at_highest_step(
            given, directory, (_stale(state_file, f"it cannot be read: {error}"),)
        )
    if named is None:
        return at_highest_step(
            given, directory, (_stale(state_file, "it names no checkpoint"),)
        )
    # Joining leaves an absolute path as it is.
    prefix = os.path.join(directory, named)
    reason = directories.incompleteness(prefix)
    # The path may come from another system: its separators are not ours.
    beside = os.path.join(directory, re.split(r"[\\/]", named)[-1])
    is_beside = os.path.realpath(prefix) != os.path.realpath(beside)
    is_beside = is_beside and directories.incompleteness(beside) is None
    if reason is None and is_beside and not _are_same(prefix, beside):
        raise ambiguous(
            given,
            "a state file that names a checkpoint elsewhere, and another beside it",
            [prefix, beside],
        )
    if is_beside:
        moved = Finding(
            KINDS["state-file-moved"],
            state_file,
            f"it names {named}; {beside} beside it was taken",
        )
        return Location(given, beside, (moved,))
    if reason is None:
        return Location(given, prefix, _elsewhere(state_file, prefix))
    stale = _stale(state_file, f"it names {named}: {reason}")
    return at_highest_step(given, directory, (stale,))


def _same_directory(prefix: str, other: str) -> bool:
    one, two = (os.path.realpath(os.path.dirname(path)) for path in (prefix, other))
    return one == two


def _are_same(prefix: str, other: str) -> bool:
    """Whether two checkpoints hold the same, as far as their files tell."""
    try:
        return all(
            filecmp.cmp(one, two, shallow=False)
            for one, two in zip(_telling_files(prefix), _telling_files(other))
        )
    except (OSError, errors.LegacyRestoreError):
        return False


def _telling_files(prefix: str) -> List[str]:
    """The files that tell a checkpoint from others: an index has all checksums."""
    if os.path.isfile(prefix + ".index"):
        return [prefix + ".index"]
    reader = open_reader(prefix)
    reader.close()
    return reader.paths()


def _elsewhere(state_file: str, prefix: str) -> Tuple[Finding, ...]:
    if _same_directory(prefix, state_file):
        return ()
    finding = Finding(KINDS["state-file-elsewhere"], state_file, f"it names {prefix}")
    return (finding,)


def _stale(state_file: str, reason: str) -> Finding:
    return Finding(KINDS["state-file-stale"], state_file, reason)


def at_highest_step(
    given: str, directory: str, findings: Tuple[Finding, ...]
) -> Location:
    """Finds the complete checkpoint of a directory with the highest step.

    Args:
      given: What the user typed.
      directory: The directory.
      findings: What was decided before.

    Raises:
      LocationError: None is there, or more than one could be meant.
    """
    newest, faults, candidates = directories.newest_in(directory or os.curdir)
    if not newest:
        raise near_misses.nothing_whole(given, directory, faults, findings)
    if len(newest) > 1:
        what = "checkpoints of several names"
        raise ambiguous(given, what, [one.prefix for one in newest])
    why = f"of {len(candidates)} checkpoints it has the highest step"
    if faults:
        one, reason = next(iter(faults.items()))
        why = f"{why} among the complete ones; {one.name} is not ({reason})"
    prefix = os.path.join(directory, newest[0].name)
    return Location(given, prefix, (*findings, resolved(given, prefix, why)))


def at_step(given: str, directory: str, step: int) -> Location:
    """Finds the checkpoint of a directory that has a step.

    Args:
      given: What the user typed.
      directory: The directory.
      step: The step.

    Raises:
      LocationError: None is there, or more than one could be meant.
    """
    candidates = directories.list_candidates(directory)
    at_step = [one for one in candidates if one.step == step]
    if not at_step:
        raise near_misses.no_such_step(given, directory, candidates)
    if len(at_step) > 1:
        raise ambiguous(
            given, f"several checkpoints of step {step}", [c.prefix for c in at_step]
        )
    return Location(given, at_step[0].prefix)
