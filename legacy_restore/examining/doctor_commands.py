"""What to type next: whole lines that run as they stand."""

from __future__ import annotations

import itertools
import os
import re
import shlex
from typing import Dict, List, Sequence, Tuple

from legacy_restore.examining.diagnosis import (
    CheckpointRow,
    GraphRow,
    Group,
    NextCommand,
)
from legacy_restore.examining.doctor_checkpoint import reading_text
from legacy_restore.report.findings import Finding, errors_of

_PROGRAM = "legacy-restore"
_BUILDER = "module:function"

# Of what is alike or damaged in many places, the first say it.
_MAX_PAIRS = 3
_MAX_DAMAGED = 3

# Names of which a project has many: those of their directories say more.
_GENERIC = re.compile(
    r"(?:model|saved_model|variables|export|checkpoint|ckpt|cp|best|latest|last)"
    r"(?:\.ckpt)?",
    re.I,
)
_NUMBER = re.compile(r"\d*")
_NO_SCOPE = re.compile(r"[^A-Za-z0-9_]+")


def shell_quoted(argument: str) -> str:
    """Returns an argument as a POSIX shell takes it, in one line.

    What cannot be printed is written with escapes, as bash, zsh and ksh read them.
    """
    if argument.isprintable():
        return shlex.quote(argument)
    escaped = []
    for byte in os.fsencode(argument):
        character = chr(byte)
        plain = character.isalnum() and byte < 128
        safe = plain or character in "/._-=:@ +,%"
        escaped.append(character if safe else f"\\{byte:03o}")
    return "$'" + "".join(escaped) + "'"


def safe_argument(path: str) -> str:
    """Returns a path that no command takes for a flag."""
    return os.path.join(os.curdir, path) if path.startswith("-") else path


def next_commands(
    path: str,
    groups: Sequence[Group],
    graphs: Sequence[GraphRow],
    findings: Sequence[Finding],
    read: str,
    nbytes: int,
) -> List[NextCommand]:
    """Returns what to type, the most urgent first.

    Args:
      path: What was looked at.
      groups: The checkpoints.
      graphs: Graphs without checkpoint.
      findings: Everything that was found.
      read: Whether all data were read.
      nbytes: How much that is.
    """
    commands = _pulls(findings)
    for group in groups:
        commands += _for_damaged(group)
    commands += _diffs(groups)
    for group in groups:
        commands += _for_complete(group)
    commands += [_inspect_graph(one) for one in graphs if not errors_of(one.findings)]
    if groups and read == "index":
        why = f"read all data too: {reading_text(nbytes)}"
        commands.append(_ours(why, "doctor", "--verify", safe_argument(path)))
    return commands


def _ours(why: str, *words: str) -> NextCommand:
    return _command(why, (_PROGRAM, *words))


def _command(
    why: str, words: Tuple[str, ...], to_fill_in: Tuple[str, ...] = ()
) -> NextCommand:
    return NextCommand(" ".join(map(shell_quoted, words)), words, why, to_fill_in)


def _pulls(findings: Sequence[Finding]) -> List[NextCommand]:
    """One for each directory with Git LFS pointers; git finds the repository."""
    directories = sorted(
        {
            os.path.dirname(one.subject)
            for one in findings
            if one.hint == "git lfs pull" and os.path.lexists(one.subject)
        }
    )
    if not directories:
        return []
    # All of one repository: the one that is above the others, if there is one.
    above = os.path.commonpath(directories) if _are_alike(directories) else ""
    chosen = [above] if above in directories else directories
    return [
        _command(
            "fetch the files that the Git LFS pointers stand for",
            ("git", *(("-C", one) if one else ()), "lfs", "pull"),
        )
        for one in chosen
    ]


def _are_alike(paths: Sequence[str]) -> bool:
    return len({os.path.isabs(one) for one in paths}) == 1


def _for_damaged(group: Group) -> List[NextCommand]:
    damaged = [row for row in group.rows if not row.is_complete]
    commands = []
    for row in damaged[::-1][:_MAX_DAMAGED]:
        location = safe_argument(row.location)
        commands.append(_ours("name every damaged tensor", "verify", location))
        if _may_be_saved(row):
            saved = safe_argument(f"{_stem_path(row)}-salvaged")
            if row.step is not None:
                saved += f"-{row.step}"
            why = "save the tensors that are good"
            commands.append(_ours(why, "salvage", location, saved))
    return commands


def _may_be_saved(row: CheckpointRow) -> bool:
    if row.layout is not None:
        return row.layout.total.tensors > 0
    return any(one.id == "corrupt" for one in row.findings)


def _stem_path(row: CheckpointRow) -> str:
    return os.path.join(os.path.dirname(row.prefix), row.stem)


def _for_complete(group: Group) -> List[NextCommand]:
    row = group.newest
    if not row.is_complete:
        return []
    location = safe_argument(row.location)
    name = model_name(row)
    plan = ("plan", f"--model={name}={row.location}")
    by_code = (_PROGRAM, *plan, f"--builder={name}={_BUILDER}")
    why = f"match it with the code that builds the model, {_BUILDER}"
    commands = [_ours("every tensor in it", "inspect", location)]
    if row.graph is not None:
        commands.append(_ours("match it with its graph, without that code", *plan))
    return [*commands, _command(why, by_code, (_BUILDER,))]


def model_name(row: CheckpointRow) -> str:
    """Returns a name for the model of a checkpoint, which is a scope too."""
    directory = os.path.abspath(row.directory)
    candidates = [row.stem]
    while os.path.dirname(directory) != directory and len(candidates) < 3:
        directory, name = os.path.split(directory)
        if not _NUMBER.fullmatch(name):
            candidates.append(name)
    for candidate in candidates:
        name = _NO_SCOPE.sub("_", candidate).strip("_")
        if name and not _GENERIC.fullmatch(candidate) and name[0].isalpha():
            return name
    return "model"


def _inspect_graph(row: GraphRow) -> NextCommand:
    return _ours("the graph", "inspect", safe_argument(row.path))


def _diffs(groups: Sequence[Group]) -> List[NextCommand]:
    """Pairs of different runs that list the same tensors at the same step."""
    alike: Dict[Tuple[str, object], List[CheckpointRow]] = {}
    for group in groups:
        for row in group.rows:
            if row.is_complete and row.layout is not None:
                key = (row.layout.identity, row.step)
                alike.setdefault(key, []).append(row)
    pairs = [
        pair for rows in alike.values() for pair in itertools.combinations(rows[:2], 2)
    ]
    return [
        _ours(
            "whether both are the same",
            "diff",
            safe_argument(one.location),
            safe_argument(other.location),
        )
        for one, other in pairs[:_MAX_PAIRS]
    ]
