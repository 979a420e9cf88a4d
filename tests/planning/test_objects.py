"""Tensors of one saveable object: restored together, or not at all."""

import dataclasses

import pytest

from legacy_restore.planning.model_matching import match_model
from legacy_restore.planning.plan import Action
from tests.planning.specs import entry, error_ids, model, source, variable

KEYS, VALUES = "words-keys", "words-values"


def table(kind="table"):
    """The two rows of a table that was made in the scope ``m``, but not named so."""
    return [
        dataclasses.replace(
            variable(name, [None], dtype),
            kind=kind,
            saver_name=name,
            saved_with=f"m/{KEYS}",
        )
        for name, dtype in ((KEYS, "string"), (VALUES, "int64"))
    ]


def stored(prefix="", keys=3, values=3):
    return [
        entry(prefix + KEYS, [keys], "string"),
        entry(prefix + VALUES, [values], "int64"),
    ]


@pytest.mark.parametrize(
    "w, prefix, found",
    [
        ("m/w", "", "names as they are"),
        ("w", "", "names without m/"),
        ("m/w", "m/", "names as they are, all of them in m/"),
        ("old/w", "", "old/ in the place of m/, other names as they are"),
        ("old/w", "old/", "old/ in the place of m/"),
    ],
)
def test_a_table_is_found_with_the_scope_and_without(w, prefix, found):
    match = match_model(model("w", *table()), source(w, *stored(prefix)))
    assert [row.key for row in match.rows] == [w, prefix + KEYS, prefix + VALUES]
    assert match.matched_by == found
    assert error_ids(match.findings) == []


def test_a_table_in_the_scope_and_one_outside_are_two_ways():
    both = [*stored(), *stored("old/")]
    match = match_model(model("w", *table()), source("old/w", *both))
    assert error_ids(match.findings) == ["ambiguous-match"]
    waived = model("w", *table(), allow_unused=["words-.*"])
    match = match_model(waived, source("old/w", *both))
    assert [row.key for row in match.rows][1:] == ["old/" + KEYS, "old/" + VALUES]


def test_a_variable_outside_of_the_scope_keeps_its_name_too():
    step = dataclasses.replace(variable("step"), name="step", local_name="step")
    match = match_model(model("w", step), source("old/w", "step"))
    assert [row.key for row in match.rows] == ["old/w", "step"]
    assert match.prefix == "old"


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("waivers", [[], ["words-.*"], ["words-keys", "words-values"]])
def test_half_a_table_cannot_be_waived(half, waivers):
    wanted = model("w", *table(), allow_missing=waivers[: 1 + half])
    match = match_model(wanted, source("w", stored()[half]))
    missing = [one for one in match.findings if one.id == "missing-key"]
    assert [one.subject for one in missing] == [f"m/{(VALUES, KEYS)[half]}"]
    assert missing[0].waiver is None
    assert (KEYS, VALUES)[half] in missing[0].message
    assert "left-to-initializer" not in [one.id for one in match.findings]


def test_a_table_may_be_missing_as_a_whole():
    wanted = model("w", *table(), allow_missing=["words-.*"])
    match = match_model(wanted, source("w"))
    assert [row.action for row in match.rows][1:] == [Action.INITIALIZE] * 2
    assert error_ids(match.findings) == []
    assert {one.message for one in match.findings} == {"the table stays empty"}


def test_a_table_has_as_many_values_as_keys():
    match = match_model(model("w", *table()), source("w", *stored(values=4)))
    [finding] = match.findings
    assert (finding.id, finding.subject) == ("shape-mismatch", f"m/{VALUES}")
    assert (finding.expected, finding.found) == ("int64[3]", "int64[4]")
    assert match.rows[2].action is Action.REFUSE


def test_of_other_objects_sizes_say_nothing():
    match = match_model(model("w", *table("saveable")), source("w", *stored(values=4)))
    assert error_ids(match.findings) == []


def test_a_key_that_may_be_meant_is_suggested_for_an_unknown_size():
    other = [entry("vocabulary-keys", [3], "string"), stored()[1]]
    match = match_model(model("w", *table()), source("w", *other))
    assert "words-values" in match.findings[0].message
    match = match_model(
        model("w", *table()),
        source("w", other[0], entry("vocabulary-values", [3], "int64")),
    )
    assert "vocabulary-keys" in match.findings[0].message
