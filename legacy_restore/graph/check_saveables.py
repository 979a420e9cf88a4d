"""Proving that saveable objects still equal their checkpoints.

A mutable table gives its entries in an order of its own: what is compared are pairs of
key and value. Of other objects nothing is known but their tensors: equal ones prove
them equal, different ones prove nothing.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Hashable, List, Optional, Sequence

import numpy as np

from legacy_restore import errors
from legacy_restore.checkpoint import TensorEntry
from legacy_restore.graph.saveables import OwnedSaveable
from legacy_restore.graph.tables import reserved_keys
from legacy_restore.graph.values import copied
from legacy_restore.planning.plan import Action, PlanRow
from legacy_restore.report.check_report import CheckRow, CheckStatus
from legacy_restore.restoring.reasons import reason_of
from legacy_restore.restoring.stored import StoredTensors
from legacy_restore.tf import tf

_Entries = Dict[Hashable, Hashable]


class _Unproved(Exception):
    """Nothing can be said, for the reason that is its text."""


def check_saveable(
    session: Any, stored: StoredTensors, owned: OwnedSaveable, rows: Sequence[PlanRow]
) -> List[CheckRow]:
    """Compares a saveable object of a session with its checkpoint.

    Args:
      session: The session.
      stored: What its checkpoint stores.
      owned: The object.
      rows: All of its rows.
    """
    made = [
        CheckRow(row.model, row.variable.name, row.key or "", CheckStatus.INITIALIZED)
        for row in rows
    ]
    entries = [row.entry for row in rows if row.entry is not None]
    if len(entries) < len(rows) or rows[0].action is Action.INITIALIZE:
        return made
    try:
        statuses = _compare(session, stored, owned, entries)
    except (_Unproved, errors.LegacyRestoreError) as error:
        reason = getattr(error, "message", str(error))
        return [
            dataclasses.replace(row, status=CheckStatus.UNPROVED, reason=reason)
            for row in made
        ]
    return [
        dataclasses.replace(row, status=status) for row, status in zip(made, statuses)
    ]


def _compare(
    session: Any,
    stored: StoredTensors,
    owned: OwnedSaveable,
    entries: Sequence[TensorEntry],
) -> List[CheckStatus]:
    values = _values(session, owned.tensors)
    if all(stored.equals(*pair) for pair in zip(entries, values)):
        return [CheckStatus.EQUAL] * len(values)
    if owned.table is None:
        kind = type(owned.saveable).__name__
        raise _Unproved(f"a {kind} may save one state in different ways")
    reserved: List[Hashable] = []
    tensors = reserved_keys(owned.table)
    if tensors is not None:
        keys = _values(session, tensors)
        reserved = [row for key in keys for row in _rows(key[np.newaxis])]
    kept = _entries([stored.read(entry.key) for entry in entries], reserved)
    if kept is None:
        raise _Unproved("the checkpoint has one key with several values")
    held = _entries(values, reserved)
    return [
        CheckStatus.EQUAL if is_equal else CheckStatus.CHANGED
        for is_equal in (
            held is not None and set(held) == set(kept),
            held == kept,
        )
    ]


def _values(session: Any, tensors: Sequence[Any]) -> List[np.ndarray]:
    try:
        return [copied(value) for value in session.run(list(tensors))]
    except tf.errors.CancelledError:
        raise  # The session was closed meanwhile.
    except (tf.errors.OpError, TypeError, ValueError) as error:
        raise _Unproved(f"its values cannot be had: {reason_of(error)}") from error


def _entries(
    values: Sequence[np.ndarray], reserved: Sequence[Hashable]
) -> Optional[_Entries]:
    """Values by key, or None where a key has several."""
    found: _Entries = {}
    for key, value in zip(*map(_rows, values)):
        if key not in reserved and found.setdefault(key, value) != value:
            return None
    return found


def _rows(array: np.ndarray) -> List[Hashable]:
    """What tells the entries along the first axis from each other, bit by bit."""
    if array.dtype == object:
        return [tuple(row.flat) for row in array[:, np.newaxis]]
    # One by one, as arrays, a million would take ten times as long.
    data, size = array.tobytes(), array.nbytes // max(len(array), 1)
    return [data[start * size : (start + 1) * size] for start in range(len(array))]
