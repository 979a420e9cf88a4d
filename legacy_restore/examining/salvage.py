"""Saving what is good of a damaged checkpoint, without TensorFlow."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint.bundle_writer import BundleWriter
from legacy_restore.checkpoint.joining import add_copied
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.checkpoint.objects import decode_objects
from legacy_restore.checkpoint.placing import META, PrefixLike, files_of
from legacy_restore.checkpoint.resolved import Location
from legacy_restore.checkpoint.tensor_entry import OBJECT_GRAPH_KEY
from legacy_restore.checkpoint.v1_files import stem_of
from legacy_restore.checkpoint.verifying import (
    Examined,
    examine_checkpoint,
    locate_damaged,
)
from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.checkpoint.writing import checked_target
from legacy_restore.examining.salvage_report import SalvageReport
from legacy_restore.examining.survivors import (
    INCOMPLETE,
    UNDECIDED,
    Survivor,
    Survivors,
    find_survivors,
)
from legacy_restore.graphdef.files import read_saved_graph
from legacy_restore.mapping.waivers import check_patterns
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.report.table import cut_names, human_bytes

_log = logging.getLogger("legacy_restore")

# How much is written from one line of progress to the next.
_PROGRESS_BYTES = 256 << 20


def salvage(
    location: LocationLike,
    prefix: PrefixLike,
    *,
    overwrite: bool = False,
    allow_undecided: Sequence[str] = (),
    allow_incomplete: Sequence[str] = (),
) -> SalvageReport:
    """Writes a V2 checkpoint of the good tensors of a damaged one.

    Good is a tensor of which every byte matches its checksums (in the format V1 those
    of the blocks that it is in) and which undamaged blocks list. Everything is verified
    first, and once more while it is copied. Stored bytes are copied and not decoded:
    dtypes that NumPy lacks, slices, and tensors of which TensorFlow stored only some
    slices stay what they are. A big-endian checkpoint becomes a little-endian one. What
    is written is read back before it takes its name, and on failure nothing is left. A
    chunk of a tensor is in memory at a time; of the format V1 one slice.

    A tensor with a slice that is damaged or missing is lost as a whole. The object
    graph of an object-based checkpoint is a tensor like others and stays as it is, also
    if tensors that it names are lost. A graph beside the input (``.meta``) is copied if
    it can be read; it has no checksum.

    Args:
      location: What ``verify_checkpoint`` takes; files of it may be missing. It is
        never written to.
      prefix: Path stem of the files to write, in a directory that is there. They are as
        many data files as those are that saved tensors come from.
      overwrite: Permits to replace another checkpoint that has the prefix, with all of
        its files.
      allow_undecided: Patterns of keys to take although nobody can tell whether they
        are right: listed by a damaged block of the index, or of an unknown dtype.
      allow_incomplete: Patterns of keys of which the sound slices are to be kept. The
        tensor then says of itself that the others are missing, and is refused wherever
        it is wanted whole.

    Returns:
      What was saved and what was lost. ``written`` is None if nothing could be saved.

    Raises:
      UsageError: The prefix cannot be written to, is that of the input, or a pattern is
        none.
      LocationError: No checkpoint is there, or several could be meant.
      UnsupportedCheckpointError: What is there is no checkpoint that is read.
      CorruptCheckpointError: The input was changed meanwhile.
      WriteError: There is a checkpoint already, a waiver permits nothing, or the system
        refuses.
    """
    waivers = {
        UNDECIDED: check_patterns(UNDECIDED, allow_undecided),
        INCOMPLETE: check_patterns(INCOMPLETE, allow_incomplete),
    }
    target = checked_target(prefix)
    found = locate_damaged(location)
    _refuse_input(found, target)
    # It refuses what is there already before all of the input is read.
    BundleWriter(target, overwrite=overwrite)
    with examine_checkpoint(found.prefix, found) as examined:
        survivors = find_survivors(examined, waivers)
        if not survivors.taken:
            return _report(examined, survivors, None, survivors.unused)
        if survivors.unused:
            text = refusal_text(f"{target} is not written", survivors.unused)
            raise errors.WriteError(text, findings=survivors.unused)
        notes = _write(found, survivors.taken, target, overwrite)
        notes += _notes_on_objects(survivors.taken, target)
        return _report(examined, survivors, target, notes)


def _report(
    examined: Examined,
    survivors: Survivors,
    written: Optional[str],
    notes: Iterable[Finding],
) -> SalvageReport:
    verified = examined.report
    return SalvageReport(
        location=verified.location,
        prefix=verified.prefix,
        format=verified.format,
        written=written,
        opens=examined.opens,
        rows=survivors.rows,
        notes=(*verified.file_findings, *notes),
    )


def _refuse_input(found: Location, target: str) -> None:
    """Refuses to write over a file of the input.

    Raises:
      UsageError: One would be replaced.
    """
    shared = _identities(stem_of(found.prefix)) & _identities(target)
    if shared or os.path.abspath(target) == os.path.abspath(stem_of(found.prefix)):
        raise errors.UsageError(
            f"{target!r} is the checkpoint that is read: salvaging never writes over "
            "its input",
            hint="another prefix",
        )


def _identities(prefix: str) -> Set[Tuple[int, int]]:
    """Which files a checkpoint consists of, whatever the paths that lead to them."""
    try:
        paths = files_of(prefix)
    except OSError:  # Where nothing can be listed nothing can be written either.
        return set()
    found = set()
    for path in paths:
        with contextlib.suppress(OSError):  # Such as a link that leads nowhere.
            status = os.stat(path)
            found.add((status.st_dev, status.st_ino))
    return found


def _write(
    found: Location, taken: Sequence[Survivor], target: str, overwrite: bool
) -> List[Finding]:
    """Writes the tensors, and the graph beside them; returns what there is to say.

    Raises:
      CorruptCheckpointError: A tensor has changed since it was verified.
      WriteError: The checkpoint cannot be written.
    """
    # Without gaps, as files may be lost; an index may also declare any number.
    shards = sorted({shard for one in taken for shard in one.shards})
    numbers = {shard: number for number, shard in enumerate(shards)}
    with BundleWriter(target, len(shards), overwrite=overwrite) as writer:
        done = told = 0
        for one in taken:
            try:
                _copy(writer, one, numbers)
            except errors.CheckpointError as error:
                raise _changed(found.prefix, one.entry.key, error) from error
            done += one.entry.nbytes
            if done - told >= _PROGRESS_BYTES:
                told = done
                _log.debug("saved %s", human_bytes(done))
        notes = _copy_graph(writer, stem_of(found.prefix), target)
        writer.finish()
    return notes


def _copy(writer: BundleWriter, one: Survivor, numbers: Mapping[int, int]) -> None:
    """Writes a tensor, each part to the data file that has the number of its own."""
    key, wanted = one.entry.key, set(one.parts)
    parts = (part for part in one.reader.copied_parts(key) if part.part in wanted)
    add_copied(writer, key, one.entry, parts, numbers)


def _changed(
    prefix: str, key: str, error: errors.CheckpointError
) -> errors.CorruptCheckpointError:
    finding = Finding(KINDS["checkpoint-changed"], key, error.findings[0].message)
    text = f"{prefix} was changed while it was read; nothing was written"
    return errors.CorruptCheckpointError(
        refusal_text(text, [finding]), path=prefix, findings=[finding]
    )


def _copy_graph(writer: BundleWriter, stem: str, target: str) -> List[Finding]:
    path = stem + META
    if not os.path.isfile(path):
        return []
    try:
        read_saved_graph(path)
    except errors.CheckpointError as error:
        reason = f"it is not copied: {error.findings[0].message}"
        return [Finding(KINDS["graph-not-read"], path, reason)]
    writer.copy_graph(path)
    reason = (
        f"to {target}{META}; it can be read, but has no checksum, and its Saver names "
        "tensors that may be lost"
    )
    return [Finding(KINDS["graph-copied"], path, reason)]


def _notes_on_objects(taken: Sequence[Survivor], target: str) -> List[Finding]:
    """Says which keys the object graph names that were not saved."""
    graphs = [one for one in taken if one.entry.key == OBJECT_GRAPH_KEY]
    if not graphs or (graphs[0].entry.dtype, graphs[0].entry.shape) != ("string", ()):
        return []
    try:
        data = graphs[0].reader.read_string(OBJECT_GRAPH_KEY)
        objects = decode_objects(data, [one.entry.key for one in taken])
    except (errors.LegacyRestoreError, FormatError) as error:
        return [Finding(KINDS["graph-not-read"], OBJECT_GRAPH_KEY, str(error))]
    if not objects.missing_keys:
        return []
    message = (
        f"{len(objects.missing_keys)} of its keys are lost: "
        f"{cut_names(objects.missing_keys)}"
    )
    return [Finding(KINDS["object-key-missing"], target, message)]
