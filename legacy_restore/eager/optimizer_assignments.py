"""What is to be assigned to the variables of an optimizer."""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping, Tuple

from legacy_restore.eager.optimizers import (
    hyperparameter_variables,
    slots_of,
    step_variables,
)
from legacy_restore.planning.optimizer_transfer import OptimizerTransfer


@dataclasses.dataclass(frozen=True)
class Assignment:
    """A value for a variable of an optimizer.

    Attributes:
      name: What the variable is called in messages.
      variable: The variable: of TensorFlow, or of Keras 3.
      value: What it gets, in its shape and dtype.
      key: What of the checkpoint it is made of, in words.
    """

    name: str
    variable: Any
    value: Any
    key: str


def assignments(
    optimizer: Any,
    variables: Mapping[str, Any],
    transfer: OptimizerTransfer,
    values: Mapping[str, Any],
) -> Tuple[Assignment, ...]:
    """Returns what is to be assigned to the variables of a built optimizer.

    Nothing is assigned here. All values are read and computed.

    Args:
      optimizer: The optimizer, built.
      variables: The variables that it trains, by the names that the transfer has.
      transfer: What was planned.
      values: The tensors of the checkpoint by key.
    """
    slots = dict(zip(variables, slots_of(optimizer, list(variables.values()))))
    found = [
        Assignment(
            f"{row.variable}: {row.role}",
            slots[row.variable][row.role],
            row.rule.apply(values[row.key]),
            row.key,
        )
        for row in transfer.slots
    ]
    live = hyperparameter_variables(optimizer)
    found += [
        Assignment(f"optimizer: {name}", live[name], values[key], key)
        for name, key in transfer.hyperparameter_keys.items()
    ]
    counters = step_variables(optimizer)
    counted_by = ", ".join(transfer.counted_by)
    found += [
        Assignment(f"optimizer: power of {name}", counters[name], power, counted_by)
        for name, power in transfer.powers.items()
    ]
    if "iterations" in counters and transfer.step.value is not None:
        step = transfer.step.value
        name = "optimizer: iterations"
        found.append(Assignment(name, counters["iterations"], step, counted_by))
    return tuple(found)
