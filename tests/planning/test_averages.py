"""Matching a model with the moving averages of a checkpoint."""

import pytest

from legacy_restore.mapping.rules import Rename
from legacy_restore.planning.assemble import PlanInput, make_plan
from legacy_restore.planning.hints import waiver_hints
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

EMA = "ExponentialMovingAverage"


def trained(*names, **more):
    """A model of trainable variables that takes averages."""
    found = [
        variable(one, is_trainable=True) if isinstance(one, str) else one
        for one in names
    ]
    return model(*found, weights="ema", **more)


def keys(match):
    return [row.key for row in match.rows]


def test_every_variable_takes_its_average_and_raw_values_are_training_state():
    checkpoint = source("a/w", f"a/w/{EMA}", "b", f"b/{EMA}")
    match = match_model(trained("a/w", "b"), checkpoint)
    assert keys(match) == [f"a/w/{EMA}", f"b/{EMA}"]
    assert ids(match.findings) == ["unused-training-state"] * 2
    first = match.findings[0]
    assert first.subject == "a/w"
    assert first.message == f"raw value: a/w/{EMA} is restored in its place"
    assert match.matched_by == "names without m/, moving averages"


def test_raw_weights_leave_the_averages():
    match = match_model(model("w"), source("w", f"w/{EMA}"))
    assert keys(match) == ["w"]
    assert [one.subject for one in match.findings] == [f"w/{EMA}"]
    assert match.matched_by == "names without m/"


@pytest.mark.parametrize("prefix", ["m", "old", "old/net"])
def test_averages_under_a_scope_of_the_checkpoint(prefix):
    found = [f"{prefix}/{key}" for key in ("w", f"w/{EMA}", "b", f"b/{EMA}")]
    match = match_model(trained("w", "b"), source(*found))
    assert keys(match) == [f"{prefix}/w/{EMA}", f"{prefix}/b/{EMA}"]
    assert error_ids(match.findings) == []
    assert match.prefix == ("" if prefix == "m" else prefix)


@pytest.mark.parametrize("scope", ["train", "m", "a/b"])
def test_averages_that_were_made_under_a_scope(scope):
    found = ["m/w", "m/b", f"{scope}/m/w/{EMA}", f"{scope}/m/b/{EMA}"]
    match = match_model(trained("w", "b"), source(*found))
    assert keys(match) == [f"{scope}/m/w/{EMA}", f"{scope}/m/b/{EMA}"]
    assert error_ids(match.findings) == []


def test_a_checkpoint_of_averages_alone():
    match = match_model(
        trained("a/w", variable("n", is_trainable=False)), source(f"a/w/{EMA}", "n")
    )
    assert keys(match) == [f"a/w/{EMA}", "n"]
    assert ids(match.findings) == ["ema-raw-value"]


def test_the_average_of_a_variable_is_no_others_whose_name_it_ends_in():
    # The raw value of a/w is gone: its average is not that of w in a scope a.
    checkpoint = source("w", f"a/w/{EMA}", "b", f"b/{EMA}")
    match = match_model(trained("w", "b"), checkpoint)
    assert keys(match) == [None, f"b/{EMA}"]
    assert "missing-shadow" in error_ids(match.findings)
    match = match_model(trained("a/w", "b"), checkpoint)
    assert keys(match) == [f"a/w/{EMA}", f"b/{EMA}"]
    assert error_ids(match.findings) == ["unused-weights"]


def test_what_is_not_trainable_takes_the_raw_value_and_that_is_said():
    match = match_model(
        trained("w", "x", variable("mean")),
        source("w", f"w/{EMA}", "x", f"x/{EMA}", "mean"),
    )
    assert keys(match) == [f"w/{EMA}", f"x/{EMA}", "mean"]
    [finding] = of_id(match.findings, "ema-raw-value")
    assert finding.subject == "m/mean"
    assert finding.message == "mean: it is not trainable"
    assert error_ids(match.findings) == []


def test_what_is_not_trainable_takes_its_average_where_it_has_one():
    match = match_model(
        trained("w", variable("mean")), source("w", f"w/{EMA}", "mean", f"mean/{EMA}")
    )
    assert keys(match) == [f"w/{EMA}", f"mean/{EMA}"]
    assert not of_id(match.findings, "ema-raw-value")


def test_a_trainable_variable_without_an_average_refuses():
    one = trained("w", "b")
    match = match_model(one, source("w", f"w/{EMA}", "b"))
    assert error_ids(match.findings) == ["missing-shadow"]
    [finding] = of_id(match.findings, "missing-shadow")
    assert finding.subject == "m/b"
    assert finding.message == (
        f"the checkpoint has b, without b/{EMA}; allow_missing takes the raw value"
    )
    assert finding.waiver == ("allow_missing", "b")
    assert match.rows[1].action is Action.REFUSE
    plan = make_plan([PlanInput(one, source("w", f"w/{EMA}", "b"))])
    [hint] = waiver_hints(plan)
    assert "allow_missing=[\"b\"] for 'm'" in hint


def test_allow_missing_gives_the_raw_value():
    match = match_model(
        trained("w", "b", allow_missing=("b",)), source("w", f"w/{EMA}", "b")
    )
    assert keys(match) == [f"w/{EMA}", "b"]
    assert error_ids(match.findings) == []
    [finding] = of_id(match.findings, "ema-raw-value")
    assert finding.message == "b: as allow_missing permits"


def test_allow_missing_initialises_what_is_not_in_the_checkpoint_at_all():
    match = match_model(
        trained("w", "b", allow_missing=("b",)), source("w", f"w/{EMA}")
    )
    assert [row.action for row in match.rows] == [Action.RESTORE, Action.INITIALIZE]
    assert error_ids(match.findings) == []


def test_a_waiver_for_variables_that_have_averages_permits_nothing():
    match = match_model(trained("w", allow_missing=("w",)), source("w", f"w/{EMA}"))
    assert error_ids(match.findings) == ["unused-waiver"]


@pytest.mark.parametrize("is_trainable", [True, False])
def test_a_checkpoint_without_averages_refuses_once(is_trainable):
    variables = [variable(name, is_trainable=is_trainable) for name in "ab"]
    match = match_model(model(*variables, weights="ema"), source("a", "b"))
    assert error_ids(match.findings) == ["no-shadows"]
    [finding] = of_id(match.findings, "no-shadows")
    assert finding.subject == "somewhere"
    assert finding.hint == "weights=\"raw\" for 'm'   or   --weights=m:raw"


def test_a_checkpoint_without_averages_is_not_waived_by_one_of_variables():
    match = match_model(trained("w", allow_missing=(".*",)), source("w"))
    assert error_ids(match.findings) == ["no-shadows"]


def test_two_averages_refuse_and_both_are_shown():
    match = match_model(trained("w"), source("w", f"w/{EMA}", f"w/{EMA}_1"))
    assert error_ids(match.findings) == ["ambiguous-shadow"]
    [finding] = of_id(match.findings, "ambiguous-shadow")
    assert finding.message == f"the checkpoint has w/{EMA}, w/{EMA}_1"
    assert match.rows[0].action is Action.REFUSE
    assert f'lr.Rename(r"/{EMA}_1$", "/other")' in finding.hint


@pytest.mark.parametrize("kept, hidden", [(EMA, f"{EMA}_1"), (f"{EMA}_1", EMA)])
def test_a_rule_tells_two_averages_apart(kept, hidden):
    match = match_model(
        trained("w", rules=(Rename(rf"/{hidden}$", "/other"),)),
        source("w", f"w/{EMA}", f"w/{EMA}_1"),
    )
    assert keys(match) == [f"w/{kept}"]
    assert error_ids(match.findings) == []


def test_the_name_of_the_builders_own_average_tells_two_apart():
    one = trained("w", average_names=("slow",))
    match = match_model(one, source("w", f"w/{EMA}", "w/slow"))
    assert keys(match) == ["w/slow"]
    assert error_ids(match.findings) == []
    both = trained("w", average_names=(EMA, "slow"))
    match = match_model(both, source("w", f"w/{EMA}", "w/slow"))
    assert error_ids(match.findings) == ["ambiguous-shadow"]


def test_names_with_slashes_and_dots():
    one = trained("w", average_names=("a/b.c",))
    assert keys(match_model(one, source("w", "w/a/b.c"))) == ["w/a/b.c"]
    match = match_model(one, source("w", "w/a/bxc"))
    assert "no-shadows" in error_ids(match.findings)


def test_an_average_of_another_name_is_proposed_as_a_rule_and_not_taken():
    checkpoint = source("a", "b", "a/avg", "b/avg", "a/Adam", "b/Adam")
    match = match_model(trained("a", "b"), checkpoint)
    assert error_ids(match.findings)[0] == "no-shadows"
    assert match.findings[0].hint == (
        f'rules=[lr.Rename(r"/avg$", r"/{EMA}")] for \'m\', '
        "if that is the moving average"
    )
    rules = (Rename("/avg$", f"/{EMA}"),)
    match = match_model(trained("a", "b", rules=rules), checkpoint)
    assert keys(match) == ["a/avg", "b/avg"]
    assert error_ids(match.findings) == []


def test_of_two_possible_names_none_is_proposed():
    checkpoint = source("a", "a/avg", "a/slow")
    match = match_model(trained("a"), checkpoint)
    assert match.findings[0].hint.startswith("weights=\"raw\" for 'm'")


@pytest.mark.parametrize(
    "rule, raw, average",
    [
        (Rename("^old/", ""), "old/w", f"old/w/{EMA}"),
        (Rename("/weights$", "/w"), "m/weights", f"m/weights/{EMA}"),
        (Rename("^m/weights", "w"), "m/weights", f"m/weights/{EMA}"),
        (Rename("^x$", "w"), "x", f"x/{EMA}"),
        (Rename("^m/", ""), "m/w", f"m/m/w/{EMA}"),
    ],
)
def test_a_rule_for_the_raw_value_is_one_for_its_average(rule, raw, average):
    name = rule.apply(raw)
    match = match_model(trained(name, rules=(rule,)), source(raw, average))
    assert keys(match) == [average]
    assert error_ids(match.findings) == []
    left = of_id(match.findings, "unused-training-state")
    assert [one.subject for one in left] == [raw]


def test_a_rule_that_would_match_the_model_is_proposed_with_averages_too():
    checkpoint = source("d/scale", f"d/scale/{EMA}")
    match = match_model(trained("d/gain"), checkpoint)
    [finding] = of_id(match.findings, "missing-key")
    assert finding.hint.startswith('rules=[lr.Rename(r"/scale$", r"/gain")]')


@pytest.mark.parametrize("shape, dtype", [([3], "float32"), ([2], "float64")])
def test_an_average_of_another_type_than_the_variable_refuses(shape, dtype):
    # Called like an average, but none of what the checkpoint has.
    checkpoint = source("w", entry(f"w/{EMA}", shape, dtype), "b", f"b/{EMA}")
    match = match_model(trained("w", "b"), checkpoint)
    assert "missing-shadow" in error_ids(match.findings)
    assert keys(match) == [None, f"b/{EMA}"]
    # Without a raw value, the variable tells.
    alone = source(entry(f"w/{EMA}", shape, dtype), "b", f"b/{EMA}")
    kind = "shape-mismatch" if dtype == "float32" else "dtype-mismatch"
    match = match_model(trained("w", "b"), alone)
    assert kind in error_ids(match.findings)


def test_weights_that_no_variable_takes_refuse_as_ever():
    checkpoint = source("w", f"w/{EMA}", "head", f"head/{EMA}")
    match = match_model(trained("w"), checkpoint)
    assert error_ids(match.findings) == ["unused-weights"]
    match = match_model(trained("w", allow_unused=("head",)), checkpoint)
    assert error_ids(match.findings) == []


def test_a_training_graph_has_the_averages_as_variables_of_their_own():
    names = ["w", "b"]
    shadows = [variable(f"m/{name}/{EMA}") for name in names]
    slots = [variable(f"train/m/{name}/Adam") for name in names]
    one = trained(*names, *shadows, *slots)
    found = [*names, f"w/{EMA}", f"b/{EMA}", "train/w/Adam", "train/b/Adam"]
    match = match_model(one, source(*found))
    assert keys(match) == [f"w/{EMA}", f"b/{EMA}"] * 2 + found[4:]
    assert error_ids(match.findings) == []
    said = [one.subject for one in of_id(match.findings, "ema-raw-value")]
    assert said == ["m/train/m/w/Adam", "m/train/m/b/Adam"]


def test_averages_of_tensors_are_variables_like_others():
    # Hand-written batch normalisation keeps its statistics like that.
    one = trained("w", variable(f"moments/Squeeze/{EMA}"))
    found = ["w", f"w/{EMA}", f"moments/Squeeze/{EMA}"]
    match = match_model(one, source(*found))
    assert keys(match) == found[1:]
    assert ids(match.findings) == ["unused-training-state"]


def test_of_two_copies_the_one_with_averages_is_taken():
    checkpoint = source("w", f"w/{EMA}", "old/w")
    match = match_model(trained("w", allow_unused=("old/w",)), checkpoint)
    assert keys(match) == [f"w/{EMA}"]
    assert error_ids(match.findings) == []


def test_two_copies_with_averages_are_ambiguous_and_averages_are_shown():
    checkpoint = source("w", f"w/{EMA}", "old/w", f"old/w/{EMA}")
    match = match_model(trained("w"), checkpoint)
    assert error_ids(match.findings) == ["ambiguous-match"]
    assert f"old/w/{EMA}" in match.findings[0].message


def test_a_model_is_explained_by_averages_alone():
    assert explained_by(trained("w"), source(f"w/{EMA}"))
    assert not explained_by(model("w"), source(f"w/{EMA}"))


def test_averages_by_the_builders_own_name_are_left_behind_by_raw_weights():
    one = model("w", average_names=("slow",))
    match = match_model(one, source("w", "w/slow"))
    assert keys(match) == ["w"]
    [finding] = match.findings
    assert finding.id == "unused-training-state"
    assert finding.message == "moving average: average of w"
    match = match_model(model("w"), source("w", "w/slow"))
    assert error_ids(match.findings) == ["unused-weights"]


def test_an_average_of_another_shape_is_a_weight_that_raw_weights_leave():
    match = match_model(model("w"), source("w", entry(f"w/{EMA}", [3])))
    assert error_ids(match.findings) == ["unused-weights"]


def test_averages_of_parts_that_were_made_in_a_scope_are_in_pieces_and_refused():
    # Each part's average has a key of its own there (slot_creator.py).
    pieces = [f"w/0/{EMA}", f"w/1/{EMA}"]
    match = match_model(trained("w", "b"), source("w", *pieces, "b", f"b/{EMA}"))
    assert error_ids(match.findings) == ["missing-shadow"]
    match = match_model(model("w", "b"), source("w", *pieces, "b", f"b/{EMA}"))
    assert error_ids(match.findings) == []
