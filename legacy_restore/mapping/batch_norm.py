"""The names of batch normalisation's statistics.

A model needs them to run: they are weights that no gradient trains. The layers of
TensorFlow call them ``moving_mean`` and ``moving_variance``, and those of batch
renormalisation besides ``moving_stddev``, ``renorm_mean``, ``renorm_stddev``
(``tensorflow/python/keras/layers/normalization.py``). With zero debiasing an average
has two shadows, ``moving_mean/biased`` and ``moving_mean/local_step``; they carry the
whole name of the average behind the scope in which they were made (``_zero_debias`` of
``tensorflow/python/training/moving_averages.py``). They are counted with what they
belong to: that a model runs without them cannot be told from a name. Before there were
layers, code kept an ``ExponentialMovingAverage`` of what ``tf.nn.moments`` gives.
"""

from __future__ import annotations

import re
from typing import Optional

_STATISTIC = re.compile(
    r"(?:moving_mean|moving_variance|moving_stddev|renorm_mean|renorm_stddev"
    r"|renorm_mean_weight|renorm_stddev_weight)(?:_\d+)?"
    # Keras 1: batchnormalization_1_running_mean.
    r"|(?:.+_)?running_(?:mean|std)(?:_\d+)?"
)
# Tensorpack: bn/mean/EMA.
_TENSORPACK = ("/mean/EMA", "/variance/EMA")
_SHADOW = re.compile(r"(?:biased|local_step)(?:_\d+)?")
_MOMENTS = re.compile(r"moments(?:_\d+)?")
_EMA = re.compile(r"ExponentialMovingAverage(?:_\d+)?")


def batch_norm_statistic(name: str) -> Optional[str]:
    """Returns what a name is to batch normalisation, in a few words, or None.

    Args:
      name: A whole name, such as ``bn1/moving_mean``.
    """
    base, _, last = name.rpartition("/")
    if _STATISTIC.fullmatch(last):
        return f"statistic named {last}"
    if f"/{name}".endswith(_TENSORPACK):
        return "statistic of tensorpack's BatchNorm"
    if _is_average_of_moments(name):
        return "average of moments"
    is_statistic = _STATISTIC.fullmatch(base.rpartition("/")[2])
    if _SHADOW.fullmatch(last) and (is_statistic or _is_average_of_moments(base)):
        return f"shadow {last} of a statistic that is debiased"
    return None


def is_statistic_part(part: str) -> bool:
    """Returns whether the last part of a name says that it is no average of a weight.

    Args:
      part: What stands behind the last ``/``.
    """
    return bool(_STATISTIC.fullmatch(part) or _SHADOW.fullmatch(part))


def _is_average_of_moments(name: str) -> bool:
    *parts, last = name.split("/")
    return _EMA.fullmatch(last) is not None and any(
        _MOMENTS.fullmatch(part) for part in parts[:-1]
    )
