"""The name that is most like another one."""

import difflib
import random

import pytest

from legacy_restore.planning.likeness import most_like


def by_difflib(name, among, cutoff):
    near = difflib.get_close_matches(name, among, n=1, cutoff=cutoff)
    return near[0] if near else ""


def random_name(chance, parts):
    return "/".join(chance.choice(parts) for _ in range(chance.randint(1, 5)))


PARTS = [
    ["weights", "biases", "kernel", "bias", "conv_1", "conv_10", "dense", "rnn", "bn"],
    ["a", "b", "ab", "ba", ""],
    ["Größe", "重み", "w" * 70],
]


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("cutoff", [0.0, 0.5, 0.85])
def test_it_is_the_one_that_difflib_finds(parts, cutoff):
    chance = random.Random(7)
    for _ in range(60):
        among = sorted(
            {random_name(chance, parts) for _ in range(chance.randint(0, 40))}
        )
        chance.shuffle(among)
        name = random_name(chance, parts)
        assert most_like(name, among, cutoff) == by_difflib(name, among, cutoff)


def test_few_names_are_matched_block_by_block(monkeypatch):
    chance = random.Random(7)
    among = sorted({random_name(chance, PARTS[0]) for _ in range(300)})
    matched = []
    ratio = difflib.SequenceMatcher.ratio

    def counted(matcher):
        matched.append(matcher)
        return ratio(matcher)

    monkeypatch.setattr(difflib.SequenceMatcher, "ratio", counted)
    most_like("rnn/dense/weights", among, 0.5)
    assert 0 < len(matched) < len(among) / 4
