"""Two checkpoints that are looked at together."""

from __future__ import annotations

import contextlib
import os
from typing import Iterator, List, Sequence, Tuple, Union

from legacy_restore import errors
from legacy_restore.checkpoint import Checkpoint, open_checkpoint
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.report.findings import KINDS, Finding

CheckpointLike = Union[LocationLike, Checkpoint]


def same_files_findings(a: Checkpoint, b: Checkpoint) -> List[Finding]:
    """Returns a remark if both consist of the same files, by whatever paths."""
    paths_a, paths_b = a.paths(), b.paths()
    if len(paths_a) != len(paths_b):
        return []
    try:
        is_same = all(map(os.path.samefile, paths_a, paths_b))
    except OSError:  # One is not there, which is told elsewhere.
        is_same = paths_a == paths_b
    if not is_same:
        return []
    message = f"{a.location.given} and {b.location.given} are one checkpoint"
    return [Finding(KINDS["same-files"], a.prefix, message)]


@contextlib.contextmanager
def both_opened(
    a: CheckpointLike, b: CheckpointLike
) -> Iterator[Tuple[Checkpoint, Checkpoint]]:
    """Opens both, and closes what it opened.

    Raises:
      LegacyRestoreError: What opening the one that cannot be opened raises.
      CheckpointError: Neither can be opened; both errors are in it.
    """
    with contextlib.ExitStack() as stack:
        found: List[Checkpoint] = []
        failed: List[errors.LegacyRestoreError] = []
        for one in (a, b):
            if isinstance(one, Checkpoint):
                found.append(one)
                continue
            try:
                found.append(stack.enter_context(open_checkpoint(one)))
            except errors.LegacyRestoreError as error:
                failed.append(error)
        if len(failed) == 1:
            raise failed[0]
        if failed:
            raise _neither(failed)
        yield found[0], found[1]


def _neither(failed: Sequence[errors.LegacyRestoreError]) -> errors.CheckpointError:
    told = "\n".join(f"  {error.message.splitlines()[0]}" for error in failed)
    hints = [error.hint for error in failed if error.hint is not None]
    return errors.CheckpointError(
        f"neither of the two can be opened:\n{told}",
        findings=[finding for error in failed for finding in error.findings],
        hint="; ".join(dict.fromkeys(hints)) or None,
    )
