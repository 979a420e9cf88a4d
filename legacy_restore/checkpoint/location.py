"""From what a user types to a prefix.

Every entry point of the toolkit resolves locations here, and only here:

- a prefix, ``runs/model.ckpt-1000``;
- any file of a checkpoint: ``.index``, ``.data-00000-of-00001``, ``.meta``;
- a directory, or ``directory@latest``: what its state file names if that is complete,
  else the highest step;
- ``directory@1000``: the prefix in it that ends in ``-1000``;
- a state file;
- a SavedModel directory: its ``variables/variables``.

What exists literally wins; only then is the last ``@`` split off. There is always a
prefix or an error: TensorFlow's ``latest_checkpoint`` returns None for a state file
whose paths are those of another machine, and its reader opens ``model.ckpt.index`` as
a checkpoint without tensors.
"""

from __future__ import annotations

import dataclasses
import os
import re
from typing import Optional, Sequence, Tuple, Union

from legacy_restore import errors
from legacy_restore.checkpoint import directory as directories
from legacy_restore.checkpoint import near_misses
from legacy_restore.checkpoint.faults import unsupported
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.state_file import is_state_file, read_state_file
from legacy_restore.checkpoint.table_blocks import is_table
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.report.findings import KINDS, Finding

LocationLike = Union[str, "os.PathLike[str]"]

_STATE_FILE = "checkpoint"
_LATEST = "latest"
_STEP = re.compile(r"[0-9]{1,19}")  # An int64 has no more digits.
_MEMBER = re.compile(r"(?P<prefix>.+)\.(?:index|meta|data-\d{5}-of-\d{5})", re.DOTALL)
_SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")


@dataclasses.dataclass(frozen=True)
class Location:
    """Where a checkpoint was found.

    Attributes:
      given: What the user typed.
      prefix: The path stem of the files, as ``tf.compat.v1.train.Saver`` takes it.
      findings: What was decided on the way from the one to the other.
    """

    given: str
    prefix: str
    findings: Tuple[Finding, ...] = ()


def resolve_location(location: LocationLike) -> Location:
    """Finds the checkpoint that a location names.

    Args:
      location: A prefix, a file, a directory, a directory with ``@latest`` or a step,
        or a state file; see the module's description. ``~`` is not expanded.

    Raises:
      LocationError: Nothing is there, or more than one checkpoint could be meant. The
        message lists what is there.
      UnsupportedCheckpointError: Something is there that is not read.
    """
    given = os.fsdecode(os.fspath(location))
    if "://" in given:
        hint = "copy the checkpoint's files here and name their prefix"
        raise unsupported(given, "it is not on this machine", hint)
    if "\0" in given:
        raise near_misses.no_checkpoint(given, f"{given!r} holds a NUL byte")
    prefix_exists = os.path.isfile(given + ".index")
    if os.path.isdir(given):
        if prefix_exists:
            raise _ambiguous(given, "both a directory and a prefix", [given + ".index"])
        return _in_directory(given, given, _LATEST)
    if prefix_exists:
        return Location(given, given)
    if os.path.exists(given):
        return _of_file(given)
    directory, at, selector = given.rpartition("@")
    if at and os.path.isdir(directory):
        return _in_directory(given, directory, selector)
    raise near_misses.not_found(given)


def _of_file(given: str) -> Location:
    member = _MEMBER.fullmatch(given)
    if member is not None:
        prefix = member["prefix"]
        if os.path.isfile(prefix) and not os.path.isfile(prefix + ".index"):
            raise _unsupported_file(prefix)
        if not os.path.isfile(prefix + ".index"):
            raise near_misses.no_checkpoint(
                given,
                f"{given} belongs to a checkpoint without index: no {prefix}.index",
                "copy all files of the checkpoint: .index and every .data file",
            )
        return Location(
            given, prefix, (_resolved(given, prefix, "it is a file of it"),)
        )
    if is_state_file(given):
        return _of_state_file(given, given)
    raise _unsupported_file(given)


def _unsupported_file(given: str) -> errors.UnsupportedCheckpointError:
    try:
        file = PositionedFile(given)
    except (OSError, FormatError) as error:
        return unsupported(given, str(error))
    try:
        kind = "a checkpoint of the format V1" if is_table(file) else "no checkpoint"
    finally:
        file.close()
    return unsupported(given, f"{kind}; the format V2 is read (.index and .data files)")


def _in_directory(given: str, directory: str, selector: str) -> Location:
    if _STEP.fullmatch(selector):
        return _at_step(given, directory, int(selector))
    if selector != _LATEST:
        raise near_misses.no_checkpoint(
            given, f"{given}: behind the @ stands {selector!r}, not 'latest' or a step"
        )
    saved_model = _saved_model_prefix(directory)
    state_file = os.path.join(directory, _STATE_FILE)
    if saved_model is None:
        if os.path.isfile(state_file):
            return _of_state_file(given, state_file)
        return _at_highest_step(given, directory, ())
    rivals = [one.prefix for one in directories.list_candidates(directory)]
    if os.path.isfile(state_file):
        rivals.append(state_file)
    if rivals:
        what = "both a SavedModel and a directory of checkpoints"
        raise _ambiguous(given, what, [saved_model, *rivals])
    if not os.path.isfile(saved_model + ".index"):
        raise near_misses.no_checkpoint(
            given,
            f"{directory} is a SavedModel without variables: there is no "
            f"{saved_model}.index",
        )
    why = "the directory is a SavedModel"
    return Location(given, saved_model, (_resolved(given, saved_model, why),))


def _saved_model_prefix(directory: str) -> Optional[str]:
    for name in _SAVED_MODEL_FILES:
        if os.path.isfile(os.path.join(directory, name)):
            return os.path.join(directory, "variables", "variables")
    return None


def _of_state_file(given: str, state_file: str) -> Location:
    directory = os.path.dirname(state_file)
    try:
        named = read_state_file(state_file)
    except (OSError, FormatError) as error:
        return _at_highest_step(
            given, directory, (_stale(state_file, f"it cannot be read: {error}"),)
        )
    if named is None:
        return _at_highest_step(
            given, directory, (_stale(state_file, "it names no checkpoint"),)
        )
    # Joining leaves an absolute path as it is.
    prefix = os.path.join(directory, named)
    reason = directories.incompleteness(prefix)
    # The path may come from another system: its separators are not ours.
    beside = os.path.join(directory, re.split(r"[\\/]", named)[-1])
    is_beside = os.path.realpath(prefix) != os.path.realpath(beside)
    is_beside = is_beside and directories.incompleteness(beside) is None
    if reason is None and is_beside and not _same_index(prefix, beside):
        raise _ambiguous(
            given,
            "a state file that names a checkpoint elsewhere, and another beside it",
            [prefix, beside],
        )
    if is_beside:
        moved = Finding(
            KINDS["state-file-moved"],
            state_file,
            f"it names {named}; {beside} beside it was taken",
        )
        return Location(given, beside, (moved,))
    if reason is None:
        return Location(given, prefix, _elsewhere(state_file, prefix))
    if os.path.isfile(prefix):
        raise _unsupported_file(prefix)
    stale = _stale(state_file, f"it names {named}: {reason}")
    return _at_highest_step(given, directory, (stale,))


def _same_directory(prefix: str, other: str) -> bool:
    one, two = (os.path.realpath(os.path.dirname(path)) for path in (prefix, other))
    return one == two


def _same_index(prefix: str, other: str) -> bool:
    """Whether two checkpoints hold the same: the index has all checksums."""
    try:
        with open(prefix + ".index", "rb") as one, open(other + ".index", "rb") as two:
            return one.read() == two.read()
    except OSError:
        return False


def _elsewhere(state_file: str, prefix: str) -> Tuple[Finding, ...]:
    if _same_directory(prefix, state_file):
        return ()
    finding = Finding(KINDS["state-file-elsewhere"], state_file, f"it names {prefix}")
    return (finding,)


def _stale(state_file: str, reason: str) -> Finding:
    return Finding(KINDS["state-file-stale"], state_file, reason)


def _at_highest_step(
    given: str, directory: str, findings: Tuple[Finding, ...]
) -> Location:
    newest, faults, candidates = directories.newest_in(directory or os.curdir)
    if not newest:
        raise near_misses.nothing_whole(given, directory, faults, findings)
    if len(newest) > 1:
        what = "checkpoints of several names"
        raise _ambiguous(given, what, [one.prefix for one in newest])
    why = f"of {len(candidates)} checkpoints it has the highest step"
    if faults:
        one, reason = next(iter(faults.items()))
        why = f"{why} among the complete ones; {one.name} is not ({reason})"
    prefix = os.path.join(directory, newest[0].name)
    return Location(given, prefix, (*findings, _resolved(given, prefix, why)))


def _at_step(given: str, directory: str, step: int) -> Location:
    candidates = directories.list_candidates(directory)
    at_step = [one for one in candidates if one.step == step]
    if not at_step:
        raise near_misses.no_such_step(given, directory, candidates)
    if len(at_step) > 1:
        raise _ambiguous(
            given, f"several checkpoints of step {step}", [c.prefix for c in at_step]
        )
    return Location(given, at_step[0].prefix)


def _resolved(given: str, prefix: str, why: str) -> Finding:
    return Finding(KINDS["location-resolved"], given, f"using {prefix}: {why}")


def _ambiguous(given: str, what: str, choices: Sequence[str]) -> errors.LocationError:
    shown = near_misses.listing(choices)
    return errors.LocationError(
        f"{given} holds {what}: {shown}",
        path=given,
        findings=[Finding(KINDS["location-ambiguous"], given, f"{what}: {shown}")],
        hint=f"name one of them: {choices[-1]}",
    )
