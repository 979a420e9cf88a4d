"""Which files are below a directory: a walk that ends, and says what it left out.

Nothing is opened here. Links to directories are not followed, so that there is no loop
and nothing outside is looked at.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import os
import re
from typing import Deque, List, NamedTuple, Tuple

from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names

# Deeper than people nest runs; a copy that went wrong may hold itself many times.
MAX_DEPTH = 16
# More than a project has. A walk of so many takes seconds.
MAX_DIRECTORIES = 5_000
MAX_FILES = 200_000

# Version control, and what programs generate: no checkpoints, and many files.
_IGNORED = frozenset([".git", ".hg", ".svn", "__pycache__", "node_modules"])

# TensorFlow saves V2 into a directory of its own before it renames the files
# (tensorflow/python/training/saver.py, functional_saver.py).
_TEMPORARY = re.compile(r".+_temp(?P<id>_[0-9a-f]{32})?", re.DOTALL)
_TEMPORARY_PART = re.compile(r"part-\d{5}-of-\d{5}\.(?:index|data-).*", re.DOTALL)
# What this toolkit writes into before it renames.
_OWN_TEMPORARY = ".legacy_restore-"


@dataclasses.dataclass(frozen=True)
class Listing:
    """The files of one directory.

    Attributes:
      directory: Its path, beginning with the one that was given.
      names: What is in it and is no directory, sorted; dangling links too.
    """

    directory: str
    names: Tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Walk:
    """What is below a directory.

    Attributes:
      listings: The directories that were listed, by path.
      leftovers: Directories that a save which did not end left behind, or one that is
        going on; their files are in no listing.
      findings: What could not be listed, and what was left out.
    """

    listings: Tuple[Listing, ...]
    leftovers: Tuple[str, ...]
    findings: Tuple[Finding, ...]


class _Listed(NamedTuple):
    """The names in a directory by what they lead to, and whether there are more."""

    files: List[str]
    directories: List[str]
    links: List[str]
    is_cut: bool


class _Waiting(NamedTuple):
    """A directory that is not listed yet."""

    directory: str
    level: int


def walk(root: str, depth: int = MAX_DEPTH) -> Walk:
    """Lists a directory and those below it, those near to it first.

    Args:
      root: Path of a directory.
      depth: How many levels below it are listed; 0 for it alone, which leaves out
        nothing that was asked for.
    """
    waiting: Deque[_Waiting] = collections.deque([_Waiting(root, 0)])
    listings: List[Listing] = []
    leftovers: List[str] = []
    findings: List[Finding] = []
    links: List[str] = []
    deep: List[str] = []
    cut: List[str] = []
    room = MAX_FILES
    while waiting and len(listings) < MAX_DIRECTORIES and room > 0:
        directory, level = waiting.popleft()
        try:
            found = _list(directory, room)
        except FileNotFoundError as error:
            if directory == root:  # Others come and go where a job saves.
                findings.append(_unreadable(directory, error))
            continue
        except OSError as error:
            findings.append(_unreadable(directory, error))
            continue
        if directory != root and _is_temporary(directory, found.files):
            leftovers.append(directory)
            continue
        room -= len(found.files) + len(found.directories) + len(found.links)
        listings.append(Listing(directory, tuple(found.files)))
        links += [os.path.join(directory, name) for name in found.links]
        below = [os.path.join(directory, name) for name in found.directories]
        if found.is_cut:
            cut.append(directory)
        if level == depth:
            deep += below if depth else []
            continue
        waiting.extend(_Waiting(one, level + 1) for one in below)
    cut += [one.directory for one in waiting]
    findings += _left_out(root, links, deep, cut)
    listings.sort(key=lambda one: one.directory)
    return Walk(tuple(listings), tuple(sorted(leftovers)), tuple(findings))


def _list(directory: str, room: int) -> _Listed:
    with os.scandir(directory) as entries:
        found = list(itertools.islice(entries, room + 1))
    files: List[str] = []
    directories: List[str] = []
    links: List[str] = []
    for entry in found[:room]:
        if _is_directory(entry, follow_links=False):
            if entry.name not in _IGNORED:
                directories.append(entry.name)
        elif _is_directory(entry, follow_links=True):
            links.append(entry.name)
        else:
            files.append(entry.name)
    is_cut = len(found) > room
    return _Listed(sorted(files), sorted(directories), sorted(links), is_cut)


def _is_directory(entry: os.DirEntry[str], *, follow_links: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow_links)
    except OSError:  # A link that leads to itself.
        return False


def _is_temporary(directory: str, files: List[str]) -> bool:
    name = os.path.basename(directory)
    if name.startswith(_OWN_TEMPORARY):
        return True
    match = _TEMPORARY.fullmatch(name)
    if match is None:
        return False
    return match["id"] is not None or any(map(_TEMPORARY_PART.fullmatch, files))


def _unreadable(directory: str, error: OSError) -> Finding:
    message = f"it cannot be listed: {error.strerror}; what is in it is not known"
    return Finding(KINDS["directory-unreadable"], directory, message)


def _left_out(
    root: str, links: List[str], deep: List[str], cut: List[str]
) -> List[Finding]:
    reasons = [
        (links, "links to directories, which are not followed"),
        (deep, f"more than {MAX_DEPTH} levels below"),
        (
            cut,
            f"more than {MAX_DIRECTORIES:,} directories or {MAX_FILES:,} files are "
            "there",
        ),
    ]
    return [
        Finding(
            KINDS["not-looked-at"],
            root,
            f"{len(paths):,} left out: {reason}: {cut_names(sorted(paths))}",
            hint="name one of them",
        )
        for paths, reason in reasons
        if paths
    ]
