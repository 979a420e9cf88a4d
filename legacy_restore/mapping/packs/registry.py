"""All rule packs, by name."""

from __future__ import annotations

import difflib
from typing import Mapping, Tuple

from legacy_restore import errors
from legacy_restore.mapping.packs import (
    batch_norm,
    contrib_rnn,
    estimator,
    keras,
    keras_depthwise,
    keras_numbers,
    layers,
    numbers,
    prefixes,
    rnn,
    slots,
)
from legacy_restore.mapping.packs.pack import RulePack

_ALL: Tuple[RulePack, ...] = (
    rnn.RNN_1_2,
    rnn.RNN_1_0,
    rnn.RNN_0_12,
    contrib_rnn.CONTRIB_RNN,
    contrib_rnn.FUSED_RNN,
    contrib_rnn.CUDNN_RNN,
    layers.SLIM_TO_LAYERS,
    layers.LAYERS_TO_SLIM,
    layers.WEIGHTS_TO_KERNEL,
    layers.KERNEL_TO_WEIGHTS,
    batch_norm.BATCH_NORM,
    batch_norm.BATCH_NORM_LAYERS,
    batch_norm.BATCH_NORM_SLIM,
    batch_norm.BATCH_NORM_TENSORPACK,
    batch_norm.BATCH_NORM_SONNET,
    keras.KERAS_LSTM_CELL,
    keras.KERAS_LSTM,
    keras_depthwise.KERAS_DEPTHWISE,
    keras_numbers.KERAS_NUMBERS,
    numbers.DEFAULT_NUMBERS,
    estimator.ESTIMATOR,
    estimator.ESTIMATOR_SCOPES,
    slots.DOUBLED_SCOPE,
    slots.PART_SLOTS,
    prefixes.TOWER,
    prefixes.MODULE,
    prefixes.MODEL,
    prefixes.COLON,
)

PACKS: Mapping[str, RulePack] = {pack.name: pack for pack in _ALL}
"""The packs in the order in which they are listed and tried."""


def pack_named(name: str) -> RulePack:
    """Returns a pack.

    Raises:
      UsageError: There is none of that name.
    """
    if name in PACKS:
        return PACKS[name]
    raise errors.UsageError(
        f"rules: there is no rule pack {name!r}", hint=_instead_of(name)
    )


def _instead_of(name: str) -> str:
    several = name.split(",")
    if len(several) > 1 and all(one in PACKS for one in several):
        flags = " ".join(f"--rules={one}" for one in several)
        return f"rules={several!r}   or   {flags}"
    near = difflib.get_close_matches(name, PACKS, n=1)
    return f"did you mean {near[0]!r}?" if near else "legacy-restore rules lists them"
