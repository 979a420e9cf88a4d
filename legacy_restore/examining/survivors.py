"""Which tensors of a damaged checkpoint can be saved, and in which parts.

Nothing passes for more than it is. A tensor is taken whole if every byte of it matches
its checksums and what lists it is undamaged. One of which only some slices are sound is
lost, unless it is permitted by name: it becomes a tensor that says that slices are
missing, as TensorFlow writes them too, and that nobody reads as a whole. One about
which nobody can tell is lost likewise.
"""

from __future__ import annotations

import dataclasses
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple

from legacy_restore import errors
from legacy_restore.checkpoint.bundle_writer import encoded_key
from legacy_restore.checkpoint.copied_bytes import CopiedPart
from legacy_restore.checkpoint.reader import TensorReader
from legacy_restore.checkpoint.slice_specs import is_whole
from legacy_restore.checkpoint.slices import (
    Extent,
    TensorSlice,
    count_elements,
    slice_key,
)
from legacy_restore.checkpoint.tensor_entry import TensorEntry
from legacy_restore.checkpoint.verifying import Examined
from legacy_restore.examining.salvage_report import (
    SalvageRow,
    SalvageStatus,
    unused_waiver,
)
from legacy_restore.mapping.waivers import permitted, suggest, unused
from legacy_restore.report.findings import KINDS, Finding, FindingKind
from legacy_restore.report.verify_report import VerifyRow, VerifyStatus

UNDECIDED = "allow_undecided"
INCOMPLETE = "allow_incomplete"

_DAMAGED = (VerifyStatus.CORRUPT, VerifyStatus.MISSING)


@dataclasses.dataclass(frozen=True)
class Survivor:
    """A tensor that is saved.

    Attributes:
      entry: What the damaged checkpoint says about it.
      reader: What reads it.
      parts: The parts that are saved, in the order in which the reader gives them.
      shards: The file that each comes from.
    """

    entry: TensorEntry
    reader: TensorReader
    parts: Tuple[TensorSlice, ...]
    shards: Tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Survivors:
    """What becomes of each tensor.

    Attributes:
      rows: One for each tensor, in the order of the verdicts.
      taken: The tensors that are saved, in the order of their keys in an index.
      unused: Findings on waivers that permit nothing.
    """

    rows: Tuple[SalvageRow, ...]
    taken: Tuple[Survivor, ...]
    unused: Tuple[Finding, ...]


def find_survivors(
    examined: Examined, waivers: Mapping[str, Tuple[str, ...]]
) -> Survivors:
    """Decides about every tensor.

    Args:
      examined: The checkpoint, verified and open.
      waivers: The patterns of ``allow_undecided`` and ``allow_incomplete``.
    """
    return _Search(examined, waivers).find()


class _Fate(NamedTuple):
    row: SalvageRow
    survivor: Optional[Survivor]


class _NotTakenError(Exception):
    """A tensor cannot be saved, for the reason that is its text."""


class _Search:
    """Decides about the tensors of one checkpoint."""

    def __init__(
        self, examined: Examined, waivers: Mapping[str, Tuple[str, ...]]
    ) -> None:
        self._rows = examined.report.rows
        self._doubtful = examined.doubtful
        self._sources: Dict[str, Tuple[TensorReader, TensorEntry]] = {}
        readers = (examined.doubtful, examined.reader)
        for reader in [one for one in readers if one is not None]:
            for key, entry in reader.tensor_entries().items():
                self._sources[key] = reader, entry
        self._patterns = waivers
        keys = [row.key for row in self._rows]
        self._permitted = {
            argument: set(permitted(patterns, keys))
            for argument, patterns in waivers.items()
        }
        self._candidates: Dict[str, List[str]] = {UNDECIDED: [], INCOMPLETE: []}
        self._names: Set[bytes] = set()

    def find(self) -> Survivors:
        fates = [self._fate_of(row) for row in self._rows]
        taken = [one.survivor for one in fates if one.survivor is not None]
        taken.sort(key=lambda one: encoded_key(one.entry.key))
        whats = {
            UNDECIDED: "tensor of which nobody can tell",
            INCOMPLETE: "damaged tensor with a sound slice",
        }
        idle = [
            unused_waiver(argument, pattern, whats[argument])
            for argument, patterns in self._patterns.items()
            for pattern in unused(patterns, self._candidates[argument])
        ]
        return Survivors(tuple(one.row for one in fates), tuple(taken), tuple(idle))

    def _fate_of(self, row: VerifyRow) -> _Fate:
        if row.key not in self._sources:
            return _lost(row)
        reader, entry = self._sources[row.key]
        if row.status is VerifyStatus.UNDECIDED:
            return self._undecided(row, reader, entry)
        if row.status in _DAMAGED:
            return self._damaged(row, reader, entry)
        try:
            survivor = self._taken(entry, reader, list(reader.copied_parts(row.key)))
        except (errors.LegacyRestoreError, _NotTakenError) as error:
            return _lost(row, error)
        if row.status is VerifyStatus.OK:
            return _saved(row, SalvageStatus.SAVED, survivor)
        return _saved(row, SalvageStatus.INCOMPLETE, survivor)

    def _undecided(
        self, row: VerifyRow, reader: TensorReader, entry: TensorEntry
    ) -> _Fate:
        """Of a tensor about which nobody can tell, if it can be copied at all."""
        try:
            parts = list(reader.copied_parts(row.key))
            if len(_sound(parts)) < len(parts):
                return _lost(row)
            self._candidates[UNDECIDED].append(row.key)
            if row.key not in self._permitted[UNDECIDED]:
                return _lost(row, waiver=UNDECIDED)
            survivor = self._taken(entry, reader, parts)
        except (errors.LegacyRestoreError, _NotTakenError) as error:
            return _lost(row, error)
        kind = KINDS["tensor-unverified"]
        return _saved(row, SalvageStatus.UNVERIFIED, survivor, kind)

    def _damaged(
        self, row: VerifyRow, reader: TensorReader, entry: TensorEntry
    ) -> _Fate:
        """Of a tensor that is not sound as a whole; some of its slices may be."""
        # What is doubtful besides would have to be waived twice.
        if not entry.slices or reader is self._doubtful:
            return _lost(row)
        try:
            parts = _sound(list(reader.copied_parts(row.key)))
            if not any(count_elements(one.part.shape) for one in parts):
                return _lost(row)
            self._candidates[INCOMPLETE].append(row.key)
            if row.key not in self._permitted[INCOMPLETE]:
                return _lost(row, waiver=INCOMPLETE)
            survivor = self._taken(entry, reader, parts)
        except (errors.LegacyRestoreError, _NotTakenError) as error:
            return _lost(row, error)
        # Its other slices are lost, also where that is permitted.
        kind = KINDS["tensor-corrupt"] if row.finding is None else row.finding.kind
        return _saved(row, SalvageStatus.INCOMPLETE, survivor, kind)

    def _taken(
        self, entry: TensorEntry, reader: TensorReader, parts: List[CopiedPart]
    ) -> Survivor:
        """Takes a tensor, if a V2 checkpoint can hold it beside the others.

        Raises:
          _NotTakenError: It cannot.
        """
        full = [one for one in parts if count_elements(one.part.shape)]
        if not full and entry.num_elements:
            raise _NotTakenError("none of its elements is stored")
        # Slices without elements are none in TensorFlow.
        full = full or parts[:1]
        slices = tuple(one.part for one in full)
        self._claim(entry, slices)
        return Survivor(entry, reader, slices, tuple(one.shard for one in full))

    def _claim(self, entry: TensorEntry, slices: Iterable[TensorSlice]) -> None:
        """Claims the keys in the index; a hostile file may want one of them twice."""
        try:
            name = encoded_key(entry.key)
        except errors.UsageError as error:
            raise _NotTakenError(error.findings[0].message) from error
        names = {name}
        for part in slices:
            if not is_whole(part, entry.shape):
                extents = tuple(map(Extent, part.start, part.shape))
                names.add(slice_key(name, extents))
        if names & self._names:
            raise _NotTakenError("its key stands for part of another tensor too")
        self._names |= names


def _sound(parts: Iterable[CopiedPart]) -> List[CopiedPart]:
    """Reads parts and returns those that are undamaged; their chunks are used up."""
    found = []
    for one in parts:
        try:
            for _ in one.tensor.chunks:
                pass
        except errors.LegacyRestoreError:
            continue
        found.append(one)
    return found


def _lost(
    row: VerifyRow, error: Optional[Exception] = None, waiver: Optional[str] = None
) -> _Fate:
    finding = row.finding
    kind = KINDS["tensor-corrupt"] if finding is None else finding.kind
    reason, hint = row.reason, row.hint
    if isinstance(error, errors.LegacyRestoreError):
        told = error.findings[0]
        kind, reason, hint = told.kind, told.message, error.hint
    elif error is not None:
        reason = str(error)
    pair = None
    if waiver is not None:
        (pattern,) = suggest([row.key], [row.key, row.key + "/other"])
        pair = (waiver, pattern)
    lost = SalvageRow(
        row.key, SalvageStatus.LOST, reason, row.nbytes, 0, kind, hint, pair
    )
    return _Fate(lost, None)


def _saved(
    row: VerifyRow,
    status: SalvageStatus,
    survivor: Survivor,
    kind: Optional[FindingKind] = None,
) -> _Fate:
    nbytes = row.nbytes
    reason = row.reason
    kept, whole = len(survivor.parts), len(survivor.entry.parts)
    if kept < whole:
        nbytes = _nbytes_of(survivor)
        reason = f"{kept} of {whole} slices are sound and kept; {reason}"
    saved = SalvageRow(row.key, status, reason, row.nbytes, nbytes, kind)
    return _Fate(saved, survivor)


def _nbytes_of(survivor: Survivor) -> int:
    """Bytes of the parts that are saved; V1 lists none, and what they take counts."""
    entry = survivor.entry
    kept = set(survivor.parts)
    stored = survivor.reader.stored_parts(entry)
    sizes = [one.nbytes for one in stored if one.part in kept]
    if None not in sizes:
        return sum(size or 0 for size in sizes)
    elements = sum(count_elements(part.shape) for part in kept)
    return entry.nbytes * elements // max(entry.num_stored, 1)
