"""The fields that docs/formats.md lists are TensorFlow's."""

import importlib
import re

import pytest

from tests.conftest import ROOT

pytest.importorskip("tensorflow")

TEXT = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
MODULES = [
    "core.framework.graph_pb2",
    "core.framework.node_def_pb2",
    "core.framework.tensor_pb2",
    "core.framework.tensor_shape_pb2",
    "core.framework.tensor_slice_pb2",
    "core.framework.variable_pb2",
    "core.framework.versions_pb2",
    "core.protobuf.meta_graph_pb2",
    "core.protobuf.saved_model_pb2",
    "core.protobuf.saver_pb2",
    "core.protobuf.tensor_bundle_pb2",
    "core.protobuf.trackable_object_graph_pb2",
    "core.util.saved_tensor_slice_pb2",
    "python.training.checkpoint_state_pb2",
]
# What TensorFlow 1.15 does not have yet.
LATER = {"RegisteredSaver": {}, "TrackableObject": {4, 5}, "MetaInfoDef": {6}}


def listed():
    """The messages of the page: name and fields by number."""
    found = {}
    for block in re.findall(r"```fields\n(.*?)```", TEXT, re.DOTALL):
        for line in block.splitlines():
            name, *fields = line.split("  ")
            found[name] = {int(one.split()[0]): one.split()[1] for one in fields}
    return found


def described():
    """The messages of TensorFlow: name and fields by number."""
    found = {}

    def add(descriptor):
        fields = {field.number: field.name for field in descriptor.fields}
        found[descriptor.name] = fields
        for nested in descriptor.nested_types:
            add(nested)

    for name in MODULES:
        try:
            module = importlib.import_module("tensorflow." + name)
        except ImportError:
            continue
        for descriptor in module.DESCRIPTOR.message_types_by_name.values():
            add(descriptor)
    return found


@pytest.mark.parametrize("message", sorted(listed()))
def test_fields_are_those_of_tensorflow(message):
    theirs = described()
    if message not in theirs:
        assert message in LATER
        pytest.skip(f"this TensorFlow has no {message}")
    for number, name in listed()[message].items():
        if number not in theirs[message] and number in LATER.get(message, ()):
            continue
        assert theirs[message].get(number) == name


def test_numbers_of_ordered_code_are_what_the_page_says():
    from legacy_restore.checkpoint.slices import _signed

    shown = re.search(r"-1 is `(.*?)`, 0 is\n`(.*?)` and 64 is `(.*?)`", TEXT).groups()
    assert [bytes.fromhex(one) for one in shown] == [_signed(n) for n in (-1, 0, 64)]
