"""Waivers: patterns that permit a deviation."""

import re

import pytest

from legacy_restore import errors
from legacy_restore.mapping import waivers


def test_a_pattern_permits_whole_names_only():
    names = ["logits/w", "logits", "my/logits/w", "logits/w/x"]
    assert set(waivers.permitted(["logits/w"], names)) == {"logits/w"}
    assert set(waivers.permitted(["logits/.*"], names)) == {"logits/w", "logits/w/x"}


def test_a_name_is_permitted_by_the_first_pattern_that_matches():
    assert waivers.permitted(["a.*", ".*b"], ["ab", "b"]) == {"ab": "a.*", "b": ".*b"}


def test_a_pattern_that_permits_nothing_is_unused():
    assert waivers.unused(["a", "b", "a|c"], ["a"]) == ("b",)
    assert waivers.unused(["a"], []) == ("a",)
    assert waivers.unused([], ["a"]) == ()


def test_names_may_be_given_by_an_iterator():
    assert waivers.unused(["a", "b"], iter(["a", "b"])) == ()


@pytest.mark.parametrize("patterns", ["logits/.*", b"x", ["("], [None], [3], [b"x"]])
def test_what_is_no_list_of_patterns_is_refused(patterns):
    with pytest.raises(errors.UsageError):
        waivers.check_patterns("allow_missing", patterns)


def test_a_single_text_is_refused_with_the_list_to_type():
    with pytest.raises(errors.UsageError) as caught:
        waivers.check_patterns("allow_missing", "logits/.*")
    assert caught.value.hint == "allow_missing=['logits/.*']"


def test_patterns_become_a_tuple():
    assert waivers.check_patterns("only", ["a", "b"]) == ("a", "b")


@pytest.mark.parametrize(
    "names, among, patterns",
    [
        (["logits/w", "logits/b"], ["logits/w", "logits/b", "net/w"], ["logits/.*"]),
        (["net/w"], ["net/w", "net/b"], ["net/w"]),
        (["w"], ["w", "b"], ["w"]),
        (["a.b+c/w"], ["a.b+c/w", "a.b+c/b"], [r"a\.b\+c/w"]),
        (["a-b/w"], ["a-b/w"], ["a-b/.*"]),
    ],
)
def test_suggested_patterns_are_short(names, among, patterns):
    assert waivers.suggest(names, among) == patterns


@pytest.mark.parametrize(
    "names",
    [
        ["a/w", "a/b"],
        ["a/w"],
        ["w", "b/w", "b/x/w", "b/x/b"],
        ["a.c/w", "odd (name)/w"],
    ],
)
def test_suggested_patterns_permit_exactly_the_names(names):
    among = ["a/w", "a/b", "w", "b/w", "b/x/w", "b/x/b", "a.c/w", "abc/w"]
    among += ["odd (name)/w", "odd (name)/b"]
    patterns = waivers.suggest(names, among)
    found = [one for one in among if any(re.fullmatch(p, one) for p in patterns)]
    assert sorted(found) == sorted(names)
