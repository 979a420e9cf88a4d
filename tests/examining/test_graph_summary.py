"""What a saved graph consists of, as text and JSON."""

import json

from legacy_restore.examining.graph_file import read_graph_file
from tests.checkpoint.builders import message
from tests.graphdef import builders as b


def summary(tmp_path, data, name="model.meta"):
    (graph,) = read_graph_file(b.write(tmp_path / name, data)).graphs
    return graph


def test_the_text_of_a_saved_model(tmp_path):
    folder = tmp_path / "export"
    path = b.write(folder / "saved_model.pb", b.saved_model(b.everything()))
    b.write(folder / "assets" / "vocab.txt", b"a")
    assert str(read_graph_file(path)) == (
        f"{path}\n"
        "SavedModel, schema 1, 1 graph\n"
        "\n"
        "tags serve\n"
        "written by TensorFlow 1.15.5 (v1.15.4-39-g3db52be7be8), GraphDef version 134, "
        "to be read from 12 on\n"
        "12 nodes, 1 function: Const 2, VariableV2 2, HashTableV2 1, "
        "InitializeTableFromTextFileV2 1, MapDataset 1, MatMul 1, Mul 1, MyLookup 1 "
        "and 4 more\n"
        "3 variables: 2 ref, 1 resource\n"
        "1 constant of 15 B, in the file 21 B\n"
        "collections: table_initializer 1, trainable_variables 1, variables 2\n"
        "Saver: save/restore_all, one file\n"
        "after a restore: fill\n"
        "\n"
        "variables\n"
        "  name        type          kind      in\n"
        "  count       int64[]       ref       no collection\n"
        "  emb/part_0  float32[3,2]  resource  variables; part of emb [6, 2]\n"
        "  w           float32[2,3]  ref       trainable_variables, variables\n"
        "\n"
        "signatures\n"
        "  serving_default (tensorflow/serving/predict)\n"
        "    takes  x  float32[?,2]  x:0\n"
        "    gives  y  float32[?,3]  y:0\n"
        "\n"
        "placeholders\n"
        "  x  float32[?,2]  Placeholder\n"
        "\n"
        "assets\n"
        "  vocab.txt  vocab:0  there\n"
        "\n"
        "tables\n"
        "  table  string to int64  HashTableV2  /data/vocab.txt\n"
        "\n"
        "operations that are not TensorFlow's own\n"
        "  MyLookup                    1 node  unknown\n"
        "  SkipGramGenerateCandidates  1 node  tf.contrib\n"
        "\n"
        "calls into the Python that built the graph\n"
        "  call  PyFunc  pyfunc_0\n"
        "\n"
        "devices\n"
        "  /job:ps/task:0  1 node\n"
        "\n"
        "to restore it\n"
        f'  lr.Model.from_saved_model("export", "{folder}")'
    )


def test_several_graphs_are_numbered(tmp_path):
    model = b.saved_model(b.everything(), b.meta_graph(b.graph(b.node("a", "NoOp"))))
    text = str(read_graph_file(b.write(tmp_path / "saved_model.pb", model)))
    assert "SavedModel, schema 1, 2 graphs" in text
    assert text.index("graph 1 of 2") < text.index("graph 2 of 2")


def test_names_cannot_write_to_the_terminal(tmp_path):
    evil = "\x1b[2J\n"
    graph = b.graph(
        b.variable("w" + evil, device=evil),
        b.placeholder("x" + evil, b.FLOAT),
        b.node("f", "Py" + evil),
        functions=[b.function("g" + evil)],
    )
    meta = b.meta_graph(
        graph,
        tags=[evil],
        version=evil,
        git=evil,
        collections=[(evil, b.nodes_of(evil))],
        signatures=[(evil, b.signature({evil: b.tensor_info(evil, 1)}, {}, evil))],
        assets=[(evil, evil)],
    )
    found = read_graph_file(b.write(tmp_path / "saved_model.pb", b.saved_model(meta)))
    assert "\x1b" not in str(found)
    assert "\x1b" not in json.dumps(found.to_json())


def test_a_placeholder_of_old_graphs_has_no_scalar_shape(tmp_path):
    node = b.placeholder("x", b.FLOAT)
    for producer, shape in ((21, None), (22, ())):
        graph = b.meta_graph(b.graph(node, producer=producer))
        assert summary(tmp_path, graph).placeholders[0].shape == shape


def test_what_is_in_functions_is_told_with_their_name(tmp_path):
    inside = b.function(
        "f",
        b.variable("v", "VarHandleOp"),
        b.node("t", "MutableHashTableV2"),
        b.node("p", "PyFunc"),
        b.node("call", "g"),
        b.node("own", "SomeOwnOp", device="/gpu:0"),
    )
    meta = b.meta_graph(
        b.graph(b.node("a", "f"), functions=[inside, b.function("g")]),
        collections=[("variables", b.collection(2, b.variable_def("v")))],
    )
    found = summary(tmp_path, meta)
    (variable,), (table,) = found.variables, found.tables
    assert (variable.function, variable.collections) == ("f", ())
    assert table.function == "f"
    assert found.python_functions[0].function == "f"
    assert [one.op for one in found.foreign_ops] == ["SomeOwnOp"]
    assert found.devices == (("/gpu:0", 1),)
    assert found.functions == (("f", 5), ("g", 0))


def test_vocabularies_are_found_behind_what_passes_them_on(tmp_path):
    nodes = [
        b.node("t", "HashTable"),
        b.constant("path", b.STRING, strings=["vocab.txt"]),
        b.node("same", "PlaceholderWithDefault", ["path"]),
        b.node("again", "Identity", ["same:0"]),
        b.node("fill", "InitializeTableFromTextFile", ["t", "again"]),
        b.node("short", "InitializeTableFromTextFile", ["t"]),
        b.node("loop", "Identity", ["loop"]),
        b.node("endless", "InitializeTableFromTextFile", ["t", "loop"]),
        b.node("nowhere", "InitializeTableFromTextFile", ["t", "absent"]),
        b.constant("many", b.STRING, [2], strings=["a", "b"]),
        b.node("several", "InitializeTableFromTextFile", ["t", "many"]),
    ]
    (table,) = summary(tmp_path, b.meta_graph(b.graph(*nodes))).tables
    assert table.vocabularies == ("vocab.txt",)


def test_a_slice_without_name_is_a_whole_variable(tmp_path):
    record = b.variable_def("w") + message(4, b"")
    meta = b.meta_graph(
        b.graph(b.variable("w")), collections=[("variables", b.collection(2, record))]
    )
    (variable,) = summary(tmp_path, meta).variables
    assert variable.saved_slice is None


def test_a_bundle_signature_that_may_go_either_way(tmp_path):
    generic = message(3, b.entry(1, "k", b.text(1, "t:0")))
    classification = message(
        2, message(1, b.text(1, "i:0")) + message(3, b.text(1, "s:0"))
    )
    signatures = (
        message(1, classification)
        + b.entry(2, "misc", generic)
        + b.entry(2, "inputs", generic)
    )
    any_value = b.text(1, "type.googleapis.com/tensorflow.serving.Signatures")
    any_value += message(2, signatures)
    meta = b.meta_graph(
        b.graph(b.node("a", "NoOp")),
        collections=[("serving_signatures", b.collection(5, any_value))],
    )
    found = read_graph_file(b.write(tmp_path / "export.meta", meta))
    assert found.kind == "session bundle"
    told = {one.key: one for one in found.graphs[0].signatures}
    assert [one.tensors for one in told["misc"].undirected] == [("t:0",)]
    assert [one.tensors for one in told["inputs"].inputs] == [("t:0",)]
    first = told["default_signature"]
    assert first.method == "classification"
    assert [one.key for one in first.outputs] == ["scores"]
    assert "has  k" in str(found)
