"""Matching one model with its checkpoint."""

import dataclasses

import pytest

from legacy_restore.mapping.rules import Rename
from legacy_restore.planning.model_matching import explained_by, match_model
from legacy_restore.planning.plan import Action
from tests.planning.specs import (
    entry,
    error_ids,
    ids,
    model,
    of_id,
    source,
    variable,
)


def keys(match):
    return [row.key for row in match.rows]


def actions(match):
    return [row.action for row in match.rows]


def test_keys_without_the_scope_are_found():
    match = match_model(model("a/w", "b"), source("a/w", "b"))
    assert keys(match) == ["a/w", "b"]
    assert actions(match) == [Action.RESTORE, Action.RESTORE]
    assert match.findings == ()
    assert match.prefix == ""


def test_keys_with_the_scope_are_found():
    match = match_model(model("a/w", "b"), source("m/a/w", "m/b"))
    assert keys(match) == ["m/a/w", "m/b"]
    assert match.findings == ()
    assert match.prefix == ""


@pytest.mark.parametrize("prefix", ["old", "old/net", "m/m", "model"])
def test_keys_under_another_scope_are_found_and_that_is_said(prefix):
    match = match_model(model("a/w", "b"), source(f"{prefix}/a/w", f"{prefix}/b"))
    assert keys(match) == [f"{prefix}/a/w", f"{prefix}/b"]
    assert match.prefix == prefix
    assert ids(match.findings) == ["matched-under-prefix"]
    assert match.findings[0].subject == prefix + "/"


def test_a_scope_inside_the_scope_is_told_from_the_same_scope():
    match = match_model(model("m/w"), source("m/w"))
    assert keys(match) == ["m/w"]
    assert match.findings == ()


def test_keys_are_matched_for_whole_models_never_one_by_one():
    match = match_model(model("a", "b"), source("a", "m/b"))
    assert error_ids(match.findings) == ["missing-key", "unused-weights"]
    assert Action.REFUSE in actions(match)


def test_a_missing_variable_refuses_with_what_was_expected():
    match = match_model(
        model(variable("a", [3, None]), variable("b", [4])), source(entry("b", [4]))
    )
    assert actions(match) == [Action.REFUSE, Action.RESTORE]
    [finding] = match.findings
    assert finding.id == "missing-key"
    assert finding.model == "m"
    assert finding.subject == "m/a"
    assert finding.expected == "float32[3,?]"
    assert finding.waiver == ("allow_missing", "a")


def test_of_all_ways_the_findings_are_those_of_the_closest():
    entries = ["old/a", "old/b", "old/c", "d"]
    match = match_model(model("a", "b", "c", "d"), source(*entries))
    assert keys(match) == ["old/a", "old/b", "old/c", None]
    assert error_ids(match.findings) == ["missing-key", "unused-weights"]


def test_another_shape_refuses():
    match = match_model(model(variable("a", [5])), source(entry("a", [1001])))
    [finding] = match.findings
    assert (finding.id, finding.subject) == ("shape-mismatch", "m/a")
    assert (finding.expected, finding.found) == ("float32[5]", "float32[1001]")
    assert finding.hint
    assert actions(match) == [Action.REFUSE]
    assert keys(match) == ["a"]


@pytest.mark.parametrize("shape, stored", [([2, 3], [3, 2]), ([6], [2, 3]), ([], [1])])
def test_shapes_of_the_same_size_are_other_shapes(shape, stored):
    match = match_model(model(variable("a", shape)), source(entry("a", stored)))
    assert error_ids(match.findings) == ["shape-mismatch"]


@pytest.mark.parametrize("shape", [None, [None, 3], [2, None], [None, None], [2, 3]])
def test_shapes_that_are_not_known_admit_what_fits(shape):
    match = match_model(model(variable("a", shape)), source(entry("a", [2, 3])))
    assert actions(match) == [Action.RESTORE]


def test_another_dtype_refuses():
    match = match_model(
        model(variable("a", [2], "float16")), source(entry("a", [2], "float32"))
    )
    [finding] = match.findings
    assert (finding.id, finding.subject) == ("dtype-mismatch", "m/a")
    assert (finding.expected, finding.found) == ("float16[2]", "float32[2]")


def test_all_faults_of_a_model_are_found_at_once():
    variables = [
        variable("gone"),
        variable("shape", [3]),
        variable("dtype", [2], "int32"),
        variable("good"),
    ]
    match = match_model(model(*variables), source("shape", "dtype", "good", "left"))
    assert error_ids(match.findings) == [
        "missing-key",
        "shape-mismatch",
        "dtype-mismatch",
        "unused-weights",
    ]
    assert actions(match) == [Action.REFUSE] * 3 + [Action.RESTORE]


def test_left_weights_refuse():
    match = match_model(model("a"), source("a", entry("b", [3])))
    [finding] = match.findings
    assert (finding.id, finding.subject) == ("unused-weights", "b")
    assert finding.found == "float32[3]"
    assert finding.waiver == ("allow_unused", "b")


def test_left_training_state_is_a_remark():
    match = match_model(model("a"), source("a", "a/Adam", entry("global_step", [])))
    assert ids(match.findings) == ["unused-training-state"] * 2
    assert error_ids(match.findings) == []


def test_batch_norm_statistics_that_the_checkpoint_lacks_refuse():
    names = ["bn/beta", "bn/moving_mean", "bn/moving_variance"]
    match = match_model(model(*names), source("bn/beta"))
    missing = [one.subject for one in of_id(match.findings, "missing-key")]
    assert missing == ["m/bn/moving_mean", "m/bn/moving_variance"]


def test_local_variables_are_initialised_and_never_matched():
    local = variable("total", is_local=True)
    match = match_model(model("a", local), source("a", "total"))
    assert actions(match) == [Action.RESTORE, Action.INITIALIZE]
    assert keys(match) == ["a", None]
    assert ids(match.findings) == ["local-variable", "unused-weights"]


# Waivers.


def test_a_permitted_missing_variable_is_left_to_its_initialiser():
    match = match_model(
        model("a", "logits/w", allow_missing=("logits/.*",)), source("a")
    )
    assert actions(match) == [Action.RESTORE, Action.INITIALIZE]
    assert ids(match.findings) == ["left-to-initializer"]
    assert match.findings[0].subject == "m/logits/w"


def test_a_variable_that_is_there_is_restored_although_it_may_be_missing():
    match = match_model(model("a", "b", allow_missing=("b|c|.*",)), source("a", "b"))
    assert actions(match) == [Action.RESTORE, Action.RESTORE]
    assert ids(match.findings) == ["unused-waiver"]


def test_a_waiver_for_missing_variables_permits_no_other_shape():
    match = match_model(
        model(variable("a", [3]), allow_missing=("a",)), source(entry("a", [2]))
    )
    assert error_ids(match.findings) == ["shape-mismatch", "unused-waiver"]


def test_weights_may_be_left_as_permitted():
    match = match_model(model("a", allow_unused=("old/.*",)), source("a", "old/b"))
    assert ids(match.findings) == ["unused-weights-waived"]


def test_only_the_permitted_weights_may_be_left():
    match = match_model(model("a", allow_unused=("b",)), source("a", "b", "c"))
    assert error_ids(match.findings) == ["unused-weights"]
    assert of_id(match.findings, "unused-weights")[0].subject == "c"


@pytest.mark.parametrize(
    "waivers, subject",
    [
        ({"allow_missing": ("typo",)}, "allow_missing='typo'"),
        ({"allow_unused": ("typo",)}, "allow_unused='typo'"),
        ({"allow_unused": ("a",)}, "allow_unused='a'"),
    ],
)
def test_a_waiver_that_permits_nothing_refuses(waivers, subject):
    match = match_model(model("a", **waivers), source("a"))
    assert error_ids(match.findings) == ["unused-waiver"]
    assert match.findings[0].subject == subject


def test_a_waiver_that_names_training_state_is_used():
    match = match_model(model("a", allow_unused=(".*Adam",)), source("a", "a/Adam"))
    assert error_ids(match.findings) == []


def test_a_model_whose_variables_may_all_be_missing_still_finds_those_there_are():
    match = match_model(model("a", "b", allow_missing=(".*",)), source("old/a"))
    assert keys(match) == ["old/a", None]
    assert error_ids(match.findings) == []


# Rules.


def test_rules_are_compared_with_the_name_without_the_scope():
    match = match_model(
        model("a/kernel", "b", rules=(Rename("/weights$", "/kernel"),)),
        source("a/weights", "b"),
    )
    assert keys(match) == ["a/weights", "b"]
    assert match.findings == ()


def test_with_rules_nothing_else_is_tried():
    match = match_model(
        model("a", "b", rules=(Rename("^x$", "a"),)), source("x", "o/b")
    )
    assert of_id(match.findings, "missing-key")[0].subject == "m/b"


def test_a_rule_may_match_under_a_foreign_scope_without_a_remark():
    match = match_model(model("a", rules=(Rename("^other/", ""),)), source("other/a"))
    assert keys(match) == ["other/a"]
    assert match.prefix == ""
    assert match.findings == ()


def test_a_rule_that_matches_nothing_refuses():
    match = match_model(model("a", rules=(Rename("typo", ""),)), source("a"))
    assert error_ids(match.findings) == ["unused-rule"]
    assert match.findings[0].subject == "Rename('typo', '')"


def test_two_keys_on_one_name_refuse():
    match = match_model(model("w", rules=(Rename("^[xy]/", ""),)), source("x/w", "y/w"))
    assert "rule-collision" in error_ids(match.findings)
    [finding] = of_id(match.findings, "rule-collision")
    assert finding.subject == "w"
    assert "x/w" in finding.message
    assert "y/w" in finding.message
    assert keys(match) == [None]


# More than one way.


def test_two_ways_that_explain_everything_refuse_and_both_are_shown():
    match = match_model(model("a", "b"), source("x/a", "x/b", "y/a", "y/b"))
    assert error_ids(match.findings) == ["ambiguous-match"]
    [finding] = match.findings
    assert finding.subject == "m/a"
    assert "x/a" in finding.message
    assert "y/a" in finding.message
    assert actions(match) == [Action.REFUSE, Action.REFUSE]
    assert keys(match) == [None, None]


@pytest.mark.parametrize("taken, left", [("x", "y"), ("y", "x")])
def test_permitting_what_one_way_leaves_takes_that_way(taken, left):
    match = match_model(
        model("a", "b", allow_unused=(f"{left}/.*",)),
        source("x/a", "x/b", "y/a", "y/b"),
    )
    assert keys(match) == [f"{taken}/a", f"{taken}/b"]
    assert error_ids(match.findings) == []


@pytest.mark.parametrize(
    "prefixes", [("x/", "y/"), ("", "x/"), ("m/", "x/"), ("x/", "y/", "z/")]
)
def test_what_the_hint_of_an_ambiguous_match_says_takes_the_first_way(prefixes):
    entries = [prefix + name for prefix in prefixes for name in ("a", "b")]
    [finding] = match_model(model("a", "b"), source(*entries)).findings
    name, _, text = finding.hint.partition("=")
    assert name == "allow_unused"
    patterns = tuple(eval(text[: text.index("]") + 1]))
    match = match_model(model("a", "b", allow_unused=patterns), source(*entries))
    assert error_ids(match.findings) == []
    assert keys(match) == [prefixes[0] + "a", prefixes[0] + "b"]


def test_permitting_what_every_way_leaves_does_not_decide():
    match = match_model(
        model("a", allow_unused=(".*",)), source("x/a", "y/a", "z/a", "more")
    )
    assert error_ids(match.findings) == ["ambiguous-match"]


def test_the_way_that_leaves_only_training_state_is_taken():
    entries = ["a", "b", "a/Adam", "b/Adam"]
    assert keys(match_model(model("a", "b"), source(*entries))) == ["a", "b"]


def test_averages_beside_the_variables_are_no_second_way():
    entries = ["w", "w/ExponentialMovingAverage"]
    match = match_model(model("w"), source(*entries))
    assert keys(match) == ["w"]
    assert error_ids(match.findings) == []


def test_a_way_that_does_not_fit_by_shape_does_not_count():
    match = match_model(
        model(variable("a", [2])),
        source(entry("x/a", [2]), entry("y/a", [3]), entry("y/b", [4])),
    )
    assert keys(match) == ["x/a"]
    assert error_ids(match.findings) == ["unused-weights"] * 2


def test_two_variables_never_take_one_key():
    outside = dataclasses.replace(variable("w"), name="w")
    match = match_model(model("w", outside), source("w"))
    assert error_ids(match.findings) == ["key-claimed-twice"] * 2
    assert [one.subject for one in match.findings] == ["m/w", "w"]
    assert actions(match) == [Action.REFUSE] * 2


def test_two_variables_of_one_name_have_their_keys_by_their_whole_names():
    outside = dataclasses.replace(variable("w"), name="w")
    match = match_model(model("w", outside), source("m/w", "w"))
    assert keys(match) == ["m/w", "w"]
    assert error_ids(match.findings) == []


def test_two_rules_that_give_one_table_are_one_way():
    # Without the scope, and under the prefix "m/" that is the scope: the same keys.
    match = match_model(model("m/a"), source("m/a"))
    assert error_ids(match.findings) == []


def test_a_way_whose_table_is_part_of_another_is_no_way_of_its_own():
    match = match_model(
        model("a", "b", allow_missing=("b",)), source("x/a", "x/b", "b")
    )
    assert keys(match) == ["x/a", "x/b"]


def test_a_model_without_variables_leaves_everything():
    match = match_model(model(), source("a"))
    assert match.rows == ()
    assert error_ids(match.findings) == ["unused-weights"]


def test_a_checkpoint_explains_a_model_by_names_alone():
    assert explained_by(model("a", "b"), source("x/a", "x/b", "c"))
    assert not explained_by(model("a", "b"), source("x/a", "b"))
    assert not explained_by(model(variable("a", [3])), source("a"))
    assert not explained_by(model(), source("a"))


def test_two_variables_on_one_key_are_refused():
    escaped = dataclasses.replace(variable("w"), name="w")
    match = match_model(model("w", escaped), source("w"))
    assert error_ids(match.findings) == ["key-claimed-twice"] * 2
    assert actions(match) == [Action.REFUSE, Action.REFUSE]


def test_slots_that_repeat_the_scope_find_their_keys():
    built = model("w", "b", "m/w/Adam", "m/w/Adam_1", "beta1_power")
    keys_in_file = ["w", "b", "w/Adam", "w/Adam_1", "beta1_power"]
    match = match_model(built, source(*keys_in_file))
    assert keys(match) == keys_in_file
    assert error_ids(match.findings) == []
    below = match_model(built, source(*(f"net/{key}" for key in keys_in_file)))
    assert keys(below) == [f"net/{key}" for key in keys_in_file]
