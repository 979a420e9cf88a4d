"""What a plan tells: rows, coverage, JSON, text."""

import json

import pytest

from legacy_restore.planning.assemble import PlanInput, make_plan
from legacy_restore.planning.plan import (
    JSON_VERSION,
    Action,
    Coverage,
    PlanRow,
    coverage_of,
)
from tests.planning.specs import entry, model, source, variable


def example():
    """Of three variables one is restored, one permitted to be missing, one refused."""
    encoder = model(
        variable("dense/kernel", [3, 2], scope="encoder"),
        variable("logits/kernel", [2, None], scope="encoder"),
        name="encoder",
        allow_missing=("logits/.*",),
    )
    decoder = model(variable("bias", [], "int32", "decoder"), name="decoder")
    return make_plan(
        [
            PlanInput(
                encoder,
                source(
                    entry("old/dense/kernel", [3, 2]),
                    entry("old/dense/kernel/Adam", [3, 2]),
                    location="runs/e",
                ),
            ),
            PlanInput(decoder, source("rest", location="runs/d")),
        ]
    )


# docs/plan-json.md describes it: a change here is a change for those who read it.
GOLDEN = {
    "version": 1,
    "ok": False,
    "coverage": {
        "variables": 3,
        "restored_variables": 1,
        "parameters": 7,
        "restored_parameters": 6,
        "shared_variables": 0,
        "shared_parameters": 0,
        "constants": 0,
    },
    "models": [
        {
            "name": "encoder",
            "scope": "encoder",
            "location": "runs/e",
            "prefix": "runs/e",
            "format": "V2",
            "matched_by": "old/ in the place of encoder/",
            "coverage": {
                "variables": 2,
                "restored_variables": 1,
                "parameters": 6,
                "restored_parameters": 6,
                "shared_variables": 0,
                "shared_parameters": 0,
                "constants": 0,
            },
            "rows": [
                {
                    "variable": "encoder/dense/kernel",
                    "dtype": "float32",
                    "shape": [3, 2],
                    "kind": "resource",
                    "parts": 0,
                    "action": "restore",
                    "key": "old/dense/kernel",
                    "shared_with": None,
                    "conversion": None,
                },
                {
                    "variable": "encoder/logits/kernel",
                    "dtype": "float32",
                    "shape": [2, None],
                    "kind": "resource",
                    "parts": 0,
                    "action": "initialize",
                    "key": None,
                    "shared_with": None,
                    "conversion": None,
                },
            ],
        },
        {
            "name": "decoder",
            "scope": "decoder",
            "location": "runs/d",
            "prefix": "runs/d",
            "format": "V2",
            "matched_by": "names as they are",
            "coverage": {
                "variables": 1,
                "restored_variables": 0,
                "parameters": 1,
                "restored_parameters": 0,
                "shared_variables": 0,
                "shared_parameters": 0,
                "constants": 0,
            },
            "rows": [
                {
                    "variable": "decoder/bias",
                    "dtype": "int32",
                    "shape": [],
                    "kind": "resource",
                    "parts": 0,
                    "action": "refuse",
                    "key": None,
                    "shared_with": None,
                    "conversion": None,
                },
            ],
        },
    ],
    "findings": [
        {
            "id": "left-to-initializer",
            "severity": "remark",
            "model": "encoder",
            "subject": "encoder/logits/kernel",
            "message": "",
            "expected": None,
            "found": None,
            "hint": None,
            "waiver": None,
        },
        {
            "id": "unused-training-state",
            "severity": "remark",
            "model": "encoder",
            "subject": "old/dense/kernel/Adam",
            "message": "optimizer slot: Adam of old/dense/kernel",
            "expected": None,
            "found": "float32[3,2]",
            "hint": None,
            "waiver": None,
        },
        {
            "id": "matched-under-prefix",
            "severity": "remark",
            "model": "encoder",
            "subject": "old/",
            "message": "the checkpoint holds encoder/ under this name",
            "expected": None,
            "found": None,
            "hint": None,
            "waiver": None,
        },
        {
            "id": "missing-key",
            "severity": "error",
            "model": "decoder",
            "subject": "decoder/bias",
            "message": "",
            "expected": "int32[]",
            "found": None,
            "hint": None,
            "waiver": ["allow_missing", "bias"],
        },
        {
            "id": "unused-weights",
            "severity": "error",
            "model": "decoder",
            "subject": "rest",
            "message": "weight: not known as training state",
            "expected": None,
            "found": "float32[2]",
            "hint": None,
            "waiver": ["allow_unused", "rest"],
        },
    ],
}


def test_the_json_of_a_plan_is_as_documented():
    assert example().to_json() == GOLDEN


def test_the_json_of_a_plan_is_json():
    assert json.loads(json.dumps(example().to_json())) == GOLDEN
    assert GOLDEN["version"] == JSON_VERSION


def test_the_json_of_a_model_without_a_checkpoint_has_nulls():
    found = make_plan([PlanInput(model("a"), None)]).to_json()["models"][0]
    assert [found[key] for key in ("location", "prefix", "format")] == [None] * 3


def test_the_json_of_an_unknown_rank_is_null():
    of_it = source(entry("a", [2, 3]))
    plan = make_plan([PlanInput(model(variable("a", None)), of_it)])
    assert plan.to_json()["models"][0]["rows"][0]["shape"] is None


@pytest.mark.parametrize(
    "shape, stored, count",
    [
        ([3, 2], None, 6),
        ([], None, 1),
        ([0, 4], None, 0),
        (None, None, 0),
        ([None, 4], None, 0),
        (None, [3, 5], 15),
        ([None, 4], [2, 4], 8),
    ],
)
def test_parameters_are_counted_from_the_checkpoint_where_shapes_are_open(
    shape, stored, count
):
    found = None if stored is None else entry("a", stored)
    row = PlanRow("m", variable("a", shape), Action.RESTORE, found)
    assert row.num_parameters == count


def test_coverage_counts_what_is_restored():
    rows = [
        PlanRow("m", variable("a", [3]), Action.RESTORE, entry("a", [3])),
        PlanRow("m", variable("b", [4]), Action.INITIALIZE),
        PlanRow("m", variable("c", [5]), Action.REFUSE, entry("c", [50])),
    ]
    assert coverage_of(rows[:2]) == Coverage(2, 1, 7, 3)
    assert coverage_of(rows) == Coverage(3, 1, 57, 3)
    assert coverage_of([]) == Coverage(0, 0, 0, 0)


@pytest.mark.parametrize(
    "coverage, share",
    [
        (Coverage(2, 2, 10, 10), "(100 %)"),
        (Coverage(2, 1, 100_000, 99_999), "(99.99 %)"),
        (Coverage(2, 1, 3, 1), "(33.33 %)"),
        (Coverage(2, 0, 3, 0), "(0.00 %)"),
        (Coverage(0, 0, 0, 0), "(100 %)"),
    ],
)
def test_almost_all_never_reads_as_all(coverage, share):
    assert str(coverage).endswith(share)


def test_the_text_shows_every_variable_its_key_and_every_finding():
    plan = example()
    text = str(plan)
    for row in plan.rows:
        assert row.variable.name in text
    for finding in plan.findings:
        assert finding.subject in text
        assert finding.kind.title in text
    assert "old/dense/kernel" in text
    assert "(initialiser)" in text
    assert "(none)" in text
    lines = text.splitlines()
    assert lines[-1].startswith("refused: 1 of 3 variables")
    # None of decoder's names is a key: to waive all of it is no advice.
    assert lines[-3].startswith("  try: rules=[lr.Rename(...)] for 'decoder'")


def test_the_text_of_a_good_plan_says_that_it_is_ready():
    plan = make_plan([PlanInput(model("a"), source("a"))])
    assert str(plan).splitlines()[-1].startswith("ready to restore: 1 of 1 variables")


def test_the_text_marks_what_does_not_fit():
    plan = make_plan([PlanInput(model(variable("a", [9])), source("a"))])
    assert "a (does not fit)" in str(plan)


def test_the_text_of_a_large_plan_counts_what_it_leaves_out():
    names = [f"layer_{number:03d}/w" for number in range(200)]
    text = str(make_plan([PlanInput(model(*names), source(*names))]))
    shown = sum(name in text for name in names)
    assert f"... and {len(names) - shown} more" in text
    assert "200 of 200 variables" in text


def test_a_prompt_shows_a_plan_in_one_line():
    # The tables are for print(): a large plan is not to fill the screen.
    plan = example()
    assert repr(plan) == (
        "<Plan 'encoder', 'decoder': 1 of 3 variables, 6 of 7 parameters (85.71 %), "
        "refused, 2 problems>"
    )
    assert repr(plan["encoder"]) == (
        "<ModelPlan 'encoder': 1 of 2 variables, 6 of 6 parameters (100 %), ready>"
    )


def test_text_and_json_are_the_same_every_time():
    assert str(example()) == str(example())
    assert json.dumps(example().to_json()) == json.dumps(example().to_json())
