"""Optimizers of name-based checkpoints, by what their slots are called."""

import pytest

from legacy_restore.mapping.optimizer_state.kinds import Family, Library
from legacy_restore.mapping.optimizer_state.stored_names import optimizers_by_name
from tests.planning.specs import entry


def found(*keys):
    entries = [entry(key) if isinstance(key, str) else entry(*key) for key in keys]
    return optimizers_by_name(entries)


def only(*keys):
    (one,) = found(*keys).optimizers
    return one


@pytest.mark.parametrize(
    "slots, family, roles",
    [
        (["Momentum"], Family.MOMENTUM, ["momentum"]),
        (["Adam", "Adam_1"], Family.ADAM, ["m", "v"]),
        (["RMSProp", "RMSProp_1"], Family.RMSPROP, ["rms", "momentum"]),
        (
            ["RMSProp", "RMSProp_1", "RMSProp_2"],
            Family.RMSPROP,
            ["rms", "mg", "momentum"],
        ),
        (["Adagrad"], Family.ADAGRAD, ["accumulator"]),
        (["Ftrl", "Ftrl_1"], Family.FTRL, ["accumulator", "linear"]),
    ],
)
def test_slots_have_the_roles_of_their_order(slots, family, roles):
    one = only("a/w", *[f"a/w/{slot}" for slot in slots])
    assert one.state.family is family
    assert one.state.library is Library.V1
    assert one.slots == {"a/w": {r: f"a/w/{s}" for r, s in zip(roles, slots)}}
    assert one.state.roles == set(roles)
    assert not one.problems


def test_slots_may_stand_under_a_scope_that_they_carry_twice():
    one = only("m/w", "train/m/w/Adam", "train/m/w/Adam_1", "m/b", "m/m/b/Adam_1",
               "m/m/b/Adam")  # fmt: skip
    assert one.slots == {
        "m/w": {"m": "train/m/w/Adam", "v": "train/m/w/Adam_1"},
        "m/b": {"m": "m/m/b/Adam", "v": "m/m/b/Adam_1"},
    }


def test_adam_has_its_powers_and_the_step():
    one = only("w", "w/Adam", "w/Adam_1", ("beta1_power", []), ("x/beta2_power_1", []),
               ("global_step", [], "int64"), ("epoch", [], "int64"))  # fmt: skip
    assert one.power_keys == (("beta_1", "beta1_power"), ("beta_2", "x/beta2_power_1"))
    assert one.step_keys == ("global_step",)


def test_two_optimizers_of_one_variable_are_not_told_apart():
    one = only("w", *[f"w/Adam{n}" for n in ("", "_1", "_2", "_3")], "b", "b/Adam",
               "b/Adam_1")  # fmt: skip
    assert list(one.slots) == ["b"]
    assert "w/Adam_3" in one.problems[0]


def test_a_slot_that_is_missing_is_not_made_up_for():
    one = only("w", "w/Adam_1")
    assert not one.slots
    assert one.problems == ("w: not what one Adam keeps: w/Adam_1",)


def test_several_kinds_are_several_optimizers():
    kinds = {
        one.state.family: set(one.slots)
        for one in found("w", "w/Adagrad", "l", "l/Ftrl", "l/Ftrl_1").optimizers
    }
    assert kinds == {Family.ADAGRAD: {"w"}, Family.FTRL: {"l"}}


@pytest.mark.parametrize("slot", ["Adadelta", "adam_m", "LARSOptimizer", "AdamW"])
def test_others_are_named(slot):
    result = found("w", f"w/{slot}")
    assert not result.optimizers
    assert result.unknown[0] in slot


def test_a_graph_of_keras_has_its_own_names():
    scope = "training/Adam"
    one = only("d/kernel", f"{scope}/d/kernel/m", f"{scope}/d/kernel/v",
               (f"{scope}/iter", [], "int64"), (f"{scope}/beta_1", []),
               (f"{scope}/learning_rate", []))  # fmt: skip
    assert one.state.library is Library.LEGACY_KERAS
    assert one.slots["d/kernel"]["v"] == f"{scope}/d/kernel/v"
    assert one.step_keys == (f"{scope}/iter",)
    assert set(one.hyperparameter_keys) == {"beta_1", "learning_rate"}


def test_texts_are_neither_powers_nor_steps():
    one = only("w", "w/Adam", "w/Adam_1", ("beta1_power", [], "string"),
               ("global_step", [], "string"), "beta2_power")  # fmt: skip
    assert (one.power_keys, one.step_keys) == ((), ())


def test_weights_alone_have_no_optimizer():
    assert found("w", "b", ("global_step", [], "int64")).optimizers == ()
