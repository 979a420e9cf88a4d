"""The plan of several models."""

import pytest

from legacy_restore.mapping.rules import Rename
from legacy_restore.planning.assemble import PlanInput, make_plan
from legacy_restore.planning.plan import Action
from legacy_restore.report.findings import KINDS, Finding
from tests.planning.specs import (
    entry,
    error_ids,
    ids,
    model,
    of_id,
    source,
    variable,
)


def plan_of(*pairs):
    return make_plan([PlanInput(one, of_it) for one, of_it in pairs])


def test_models_keep_their_order_and_each_has_its_own_checkpoint():
    plan = plan_of(
        (model("w", name="b"), source("w", location="of_b")),
        (model("w", name="a"), source("w", location="of_a")),
    )
    assert [one.name for one in plan.models] == ["b", "a"]
    assert [one.location.prefix for one in plan.models] == ["of_b", "of_a"]
    assert [row.variable.name for row in plan.rows] == ["b/w", "a/w"]
    assert plan.ok


def test_faults_of_all_models_are_listed_at_once_each_with_its_model():
    plan = plan_of(
        (model("w", name="a"), source()),
        (model("w", name="b"), source("w")),
        (model(variable("w", [3], scope="c"), name="c"), source("w")),
        (model("w", name="d"), source("w", "more")),
    )
    found = [(one.model, one.id) for one in plan.findings if one.is_error]
    assert found == [
        ("a", "missing-key"),
        ("c", "shape-mismatch"),
        ("d", "unused-weights"),
    ]
    assert not plan.ok
    assert [one.ok for one in plan.models] == [False, True, False, False]


def test_a_model_without_a_checkpoint_refuses_all_its_variables():
    lost = Finding(KINDS["location-not-found"], "nowhere", model="m")
    plan = make_plan([PlanInput(model("a", "b"), None, (lost,))])
    assert [row.action for row in plan.rows] == [Action.REFUSE, Action.REFUSE]
    assert plan["m"].location is None
    assert error_ids(plan.findings) == ["location-not-found"]


def test_what_is_found_in_the_files_belongs_to_the_model():
    torn = Finding(KINDS["shard-truncated"], "x.data")
    plan = plan_of((model("a"), source("a", findings=[torn])))
    [finding] = plan.findings
    assert (finding.id, finding.model) == ("shard-truncated", "m")


def test_a_model_without_variables_is_remarked():
    plan = plan_of((model(), source()))
    assert ids(plan.findings) == ["no-variables"]
    assert plan.ok


def test_an_unknown_model_is_a_key_error():
    with pytest.raises(KeyError):
        plan_of((model("a"), source("a")))["other"]


def test_keys_under_the_scope_of_another_model_refuse():
    plan = plan_of(
        (model("w", name="left"), source("right/w")),
        (model("w", name="right"), source("left/w")),
    )
    found = of_id(plan.findings, "foreign-prefix")
    assert [(one.model, one.subject) for one in found] == [
        ("left", "right/"),
        ("right", "left/"),
    ]
    assert all(one.hint for one in found)


def test_keys_under_the_name_of_another_model_refuse():
    plan = plan_of(
        (model("w", name="a"), source("b/w")),
        (model("w", name="b", scope="elsewhere"), source("w")),
    )
    assert error_ids(plan.findings) == ["foreign-prefix"]


def test_keys_under_a_scope_that_no_model_has_are_no_others():
    plan = plan_of(
        (model("w", name="left"), source("old/w")),
        (model("w", name="right"), source("right/w")),
    )
    assert error_ids(plan.findings) == []


def test_a_rule_says_that_the_scope_of_another_model_is_meant():
    plan = plan_of(
        (model("w", name="a", rules=(Rename("^b/", ""),)), source("b/w")),
        (model("w", name="b"), source("b/w")),
    )
    assert error_ids(plan.findings) == []


def test_the_checkpoint_that_would_fit_is_named_on_the_first_variable():
    encoder = model("conv/w", "conv/b", name="encoder")
    decoder = model(variable("fc/w", [7], scope="decoder"), name="decoder")
    plan = plan_of(
        (encoder, source(entry("fc/w", [7]))),
        (decoder, source("conv/w", "conv/b")),
    )
    hints = [one.hint for one in plan.findings if one.id == "missing-key"]
    assert "'decoder'" in hints[0]
    assert "swapped" in hints[0]
    assert hints[1] is None
    assert "'encoder'" in hints[2]


def test_a_swap_is_told_by_the_names_that_packs_and_rules_give():
    old = ("rnn/gru_cell/gates/weights", "rnn/gru_cell/gates/biases")
    new = ("rnn/gru_cell/gates/kernel", "rnn/gru_cell/gates/bias")
    plan = plan_of(
        (model(*new, name="rnn"), source("b/x", "b/y")),
        (model("x", "z", name="other", rules=(Rename("y$", "z"),)), source(*old)),
    )
    hints = [one.hint or "" for one in plan.findings if one.id == "missing-key"]
    assert ["swapped" in hint for hint in hints] == [True, False, False, False]
    # A checkpoint that a pack makes fit its own model says nothing.
    plan = plan_of(
        (model(*new, name="one"), source("b/x", "b/y")),
        (model(*new, name="two"), source(*old)),
    )
    assert not any("swapped" in (one.hint or "") for one in plan.findings)


def test_a_swap_is_not_told_by_what_may_be_missing():
    plan = plan_of(
        (
            model("a", variable("b", [3], scope="x"), name="x", allow_missing=("a",)),
            source("c"),
        ),
        (model("d", name="y"), source(entry("b", [3]))),
    )
    assert "missing-key" in error_ids(plan.findings)
    assert not any("swapped" in (one.hint or "") for one in plan.findings)


def test_no_swap_is_suspected_where_no_other_checkpoint_fits():
    plan = plan_of(
        (model("a", name="x"), source("b")),
        (model("c", name="y"), source("d")),
    )
    hints = [one.hint or "" for one in plan.findings]
    assert hints
    assert not any("swapped" in hint for hint in hints)


def test_no_swap_is_suspected_where_the_other_checkpoint_fits_its_own_model_too():
    plan = plan_of(
        (model("w", name="x"), source("old/v")),
        (model("w", name="y"), source("w")),
    )
    hints = [one.hint or "" for one in plan.findings]
    assert not any("swapped" in hint for hint in hints)


def test_no_swap_is_suspected_where_the_checkpoint_fits_its_own_model_too():
    plan = plan_of(
        (model("w", name="left"), source("typo")),
        (model("w", name="right"), source("w")),
    )
    assert error_ids(plan.findings) == ["missing-key", "unused-weights"]
    assert not any("swapped" in (one.hint or "") for one in plan.findings)


def test_the_scope_of_another_model_inside_of_a_common_one_is_foreign_too():
    plan = plan_of(
        (model("w", name="encoder"), source("both/decoder/w")),
        (model("w", name="decoder"), source("both/encoder/w")),
    )
    assert error_ids(plan.findings) == ["foreign-prefix", "foreign-prefix"]


@pytest.mark.parametrize("prefix", ["right", "train/right", "a/b/right"])
def test_the_scope_of_another_model_is_known_inside_of_outer_scopes(prefix):
    plan = plan_of(
        (model("w", name="left"), source(f"{prefix}/w")),
        (model("w", name="right"), source("w")),
    )
    assert error_ids(plan.findings) == ["foreign-prefix"]


def test_a_scope_that_ends_like_that_of_another_model_is_another():
    plan = plan_of(
        (model("w", name="left"), source("upright/w")),
        (model("w", name="right"), source("w")),
    )
    assert error_ids(plan.findings) == []
