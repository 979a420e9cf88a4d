"""Tests of what a verified checkpoint says of itself."""

import pytest

from legacy_restore import errors
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.report.verify_report import VerifyReport, VerifyRow, VerifyStatus

GOOD = VerifyRow("a", VerifyStatus.OK, nbytes=1024)
PART = VerifyRow("b", VerifyStatus.INCOMPLETE, "half of it", 512)
BAD = VerifyRow("c", VerifyStatus.CORRUPT, "another checksum", 100)
GONE = VerifyRow("d", VerifyStatus.MISSING, "a pointer", 100, hint="git lfs pull")
ODD = VerifyRow("e", VerifyStatus.UNDECIDED, "dtype unknown(99)", 100)
SHORT = Finding(KINDS["shard-truncated"], "f", "cut", hint="copy it again")
STRAY = Finding(KINDS["stray-data-file"], "g", "another")


def report(*rows, findings=()):
    return VerifyReport("where", "m.ckpt", "V2", rows, tuple(findings))


def test_all_good_is_one_line_and_a_count():
    assert str(report(GOOD)) == "m.ckpt: undamaged\nformat V2, 1 tensor: 1 ok"
    assert report(GOOD).ok


def test_what_is_not_sound_is_listed_with_what_can_be_saved():
    text = str(report(GOOD, PART, BAD, GONE, ODD, findings=[SHORT, STRAY]))
    head, short, stray, rows, hint, last = text.split("\n\n")
    assert head.splitlines() == [
        "m.ckpt: not sound",
        "format V2, 5 tensors: 1 ok, 1 corrupt, 1 missing data, 1 incomplete, "
        "1 cannot tell",
        "2 of 5 tensors can be saved, 1.5 KiB of 1.8 KiB",
    ]
    assert short.splitlines()[0] == "error: data file too short"
    assert short.splitlines()[-1] == "  try: copy it again"
    assert stray.splitlines()[0] == "remark: data file of another set"
    assert [line.split()[0] for line in rows.splitlines()] == ["key", *"bcde"]
    assert hint == "  try: git lfs pull"
    assert last.startswith("  try: legacy-restore salvage where OUT ")


def test_salvaging_is_proposed_where_something_is_damaged_and_something_good():
    def proposes(*rows, findings=()):
        return "legacy-restore salvage" in str(report(*rows, findings=findings))

    assert proposes(GOOD, BAD)
    assert proposes(PART, GONE)
    assert proposes(GOOD, findings=[SHORT])
    assert not proposes(GOOD)
    assert not proposes(GOOD, findings=[STRAY])
    assert not proposes(BAD)
    assert not proposes(GOOD, ODD)


def test_remarks_and_slices_that_tensorflow_left_out_are_no_fault():
    assert report(GOOD, PART, findings=[STRAY]).ok
    report(GOOD, PART, findings=[STRAY]).raise_if_failed()


@pytest.mark.parametrize(
    "rows, findings, kind",
    [
        ([BAD], [], errors.CorruptCheckpointError),
        ([GONE], [], errors.CorruptCheckpointError),
        ([BAD, ODD], [], errors.CorruptCheckpointError),
        ([GOOD], [SHORT], errors.CorruptCheckpointError),
        ([ODD], [], errors.UnsupportedCheckpointError),
        ([], [Finding(KINDS["unsupported"], "i")], errors.UnsupportedCheckpointError),
        (
            [],
            [Finding(KINDS["missing-dependency"], "i")],
            errors.MissingDependencyError,
        ),
    ],
)
def test_it_raises_what_opening_would(rows, findings, kind):
    found = report(*rows, findings=findings)
    assert not found.ok
    with pytest.raises(kind) as caught:
        found.raise_if_failed()
    assert type(caught.value) is kind
    assert caught.value.findings == found.findings
    assert caught.value.exit_code == 3
    assert len(str(caught.value).splitlines()) <= 17


def test_what_cannot_be_told_is_not_called_damaged():
    assert str(report(ODD)).startswith("m.ckpt: not known to be sound")


def test_each_verdict_has_its_finding():
    ids = {row.status.value: row.finding and row.finding.id for row in (GOOD, PART)}
    assert ids == {"ok": None, "incomplete": None}
    found = [(row.finding.id, row.finding.subject) for row in (BAD, GONE, ODD)]
    assert found == [
        ("tensor-corrupt", "c"),
        ("tensor-missing", "d"),
        ("tensor-undecided", "e"),
    ]


def test_json_has_every_tensor_and_both_totals():
    data = report(GOOD, BAD, findings=[STRAY]).to_json()
    assert data["ok"] is False
    assert data["good"] == {"tensors": 1, "nbytes": 1024}
    assert data["total"] == {"tensors": 2, "nbytes": 1124}
    assert [row["status"] for row in data["tensors"]] == ["ok", "corrupt"]
    assert [one["id"] for one in data["findings"]] == [
        "stray-data-file",
        "tensor-corrupt",
    ]


def test_names_cannot_break_a_line():
    row = VerifyRow("a\nb", VerifyStatus.CORRUPT, "x\ny")
    assert len(str(report(row)).splitlines()) == 6
