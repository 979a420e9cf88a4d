"""Names of the layers of contrib.layers and slim, and of tf.layers.

Those of ``tf.contrib.layers``, which slim takes over, call their variables ``weights``
and ``biases``, and scopes without a name by ``Conv``, ``fully_connected`` and so on
(``tensorflow/contrib/layers/python/layers/layers.py``). Those of ``tf.layers`` and
Keras call them ``kernel`` and ``bias``, ``conv2d`` and ``dense``
(``tensorflow/python/layers/convolutional.py``, ``core.py``). Both number scopes
alike. slim has one default name for convolutions of any rank; it changes only where all
convolutions of a checkpoint are of one rank.

Variables of recurrent cells are left alone, and those of canned estimators; those are
the matter of ``rnn.py`` and ``estimator.py``, which know what else changed with them.
"""

from __future__ import annotations

import re
from typing import Dict, Mapping, Sequence, Tuple

from legacy_restore.mapping.packs.pack import (
    NameChange,
    Renaming,
    RulePack,
    TypedName,
    in_turn,
    substitutions,
)

_CELL = re.compile(
    r"(?:.*_)?(?:cell|wrapper)(?:_\d+)?|.*(?:Cell|Wrapper)|nas_rnn|attention_decoder"
)
_ESTIMATOR = re.compile(r"(?:.*/)?dnn/(?:hiddenlayer_\d+|logits)/.*")
_CONVOLUTION = re.compile(r"(?:.*/)?Conv(?:_\d+)?/weights")
_CONVOLUTIONS = {3: "conv1d", 4: "conv2d", 5: "conv3d"}

_LEAVES = (
    ("weights", "kernel"),
    ("biases", "bias"),
    ("depthwise_weights", "depthwise_kernel"),
    ("pointwise_weights", "pointwise_kernel"),
)
_SCOPES = (
    ("fully_connected", "dense"),
    ("SeparableConv2d", "separable_conv2d"),
    ("Conv2d_transpose", "conv2d_transpose"),
    ("Conv3d_transpose", "conv3d_transpose"),
    ("BatchNorm", "batch_normalization"),
)


def _of_layers(renaming: Renaming) -> Renaming:
    """Returns a renaming that leaves alone what is the matter of other packs."""

    def rename(
        keys: Sequence[TypedName], wanted: Sequence[TypedName]
    ) -> Mapping[str, str]:
        return renaming([key for key in keys if _is_of_layer(key.name)], wanted)

    return rename


def _is_of_layer(name: str) -> bool:
    if _ESTIMATOR.fullmatch(name):
        return False
    return not any(_CELL.fullmatch(part) for part in name.split("/"))


def _numbered(pairs: Sequence[Tuple[str, str]]) -> Tuple[Tuple[str, str], ...]:
    return tuple((rf"{old}((?:_\d+)?)", rf"{new}\1") for old, new in pairs)


def _turned(pairs: Sequence[Tuple[str, str]]) -> Tuple[Tuple[str, str], ...]:
    return tuple((new, old) for old, new in pairs)


def _name_convolutions(
    keys: Sequence[TypedName], wanted: Sequence[TypedName]
) -> Mapping[str, str]:
    """Calls slim's convolutions by their rank, if all have the same."""
    ranks = {len(key.shape) for key in keys if _CONVOLUTION.fullmatch(key.name)}
    if len(ranks) != 1:
        return {}
    name = _CONVOLUTIONS.get(ranks.pop())
    if name is None:
        return {}
    return substitutions((r"Conv((?:_\d+)?)", rf"{name}\1"))(keys, wanted)


def _name_slim_convolutions(
    keys: Sequence[TypedName], wanted: Sequence[TypedName]
) -> Mapping[str, str]:
    """Calls convolutions by slim's one name for all ranks, if one rank is there."""
    found: Dict[str, Mapping[str, str]] = {}
    for name in _CONVOLUTIONS.values():
        found[name] = substitutions((rf"{name}((?:_\d+)?)", r"Conv\1"))(keys, wanted)
    used = [one for one in found.values() if one]
    return used[0] if len(used) == 1 else {}


_weights_to_kernel = _of_layers(substitutions(*_LEAVES))
_kernel_to_weights = _of_layers(substitutions(*_turned(_LEAVES)))

_SOURCE = "https://github.com/tensorflow/tensorflow/issues/7741"

_FILTER = (3, 3, 3, 8)
_CONV = TypedName("Conv/weights", "float32", _FILTER)
_CONV_1 = TypedName("Conv_1/weights/Momentum", "float32", _FILTER)

SLIM_TO_LAYERS = RulePack(
    name="slim-to-layers",
    version=1,
    title="contrib.layers and slim (relu and padding SAME by default), with their "
    "default scopes -> tf.layers (no activation, VALID)",
    source=_SOURCE,
    changes=(
        NameChange("convolution", "Conv/weights", "conv2d/kernel", (_CONV,)),
        NameChange(
            "a second one, with a slot",
            "Conv_1/weights/Momentum",
            "conv2d_1/kernel/Momentum",
            (_CONV, _CONV_1),
        ),
        NameChange("fully connected", "fully_connected_2/biases", "dense_2/bias"),
        NameChange(
            "separable convolution",
            "SeparableConv2d/depthwise_weights",
            "separable_conv2d/depthwise_kernel",
        ),
        NameChange(
            "transposed convolution",
            "Conv2d_transpose/weights",
            "conv2d_transpose/kernel",
        ),
        NameChange(
            "batch normalisation",
            "BatchNorm_1/moving_mean",
            "batch_normalization_1/moving_mean",
        ),
        NameChange("a layer with a name", "conv1/biases", "conv1/bias"),
    ),
    rename=_of_layers(
        in_turn(
            _name_convolutions, substitutions(*_numbered(_SCOPES)), _weights_to_kernel
        )
    ),
)

LAYERS_TO_SLIM = RulePack(
    name="layers-to-slim",
    version=1,
    title="tf.layers (no activation and padding VALID by default), with its default "
    "scopes -> contrib.layers and slim (relu, SAME)",
    source=_SOURCE,
    changes=(
        NameChange("convolution", "conv2d_1/kernel", "Conv_1/weights"),
        NameChange("dense", "dense/bias", "fully_connected/biases"),
        NameChange(
            "separable convolution",
            "separable_conv2d/pointwise_kernel",
            "SeparableConv2d/pointwise_weights",
        ),
        NameChange(
            "batch normalisation",
            "batch_normalization/beta",
            "BatchNorm/beta",
        ),
        NameChange("a layer with a name", "conv1/kernel/Adam", "conv1/weights/Adam"),
    ),
    rename=_of_layers(
        in_turn(
            _name_slim_convolutions,
            substitutions(*_numbered(_turned(_SCOPES))),
            _kernel_to_weights,
        )
    ),
)

WEIGHTS_TO_KERNEL = RulePack(
    name="weights-to-kernel",
    version=1,
    title="weights, biases -> kernel, bias; scopes stay as they are",
    source=_SOURCE,
    changes=(
        NameChange("any layer", "conv1/weights", "conv1/kernel"),
        NameChange("any layer", "fc1/biases/Momentum", "fc1/bias/Momentum"),
        NameChange(
            "separable convolution",
            "sep/pointwise_weights",
            "sep/pointwise_kernel",
        ),
    ),
    rename=_weights_to_kernel,
)

KERNEL_TO_WEIGHTS = RulePack(
    name="kernel-to-weights",
    version=1,
    title="kernel, bias -> weights, biases; scopes stay as they are",
    source=_SOURCE,
    changes=(
        NameChange("any layer", "conv1/kernel", "conv1/weights"),
        NameChange("any layer", "fc1/bias/Momentum", "fc1/biases/Momentum"),
    ),
    rename=_kernel_to_weights,
)
