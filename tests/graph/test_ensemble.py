"""Copies of one model, each from a checkpoint of its own."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from tests.graph.helpers import assert_same, linear, linear_values, values_in, write

X = np.ones([4, 3], np.float32)


@pytest.fixture
def checkpoints(tmp_path):
    return [write(tmp_path / f"m{seed}", linear_values(seed)) for seed in range(3)]


def test_every_copy_has_its_checkpoint(kind, checkpoints):
    models = lr.copies("m", linear(kind), checkpoints)
    assert [one.name for one in models] == ["m_0", "m_1", "m_2"]
    with lr.restore(models, verify="session") as restored:
        for seed, name in enumerate(restored):
            assert_same(values_in(restored, name), linear_values(seed))
        outputs = [model(x=X)["y"] for model in restored.values()]
    assert not np.array_equal(outputs[0], outputs[1])


def test_eleven_copies_are_told_from_one_another(kind, tmp_path):
    # m_1 is how m_10 begins.
    checkpoints = [write(tmp_path / str(n), linear_values(n)) for n in range(11)]
    with lr.restore(lr.copies("m", linear(kind), checkpoints)) as restored:
        assert restored.check().ok
        assert_same(values_in(restored, "m_1"), linear_values(1))
        assert_same(values_in(restored, "m_10"), linear_values(10))


def test_arguments_are_those_of_every_copy(checkpoints):
    rule = lr.Rename("^old/", "")
    models = lr.copies("m", linear("ref"), checkpoints, rules=[rule], device="/cpu:0")
    assert all(one.rules == (rule,) for one in models)
    assert all(one.device == models[0].device for one in models)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("runs/m", "list of locations"),
        (3, "no list of locations"),
        ([], "no checkpoint"),
        ([3], "checkpoint has to be a path"),
    ],
)
def test_what_is_no_list_of_checkpoints(given, message):
    with pytest.raises(errors.UsageError, match=message):
        lr.copies("m", linear("ref"), given)


def test_copies_have_scopes_of_their_own(checkpoints):
    with pytest.raises(errors.UsageError, match="one scope"):
        lr.copies("m", linear("ref"), checkpoints, scope="m")
