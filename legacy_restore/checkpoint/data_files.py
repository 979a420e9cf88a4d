"""The data files of a V2 checkpoint: which there should be, which there are.

Their names say how many there are: ``model.ckpt.data-00000-of-00002``. What they hold
is known from the index alone; here it is compared with their sizes and neighbours.
"""

from __future__ import annotations

import os
import re
from typing import Dict, Iterable, List, NamedTuple, Optional

from legacy_restore.checkpoint.entries import BundleEntry
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.lookalikes import Lookalike, recognize
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names

# Tensors may be aligned, at most to a page: then zeros stand behind the last one.
_MAX_PADDING = 4096


_MEMBER = re.compile(r"(?P<prefix>.+)\.(?:index|meta|data-\d{5}-of-\d{5})", re.DOTALL)


class Need(NamedTuple):
    """What an index demands of a data file.

    Attributes:
      nbytes: Where its last tensor ends.
      keys: The tensors in it.
    """

    nbytes: int
    keys: List[str]


class StoredEntry(NamedTuple):
    """A tensor's name, and where it or one slice of it lies."""

    key: str
    entry: BundleEntry


def shard_path(prefix: str, shard: int, num_shards: int) -> str:
    """Returns the path of a data file."""
    return f"{prefix}.data-{shard:05d}-of-{num_shards:05d}"


def prefix_of_member(path: str) -> Optional[str]:
    """Returns the prefix of the checkpoint that a file is of by its name, or None."""
    match = _MEMBER.fullmatch(path)
    return None if match is None else match["prefix"]


def needs_of(entries: Iterable[StoredEntry]) -> Dict[int, Need]:
    """Returns what tensors demand of each data file, by its number."""
    ends: Dict[int, int] = {}
    keys: Dict[int, List[str]] = {}
    for key, entry in entries:
        end = entry.offset + entry.size
        ends[entry.shard] = max(ends.get(entry.shard, 0), end)
        keys.setdefault(entry.shard, []).append(key)
    return {shard: Need(ends[shard], keys[shard]) for shard in sorted(ends)}


def size_finding(
    path: str, need: Need, size: Optional[int] = None
) -> Optional[Finding]:
    """Returns what is wrong with a data file that is missing or too short, or None.

    Args:
      path: Its path.
      need: What the index demands of it.
      size: Its size where it is open already, else None.
    """
    names = f"{len(set(need.keys))} tensors, {need.keys[0]} among them"
    expected = f"{need.nbytes} bytes"
    try:
        size = os.stat(path).st_size if size is None else size
    except OSError as error:
        message = f"{error.strerror}; it holds {names}"
        return Finding(KINDS["shard-missing"], path, message, expected=expected)
    if size >= need.nbytes:
        return None
    found = lookalike_at(path)
    return Finding(
        KINDS["shard-truncated"],
        path,
        f"it holds {names}" if found is None else f"it is {found}",
        expected=expected,
        found=f"{size} bytes",
        hint=None if found is None else found.hint,
    )


def lookalike_at(path: str) -> Optional[Lookalike]:
    """Returns what a damaged data file is instead of one, if that is known."""
    try:
        file = PositionedFile(path)
    except (OSError, FormatError):
        return None
    try:
        return recognize(file)
    except FormatError:
        return None
    finally:
        file.close()


def surplus_finding(path: str, need: Need) -> Optional[Finding]:
    """Returns a remark on a data file that has more bytes than tensors are in."""
    try:
        file = PositionedFile(path)
    except (OSError, FormatError):
        return None
    try:
        surplus = file.size - need.nbytes
        if surplus <= 0:
            return None
        if surplus < _MAX_PADDING and file.is_zero(need.nbytes, surplus):
            return None
    except FormatError:
        return None
    finally:
        file.close()
    return Finding(
        KINDS["shard-longer"],
        path,
        "no tensor is in what is behind",
        expected=f"{need.nbytes} bytes",
        found=f"{file.size} bytes",
    )


def counts_beside(prefix: str) -> Dict[int, List[str]]:
    """Returns the paths of a prefix's data files by the number that they say."""
    directory, name = os.path.split(prefix)
    pattern = re.compile(re.escape(name) + r"\.data-(\d{5})-of-(\d{5})")
    try:
        names = sorted(os.listdir(directory or os.curdir))
    except OSError:
        return {}
    found: Dict[int, List[str]] = {}
    for one in names:
        match = pattern.fullmatch(one)
        if match is not None:
            path = os.path.join(directory, one)
            found.setdefault(int(match.group(2)), []).append(path)
    return found


def stray_findings(prefix: str, num_shards: int) -> List[Finding]:
    """Returns remarks on data files that say another number than the index does."""
    return [
        Finding(
            KINDS["stray-data-file"],
            paths[0],
            f"the index is of {num_shards} data files, so it reads none of "
            f"{cut_names([os.path.basename(path) for path in paths])}",
        )
        for count, paths in sorted(counts_beside(prefix).items())
        if count != num_shards
    ]
