"""What has to be the same on both sides of a transfer, listed and compared.

Of an optimizer of ``tf.compat.v1.train`` no checkpoint holds a hyperparameter. One of
legacy Keras holds those that are numbers (``learning_rate``, ``decay``, ``beta_1``,
``rho``, ``momentum``), not ``epsilon``; later ones hold the learning rate alone.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import Mapping, Optional, Tuple

from legacy_restore.mapping.optimizer_state.kinds import (
    Library,
    OptimizerState,
    Value,
)
from legacy_restore.mapping.optimizer_state.rules import StateRule

# What a library does not have does nothing there.
_ABSENT: Mapping[Library, Mapping[str, Value]] = {
    Library.V1: {"weight_decay": 0.0, "adaptive_epsilon": False},
    Library.LEGACY_KERAS: {"weight_decay": 0.0, "adaptive_epsilon": False},
    Library.KERAS_2: {},
    Library.KERAS_3: {"adaptive_epsilon": False},
}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A hyperparameter on both sides.

    Attributes:
      name: Its name in Keras.
      stored: What it was, or None where nothing tells.
      live: What it is, or None where it is no constant number.
    """

    name: str
    stored: Optional[float]
    live: Optional[float]

    @property
    def differs(self) -> bool:
        """Whether both are known and not the same in single precision."""
        if self.stored is None or self.live is None:
            return False
        return _single(self.stored) != _single(self.live)

    @property
    def is_unknown(self) -> bool:
        """Whether nobody can tell whether they are the same."""
        return self.stored is None or self.live is None

    def __str__(self) -> str:
        stored = "not stored" if self.stored is None else number_text(self.stored)
        live = "no constant" if self.live is None else number_text(self.live)
        return f"{self.name}: {stored} in the checkpoint, {live} in the optimizer"


def compare(rule: StateRule) -> Tuple[Comparison, ...]:
    """Returns what the rule wants to be the same, as it is on both sides."""
    return tuple(
        Comparison(name, _number(rule.source, name), _number(rule.target, name))
        for name in rule.same
    )


def number_text(value: float) -> str:
    """Returns the shortest text that is the same number in single precision."""
    texts = (f"{value:.{digits}g}" for digits in range(1, 9))
    same = (text for text in texts if _single(float(text)) == _single(value))
    return next(same, f"{value:.9g}")


def _number(state: OptimizerState, name: str) -> Optional[float]:
    if name in state.hyperparameters:
        return state.number(name)
    if name == "decay" and state.library is not Library.LEGACY_KERAS:
        # The same decay may be a schedule there.
        return 0.0 if state.number("learning_rate") is not None else None
    if name == "momentum" and "momentum" not in state.roles and state.library.is_keras:
        return 0.0
    value = _ABSENT[state.library].get(name)
    return None if value is None else float(value)


def _single(value: float) -> bytes:
    try:
        return struct.pack("<f", value + 0.0)
    except OverflowError:
        return struct.pack("<d", value)
