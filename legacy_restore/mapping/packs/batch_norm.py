"""Names of batch normalisation, in TensorFlow's libraries and beside them.

============ ======================= ===========================================
library      scope without a name    variables
============ ======================= ===========================================
tf.layers,   ``batch_normalization`` gamma, beta, moving_mean, moving_variance
Keras
slim         ``BatchNorm``           the same
tflearn      ``BatchNormalization``  the same
Sonnet 1     ``batch_norm``          the same
tensorpack   ``bn``                  gamma, beta, mean/EMA, variance/EMA
Keras 1      (one name)              gamma, beta, running_mean, running_std
caffe-       (by the layer)          scale, offset, mean, variance
tensorflow
============ ======================= ===========================================

``running_std`` of Keras 1 holds a variance. Sources:
``tensorflow/python/layers/normalization.py``,
``tensorflow/contrib/layers/python/layers/layers.py``, the libraries' own. ``scale``,
``offset``, ``mean`` and ``variance`` are common words: they change only where all
four stand in one scope.

Moments of Sonnet 1 keep the axes that they were taken along, with a size of 1, so that
they fit nobody else's; those of its ``BatchNormV2`` do not. What is added to a variance
is 1e-5 in tensorpack, tflearn and caffe-tensorflow, 1e-3 in the others, and no
checkpoint shows it.
"""

from __future__ import annotations

from typing import Dict, Mapping, Sequence, Set

from legacy_restore.mapping.packs.pack import (
    NameChange,
    Renaming,
    RulePack,
    TypedName,
    in_turn,
    substitutions,
)

_SOURCE = "https://github.com/tensorpack/tensorpack/issues/880"
_CAUTION = (
    "epsilon has to be what it was: 1e-5 by default in tensorpack, tflearn and "
    "caffe-tensorflow, 1e-3 in tf.layers, Keras, slim and Sonnet"
)
_CAFFE = {
    "scale": "gamma",
    "offset": "beta",
    "mean": "moving_mean",
    "variance": "moving_variance",
}


def _rename_caffe(
    keys: Sequence[TypedName], wanted: Sequence[TypedName]
) -> Mapping[str, str]:
    """Renames scale, offset, mean and variance where all four are in one scope."""
    del wanted  # The names say it all.
    inside: Dict[str, Set[str]] = {}
    for key in keys:
        scope, _, last = key.name.rpartition("/")
        inside.setdefault(scope, set()).add(last)
    found = {}
    for key in keys:
        parts = key.name.split("/")
        for position, part in enumerate(parts):
            scope = "/".join(parts[:position])
            if part in _CAFFE and inside.get(scope, set()).issuperset(_CAFFE):
                parts[position] = _CAFFE[part]
                found[key.name] = "/".join(parts)
                break
    return found


_rename_variables = in_turn(
    _rename_caffe,
    substitutions(
        ("mean/EMA", "moving_mean"),
        ("variance/EMA", "moving_variance"),
        (r"(batchnormalization_\d+)_(gamma|beta)", r"\1/\2"),
        (r"(batchnormalization_\d+)_running_mean", r"\1/moving_mean"),
        (r"(batchnormalization_\d+)_running_std", r"\1/moving_variance"),
        ("running_mean", "moving_mean"),
        ("running_std", "moving_variance"),
    ),
)

_SCOPES = (
    "batch_normalization",
    "BatchNorm",
    "BatchNormalization",
    "batch_norm",
    "batchnorm",
    "batchnormalization",
)


def _as_in(scope: str) -> Renaming:
    """Returns a renaming of any library's to those of the one with this scope."""
    others = "|".join(one for one in _SCOPES if one != scope)
    numbered = (rf"(?:{others})((?:_\d+)?)", rf"{scope}\1")
    return in_turn(_rename_variables, substitutions(numbered))


_FOUR = tuple(TypedName(f"bn_conv1/{last}", "float32", (8,)) for last in _CAFFE)

BATCH_NORM = RulePack(
    name="batch-norm",
    version=1,
    title="variables of other libraries' batch normalisation -> TensorFlow's",
    source=_SOURCE,
    changes=(
        NameChange("tensorpack", "conv0/bn/mean/EMA", "conv0/bn/moving_mean"),
        NameChange("tensorpack", "conv0/bn/variance/EMA", "conv0/bn/moving_variance"),
        NameChange(
            "Keras 1",
            "batchnormalization_1_running_std",
            "batchnormalization_1/moving_variance",
        ),
        NameChange("Keras 1", "bn1/running_mean", "bn1/moving_mean"),
        NameChange("caffe-tensorflow", "bn_conv1/scale", "bn_conv1/gamma", keys=_FOUR),
        NameChange(
            "caffe-tensorflow",
            "bn_conv1/variance",
            "bn_conv1/moving_variance",
            keys=_FOUR,
        ),
    ),
    rename=_rename_variables,
    caution=_CAUTION,
)

BATCH_NORM_LAYERS = RulePack(
    name="batch-norm-layers",
    version=1,
    title="any library's batch normalisation -> tf.layers and Keras",
    source=_SOURCE,
    changes=(
        NameChange("slim", "BatchNorm/beta", "batch_normalization/beta"),
        NameChange(
            "slim, a second one",
            "BatchNorm_1/moving_variance",
            "batch_normalization_1/moving_variance",
        ),
        NameChange("Sonnet", "batch_norm/gamma", "batch_normalization/gamma"),
        NameChange(
            "tflearn",
            "BatchNormalization/moving_mean",
            "batch_normalization/moving_mean",
        ),
        NameChange(
            "Keras 1",
            "batchnormalization_1_running_mean",
            "batch_normalization_1/moving_mean",
        ),
    ),
    rename=_as_in("batch_normalization"),
    caution=_CAUTION,
)

BATCH_NORM_SLIM = RulePack(
    name="batch-norm-slim",
    version=1,
    title="any library's batch normalisation -> contrib.layers and slim",
    source=_SOURCE,
    changes=(
        NameChange("tf.layers", "batch_normalization/beta", "BatchNorm/beta"),
        NameChange(
            "Keras, a second one",
            "batch_normalization_1/moving_mean",
            "BatchNorm_1/moving_mean",
        ),
        NameChange("Sonnet", "batch_norm/moving_variance", "BatchNorm/moving_variance"),
    ),
    rename=_as_in("BatchNorm"),
    caution=_CAUTION,
)

BATCH_NORM_TENSORPACK = RulePack(
    name="batch-norm-tensorpack",
    version=1,
    title="averages of TensorFlow's batch normalisation -> tensorpack's",
    source=_SOURCE,
    changes=(
        NameChange("mean", "conv0/bn/moving_mean", "conv0/bn/mean/EMA"),
        NameChange("variance", "conv0/bn/moving_variance", "conv0/bn/variance/EMA"),
    ),
    rename=substitutions(
        ("moving_mean", "mean/EMA"), ("moving_variance", "variance/EMA")
    ),
    caution=_CAUTION,
)

BATCH_NORM_SONNET = RulePack(
    name="batch-norm-sonnet",
    version=1,
    title="any library's batch normalisation -> Sonnet 1",
    source=_SOURCE,
    changes=(
        NameChange("slim", "BatchNorm/beta", "batch_norm/beta"),
        NameChange(
            "tf.layers",
            "batch_normalization_1/moving_mean",
            "batch_norm_1/moving_mean",
        ),
    ),
    rename=_as_in("batch_norm"),
    caution=_CAUTION,
)
