"""How many steps were made, from powers and counters."""

import numpy as np
import pytest

from legacy_restore.mapping.optimizer_state.steps import (
    Evidence,
    StepCount,
    agreed,
    counted,
    of_power,
    power_after,
)

FLOAT = np.dtype(np.float32)


def multiplied(beta, steps, dtype=np.float32):
    """A power as AdamOptimizer makes it."""
    power = np.asarray(beta, dtype)
    for _ in range(steps):
        power = np.asarray(power * dtype(beta), dtype)
    return power


@pytest.mark.parametrize("beta", [0.5, 0.9, 0.95, 0.99, 0.999, 0.9999])
@pytest.mark.parametrize("steps", [0, 1, 5, 100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_power_tells_the_very_number_of_steps(beta, steps, dtype):
    evidence = of_power("p", multiplied(beta, steps, dtype), beta)
    assert evidence == Evidence("p", steps, steps)
    assert power_after(steps, beta, np.dtype(dtype)) == multiplied(beta, steps, dtype)


def test_rounding_over_many_steps_is_followed():
    # Its logarithm is by 0.4 steps away from the whole number.
    power = multiplied(0.999, 60_000)
    assert of_power("p", power, 0.999) == Evidence("p", 60_000, 60_000)


def test_a_power_that_was_rounded_elsewhere_is_near_enough():
    power = np.float32(0.999**123)
    power = np.nextafter(power, np.float32(1))
    assert of_power("p", np.asarray(power), 0.999) == Evidence("p", 122, 122)


@pytest.mark.parametrize("value", [0.0, 1e-40])
def test_a_power_that_vanished_tells_a_lower_limit(value):
    evidence = of_power("p", np.asarray(value, np.float32), 0.9)
    # 0.9 ** 829 is the last that is a normal number.
    assert evidence == Evidence("p", 828, None) or evidence.least in (827, 828, 829)
    assert evidence.most is None
    assert power_after(5_000, 0.9, FLOAT) == 0


@pytest.mark.parametrize("value", [-0.5, 1.0, 2.0, np.nan, np.inf, 0.95])
def test_what_is_no_power_is_said(value):
    evidence = of_power("p", np.asarray(value, np.float32), 0.9)
    assert "no power of 0.9" in evidence.problem
    assert agreed([evidence, counted("step", 3)]).value is None


def test_another_beta_is_noticed():
    evidence = of_power("p", multiplied(0.95, 7), 0.9)
    assert evidence.problem == "is 0.66342, no power of 0.9"


def test_beta_of_zero_tells_nothing():
    assert of_power("p", np.asarray(0.0, np.float32), 0.0) == Evidence("p", 0, None)
    assert power_after(3, 0.0, FLOAT) == 0


@pytest.mark.parametrize("beta, dtype", [(0.99999999, "f4"), (0.9999, "f2")])
def test_a_beta_that_is_one_in_its_dtype_tells_nothing(beta, dtype):
    half = np.asarray(0.5, dtype)
    assert of_power("p", half, beta) == Evidence("p", 0, None)
    assert power_after(3, beta, half.dtype) == 1


@pytest.mark.parametrize("value", [-1, 1.5, float("nan"), float("inf"), 1j])
def test_a_counter_that_counts_nothing_is_refused(value):
    assert agreed([counted("step", value)]).problem.endswith("no number of steps")
    assert counted("step", 7.0) == Evidence("step", 7, 7)


@pytest.mark.parametrize(
    "evidence, expected",
    [
        ([], StepCount(None, False)),
        ([counted("a", 5), counted("b", 5)], StepCount(5, True)),
        ([counted("a", 5), Evidence("p", 3, None)], StepCount(5, True)),
        ([Evidence("p", 900, None)], StepCount(900, False)),
        ([Evidence("p", 0, None)], StepCount(None, False)),
    ],
)
def test_what_agrees(evidence, expected):
    assert agreed(evidence) == expected


@pytest.mark.parametrize(
    "evidence, message",
    [
        ([counted("a", 5), counted("b", 6)], "a says 5; b says 6"),
        ([counted("a", 5), Evidence("p", 900, None)], "a says 5; p says at least 900"),
    ],
)
def test_what_does_not_agree_is_said(evidence, message):
    found = agreed(evidence)
    assert found.value is None
    assert found.problem.endswith(message)
