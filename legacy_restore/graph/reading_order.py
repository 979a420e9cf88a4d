"""Which variables of a model are read together, by one ``RestoreV2``.

None of ours reads a key twice, as no Saver does. And one ``RestoreV2`` reads
one tensor after the other (``RestoreTensorsV2`` in ``tensorflow/core/kernels/
save_restore_tensor.cc``; only tensors of more than 16 million elements are read at
once), so that a large model is read in several, which run in parallel. Each has a range
of the keys, as the keys' order is that of the file.
"""

from __future__ import annotations

import collections
from typing import Dict, Iterable, List, Sequence

from legacy_restore.planning.plan import PlanRow, rows_by_source

# What it takes to begin one more read is nothing beside the time of so many bytes.
_MIN_BYTES = 64 << 20
_MAX_READS = 4

Unit = List[PlanRow]
"""The rows of a variable, or of one saveable object: they are restored together."""


def units_of(rows: Iterable[PlanRow]) -> List[Unit]:
    """Puts the rows of each saveable object together."""
    units: Dict[str, Unit] = {}
    for row in rows:
        units.setdefault(row.variable.saved_with or row.variable.name, []).append(row)
    return list(units.values())


def read_together(rows: Iterable[PlanRow]) -> List[List[Unit]]:
    """Returns groups of what is restored; in none of them have two rows one key."""
    found: List[List[Unit]] = []
    # What is converted is fed: all that one operation would read.
    for alike in rows_by_source(rows):
        for units in _with_keys_of_their_own(units_of(alike)):
            found += _ranges(units)
    return found


def _with_keys_of_their_own(units: Sequence[Unit]) -> List[List[Unit]]:
    groups: List[List[Unit]] = []
    seen: Dict[str, int] = collections.defaultdict(int)
    for unit in units:
        place = max(seen[str(row.key)] for row in unit)
        if place == len(groups):
            groups.append([])
        groups[place].append(unit)
        seen.update((str(row.key), place + 1) for row in unit)
    return groups


def _ranges(units: List[Unit]) -> List[List[Unit]]:
    """Cuts a group into ranges of about the same size, in the order of the keys."""
    total = sum(_size(unit) for unit in units)
    count = max(1, min(_MAX_READS, total // _MIN_BYTES))
    if count == 1:
        return [units]
    found: List[List[Unit]] = [[]]
    read = 0
    for unit in sorted(units, key=lambda one: str(one[0].key)):
        if found[-1] and read * count >= total * len(found):
            found.append([])
        found[-1].append(unit)
        read += _size(unit)
    return found


def _size(unit: Unit) -> int:
    return sum(row.stored_bytes for row in unit)
