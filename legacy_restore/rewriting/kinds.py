"""From one kind of checkpoint to the other: by name, as a Saver has it, or by object.

What decides is pure (``object_layout``, ``name_layout``); here files are read and
written. Bytes are copied as they are stored; what is stored in slices is joined, as
TensorFlow puts slices together for some dtypes only and object-based checkpoints have
none (``HANDLE_COPY`` in ``tensor_bundle.cc``).
"""

from __future__ import annotations

import collections
import os
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Set

import numpy as np

from legacy_restore import errors
from legacy_restore.checkpoint import dtypes
from legacy_restore.checkpoint.bundle_writer import BundleWriter, encoded_key
from legacy_restore.checkpoint.checkpoint import Checkpoint
from legacy_restore.checkpoint.faults import unsupported
from legacy_restore.checkpoint.joining import add_copied
from legacy_restore.checkpoint.location import LocationLike
from legacy_restore.checkpoint.object_graph_writer import encode_object_graph
from legacy_restore.checkpoint.opening import open_checkpoint
from legacy_restore.checkpoint.placing import PrefixLike
from legacy_restore.checkpoint.tensor_bytes import stored_array
from legacy_restore.checkpoint.tensor_entry import OBJECT_GRAPH_KEY, TensorEntry
from legacy_restore.checkpoint.v1_files import stem_of
from legacy_restore.checkpoint.writing import checked_target
from legacy_restore.mapping.waivers import check_patterns, permitted, suggest, unused
from legacy_restore.report.findings import KINDS, Finding, errors_of
from legacy_restore.report.refusal import refusal_text
from legacy_restore.report.table import cut_names
from legacy_restore.rewriting.conversion_report import ConversionReport, ConvertedKey
from legacy_restore.rewriting.name_layout import name_layout
from legacy_restore.rewriting.object_layout import (
    SAVE_COUNTER,
    ObjectLayout,
    object_layout,
)

# As many saves as there were: a Checkpoint that is saved next counts on.
_ONE_SAVE = 1

# TensorFlow looks for it in a key without regard to how names are escaped
# (extract_local_name in tensorflow/python/trackable/trackable_utils.py).
_END_OF_PATH = ".ATTRIBUTES"


def to_object_based(
    source: LocationLike,
    target: PrefixLike,
    *,
    overwrite: bool = False,
    allow_unused: Sequence[str] = (),
) -> ConversionReport:
    """Writes a name-based checkpoint as one that ``tf.train.Checkpoint`` restores.

    Each key becomes a path of attributes: ``encoder/dense/kernel`` is restored into
    ``encoder.dense.kernel`` of a ``tf.train.Checkpoint(encoder=...)``, be those modules
    or dictionaries. What is below a variable, such as
    ``w/ExponentialMovingAverage``, stands beside it under a name with a slash. Complete
    slots of one optimizer of ``tf.compat.v1.train`` are what that optimizer keeps, for
    ``tf.train.Checkpoint(..., optimizer=tf.compat.v1.train.AdamOptimizer(...))``. A
    ``save_counter`` is always written.

    Args:
      source: What ``open_checkpoint`` takes; it is never written to.
      target: Path stem of the files to write, in a directory that is there.
      overwrite: Permits to replace another checkpoint that has the prefix.
      allow_unused: Patterns of keys to leave out where they cannot be converted.

    Returns:
      Which key became which.

    Raises:
      CheckpointError: The source cannot be read, is damaged, or is object-based.
      WriteError: A key cannot be converted, a waiver permits nothing, there is a
        checkpoint already, or the system refuses. Nothing is left.
      UsageError: The target is the source or cannot be written to.
    """
    patterns = check_patterns("allow_unused", allow_unused)
    with _opened(source, target, overwrite) as checkpoint:
        if checkpoint.is_object_based:
            raise unsupported(checkpoint.prefix, "it is object-based already")
        told = {entry.key: _object_fault(entry) for entry in checkpoint.entries()}
        faults = {key: why for key, why in told.items() if why is not None}
        conversion = _Conversion(checkpoint, checked_target(target), "object")
        left = conversion.permit(faults, patterns)
        layout = object_layout(e for e in checkpoint.entries() if e.key not in left)
        conversion.remark(
            "slot-by-path",
            layout.slots_by_path,
            "of more than one optimizer, or not all there",
        )
        conversion.write(layout.sources, _made_of(layout), overwrite)
        return conversion.report(layout.sources, left)


def to_name_based(
    source: LocationLike,
    target: PrefixLike,
    *,
    overwrite: bool = False,
    allow_unused: Sequence[str] = (),
) -> ConversionReport:
    """Writes an object-based checkpoint as one that ``tf.compat.v1.train.Saver`` reads.

    A variable is saved under the name that it had when it was saved (``full_name``) if
    it alone has that, else under its path. Slots of an optimizer of
    ``tf.compat.v1.train`` are named as a graph names them, ``w/Adam_1``.

    Args:
      source: What ``open_checkpoint`` takes; it is never written to.
      target: Path stem of the files to write, in a directory that is there.
      overwrite: Permits to replace another checkpoint that has the prefix.
      allow_unused: Patterns of keys to leave out where they cannot be converted.

    Returns:
      Which key became which.

    Raises:
      CheckpointError: The source cannot be read, is damaged, or is name-based.
      WriteError: A key cannot be converted, a waiver permits nothing, there is a
        checkpoint already, or the system refuses. Nothing is left.
      UsageError: The target is the source or cannot be written to.
    """
    patterns = check_patterns("allow_unused", allow_unused)
    with _opened(source, target, overwrite) as checkpoint:
        objects = checkpoint.objects
        if objects is None:
            raise unsupported(checkpoint.prefix, "it is name-based already")
        layout = name_layout(objects)
        faults = {**_name_faults(checkpoint, layout.names), **layout.faults}
        conversion = _Conversion(checkpoint, checked_target(target), "name")
        left = conversion.permit(faults, patterns)
        conversion.findings += objects.findings(checkpoint.prefix)
        conversion.remark(
            "named-by-path", layout.by_path, "several variables have one name, or none"
        )
        conversion.remark(
            "not-converted", layout.left, "no name-based checkpoint has that"
        )
        sources = {name: key for key, name in layout.names.items() if key not in left}
        conversion.write(sources, {}, overwrite)
        return conversion.report(sources, [*left, *layout.left, OBJECT_GRAPH_KEY])


class _Conversion:
    """One checkpoint on its way to the other kind."""

    def __init__(self, checkpoint: Checkpoint, target: str, kind: str) -> None:
        self._checkpoint = checkpoint
        self._target = target
        self._kind = kind
        self._made: Mapping[str, np.ndarray] = {}
        self.findings: List[Finding] = list(checkpoint.findings)

    def permit(
        self, faults: Mapping[str, str], patterns: Sequence[str]
    ) -> Dict[str, str]:
        """Returns the keys to leave out, each with the pattern that permits it.

        Raises:
          WriteError: Some are not permitted, or a pattern permits nothing.
        """
        left = permitted(patterns, faults)
        refused = [key for key in sorted(faults) if key not in left]
        hints = suggest(refused, self._checkpoint)
        hint = ", ".join(f"--allow_unused={one!r}" for one in hints[:3])
        found = [
            Finding(
                KINDS["not-representable"],
                key,
                faults[key],
                hint=f"to leave it out: {hint}",
                waiver=("allow_unused", suggest([key], [key])[0]),
            )
            for key in refused
        ]
        found += [
            Finding(KINDS["unused-waiver"], one, "allow_unused: no such key is refused")
            for one in unused(patterns, faults)
        ]
        if found:
            text = refusal_text(f"{self._target} is not written", found)
            raise errors.WriteError(text, findings=found)
        self.remark("not-converted", sorted(left), "as allow_unused permits")
        return left

    def remark(self, kind: str, keys: Sequence[str], why: str) -> None:
        """Adds a remark on some keys, if there are any."""
        if keys:
            message = f"{len(keys)}: {cut_names(keys)}: {why}"
            self.findings.append(Finding(KINDS[kind], self._checkpoint.prefix, message))

    def write(
        self,
        sources: Mapping[str, str],
        made: Mapping[str, np.ndarray],
        overwrite: bool,
    ) -> None:
        """Writes the tensors under their new keys, and those that were made.

        Raises:
          WriteError: There is nothing to write, or the system refuses.
        """
        self._made = made
        if not sources:
            raise errors.WriteError(f"there is no tensor to write to {self._target}")
        with BundleWriter(self._target, overwrite=overwrite) as writer:
            for key in sorted([*sources, *made], key=encoded_key):
                if key in made:
                    dtype = "string" if made[key].dtype == object else "int64"
                    tensor = stored_array(made[key], dtypes.BY_NAME[dtype])
                    writer.add(key, tensor)
                else:
                    self._copy(writer, key, self._checkpoint.entry(sources[key]))
            writer.finish()

    def _copy(self, writer: BundleWriter, key: str, entry: TensorEntry) -> None:
        if entry.slices:
            array = self._checkpoint[entry.key]
            writer.add(key, stored_array(array, dtypes.BY_NAME[entry.dtype]))
            return
        one_file: Mapping[int, int] = collections.defaultdict(int)
        parts = self._checkpoint.copied_parts(entry.key)
        add_copied(writer, key, entry, parts, one_file)

    def report(
        self, sources: Mapping[str, str], left: Iterable[str]
    ) -> ConversionReport:
        """Returns what became of each key."""
        new_keys = {key: new for new, key in sources.items()}
        new_keys.update(dict.fromkeys(left))  # type: ignore[arg-type]
        rows = [ConvertedKey(key, new_keys[key]) for key in sorted(new_keys)]
        rows += [ConvertedKey(None, key) for key in sorted(self._made)]
        return ConversionReport(
            self._checkpoint.prefix,
            self._checkpoint.format,
            self._target,
            self._kind,
            tuple(rows),
            tuple(self.findings),
        )


def _opened(source: LocationLike, target: PrefixLike, overwrite: bool) -> Checkpoint:
    """Opens the source, if all of it is there and the target is something else.

    Raises:
      CheckpointError: It cannot be opened, or files of it are missing.
      UsageError: The target is the source.
      WriteError: There is a checkpoint under the target's prefix.
    """
    wanted = checked_target(target)
    checkpoint = open_checkpoint(source)
    try:
        refuse_target(wanted, checkpoint, overwrite)
        faults = errors_of(checkpoint.findings)
        if faults:
            text = refusal_text(f"{checkpoint.prefix} is not converted", faults)
            raise errors.CorruptCheckpointError(
                text, path=checkpoint.prefix, findings=faults
            )
    except BaseException:
        checkpoint.close()
        raise
    return checkpoint


def refuse_target(target: str, source: Checkpoint, overwrite: bool) -> None:
    """Raises if there may be no checkpoint written under a prefix.

    Args:
      target: The prefix.
      source: The checkpoint that is read.
      overwrite: Whether another checkpoint that has the prefix may be replaced.

    Raises:
      UsageError: It is the source's.
      WriteError: There is a checkpoint under it.
    """
    own = _files([*source.paths(), stem_of(source.prefix)])
    if own & _files([target, target + ".index"]):
        raise errors.UsageError(
            f"{target!r} is the checkpoint that is read, which is never written to",
            hint="another prefix",
        )
    BundleWriter(target, overwrite=overwrite)  # It refuses what is there already.


def _files(paths: Iterable[str]) -> Set[str]:
    return {os.path.realpath(path) for path in paths}


def _object_fault(entry: TensorEntry) -> Optional[str]:
    """Why a tensor cannot be that of an object; None if it can."""
    try:
        entry.key.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is no UTF-8, as names of objects are"
    if any(part.endswith(_END_OF_PATH) for part in entry.key.split("/")):
        return f"TensorFlow takes {_END_OF_PATH} for the end of a path"
    if entry.key == SAVE_COUNTER and (entry.dtype, entry.shape) != ("int64", ()):
        return "tf.train.Checkpoint keeps its int64 counter of saves under this name"
    if not entry.is_complete:
        return "only some slices of it are in the file"
    return None


def _name_faults(checkpoint: Checkpoint, names: Mapping[str, str]) -> Dict[str, str]:
    incomplete = [key for key in names if not checkpoint.entry(key).is_complete]
    return dict.fromkeys(incomplete, "only some slices of it are in the file")


def _made_of(layout: ObjectLayout) -> Dict[str, np.ndarray]:
    """What an object-based checkpoint has besides the tensors of the other."""
    graph = np.empty((), object)
    graph[()] = encode_object_graph(layout.nodes)
    made = {OBJECT_GRAPH_KEY: graph}
    if layout.counter_key is not None:
        made[layout.counter_key] = np.array(_ONE_SAVE, np.int64)
    return made
