"""Names of another time: which rule pack explains a model, and which is only named."""

import pytest

from legacy_restore.mapping.packs.pack import RulePack, substitutions
from legacy_restore.mapping.packs.registry import PACKS
from legacy_restore.mapping.partial import Partial
from legacy_restore.mapping.rules import Rename
from legacy_restore.planning import model_matching, pack_series
from legacy_restore.planning.model_matching import explained_by, match_model
from legacy_restore.planning.plan import Action
from tests.planning.specs import entry, error_ids, ids, model, of_id, source, variable


def pack(name, *pairs, rename=None, caution=""):
    rename = rename or substitutions(*pairs)
    return RulePack(name, 1, f"what {name} does", "", (), rename, caution)


KERNEL = pack("kernel-1", ("cell/weights", "cell/kernel"), ("cell/biases", "cell/bias"))
LOWER = pack("lower-1", ("RNN", "rnn"), ("Cell", "cell"))
TOWER = pack("tower", ("tower_0", "tower"))
OLD = ("rnn/cell/weights", "rnn/cell/biases")
NEW = ("rnn/cell/kernel", "rnn/cell/bias")
OLDEST = ("RNN/Cell/weights", "RNN/Cell/biases")


def use_packs(monkeypatch, packs):
    for module in (model_matching, pack_series):
        monkeypatch.setattr(module, "PACKS", packs)


@pytest.fixture(autouse=True)
def packs(monkeypatch):
    found = {one.name: one for one in (KERNEL, LOWER, TOWER)}
    use_packs(monkeypatch, found)
    return found


def keys(match):
    return [row.key for row in match.rows]


def test_a_pack_that_alone_explains_a_model_is_taken_and_said():
    match = match_model(model(*NEW), source(*OLD))
    assert keys(match) == list(OLD)
    assert error_ids(match.findings) == []
    [remark] = of_id(match.findings, "rule-pack")
    assert remark.subject == "kernel-1"
    assert remark.hint == "rules=['kernel-1'] says it in the program"
    assert "rule pack kernel-1" in match.matched_by


def test_no_pack_is_tried_where_names_explain_a_model():
    match = match_model(model(*OLD), source(*OLD))
    assert ids(match.findings) == []
    both = match_model(model(*NEW), source(*NEW, "other/cell/Adam"))
    assert of_id(both.findings, "rule-pack") == []


def test_a_pack_works_below_the_scopes_of_either_side():
    for prefix in ("m/", "old/net/"):
        match = match_model(model(*NEW), source(*(prefix + one for one in OLD)))
        assert keys(match) == [prefix + one for one in OLD]
        assert error_ids(match.findings) == []


def test_slots_and_averages_follow_their_variable():
    names = [*NEW, f"{NEW[0]}/Adam"]
    stored = [*OLD, f"{OLD[0]}/Adam"]
    assert keys(match_model(model(*names), source(*stored))) == stored
    left = match_model(model(*NEW), source(*stored))
    assert error_ids(left.findings) == []
    average = "ExponentialMovingAverage"
    match = match_model(
        model(*NEW, weights="ema"),
        source(*OLD, f"{OLD[0]}/{average}"),
    )
    assert keys(match)[0] == f"{OLD[0]}/{average}"


def test_a_pack_that_explains_only_a_part_is_never_taken():
    match = match_model(model(*NEW, "head"), source(*OLD))
    assert set(error_ids(match.findings)) == {"missing-key", "unused-weights"}
    hint = of_id(match.findings, "missing-key")[0].hint
    assert hint == "rules=['kernel-1'] for 'm', with which 2 of 3 match"
    # What is left in the checkpoint speaks against it too.
    left = match_model(model(*NEW), source(*OLD, "other"))
    assert "missing-key" in error_ids(left.findings)
    waived = match_model(model(*NEW, allow_unused=("other",)), source(*OLD, "other"))
    assert keys(waived) == list(OLD)


def test_packs_that_explain_a_model_together_are_hinted_in_their_order():
    match = match_model(model(*NEW), source(*OLDEST))
    assert "missing-key" in error_ids(match.findings)
    hint = of_id(match.findings, "missing-key")[0].hint
    assert hint == "rules=['lower-1', 'kernel-1'] for 'm', with which all of them match"
    named = model(*NEW, packs=(LOWER, KERNEL))
    match = match_model(named, source(*OLDEST))
    assert keys(match) == list(OLDEST)
    assert ids(match.findings) == []
    assert "rule packs lower-1, kernel-1" in match.matched_by


def test_packs_that_named_ones_lack_are_hinted_behind_them():
    def hint_of(*named, wanted=NEW):
        match = match_model(model(*wanted, packs=named), source(*OLDEST))
        assert "missing-key" in error_ids(match.findings)
        return of_id(match.findings, "missing-key")[0].hint

    both = "rules=['lower-1', 'kernel-1'] for 'm', with which all of them match"
    assert hint_of(LOWER) == both
    # One that changes nothing would be refused again.
    assert hint_of(TOWER, LOWER) == both
    assert hint_of(TOWER) == both
    nothing_helps = hint_of(LOWER, wanted=("x", "y"))
    assert nothing_helps is None or "rules=" not in nothing_helps


def test_two_packs_of_one_table_are_one_way(packs):
    packs["again"] = pack("again", ("weights", "kernel"), ("biases", "bias"))
    match = match_model(model(*NEW), source(*OLD))
    assert keys(match) == list(OLD)
    assert [one.subject for one in of_id(match.findings, "rule-pack")] == ["kernel-1"]


def test_two_packs_of_different_tables_refuse_and_both_are_shown(packs):
    packs["crossed"] = pack("crossed", ("biases", "kernel"), ("weights", "bias"))
    match = match_model(model(*NEW), source(*OLD))
    assert error_ids(match.findings) == ["ambiguous-match"]
    [finding] = of_id(match.findings, "ambiguous-match")
    assert f"{OLD[0]} (" in finding.message
    assert f"{OLD[1]} (" in finding.message
    assert "rule pack crossed" in finding.message
    assert finding.hint == "rules=['kernel-1'] takes that way"
    assert {row.action for row in match.rows} == {Action.REFUSE}
    assert keys(match_model(model(*NEW, packs=(KERNEL,)), source(*OLD))) == list(OLD)


def test_a_named_pack_that_changes_nothing_is_an_error():
    match = match_model(model(*NEW, packs=(KERNEL,)), source(*NEW))
    assert error_ids(match.findings) == ["unused-rule"]
    [finding] = of_id(match.findings, "unused-rule")
    assert finding.subject == "rule pack kernel-1"
    assert finding.hint == "'m' does without it; --rules=NAME:kernel-1 is for one model"


def test_a_named_pack_that_goes_the_wrong_way_is_said_to_be_needless():
    match = match_model(model(*OLD, packs=(KERNEL,)), source(*OLD))
    [hint] = {one.hint for one in of_id(match.findings, "missing-key")} - {None}
    assert hint == "without rules=['kernel-1'] all of them match"


def test_a_name_that_two_keys_would_have_is_a_collision():
    named = model(NEW[0], packs=(KERNEL,))
    match = match_model(named, source(OLD[0], NEW[0]))
    assert "rule-collision" in error_ids(match.findings)
    assert keys(match) == [None]


def test_packs_are_applied_to_what_rules_gave():
    rules = (Rename("^decoder_v2/", "rnn/"),)
    match = match_model(
        model(*NEW, rules=rules, packs=(KERNEL,)),
        source("decoder_v2/cell/weights", "decoder_v2/cell/biases"),
    )
    assert error_ids(match.findings) == []
    assert keys(match) == ["decoder_v2/cell/weights", "decoder_v2/cell/biases"]


def test_a_shape_that_no_name_explains_is_looked_at_by_packs(packs):
    def by_shape(keys, wanted):
        names = {one.shape: one.name for one in wanted}
        return {one.name: names[one.shape] for one in keys if one.shape in names}

    packs["numbers"] = pack("numbers", rename=by_shape)
    wanted = model(variable("Variable", [2]), variable("Variable_1", [3]))
    match = match_model(
        wanted, source(entry("Variable", [3]), entry("Variable_1", [2]))
    )
    assert keys(match) == ["Variable_1", "Variable"]
    assert error_ids(match.findings) == []


def test_a_pack_that_names_cannot_vouch_for_is_only_proposed(packs):
    packs["kernel-1"] = careful = pack(
        "kernel-1",
        ("cell/weights", "cell/kernel"),
        ("cell/biases", "cell/bias"),
        caution="the cell has to be of steel",
    )
    match = match_model(model(*NEW), source(*OLD))
    assert error_ids(match.findings).count("missing-key") == 2
    hint = of_id(match.findings, "missing-key")[0].hint
    assert hint.startswith("rules=['kernel-1'] for 'm'")
    assert hint.endswith("; the cell has to be of steel")
    named = match_model(model(*NEW, packs=(careful,)), source(*OLD))
    assert keys(named) == list(OLD)


def test_a_cell_without_forget_bias_is_never_taken_for_one_with_it(monkeypatch):
    """Names and shapes are the same, and LSTMCell adds 1 unless told otherwise."""
    use_packs(monkeypatch, PACKS)
    cell = "rnn/cudnn_compatible_lstm_cell"
    match = match_model(
        model("rnn/lstm_cell/kernel", "rnn/lstm_cell/bias"),
        source(f"{cell}/kernel", f"{cell}/bias"),
    )
    assert keys(match) == [None, None]
    hint = of_id(match.findings, "missing-key")[0].hint
    assert "'cudnn-rnn'" in hint and "forget_bias=0" in hint


def test_what_a_pack_explains_is_explained():
    assert explained_by(model(*NEW), source(*OLD))
    assert explained_by(model(*NEW, packs=(KERNEL,)), source(*OLD))
    assert not explained_by(model(*NEW), source(*OLDEST))
    assert explained_by(model(*NEW, packs=(LOWER, KERNEL)), source(*OLDEST))
    # With rules of the caller's own nothing else is tried.
    assert not explained_by(model(*NEW, rules=(Rename("x", "y"),)), source(*OLD))


def test_no_pack_is_tried_where_a_type_is_lacking(packs):
    tried = []

    def rename(keys, wanted):
        tried.append(keys)
        return {}

    packs["watching"] = pack("watching", rename=rename)
    one = model(variable(NEW[0], [3]), NEW[1])
    assert not explained_by(one, source(*OLD))
    assert tried == []
    assert explained_by(model(*NEW), source(*OLD))
    assert len(tried) == 1


KERNEL_OF_5 = variable(NEW[0], [5])


@pytest.mark.parametrize(
    "first, permission, stored",
    [
        (KERNEL_OF_5, {"allow_missing": (NEW[0],)}, OLD[1:]),
        (KERNEL_OF_5, {"partial": Partial(only=(NEW[1],))}, OLD),
        (KERNEL_OF_5, {"partial": Partial(allow_shape=((NEW[0], "pad"),))}, OLD),
        (
            variable(NEW[0], dtype="float16"),
            {"partial": Partial(cast=((NEW[0], "float16"),))},
            OLD,
        ),
    ],
)
def test_a_type_that_may_be_lacking_leaves_packs_to_be_tried(first, permission, stored):
    assert not explained_by(model(first, NEW[1]), source(*stored))
    one = model(first, NEW[1], **permission)
    assert explained_by(one, source(*stored))
    assert keys(match_model(one, source(*stored)))[1] == OLD[1]
