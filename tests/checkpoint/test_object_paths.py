"""The paths of objects: those of TensorFlow, all others, and no more work than that."""

import sys

import pytest

from legacy_restore.checkpoint import object_paths
from legacy_restore.checkpoint.object_graph import parse_object_graph
from legacy_restore.checkpoint.object_paths import MAX_PATHS, ObjectPaths, escape
from legacy_restore.checkpoint.wire import FormatError
from tests.checkpoint.object_builders import attribute, child, graph, slot


def paths_in(*nodes):
    return ObjectPaths(parse_object_graph(graph(*nodes)))


def test_the_shortest_path_is_found_breadth_first_in_the_order_of_the_file():
    paths = paths_in(
        [child("a", 1), child("b", 2)],
        [child("c", 3), child("x", 4)],
        [child("d", 3)],
        [child("x", 4)],
        [],
    )
    assert paths.shortest(0) == ""
    assert paths.shortest(3) == "a/c"
    assert paths.shortest(4) == "a/x"
    assert paths.all(3) == ["a/c", "b/d"]
    assert paths.all(4) == ["a/x", "a/c/x", "b/d/x"]
    assert paths.parents(4) == [1, 3]


def test_cycles_and_objects_that_hold_themselves_end():
    paths = paths_in(
        [child("a", 1), child("self", 0)],
        [child("root", 0), child("self", 1), child("b", 2)],
        [child("back", 1)],
    )
    assert paths.all(0) == [""]
    assert paths.all(1) == ["a"]
    assert paths.all(2) == ["a/b"]


def test_what_the_root_does_not_reach_has_no_path():
    paths = paths_in([], [child("a", 2)], [child("b", 1)])
    assert paths.shortest(1) is None
    assert paths.all(2) == []
    assert paths.parents(2) == []


def test_names_are_escaped_as_in_keys():
    assert escape("a/b.c") == "a.Sb..c"
    paths = paths_in([child("a/b.c", 1)], [child("..", 2)], [])
    assert paths.shortest(2) == "a.Sb..c/...."


def test_one_name_for_two_objects_is_the_path_of_both():
    paths = paths_in([child("a", 1), child("a", 2), child("a", 1)], [], [])
    assert paths.all(1) == ["a"]
    assert paths.all(2) == ["a"]


def test_slots_have_the_path_of_variable_optimizer_and_name():
    paths = paths_in(
        [child("w", 1), child("opt", 2), child("taken", 4)],
        [],
        [slot(1, "m/n", 3), slot(1, "v", 4), slot(5, "lost", 6)],
        [],
        [],
        [],
        [],
    )
    assert paths.all(3) == ["w/.OPTIMIZER_SLOT/opt/m.Sn"]
    assert paths.shortest(4) == "taken"
    assert paths.shortest(6) is None


def ladder(rungs):
    """A graph with two ways over each rung: 2 ** rungs paths to its last object."""
    nodes = []
    for number in range(rungs):
        nodes.append([child("a", number + 1), child("b", number + 1)])
    return [*nodes, []]


def calls(function):
    events = []
    sys.setprofile(lambda frame, event, arg: events.append(event))
    try:
        function()
    finally:
        sys.setprofile(None)
    return len(events)


def test_ways_without_number_are_listed_up_to_a_limit():
    paths = paths_in(*ladder(60))
    found = paths.all(60)
    assert len(set(found)) == len(found) == MAX_PATHS
    assert all(len(one.split("/")) == 60 for one in found)


def test_the_work_for_paths_has_a_bound(monkeypatch):
    limit = 2_000
    monkeypatch.setattr(object_paths, "_MAX_STEPS_IN_ALL", limit)
    # Every object holds every other: any set of them is a path.
    count = 60
    everyone = [child(str(number), number) for number in range(count)]
    paths = paths_in(*[everyone] * count)
    work = calls(lambda: [paths.all(number) for number in range(count)])
    assert work < 60 * limit
    # The shortest is still told.
    assert paths.all(count - 1) == [str(count - 1)]


def test_a_long_chain_is_walked_without_recursion():
    count = 20_000
    nodes = [[child("n", number + 1)] for number in range(count)]
    paths = paths_in(*nodes, [])
    assert paths.shortest(count) == "/".join("n" * count)


def test_paths_longer_than_any_model_are_refused():
    count = 20_000
    nodes = [[child("n", one + 1), attribute(str(one))] for one in range(count)]
    with pytest.raises(FormatError, match="characters"):
        paths_in(*nodes, [])
    with pytest.raises(FormatError, match="characters"):
        paths_in([child("n" * (1 << 20), 1)], [attribute(str(k)) for k in range(65)])


def test_a_model_of_hundreds_of_layers_in_a_chain_is_none_of_those():
    count = 500
    nodes = [[child("inner", one + 1), attribute(str(one))] for one in range(count)]
    assert paths_in(*nodes, []).shortest(3) == "inner/inner/inner"
