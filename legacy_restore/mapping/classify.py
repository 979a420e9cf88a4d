"""What a checkpoint key stands for: a weight, or training state.

Decided from names, shapes and dtypes alone, and conservatively: what is not known to
be training state counts as a weight, so that it is missed when it is left behind.

The names are those of TensorFlow's optimizers: slot variables are called
``<variable>/<optimizer's slot name>`` with ``_1``, ``_2`` for further slots
(``tensorflow/python/training/slot_creator.py``); Adam's accumulators ``beta1_power``;
averages ``<variable>/ExponentialMovingAverage``.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from typing import Dict, Iterable, Mapping, Optional

from legacy_restore.checkpoint import TensorEntry


class TensorClass(enum.Enum):
    """What a tensor of a checkpoint is there for."""

    WEIGHT = "weight"
    SLOT = "optimizer slot"
    POWER = "optimizer accumulator"
    EMA = "moving average"
    STEP = "step counter"
    OBJECT_GRAPH = "object graph"

    @property
    def is_training_state(self) -> bool:
        """Whether a model runs without it."""
        return self is not TensorClass.WEIGHT


@dataclasses.dataclass(frozen=True)
class Classified:
    """What a key was taken for.

    Attributes:
      tensor_class: The class.
      reason: Why, in a few words.
    """

    tensor_class: TensorClass
    reason: str


# Slot names of TensorFlow's optimizers, of contrib's, and of optimizers that ship with
# much used models (adam_m and adam_v: BERT's AdamWeightDecayOptimizer).
_SLOT = re.compile(
    r"(?:Adam|AdamW|LazyAdam|NadamOptimizer|AdaMax|Adadelta|Adagrad|AdagradDA"
    r"|Adafactor|AddSign|PowerSign|Ftrl|GradientDescent|LARSOptimizer|Momentum|MomentumW"
    r"|RMSProp|ProximalAdagrad|adam_m|adam_v|lamb_m|lamb_v)(?:_\d+)?"
)
# contrib.learn named the slots of a partition <variable>/t_0/Adagrad.
_PARTITION = re.compile(r"(?:t|part)_\d+")
_EMA = re.compile(r"ExponentialMovingAverage(?:_\d+)?")
_POWER = re.compile(r"beta[12]_power(?:_\d+)?")
# Some count in floating point; a float of another name may be a weight.
_GLOBAL_STEP = re.compile(r"global_step(?:_\d+)?")
_STEP = re.compile(r"(?:iterations?|iter|epoch|step|save_counter)(?:_\d+)?")
_DEFAULT_NAME = re.compile(r"Variable(?:_\d+)?")

_INTEGERS = frozenset(["int32", "int64", "uint32", "uint64", "int16", "uint16"])
_OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"

# Optimizers that keep statistics per row and column instead of per element.
_FACTORED = re.compile(r"Adafactor.*")


def classify(entries: Iterable[TensorEntry]) -> Dict[str, Classified]:
    """Decides for every key of a checkpoint what it stands for."""
    by_key = {entry.key: entry for entry in entries}
    return {key: _classify(entry, by_key) for key, entry in by_key.items()}


def _classify(entry: TensorEntry, by_key: Mapping[str, TensorEntry]) -> Classified:
    base, _, last = entry.key.rpartition("/")
    if entry.key == _OBJECT_GRAPH_KEY and entry.dtype == "string":
        return Classified(TensorClass.OBJECT_GRAPH, "the object graph of the saver")
    if entry.shape == ():
        scalar = _classify_scalar(entry, last)
        if scalar is not None:
            return scalar
    if not base:
        return Classified(TensorClass.WEIGHT, "not known as training state")
    owner = _owner(base, by_key)
    if owner is None:
        return Classified(TensorClass.WEIGHT, "not known as training state")
    # An average of a tensor, as hand-written batch normalisation keeps it, is a weight.
    if _EMA.fullmatch(last) and entry.shape == owner.shape:
        return Classified(TensorClass.EMA, f"average of {owner.key}")
    if _SLOT.fullmatch(last) and _is_slot_of(entry, last, owner):
        return Classified(TensorClass.SLOT, f"{last} of {owner.key}")
    return Classified(TensorClass.WEIGHT, "not known as training state")


def _classify_scalar(entry: TensorEntry, last: str) -> Optional[Classified]:
    if _POWER.fullmatch(last) and entry.dtype not in _INTEGERS:
        return Classified(TensorClass.POWER, f"scalar named {last}")
    if _GLOBAL_STEP.fullmatch(last):
        return Classified(TensorClass.STEP, f"scalar named {last}")
    if _STEP.fullmatch(last) and entry.dtype in _INTEGERS:
        return Classified(TensorClass.STEP, f"{entry.dtype} scalar named {last}")
    # Old code counts with tf.Variable(0, trainable=False) and names it nothing.
    if _DEFAULT_NAME.fullmatch(last) and entry.dtype in _INTEGERS:
        return Classified(TensorClass.STEP, f"{entry.dtype} scalar without a name")
    return None


def _owner(base: str, by_key: Mapping[str, TensorEntry]) -> Optional[TensorEntry]:
    """The variable that a slot belongs to.

    A slot that was made under a scope carries that scope before the whole name of its
    variable: ``train/dense/kernel/Adam``, ``m/m/dense/kernel/Adam``. So the variable is
    the longest end of ``base`` that is a key.
    """
    parts = base.split("/")
    if _PARTITION.fullmatch(parts[-1]) and "/".join(parts[:-1]) in by_key:
        parts = parts[:-1]
    for start in range(len(parts)):
        tail = "/".join(parts[start:])
        if tail in by_key:
            return by_key[tail]
    return None


def _is_slot_of(entry: TensorEntry, last: str, owner: TensorEntry) -> bool:
    return entry.shape == owner.shape or _FACTORED.fullmatch(last) is not None
