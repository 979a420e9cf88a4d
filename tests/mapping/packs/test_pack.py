"""What the makers of renamings do."""

import random
import re

from legacy_restore.mapping.packs.pack import TypedName, in_turn, substitutions
from legacy_restore.mapping.packs.registry import PACKS


def one_by_one(pairs, name):
    """What substitutions do to a name, without any search before."""
    for old, new in pairs:
        name = re.sub(rf"(?<![^/])(?:{old})(?![^/])", new, name)
    return name


def renamed(renaming, names):
    changed = renaming([TypedName(name) for name in names], [])
    assert all(changed[name] != name for name in changed)
    return [changed.get(name, name) for name in names]


PAIRS = (
    (r"(a|b(?:_\d+)?)/w", r"\1/kernel"),
    ("kernel", "k"),  # Of what the one before it gave, too.
    ("x/y|y/x", "z"),
    (r"(?:m/)+([^/]+)", r"\1"),
)


def test_every_substitution_is_applied_to_what_the_one_before_it_gave():
    chance = random.Random(3)
    parts = ["a", "b_12", "w", "kernel", "x", "y", "m", "mm", "", "kernel:0"]
    names = {
        "/".join(chance.choice(parts) for _ in range(chance.randint(1, 6)))
        for _ in range(2000)
    }
    expected = [one_by_one(PAIRS, name) for name in names]
    assert renamed(substitutions(*PAIRS), list(names)) == expected
    assert expected != list(names)


def test_renamings_in_turn_see_the_names_of_each_other():
    seen = []

    def watching(keys, wanted):
        seen.append([key.name for key in keys])
        return {}

    both = in_turn(substitutions(("a", "b")), watching, substitutions(("b", "c")))
    assert renamed(both, ["a/x", "b/x", "x"]) == ["c/x", "c/x", "x"]
    assert seen == [["b/x", "b/x", "x"]]
    there_and_back = in_turn(substitutions(("a", "b")), substitutions(("b", "a")))
    assert there_and_back([TypedName("a")], []) == {}


def test_types_stay_with_their_names():
    seen = []

    def watching(keys, wanted):
        seen.extend(keys)
        return {}

    key = TypedName("a", "float32", (2, 3))
    in_turn(substitutions(("a", "b")), watching)([key], [])
    assert seen == [TypedName("b", "float32", (2, 3))]


def test_many_slots_under_a_doubled_scope_are_renamed_at_once():
    names = [f"m/layer_{number}/w" for number in range(300)]
    slots = [f"m/{name}/Adam" for name in names]
    assert renamed(PACKS["doubled-scope"].rename, [*names, *slots]) == [
        *names,
        *(f"{name}/Adam" for name in names),
    ]
