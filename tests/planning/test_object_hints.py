"""The advice for models with names and checkpoints of objects."""

import re

from legacy_restore.checkpoint.objects import decode_objects
from legacy_restore.mapping.rules import Rename
from legacy_restore.planning.assemble import PlanInput, make_plan
from legacy_restore.planning.spec import Source
from tests.checkpoint.object_builders import VALUE, child, graph, variable
from tests.planning.specs import entry, model, source


def of_objects(names):
    """The source of a checkpoint of objects of shape [2, 3], by their full names."""
    keys = [f"layers/{number}{VALUE}" for number in range(len(names))]
    data = graph(
        [child("layers", 1)],
        [child(str(number), number + 2) for number in range(len(names))],
        *([variable(f"layers/{number}", one)] for number, one in enumerate(names)),
    )
    plain = source(*(entry(key) for key in keys))
    return Source(
        plain.location,
        plain.format,
        plain.entries,
        objects=decode_objects(data, keys),
    )


def hints_of(model, source):
    plan = make_plan([PlanInput(model, source)])
    return [one.hint for one in plan.findings if one.id == "missing-key"]


def test_the_hint_shows_rules_that_match():
    names = ["dense/kernel", "dense/bias", "out/kernel", "out/bias"]
    built = model(*names, "head")
    first, *others = hints_of(built, of_objects(names))
    assert "object-based" in first
    assert "4 of the 5 variables" in first
    assert first.count("Rename(") == 3 and ", ...]" in first
    assert set(others) == {None}
    shown = re.findall(r'Rename\(r"(.*?)", "(.*?)"\)', first)
    fourth = (rf"^layers/3{re.escape(VALUE)}$", "out/bias")
    rules = [Rename(*one) for one in [*shown, fourth]]
    assert hints_of(model(*names, rules=rules), of_objects(names)) == []


def test_names_that_explain_all_of_a_model_need_no_hint():
    names = ["dense/kernel", "dense/bias"]
    plan = make_plan([PlanInput(model(*names), of_objects(names))])
    assert plan.ok and plan.findings == ()
    assert [row.key for row in plan.rows] == [f"layers/{i}{VALUE}" for i in (0, 1)]
    (only,) = plan.models
    assert "names of the variables when they were saved" in only.matched_by


def test_without_names_the_hint_says_what_the_keys_are():
    built = model("dense/kernel")
    for names in (["another", "third"], ["dense/kernel", "dense/kernel"]):
        (hint,) = hints_of(built, of_objects(names))
        assert "paths of objects" in hint
        assert "inspect" in hint


def test_a_name_that_several_variables_had_is_told_with_their_keys():
    source_of_two = of_objects(["sub/kernel", "sub/kernel", "other"])
    (hint,) = hints_of(model("sub/kernel"), source_of_two)
    assert hint.endswith(
        "2 variables were called sub/kernel, so it is no name of one: "
        f"layers/0{VALUE}, layers/1{VALUE}"
    )
    (hint,) = hints_of(model("third"), source_of_two)
    assert "were called" not in hint


def test_name_based_checkpoints_have_no_such_hint():
    built = model("dense/kernel")
    (hint,) = hints_of(built, source(entry("other", [9])))
    assert hint is None
