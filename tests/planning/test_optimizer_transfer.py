"""What an optimizer gets from a checkpoint, as data."""

import numpy as np
import pytest

from legacy_restore.mapping.optimizer_state.kinds import (
    ROLES,
    Family,
    Library,
    OptimizerState,
)
from legacy_restore.planning.optimizer_transfer import find_optimizers, plan_transfer
from tests.planning.specs import entry, error_ids, ids

VALUES = {
    "w": np.ones(2, np.float32),
    "w/Adam": np.ones(2, np.float32),
    "w/Adam_1": np.ones(2, np.float32),
    "beta1_power": np.float32(0.5) * np.float32(0.5),
    "beta2_power": np.float32(0.75) * np.float32(0.75),
    "global_step": np.int64(1),
}


def adam(library=Library.KERAS_3, beta_2=0.75, **more):
    known = {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": beta_2, "epsilon": 1e-7}
    return OptimizerState(library, Family.ADAM, frozenset("mv"), {**known, **more})


def planned(target, values, key_of=None, **more):
    entries = [
        entry(k, np.shape(v), np.asarray(v).dtype.name) for k, v in values.items()
    ]
    found = find_optimizers(entries)
    return plan_transfer(found, target, key_of or {"live/w": "w"}, values, **more)


def test_rows_say_what_each_slot_is_made_of():
    transfer = planned(adam(), VALUES)
    assert transfer.ok
    rows = [(row.variable, row.role, row.key) for row in transfer.slots]
    assert rows == [("live/w", "m", "w/Adam"), ("live/w", "v", "w/Adam_1")]
    assert (transfer.step.value, transfer.step.is_exact) == (1, True)
    assert transfer.keys_used == set(VALUES) - {"w"}
    assert set(ids(transfer.findings)) == {"hyperparameter-unknown"}


def test_powers_go_on_as_they_are():
    transfer = planned(adam(Library.V1), VALUES)
    assert transfer.powers["beta_2"] == VALUES["beta2_power"]


def without(*keys):
    return {key: value for key, value in VALUES.items() if key not in keys}


def test_a_slot_that_is_not_there_is_missing():
    transfer = planned(adam(), {**VALUES, "b": VALUES["w"]}, {"w": "w", "b": "b"})
    assert error_ids(transfer.findings) == ["missing-key", "missing-key"]
    assert "b: m" in [one.subject for one in transfer.findings]


def test_adam_without_any_step_is_refused():
    bare = without("beta1_power", "beta2_power", "global_step")
    assert error_ids(planned(adam(), bare).findings) == ["optimizer-step"]


@pytest.mark.parametrize("step", [{}, {"global_step": np.int64(123_456)}])
def test_powers_that_vanished_agree_with_any_later_step(step):
    gone = {"beta1_power": np.float32(0), "beta2_power": np.float32(0)}
    transfer = planned(adam(), {**without("global_step"), **gone, **step})
    assert transfer.ok
    assert transfer.step.is_exact == bool(step)
    assert ("step-unknown" in ids(transfer.findings)) == (not step)


def test_no_slots_of_these_variables_are_missing_with_what_there_is():
    values = {"w": VALUES["w"], "w/Adadelta": VALUES["w"], "w/Adadelta_1": VALUES["w"]}
    transfer = planned(adam(), values)
    (finding,) = transfer.findings
    assert finding.id == "optimizer-missing"
    assert "Adadelta" in finding.message
    assert finding.hint == "optimizer=None leaves the optimizer as it is"


def test_two_optimizers_of_the_variables_are_ambiguous():
    transfer = planned(adam(), {**VALUES, "w/Adagrad": VALUES["w"]})
    assert ids(transfer.findings) == ["optimizer-ambiguous"]
    assert transfer.stored is None and not transfer.slots


def test_a_conversion_is_told():
    values = {"w": VALUES["w"], "w/Momentum": VALUES["w"]}
    known = {"learning_rate": 0.5, "momentum": 0.9, "nesterov": False}
    roles = frozenset(ROLES[Family.MOMENTUM])
    target = OptimizerState(Library.KERAS_3, Family.MOMENTUM, roles, known)
    transfer = planned(target, values)
    assert transfer.ok
    (told,) = [one for one in transfer.findings if one.id == "optimizer-converted"]
    assert told.message.endswith("momentum = -0.5 * momentum")


def test_what_is_stated_counts_as_known():
    transfer = planned(adam(), VALUES, stated={"epsilon": 1e-3})
    assert error_ids(transfer.findings) == ["hyperparameter-differs"]


def test_a_slot_that_is_there_twice_is_not_told_apart():
    values = without("w/Adam", "w/Adam_1")
    for scope in ("one", "other"):
        values[f"{scope}/w/Adam"] = values[f"{scope}/w/Adam_1"] = VALUES["w"]
    transfer = planned(adam(), values)
    assert not transfer.slots
    assert error_ids(transfer.findings) == ["optimizer-missing"]
    assert "one/w/Adam, other/w/Adam" in transfer.findings[0].message


def test_what_the_checkpoint_has_cannot_be_stated_otherwise():
    values = {
        "w": VALUES["w"],
        "training/SGD/w/momentum": VALUES["w"],
        "training/SGD/iter": np.int64(3),
        "training/SGD/learning_rate": np.float32(0.1),
    }
    sgd = OptimizerState(
        Library.LEGACY_KERAS, Family.MOMENTUM, frozenset(["momentum"]), {}
    )
    stated = {"learning_rate": 0.2}
    transfer = planned(sgd, values, stated=stated)
    assert error_ids(transfer.findings) == ["hyperparameter-differs"]
    (fault,) = [one for one in transfer.findings if one.is_error]
    assert (fault.expected, fault.found) == ("0.1", "0.2")
