"""How many steps an optimizer made.

``AdamOptimizer`` of ``tf.compat.v1.train`` counts none. It keeps the powers of its
betas, which begin at beta and are multiplied by it after each step
(``tensorflow/python/training/adam.py``): after t steps ``beta1_power`` is
``beta1 ** (t + 1)``, rounded t times. Made in the same way, a power is found bit by
bit. That of 0.9 falls below the smallest number after some 830 steps, that of 0.999
after 87,000: then it tells only that there were at least as many.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Iterable, Optional, Tuple

import numpy as np

# Betas nearer to 1 would take longer lists of powers than anyone trains steps.
_MAX_POWERS = 20_000_000
# Of powers that were rounded in another way: how far from a whole number of steps.
_TOLERANCE = 0.1


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What one tensor of a checkpoint tells of the number of steps.

    Attributes:
      key: The tensor.
      least: There were at least as many.
      most: And at most as many; None without a limit.
      problem: Why it tells nothing, or None.
    """

    key: str
    least: int
    most: Optional[int]
    problem: Optional[str] = None

    def __str__(self) -> str:
        if self.problem is not None:
            return f"{self.key} {self.problem}"
        least = "" if self.least == self.most else "at least "
        return f"{self.key} says {least}{self.least}"


@dataclasses.dataclass(frozen=True)
class StepCount:
    """How many steps were made.

    Attributes:
      value: The number; where only a lower limit is known, that: powers that small
        change nothing any more. None where nothing tells.
      is_exact: Whether it is the very number.
      problem: Why it cannot be told, or None.
    """

    value: Optional[int]
    is_exact: bool
    problem: Optional[str] = None


def counted(key: str, value: float) -> Evidence:
    """Returns what a step counter tells; some count in floating point."""
    if isinstance(value, complex):
        return Evidence(key, 0, None, f"is {value:.6g}, no number of steps")
    if value < 0 or value != value or math.isinf(value) or value != int(value):
        return Evidence(key, 0, None, f"is {value:.6g}, no number of steps")
    return Evidence(key, int(value), int(value))


def of_power(key: str, power: np.ndarray[Any, Any], beta: float) -> Evidence:
    """Returns what the power of a beta tells.

    Args:
      key: Its key.
      power: The stored scalar, in the dtype that it has.
      beta: The beta of the optimizer that is to go on.
    """
    value = float(power)
    # In a dtype of few digits a beta near 1 is 1, and so are all of its powers.
    if not 0 < float(power.dtype.type(beta)) < 1:
        return Evidence(key, 0, None)
    if not 0 <= value < 1:
        return Evidence(key, 0, None, f"is {value:.6g}, no power of {beta:.6g}")
    dtype = power.dtype
    powers = _powers(beta, dtype)
    if value < float(np.finfo(dtype).tiny):
        return Evidence(key, len(powers) - 1, None)
    same = np.flatnonzero(powers == power)
    if same.size:
        return Evidence(key, int(same[0]), int(same[-1]))
    steps = math.log(value) / math.log(float(dtype.type(beta))) - 1
    whole = round(steps)
    if whole < 0 or abs(steps - whole) > _TOLERANCE:
        return Evidence(key, 0, None, f"is {value:.6g}, no power of {beta:.6g}")
    return Evidence(key, whole, whole)


def power_after(steps: int, beta: float, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Returns the power that ``AdamOptimizer`` has after some steps, as a scalar.

    It is 0 where the number would be smaller than any that is normal.
    """
    if beta <= 0 or float(dtype.type(beta)) >= 1:
        return np.asarray(beta, dtype)
    powers = _powers(beta, dtype)
    return np.asarray(powers[steps] if steps < len(powers) - 1 else 0, dtype)


def _powers(beta: float, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """All powers until the first that is no normal number, which is the last."""
    tiny = float(np.finfo(dtype).tiny)
    count = min(int(math.log(tiny) / math.log(beta) * 1.001) + 3, _MAX_POWERS)
    powers = np.multiply.accumulate(np.full(count, beta, dtype))
    normal = int(np.count_nonzero(powers >= tiny))
    return powers[: normal + 1]


def agreed(evidence: Iterable[Evidence]) -> StepCount:
    """Returns the number of steps that all evidence allows."""
    found: Tuple[Evidence, ...] = tuple(evidence)
    faults = [str(one) for one in found if one.problem is not None]
    if faults:
        return StepCount(None, False, "; ".join(faults))
    if not found:
        return StepCount(None, False)
    least = max(one.least for one in found)
    limits = [one.most for one in found if one.most is not None]
    if limits and min(limits) < least:
        told = "; ".join(sorted({str(one) for one in found}))
        return StepCount(None, False, f"the number of steps is not told alike: {told}")
    if limits and min(limits) == least:
        return StepCount(least, True)
    if least == 0:
        return StepCount(None, False)
    return StepCount(least, False)
