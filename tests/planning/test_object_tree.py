"""Pairing live objects with those of a checkpoint, on graphs made by hand."""

import pytest

from legacy_restore.checkpoint.objects import decode_objects
from legacy_restore.planning import object_tree
from legacy_restore.planning.object_tree import Conflict, ObjectTree, pair
from tests.checkpoint.object_builders import (
    VALUE,
    adam_graph,
    adam_tensors,
    attribute,
    child,
    graph,
    slot,
    variable,
)


def objects_of(*nodes, keys):
    """An object graph whose variables have these keys, without what all end with."""
    return decode_objects(graph(*nodes), [key + VALUE for key in keys])


def keys_of(pairing):
    return {name: key[: -len(VALUE)] for name, key in pairing.keys.items()}


# A model that holds two variables, below the root or as the root itself.
MODEL = ([child("a", 1), child("b", 2)], [variable("a")], [variable("b")])
BELOW = (
    [child("model", 1)],
    [child("a", 2), child("b", 3)],
    [variable("model/a")],
    [variable("model/b")],
)
TREE = ObjectTree([{"a": 1, "b": 2}, {}, {}], {1: "A", 2: "B"})
TREE_BELOW = ObjectTree([{"model": 1}, {"a": 2, "b": 3}, {}, {}], {2: "A", 3: "B"})


def test_variables_are_found_by_the_names_of_children_not_by_their_own():
    found = pair(TREE, objects_of(*MODEL, keys=["a", "b"]))
    assert keys_of(found) == {"A": "a", "B": "b"}
    assert found.label == "objects by their names"
    assert (found.conflicts, found.live_root, found.stored_root) == ((), None, None)


def test_any_path_leads_to_a_variable_not_only_that_of_its_key():
    objects = decode_objects(adam_graph(), adam_tensors())
    tree = ObjectTree([{"net": 1}, {"kernel": 2}, {}], {2: "kernel"})
    assert pair(tree, objects).keys == {"kernel": "model/kernel" + VALUE}


def test_cycles_of_other_lengths_end():
    objects = objects_of(
        [child("next", 1), child("v", 2)],
        [child("next", 0)],
        [variable("v")],
        keys=["v"],
    )
    loop = ObjectTree([{"next": 1, "v": 3}, {"next": 2}, {"next": 0}, {}], {3: "V"})
    assert keys_of(pair(loop, objects)) == {"V": "v"}
    itself = ObjectTree([{"next": 0, "v": 1}, {}], {1: "V"})
    assert keys_of(pair(itself, objects)) == {"V": "v"}


def test_one_variable_from_two_objects_of_the_file_is_a_conflict():
    objects = objects_of(*MODEL, keys=["a", "b"])
    tied = ObjectTree([{"a": 1, "b": 1}, {}], {1: "V"})
    found = pair(tied, objects)
    assert found.keys == {}
    assert found.conflicts == (Conflict(("V",), ("a" + VALUE, "b" + VALUE)),)
    assert str(found.conflicts[0]).startswith("2 keys reach it: a/")


def test_variables_that_were_one_are_a_conflict():
    objects = objects_of(
        [child("a", 1), child("b", 1), child("c", 2)],
        [variable("a")],
        [variable("c")],
        keys=["a", "c"],
    )
    tree = ObjectTree([{"a": 1, "b": 2, "c": 3}, {}, {}, {}], {1: "A", 2: "B", 3: "C"})
    found = pair(tree, objects)
    assert keys_of(found) == {"C": "c"}
    assert found.conflicts == (Conflict(("A", "B"), ("a" + VALUE,)),)
    assert "was one variable, and is several here: A, B" in str(found.conflicts[0])


def test_a_layer_that_was_shared_is_followed_to_all_that_it_is_now():
    # TensorFlow stops at the second layer, and leaves its variables as they are.
    objects = objects_of(
        [child("x", 1), child("y", 1)],
        [child("w", 2)],
        [variable("x/w")],
        keys=["x/w"],
    )
    tree = ObjectTree(
        [{"x": 1, "y": 2}, {"w": 3}, {"w": 4}, {}, {}], {3: "x/w", 4: "y/w"}
    )
    assert pair(tree, objects).conflicts == (
        Conflict(("x/w", "y/w"), ("x/w" + VALUE,)),
    )


def test_what_hangs_together_is_one_conflict():
    objects = objects_of(
        [child("a", 1), child("b", 2), child("c", 1)],
        [variable("a")],
        [variable("b")],
        keys=["a", "b"],
    )
    tree = ObjectTree([{"a": 1, "b": 1, "c": 2}, {}, {}], {1: "A", 2: "C"})
    (conflict,) = pair(tree, objects).conflicts
    assert conflict == Conflict(("A", "C"), ("a" + VALUE, "b" + VALUE))
    assert "in more than one way" in str(conflict)


def test_objects_of_one_variable_are_one():
    objects = objects_of(*MODEL[:2], [variable("a")], keys=["a"])
    tree = ObjectTree([{"a": 1, "b": 2}, {}, {}], {1: "V", 2: "V"})
    assert keys_of(pair(tree, objects)) == {"V": "a"}


def test_a_name_that_an_object_of_the_file_holds_twice_is_a_conflict():
    objects = objects_of(
        [child("a", 1), child("a", 2)], [variable("a")], [variable("b")], keys="ab"
    )
    assert len(pair(ObjectTree([{"a": 1}, {}], {1: "A"}), objects).conflicts) == 1


def test_an_object_of_the_file_that_says_to_have_two_values_is_a_conflict():
    objects = objects_of([child("a", 1)], [variable("a"), variable("b")], keys="ab")
    (conflict,) = pair(ObjectTree([{"a": 1}, {}], {1: "A"}), objects).conflicts
    assert conflict == Conflict(("A",), ("a" + VALUE, "b" + VALUE))


def test_slots_are_left_to_others():
    nodes = [child("v", 1), child("optimizer", 2)], [variable("v")], [slot(1, "m", 3)]
    objects = objects_of(*nodes, [variable("m")], keys=["v", "m"])
    tree = ObjectTree([{"v": 1, "optimizer": 2}, {}, {"m": 3}, {}], {1: "V", 3: "M"})
    assert keys_of(pair(tree, objects)) == {"V": "v"}


def test_what_has_no_value_or_none_in_the_file_gives_no_key():
    nodes = (
        [child("a", 1), child("b", 2), child("c", 3)],
        [attribute("a/.ATTRIBUTES/CONFIG", name="CONFIG")],
        [variable("b")],
        [],
    )
    objects = decode_objects(graph(*nodes), ["a/.ATTRIBUTES/CONFIG"])
    tree = ObjectTree([{"a": 1, "b": 2, "c": 3}, {}, {}, {}], {1: "A", 2: "B", 3: "C"})
    found = pair(tree, objects)
    assert (found.keys, found.conflicts) == ({}, ())


# One root is what the other one holds.


def test_the_root_here_may_be_what_the_files_root_holds():
    found = pair(TREE, objects_of(*BELOW, keys=["model/a", "model/b"]))
    assert keys_of(found) == {"A": "model/a", "B": "model/b"}
    assert (found.live_root, found.stored_root) == (None, "model")
    assert found.label == "the root here is model in the checkpoint"


def test_the_files_root_may_be_what_the_root_here_holds():
    found = pair(TREE_BELOW, objects_of(*MODEL, keys=["a", "b"]))
    assert keys_of(found) == {"A": "a", "B": "b"}
    assert (found.live_root, found.stored_root) == ("model", None)
    assert found.label == "the checkpoint's root is model here"


def test_such_a_way_has_to_explain_all_that_is_required():
    objects = objects_of(
        [child("model", 1)], [child("a", 2)], [variable("model/a")], keys=["model/a"]
    )
    refused = pair(TREE, objects)
    assert set(refused.keys) == {"A"}  # The nearest, to say what is missing.
    assert set(pair(TREE, objects, required={"A"}).keys) == {"A"}


def test_from_root_to_root_has_to_explain_all_too():
    nodes = (
        [child("a", 1), child("model", 2), child("half", 5)],
        [variable("a")],
        [child("a", 3), child("b", 4)],
        [variable("model/a")],
        [variable("model/b")],
        [child("a", 6)],
        [variable("half/a")],
    )
    objects = objects_of(*nodes, keys=["a", "model/a", "model/b", "half/a"])
    found = pair(TREE, objects)
    assert keys_of(found) == {"A": "model/a", "B": "model/b"}
    assert found.stored_root == "model"


def test_from_root_to_root_comes_first():
    objects = objects_of(
        [child("a", 1), child("b", 2), child("model", 3)],
        [variable("a")],
        [variable("b")],
        [child("a", 4), child("b", 5)],
        [variable("model/a")],
        [variable("model/b")],
        keys=["a", "b", "model/a", "model/b"],
    )
    assert keys_of(pair(TREE, objects)) == {"A": "a", "B": "b"}


TWO = (
    [child("one", 1), child("two", 2)],
    [child("a", 3), child("b", 4)],
    [child("a", 5), child("b", 6)],
    *([variable(path)] for path in ("one/a", "one/b", "two/a", "two/b")),
)


def test_two_ways_that_differ_are_none():
    objects = objects_of(*TWO, keys=["one/a", "one/b", "two/a", "two/b"])
    found = pair(TREE, objects)
    assert found.keys == {}
    assert [way.stored_root for way in found.ways] == ["one", "two"]
    assert found.label.startswith("more than one way: the root here is one")


def test_types_may_leave_one_way():
    objects = objects_of(*TWO, keys=["one/a", "one/b", "two/a", "two/b"])
    found = pair(TREE, objects, fits=lambda name, key: key.startswith("two/"))
    assert (found.stored_root, found.ways) == ("two", ())
    none = pair(TREE, objects, fits=lambda name, key: False)
    assert (none.stored_root, none.ways) == ("one", ())


def test_two_ways_to_the_same_keys_are_one():
    nodes = ([child("model", 1), child("net", 1)], *BELOW[1:])
    found = pair(TREE, objects_of(*nodes, keys=["model/a", "model/b"]))
    assert (found.stored_root, found.ways) == ("model", ())


def test_that_nothing_is_required_is_no_reason_to_take_nothing():
    found = pair(TREE, objects_of(*BELOW, keys=["model/a", "model/b"]), required=set())
    assert set(found.keys) == {"A", "B"}


def test_roots_that_hold_too_much_are_only_paired_with_each_other(monkeypatch):
    monkeypatch.setattr(object_tree, "_MAX_STEPS", 3)
    objects = objects_of(*BELOW, keys=["model/a", "model/b"])
    assert pair(TREE, objects).keys == {}


@pytest.mark.parametrize("count", [40, 3_000])
def test_everything_below_everything_takes_no_time(count):
    # Every object holds every other one under the same few names.
    names = [str(number) for number in range(4)]
    nodes = [
        [child(name, (7 * at + int(name)) % count) for name in names]
        for at in range(count)
    ]
    objects = objects_of(*nodes, keys=[])
    children = [
        {name: (11 * at + int(name)) % count for name in names} for at in range(count)
    ]
    assert pair(ObjectTree(children, {}), objects).keys == {}
