"""What a checkpoint key stands for: a weight, or training state.

Decided from names, shapes and dtypes alone, and conservatively: what is not known to
be training state counts as a weight, so that it is missed when it is left behind.

The names are TensorFlow's: those of slots are in ``optimizers.py``, those of batch
normalisation in ``batch_norm.py``; Adam's accumulators are called ``beta1_power``,
averages ``<variable>/ExponentialMovingAverage``. An object-based checkpoint has
``/.ATTRIBUTES/VARIABLE_VALUE`` behind each name and reserves names that begin with one
dot for itself (``tensorflow/python/training/tracking/graph_view.py``); what its object
graph says of optimizers is in ``object_classes.py``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Dict, Iterable, Mapping, Optional

from legacy_restore.checkpoint import TensorEntry
from legacy_restore.mapping.batch_norm import batch_norm_statistic
from legacy_restore.mapping.optimizers import (
    keras_slots,
    optimizer_of_slot,
    slot_shape_fits,
)
from legacy_restore.mapping.tensor_class import INTEGERS, Classified, TensorClass

# Few checkpoints have objects; what reads those is imported where there are some.
if TYPE_CHECKING:
    from legacy_restore.checkpoint.objects import ObjectGraph

__all__ = ["Classified", "TensorClass", "classify"]


# The slots of a partition that were made in a scope: as many letters of the name of
# their part are left as the scope has (slot_creator.py). So contrib.learn named them
# <variable>/t_0/Adagrad; in the scope encoder it is <variable>//part_0/Adagrad, in
# encoder/train <variable>/er/<variable>/part_0/Adagrad, which has the variable's whole
# name or its end once more.
_PARTITION = re.compile(r"(?:p?a?r?t?_)?\d+")
_EMA = re.compile(r"ExponentialMovingAverage(?:_\d+)?")
_POWER = re.compile(r"beta[12]_power(?:_\d+)?")
# Some count in floating point; a float of another name may be a weight.
_GLOBAL_STEP = re.compile(r"global_step(?:_\d+)?")
_STEP = re.compile(r"(?:iterations?|iter|epoch|step|save_counter)(?:_\d+)?")
_DEFAULT_NAME = re.compile(r"Variable(?:_\d+)?")

_OUTPUT = ":0"
_OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
_OBJECT_CONFIG = "/.ATTRIBUTES/OBJECT_CONFIG_JSON"
_OBJECT_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_OBJECT_SLOT = "/.OPTIMIZER_SLOT/"


def classify(
    entries: Iterable[TensorEntry], objects: Optional[ObjectGraph] = None
) -> Dict[str, Classified]:
    """Decides for every key of a checkpoint what it stands for.

    Args:
      entries: What the checkpoint says about its tensors.
      objects: Its object graph where it has one, which knows optimizers better.
    """
    by_key = {entry.key: entry for entry in entries}
    keys = list(by_key)
    for key in keys:
        by_key.setdefault(_variable_name(key), by_key[key])
    known: Dict[str, Classified] = {}
    if objects is not None:
        from legacy_restore.mapping.object_classes import classes_of_objects

        known = classes_of_objects(objects, by_key)
    return {key: known.get(key) or _classify(by_key[key], by_key) for key in keys}


def _variable_name(key: str) -> str:
    """Returns a key without the ``:0`` that names of tensors have.

    Savers that were given ``{variable.name: variable}`` save all variables so, with
    the slots: ``dense/kernel/Adam:0``.
    """
    return key[: -len(_OUTPUT)] if key.endswith(_OUTPUT) else key


def _classify(entry: TensorEntry, by_key: Mapping[str, TensorEntry]) -> Classified:
    name = _variable_name(entry.key)
    if name.endswith(_OBJECT_VALUE):
        name = name[: -len(_OBJECT_VALUE)]
        owner, is_slot, rest = name.partition(_OBJECT_SLOT)
        if is_slot:
            slot = rest.rpartition("/")[2]
            return Classified(TensorClass.SLOT, f"{slot} of {owner}")
    found = _classify_name(entry, name, by_key)
    if entry.holder is None or found.tensor_class.is_training_state:
        return found
    reason = f"in the {entry.holder} of the file"
    if entry.shape != ():
        return Classified(TensorClass.SLOT, reason)
    is_counter = entry.dtype in INTEGERS
    kind = TensorClass.STEP if is_counter else TensorClass.HYPERPARAMETER
    return Classified(kind, reason)


def _classify_name(
    entry: TensorEntry, name: str, by_key: Mapping[str, TensorEntry]
) -> Classified:
    return (
        _of_object_graph(entry)
        or _scalar(entry, name)
        or _batch_norm(name, by_key)
        or _average(entry, name, by_key)
        or _slot(entry, name, by_key)
        or _keras_slot(entry, name, by_key)
        or Classified(TensorClass.WEIGHT, "not known as training state")
    )


def _of_object_graph(entry: TensorEntry) -> Optional[Classified]:
    if entry.dtype != "string":
        return None
    if entry.key == _OBJECT_GRAPH_KEY:
        return Classified(TensorClass.OBJECT_GRAPH, "the object graph of the saver")
    if entry.key.endswith(_OBJECT_CONFIG):
        return Classified(TensorClass.OBJECT_GRAPH, "the configuration of an object")
    return None


def _scalar(entry: TensorEntry, name: str) -> Optional[Classified]:
    if entry.shape != ():
        return None
    last = name.rpartition("/")[2]
    if _POWER.fullmatch(last) and entry.dtype not in INTEGERS:
        return Classified(TensorClass.POWER, f"scalar named {last}")
    if _GLOBAL_STEP.fullmatch(last):
        return Classified(TensorClass.STEP, f"scalar named {last}")
    if _STEP.fullmatch(last) and entry.dtype in INTEGERS:
        return Classified(TensorClass.STEP, f"{entry.dtype} scalar named {last}")
    # Old code counts with tf.Variable(0, trainable=False) and names it nothing.
    if _DEFAULT_NAME.fullmatch(last) and entry.dtype in INTEGERS:
        return Classified(TensorClass.STEP, f"{entry.dtype} scalar without a name")
    return None


def _batch_norm(name: str, by_key: Mapping[str, TensorEntry]) -> Optional[Classified]:
    reason = batch_norm_statistic(name)
    # An average of a variable that is called so is what averages are: training state.
    if reason is None or _is_average_of_key(name, by_key):
        return None
    return Classified(TensorClass.BATCH_NORM, reason)


def _is_average_of_key(name: str, by_key: Mapping[str, TensorEntry]) -> bool:
    base, _, last = name.rpartition("/")
    return base in by_key and _EMA.fullmatch(last) is not None


def _average(
    entry: TensorEntry, name: str, by_key: Mapping[str, TensorEntry]
) -> Optional[Classified]:
    base, _, last = name.rpartition("/")
    if _EMA.fullmatch(last) is None:
        return None
    # An average of a tensor, as hand-written batch normalisation keeps it, is a weight.
    owner = owner_of_slot(base, by_key)
    if owner is None or entry.shape != owner.shape:
        return None
    return Classified(TensorClass.EMA, f"average of {owner.key}")


def _slot(
    entry: TensorEntry, name: str, by_key: Mapping[str, TensorEntry]
) -> Optional[Classified]:
    base, _, last = name.rpartition("/")
    optimizer = optimizer_of_slot(last)
    if optimizer is None:
        return None
    owner = owner_of_slot(base, by_key)
    if owner is None or not slot_shape_fits(optimizer, entry.shape, owner.shape):
        return None
    return Classified(TensorClass.SLOT, f"{last} of {owner.key}", optimizer)


def _keras_slot(
    entry: TensorEntry, name: str, by_key: Mapping[str, TensorEntry]
) -> Optional[Classified]:
    for slot in keras_slots(name):
        owner = by_key.get(slot.variable)
        if owner is not None and entry.shape == owner.shape:
            reason = f"{name.rpartition('/')[2]} of {owner.key}"
            return Classified(TensorClass.SLOT, reason, slot.optimizer)
    return None


def owner_of_slot(
    base: str, by_key: Mapping[str, TensorEntry]
) -> Optional[TensorEntry]:
    """The variable that a slot belongs to.

    A slot that was made under a scope carries that scope before the whole name of its
    variable: ``train/dense/kernel/Adam``, ``m/m/dense/kernel/Adam``. So the variable is
    the longest end of ``base`` that is a key.
    """
    if not base:
        return None
    parts = base.split("/")
    if _PARTITION.fullmatch(parts[-1]):
        # What is left of the scope and of the variable's own name stands before it.
        for end in range(len(parts) - 1, 0, -1):
            head = "/".join(parts[:end])
            if head in by_key and by_key[head].slices:
                return by_key[head]
        if "/".join(parts[:-1]) in by_key:
            parts = parts[:-1]
    for start in range(len(parts)):
        tail = "/".join(parts[start:])
        if tail in by_key:
            return by_key[tail]
    return None
