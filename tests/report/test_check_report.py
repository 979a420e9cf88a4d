"""What a check says."""

import json

import pytest

from legacy_restore import errors
from legacy_restore.report.check_report import CheckReport, CheckRow, CheckStatus


def report(*statuses):
    rows = [
        CheckRow("m", f"m/v{number}", f"v{number}", status, "why")
        for number, status in enumerate(statuses)
    ]
    return CheckReport(tuple(rows))


def test_a_check_without_changes_passes():
    found = report(CheckStatus.EQUAL, CheckStatus.INITIALIZED, CheckStatus.UNPROVED)
    assert found.ok
    assert found.findings == ()
    found.raise_if_failed()


def test_a_change_fails_and_names_the_variable():
    found = report(CheckStatus.EQUAL, CheckStatus.CHANGED, CheckStatus.CHANGED)
    assert not found.ok
    with pytest.raises(errors.CheckError) as caught:
        found.raise_if_failed()
    assert [one.id for one in caught.value.findings] == ["variable-changed"] * 2
    assert [one.subject for one in caught.value.findings] == ["m/v1", "m/v2"]
    assert caught.value.exit_code == 1
    assert "m/v1" in str(caught.value)


def test_a_check_of_many_changes_has_a_short_text():
    found = report(*[CheckStatus.CHANGED] * 500)
    assert len(str(found).splitlines()) <= 15
    with pytest.raises(errors.CheckError) as caught:
        found.raise_if_failed()
    assert len(str(caught.value).splitlines()) <= 15
    assert len(caught.value.findings) == 500


def test_the_text_counts_verdicts_and_lists_what_is_not_equal():
    text = str(report(CheckStatus.EQUAL, CheckStatus.UNPROVED, CheckStatus.EQUAL))
    assert "checked 3 variables: 2 equal, 1 unproved" in text
    assert "m/v1" in text
    assert "why" in text
    assert "m/v0" not in text


def test_the_json_of_a_check():
    found = report(CheckStatus.EQUAL, CheckStatus.CHANGED).to_json()
    assert json.loads(json.dumps(found)) == {
        "ok": False,
        "rows": [
            {
                "model": "m",
                "variable": "m/v0",
                "key": "v0",
                "status": "equal",
                "reason": "why",
            },
            {
                "model": "m",
                "variable": "m/v1",
                "key": "v1",
                "status": "changed",
                "reason": "why",
            },
        ],
    }
