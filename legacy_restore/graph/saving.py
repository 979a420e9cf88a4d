"""Saving a restored model under the names that it has without its scope.

The files are written to a directory of their own beside their place, read back, and
renamed, the index last: a checkpoint is there when its index is.
"""

from __future__ import annotations

import collections
import contextlib
import os
import re
import shutil
import tempfile
from typing import Any, Dict, Iterator, List, Union

from legacy_restore import errors
from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.graph.operations import as_prefix
from legacy_restore.graph.reasons import reason_of
from legacy_restore.graph.tf import tf
from legacy_restore.graph.writing import Writer
from legacy_restore.planning.spec import are_apart
from legacy_restore.report.findings import KINDS, Finding, errors_of
from legacy_restore.report.refusal import refusal_text

PrefixLike = Union[str, "os.PathLike[str]"]

_INDEX = ".index"
# Data files of the format V2, and files of V1 that was written in shards.
_SHARD = re.compile(r"(?:\.data)?-\d{5}-of-\d{5}")
# What a Saver writes beside a checkpoint describes that checkpoint, not another one.
_META = ".meta"
_ASIDE = "replaced"


def save_variables(session: Any, writer: Writer, prefix: PrefixLike) -> str:
    """Writes a model's variables where no checkpoint is yet.

    Args:
      session: The session.
      writer: The model's.
      prefix: The prefix to write.

    Returns:
      The prefix.

    Raises:
      RestoreError: There is one already, or it cannot be written; nothing is left.
      UsageError: The prefix cannot be meant.
    """
    target = _checked(prefix)
    existing = _files_of(target)
    if existing:
        names = ", ".join(os.path.basename(path) for path in existing)
        finding = Finding(
            KINDS["checkpoint-exists"],
            target,
            f"there is {names}",
            hint="another prefix, or overwrite=True",
        )
        raise errors.RestoreError(
            refusal_text(f"{target} is not written", [finding]), findings=[finding]
        )
    _save(session, writer, target)
    return target


def replace_variables(session: Any, writer: Writer, prefix: PrefixLike) -> str:
    """Writes a model's variables, in the place of a checkpoint if there is one.

    Arguments, result and errors are those of ``save_variables``; on failure what was
    there before is there still.
    """
    target = _checked(prefix)
    _save(session, writer, target)
    return target


def _checked(prefix: PrefixLike) -> str:
    if not isinstance(prefix, (str, os.PathLike)):
        raise errors.UsageError(f"a prefix has to be a path, not {prefix!r}")
    target = os.fspath(prefix)
    if "\0" in os.fsdecode(target):
        raise errors.UsageError(f"{target!r} is no path")
    if not os.path.basename(target):
        raise errors.UsageError(
            f"{target!r} is no prefix: a file name is missing at its end",
            hint=os.path.join(target, "model.ckpt"),
        )
    parent = os.path.dirname(os.path.abspath(target))
    if not os.path.isdir(parent):
        raise errors.UsageError(
            f"there is no directory {parent} to write {target!r} to", hint="make it"
        )
    if os.path.isdir(target):
        raise errors.UsageError(
            f"{target!r} is a directory",
            hint=os.path.join(target, "model.ckpt"),
        )
    return target


def _files_of(prefix: str) -> List[str]:
    """The files that stand at a prefix, or beside it as parts of its checkpoint."""
    parent, stem = os.path.split(os.path.abspath(prefix))
    return [
        os.path.join(parent, name)
        for name in sorted(os.listdir(parent))
        if name in (stem, stem + _INDEX, stem + _META)
        or (name.startswith(stem) and _SHARD.fullmatch(name[len(stem) :]))
    ]


def _save(session: Any, writer: Writer, target: str) -> None:
    twice = _written_twice(writer)
    if twice:
        text = refusal_text(f"{target} is not written", twice)
        raise errors.RestoreError(text, findings=twice)
    parent, stem = os.path.split(os.path.abspath(target))
    try:
        with _directory_in(parent) as directory:
            written = os.path.join(directory, stem)
            session.run(writer.operation, {writer.filename: as_prefix(written)})
            _verify(written, writer)
            _move(directory, target)
    except tf.errors.CancelledError:
        raise  # The session was closed meanwhile.
    except (tf.errors.OpError, OSError, errors.CheckpointError) as error:
        finding = Finding(KINDS["save-failed"], target, reason_of(error))
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


@contextlib.contextmanager
def _directory_in(parent: str) -> Iterator[str]:
    # In the same directory, as files can be renamed only within a file system.
    directory = tempfile.mkdtemp(prefix=".legacy_restore-", dir=parent)
    try:
        yield directory
    except BaseException:
        # What could not be put back is not deleted.
        if not _has_files(os.path.join(directory, _ASIDE)):
            shutil.rmtree(directory, ignore_errors=True)
        raise
    shutil.rmtree(directory, ignore_errors=True)


def _has_files(directory: str) -> bool:
    return os.path.isdir(directory) and bool(os.listdir(directory))


def _verify(prefix: str, writer: Writer) -> None:
    """Reads back what was written: all keys, every byte against its checksum.

    TensorFlow computes the checksums from the variables' memory while it writes.
    """
    with open_checkpoint(prefix + _INDEX) as checkpoint:
        found = errors_of(checkpoint.findings)
        if found or set(checkpoint) != set(writer.keys.values()):
            what = found[0].message if found else "keys are missing"
            raise errors.CorruptCheckpointError(
                f"what was written cannot be read back: {what}", path=prefix
            )
        for key in checkpoint:
            checkpoint.verify_tensor(key)


def _move(directory: str, target: str) -> None:
    """Renames the files to their place; those that were there are put back on failure.

    The old index goes first and the new one comes last: at no time does an index stand
    beside data that are not its own.
    """
    parent = os.path.dirname(os.path.abspath(target))
    aside = os.path.join(directory, _ASIDE)
    os.mkdir(aside)
    undo: List[Any] = []
    try:
        for path in sorted(_files_of(target), key=lambda one: not one.endswith(_INDEX)):
            kept = os.path.join(aside, os.path.basename(path))
            os.rename(path, kept)
            undo.append((kept, path))
        names = [name for name in os.listdir(directory) if name != _ASIDE]
        for name in sorted(names, key=lambda one: one.endswith(_INDEX)):
            path = os.path.join(parent, name)
            os.rename(os.path.join(directory, name), path)
            undo.append((path, os.path.join(directory, name)))
    except BaseException:
        for source, destination in reversed(undo):
            os.rename(source, destination)
        raise
