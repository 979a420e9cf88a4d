"""The checkpoints inside one directory: which there are, and which are complete."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Set

from legacy_restore import errors
from legacy_restore.checkpoint.formats import open_reader
from legacy_restore.checkpoint.v1_files import is_v1_file, shard_sets_of, stem_of
from legacy_restore.report.findings import KINDS, Finding, errors_of

_STEP = re.compile(r"(?P<stem>.+)-(?P<step>\d+)", re.DOTALL)
_INDEX = ".index"
# What Savers and summary writers leave beside V1 checkpoints or in their place.
_OTHER = re.compile(
    r"checkpoint|events\.out\.tfevents\..*|.*\.(?:index|meta|tempstate\d+"
    r"|data-\d{5}-of-\d{5})",
    re.DOTALL,
)

# How often to look again at a directory in which a training job writes.
_MAX_ATTEMPTS = 5


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A prefix in a directory, known by its index or its V1 files.

    Attributes:
      prefix: Path stem of the files, or path or pattern of V1 files.
      stem: The last part of the prefix without the step: ``model.ckpt``.
      step: The number behind the last dash, or None.
    """

    prefix: str
    stem: str
    step: Optional[int]

    @property
    def name(self) -> str:
        """The last part of the prefix."""
        return os.path.basename(self.prefix)


def list_candidates(directory: str) -> List[Candidate]:
    """Returns the prefixes of a directory by stem and step.

    Raises:
      LocationError: The directory cannot be listed.
    """
    try:
        names = os.listdir(directory)
    except OSError as error:
        message = f"{directory} cannot be listed: {error.strerror}"
        finding = Finding(KINDS["location-not-found"], directory, message)
        raise errors.LocationError(
            message, path=directory, findings=[finding]
        ) from error
    return candidates_among(directory, names)


def candidates_among(directory: str, names: Sequence[str]) -> List[Candidate]:
    """Returns the prefixes that some files of a directory have, by stem and step."""
    prefixes = {
        os.path.join(directory, name[: -len(_INDEX)])
        for name in names
        if name.endswith(_INDEX) and name != _INDEX
    }
    prefixes |= _v1_prefixes(directory, names)
    return sorted(
        map(_candidate, prefixes),
        key=lambda one: (one.stem, -1 if one.step is None else one.step, one.prefix),
    )


def _v1_prefixes(directory: str, names: Sequence[str]) -> Set[str]:
    """The prefixes of V1 checkpoints, which their names do not tell from other files.

    What is known by its name is not opened: a long training leaves thousands of files.
    """
    paths = [
        os.path.join(directory, name) for name in names if not _OTHER.fullmatch(name)
    ]
    sharded = shard_sets_of(paths)
    prefixes = {shards.pattern for shards in sharded}
    in_sets = {path for shards in sharded for path in shards.paths()}
    return prefixes | {
        path for path in paths if path not in in_sets and is_v1_file(path)
    }


def step_of(prefix: str) -> Optional[int]:
    """Returns the step that a prefix ends in, as ``Saver.save`` puts it, or None."""
    return _candidate(prefix).step


def _candidate(prefix: str) -> Candidate:
    name = os.path.basename(stem_of(prefix))
    match = _STEP.fullmatch(name)
    if match is None:
        return Candidate(prefix, name, None)
    return Candidate(prefix, match["stem"], int(match["step"]))


def incompleteness(prefix: str) -> Optional[str]:
    """Returns why a prefix is not a whole checkpoint, or None when it is one.

    What lists the tensors is read; the data files are looked at, not read.
    """
    try:
        reader = open_reader(prefix)
    except errors.UnsupportedCheckpointError:
        return None  # Whole, as far as one can tell; opening it says what is lacking.
    except errors.MissingDependencyError:
        return None
    except errors.LocationError:
        return "it is not there"
    except errors.CheckpointError as error:
        return error.message
    faults = errors_of(reader.findings())
    reader.close()
    if not faults:
        return None
    return f"{os.path.basename(faults[0].subject)}: {faults[0].kind.title}"


class Newest(NamedTuple):
    """The newest complete checkpoints of a directory.

    Attributes:
      whole: The one with the highest step of each stem, or several of that step.
      faults: Why those with higher steps were passed over, the highest first.
      among: All checkpoints of the directory, by stem and step.
    """

    whole: List[Candidate]
    faults: Dict[Candidate, str]
    among: List[Candidate]


def newest_in(directory: str) -> Newest:
    """Finds for each stem the complete checkpoint with the highest step.

    Raises:
      LocationError: The directory cannot be listed.
    """
    candidates = list_candidates(directory)
    for _ in range(_MAX_ATTEMPTS):
        found = _newest_whole(candidates)
        before, candidates = candidates, list_candidates(directory)
        # A training job may have deleted all that were there, and written others.
        if found.whole or candidates == before:
            break
    return found


def _newest_whole(candidates: List[Candidate]) -> Newest:
    # From the highest step down: a directory may hold hundreds of others.
    whole: Dict[str, List[Candidate]] = {}
    faults: Dict[Candidate, str] = {}
    for one in reversed(candidates):
        found = whole.setdefault(one.stem, [])
        # Two of one step and stem are written differently: V2, V1, numbers of shards.
        if not found or found[0].step == one.step:
            reason = incompleteness(one.prefix)
            if reason is None:
                found.append(one)
            else:
                faults[one] = reason
    newest = [one for found in whole.values() for one in found][::-1]
    return Newest(newest, faults, candidates)
