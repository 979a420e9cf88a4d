"""What is wrong with a directory, beyond what is wrong with one checkpoint in it."""

from __future__ import annotations

import os
import shlex
import time
from typing import Dict, List, Mapping, Sequence, Set

from legacy_restore.checkpoint.data_files import lookalike_at
from legacy_restore.checkpoint.keras_files import keras_format_of
from legacy_restore.checkpoint.v1_files import shard_set_of_pattern
from legacy_restore.examining.doctor_names import Sorted, Suspect
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import cut_names

# Longer than a job takes from one file of a checkpoint to the next, and no nuisance.
_MOMENT_SECONDS = 0.25

_NOT_READ = "files of other libraries are not read here"


def remarks_on(names: Sorted) -> List[Finding]:
    """Returns what there is to say about the files of a directory."""
    return [
        *[_suspect_finding(one) for one in names.suspects],
        *_archive_findings(names.archives),
        *leftover_findings(names.leftovers),
        *_stem_findings(names),
        *_shard_findings(names),
        *_other_findings(names),
    ]


def leftover_findings(paths: Sequence[str]) -> List[Finding]:
    """Returns remarks on what a save leaves that did not end, by directory."""
    by_directory: Dict[str, List[str]] = {}
    for path in paths:
        by_directory.setdefault(os.path.dirname(path), []).append(path)
    return [
        Finding(KINDS["leftover"], directory or os.curdir, _leftover_text(found))
        for directory, found in sorted(by_directory.items())
    ]


def _leftover_text(paths: Sequence[str]) -> str:
    names = cut_names([os.path.basename(one) for one in paths])
    text = (
        f"{names}: of a save that did not end, or is going on, or of another system; "
        "no part of a checkpoint"
    )
    if any(os.path.isdir(os.path.join(one, "replaced")) for one in paths):
        text += "; the directory replaced in it has the files of an older checkpoint"
    return text


def orphan_findings(orphans: Mapping[str, Sequence[str]]) -> List[Finding]:
    """Returns what there is to say about data files without index.

    A job that deletes its oldest checkpoint begins with the index, and one that saves
    ends with it (``checkpoint_management.py``, ``remove_checkpoint``), so that the
    files are looked at once more after a moment.

    Args:
      orphans: Paths of data files by prefix, as they were listed.
    """
    if orphans:
        time.sleep(_MOMENT_SECONDS)
    found = []
    for prefix, paths in sorted(orphans.items()):
        if os.path.lexists(prefix + ".index") or not any(map(os.path.lexists, paths)):
            continue
        count = f"{len(paths)} data file" + ("" if len(paths) == 1 else "s")
        message = f"{count} and no index: which bytes are which tensor's is lost"
        lookalike = lookalike_at(paths[0])
        if lookalike is not None and lookalike.is_certain:
            message += f"; {os.path.basename(paths[0])} is {lookalike}"
        hint = "copy the checkpoint's .index too"
        found.append(Finding(KINDS["index-missing"], prefix, message, hint=hint))
    return found


def _suspect_finding(suspect: Suspect) -> Finding:
    other = suspect.lookalike
    if other is None:
        message = (
            "it is called like a checkpoint and is none: neither V1 nor V2, perhaps "
            "cut off at the end"
        )
        hint = "download or copy the file again"
        return Finding(KINDS["not-a-checkpoint"], suspect.path, message, hint=hint)
    message = f"it is {other}"
    return Finding(KINDS["not-a-checkpoint"], suspect.path, message, hint=other.hint)


def _archive_findings(archives: Sequence[Suspect]) -> List[Finding]:
    found = []
    for one in archives:
        what = "an archive" if one.lookalike is None else str(one.lookalike)
        hint = None if one.lookalike is None else one.lookalike.hint
        kind = KINDS["archive-not-unpacked"]
        if one.lookalike is not None and one.lookalike.is_certain:
            kind = KINDS["not-a-checkpoint"]
        message = f"it is {what}; what is in it is not known"
        found.append(Finding(kind, one.path, message, hint=hint))
    return found


def _stem_findings(names: Sorted) -> List[Finding]:
    stems: Set[str] = {one.stem for one in names.candidates}
    if len(stems) < 2:
        return []
    where = names.directory or os.curdir
    message = (
        f"checkpoints of {len(stems)} names: {cut_names(sorted(stems))}; without a "
        "state file the directory alone does not say which is meant"
    )
    hint = "name the prefix"
    return [Finding(KINDS["several-names"], where, message, hint=hint)]


def _shard_findings(names: Sorted) -> List[Finding]:
    counts: Dict[str, List[str]] = {}
    for one in names.candidates:
        shards = shard_set_of_pattern(one.prefix)
        if shards is not None:
            counts.setdefault(shards.stem, []).append(str(shards.count))
    return [
        Finding(
            KINDS["stray-data-file"],
            stem,
            f"V1 files say {' and '.join(found)} shards: those of several checkpoints",
            hint="name one of the files",
        )
        for stem, found in sorted(counts.items())
        if len(found) > 1
    ]


def _other_findings(names: Sorted) -> List[Finding]:
    found: List[Finding] = []
    for path in names.keras:
        message = f"format {keras_format_of(path)}"
        hint = f"legacy-restore inspect {shlex.quote(path)}"
        found.append(Finding(KINDS["keras-file"], path, message, hint=hint))
    if names.others:
        listed = cut_names([os.path.basename(one) for one in names.others])
        where = names.directory or os.curdir
        message = f"{listed}: {_NOT_READ}"
        found.append(Finding(KINDS["other-library"], where, message))
    return found
