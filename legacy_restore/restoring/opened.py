"""The checkpoint that a plan is made from: its index, and what tells its files."""

from __future__ import annotations

import dataclasses
import logging
from typing import Dict, Iterable, Mapping, Optional, Sequence

from legacy_restore import errors
from legacy_restore.checkpoint import Checkpoint, open_checkpoint
from legacy_restore.checkpoint.faults import unsupported
from legacy_restore.checkpoint.files import FileIdentity, absolute_path, identity_of
from legacy_restore.checkpoint.keras_files import HDF5, KERAS
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.checkpoint.objects import ObjectGraph
from legacy_restore.planning.spec import Source

_log = logging.getLogger("legacy_restore")


@dataclasses.dataclass(frozen=True)
class Opened:
    """A model's checkpoint as it was when the plan was made.

    Attributes:
      source: What a plan needs to know of it.
      checkpoint: The checkpoint; only its index was read.
      prefix: Its prefix, absolute: the directory may change before the restore.
      paths: The paths of its files, absolute.
      stamps: What tells each of its files from another, by absolute path; None stands
        for one that is not there. The index of a V2 checkpoint beside V1 files is
        among them: TensorFlow would read that instead.
    """

    source: Source
    checkpoint: Checkpoint
    prefix: str
    paths: Sequence[str]
    stamps: Mapping[str, Optional[FileIdentity]]


def open_for_plan(location: LocationLike) -> Opened:
    """Opens a checkpoint and reads its index.

    Raises:
      CheckpointError: There is none, or it cannot be read.
      MissingDependencyError: It takes an optional package to read it.
    """
    # Nothing stays open with a plan.
    with open_checkpoint(location) as checkpoint:
        entries = {entry.key: entry for entry in checkpoint.entries()}
        findings = checkpoint.findings
        objects = _objects_of(checkpoint)
        keras_datasets = checkpoint.keras_datasets()
    _log.debug("opened %s: %d tensors", checkpoint.prefix, len(entries))
    source = Source(
        location=checkpoint.location,
        format=checkpoint.format,
        entries=entries,
        # Tensors of which slices are missing matter where a variable wants one.
        findings=tuple(one for one in findings if one.id != "incomplete-tensor"),
        objects=objects,
        keras_datasets=keras_datasets,
    )
    paths = [absolute_path(path) for path in checkpoint.paths()]
    prefix = absolute_path(checkpoint.prefix)
    return Opened(
        source, checkpoint, prefix, paths, file_stamps([*paths, prefix + ".index"])
    )


def open_for_graph(location: LocationLike) -> Opened:
    """Opens a checkpoint that operations of a graph are going to read.

    Raises:
      CheckpointError: There is none, it cannot be read, or TensorFlow cannot read it.
      MissingDependencyError: It takes an optional package to read it.
    """
    opened = open_for_plan(location)
    if opened.checkpoint.format in (HDF5, KERAS):
        raise unsupported(
            opened.checkpoint.prefix,
            "TensorFlow restores graphs from checkpoints, not from files of Keras",
            "write_checkpoint(prefix, open_checkpoint(file)), and name the prefix",
        )
    return opened


def _objects_of(checkpoint: Checkpoint) -> Optional[ObjectGraph]:
    """The object graph, which nothing is restored by: a damaged one is none."""
    try:
        return checkpoint.objects
    except errors.CheckpointError:
        return None


def file_stamps(paths: Iterable[str]) -> Dict[str, Optional[FileIdentity]]:
    """Returns what tells files from others, by path; None for absent ones."""
    return {path: identity_of(path) for path in paths}
