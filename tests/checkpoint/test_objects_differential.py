"""Differential tests: TensorFlow saves objects and parses the graph; we find the same.

What TensorFlow's own classes for the protocol buffers say, and the objects themselves,
is the truth. Programs run in processes of their own where they need eager execution.
"""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.checkpoint.object_graph import parse_object_graph
from legacy_restore.checkpoint.objects import ObjectGraph
from legacy_restore.checkpoint.tensor_entry import OBJECT_GRAPH_KEY
from legacy_restore.mapping.classify import TensorClass, classify
from tests.conftest import ROOT
from tests.samples import sample

tf = pytest.importorskip("tensorflow")
graph_pb2 = pytest.importorskip("tensorflow.core.protobuf.trackable_object_graph_pb2")

IS_TF1 = tf.__version__.startswith("1.")
PROGRAM = pathlib.Path(__file__).with_name("object_programs.py")


def programs():
    """The names of the programs for this TensorFlow."""
    text = PROGRAM.read_text(encoding="utf-8")
    wanted = "# TF1" if IS_TF1 else "# TF2"
    return [
        line.split("(")[0][4:]
        for line in text.splitlines()
        if line.startswith("def ") and (line.endswith(wanted) or "# both" in line)
    ]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Runs all programs; returns the prefix and the truth of each, by name."""
    directory = tmp_path_factory.mktemp("objects")
    found = {}
    for mode in sorted({name.split("_")[0] for name in programs()}):
        names = [name for name in programs() if name.startswith(mode + "_")]
        done = subprocess.run(
            [sys.executable, str(PROGRAM), str(directory), *names],
            capture_output=True,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "TF_USE_LEGACY_KERAS": "1" if mode == "legacy" else "0",
            },
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        found.update(json.loads(done.stdout.decode().splitlines()[-1]))
    return found


def assert_same_as_tensorflow(prefix):
    """Compares what we decode with what TensorFlow's own classes do."""
    with open_checkpoint(prefix) as checkpoint:
        objects = checkpoint.objects
        data = bytes(checkpoint[OBJECT_GRAPH_KEY].item())
        keys = set(checkpoint)
    proto = graph_pb2.TrackableObjectGraph.FromString(data)
    assert len(objects.nodes) == len(proto.nodes)
    for ours, theirs in zip(objects.nodes, proto.nodes):
        assert_same_node(ours, theirs)
    assert (objects.missing_keys, objects.unlisted_keys) == ((), ())
    assert set(objects.tensors) == keys - {OBJECT_GRAPH_KEY}
    for key, tensor in objects.tensors.items():
        # Every key begins with the shortest path, as TensorFlow found it.
        assert key.startswith(f"{tensor.path}/.ATTRIBUTES/"), key
    return objects


def assert_same_node(ours, theirs):
    assert [(one.name, one.node) for one in ours.children] == [
        (one.local_name, one.node_id) for one in theirs.children
    ]
    assert [(one.name, one.full_name, one.key) for one in ours.attributes] == [
        (one.name, one.full_name, one.checkpoint_key) for one in theirs.attributes
    ]
    assert [(one.original, one.name, one.slot) for one in ours.slots] == [
        (one.original_variable_node_id, one.slot_name, one.slot_variable_node_id)
        for one in theirs.slot_variables
    ]
    if not IS_TF1:
        has_values = theirs.has_checkpoint_values
        told = has_values.value if theirs.HasField("has_checkpoint_values") else None
        assert ours.has_checkpoint_values == told
        saver = theirs.registered_saver
        if ours.registered_saver:
            assert tuple(ours.registered_saver) == (saver.name, saver.object_name)


@pytest.mark.parametrize("name", programs())
def test_graph_paths_and_values_are_those_of_tensorflow(saved, name):
    prefix, truth = saved[name]["prefix"], saved[name]["variables"]
    objects = assert_same_as_tensorflow(prefix)
    with open_checkpoint(prefix) as checkpoint:
        for path, told in truth.items():
            (key,) = [
                tensor.key
                for tensor in objects.tensors.values()
                if path in objects.paths(tensor.node)
                and tensor.attribute == "VARIABLE_VALUE"
            ]
            np.testing.assert_array_equal(checkpoint[key], told["value"], err_msg=path)
            assert objects.tensors[key].full_name == told["name"]


@pytest.mark.parametrize("name", programs())
def test_classes_are_what_the_program_says(saved, name):
    with open_checkpoint(saved[name]["prefix"]) as checkpoint:
        found = classify(checkpoint.entries(), checkpoint.objects)
    totals = {}
    for one in found.values():
        if one.tensor_class is not TensorClass.OBJECT_GRAPH:
            kind = one.tensor_class.value
            kind += f" ({one.optimizer})" if one.optimizer else ""
            totals[kind] = totals.get(kind, 0) + 1
    assert totals == saved[name]["classes"]


@pytest.mark.parametrize("folder", ["keras_object_based", "sonnet2"])
def test_real_checkpoints_are_what_tensorflow_parses(folder):
    names = sorted(
        str(path)[: -len(".index")]
        for path in pathlib.Path(sample(folder)).rglob("*.index")
    )
    assert names
    for prefix in names:
        assert_same_as_tensorflow(prefix)


def test_decoded_again_by_tensorflow_any_graph_is_the_same():
    hypothesis = pytest.importorskip("hypothesis")
    strategies = hypothesis.strategies
    names = strategies.text(max_size=4)

    @strategies.composite
    def graphs(draw):
        count = draw(strategies.integers(1, 6))
        numbers = strategies.integers(0, count - 1)
        proto = graph_pb2.TrackableObjectGraph()
        for _ in range(count):
            node = proto.nodes.add()
            for name, child in draw(_pairs(names, numbers)):
                node.children.add(local_name=name, node_id=child)
            for name, key in draw(_pairs(names, names)):
                node.attributes.add(name=name, full_name=name, checkpoint_key=key)
            for name, other in draw(_pairs(names, numbers)):
                node.slot_variables.add(
                    slot_name=name,
                    original_variable_node_id=other,
                    slot_variable_node_id=draw(numbers),
                )
        return proto

    def _pairs(first, second):
        return strategies.lists(strategies.tuples(first, second), max_size=4)

    @hypothesis.settings(max_examples=60, deadline=None)
    @hypothesis.given(graphs())
    def compare(proto):
        nodes = parse_object_graph(proto.SerializeToString())
        for ours, theirs in zip(nodes, proto.nodes):
            assert_same_node(ours, theirs)
        objects = ObjectGraph(nodes, ["a"])
        for number in range(len(nodes)):
            paths = objects.paths(number)
            assert len(set(paths)) == len(paths)
            assert (objects.path(number) is None) == (paths == [])
            lengths = [len(path.split("/")) for path in paths if path]
            assert lengths == sorted(lengths)

    compare()
