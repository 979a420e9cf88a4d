"""Trainings that go on with another library's optimizer, as if they had not stopped."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.eager import optimizers
from legacy_restore.mapping.optimizer_state.kinds import Family, Library
from legacy_restore.mapping.optimizer_state.steps import StepCount
from legacy_restore.planning.optimizer_transfer import find_optimizers, plan_transfer
from tests.eager.training import (
    LIBRARIES,
    WEIGHTS,
    Saved,
    Training,
    eagerly,
    initial_weights,
    train_eagerly,
    train_in_graph,
)


@pytest.fixture(autouse=True)
def own_names():
    """Clears no session: nothing here has a name of Keras, and it takes seconds."""


STEPS = 5
# Rounding alone: losses are between 0.1 and 10, in single precision.
TOLERANCE = 1e-6

CASES = {
    "momentum": (Family.MOMENTUM, {"learning_rate": 0.05, "momentum": 0.9}),
    "nesterov": (
        Family.MOMENTUM,
        {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
    ),
    "adam": (
        Family.ADAM,
        {"learning_rate": 0.02, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-2},
    ),
    "amsgrad": (
        Family.ADAM,
        {"learning_rate": 0.02, "beta_2": 0.9, "epsilon": 1e-2, "amsgrad": True},
    ),
    "rmsprop": (
        Family.RMSPROP,
        {"learning_rate": 0.01, "rho": 0.8, "momentum": 0.9, "epsilon": 1e-2},
    ),
    "centered": (
        Family.RMSPROP,
        {
            "learning_rate": 0.01,
            "rho": 0.8,
            "momentum": 0.9,
            "epsilon": 1e-2,
            "centered": True,
        },
    ),
    "rmsprop without momentum": (
        Family.RMSPROP,
        {"learning_rate": 0.01, "rho": 0.8, "momentum": 0.0, "epsilon": 1e-2},
    ),
    "adagrad": (Family.ADAGRAD, {"learning_rate": 0.1, "epsilon": 1e-2}),
    "adagrad without epsilon": (Family.ADAGRAD, {"learning_rate": 0.1, "epsilon": 0.0}),
    "ftrl": (
        Family.FTRL,
        {
            "learning_rate": 0.1,
            "l1_regularization_strength": 1e-3,
            "l2_regularization_strength": 1e-2,
            "l2_shrinkage_regularization_strength": 1e-2,
            "beta": 0.1,
        },
    ),
}
_ONLY_KERAS = {"amsgrad"}
_OLD = Library.LEGACY_KERAS


def has_rule(case, source, target):
    """What the formulas say, in other words than the rules."""
    if case == "rmsprop without momentum":
        return (source is _OLD) == (target is _OLD)
    if case == "adagrad":
        return (source is _OLD) == (target is _OLD)
    return True


def pairs():
    for case in CASES:
        for source in LIBRARIES:
            for target in LIBRARIES:
                if case in _ONLY_KERAS and Library.V1 in (source, target):
                    continue
                yield case, source, target


def difference_of(losses, expected):
    """The largest difference; of losses above 1, in parts of them."""
    return float((np.abs(losses - expected) / np.maximum(expected, 1)).max())


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Trains once with each optimizer."""
    directory = tmp_path_factory.mktemp("trained")
    known = {}

    def get(case, library, kind="resource"):
        if (case, library, kind) not in known:
            family, hyperparameters = CASES[case]
            prefix = str(directory / f"{len(known)}" / "ckpt")
            (directory / f"{len(known)}").mkdir()
            if library is Library.V1:
                made = train_in_graph(family, prefix, kind, STEPS, **hyperparameters)
            else:
                with eagerly():
                    made = train_eagerly(
                        library, family, prefix, STEPS, **hyperparameters
                    )
            known[case, library, kind] = made
        return known[case, library, kind]

    return get


def keys_of_weights(checkpoint, found, weights):
    """The keys that have the values of the weights."""
    keys = {}
    for name, value in zip(WEIGHTS, weights):
        same = [
            key
            for key, entry in ((e.key, e) for e in checkpoint.entries())
            if entry.shape == value.shape
            and entry.dtype == "float32"
            and np.array_equal(checkpoint[key], value)
        ]
        (keys[name],) = same
    return keys


def go_on(saved, target, case, stated=None, **different):
    """Restores weights and a new optimizer, and makes ten steps."""
    family, hyperparameters = CASES[case]
    training = Training.begin(target, family, **{**hyperparameters, **different})
    training.steps = STEPS
    root = training.named()
    with open_checkpoint(saved.prefix) as checkpoint:
        if checkpoint.objects is not None:
            root = {name.replace("/", "_"): one for name, one in root.items()}
    asked = {"optimizer": training.optimizer, "trained_with": stated}
    try:
        restored = lr.restore_object(root, saved.prefix, **asked)
    except errors.RestoreError:
        for value, one in zip(initial_weights(), training.raw):
            np.testing.assert_array_equal(one.numpy(), value)
        return lr.plan_object(root, saved.prefix, **asked).optimizer.transfer, None
    assert restored.check().ok
    assert restored.plan.coverage.restored_variables == len(WEIGHTS)
    return restored.plan.optimizer.transfer, training.run(10)


def go_on_wrong(saved, target, case, change, stated=None):
    """The same with values that a change has made wrong."""
    family, hyperparameters = CASES[case]
    training = Training.begin(target, family, saved.weights, **hyperparameters)
    training.steps = STEPS
    optimizers.build(training.optimizer, training.variables)
    with open_checkpoint(saved.prefix) as checkpoint:
        entries = list(checkpoint.entries())
        found = find_optimizers(entries, checkpoint.objects)
        transfer = plan_transfer(
            found,
            optimizers.state_of(training.optimizer),
            keys_of_weights(checkpoint, found, saved.weights),
            checkpoint,
            assignable=optimizers.hyperparameter_variables(training.optimizer),
            stated=stated,
        )
        assert transfer.ok
        training.receive(change(transfer), checkpoint)
    return training.run(10)


def stated_of(case, source):
    """The epsilon of Adagrad, which its user knows and no checkpoint."""
    if case.startswith("adagrad") and source is not Library.V1:
        return {"epsilon": CASES[case][1]["epsilon"]}
    return None


@pytest.mark.parametrize("case, source, target", list(pairs()))
def test_losses_are_those_of_the_run_that_never_stopped(
    saved, case, source, target, record_property
):
    trained = saved(case, source)
    with eagerly():
        transfer, losses = go_on(trained, target, case, stated_of(case, source))
    if not has_rule(case, source, target):
        assert not transfer.ok
        assert {one.id for one in transfer.findings if one.is_error} == {
            "optimizer-rule"
        }
        assert "square root" in transfer.rule.problems[0]
        return
    assert transfer.ok, transfer.findings
    difference = difference_of(losses, trained.losses)
    record_property("difference", difference)
    print(f"{case} | {source.value} | {target.value} | {difference:.2g}")
    assert difference < TOLERANCE
    if target.is_keras:
        assert transfer.step.value == STEPS


def test_slots_of_ref_variables_are_the_same(saved):
    trained = saved("adam", Library.V1, "ref")
    for target in LIBRARIES:
        with eagerly():
            transfer, losses = go_on(trained, target, "adam")
        assert transfer.ok
        assert difference_of(losses, trained.losses) < TOLERANCE


# What is wrong without being seen elsewhere: it has to be seen here.


def with_values(of, **changes):
    def change(transfer):
        rows = tuple(
            dataclasses.replace(row, rule=dataclasses.replace(row.rule, **changes))
            if row.role == of
            else row
            for row in transfer.slots
        )
        assert rows != transfer.slots
        return dataclasses.replace(transfer, slots=rows)

    return change


def with_step(value):
    def change(transfer):
        return dataclasses.replace(transfer, step=StepCount(value, True))

    return change


_LAST = LIBRARIES[-1]
_MUTATIONS = [
    ("momentum", Library.V1, _LAST, with_values("momentum", scale=0.05)),
    ("momentum", Library.V1, _LAST, with_values("momentum", scale=1.0)),
    ("nesterov", _LAST, Library.V1, with_values("momentum", scale=1.0)),
    ("nesterov", _LAST, Library.V1, with_values("momentum", scale=20.0)),
    ("adam", Library.V1, _LAST, with_step(0)),
    ("adam", Library.V1, _LAST, with_step(STEPS + 1)),
    ("adam", Library.V1, _LAST, with_values("v", scale=0.5)),
    ("adam", _LAST, _LAST, with_values("m", scale=-1.0)),
    ("rmsprop", Library.V1, _LAST, with_values("rms", role=None)),
    ("rmsprop", Library.V1, _LAST, with_values("momentum", scale=-0.01)),
    ("centered", Library.V1, _LAST, with_values("mg", role=None)),
    ("ftrl", Library.V1, _LAST, with_values("linear", scale=-1.0)),
    ("ftrl", _LAST, Library.V1, with_values("accumulator", offset=0.1)),
]
if Library.KERAS_3 in LIBRARIES:
    _MUTATIONS += [
        ("adagrad", Library.V1, Library.KERAS_3, with_values("accumulator", offset=0)),
        ("adagrad", Library.KERAS_3, Library.V1, with_values("accumulator", offset=0)),
    ]


@pytest.mark.parametrize("case, source, target, change", _MUTATIONS)
def test_a_wrong_value_is_seen_in_the_losses(saved, case, source, target, change):
    trained = saved(case, source)
    with eagerly():
        stated = stated_of(case, source)
        losses = go_on_wrong(trained, target, case, change, stated)
    assert difference_of(losses, trained.losses) > 100 * TOLERANCE


# What no checkpoint stores.


def ids(transfer):
    return [one.id for one in transfer.findings]


def test_hyperparameters_are_listed_and_compared(saved):
    with eagerly():
        transfer, _ = go_on(saved("adam", Library.V1), _LAST, "adam")
    known = {one.name: one for one in transfer.comparisons}
    assert {"learning_rate", "beta_1", "beta_2", "epsilon"} <= set(known)
    assert all(known[name].is_unknown for name in ("learning_rate", "epsilon"))
    told = [one for one in transfer.findings if one.id == "hyperparameter-unknown"]
    assert ("optimizer: epsilon", "0.01", "not stored in the checkpoint") in [
        (one.subject, one.found, one.message) for one in told
    ]


def test_another_beta_is_refused_by_the_powers(saved):
    with eagerly():
        transfer, _ = go_on(saved("adam", Library.V1), _LAST, "adam", beta_1=0.9)
    (fault,) = [one for one in transfer.findings if one.is_error]
    assert fault.id == "optimizer-step"
    assert "beta1_power" in fault.message


@pytest.mark.skipif(Library.KERAS_2 not in LIBRARIES, reason="needs tf_keras")
def test_what_a_file_tells_otherwise_is_refused(saved):
    with eagerly():
        trained = saved("adam", Library.LEGACY_KERAS)
        transfer, _ = go_on(trained, Library.KERAS_2, "adam", beta_2=0.9)
    (fault,) = [one for one in transfer.findings if one.is_error]
    assert fault.id == "hyperparameter-differs"
    assert fault.subject == "optimizer: beta_2"
    assert (fault.expected, fault.found) == ("0.99", "0.9")


@pytest.mark.skipif(Library.KERAS_3 not in LIBRARIES, reason="needs Keras 3")
def test_a_stored_learning_rate_becomes_the_optimizers(saved):
    with eagerly():
        trained = saved("adam", Library.LEGACY_KERAS)
        transfer, losses = go_on(trained, Library.KERAS_3, "adam", learning_rate=3.0)
    assert transfer.ok
    assert list(transfer.hyperparameter_keys) == ["learning_rate"]
    assert difference_of(losses, trained.losses) < TOLERANCE


@pytest.mark.skipif(Library.KERAS_3 not in LIBRARIES, reason="needs Keras 3")
def test_an_epsilon_that_is_needed_has_to_be_stated(saved):
    with eagerly():
        transfer, _ = go_on(saved("adagrad", Library.KERAS_3), Library.V1, "adagrad")
    (fault,) = [one for one in transfer.findings if one.is_error]
    assert fault.id == "optimizer-rule"
    assert "no checkpoint stores it" in fault.message


@pytest.mark.skipif(Library.KERAS_3 not in LIBRARIES, reason="needs Keras 3")
def test_a_learning_rate_that_changes_has_no_momentum_rule(saved):
    import keras

    rate = keras.optimizers.schedules.ExponentialDecay(0.05, 1, 0.9)
    with eagerly():
        trained = saved("momentum", Library.V1)
        target = Library.KERAS_3
        transfer, _ = go_on(trained, target, "momentum", learning_rate=rate)
    assert "optimizer-rule" in ids(transfer)
    assert "constant" in transfer.rule.problems[0]


def test_another_family_is_refused_by_name(saved):
    trained = saved("momentum", Library.V1)
    with eagerly():
        training = Training.begin(_LAST, Family.ADAM, learning_rate=0.1)
        with open_checkpoint(trained.prefix) as checkpoint:
            transfer = plan_transfer(
                find_optimizers(checkpoint.entries(), checkpoint.objects),
                optimizers.state_of(training.optimizer),
                {name: name for name in WEIGHTS},
                checkpoint,
            )
    faults = [one for one in transfer.findings if one.is_error]
    assert "tf.compat.v1.train.MomentumOptimizer" in faults[0].message
    assert faults[0].id == "optimizer-rule"


def test_a_step_counter_that_disagrees_is_refused(tmp_path):
    from legacy_restore.checkpoint.writing import write_checkpoint

    _, hyperparameters = CASES["adam"]
    saved = train_in_graph(
        Family.ADAM, str(tmp_path / "ckpt"), "resource", **hyperparameters
    )
    with open_checkpoint(saved.prefix) as checkpoint:
        tensors = {key: checkpoint[key] for key in checkpoint}
    tensors["global_step"] = tensors["global_step"] + 1
    prefix = write_checkpoint(str(tmp_path / "other"), tensors)
    with eagerly():
        changed = dataclasses.replace(saved, prefix=prefix)
        transfer, _ = go_on(changed, _LAST, "adam")
    (fault,) = [one for one in transfer.findings if one.is_error]
    assert fault.id == "optimizer-step"
    assert "global_step says 6" in fault.message
    assert "beta1_power says 5" in fault.message


# What genuine TensorFlow 1.15.5 saved, and the losses with which it went on.

TRAININGS = pathlib.Path(__file__).parents[1] / "golden" / "trainings" / "tf1_15"


def golden_training(name):
    folder = TRAININGS / name
    told = json.loads((folder / "losses.json").read_text())
    weights = [np.array(one, np.float32) for one in told["weights"]]
    return Saved(str(folder / told["prefix"]), weights, np.array(told["losses"]))


@pytest.mark.parametrize("target", LIBRARIES)
@pytest.mark.parametrize("name", sorted(one.name for one in TRAININGS.iterdir()))
def test_a_training_of_tensorflow_1_goes_on(name, target):
    case, _, kind = name.partition("_")
    source = Library.V1 if kind == "graph" else Library.LEGACY_KERAS
    different = {"beta": 0.0} if case == "ftrl" else {}
    trained = golden_training(name)
    with eagerly():
        transfer, losses = go_on(
            trained, target, case, stated_of(case, source), **different
        )
    assert transfer.ok == has_rule(case, source, target)
    if transfer.ok:
        difference = difference_of(losses, trained.losses)
        print(f"1.15.5 {name} | {target.value} | {difference:.2g}")
        # Other releases sum up matrix products in another order.
        assert difference < 2 * TOLERANCE
