"""Weights that only an optimizer lists, and the order that slots' names tell."""

import types

import pytest

from legacy_restore.planning import listed_weights


@pytest.mark.parametrize(
    "stored, refuted",
    [
        (["a_dense_kernel_m", "a_dense_1_kernel_m"], False),
        (["a_dense_1_kernel_m", "a_dense_kernel_m"], True),
        (["sgd/b_dense_9_kernel_m", "sgd/b_dense_10_kernel_m"], False),
        (["sgd/b_dense_10_kernel_m", "sgd/b_dense_9_kernel_m"], True),
        (["a_1_dense_kernel_m", "a_2_dense_kernel_m"], False),
        # Nothing to compare: of other kinds, or not told.
        (["a_first_kernel_m", "a_dense_kernel_m"], False),
        (["", ""], False),
    ],
)
def test_numbers_follow_each_other_alike(monkeypatch, stored, refuted):
    keys = {"dense_3/kernel": "w/0", "dense_4/kernel": "w/1"}
    names = dict(zip(keys.values(), stored))
    monkeypatch.setattr(listed_weights, "_names_by_slots", lambda *_: names)
    source = types.SimpleNamespace(objects=object())
    found = listed_weights.out_of_order(keys, source)
    assert found == (frozenset(keys) if refuted else frozenset())
