"""What a match leaves in the checkpoint."""

import dataclasses

from legacy_restore.mapping.classify import classify
from legacy_restore.planning import spec
from legacy_restore.planning.leftovers import leftovers_of
from tests.planning.specs import entry, ids, model, source


def test_what_is_not_needed_is_neither_weights_nor_refused():
    left = leftovers_of(
        model("w"), source("w", "head", "b"), {"w"}, not_needed={"head": "h"}
    )
    assert left.weights == ("b",)
    assert [one.id for one in left.findings] == ["unused-weights", "not-needed"]
    assert left.waivable == ("b", "head")


def test_nothing_is_left_of_a_checkpoint_that_is_taken_whole():
    left = leftovers_of(model("a"), source("a"), {"a"})
    assert (left.weights, left.waivable, left.findings) == ((), (), ())
    assert not left.refuses


def test_weights_and_training_state_are_told_apart():
    left = leftovers_of(model("w"), source("w", "w/Adam", "z", "b"), {"w"})
    assert left.weights == ("b", "z")
    assert left.waivable == ("b", "w/Adam", "z")
    assert ids(left.findings) == [
        "unused-weights",
        "unused-training-state",
        "unused-weights",
    ]
    assert left.refuses


def test_permitted_weights_do_not_refuse():
    left = leftovers_of(model("w", allow_unused=("b",)), source("w", "b"), {"w"})
    assert left.weights == ("b",)
    assert ids(left.findings) == ["unused-weights-waived"]
    assert not left.refuses


def test_a_slot_is_known_by_its_variable_although_that_is_taken():
    left = leftovers_of(model("w"), source("w", "w/Momentum"), {"w"})
    assert ids(left.findings) == ["unused-training-state"]


def test_findings_say_what_a_key_was_taken_for_and_why():
    left = leftovers_of(model("w"), source(entry("beta1_power", [])), set())
    [finding] = left.findings
    assert finding.subject == "beta1_power"
    assert finding.message == "optimizer accumulator: scalar named beta1_power"
    assert finding.found == "float32[]"
    assert finding.waiver is None


def test_statistics_of_batch_normalisation_refuse_as_weights_do():
    left = leftovers_of(model("w"), source("w", "bn/moving_mean"), {"w"})
    assert left.weights == ("bn/moving_mean",)
    assert left.refuses
    assert left.findings[0].waiver == ("allow_unused", "bn/moving_mean")


def test_keys_are_classified_once_for_each_source(monkeypatch):
    calls = []

    def counting(entries, objects):
        calls.append(1)
        return classify(entries, objects)

    monkeypatch.setattr(spec, "classify", counting)
    of = source("w", "w/Adam")
    for taken in ({"w"}, set(), {"w"}):
        leftovers_of(model("w"), of, taken)
    assert len(calls) == 1
    assert set(of.classes) == {"w", "w/Adam"}
    other = dataclasses.replace(of, entries={"v": entry("v")})
    assert set(other.classes) == {"v"}
