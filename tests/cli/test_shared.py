"""``--shared`` of ``plan`` and ``restore``."""

import json

import pytest

from tests.cli.commands import CLASSIFIER, run

TWIN = (
    "--model=twin=checkpoints/classifier",
    "--builder=twin=models:build_classifier",
)


def test_models_share_what_is_below_a_scope():
    done = run(
        "restore", *CLASSIFIER, *TWIN, "--shared=classifier/twin=conv1", "--json"
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["check"]["ok"]
    rows = {
        row["variable"]: row
        for one in report["restore"]["models"]
        for row in one["rows"]
    }
    shared = rows["twin/conv1/weights"]
    assert shared["action"] == "share"
    assert shared["shared_with"] == {
        "model": "classifier",
        "variable": "classifier/conv1/weights",
    }


@pytest.mark.parametrize("owner", ["classifier", "twin"])
def test_an_owner_and_the_whole_of_the_models(owner):
    done = run("plan", *CLASSIFIER, *TWIN, f"--shared={owner}:classifier/twin=")
    assert done.returncode == 0, done.stderr
    assert f"(shared with {owner}/conv1/weights)" in done.stdout


@pytest.mark.parametrize(
    "value, told",
    [
        ("classifier/twin", "[OWNER:]A/B=SCOPE"),
        (":classifier/twin=conv1", "[OWNER:]A/B=SCOPE"),
        ("classifier=conv1", "two or more"),
        ("classifier/other=conv1", "'other'"),
        ("other:classifier/twin=conv1", "'other'"),
        ("classifier/twin=conv1/", "'conv1/'"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(value, told):
    done = run("plan", *CLASSIFIER, *TWIN, f"--shared={value}")
    assert done.returncode == 2
    assert told in done.stderr


def test_a_scope_that_shares_nothing_is_refused():
    done = run("plan", *CLASSIFIER, *TWIN, "--shared=classifier/twin=nothing")
    assert done.returncode == 1
    assert "shares nothing" in done.stdout
