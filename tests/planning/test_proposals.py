"""Rules that are proposed for names that have changed."""

import re

import pytest

from legacy_restore.checkpoint import Location, TensorEntry
from legacy_restore.planning.model_matching import match_model
from legacy_restore.planning.proposals import propose_rules
from legacy_restore.planning.spec import ModelSpec, Source, VariableSpec


def entry(key, shape):
    return TensorEntry(key, "float32", tuple(shape), 0, 0, (), 0)


def variable(name, shape):
    return VariableSpec(f"m/{name}", name, "float32", tuple(shape), "ref")


def renamed(pairs):
    missing = [variable(name, shape) for name, _, shape in pairs]
    left = [entry(key, shape) for _, key, shape in pairs]
    rules = propose_rules(missing, left)
    return rules, {
        next((rule.apply(key) for rule in rules if rule.matches(key)), key)
        for _, key, _ in pairs
    }


@pytest.mark.parametrize(
    "pairs, count",
    [
        ([("a/kernel", "a/weights", [2]), ("b/kernel", "b/weights", [2])], 1),
        ([("a/kernel", "a/weights", [2, 3]), ("a/bias", "a/biases", [3])], 2),
        ([("net/a/w", "old/a/w", [2]), ("net/b/w", "old/b/w", [3])], 1),
        ([("x/new/w", "x/old/w", [2]), ("y/new/w", "y/old/w", [2])], 1),
        ([("a/w", "tower/a/w", [2]), ("b/w", "tower/b/w", [3])], 1),
        ([("tower/a/w", "a/w", [2]), ("tower/b/w", "b/w", [3])], 1),
        ([("x/w", "x/cell/w", [2]), ("y/w", "y/cell/w", [2])], 1),
        ([("x/w.1", "x/w+1", [2])], 1),
    ],
)
def test_names_that_changed_by_parts_are_explained(pairs, count):
    rules, names = renamed(pairs)
    assert len(rules) == count
    assert names == {name for name, _, _ in pairs}


def test_nothing_is_proposed_when_a_variable_has_no_key_of_its_type():
    missing = [variable("a/kernel", [2]), variable("b/kernel", [9])]
    assert propose_rules(missing, [entry("a/weights", [2])]) == []


def test_layers_that_all_have_other_names_are_explained_tensor_by_tensor():
    pairs = [
        (f"dense_{number}/{new}", f"fc{number}/{old}", shape)
        for number in range(5)
        for new, old, shape in (
            ("kernel", "weights", [2, 10 + number]),
            ("bias", "biases", [10 + number]),
        )
    ]
    rules, names = renamed(pairs)
    assert len(rules) == 10
    assert names == {name for name, _, _ in pairs}


@pytest.mark.parametrize(
    "pairs",
    [
        [("a/w", "x/w", [2]), ("b/w", "y/w", [2])],
        [("a/w", "x/w", [2]), ("b/w", "y/w", [2]), ("c/w", "z/w", [3])],
    ],
)
def test_nothing_is_proposed_where_two_tensors_could_be_either(pairs):
    # Names and shapes alone would pair them in the order of the alphabet.
    assert renamed(pairs)[0] == []


def source_of(*entries):
    return Source(Location("x", "x"), "V2", {one.key: one for one in entries})


def hints(model, source):
    return [finding.hint for finding in match_model(model, source).findings]


def test_a_proposal_that_matches_the_whole_model_is_the_hint_of_the_first_missing():
    model = ModelSpec("m", "m", (variable("a/gain", [2]), variable("a/shift", [3])))
    source = source_of(entry("a/scale", [2]), entry("a/offsets", [3]))
    first = next(hint for hint in hints(model, source) if hint)
    assert first.startswith("rules=[lr.Rename(")
    assert {"scale", "gain", "offsets", "shift"} <= set(re.findall("[a-z]+", first))


def test_a_proposal_that_leaves_weights_behind_is_not_made():
    model = ModelSpec("m", "m", (variable("a/gain", [2]),))
    source = source_of(entry("a/scale", [2]), entry("other", [7]))
    assert not any(hint and "rules=" in hint for hint in hints(model, source))


def test_a_proposal_is_not_applied():
    model = ModelSpec("m", "m", (variable("a/gain", [2]),))
    match = match_model(model, source_of(entry("a/scale", [2])))
    assert [row.key for row in match.rows] == [None]
