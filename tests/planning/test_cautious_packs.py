"""Packs that names alone cannot vouch for, beside others that give the same names."""

import pytest

from legacy_restore.mapping.packs.pack import RulePack, substitutions
from legacy_restore.mapping.packs.registry import PACKS
from legacy_restore.planning import model_matching, pack_series
from legacy_restore.planning.model_matching import explained_by, match_model
from tests.planning.specs import error_ids, model, of_id, source

OLD = ("rnn/cell/weights", "rnn/cell/biases")
NEW = ("rnn/cell/kernel", "rnn/cell/bias")
CAUTION = "the cell has to be of steel"


def pack(name, *pairs, caution=""):
    return RulePack(
        name, 1, f"what {name} does", "", (), substitutions(*pairs), caution
    )


LAYERS = pack("layers", ("weights", "kernel"), ("biases", "bias"))
CELLS = pack("cells", ("cell/weights", "cell/kernel"), ("cell/biases", "cell/bias"))
STEEL = pack(
    "steel",
    ("cell/weights", "cell/kernel"),
    ("cell/biases", "cell/bias"),
    caution=CAUTION,
)
CROSSED = pack("crossed", ("weights", "bias"), ("biases", "kernel"), caution=CAUTION)


@pytest.fixture
def packs(monkeypatch):
    """Replaces all packs."""

    def replace(*ones):
        found = {one.name: one for one in ones}
        monkeypatch.setattr(model_matching, "PACKS", found)
        monkeypatch.setattr(pack_series, "PACKS", found)

    return replace


@pytest.mark.parametrize("order", [(LAYERS, STEEL), (STEEL, LAYERS), (STEEL,)])
def test_a_pack_of_the_same_table_is_applied_with_no_less_caution(packs, order):
    packs(*order)
    match = match_model(model(*NEW), source(*OLD))
    assert error_ids(match.findings)[:2] == ["missing-key", "missing-key"]
    assert of_id(match.findings, "rule-pack") == []
    hint = of_id(match.findings, "missing-key")[0].hint
    assert hint == (f"rules=['steel'] for 'm', with which all of them match; {CAUTION}")
    assert not explained_by(model(*NEW), source(*OLD))
    # Whoever names one of them has it.
    for one in order:
        named = match_model(model(*NEW, packs=(one,)), source(*OLD))
        assert [row.key for row in named.rows] == list(OLD)
        assert error_ids(named.findings) == []


def test_two_packs_without_caution_are_one_way(packs):
    packs(LAYERS, CELLS)
    match = match_model(model(*NEW), source(*OLD))
    assert error_ids(match.findings) == []
    assert [one.subject for one in of_id(match.findings, "rule-pack")] == ["layers"]
    assert explained_by(model(*NEW), source(*OLD))


def test_a_pack_of_another_table_that_needs_caution_is_another_way(packs):
    packs(CROSSED, LAYERS)
    match = match_model(model(*NEW), source(*OLD))
    [finding] = of_id(match.findings, "ambiguous-match")
    assert finding.hint == f"rules=['crossed'] takes that way; {CAUTION}"
    assert "rule pack layers" in finding.message
    assert [row.key for row in match.rows] == [None, None]


def test_layers_of_a_canned_estimator_are_not_taken_for_those_of_slim():
    """In which order they get their columns no name shows."""
    match = match_model(
        model("dnn/logits/kernel", "dnn/logits/bias"),
        source("dnn/logits/weights", "dnn/logits/biases"),
    )
    assert of_id(match.findings, "rule-pack") == []
    hint = of_id(match.findings, "missing-key")[0].hint
    assert hint.startswith("rules=['estimator'] for 'm'")
    assert hint.endswith(PACKS["estimator"].caution)
