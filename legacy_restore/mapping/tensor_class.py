"""The classes of a checkpoint's tensors: what each is there for."""

from __future__ import annotations

import dataclasses
import enum
from typing import Optional


class TensorClass(enum.Enum):
    """What a tensor of a checkpoint is there for."""

    WEIGHT = "weight"
    BATCH_NORM = "batch-norm statistic"
    SLOT = "optimizer slot"
    POWER = "optimizer accumulator"
    HYPERPARAMETER = "optimizer hyperparameter"
    EMA = "moving average"
    STEP = "step counter"
    OBJECT_GRAPH = "object graph"

    @property
    def is_training_state(self) -> bool:
        """Whether a model runs without it."""
        return self not in (TensorClass.WEIGHT, TensorClass.BATCH_NORM)


@dataclasses.dataclass(frozen=True)
class Classified:
    """What a key was taken for.

    Attributes:
      tensor_class: The class.
      reason: Why, in a few words.
      optimizer: Of a slot, the name of its optimizer as far as it is known, else None.
    """

    tensor_class: TensorClass
    reason: str
    optimizer: Optional[str] = None


INTEGERS = frozenset(["int32", "int64", "uint32", "uint64", "int16", "uint16"])
"""The dtypes of counters."""
