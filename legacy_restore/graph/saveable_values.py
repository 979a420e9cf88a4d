"""Keeping the values of saveable objects while others are restored in their place."""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, List, Sequence

import numpy as np

from legacy_restore import errors
from legacy_restore.graph.restore_group import RestoreGroup, nothing_read
from legacy_restore.graph.saveables import OwnedSaveable
from legacy_restore.graph.tables import reserved_keys
from legacy_restore.graph.values import copied
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.restoring.reasons import reason_of
from legacy_restore.tf import tf


@contextlib.contextmanager
def objects_kept(
    session: Any, groups: Sequence[RestoreGroup], others: Sequence[RestoreGroup]
) -> Iterator[None]:
    """Puts a model's saveable objects back as they were if what is done within fails.

    They are restored from what they gave, by the operations that restore them from a
    checkpoint: those are fed in the place of what would be read.

    Args:
      session: The session.
      groups: What restores the model.
      others: Those of the models that are restored behind the same barrier.

    Raises:
      RestoreError: An object does not give its values; nothing was changed.
    """
    objects = [one for group in groups for one in group.objects]
    kept: List[Dict[str, Any]] = [_values(session, one.owned) for one in objects]
    try:
        yield
    except BaseException:
        # One that cannot be put back must not keep the others from it.
        failed: List[Exception] = []
        for one, values in zip(objects, kept):
            try:
                session.run(one.restored, _feeds([*groups, *others], values))
            except Exception as error:
                failed.append(error)
        if failed:
            raise errors.RestoreError(
                "the restore failed, and a table could not be put back: "
                f"{reason_of(failed[0])}"
            ) from failed[0]
        raise


def has_entries(session: Any, owned: OwnedSaveable) -> bool:
    """Returns whether a mutable table has entries in a session."""
    keys = np.asarray(session.run(owned.tensors[0]))
    reserved = reserved_keys(owned.table)
    if reserved is None:
        return bool(keys.size)
    free = [np.reshape(one, -1).tolist() for one in session.run(list(reserved))]
    rows = np.reshape(keys, [len(keys), -1]).tolist() if keys.size else []
    return any(row not in free for row in rows)


def _feeds(groups: Sequence[RestoreGroup], values: Dict[str, Any]) -> Dict[Any, Any]:
    """What to feed so that nothing is read, and given values are restored."""
    feeds = nothing_read(groups)
    for one in groups:
        feeds.update(one.values_read(values))
    return feeds


def _values(session: Any, owned: Any) -> Dict[str, np.ndarray]:
    try:
        values = session.run(list(owned.tensors))
    except tf.errors.CancelledError:
        raise  # The session was closed meanwhile.
    except (tf.errors.OpError, TypeError, ValueError) as error:
        finding = Finding(
            KINDS["saveable-object"],
            owned.rows[0].name,
            f"it does not give its values: {reason_of(error)}",
            hint="restore into a new session, from this checkpoint",
        )
        text = "the values cannot be kept meanwhile; nothing was changed"
        raise errors.RestoreError(
            refusal_text(text, [finding]), findings=[finding]
        ) from error
    return {row.name: copied(value) for row, value in zip(owned.rows, values)}
