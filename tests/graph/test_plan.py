"""Plans of models: what is known before there is a session."""

import json
import os
import sys

import pytest

import legacy_restore as lr
from legacy_restore import errors
from tests.graph.helpers import (
    data_file,
    ids,
    linear,
    linear_model,
    linear_values,
    numbers,
    of_id,
    variables,
    write,
)


def test_the_json_of_a_plan(kind, tmp_path):
    values = dict(linear_values(), **{"dense/bias/Adam": numbers([2])})
    prefix = write(tmp_path / "model.ckpt-7", values)
    plan = lr.plan([lr.Model("m", linear(kind), tmp_path, allow_missing=[])])
    found = json.loads(json.dumps(plan.to_json()))
    findings = found.pop("findings")
    coverage = {
        "variables": 2,
        "restored_variables": 2,
        "parameters": 8,
        "restored_parameters": 8,
        "shared_variables": 0,
        "shared_parameters": 0,
        "constants": 0,
    }
    assert found == {
        "version": 1,
        "ok": True,
        "coverage": coverage,
        "models": [
            {
                "name": "m",
                "scope": "m",
                "location": str(tmp_path),
                "prefix": prefix,
                "format": "V2",
                "matched_by": "names without m/",
                "coverage": coverage,
                "rows": [
                    {
                        "variable": "m/dense/kernel",
                        "dtype": "float32",
                        "shape": [3, 2],
                        "kind": kind,
                        "parts": 0,
                        "action": "restore",
                        "key": "dense/kernel",
                        "shared_with": None,
                        "conversion": None,
                    },
                    {
                        "variable": "m/dense/bias",
                        "dtype": "float32",
                        "shape": [2],
                        "kind": kind,
                        "parts": 0,
                        "action": "restore",
                        "key": "dense/bias",
                        "shared_with": None,
                        "conversion": None,
                    },
                ],
            }
        ],
    }
    assert [one["id"] for one in findings] == [
        "location-resolved",
        "unused-training-state",
    ]


def test_the_text_of_a_plan_lists_every_variable(kind, tmp_path):
    models = [linear_model(kind, name, tmp_path) for name in "ab"]
    text = str(lr.plan(models))
    for row in lr.plan(models).rows:
        assert row.variable.name in text
        assert row.key in text
    assert "float32[3,2]" in text
    assert text.splitlines()[-1].startswith("ready to restore: 4 of 4 variables")


def test_the_text_of_a_plan_is_the_same_every_time(kind, tmp_path):
    models = [
        linear_model(kind, "a", tmp_path),
        lr.Model("b", linear(kind, outputs=4), tmp_path / "a"),
    ]
    assert str(lr.plan(models)) == str(lr.plan(models))
    assert lr.plan(models).to_json() == lr.plan(models).to_json()


def test_coverage_counts_what_comes_from_the_checkpoint(kind, tmp_path):
    shapes = {"a": [10], "b": [3, 3], "c": []}
    prefix = write(tmp_path / "m", {"a": numbers([10])})
    model = lr.Model("m", variables(kind, shapes), prefix, allow_missing=["b", "c"])
    coverage = lr.plan([model]).coverage
    assert (coverage.variables, coverage.restored_variables) == (3, 1)
    assert (coverage.parameters, coverage.restored_parameters) == (20, 10)
    assert str(coverage) == "1 of 3 variables, 10 of 20 parameters (50.00 %)"


def test_a_plan_does_not_raise_for_what_it_finds(kind, tmp_path):
    torn = linear_model(kind, "torn", tmp_path)
    os.truncate(data_file(torn.checkpoint), 3)
    plan = lr.plan(
        [
            torn,
            lr.Model("lost", linear(kind), tmp_path / "none"),
            lr.Model("wide", linear(kind, outputs=9), torn.checkpoint),
            linear_model(kind, "good", tmp_path),
        ]
    )
    assert not plan.ok
    assert [one.ok for one in plan.models] == [False, False, False, True]
    assert set(ids(plan.findings)) == {
        "shard-truncated",
        "location-not-found",
        "shape-mismatch",
    }
    text = str(plan)
    assert "lost <- (no checkpoint)" in text
    assert text.splitlines()[-1].startswith("refused: ")
    assert plan["good"].coverage.restored_variables == 2


def test_models_may_come_from_an_iterator(kind, tmp_path):
    models = (linear_model(kind, name, tmp_path) for name in "ab")
    assert [one.name for one in lr.plan(models).models] == ["a", "b"]


def test_two_models_may_have_one_checkpoint(kind, tmp_path):
    prefix = write(tmp_path / "m", linear_values())
    assert lr.plan([lr.Model(name, linear(kind), prefix) for name in "ab"]).ok


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc")
def test_a_plan_holds_no_file_open(kind, tmp_path):
    model = linear_model(kind, "m", tmp_path)
    lr.plan([model])
    before = os.listdir("/proc/self/fd")
    plan = lr.plan([model])
    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert plan.ok


def test_planning_adds_no_restore_operations(kind, tmp_path):
    plan = lr.plan([linear_model(kind, "m", tmp_path)])
    types = {one.type for one in plan.graph.get_operations()}
    assert "RestoreV2" not in types


def test_what_was_decided_about_a_location_is_in_the_plan(kind, tmp_path):
    prefix = write(tmp_path / "model-3", linear_values())
    plan = lr.plan([lr.Model("m", linear(kind), prefix + ".index")])
    [finding] = of_id(plan.findings, "location-resolved")
    assert finding.model == "m"
    assert finding.subject == prefix + ".index"
    assert plan["m"].location.given == prefix + ".index"
    assert plan["m"].location.prefix == prefix


@pytest.mark.parametrize("models", [[], None, "m", [3], [None], 7, {"a": 1}])
def test_what_is_no_list_of_models_is_refused(models):
    with pytest.raises(errors.UsageError):
        lr.plan(models)
