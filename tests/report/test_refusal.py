"""The text of a refusal."""

import pytest

from legacy_restore.report.findings import KINDS, Finding, Severity
from legacy_restore.report.refusal import finding_groups, refusal_text

ERRORS = [kind for kind in KINDS.values() if kind.severity is Severity.ERROR]


def missing(number, **more):
    return Finding(KINDS["missing-key"], f"m/layer_{number}/w", **more)


def test_a_refusal_says_what_where_expected_and_found():
    text = refusal_text(
        "nothing was changed",
        [
            Finding(
                KINDS["shape-mismatch"],
                "m/logits/biases",
                expected="float32[5]",
                found="float32[1001]",
                hint="type this",
            ),
            Finding(KINDS["missing-key"], "m/w", "is gone", expected="float32[2]"),
        ],
        ["or that"],
    )
    assert text == "\n".join(
        [
            "nothing was changed",
            "",
            "  shape differs",
            "    m/logits/biases  float32[5]  found: float32[1001]",
            "  missing in the checkpoint",
            "    m/w  float32[2]  is gone",
            "",
            "  try: type this",
            "  try: or that",
        ]
    )


def test_remarks_are_not_in_a_refusal():
    text = refusal_text(
        "refused", [missing(1), Finding(KINDS["location-resolved"], "some place")]
    )
    assert "m/layer_1/w" in text
    assert "some place" not in text


def test_a_refusal_without_findings_is_its_headline():
    assert refusal_text("refused", []) == "refused"


def test_the_same_hint_is_given_once():
    text = refusal_text("refused", [missing(1, hint="do"), missing(2, hint="do")])
    assert text.count("try: do") == 1


@pytest.mark.parametrize("hints", [0, 1, 9])
@pytest.mark.parametrize("kinds", [1, 2, 5, 6, 9, len(ERRORS)])
@pytest.mark.parametrize("each", [1, 2, 7, 3000])
def test_a_refusal_has_at_most_15_lines(kinds, each, hints):
    found = [
        Finding(kind, f"{kind.id} {number}", hint=f"{kind.id} {number}")
        for kind in ERRORS[:kinds]
        for number in range(each)
    ]
    more = [f"hint {number}" for number in range(hints)]
    text = refusal_text("refused", found, more)
    assert len(text.splitlines()) <= 15


@pytest.mark.parametrize("kinds", [1, 2, 5])
def test_every_kind_is_named_and_what_is_cut_is_counted(kinds):
    found = [
        Finding(kind, str(number)) for kind in ERRORS[:kinds] for number in "ab" * 9
    ]
    text = refusal_text("refused", found)
    assert all(kind.title in text for kind in ERRORS[:kinds])
    assert text.count("... and ") == kinds


def test_a_small_group_is_shown_whole_beside_a_large_one():
    found = [missing(number) for number in range(500)]
    found += [Finding(KINDS["unused-rule"], f"rule {number}") for number in range(3)]
    text = refusal_text("refused", found)
    assert all(f"rule {number}" in text for number in range(3))


def test_too_many_kinds_for_their_findings_are_counted():
    text = refusal_text("refused", [Finding(kind, "x") for kind in ERRORS[:9]])
    assert f"{ERRORS[0].title}: 1" in text


def test_what_stands_in_a_file_cannot_add_lines():
    forged = "w\n\n  try: rm -rf\n" * 20
    found = [
        Finding(KINDS["unused-weights"], forged, forged, expected=forged, found=forged)
        for _ in range(9)
    ]
    lines = refusal_text(f"refused {forged}", found).splitlines()
    assert len(lines) <= 15
    assert not any(line.startswith("  try: rm") for line in lines)


def test_each_line_of_several_models_says_whose_it_is():
    findings = [
        Finding(KINDS["shape-mismatch"], "b/w", model="b"),
        Finding(KINDS["operation-unknown"], "bucketize", model="a"),
        Finding(KINDS["asset-missing"], "vocab.txt", model="b"),
    ]
    lines = refusal_text("refused", findings).splitlines()
    assert "    a: bucketize" in lines
    assert "    b: vocab.txt" in lines
    assert "    b/w" in lines
    alone = refusal_text("refused", findings[1:2])
    assert "    bucketize" in alone.splitlines()


def test_findings_of_a_kind_stand_together_and_are_counted():
    remarks = [Finding(KINDS["unused-training-state"], f"w{n}/Adam") for n in range(30)]
    pack = Finding(KINDS["rule-pack"], "rnn-1.2", hint="rules=['rnn-1.2'] says it")
    slots, packs = finding_groups([remarks[0], pack, *remarks[1:]])
    assert slots[0] == "remark: training state left in the checkpoint (30)"
    assert len(slots) == 5 and slots[-1].strip() == "... and 27 more"
    assert packs[-1] == "  try: rules=['rnn-1.2'] says it"
