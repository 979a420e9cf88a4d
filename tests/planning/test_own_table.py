"""Matching by the table that a saved graph brings."""

import dataclasses

import pytest

from legacy_restore.mapping.packs.registry import PACKS
from legacy_restore.mapping.partial import Partial
from legacy_restore.mapping.rules import Rename
from legacy_restore.planning.assemble import PlanInput, make_plan
from legacy_restore.planning.model_matching import explained_by, match_model
from legacy_restore.planning.own_table import saved_names
from legacy_restore.planning.plan import Action
from legacy_restore.planning.spec import OwnTable
from tests.planning.specs import entry, error_ids, ids, model, of_id, source, variable

EMA = "ExponentialMovingAverage"


TABLE = ("conflicts", "initialised", "not_needed", "saver_keys")


def saved(*names, keys=(), **more):
    """A model of a saved graph whose Saver gives its variables keys."""
    table = {name: more.pop(name) for name in TABLE if name in more}
    own = {f"m/{name}": key for name, key in zip(names, keys)}
    return model(*names, own=OwnTable(keys=own, **table), **more)


def keys_of(match):
    return {row.variable.local_name: row.key for row in match.rows}


def test_the_table_goes_before_names():
    match = match_model(saved("a", "b", keys=("x", "y")), source("x", "y"))
    assert keys_of(match) == {"a": "x", "b": "y"}
    assert match.matched_by == "the file's own table"
    assert not match.findings


def test_the_table_is_taken_where_names_explain_the_model_too():
    crossed = saved("a", "b", keys=("b", "a"))
    match = match_model(crossed, source("a", "b"))
    assert keys_of(match) == {"a": "b", "b": "a"}
    assert not error_ids(match.findings)
    without = dataclasses.replace(crossed, own=OwnTable())
    assert keys_of(match_model(without, source("a", "b"))) == {"a": "a", "b": "b"}


def test_names_follow_where_the_table_does_not_explain_the_model():
    match = match_model(saved("a", "b", keys=("x", "y")), source("a", "b"))
    assert keys_of(match) == {"a": "a", "b": "b"}
    match = match_model(saved("a", "b", keys=("x", "y")), source("s/a", "s/b"))
    assert match.prefix == "s"


def test_the_table_does_not_win_by_what_may_be_missing():
    one = saved("a", "b", keys=("a", "gone"), allow_missing=("b",))
    match = match_model(one, source("a", "b"))
    assert keys_of(match) == {"a": "a", "b": "b"}


def test_a_table_that_explains_less_than_names_is_not_taken_for_that():
    one = saved("a", "b", keys=("x", "gone"), allow_missing=("b",))
    match = match_model(one, source("x", "a", "b"))
    assert error_ids(match.findings) == ["ambiguous-match"]


def test_rules_go_before_the_table_key_by_key():
    one = saved("a", "b", keys=("x", "y"), rules=(Rename("^other$", "a"),))
    match = match_model(one, source("x", "y", "other"))
    assert keys_of(match) == {"a": "other", "b": "y"}
    assert error_ids(match.findings) == ["unused-weights"]
    assert match.matched_by == "the rules, else the file's own table"
    moved = saved("a", "b", keys=("x", "y"), rules=(Rename("^x$", "b"),))
    match = match_model(moved, source("x", "y"))
    assert keys_of(match) == {"a": None, "b": "x"}
    assert "missing-key" in error_ids(match.findings)


def test_rules_alone_still_do():
    one = saved("a", "b", keys=("x", "y"), rules=(Rename("^old/", ""),))
    match = match_model(one, source("old/a", "old/b"))
    assert keys_of(match) == {"a": "old/a", "b": "old/b"}
    assert match.matched_by.startswith("the rules")


def test_averages_are_found_below_the_keys_of_the_table():
    one = saved("a", keys=("x",), weights="ema")
    match = match_model(one, source("x", f"x/{EMA}"))
    assert keys_of(match) == {"a": f"x/{EMA}"}
    assert not error_ids(match.findings)


def test_what_no_saver_restores_is_initialised():
    one = saved("a", "step", keys=("a",), initialised=frozenset(["m/step"]))
    match = match_model(one, source("a"))
    assert [row.action for row in match.rows] == [Action.RESTORE, Action.INITIALIZE]
    assert ids(match.findings) == ["unsaved-variable"]


def test_what_no_saver_restores_is_restored_where_the_checkpoint_has_it():
    one = saved("a", "step", keys=("x",), initialised=frozenset(["m/step"]))
    match = match_model(one, source("x", "step"))
    assert keys_of(match) == {"a": "x", "step": "step"}
    assert not match.findings


def test_what_no_saver_restores_and_nothing_initialises_is_missing():
    one = saved("a", "step", keys=("a",), saver_keys=("a",))
    match = match_model(one, source("a"))
    [finding] = of_id(match.findings, "missing-key")
    assert finding.subject == "m/step"
    assert finding.message == "no Saver of the graph restores it"
    assert error_ids(match.findings) == ["missing-key"]


def test_what_is_not_needed_is_no_leftover_weight():
    one = saved("a", keys=("x",), not_needed={"y": "b", "w/Adam": "b/Adam"})
    match = match_model(one, source("x", "y", "w/Adam", "z"))
    assert [finding.subject for finding in of_id(match.findings, "not-needed")] == [
        "w/Adam",
        "y",
    ]
    assert [finding.subject for finding in match.findings if finding.is_error] == ["z"]
    assert match.copied == {"y": "y", "w/Adam": "w/Adam"}


@pytest.mark.parametrize("prefix", ["", "s/"])
def test_what_is_not_needed_is_known_by_name_where_names_match(prefix):
    one = saved("a", keys=("x",), not_needed={"y": "b"})
    match = match_model(one, source(f"{prefix}a", f"{prefix}b"))
    assert not error_ids(match.findings)
    assert match.copied == {"y": f"{prefix}b"}


def test_what_is_not_needed_is_known_by_rules():
    one = saved("a", keys=("x",), not_needed={"y": "b"}, rules=(Rename("^old/", ""),))
    match = match_model(one, source("old/a", "old/b"))
    assert not error_ids(match.findings)
    assert match.copied == {"y": "old/b"}


def test_savers_that_disagree_refuse_a_variable():
    conflicts = {"m/a": ("x", "pre/x")}
    one = saved("a", "b", keys=("x", "y"), conflicts=conflicts)
    match = match_model(one, source("x", "y"))
    assert error_ids(match.findings) == ["saver-conflict"]
    [finding] = of_id(match.findings, "saver-conflict")
    assert finding.subject == "m/a" and 'lr.Rename(r"^x$", r"a")' in finding.hint


@pytest.mark.parametrize("key", ["x", "pre/x"])
def test_a_rule_says_which_saver_is_meant(key):
    conflicts = {"m/a": ("x", "pre/x")}
    one = saved(
        "a",
        keys=("x",),
        conflicts=conflicts,
        rules=(Rename(f"^{key}$", "a"),),
        allow_unused=("x|pre/x",),
    )
    match = match_model(one, source("x", "pre/x"))
    assert keys_of(match) == {"a": key}
    assert not error_ids(match.findings)


def test_a_graph_of_another_model_is_said_first():
    one = saved("a", keys=("x",), saver_keys=("x", "y", "z"))
    match = match_model(one, source("p", "z"))
    assert error_ids(match.findings)[0] == "graph-mismatch"
    assert ids(match.findings)[0] == "graph-mismatch"
    assert "has 1 of the 3 keys" in match.findings[0].message
    assert "x, y" in match.findings[0].message
    assert "missing-key" in error_ids(match.findings)


def test_a_checkpoint_of_another_training_is_a_remark():
    one = saved("a", keys=("x",), saver_keys=("x", "y"), not_needed={"y": "b"})
    match = match_model(one, source("x"))
    assert ids(match.findings) == ["graph-differs"]
    assert not error_ids(match.findings)
    same = match_model(one, source("x", "y"))
    assert ids(same.findings) == ["not-needed"]


def test_a_shape_that_differs_under_all_keys_is_told_as_such():
    one = saved("a", keys=("x",), saver_keys=("x",))
    match = match_model(one, source(entry("x", [5])))
    assert error_ids(match.findings) == ["shape-mismatch"]


def test_what_is_saved_has_the_keys_of_the_file():
    one = saved("a", "b", keys=("x",))
    assert saved_names(one) == {"m/a": "x", "m/b": "b"}


def test_swapped_checkpoints_are_told_by_the_table():
    one = saved("a", keys=("x",))
    other = model("b", name="n")
    assert explained_by(one, source("x"))
    plan = make_plan([PlanInput(one, source("b")), PlanInput(other, source("x"))])
    hints = [finding.hint or "" for finding in plan.findings]
    assert any("swapped" in hint for hint in hints)


def test_what_is_copied_is_in_the_plan():
    one = saved("a", keys=("x",), not_needed={"y": "b"})
    plan = make_plan([PlanInput(one, source("x", "y"))])
    assert plan["m"].copied == {"y": "y"}


def test_an_object_graph_is_copied_where_the_files_restore_function_reads_it():
    key = "_CHECKPOINTABLE_OBJECT_GRAPH"
    one = saved("a", keys=("x",), saver_keys=("x", key))
    graph = entry(key, [], "string")
    assert match_model(one, source("x", graph)).copied == {key: key}
    assert match_model(one, source("a", graph)).copied == {}
    unread = saved("a", keys=("x",), saver_keys=("x",))
    assert match_model(unread, source("x", graph)).copied == {}


def test_parts_of_variables_are_variables_of_the_table():
    one = model(variable("w", [4]), own=OwnTable(keys={"m/w": "k"}))
    assert keys_of(match_model(one, source(entry("k", [4])))) == {"w": "k"}


@pytest.mark.parametrize(
    "waiver", [{"allow_missing": (".*",)}, {"partial": Partial(exclude=("w",))}]
)
def test_what_nothing_gives_a_value_is_refused(waiver):
    bare = dataclasses.replace(variable("w", [4]), has_initializer=False)
    match = match_model(model(bare, "a", **waiver), source("a"))
    assert error_ids(match.findings) == ["no-initializer"]
    assert [row.action for row in match.rows] == [Action.REFUSE, Action.RESTORE]
    given = match_model(model(bare, "a"), source("a", entry("w", [4])))
    assert not error_ids(given.findings)


NUMBERED = [
    ("keras-numbers", "dense/kernel", "dense_1/kernel", "dense_2/kernel"),
    ("default-numbers", "Variable", "Variable_1", "Variable_2"),
]


@pytest.mark.parametrize("pack, first, second, third", NUMBERED)
def test_keys_that_a_pack_moves_up_are_not_what_the_table_calls_so(
    pack, first, second, third
):
    """The second key is the first variable's, although another one is called so."""
    later = source(second, third)
    for packs in (), (PACKS[pack],):
        one = saved(first, second, keys=(first, second), packs=packs)
        match = match_model(one, later)
        assert keys_of(match) == {first: second, second: third}
        assert not error_ids(match.findings)


def test_a_pack_that_nobody_needs_leaves_the_table_its_keys():
    one = saved("a", "b", keys=("tower_0/w", "x"), packs=(PACKS["tower"],))
    match = match_model(one, source("tower_0/w", "x"))
    assert keys_of(match) == {"a": "tower_0/w", "b": "x"}


def test_a_key_of_the_table_may_be_what_a_rule_makes_of_another():
    one = saved("a", "b", keys=("w", "x"), rules=(Rename("^v$", "w"),))
    match = match_model(one, source("v", "x"))
    assert keys_of(match) == {"a": "v", "b": "x"}
