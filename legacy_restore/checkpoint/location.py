"""From what a user types to a prefix.

Every entry point of the toolkit resolves locations here, and only here:

- a prefix, ``runs/model.ckpt-1000``;
- any file of a checkpoint: ``.index``, ``.data-00000-of-00001``, ``.meta``;
- a V1 checkpoint: its file, ``runs/model.ckpt-1000``, or any of its shards,
  ``runs/model.ckpt-1000-00000-of-00003``, or their pattern,
  ``runs/model.ckpt-1000-?????-of-00003``, or what they have in common;
- a directory, or ``directory@latest``: what its state file names if that is complete,
  else the highest step;
- ``directory@1000``: the prefix in it that ends in ``-1000``;
- a state file;
- a file that Keras saved, ``weights.h5`` or ``model.keras``;
- a SavedModel directory, or the ``saved_model.pb`` in it: its ``variables/variables``.

What exists literally wins; only then is the last ``@`` split off. There is always a
prefix or an error: TensorFlow's reader opens ``model.ckpt.index`` as a checkpoint
without tensors.
"""

from __future__ import annotations

import dataclasses
import os
import re
from typing import List, Optional, Union

from legacy_restore import errors
from legacy_restore.checkpoint import directory as directories
from legacy_restore.checkpoint import graph_files, near_misses
from legacy_restore.checkpoint.data_files import prefix_of_member
from legacy_restore.checkpoint.directory_location import (
    at_highest_step,
    at_step,
    of_state_file,
)
from legacy_restore.checkpoint.faults import unsupported
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.formats import open_reader
from legacy_restore.checkpoint.keras_files import keras_format_of
from legacy_restore.checkpoint.lookalikes import recognize
from legacy_restore.checkpoint.resolved import Location, ambiguous, resolved
from legacy_restore.checkpoint.state_file import is_state_file
from legacy_restore.checkpoint.table_blocks import is_table
from legacy_restore.checkpoint.v1_files import (
    ShardSet,
    is_v1_file,
    shard_set_of_file,
    shard_set_of_pattern,
    shard_sets_at,
    stem_of_open_pattern,
)
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.report.findings import KINDS, Finding

LocationLike = Union[str, "os.PathLike[str]"]

_STATE_FILE = "checkpoint"
_LATEST = "latest"
_STEP = re.compile(r"[0-9]{1,19}")  # An int64 has no more digits.
_SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")


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
    found = _resolve(os.fsdecode(os.fspath(location)))
    if not os.path.isfile(found.prefix + ".index") or not is_v1_file(found.prefix):
        return found
    preferred = Finding(
        KINDS["format-preferred"],
        found.prefix,
        "it is a V1 checkpoint itself; the V2 checkpoint of that name was taken, as "
        "TensorFlow does",
        hint="to read the V1 checkpoint, give its file another name",
    )
    return dataclasses.replace(found, findings=(*found.findings, preferred))


def _resolve(given: str) -> Location:
    if "://" in given:
        hint = "copy the checkpoint's files here and name their prefix"
        raise unsupported(given, "it is not on this machine", hint)
    if "\0" in given:
        raise near_misses.no_checkpoint(given, f"{given!r} holds a NUL byte")
    prefix_exists = os.path.isfile(given + ".index")
    if os.path.isdir(given):
        if prefix_exists:
            raise ambiguous(given, "both a directory and a prefix", [given + ".index"])
        return _in_directory(given, given, _LATEST)
    if prefix_exists:
        return Location(given, given)
    if os.path.exists(given):
        return _of_file(given)
    sharded = _of_shards(given, _shards_named(given), "it is the pattern of its files")
    if sharded is not None:
        return sharded
    directory, at, selector = given.rpartition("@")
    if at and os.path.isdir(directory):
        return _in_directory(given, directory, selector)
    raise near_misses.not_found(given)


def _of_file(given: str) -> Location:
    prefix_of_file = prefix_of_member(given)
    if prefix_of_file is not None:
        found = _of_member(given, prefix_of_file)
        if found is not None:
            return found
    directory, name = os.path.split(given)
    if name in _SAVED_MODEL_FILES:
        return _in_directory(given, directory, _LATEST)
    if is_v1_file(given):
        shards = shard_set_of_file(given)
        if shards is None:
            return Location(given, given)
        why = "it is a file of it"
        return Location(given, shards.pattern, (resolved(given, shards.pattern, why),))
    if keras_format_of(given) is not None:
        return Location(given, given)
    if is_state_file(given):  # Last, as it reads all of a file.
        return of_state_file(given, given)
    if prefix_of_file is not None:
        missing = prefix_of_file + ".index"
        if given.endswith(graph_files.META_SUFFIX):
            raise graph_files.lone_meta_graph(given, missing)
        raise near_misses.no_checkpoint(
            given,
            f"{given} belongs to a checkpoint without index: no {missing}",
            "copy all files of the checkpoint: .index and every .data file",
        )
    graph = graph_files.graph_without_tensors(given)
    if graph is not None:
        raise graph
    raise _unsupported_file(given)


def _of_member(given: str, prefix: str) -> Optional[Location]:
    """The checkpoint that a file belongs to by its name, if that is there."""
    is_graph = given.endswith(graph_files.META_SUFFIX)
    why = "it is a file of it"
    is_v2 = os.path.isfile(prefix + ".index")
    # Of the files called so, only the graph is ever beside V1 files.
    if is_v2 or (is_graph and is_v1_file(prefix)):
        return Location(given, prefix, (resolved(given, prefix, why),))
    if not is_graph:
        return None
    return _of_shards(given, shard_sets_at(prefix), why)


def _of_shards(given: str, found: List[ShardSet], why: str) -> Optional[Location]:
    """The V1 checkpoint of some shards, if there is one and no other."""
    if len(found) > 1:
        what = "checkpoints of several numbers of shards"
        raise ambiguous(given, what, [one.pattern for one in found])
    if not found:
        return None
    prefix = found[0].pattern
    findings = () if prefix == given else (resolved(given, prefix, why),)
    return Location(given, prefix, findings)


def _shards_named(given: str) -> List[ShardSet]:
    """The sets of V1 files that are there and that a text may mean."""
    named = shard_set_of_pattern(given) or shard_set_of_file(given)
    if named is not None and named.is_there():
        return [named]
    stem = stem_of_open_pattern(given)
    return shard_sets_at(given if stem is None else stem)


def _unsupported_file(given: str) -> errors.CheckpointError:
    try:
        file = PositionedFile(given)
    except (OSError, FormatError) as error:
        return unsupported(given, str(error))
    try:
        if is_table(file):  # Of another kind: reading it says which.
            open_reader(given).close()
        other = recognize(file)
    except errors.CheckpointError as error:
        return error
    except FormatError as error:
        return unsupported(given, str(error))
    finally:
        file.close()
    if other is not None:
        return unsupported(given, f"no checkpoint: it is {other}", other.hint)
    return unsupported(
        given,
        "no checkpoint; read are the formats V2 (.index and .data files) and V1 (one "
        "file, or one for each shard)",
    )


def _in_directory(given: str, directory: str, selector: str) -> Location:
    if _STEP.fullmatch(selector):
        return at_step(given, directory, int(selector))
    if selector != _LATEST:
        raise near_misses.no_checkpoint(
            given, f"{given}: behind the @ stands {selector!r}, not 'latest' or a step"
        )
    saved_model = _saved_model_prefix(directory)
    state_file = os.path.join(directory, _STATE_FILE)
    if saved_model is None:
        if os.path.isfile(state_file):
            return of_state_file(given, state_file)
        return at_highest_step(given, directory, ())
    rivals = [one.prefix for one in directories.list_candidates(directory)]
    if os.path.isfile(state_file):
        rivals.append(state_file)
    if rivals:
        what = "both a SavedModel and a directory of checkpoints"
        raise ambiguous(given, what, [saved_model, *rivals])
    if not os.path.isfile(saved_model + ".index"):
        missing = saved_model + ".index"
        raise graph_files.saved_model_without_variables(given, directory, missing)
    why = "the directory is a SavedModel"
    return Location(given, saved_model, (resolved(given, saved_model, why),))


def _saved_model_prefix(directory: str) -> Optional[str]:
    for name in _SAVED_MODEL_FILES:
        if os.path.isfile(os.path.join(directory, name)):
            return os.path.join(directory, "variables", "variables")
    return None
