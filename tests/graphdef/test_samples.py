"""Real saved graphs against TensorFlow's own parse of them."""

import json
import os

import pytest

from legacy_restore import errors
from legacy_restore.examining.graph_file import read_graph_file
from legacy_restore.graphdef.files import read_saved_graph
from tests.samples import sample

oracle = pytest.importorskip("tests.graphdef.oracle")

# Sub-folders of serving/ that are session bundles have signatures in collections.
_BUNDLE = "session_bundle"


def graph_paths():
    for folder, _, names in sorted(os.walk(sample())):
        for name in sorted(names):
            if name.endswith(".meta") or name in ("saved_model.pb", "frozen.pb"):
                yield os.path.join(folder, name)


def test_real_graphs_are_told_as_protobuf_reads_them():
    compared = 0
    for path in graph_paths():
        data = json.loads(json.dumps(read_graph_file(path).to_json()))
        protos = oracle.meta_graphs(path)
        assert len(data["graphs"]) == len(protos)
        for one, proto in zip(data["graphs"], protos):
            found, wanted = oracle.told(one), oracle.expected(proto)
            if _BUNDLE in path:
                found.pop("signatures"), wanted.pop("signatures")
            assert found == wanted, path
            compared += 1
        assert str(read_graph_file(path))
    assert compared >= 25


def test_nodes_and_their_inputs_are_those_of_protobuf():
    for path in graph_paths():
        found = read_saved_graph(path).meta_graphs[0].graph
        (proto, *_) = oracle.meta_graphs(path)
        assert [(n.name, n.op, list(n.inputs), n.device) for n in found.nodes] == [
            (n.name, n.op, list(n.input), n.device) for n in proto.graph_def.node
        ]
        for one, node in zip(found.nodes, proto.graph_def.node):
            classes = [c.decode() for c in node.attr["_class"].list.s]
            assert ["loc:@" + name for name in one.colocated] == classes


def test_a_session_bundle_has_signatures_and_assets():
    folder = sample("serving", "session_bundle_half_plus_two", "00000123")
    found = read_graph_file(os.path.join(folder, "export.meta"))
    assert found.kind == "session bundle"
    (graph,) = found.graphs
    told = {
        one.key: (
            one.method,
            {t.key: t.tensors[0] for t in one.inputs},
            {t.key: t.tensors[0] for t in one.outputs},
        )
        for one in graph.signatures
    }
    assert told == {
        "default_signature": (
            "regression",
            {"input": "tf_example:0"},
            {"output": "Identity:0"},
        ),
        "inputs": ("generic", {"x": "x:0"}, {}),
        "outputs": ("generic", {}, {"y": "y:0"}),
    }
    assert [one.filename for one in found.assets[0]] == ["hello1.txt", "hello2.txt"]


def test_a_hub_module_is_known_by_the_file_beside_it():
    found = read_graph_file(sample("dm21", "DM21", "saved_model.pb"))
    assert (found.kind, found.schema_version) == ("TF-Hub module", 0)
    assert found.graphs[0].tags == ()
    assert found.needs_checkpoint
    found = read_graph_file(sample("hub", "hub_module_v1_mini", "saved_model.pb"))
    assert not found.needs_checkpoint


def test_tables_tell_the_files_that_fill_them():
    path = sample("taxi_estimator", "saved_model", "saved_model.pb")
    (graph,) = read_graph_file(path).graphs
    found = [path for table in graph.tables for path in table.vocabularies]
    assert {os.path.basename(one) for one in found} == {
        "vocab_compute_and_apply_vocabulary_vocabulary",
        "vocab_compute_and_apply_vocabulary_1_vocabulary",
    }


@pytest.mark.parametrize("name", ["tfhub_module.pb", "smart_module.pb"])
def test_other_protocol_buffers_are_no_graphs(name):
    with pytest.raises(errors.UnsupportedCheckpointError):
        read_graph_file(sample("dm21", "DM21", name))
