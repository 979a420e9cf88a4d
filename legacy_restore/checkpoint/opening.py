"""Opening a checkpoint: from a location to a mapping of tensors."""

from __future__ import annotations

import dataclasses
from typing import List, NamedTuple

from legacy_restore import errors
from legacy_restore.checkpoint.checkpoint import Checkpoint
from legacy_restore.checkpoint.faults import not_there
from legacy_restore.checkpoint.formats import open_reader
from legacy_restore.checkpoint.location import LocationLike, resolve_location
from legacy_restore.checkpoint.reader import TensorReader
from legacy_restore.checkpoint.resolved import Location
from legacy_restore.report.findings import KINDS, Finding

# A training job deletes its oldest checkpoint with each one that it writes.
_MAX_ATTEMPTS = 5

_DELETED = "it was deleted while it was opened"


def open_checkpoint(location: LocationLike) -> Checkpoint:
    """Opens a checkpoint for reading, without TensorFlow.

    The formats V1 and V2 are read, and files of Keras. What lists the tensors is read
    and verified at once, tensors when they are asked for. What is open stays readable,
    even if a training job deletes or overwrites the files. When the newest checkpoint
    of a directory is deleted while it is opened, the one that is the newest then is
    taken, and ``findings`` say so.

    Args:
      location: A prefix, any file of the checkpoint, a pattern of its shards, a
        directory, ``dir@latest``, ``dir@12000``, a state file, a file that Keras saved
        (``.h5``, ``.keras``; by content, with the extra ``h5py``), or a SavedModel
        directory.

    Returns:
      A read-only mapping from keys to arrays, and a context manager.

    Raises:
      LocationError: No checkpoint is there, several could be meant, or the one with
        this prefix was deleted while it was opened.
      CorruptCheckpointError: What lists the tensors is damaged. Faults of the data
        are in ``findings`` as far as they are known, and raised when an affected
        tensor is read.
      UnsupportedCheckpointError: The checkpoint is of a kind that is not read.
      MissingDependencyError: It is compressed with snappy, and ``cramjam`` is
        not installed.
    """
    opened = open_located(location, resolve_location(location))
    return Checkpoint(opened.reader, opened.location)


class OpenedReader(NamedTuple):
    """A reader, and where its checkpoint was found."""

    reader: TensorReader
    location: Location


def open_located(given: LocationLike, found: Location) -> OpenedReader:
    """Opens what a location was resolved to, or the next newest if that vanishes.

    Args:
      given: The location.
      found: What it was resolved to.

    Raises:
      CheckpointError: As ``open_checkpoint``.
      MissingDependencyError: As ``open_checkpoint``.
    """
    vanished: List[Finding] = []
    while True:
        try:
            reader = open_reader(found.prefix)
            break
        except errors.LocationError:
            again = _resolve_again(given, found.prefix)
            if again.prefix == found.prefix or len(vanished) == _MAX_ATTEMPTS:
                raise
            message = f"{_DELETED}; {again.prefix} was taken"
            kind = KINDS["checkpoint-vanished"]
            vanished.append(Finding(kind, found.prefix, message))
            found = again
    findings = (*vanished, *found.findings)
    return OpenedReader(reader, dataclasses.replace(found, findings=findings))


def _resolve_again(location: LocationLike, vanished: str) -> Location:
    try:
        return resolve_location(location)
    except errors.LocationError as error:
        raise not_there(vanished, _DELETED) from error


def open_prefix(prefix: str) -> Checkpoint:
    """Opens the checkpoint with a prefix to which a location was resolved before.

    As a location the same text might mean something else: a directory of that name.

    Raises:
      CheckpointError: As ``open_checkpoint``.
      MissingDependencyError: As ``open_checkpoint``.
    """
    return Checkpoint(open_reader(prefix), Location(prefix, prefix))
