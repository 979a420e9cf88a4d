"""Renamed keys: found where contents leave no other way, never guessed."""

import re

from hypothesis import given
from hypothesis import strategies as st

from legacy_restore.examining.renames import candidates, pair, scope_rule
from tests.planning.specs import entry


def entries(*keys, **shapes):
    return {key: entry(key, shapes.get(key, [2])) for key in keys}


def held(**crcs):
    return {key: ("float32", (2,), crc) for key, crc in crcs.items()}


def test_one_partner_on_both_sides_is_a_new_name():
    found = pair(held(a=1, b=2, c=3), held(x=2, y=1, z=4))
    assert dict(found.renamed) == {"a": "y", "b": "x"}
    assert found.ambiguous == ()


def test_several_partners_are_none():
    found = pair(held(a=1, b=1, c=2), held(x=1, y=2, z=2))
    assert dict(found.renamed) == {}
    assert found.ambiguous == ("a", "b", "c")


def test_what_holds_nothing_says_nothing():
    empty = {"a": ("float32", (0, 3), 0)}
    found = pair(empty, {"x": ("float32", (0, 3), 0)})
    assert (dict(found.renamed), found.ambiguous) == ({}, ("a",))


def test_dtype_and_shape_are_part_of_the_contents():
    a = {"a": ("float32", (2, 3), 1), "b": ("int32", (6,), 1)}
    assert not pair(a, {"x": ("float32", (3, 2), 1), "y": ("int64", (6,), 1)}).renamed


def test_only_what_could_have_a_partner_is_looked_at():
    a = {"a": entry("a", [2]), "b": entry("b", [3])}
    b = {"x": entry("x", [2]), "y": entry("y", [4])}
    assert candidates(a, b) == (["a"], ["x"])


names = st.text("ab", min_size=1, max_size=3)


@given(
    st.dictionaries(names, st.integers(0, 3)), st.dictionaries(names, st.integers(0, 3))
)
def test_pairs_are_those_of_the_other_direction(a, b):
    there, back = pair(held(**a), held(**b)), pair(held(**b), held(**a))
    assert {new: old for old, new in there.renamed.items()} == dict(back.renamed)
    assert all(a[old] == b[new] for old, new in there.renamed.items())


def rule_of(a, b):
    rule = scope_rule(entries(*a), entries(*b))
    return None if rule is None else (rule.old, rule.new)


def test_one_scope_in_place_of_another():
    assert rule_of(["a/w", "a/b/v"], ["x/y/w", "x/y/b/v"]) == ("a/", "x/y/")
    assert rule_of(["w", "b/v"], ["m/w", "m/b/v"]) == ("", "m/")
    assert rule_of(["m/n/w", "m/n/b"], ["n/w", "n/b"]) == ("m/", "")
    assert rule_of(["a/s/w", "a/s/v"], ["b/s/w", "b/s/v"]) == ("a/", "b/")


def test_a_rule_has_to_explain_everything():
    assert rule_of(["a/w", "a/v"], ["b/w"]) is None
    assert rule_of(["a/w", "a/v"], ["b/w", "b/u"]) is None
    assert rule_of(["a/w"], ["a/v"]) is None
    assert rule_of([], []) is None
    wrong = {"b/w": entry("b/w", [3])}
    assert scope_rule(entries("a/w"), wrong) is None


def test_a_rule_reads_as_a_rename():
    rule = scope_rule(entries("a.b+/w"), entries(r"c\1/w"))
    assert re.sub(rule.pattern, rule.text, "a.b+/w", count=1) == r"c\1/w"


scopes = st.lists(st.sampled_from(["a", "b", "c.d"]), max_size=3)


@given(scopes, scopes, st.sets(names, min_size=1, max_size=5))
def test_every_change_of_the_scope_is_found(old, new, leaves):
    a = entries(*("/".join([*old, leaf]) for leaf in leaves))
    b = entries(*("/".join([*new, leaf]) for leaf in leaves))
    rule = scope_rule(a, b)
    assert rule is not None
    assert {rule.apply(name) for name in a} == set(b)
