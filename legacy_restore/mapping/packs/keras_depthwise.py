"""The kernel of a depthwise convolution of Keras.

``DepthwiseConv2D`` of Keras 2 calls it ``depthwise_kernel``, that of Keras 3 ``kernel``
(``keras/src/layers/convolutional/base_depthwise_conv.py``). A separable convolution has
a ``pointwise_kernel`` beside it, and kept both names.
"""

from __future__ import annotations

from typing import Dict, Mapping, Sequence

from legacy_restore.mapping.packs.pack import NameChange, RulePack, TypedName
from legacy_restore.mapping.packs.slots import renamed_with_slots

_OLD, _NEW, _POINTWISE = "depthwise_kernel", "kernel", "pointwise_kernel"


def _rename(
    keys: Sequence[TypedName], wanted: Sequence[TypedName]
) -> Mapping[str, str]:
    del wanted  # The names say it all.
    known = {key.name for key in keys}
    variables: Dict[str, str] = {}
    for name in known:
        layer, _, last = name.rpartition("/")
        taken = {f"{layer}/{_POINTWISE}", f"{layer}/{_NEW}"}
        if layer and last == _OLD and not taken & known:
            variables[name] = f"{layer}/{_NEW}"
    return renamed_with_slots(keys, variables)


KERAS_DEPTHWISE = RulePack(
    name="keras-depthwise",
    version=1,
    title="depthwise convolutions of Keras, TensorFlow 1.15, tf_keras -> Keras 3",
    source="https://github.com/keras-team/keras/blob/master/keras/src/layers/"
    "convolutional/base_depthwise_conv.py",
    changes=(
        NameChange(
            "DepthwiseConv2D",
            "depthwise_conv2d/depthwise_kernel",
            "depthwise_conv2d/kernel",
        ),
        NameChange(
            "in MobileNet",
            "conv_dw_1/depthwise_kernel/RMSProp",
            "conv_dw_1/kernel/RMSProp",
            (
                TypedName("conv_dw_1/depthwise_kernel"),
                TypedName("conv_dw_1/depthwise_kernel/RMSProp"),
            ),
        ),
    ),
    rename=_rename,
)
