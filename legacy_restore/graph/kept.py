"""Keeping the values of variables while others are restored in their place.

They are put back by the operations that restore them from a checkpoint: what was kept
is fed in the place of what would be read. So that takes no operation of its own, and
none of the graph's constants has to permit to be fed, as ``Variable.load`` needs.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any, FrozenSet, Iterator, List, Mapping, Sequence, Tuple

from legacy_restore import errors
from legacy_restore.graph.restore_group import RestoreGroup, nothing_read
from legacy_restore.graph.values import copied, read_parts
from legacy_restore.graph.variables import OwnedVariable, is_resource
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.refusal import refusal_text
from legacy_restore.restoring.reasons import reason_of


@dataclasses.dataclass(frozen=True, eq=False)
class Kept:
    """What is to be kept.

    Attributes:
      groups: What restores the variables.
      others: What restores the models that are restored behind the same barrier.
      variables: The variables, by name.
      without_value: The names of parts that are known to have no value yet.
    """

    groups: Sequence[RestoreGroup]
    others: Sequence[RestoreGroup]
    variables: Mapping[str, OwnedVariable]
    without_value: FrozenSet[str] = frozenset()


@contextlib.contextmanager
def values_kept(session: Any, kept: Kept) -> Iterator[None]:
    """Puts the values of variables back as they were if what is done within fails.

    Variables that have no value yet are left alone.

    Args:
      session: The session.
      kept: What is to be kept.

    Raises:
      RestoreError: A value cannot be kept, and nothing was done; or it could not be put
        back.
    """
    read = _parts_read(kept)
    values = read_parts(session, [one.variable for one in read])
    known = [
        # What a session gives of a ref variable may be the variable's own memory.
        (one, value if is_resource(one.variable) else copied(value))
        for one, value in zip(read, values)
        if value is not None
    ]
    _check_shapes(known)
    try:
        yield
    except BaseException as error:
        try:
            _put_back(session, kept, known)
        except Exception as another:
            raise errors.RestoreError(
                f"{error}\n\n  and the values before it could not be put back: "
                f"{reason_of(another)}"
            ) from error
        raise


@dataclasses.dataclass(frozen=True, eq=False)
class _PartRead:
    """A ``tf.Variable``, what is read for it, and the operation that assigns that."""

    variable: Any
    output: Any
    assignment: Any


def _parts_read(kept: Kept) -> List[_PartRead]:
    found = []
    for group in kept.groups:
        outputs = zip(group.parts, group.read.outputs, group.assignments)
        for name, (variable, output, assignment) in zip(group.variables, outputs):
            if name in kept.variables:
                found.append(_PartRead(variable, output, assignment))
    return [one for one in found if one.variable.op.name not in kept.without_value]


def _check_shapes(values: Sequence[Tuple[_PartRead, Any]]) -> None:
    findings = [
        Finding(
            KINDS["shape-mismatch"],
            one.variable.op.name,
            "its value was given another shape, and could not be put back",
            expected=str(one.variable.shape),
            found=str(value.shape),
        )
        for one, value in values
        if not one.variable.shape.is_compatible_with(value.shape)
    ]
    if findings:
        text = "the values cannot be kept meanwhile; nothing was changed"
        raise errors.RestoreError(refusal_text(text, findings), findings=findings)


def _put_back(
    session: Any, kept: Kept, values: Sequence[Tuple[_PartRead, Any]]
) -> None:
    if not values:
        return
    feeds = nothing_read([*kept.groups, *kept.others])
    feeds.update((one.output, value) for one, value in values)
    session.run([one.assignment for one, _ in values], feeds)
