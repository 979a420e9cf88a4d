"""A bounded piece of fuzzing, always the same; ``python -m tests.fuzz`` goes on."""

import random

from tests.fuzz import runner
from tests.fuzz.mutations import mutate
from tests.fuzz.seeds import all_seeds

MUTANTS = 1500


def test_no_damage_comes_through():
    figures = runner.run(0, range(MUTANTS))
    assert [str(failure) for failure in figures.failures] == []
    # The mutants must not all be stopped by the first check, nor all be harmless.
    assert sum(figures.outcomes.values()) == MUTANTS
    assert figures.outcomes["CorruptCheckpointError"] > MUTANTS / 4
    assert figures.outcomes["read"] > MUTANTS / 50


def test_a_mutant_depends_on_its_number_alone(tmp_path):
    seeds = all_seeds(tmp_path)
    assert mutate(seeds[0], random.Random("0 1")) == mutate(
        seeds[0], random.Random("0 1")
    )
    assert mutate(seeds[0], random.Random("0 1")) != mutate(
        seeds[0], random.Random("0 2")
    )


def test_what_must_not_happen_is_seen(monkeypatch):
    # The test above must not pass because it sees nothing.
    def crash(location):
        raise ZeroDivisionError("of the reader")

    seeds = runner.all_seeds
    monkeypatch.setattr(runner, "all_seeds", lambda folder: seeds(folder)[:1])
    monkeypatch.setattr(runner, "_sound_values", lambda seed: {})
    figures = runner.run(0, range(40))
    assert any("other values" in failure.why for failure in figures.failures)
    monkeypatch.setattr(runner, "inspect_location", crash)
    [first, *_] = runner.run(0, range(40)).failures
    assert "ZeroDivisionError" in first.why
    monkeypatch.setattr(runner, "MAX_PEAK_BYTES", 1)
    assert len(runner.run(0, range(3)).failures) == 3
