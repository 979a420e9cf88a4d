"""Saving a restored model under the names that it has without its scope.

The files are written aside, read back, and renamed (``checkpoint/placing.py``).
"""

from __future__ import annotations

import collections
import os
from typing import Any, Dict, List, Set

from legacy_restore import errors
from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.checkpoint.placing import (
    INDEX,
    PrefixLike,
    checked_prefix,
    directory_beside,
    existing_findings,
    place,
)
from legacy_restore.graph.copied_through import CopiedThrough, join_copied
from legacy_restore.graph.operations import as_prefix
from legacy_restore.graph.visibility import refuse_unseen_directory
from legacy_restore.graph.writing import Writer
from legacy_restore.planning.spec import are_apart
from legacy_restore.report.findings import KINDS, Finding, errors_of
from legacy_restore.report.refusal import refusal_text
from legacy_restore.restoring.reasons import reason_of
from legacy_restore.tf import tf

_NOTHING = CopiedThrough()


def save_variables(
    session: Any, writer: Writer, prefix: PrefixLike, copied: CopiedThrough = _NOTHING
) -> str:
    """Writes a model's variables where no checkpoint is yet.

    Args:
      session: The session.
      writer: The model's.
      prefix: The prefix to write.
      copied: What is copied beside it from another checkpoint.

    Returns:
      The prefix.

    Raises:
      RestoreError: There is one already, or it cannot be written; nothing is left.
      UsageError: The prefix cannot be meant.
    """
    target = checked_prefix(prefix)
    taken = existing_findings(target)
    if taken:
        text = refusal_text(f"{target} is not written", taken)
        raise errors.RestoreError(text, findings=taken)
    _save(session, writer, target, copied)
    return target


def replace_variables(
    session: Any, writer: Writer, prefix: PrefixLike, copied: CopiedThrough = _NOTHING
) -> str:
    """Writes a model's variables, in the place of a checkpoint if there is one.

    Arguments, result and errors are those of ``save_variables``; on failure what was
    there before is there still.
    """
    target = checked_prefix(prefix)
    _save(session, writer, target, copied)
    return target


def _save(session: Any, writer: Writer, target: str, copied: CopiedThrough) -> None:
    twice = _written_twice(writer)
    if twice:
        text = refusal_text(f"{target} is not written", twice)
        raise errors.RestoreError(text, findings=twice)
    try:
        with directory_beside(target) as directory:
            refuse_unseen_directory(session, directory, writer.devices)
            written = os.path.join(directory, os.path.basename(target))
            if copied.keys:
                with directory_beside(written) as aside:
                    values = os.path.join(aside, "values")
                    session.run(writer.operation, {writer.filename: as_prefix(values)})
                    join_copied(values, copied, written)
            else:
                session.run(writer.operation, {writer.filename: as_prefix(written)})
            _verify(written, {*writer.keys.values(), *copied.keys})
            place(directory, target)
    except tf.errors.CancelledError:
        raise  # The session was closed meanwhile.
    except (
        tf.errors.OpError,
        OSError,
        errors.CheckpointError,
        errors.WriteError,
    ) as error:
        hint = "allow_lost=[...] does without keys that would be copied"
        finding = Finding(
            KINDS["save-failed"],
            target,
            reason_of(error),
            hint=hint if copied.keys else None,
        )
        raise errors.RestoreError(
            refusal_text(f"{target} cannot be written; nothing is left", [finding]),
            findings=[finding],
        ) from error


def _written_twice(writer: Writer) -> List[Finding]:
    variables: Dict[str, List[str]] = collections.defaultdict(list)
    for variable, key in writer.keys.items():
        variables[key].append(variable)
    return [
        Finding(
            KINDS["key-claimed-twice"],
            names[1],
            f"without the scope it has the name of {names[0]}: {key}",
            hint="give each variable a name of its own inside the scope",
        )
        for key, names in variables.items()
        if not are_apart([writer.pieces[name] for name in names])
    ]


def _verify(prefix: str, keys: Set[str]) -> None:
    """Reads back what was written: all keys, every byte against its checksum.

    TensorFlow computes the checksums from the variables' memory while it writes.
    """
    with open_checkpoint(prefix + INDEX) as checkpoint:
        found = errors_of(checkpoint.findings)
        if found or set(checkpoint) != keys:
            what = found[0].message if found else "keys are missing"
            raise errors.CorruptCheckpointError(
                f"what was written cannot be read back: {what}", path=prefix
            )
        for key in checkpoint:
            checkpoint.verify_tensor(key)
