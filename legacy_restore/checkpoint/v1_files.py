"""The names of the files of V1 checkpoints.

A V1 checkpoint is one file, ``model.ckpt-100``, or a file for each shard,
``model.ckpt-100-00000-of-00003`` and so on. TensorFlow takes the second as a pattern,
``model.ckpt-100-?????-of-00003``, which is also what its Savers return and write into
state files (``tensorflow/core/kernels/save_op.cc``, ``ShardedFilespec``).
"""

from __future__ import annotations

import dataclasses
import os
import re
from typing import Iterable, List, Optional

from legacy_restore import errors
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.table_blocks import is_table
from legacy_restore.checkpoint.table_lookup import TableLookup
from legacy_restore.checkpoint.v1_entries import is_metadata
from legacy_restore.checkpoint.wire import FormatError

METADATA_KEY = b""
"""The key under which a V1 file lists its tensors."""

_SHARD = re.compile(r"(?P<stem>.+)-(?P<shard>\d{5})-of-(?P<count>\d{5})", re.DOTALL)
_PATTERN = re.compile(r"(?P<stem>.+)-\?{5}-of-(?P<count>\d{5})", re.DOTALL)
_OPEN_PATTERN = re.compile(r"(?P<stem>.+)-(?:\?{5}|\*)-of-(?:\?{5}|\*)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class ShardSet:
    """The files of a checkpoint that was written in shards.

    Attributes:
      stem: The path before the shard's number.
      count: Number of shards.
    """

    stem: str
    count: int

    @property
    def pattern(self) -> str:
        """The prefix: what TensorFlow's own functions take."""
        return f"{self.stem}-?????-of-{self.count:05d}"

    def path(self, shard: int) -> str:
        """Returns the path of a shard."""
        return f"{self.stem}-{shard:05d}-of-{self.count:05d}"

    def paths(self) -> List[str]:
        """Returns the paths of all shards, whether they are there or not."""
        return [self.path(shard) for shard in range(self.count)]

    def is_there(self) -> bool:
        """Returns whether a shard of it is there."""
        return any(one == self for one in shard_sets_at(self.stem))


def shard_set_of_file(path: str) -> Optional[ShardSet]:
    """Returns the set that a path is a shard of by its name, or None."""
    match = _SHARD.fullmatch(path)
    if match is None or int(match["shard"]) >= int(match["count"]):
        return None
    return ShardSet(match["stem"], int(match["count"]))


def shard_set_of_pattern(pattern: str) -> Optional[ShardSet]:
    """Returns the set that a pattern with the number of shards means, or None."""
    match = _PATTERN.fullmatch(pattern)
    if match is None or int(match["count"]) == 0:
        return None
    return ShardSet(match["stem"], int(match["count"]))


def stem_of_open_pattern(pattern: str) -> Optional[str]:
    """Returns the stem of a pattern without the number of shards, or None."""
    match = _OPEN_PATTERN.fullmatch(pattern)
    return None if match is None else match["stem"]


def stem_of(prefix: str) -> str:
    """Returns a prefix without the pattern of its shards."""
    shards = shard_set_of_pattern(prefix)
    return prefix if shards is None else shards.stem


def typed(prefix: str) -> str:
    """Returns what to type for a prefix: a shell would expand a pattern."""
    shards = shard_set_of_pattern(prefix)
    return prefix if shards is None else shards.path(0)


def shard_sets_at(stem: str) -> List[ShardSet]:
    """Returns the sets of V1 files whose names begin with a stem."""
    directory = os.path.dirname(stem)
    try:
        names = os.listdir(directory or os.curdir)
    except OSError:
        return []
    beginning = os.path.basename(stem) + "-"
    paths = [os.path.join(directory, name) for name in names]
    return [
        one
        for one in shard_sets_of(
            path for path, name in zip(paths, names) if name.startswith(beginning)
        )
        if one.stem == stem
    ]


def shard_sets_of(paths: Iterable[str]) -> List[ShardSet]:
    """Returns the sets that some files are shards of, those of V1 checkpoints."""
    found = set()
    for path in paths:
        shards = shard_set_of_file(path)
        if shards is not None and shards not in found and is_v1_file(path):
            found.add(shards)
    return sorted(found, key=lambda one: (one.stem, one.count))


def is_v1_file(path: str) -> bool:
    """Returns whether a file is a V1 checkpoint or one of its shards, or was one.

    It is a table, as the index of a V2 checkpoint is: what tells them from each other
    is the value of the first key. A table of which that cannot be read counts as V1.
    """
    try:
        file = PositionedFile(path)
    except (OSError, FormatError):
        return False
    try:
        if not is_table(file):
            return False
        value = TableLookup(file).get(METADATA_KEY)
        return value is not None and is_metadata(value)
    except (FormatError, errors.LegacyRestoreError):
        return True
    finally:
        file.close()
