"""Which rule packs explain most of a model, one after the other."""

import collections
import random

import pytest

from legacy_restore.mapping.packs.pack import TypedName
from legacy_restore.mapping.packs.registry import PACKS
from legacy_restore.planning import pack_series
from legacy_restore.planning.considering import explained
from legacy_restore.planning.names import names_by_packs, names_by_rules
from legacy_restore.planning.pack_series import helpful_packs
from tests.planning.specs import entry, model, source, variable

_PARTS = (
    ("RNN", "rnn", "model", "tower_0", "module", "net"),
    ("BasicLSTMCell", "basic_lstm_cell", "Conv", "conv2d", "BatchNorm", "dense_7"),
    ("Linear/Matrix", "weights", "kernel", "biases", "bias", "beta", "mean/EMA", "w:0"),
)


def one_after_the_other(one, stored, max_names):
    """Every series in every order, each looked at anew."""
    names = names_by_rules(one, stored)
    before = most = explained(one, stored, names).count
    best = ()
    waiting = collections.deque([((), names)])
    while waiting:
        packs, renamed = waiting.popleft()
        if packs:
            count = explained(one, stored, renamed).count
            if count > most:
                best, most = packs, count
        if len(packs) == 3:
            continue
        for pack in PACKS.values():
            max_names -= len(renamed.renamed.key_of)
            if max_names < 0:
                break
            after = names_by_packs(renamed, [pack], one, stored)
            if after is not None and pack not in packs:
                waiting.append(((*packs, pack), after))
    return (best, most - before) if best else None


def random_case(seed):
    """A checkpoint, and a model that some packs in turn make of part of it."""
    chance = random.Random(seed)
    stored = {
        "/".join(chance.choice(parts) for parts in _PARTS): (chance.choice([2, 3]),)
        for _ in range(chance.randint(1, 6))
    }
    wanted = dict(stored)
    for _ in range(chance.randint(0, 30)):
        pack = chance.choice(list(PACKS.values()))
        keys = [TypedName(name, "float32", shape) for name, shape in wanted.items()]
        changed = pack.rename(keys, [])
        wanted = {changed.get(name, name): shape for name, shape in wanted.items()}
    return (
        model("other", *(variable(key, size) for key, size in wanted.items())),
        source(*(entry(key, size) for key, size in stored.items())),
    )


@pytest.mark.parametrize("max_names", [200, 5_000])
def test_the_packs_are_those_that_looking_at_every_order_finds(max_names, monkeypatch):
    monkeypatch.setattr(pack_series, "_MAX_NAMES", max_names)
    found = []
    for seed in range(40):
        one, stored = random_case(seed)
        helpful = helpful_packs(one, stored, names_by_rules(one, stored))
        found.append(helpful and (helpful.packs, helpful.num_more))
        assert found[-1] == one_after_the_other(one, stored, max_names)
    assert any(found)
    assert any(one is None for one in found)
    if max_names > 200:
        assert any(one and len(one[0]) > 1 for one in found)


def test_names_that_several_orders_give_are_looked_at_once(monkeypatch):
    looked_at = []

    def counted(one, stored, names):
        looked_at.append(tuple(names.renamed.key_of))
        return explained(one, stored, names)

    monkeypatch.setattr(pack_series, "explained", counted)
    stored = source("tower_0/module/model/weights", "RNN/BasicLSTMCell/Linear/Matrix")
    one = model("nothing")
    helpful_packs(one, stored, names_by_rules(one, stored))
    assert len(looked_at) > 10
    assert len(set(looked_at)) == len(looked_at)
