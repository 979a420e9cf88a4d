"""What else the tensors of an object-based checkpoint are called."""

import dataclasses
import random

import pytest

from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.checkpoint.object_paths import escape
from legacy_restore.checkpoint.objects import decode_objects
from legacy_restore.planning.namings import (
    FULL_NAMES,
    OBJECT_PATHS,
    full_names,
    namings_of,
    object_paths,
)
from tests import object_goldens
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
from tests.planning.specs import source
from tests.samples import sample

OBJECTS = decode_objects(adam_graph(), adam_tensors())
SLOT = "model/kernel/.OPTIMIZER_SLOT/optimizer/m"


def objects_of(*nodes, keys):
    return decode_objects(graph(*nodes), [key + VALUE for key in keys])


def test_an_object_based_checkpoint_has_two_more_ways_to_call_its_tensors():
    of_names, of_paths = namings_of(dataclasses.replace(source("x"), objects=OBJECTS))
    assert (of_names.label, of_paths.label) == (FULL_NAMES, OBJECT_PATHS)
    assert of_names.key_of == {
        "dense/kernel": "model/kernel" + VALUE,
        "Adam/dense/kernel/m": SLOT + VALUE,
        "Adam/iter": "optimizer/iter" + VALUE,
    }
    assert of_paths.key_of == {
        "model/kernel": "model/kernel" + VALUE,
        "net/kernel": "model/kernel" + VALUE,
        "optimizer/iter": "optimizer/iter" + VALUE,
    }


def test_a_name_based_checkpoint_has_none():
    assert namings_of(source("a", "b")) == ()


def test_a_naming_without_names_is_none():
    objects = objects_of([child("a", 1)], [variable("a")], keys=["a"])
    (naming,) = namings_of(dataclasses.replace(source(), objects=objects))
    assert naming.label == OBJECT_PATHS


def test_a_name_that_two_variables_had_is_none():
    nodes = (
        [child("a", 1), child("b", 2), child("c", 3)],
        [variable("a", "sub/kernel")],
        [variable("b", "sub/kernel")],
        [variable("c", "other")],
    )
    objects = objects_of(*nodes, keys=["a", "b", "c"])
    assert full_names(objects) == {"other": "c" + VALUE}
    # Nor is it one if the checkpoint lacks one of the two.
    lacking = objects_of(*nodes, keys=["a", "c"])
    assert full_names(lacking) == {"other": "c" + VALUE}


def test_only_the_values_of_variables_have_names():
    objects = decode_objects(
        graph(
            [child("t", 1), child("c", 2)],
            [attribute("t/.ATTRIBUTES/table", "table", name="table")],
            [attribute("c/.ATTRIBUTES/CONFIG", "config", name="OBJECT_CONFIG_JSON")],
        ),
        ["t/.ATTRIBUTES/table-keys", "t/.ATTRIBUTES/table-values"]
        + ["c/.ATTRIBUTES/CONFIG"],
    )
    assert full_names(objects) == object_paths(objects) == {}


def test_paths_are_not_escaped():
    objects = objects_of(
        [child("x/y.z", 1), child(".S", 2)],
        [variable("x.Sy..z")],
        [variable("..S")],
        keys=["x.Sy..z", "..S"],
    )
    assert object_paths(objects) == {
        "x/y.z": "x.Sy..z" + VALUE,
        ".S": "..S" + VALUE,
    }


def test_a_text_that_leads_to_two_variables_is_no_name():
    objects = objects_of(
        [child("a/b", 1), child("a", 2)],
        [variable("a.Sb")],
        [child("b", 3), child("c", 4)],
        [variable("a/b")],
        [variable("a/c")],
        keys=["a.Sb", "a/b", "a/c"],
    )
    assert object_paths(objects) == {"a/c": "a/c" + VALUE}


def test_a_text_that_leads_to_another_object_too_is_no_name():
    objects = objects_of(
        [child("a/b", 1), child("a", 2)],
        [variable("a.Sb")],
        [child("b", 3)],
        [],
        keys=["a.Sb"],
    )
    assert object_paths(objects) == {}


def test_a_name_that_an_object_holds_twice_is_no_name():
    objects = objects_of(
        [child("a", 1), child("a", 2)], [variable("a")], [variable("b")], keys=["a"]
    )
    assert object_paths(objects) == {}


def test_an_object_that_says_to_have_two_values_has_no_path():
    objects = objects_of(
        [child("a", 1)], [variable("a"), variable("b")], keys=["a", "b"]
    )
    assert object_paths(objects) == {}


def test_the_root_has_no_path():
    objects = decode_objects(
        graph([variable("")]), [VALUE, VALUE[1:], "/.ATTRIBUTES/VARIABLE_VALUE"]
    )
    assert object_paths(objects) == {}


def test_a_slot_has_no_path():
    nodes = [child("v", 1), child("optimizer", 2)], [variable("v")], [slot(1, "m", 3)]
    objects = objects_of(*nodes, [variable("m", "v/m")], keys=["v", "m"])
    assert set(object_paths(objects)) == {"v"}
    assert set(full_names(objects)) == {"v/m"}


def test_random_graphs_give_each_text_to_the_only_object_that_it_leads_to():
    dice = random.Random(8)
    names = ["a", "b", "a/b", "b/a", "a.b", ""]
    used = 0
    for _ in range(200):
        count = dice.randrange(2, 7)
        edges = [
            (at, name, dice.randrange(count))
            for at in range(count)
            for name in names
            if dice.random() < 0.3
        ]
        nodes = [
            [child(name, to) for at, name, to in edges if at == number]
            + [variable(f"v{number}")]
            for number in range(count)
        ]
        objects = objects_of(*nodes, keys=[f"v{number}" for number in range(count)])
        for path, key in object_paths(objects).items():
            assert _led_to(edges, path) == {int(key[1 : -len(VALUE)])}, (edges, path)
            used += 1
    assert used > 500


def _led_to(edges, path, start=0, depth=0):
    """The objects that a text leads to, tried out; empty names may lead in circles."""
    found = set()
    if depth > 12:
        return found
    for at, name, to in edges:
        if at == start and path == name:
            found.add(to)
        if at == start and path.startswith(name + "/"):
            found |= _led_to(edges, path[len(name) + 1 :], to, depth + 1)
    return found


def _source_of(location):
    with open_checkpoint(location) as checkpoint:
        entries = {key: checkpoint.entry(key) for key in checkpoint}
        return dataclasses.replace(
            source(*entries.values()), objects=checkpoint.objects
        )


@pytest.mark.parametrize("name", object_goldens.NAMES)
def test_the_path_of_each_variable_leads_to_its_key(name):
    golden = object_goldens.object_golden(name)
    _, of_paths = namings_of(_source_of(golden.prefix))
    with open_checkpoint(golden.prefix) as checkpoint:
        for path, value in golden.values.items():
            found = checkpoint[of_paths.key_of[path]]
            assert found.tobytes() == value.tobytes(), path


@pytest.mark.parametrize(
    ("name", "path", "full_name"),
    [
        ("tf1_15_keras_functional", "model/layer-1/kernel", "hidden/kernel"),
        ("tf2_21_keras_functional", "model/layer-1/kernel", "hidden/kernel"),
        (
            "tf2_21_keras3_sequential",
            "model/_functional/_operations/4/_kernel",
            "sequential/dense_1/kernel",
        ),
        ("tf1_15_module", "net/scale", "scale"),
        ("tf2_21_module", "net/again", "scale"),
    ],
)
def test_the_name_that_a_variable_had_leads_to_the_same_key(name, path, full_name):
    of_names, of_paths = namings_of(_source_of(object_goldens.object_golden(name)[0]))
    assert of_names.key_of[full_name] == of_paths.key_of[path]


@pytest.mark.parametrize(
    ("name", "twice"),
    [
        ("tf1_15_module", "linear/w"),
        ("tf2_21_module", "linear/w"),
        ("tf2_21_keras3_subclassed", "sub/kernel"),
    ],
)
def test_names_that_layers_share_are_none(name, twice):
    objects = _source_of(object_goldens.object_golden(name).prefix).objects
    assert len(objects.keys_named(twice)) in (2, 4)
    assert twice not in full_names(objects)


def test_a_real_model_of_keras_is_known_by_its_names_and_by_both_paths():
    of_names, of_paths = namings_of(_source_of(sample("keras_object_based")))
    key = "layer_with_weights-0/kernel" + VALUE
    assert of_names.key_of["dense_2/kernel"] == key
    assert of_paths.key_of["layer-1/kernel"] == key
    assert of_paths.key_of["layer_with_weights-0/kernel"] == key


@pytest.mark.parametrize(
    "name", ["ema_2", "lstm_1", "vqvae_ema_train", "base_batch_norm_1x2x2x3"]
)
def test_real_modules_of_sonnet_are_known_by_the_paths_of_their_keys(name):
    found = _source_of(sample("sonnet2", name))
    paths = next(one for one in namings_of(found) if one.label == OBJECT_PATHS).key_of
    for key, tensor in found.objects.tensors.items():
        if tensor.attribute == "VARIABLE_VALUE":
            assert paths[key[: -len(VALUE)]] == key
            assert escape(tensor.path.split("/")[0]) == key.split("/")[0]
