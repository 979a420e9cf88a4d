"""What is kept as it is, and said: state that no checkpoint gives."""

from __future__ import annotations

from typing import Any, List, Sequence

from legacy_restore.eager.kinds import Role, saves_more_than_variables
from legacy_restore.eager.variables import LiveVariable
from legacy_restore.eager.walking import LiveObjects
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.table import count_text

_OF = {
    Role.SEED: "a generator of random numbers",
    Role.METRIC: "a metric",
    Role.COUNTER: "a tf.train.Checkpoint, how often it was saved",
}

_STOCK_LINE = "tf.train.Checkpoint(name=table).read(location).expect_partial()"


def kept_remarks(
    name: str,
    live: LiveObjects,
    kept: Sequence[LiveVariable],
    restored_optimizer: Any = None,
) -> List[Finding]:
    """Returns a remark on each variable that is kept, and on each optimizer.

    Args:
      name: What the root is called.
      live: What it holds.
      kept: Those of its variables that are not in the plan.
      restored_optimizer: The optimizer that is not kept, or None.
    """
    found = [
        Finding(
            KINDS["state-kept"],
            one.name,
            f"the state of {_OF[one.role]}, of which the checkpoint has none",
            model=name,
        )
        for one in kept
    ]
    for one in live.objects:
        if one.role is Role.WEIGHT and saves_more_than_variables(one.it):
            text = (
                f"what this {type(one.it).__name__} holds stays as it is: it is no "
                "variable, and tables and the like are not restored into objects"
            )
            hint = f"of an object-based checkpoint: {_STOCK_LINE}, afterwards"
            subject = one.path or name
            kind = KINDS["state-kept"]
            found.append(Finding(kind, subject, text, model=name, hint=hint))
    for one in live.optimizers:
        if one.it is restored_optimizer:
            continue
        number = count_text(len(_variables_of(one.it)), "variable")
        text = f"{number} of {type(one.it).__name__}: it was not asked for"
        subject = one.path or name
        found.append(Finding(KINDS["state-kept"], subject, text, model=name))
    return found


def _variables_of(optimizer: Any) -> Sequence[Any]:
    """The variables of an optimizer: an attribute of some, a method of others."""
    variables = getattr(optimizer, "variables", ())
    return list(variables() if callable(variables) else variables)
