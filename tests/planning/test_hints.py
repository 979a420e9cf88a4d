"""What to type to permit what a plan refuses."""

import dataclasses

from legacy_restore.planning.assemble import PlanInput, make_plan
from legacy_restore.planning.hints import waiver_hints
from legacy_restore.planning.plan import Plan
from tests.planning.specs import entry, model, source, variable


def hints(one, of_it):
    return waiver_hints(make_plan([PlanInput(one, of_it)]))


def test_a_good_plan_has_no_hints():
    assert hints(model("a"), source("a")) == []


def test_missing_variables_are_permitted_by_their_scope_where_all_of_it_is_missing():
    names = ["net/w", "logits/w", "logits/b"]
    [hint] = hints(model(*names), source("net/w"))
    assert hint == (
        "allow_missing=[\"logits/.*\"] for 'm'   or   --allow_missing='m:logits/.*'"
    )


def test_missing_variables_are_permitted_one_by_one_where_others_are_there():
    [hint] = hints(model("net/w", "net/b"), source("net/w"))
    assert hint.startswith('allow_missing=["net/b"]')


def test_left_weights_are_permitted_without_what_is_taken():
    [hint] = hints(model("net/w"), source("net/w", "net/b", "old/w", "old/b"))
    assert hint.startswith('allow_unused=["net/b", "old/.*"]')


def test_there_is_a_hint_for_each_waiver():
    found = hints(model("a", "b/x", "b/y"), source("a", "z/w", "z/v", "z/u"))
    assert [hint.partition("=")[0] for hint in found] == [
        "allow_missing",
        "allow_unused",
    ]


def test_many_patterns_are_cut():
    names = [f"{letter}/w" for letter in "abcdefgh"]
    [hint] = hints(model("z", *names), source("z"))
    assert '"d/.*", ...]' in hint


def test_nothing_is_waived_where_no_name_matches():
    # Both waivers together would restore nothing, and succeed.
    [hint] = hints(model("a/w", "b/w"), source("x/w", "y/w"))
    assert hint.startswith("rules=[lr.Rename(...)] for 'm'")


def test_names_of_tensors_of_one_type_are_proposed_where_no_name_matches():
    # Others stay in the checkpoint: that is for its user to permit, in a second step.
    one = model(variable("head.0", [7]), variable("x", [3]))
    found = hints(one, source(entry("conv.1", [7]), entry("y", [9]), "z"))
    assert found[0].startswith('rules=[lr.Rename(r"^conv\\.1$", r"head.0"), ...] for')
    assert len(found) == 1


def test_hints_name_no_flags_where_no_command_restores_such_models():
    class Live(Plan):
        HAS_COMMAND = False

    plan = make_plan([PlanInput(model("net/w", "a"), source("net/w"))])
    assert waiver_hints(Live(plan.models, plan.findings)) == [
        "allow_missing=[\"a\"] for 'm'"
    ]


def test_other_shapes_are_permitted_by_name():
    [hint] = hints(model(variable("a", [9])), source("a"))
    assert hint == "allow_shape=[\"a\"] for 'm'   or   --allow_shape='m:a'"


def test_other_dtypes_are_permitted_with_the_dtype_of_the_variable():
    one = model(variable("a/w", dtype="float16"), variable("a/b", dtype="float16"), "c")
    [hint] = hints(one, source("a/w", "a/b", "c"))
    assert hint == (
        "cast={\"a/.*\": \"float16\"} for 'm'   or   --cast='m:a/.*=>float16'"
    )


def test_casts_to_several_dtypes_are_named_one_by_one():
    one = model(variable("a/w", dtype="float16"), variable("a/n", dtype="int32"))
    [hint] = hints(one, source("a/w", "a/n"))
    assert hint.startswith('cast={"a/w": "float16", "a/n": "int32"}')


def test_what_is_no_variable_has_no_waiver():
    table = variable("t-keys", [9], saved_with="m/t-keys")
    table = dataclasses.replace(table, kind="table")
    assert hints(model(table), source("t-keys")) == []


def test_patterns_typed_as_they_are_hinted_permit_the_plan():
    one, of_it = model("a", "x/b", "x/c"), source("a", "y.z/b", "y.z/c", "y.z/d")
    typed = {}
    for hint in hints(one, of_it):
        argument, _, rest = hint.partition("=")
        typed[argument] = tuple(eval(rest[: rest.index("]") + 1]))
    permitted = model("a", "x/b", "x/c", **typed)
    assert make_plan([PlanInput(permitted, of_it)]).ok
