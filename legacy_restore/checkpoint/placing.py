"""Where a new checkpoint goes: written aside, and renamed when it is whole.

The files are written to a directory of their own beside their place, as files can be
renamed only within a file system, and moved when they have been read back. A checkpoint
is there when its index is, so the index moves last:

- Where no data file of the old checkpoint has the name of a new one, the new data go to
  their place first, then one rename replaces the index: whoever opens the prefix gets
  the old checkpoint or the new one.
- Where names collide - two checkpoints with as many data files - the old index goes
  first. Until the new one stands there is no checkpoint, but never an index beside data
  that are not its own.

What is replaced is kept aside until all is in its place, and put back on failure. A
process that is killed in between leaves it in ``.legacy_restore-*/replaced``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from typing import Callable, Iterator, List, Tuple, Union

from legacy_restore import errors
from legacy_restore.checkpoint import checksum
from legacy_restore.checkpoint.files import PositionedFile, absolute_path
from legacy_restore.checkpoint.v1_files import is_v1_file
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.report.findings import KINDS, Finding

PrefixLike = Union[str, "os.PathLike[str]"]

INDEX = ".index"
_DATA = re.compile(r"\.data-\d{5}-of-\d{5}")
_V1_SHARD = re.compile(r"-\d{5}-of-\d{5}")
# What a Saver writes beside a checkpoint describes that checkpoint, not another one.
META = ".meta"
_TEMPORARY = ".legacy_restore-"
_ASIDE = "replaced"
_COPYING = ".part"
_CHUNK_BYTES = 1 << 20
# What file systems say that cannot do it for directories.
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}


def checked_prefix(prefix: PrefixLike) -> str:
    """Returns a prefix to write as text.

    Raises:
      UsageError: It is no path, has no file name, is a directory, or is in a directory
        that is not there.
    """
    if not isinstance(prefix, (str, os.PathLike)):
        raise errors.UsageError(f"a prefix has to be a path, not {prefix!r}")
    target = os.fsdecode(prefix)
    if "\0" in target:
        raise errors.UsageError(f"{target!r} is no path")
    if not os.path.basename(target):
        raise errors.UsageError(
            f"{target!r} is no prefix: a file name is missing at its end",
            hint=os.path.join(target, "model.ckpt"),
        )
    parent = os.path.dirname(absolute_path(target))
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


def files_of(prefix: str) -> List[str]:
    """Returns the files of the checkpoint with a prefix, of whatever format.

    The names of V1 files tell little: ``train-00000-of-00010`` is mostly a file of
    examples. Such a file is one of them if its contents say so; nothing else is
    replaced or removed here, nor is any directory.
    """
    parent, stem = os.path.split(absolute_path(prefix))
    return [
        os.path.join(parent, name)
        for name in sorted(os.listdir(parent))
        if _is_part(os.path.join(parent, name), name, stem)
    ]


def _is_part(path: str, name: str, stem: str) -> bool:
    if not name.startswith(stem) or os.path.isdir(path):
        return False
    ending = name[len(stem) :]
    if ending in (INDEX, META) or _DATA.fullmatch(ending):
        return True
    return (not ending or bool(_V1_SHARD.fullmatch(ending))) and is_v1_file(path)


def existing_findings(target: str) -> List[Finding]:
    """Returns the finding that there is a checkpoint at a prefix, if there is."""
    existing = files_of(target)
    if not existing:
        return []
    names = ", ".join(os.path.basename(path) for path in existing)
    return [
        Finding(
            KINDS["checkpoint-exists"],
            target,
            f"there is {names}",
            hint="another prefix, or overwrite=True (--overwrite)",
        )
    ]


@contextlib.contextmanager
def directory_beside(target: str) -> Iterator[str]:
    """Makes a directory beside a prefix to write its files to, and removes it."""
    parent = os.path.dirname(absolute_path(target))
    directory = tempfile.mkdtemp(prefix=_TEMPORARY, dir=parent)
    try:
        yield directory
    except BaseException:
        # What could not be put back is not deleted.
        if not _has_files(os.path.join(directory, _ASIDE)):
            _remove(directory)
        raise
    _remove(directory)


def _has_files(directory: str) -> bool:
    return os.path.isdir(directory) and bool(os.listdir(directory))


def _remove(directory: str) -> None:
    """Removes a directory, also if the first attempt is interrupted or fails."""
    try:
        shutil.rmtree(directory, ignore_errors=True)
    finally:
        if os.path.isdir(directory):
            shutil.rmtree(directory, ignore_errors=True)


def place(directory: str, target: str) -> None:
    """Moves a checkpoint's files from a directory beside their place to their place.

    Those of the checkpoint that was there are in ``directory`` afterwards. On failure
    everything is where it was before.

    Args:
      directory: It holds the new files under their last names, an index among them.
      target: The prefix.

    Raises:
      OSError: A file cannot be moved.
    """
    parent, stem = os.path.split(absolute_path(target))
    index = stem + INDEX
    aside = os.path.join(directory, _ASIDE)
    data = sorted(name for name in os.listdir(directory) if name != index)
    old = [os.path.basename(path) for path in files_of(target)]
    os.mkdir(aside)
    moves = _Moves()
    try:
        if set(data) & set(old):
            for name in sorted(old, key=lambda name: name != index):
                moves.move(parent, aside, name)
            old = []
        for name in data:
            moves.move(directory, parent, name)
        # A system that fails now must not find the index without its data.
        sync_directory(parent)
        if index in old:
            moves.replace(directory, parent, index, aside)
        else:
            moves.move(directory, parent, index)
        sync_directory(parent)
        for name in old:
            if name != index:
                moves.move(parent, aside, name)
    except BaseException:
        moves.undo()
        raise


class _Moves:
    """Files that are moved, and how to put them back.

    What is about to happen is noted before, as Ctrl-C may come right after it.
    """

    def __init__(self) -> None:
        self._undo: List[Tuple[str, str]] = []

    def move(self, source: str, destination: str, name: str) -> None:
        """Moves a file to a directory that has none of its name.

        Raises:
          FileExistsError: It has one, which somebody else may just have written.
        """
        before, after = os.path.join(source, name), os.path.join(destination, name)
        if os.path.lexists(after):  # Renaming would replace it without a word.
            raise FileExistsError(errno.EEXIST, f"{after} is in the way")
        self._undo.append((after, before))
        os.rename(before, after)

    def replace(self, source: str, destination: str, name: str, aside: str) -> None:
        """Puts a file over another one, of which a copy is kept aside."""
        kept, after = os.path.join(aside, name), os.path.join(destination, name)
        copy = os.path.join(source, name + _COPYING)
        shutil.copy2(after, copy, follow_symlinks=False)
        self._undo.append((kept, after))
        os.rename(copy, kept)
        os.replace(os.path.join(source, name), after)

    def undo(self) -> None:
        """Puts back what was moved, the last first."""
        for source, destination in reversed(self._undo):
            if os.path.lexists(source):
                os.replace(source, destination)


def copy_file(source: str, target: str) -> None:
    """Copies a file to one that is not there yet, to the disk, and compares the two.

    Raises:
      OSError: The system refuses.
      FormatError: The source is no regular file or shrinks, or the copy is another.
    """
    crcs = []
    with contextlib.closing(PositionedFile(source)) as file, open(target, "xb") as copy:
        crcs.append(_transfer(file, copy.write))
    sync_file(target)
    with contextlib.closing(PositionedFile(target)) as file:
        crcs.append(_transfer(file, len))
    if crcs[0] != crcs[1]:
        raise FormatError(f"{target}: what is read is not what was written")


def _transfer(file: PositionedFile, take: Callable[[bytes], object]) -> int:
    """Hands a file on chunk by chunk; returns its CRC32C."""
    crc = 0
    for start in range(0, file.size, _CHUNK_BYTES):
        chunk = file.read(start, min(_CHUNK_BYTES, file.size - start))
        crc = checksum.extend(crc, chunk)
        take(chunk)
    return crc


def sync_file(path: str) -> None:
    """Waits until the contents of a file are on the disk."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def sync_directory(path: str) -> None:
    """Waits until the names of a directory are on the disk, where systems can."""
    if os.name == "nt":  # It opens no directories.
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)
