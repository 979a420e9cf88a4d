"""What models share, and which of them it comes from."""

import dataclasses

import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import TensorSlice
from legacy_restore.mapping.rules import Rename
from legacy_restore.planning.assemble import PlanInput, plan_model
from legacy_restore.planning.plan import Action, Plan
from legacy_restore.planning.shared import (
    Shared,
    check_shared,
    find_sharing,
    with_sharing,
)
from legacy_restore.planning.sharing import Differing, judge_copies, share
from legacy_restore.planning.spec import Part
from tests.planning.specs import entry, error_ids, ids, model, of_id, source, variable

AB = ("a", "b")


def sharing_of(models, *shared):
    return find_sharing(shared, {one.name: one for one in models})


def shared_plan(shared, *pairs):
    """The borrowers of models with their sources, and what they share."""
    found = sharing_of([one for one, _ in pairs], *shared)
    inputs = [PlanInput(with_sharing(one, found), of_it) for one, of_it in pairs]
    plans = [plan_model(one, inputs) for one in inputs]
    return share(plans, found)


def actions(borrower):
    return {row.variable.local_name: row.action.value for row in borrower.plan.rows}


def names(sharing):
    return [[spec.name for spec in one.variables.values()] for one in sharing.variables]


@pytest.mark.parametrize(
    "arguments",
    [
        {"scope": "emb", "models": ("a",)},
        {"scope": "emb", "models": ()},
        {"scope": "emb", "models": "ab"},
        {"scope": "emb", "models": ("a", "a")},
        {"scope": "emb", "models": ("a", 3)},
        {"scope": "emb", "models": None},
        {"scope": "emb/", "models": AB},
        {"scope": "/emb", "models": AB},
        {"scope": None, "models": AB},
        {"scope": "emb", "models": AB, "owner": "c"},
        {"scope": "emb", "models": AB, "owner": 3},
    ],
)
def test_what_cannot_be_meant_is_refused(arguments):
    with pytest.raises(errors.UsageError):
        Shared(**arguments)


@pytest.mark.parametrize(
    "given", [[Shared("emb", ("a", "z"))], ["emb"], Shared("emb", AB), None, 3]
)
def test_unknown_models_and_other_things_are_refused(given):
    with pytest.raises(errors.UsageError):
        check_shared(given, AB)


def test_models_may_be_a_list():
    assert Shared("emb", ["a", "b"]) == Shared("emb", AB)
    assert check_shared([Shared("emb", AB)], AB) == (Shared("emb", AB),)


@pytest.mark.parametrize(
    "scope, found",
    [
        ("emb", ["emb", "emb/w"]),
        ("emb/w", ["emb/w"]),
        ("", ["emb", "emb/w", "emb_1/w", "out"]),
    ],
)
def test_a_scope_is_a_name_and_not_the_beginning_of_one(scope, found):
    models = [model("emb", "emb/w", "emb_1/w", "out", name=name) for name in AB]
    assert names(sharing_of(models, Shared(scope, AB))) == [
        [f"a/{one}", f"b/{one}"] for one in found
    ]


def test_what_is_outside_of_its_models_scope_is_not_shared():
    escaped = [
        model(variable("emb/w", scope=name), name=name, scope=f"other/{name}")
        for name in AB
    ]
    found = sharing_of(escaped, Shared("emb", AB))
    assert names(found) == []
    assert error_ids(found.findings) == ["unused-shared"]


def test_a_scope_without_anything_in_common_is_an_error():
    models = [model("emb/w", name="a"), model("emb/v", name="b")]
    found = sharing_of(models, Shared("emb", AB))
    assert ids(found.findings) == ["unused-shared", "shared-by-one", "shared-by-one"]
    assert sharing_of(models, Shared("nothing", AB)).findings[0].is_error


def test_what_only_one_model_has_stays_its_own():
    models = [model("emb/w", "emb/v", name="a"), model("emb/w", name="b")]
    found = sharing_of(models, Shared("emb", AB))
    assert names(found) == [["a/emb/w", "b/emb/w"]]
    [remark] = found.findings
    assert (remark.id, remark.subject, remark.model) == (
        "shared-by-one",
        "a/emb/v",
        "a",
    )


def test_one_variable_in_two_shared_is_refused():
    models = [model("emb/w", name=name) for name in "abc"]
    found = sharing_of(models, Shared("emb", AB), Shared("emb/w", ("b", "c")))
    assert names(found) == []
    [finding] = of_id(found.findings, "shared-mismatch")
    assert finding.subject == "b/emb/w"


def parts(name, *places):
    return tuple(Part(f"{name}/part_{n}", one) for n, one in enumerate(places))


TOP, BOTTOM = TensorSlice((0,), (1,)), TensorSlice((1,), (1,))
MOST, REST = TensorSlice((0,), (2,)), TensorSlice((2,), (0,))


@pytest.mark.parametrize(
    "other",
    [
        {"shape": (3,)},
        {"shape": None},
        {"dtype": "float64"},
        {"is_local": True},
        {"pieces": parts("b/w", TOP, BOTTOM)},
    ],
)
def test_unlike_variables_are_refused(other):
    more = {"shape": (2,), "dtype": "float32", **other}
    models = [model("w", name="a"), model(variable("w", scope="b", **more), name="b")]
    found = sharing_of(models, Shared("", AB))
    assert names(found) == []
    assert [one.subject for one in found.findings if one.is_error] == ["b/w"]


def test_parts_that_are_cut_elsewhere_are_refused():
    cuts = {"a": (TOP, BOTTOM), "b": (MOST, REST)}
    models = [
        model(variable("w", scope=name, pieces=parts(name, *cut)), name=name)
        for name, cut in cuts.items()
    ]
    assert error_ids(sharing_of(models, Shared("w", AB)).findings) == [
        "shared-mismatch"
    ]


def test_other_kinds_and_tables_are_refused():
    one, other = variable("w", scope="a"), variable("w", scope="b")
    ref = dataclasses.replace(other, kind="ref")
    table = [
        dataclasses.replace(v, kind="table", saved_with=v.name) for v in (one, other)
    ]
    for pair in ([one, ref], table):
        models = [model(v, name=name) for v, name in zip(pair, AB)]
        found = sharing_of(models, Shared("w", AB))
        assert set(error_ids(found.findings)) == {"shared-mismatch"}


def test_local_variables_stay_apart():
    models = [
        model("w", variable("step", scope=name, is_local=True), name=name)
        for name in AB
    ]
    found = sharing_of(models, Shared("", AB))
    assert names(found) == [["a/w", "b/w"]]
    assert found.findings == ()


def test_the_first_model_whose_checkpoint_has_it_is_the_source():
    models = [model("emb", "out", name=name) for name in "abc"]
    found = shared_plan(
        [Shared("emb", ("c", "b", "a"))],
        (models[0], source("emb", "out")),
        (models[1], source("emb", "out")),
        (models[2], source("out")),
    )
    assert [actions(one)["emb"] for one in found] == ["share", "restore", "share"]
    assert error_ids(f for one in found for f in one.plan.findings) == []
    [copy] = found[0].copies  # The other has none.
    assert (copy.row.key, copy.borrowed.source.variable) == ("emb", "b/emb")
    assert found[2].copies == ()
    assert found[2].plan.rows[0].to_json()["shared_with"] == {
        "model": "b",
        "variable": "b/emb",
    }


def test_what_is_shared_counts_once_and_each_model_says_where_it_comes_from():
    pairs = [(model("emb", "out", name=name), source("emb", "out")) for name in AB]
    plans = tuple(one.plan for one in shared_plan([Shared("emb", AB)], *pairs))
    whole = Plan(plans, ()).coverage
    assert (whole.variables, whole.restored_variables) == (3, 3)
    assert (whole.parameters, whole.shared_variables) == (6, 0)
    assert str(whole).endswith("(100 %)")
    own = plans[1].coverage
    assert (own.variables, own.restored_variables, own.shared_variables) == (2, 1, 1)
    assert str(own).endswith("(50.00 %); 1 variable, 2 parameters from other models")
    assert "(shared with a/emb)" in str(Plan(plans, ()))


def test_keys_go_through_each_models_rules():
    one = model("emb", "out", name="a")
    two = model("emb", "out", name="b", rules=(Rename("^table$", "emb"),))
    found = shared_plan(
        [Shared("emb", AB)], (one, source("emb", "out")), (two, source("table", "out"))
    )
    assert [copy.row.key for copy in found[1].copies] == ["table"]
    assert error_ids(found[1].plan.findings) == []


def test_without_any_checkpoint_that_has_it_each_model_is_refused():
    pairs = [(model("emb", "out", name=name), source("out")) for name in AB]
    found = shared_plan([Shared("emb", AB)], *pairs)
    assert [error_ids(one.plan.findings) for one in found] == [["missing-key"]] * 2


def test_an_initialiser_has_to_be_permitted_in_every_model():
    for waivers, refused in (
        ({"a": ("emb",), "b": ("emb",)}, []),
        ({"a": ("emb",), "b": ()}, ["missing-key"]),
    ):
        pairs = [
            (model("emb", "out", name=name, allow_missing=waivers[name]), source("out"))
            for name in AB
        ]
        found = shared_plan([Shared("emb", AB)], *pairs)
        assert error_ids(f for one in found for f in one.plan.findings) == refused
        assert actions(found[0])["emb"] == "initialize"
        assert actions(found[1])["emb"] == ("refuse" if refused else "share")


def test_a_waiver_is_used_where_another_model_has_what_is_missing():
    waived = model("emb", "out", name="b", allow_missing=("emb",))
    found = shared_plan(
        [Shared("emb", AB)],
        (model("emb", "out", name="a"), source("emb", "out")),
        (waived, source("out")),
    )
    assert found[1].plan.findings == ()
    assert actions(found[1])["emb"] == "share"


def test_an_owner_without_it_is_refused_with_the_model_that_has_it():
    found = shared_plan(
        [Shared("emb", AB, owner="b")],
        (model("emb", "out", name="a"), source("emb", "out")),
        (model("emb", "out", name="b"), source("out")),
    )
    [finding] = [one for one in found[1].plan.findings if one.is_error]
    assert finding.id == "missing-key"
    assert "owner='a'" in finding.hint
    assert "--shared=a:a/b=emb" in finding.hint


def test_a_key_that_does_not_fit_is_refused_unless_an_owner_is_named():
    def found(owner):
        return shared_plan(
            [Shared("emb", AB, owner)],
            (model("emb", "out", name="a"), source("emb", "out")),
            (model("emb", "out", name="b"), source(entry("emb", [3]), "out")),
        )[1]

    assert error_ids(found(None).plan.findings) == ["shape-mismatch"]
    assert error_ids(found("a").plan.findings) == []
    assert error_ids(found("b").plan.findings) == ["shape-mismatch"]
    assert len(found("a").copies) == 1


def test_a_match_is_not_guessed_because_a_shared_variable_is_missing():
    # Two ways to match what is left are as ambiguous as without anything shared.
    both = source("m/out", "out")
    alone = model("out", name="b", scope="m")
    assert error_ids(plan_model(PlanInput(alone, both), []).findings) == [
        "ambiguous-match"
    ]
    found = shared_plan(
        [Shared("emb", AB)],
        (model("emb", name="a"), source("emb")),
        (model("emb", "out", name="b", scope="m"), both),
    )
    assert error_ids(found[1].plan.findings) == ["ambiguous-match"]


def test_a_match_is_not_guessed_because_an_owner_is_named():
    found = shared_plan(
        [Shared("emb", AB, owner="a")],
        (model("emb", name="a"), source("emb")),
        (
            model("emb", "out", name="b", scope="m"),
            source("m/out", "out", entry("emb", [9]), entry("m/emb", [9])),
        ),
    )
    assert error_ids(found[1].plan.findings) == ["ambiguous-match"]


def test_an_average_that_another_model_has_need_not_be_there():
    trained = [
        model(
            variable("emb", scope=name, is_trainable=True),
            variable("out", scope=name, is_trainable=True),
            name=name,
            weights="ema",
        )
        for name in AB
    ]
    averages = ("emb/ExponentialMovingAverage", "out/ExponentialMovingAverage")
    for owner, refused in ((None, []), ("a", []), ("b", ["missing-shadow"])):
        found = shared_plan(
            [Shared("emb", AB, owner)],
            (trained[0], source("emb", "out", *averages)),
            (trained[1], source("emb", "out", averages[1])),
        )
        assert error_ids(f for one in found for f in one.plan.findings) == refused


def test_a_match_is_not_guessed_because_an_average_is_missing():
    average = "out/ExponentialMovingAverage"
    trained = [variable(one, scope="m", is_trainable=True) for one in ("emb", "out")]
    found = shared_plan(
        [Shared("emb", AB, owner="a")],
        (model("emb", name="a"), source("emb")),
        (
            model(*trained, name="b", scope="m", weights="ema"),
            source("m/out", f"m/{average}", "m/emb", "out", average, "emb"),
        ),
    )
    assert error_ids(found[1].plan.findings) == ["ambiguous-match"]


def test_copies_that_differ_are_refused_or_counted_where_an_owner_is_named():
    for owner in (None, "a"):
        pairs = [(model("emb", "out", name=name), source("emb", "out")) for name in AB]
        borrower = shared_plan([Shared("emb", AB, owner)], *pairs)[1]
        found = judge_copies(borrower.plan, [Differing(borrower.copies[0], "by 3")])
        if owner is None:
            [finding] = found.findings
            assert (finding.id, finding.message) == ("shared-differs", "by 3")
            assert "owner='a'" in finding.hint
            assert [row.action for row in found.rows][0] is Action.REFUSE
        else:
            assert ids(found.findings) == ["shared-copy-differs"]
            assert "1 variable, b/emb" in found.findings[0].message
            assert [row.action for row in found.rows][0] is Action.SHARE
        assert judge_copies(borrower.plan, []) is borrower.plan
