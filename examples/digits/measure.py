"""What is asked of each classifier, in a module that other processes can import."""

from __future__ import annotations

import numpy as np


def mean_class(restored) -> float:
    """Returns the mean class that the only model gives eight black images.

    Args:
        restored: What ``lr.restore`` gives of one model.
    """
    [model] = restored.values()
    return float(model(images=np.zeros([8, 64], np.float32))["classes"].mean())
