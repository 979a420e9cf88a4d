"""Findings and the catalogue of their kinds."""

import json
import re

import pytest

from legacy_restore import errors
from legacy_restore.report.findings import KINDS, Finding, Severity, errors_of


def test_kinds_are_known_by_their_ids():
    assert all(kind.id == identifier for identifier, kind in KINDS.items())
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", identifier) for identifier in KINDS)


def test_every_kind_has_a_title_of_its_own():
    titles = [kind.title for kind in KINDS.values()]
    assert all(titles)
    assert len(set(titles)) == len(titles)


def test_only_errors_decide_the_exit_code():
    faults = [kind for kind in KINDS.values() if kind.is_input_fault]
    assert faults
    assert {kind.severity for kind in faults} == {Severity.ERROR}


def test_errors_are_kept_in_their_order():
    found = [
        Finding(KINDS[one], one)
        for one in ("missing-key", "location-resolved", "corrupt")
    ]
    assert [one.id for one in errors_of(found)] == ["missing-key", "corrupt"]


def test_a_finding_as_json_has_all_its_fields():
    finding = Finding(
        KINDS["shape-mismatch"],
        "m/w",
        "a message",
        model="m",
        expected="float32[2]",
        found="float32[3]",
        hint="a hint",
        waiver=("allow_missing", "w"),
    )
    assert json.loads(json.dumps(finding.to_json())) == {
        "id": "shape-mismatch",
        "severity": "error",
        "model": "m",
        "subject": "m/w",
        "message": "a message",
        "expected": "float32[2]",
        "found": "float32[3]",
        "hint": "a hint",
        "waiver": ["allow_missing", "w"],
    }


@pytest.mark.parametrize(
    "kinds, code",
    [
        ([], 1),
        (["missing-key"], 1),
        (["missing-key", "location-resolved"], 1),
        (["missing-key", "tensor-corrupt"], 3),
        (["shard-missing"], 3),
    ],
)
@pytest.mark.parametrize("error", [errors.RestoreError, errors.BuildError])
def test_a_refusal_ends_with_3_where_a_file_is_a_cause(error, kinds, code):
    raised = error("text", findings=[Finding(KINDS[one], "x") for one in kinds])
    assert raised.exit_code == code
