"""Rules that rename checkpoint keys."""

import pytest

from legacy_restore import errors
from legacy_restore.mapping.rules import Rename, rename_keys


@pytest.mark.parametrize(
    "rule, key, name",
    [
        (Rename("^old/", ""), "old/w", "w"),
        (Rename("^", "new/"), "w", "new/w"),
        (Rename("/weights$", "/kernel"), "a/weights", "a/kernel"),
        (Rename("a", "b"), "a/a", "b/a"),
        (Rename(r"cell_(\d+)", r"layer\1"), "cell_12/w", "layer12/w"),
        (Rename(r"(?P<name>\w+)$", r"\g<name>_x"), "a/w", "a/w_x"),
    ],
)
def test_the_first_place_where_the_pattern_is_found_is_replaced(rule, key, name):
    assert rule.matches(key)
    assert rule.apply(key) == name


def test_a_pattern_is_searched_and_anchored_only_by_its_user():
    assert Rename("b/", "").matches("a/b/w")
    assert not Rename("^b/", "").matches("a/b/w")


@pytest.mark.parametrize(
    "pattern, text",
    [
        ("(", ""),
        ("*", ""),
        ("a", r"\1"),
        ("(a)", r"\2"),
        ("a", r"\g<name>"),
        ("a", "\\"),
        (None, "a"),
        ("a", 3),
    ],
)
def test_what_re_sub_would_refuse_is_refused_at_once(pattern, text):
    with pytest.raises(errors.UsageError):
        Rename(pattern, text)


def test_the_first_rule_that_matches_a_key_wins():
    rules = [Rename("^a/", "x/"), Rename("/w$", "/kernel")]
    renamed = rename_keys(rules, ["a/w", "b/w"])
    assert dict(renamed.key_of) == {"x/w": "a/w", "b/kernel": "b/w"}
    assert renamed.unused == ()


def test_keys_that_no_rule_matches_keep_their_names():
    renamed = rename_keys([Rename("^a$", "b")], ["a", "c"])
    assert dict(renamed.key_of) == {"b": "a", "c": "c"}


def test_a_rule_that_matches_nothing_is_unused():
    rules = [Rename("a", "b"), Rename("no such key", "")]
    assert rename_keys(rules, ["a"]).unused == (rules[1],)


def test_a_rule_that_is_never_the_first_to_match_is_unused():
    rules = [Rename("a", "b"), Rename("^a$", "c")]
    assert rename_keys(rules, ["a"]).unused == (rules[1],)


def test_two_keys_on_one_name_are_a_collision_and_neither_has_the_name():
    renamed = rename_keys([Rename("_[ab]$", "")], ["w_a", "w_b", "v_a"])
    assert dict(renamed.collisions) == {"w": ("w_a", "w_b")}
    assert dict(renamed.key_of) == {"v": "v_a"}


def test_a_renamed_key_collides_with_one_that_has_the_name_already():
    renamed = rename_keys([Rename("^old/", "")], ["old/w", "w"])
    assert dict(renamed.collisions) == {"w": ("old/w", "w")}


def test_two_keys_that_exchange_their_names_are_no_collision():
    rules = [Rename("^a$", "b"), Rename("^b$", "a")]
    assert dict(rename_keys(rules, ["a", "b"]).key_of) == {"b": "a", "a": "b"}
