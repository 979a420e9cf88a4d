"""The optimizers that a checkpoint holds, whichever way it was written.

Values are not read here: what is found are keys.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Mapping, Tuple

from legacy_restore.mapping.optimizer_state.kinds import OptimizerState, Value


@dataclasses.dataclass(frozen=True)
class StoredOptimizer:
    """An optimizer of a checkpoint.

    Attributes:
      path: Its path among the objects of the checkpoint; of names, what they call it.
      state: What it is. Its hyperparameters are unknown until they are read.
      slots: Keys of what it keeps, by role, by the key of the variable.
      step_keys: Counters of its steps.
      power_keys: Pairs of ``beta_1`` or ``beta_2`` and a key of a power of it. Names
        do not tell whose powers they are where there are several.
      hyperparameter_keys: Keys of hyperparameters, by their names in Keras.
      varying: Hyperparameters that are something else than a number.
      problems: Slots of which nobody can tell what they are, each with the reason.
      own_name: What its program called it, where nothing but the class that this hints
        at tells it from others that keep the same; else empty.
    """

    path: str
    state: OptimizerState
    slots: Mapping[str, Mapping[str, str]]
    step_keys: Tuple[str, ...] = ()
    power_keys: Tuple[Tuple[str, str], ...] = ()
    hyperparameter_keys: Mapping[str, str] = dataclasses.field(default_factory=dict)
    varying: Tuple[str, ...] = ()
    problems: Tuple[str, ...] = ()
    own_name: str = ""

    def with_hyperparameters(self, values: Mapping[str, Any]) -> StoredOptimizer:
        """Returns it with what the checkpoint has of its hyperparameters.

        Args:
          values: The tensors of the checkpoint by key, scalars.
        """
        known: Dict[str, Value] = dict.fromkeys(self.varying)
        for name, key in self.hyperparameter_keys.items():
            known[name] = float(values[key])
        return dataclasses.replace(
            self, state=dataclasses.replace(self.state, hyperparameters=known)
        )


@dataclasses.dataclass(frozen=True)
class FoundOptimizers:
    """What is found in a checkpoint.

    Attributes:
      optimizers: Those whose state is known.
      unknown: What others are called, or where they are, sorted.
    """

    optimizers: Tuple[StoredOptimizer, ...]
    unknown: Tuple[str, ...] = ()
