"""Slots of single parts, and tensors of which slices are missing."""

import dataclasses

import pytest

from legacy_restore.checkpoint import TensorSlice
from legacy_restore.planning.candidates import names_without_scope
from legacy_restore.planning.model_matching import match_model
from legacy_restore.planning.pieces import stored_without_scope
from legacy_restore.planning.plan import Action
from legacy_restore.planning.spec import Part, are_apart
from tests.planning.specs import entry, error_ids, ids, model, of_id, source, variable

HALVES = (TensorSlice((0,), (2,)), TensorSlice((2,), (2,)))


def part_of(name, number, operation):
    """A variable of shape [4] of which one half is in the graph."""
    return variable(name, [4], pieces=(Part(operation, HALVES[number]),))


def whole(name="w"):
    parts = [Part(f"m/{name}/part_{n}", half) for n, half in enumerate(HALVES)]
    return variable(name, [4], pieces=tuple(parts))


def sliced(key, *slices):
    return dataclasses.replace(entry(key, [4]), slices=slices, shard=None, crc32c=None)


def slots():
    return [part_of(f"w/{n}/Adam", n, f"m/m/w/part_{n}/Adam") for n in (0, 1)]


def test_slots_are_named_as_tensorflow_would_name_them_at_the_root():
    trained = part_of("w//part_1/Adam", 1, "m/train/m/w/part_1/Adam")
    found = stored_without_scope(model(whole(), *slots(), trained, variable("b")))
    assert found == {
        "m/w/0/Adam": "w/Adam",
        "m/w/1/Adam": "w/Adam",
        "m/w//part_1/Adam": "w/art_1/Adam",
    }


def test_parts_of_what_is_no_slot_keep_their_names():
    alone = part_of("v", 0, "m/v/part_0")
    names = names_without_scope(model(whole(), alone))
    assert names == {"m/w": "w", "m/v": "v"}


def test_slots_share_the_tensor_of_a_model_without_scope():
    stored = source(sliced("w", *HALVES), sliced("w/Adam", *HALVES))
    match = match_model(model(whole(), *slots()), stored)
    assert error_ids(match.findings) == []
    assert [row.key for row in match.rows] == ["w", "w/Adam", "w/Adam"]
    assert sum(row.num_parameters for row in match.rows) == 8


def test_the_same_part_twice_is_refused():
    twice = [slots()[0], part_of("w/00/Adam", 0, "m/m/w/part_0/Adam")]
    stored = source(sliced("w", *HALVES), sliced("w/Adam", *HALVES))
    match = match_model(model(whole(), *twice), stored)
    assert error_ids(match.findings) == ["key-claimed-twice"] * 2
    assert not are_apart([(), ()])
    assert are_apart([()])


def test_a_part_matches_the_slice_that_it_is():
    stored = source(
        sliced("m/w", *HALVES),
        sliced("m/w/0/Adam", HALVES[0]),
        sliced("m/w/1/Adam", HALVES[1]),
    )
    match = match_model(model(whole(), *slots()), stored)
    assert match.findings == ()
    assert [row.key for row in match.rows] == ["m/w", "m/w/0/Adam", "m/w/1/Adam"]


@pytest.mark.parametrize("wanted", [whole(), variable("w", [4])], ids=["parts", "one"])
def test_a_variable_of_which_slices_are_missing_is_missing(wanted):
    stored = source("b", sliced("w", HALVES[1]))
    match = match_model(model("b", wanted), stored)
    assert error_ids(match.findings) == ["missing-key"]
    [finding] = of_id(match.findings, "missing-key")
    assert finding.message == "the checkpoint has only part of w: 2 of 4 elements"
    [remark] = of_id(match.findings, "incomplete-tensor")
    assert remark.subject == "w"
    waived = match_model(model("b", wanted, allow_missing=("w",)), stored)
    assert ids(waived.findings) == ["left-to-initializer", "incomplete-tensor"]
    assert [row.action for row in waived.rows] == [Action.RESTORE, Action.INITIALIZE]


def test_incomplete_weights_that_no_variable_wants_are_weights_left():
    match = match_model(model("b"), source("b", sliced("w", HALVES[1])))
    assert error_ids(match.findings) == ["unused-weights"]


def test_an_average_of_one_part_is_the_average_of_none():
    stored = source(
        sliced("w", *HALVES), sliced("w/0/ExponentialMovingAverage", HALVES[0])
    )
    wanted = dataclasses.replace(whole(), is_trainable=True)
    match = match_model(model(wanted, weights="ema"), stored)
    assert error_ids(match.findings) == ["no-shadows"]
