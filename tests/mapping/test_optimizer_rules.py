"""Rules between optimizers, as data. What they are worth is seen in tests/eager."""

import numpy as np
import pytest

from legacy_restore.mapping.optimizer_state.hyperparameters import Comparison, compare
from legacy_restore.mapping.optimizer_state.kinds import (
    ROLES,
    Family,
    Library,
    OptimizerState,
)
from legacy_restore.mapping.optimizer_state.rules import ValueRule, rule_between

V1, LEGACY = Library.V1, Library.LEGACY_KERAS
KERAS_2, KERAS_3 = Library.KERAS_2, Library.KERAS_3


def state(library, family, roles=None, **hyperparameters):
    kept = ROLES[family] if roles is None else roles
    return OptimizerState(library, family, frozenset(kept), hyperparameters)


def problems(source, target):
    rule = rule_between(source, target)
    assert bool(rule.problems) != bool(rule.values)
    return rule.problems


@pytest.mark.parametrize("keras", [LEGACY, KERAS_2, KERAS_3])
def test_momentum_has_a_factor_and_its_inverse(keras):
    one = state(V1, Family.MOMENTUM, learning_rate=0.5, momentum=0.9)
    other = state(keras, Family.MOMENTUM, learning_rate=0.5, momentum=0.9)
    there, back = rule_between(one, other), rule_between(other, one)
    assert there.values == {"momentum": ValueRule("momentum", -0.5)}
    assert back.values == {"momentum": ValueRule("momentum", -2.0)}
    assert there.needs == back.needs == ("learning_rate",)
    assert rule_between(other, other).values["momentum"].is_copy


def test_the_learning_rate_is_that_of_the_optimizer_that_goes_on():
    one = state(KERAS_3, Family.MOMENTUM, learning_rate=0.5)
    other = state(V1, Family.MOMENTUM, learning_rate=0.25)
    rule = rule_between(one, other)
    assert rule.values["momentum"].scale == -4.0
    assert compare(rule)[0].differs


@pytest.mark.parametrize(
    "source, target",
    [
        ({}, {"learning_rate": None}),
        ({}, {}),
        ({}, {"learning_rate": 0.1, "decay": 1e-3}),
        ({"learning_rate": None}, {"learning_rate": 0.1}),
    ],
)
def test_momentum_has_no_rule_where_the_learning_rate_changes(source, target):
    one = state(V1, Family.MOMENTUM, **source)
    other = state(LEGACY, Family.MOMENTUM, **target)
    assert "while the learning rate is constant" in problems(one, other)[0]


def test_momentum_has_no_rule_without_a_learning_rate():
    one = state(V1, Family.MOMENTUM)
    other = state(KERAS_3, Family.MOMENTUM, learning_rate=0.0)
    assert problems(one, other) == ("the learning rate is 0",)


def test_a_slot_without_influence_gets_zeros():
    one = state(V1, Family.MOMENTUM, [])
    other = state(KERAS_2, Family.MOMENTUM, learning_rate=0.1, momentum=0.0)
    rule = rule_between(one, other)
    assert rule.values == {"momentum": ValueRule(None)}
    assert one.name == "tf.compat.v1.train.GradientDescentOptimizer"


@pytest.mark.parametrize(
    "source, target, text",
    [
        (["m", "v"], ["m", "v", "vhat"], "amsgrad"),
        (["m", "v", "vhat"], ["m", "v"], "amsgrad"),
    ],
)
def test_what_one_side_lacks_is_named(source, target, text):
    one, other = (
        state(KERAS_2, Family.ADAM, source),
        state(KERAS_3, Family.ADAM, target),
    )
    assert text in problems(one, other)[0]


@pytest.mark.parametrize("keeps", [True, False])
def test_centered_is_kept_by_both_or_neither(keeps):
    with_mean = state(V1, Family.RMSPROP, momentum=0.9)
    without = state(KERAS_3, Family.RMSPROP, ["rms", "momentum"], momentum=0.9)
    pair = (with_mean, without) if keeps else (without, with_mean)
    assert "centered" in problems(*pair)[0]


def test_momentum_of_keras_rmsprop_is_not_dropped():
    one = state(KERAS_3, Family.RMSPROP, ["rms", "momentum"])
    other = state(KERAS_2, Family.RMSPROP, ["rms"], momentum=0.0)
    assert problems(one, other) == ("tf_keras.optimizers.RMSprop keeps no momentum",)
    # TensorFlow 1 keeps it in any case.
    one = state(V1, Family.RMSPROP, ["rms", "momentum"])
    assert set(rule_between(one, other).values) == {"rms"}


def test_momentum_that_was_not_kept_is_not_made_up():
    one = state(KERAS_3, Family.RMSPROP, ["rms"])
    other = state(V1, Family.RMSPROP, ["rms", "momentum"], momentum=0.9)
    assert problems(one, other) == ("keras.optimizers.RMSprop kept no momentum",)


def test_epsilon_shifts_the_accumulators_of_adagrad():
    one = state(V1, Family.ADAGRAD)
    other = state(KERAS_3, Family.ADAGRAD, epsilon=0.25)
    assert rule_between(one, other).values["accumulator"].offset == -0.25
    assert rule_between(other, one).values["accumulator"].offset == 0.25
    assert rule_between(other, one).needs == ("epsilon",)


@pytest.mark.parametrize("other", [V1, KERAS_2, KERAS_3])
@pytest.mark.parametrize("is_back", [True, False])
def test_epsilon_of_legacy_adagrad_stands_elsewhere(other, is_back):
    pair = [state(LEGACY, Family.ADAGRAD, epsilon=0.1), state(other, Family.ADAGRAD)]
    if other is not V1:
        pair[1] = state(other, Family.ADAGRAD, epsilon=0.1)
    one, two = reversed(pair) if is_back else pair
    assert "only epsilon = 0 makes them equal" in problems(one, two)[0]


@pytest.mark.parametrize("name", ["use_ema", "gradient_accumulation_steps"])
def test_state_of_which_there_is_no_source_is_refused(name):
    one = state(V1, Family.ADAM, ["m", "v"])
    other = state(KERAS_3, Family.ADAM, ["m", "v"], **{name: 4})
    assert name in problems(one, other)[0]


@pytest.mark.parametrize("source", Family)
@pytest.mark.parametrize("target", Family)
def test_families_do_not_mix(source, target):
    rule = rule_between(state(V1, source), state(KERAS_3, target, learning_rate=1.0,
                                                 epsilon=0.0))  # fmt: skip
    if source is not target:
        assert rule.problems and not rule.same and not compare(rule)


def test_weight_decay_is_what_tensorflow_1_does_not_have():
    one = state(V1, Family.ADAM, ["m", "v"])
    other = state(KERAS_3, Family.ADAM, ["m", "v"], weight_decay=0.01, clipnorm=1.0)
    known = {row.name: row for row in compare(rule_between(one, other))}
    assert known["weight_decay"].differs
    assert known["clipnorm"].is_unknown


@pytest.mark.parametrize(
    "stored, live, differs",
    [
        (float(np.float32(0.9)), 0.9, False),
        (0.9, 0.91, True),
        (None, 0.9, False),
        (0.0, -0.0, False),
        (1e300, 1.0, True),
    ],
)
def test_hyperparameters_are_compared_in_single_precision(stored, live, differs):
    assert Comparison("momentum", stored, live).differs is differs


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_value_keeps_its_dtype_and_is_rounded_once(dtype):
    value = np.array([0.1, -3.0, 0.0], dtype)
    made = ValueRule("momentum", scale=-0.05).apply(value)
    assert made.dtype == dtype
    expected = (value.astype(np.float64) * -0.05).astype(dtype)
    np.testing.assert_array_equal(made, expected)
    shifted = ValueRule("accumulator", offset=0.25).apply(np.array([0.5, 4.0], dtype))
    np.testing.assert_array_equal(shifted, np.array([0.75, 4.25], dtype))
    np.testing.assert_array_equal(ValueRule(None).apply(value), np.zeros(3, dtype))
    assert ValueRule("m").apply(value) is value
