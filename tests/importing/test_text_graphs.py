"""Graphs in text format for what reads binary ones alone."""

import dataclasses
import os

import pytest
from google.protobuf import text_format

from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.errors import UnsupportedCheckpointError
from legacy_restore.examining.audit import audit_file
from legacy_restore.examining.inspection import inspect_location
from legacy_restore.importing import text_graphs
from legacy_restore.importing.text_graphs import text_as_binary
from legacy_restore.tf import SavedModel, tf


def stock_meta_graph():
    """A graph with what an audit and an inspection tell of."""
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        kernel = tf.get_variable("kernel", [2, 3], use_resource=True)
        tf.matmul(x, kernel, name="y")
        tf.read_file(tf.constant("/home/anna/words.txt"), name="read")
        tf.train.Saver()
        return tf.train.export_meta_graph(clear_extraneous_savers=True)


META = stock_meta_graph()
SAVED_MODEL = SavedModel(saved_model_schema_version=1, meta_graphs=[META])
SAVED_MODEL.meta_graphs[0].meta_info_def.tags.append("serve")


def write(path, message, is_text):
    path.parent.mkdir(exist_ok=True)
    text = text_format.MessageToString(message).encode()
    path.write_bytes(text if is_text else message.SerializeToString())
    return str(path)


@pytest.mark.parametrize(
    "message, name",
    [(META.graph_def, "graph"), (SAVED_MODEL, "saved_model.pb"), (META, "a.meta")],
)
def test_a_text_is_told_as_the_binary_file_of_its_name_is(tmp_path, message, name):
    path = write(tmp_path / "run" / name, message, is_text=False)
    audit, inspection = audit_file(path), inspect_location(path)
    assert "/home/anna/words.txt" in str(audit)
    assert write(tmp_path / "run" / name, message, is_text=True) == path
    data = tmp_path.joinpath("run", name).read_bytes()
    found = text_as_binary(path, data)
    assert found.format.value == audit.format
    if name == "saved_model.pb":  # There a text has a name of its own.
        path = write(tmp_path / "run" / "saved_model.pbtxt", message, is_text=True)
        os.remove(str(tmp_path / "run" / name))
        assert audit_file(tmp_path / "run", text_as_binary).path == path
        audit = dataclasses.replace(audit, path=path)
        told = inspect_location(path, text_as_binary).to_json()["graph"]["graphs"]
        assert told == inspection.to_json()["graph"]["graphs"]
    else:
        told = inspect_location(path, text_as_binary).to_json()
        assert told == inspection.to_json()
    assert audit_file(path, text_as_binary) == audit


def test_a_meta_graph_in_text_needs_a_checkpoint_that_it_does_not_name(tmp_path):
    path = write(tmp_path / "meta.pbtxt", META, is_text=True)
    found = inspect_location(path, text_as_binary)
    assert (found.ok, [one.id for one in found.findings]) == (
        True,
        ["graph-needs-checkpoint"],
    )


def test_a_misspelt_field_is_refused(tmp_path):
    path = tmp_path / "graph.pbtxt"
    path.write_text('node { name: "x" oq: "Placeholder" }')
    with pytest.raises(UnsupportedCheckpointError, match="oq"):
        audit_file(path, text_as_binary)


def test_a_text_that_is_larger_than_a_message_is_refused(monkeypatch):
    monkeypatch.setattr(text_graphs, "MAX_MESSAGE", 10)
    with pytest.raises(FormatError, match="2 GiB"):
        text_as_binary("graph.pbtxt", text_format.MessageToString(META).encode())
