"""TensorFlow writes saved graphs; what is told of them is what it wrote."""

import json
import os

import numpy as np
import pytest

from legacy_restore.examining.graph_file import read_graph_file
from legacy_restore.examining.inspection import inspect_location
from legacy_restore.graphdef.op_registry import Origin, origin_of

oracle = pytest.importorskip("tests.graphdef.oracle")
from legacy_restore.tf import tf  # noqa: E402


def checked(path):
    """The summary's JSON for each graph in a file, compared with protobuf's parse."""
    found = read_graph_file(str(path))
    data = json.loads(json.dumps(found.to_json()))
    protos = oracle.meta_graphs(str(path))
    assert len(protos) == len(data["graphs"])
    for one, proto in zip(data["graphs"], protos):
        assert oracle.told(one) == oracle.expected(proto)
    assert str(found)
    return data["graphs"]


def build_everything(vocabulary, use_resource):
    """A graph with some of all that old models have; returns what is signed."""
    with open(vocabulary, "w") as file:
        file.write("one\ntwo\n")
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    optional = tf.placeholder_with_default(np.float32(1), [], name="keep")
    tf.sparse_placeholder(tf.int64, name="sparse")
    with tf.variable_scope("net", use_resource=use_resource):
        with tf.device("/device:GPU:7"):
            w = tf.get_variable("w", [4, 3])
        emb = tf.get_variable("emb", [7, 3], partitioner=tf.fixed_size_partitioner(3))
        frozen = tf.get_variable("frozen", [], tf.int64, trainable=False)
        tf.get_variable(
            "local", [2], collections=[tf.GraphKeys.LOCAL_VARIABLES], trainable=False
        )
        tf.get_variable("nowhere", [2], collections=[], trainable=False)
        tf.add_to_collection("mine", w)
    initializer = tf.lookup.TextFileInitializer(
        vocabulary,
        tf.string,
        tf.lookup.TextFileIndex.WHOLE_LINE,
        tf.int64,
        tf.lookup.TextFileIndex.LINE_NUMBER,
    )
    table = tf.lookup.StaticHashTable(initializer, -1)
    words = tf.placeholder(tf.string, [None], name="words")
    ids = table.lookup(words)
    python = tf.py_func(lambda a: a + 1, [x], tf.float32, name="python")
    data = tf.data.Dataset.from_tensor_slices([1, 2]).map(lambda a: a * 2)
    tf.data.make_one_shot_iterator(data).get_next()
    hidden = tf.matmul(tf.ensure_shape(python, [None, 4]), w) * optional
    found = tf.nn.embedding_lookup(emb, ids)
    y = tf.add(hidden, tf.reduce_sum(found) + tf.cast(frozen, tf.float32), name="y")
    with tf.control_dependencies([y]):
        tf.no_op(name="after")
    return {"x": x, "words": words}, {"y": y}


def anywhere():
    """There is no such GPU here; the graph says there was one."""
    return tf.ConfigProto(allow_soft_placement=True)


@pytest.fixture(params=[False, True], ids=["ref", "resource"])
def use_resource(request):
    return request.param


def test_a_training_graph(tmp_path, use_resource):
    with tf.Graph().as_default(), tf.Session(config=anywhere()) as session:
        _, outputs = build_everything(str(tmp_path / "vocab.txt"), use_resource)
        step = tf.train.get_or_create_global_step()
        optimizer = tf.train.AdamOptimizer()
        optimizer.minimize(tf.reduce_sum(outputs["y"]), global_step=step)
        session.run(tf.global_variables_initializer())
        prefix = tf.train.Saver().save(session, str(tmp_path / "model.ckpt"), 7)
    (graph,) = checked(prefix + ".meta")
    assert graph["tensorflow_version"] == tf.version.VERSION
    variables = {one["name"]: one for one in graph["variables"]}
    kind = "resource" if use_resource else "ref"
    assert variables["net/w"]["kind"] == kind
    assert variables["net/w"]["shape"] == [4, 3]
    assert variables["net/w"]["trainable"] is True
    assert "mine" in variables["net/w"]["collections"]
    assert variables["net/frozen"]["dtype"] == "int64"
    assert variables["net/frozen"]["trainable"] is False
    assert variables["net/nowhere"]["collections"] == []
    assert variables["net/nowhere"]["trainable"] is None
    assert variables["net/local"]["collections"] == ["local_variables"]
    assert variables["net/emb/part_1"]["part_of"] == {
        "name": "net/emb",
        "shape": [7, 3],
        "offset": [3, 0],
    }
    assert {one["device"] for one in graph["devices"]} >= {"/device:GPU:7"}
    assert [one["name"] for one in graph["python_functions"]] == ["python"]
    assert graph["foreign_ops"] == []
    assert graph["functions"]
    (table,) = graph["tables"]
    assert (table["key_dtype"], table["value_dtype"]) == ("string", "int64")
    assert table["vocabularies"] == [str(tmp_path / "vocab.txt")]
    assert {"x", "keep", "words"} <= {one["name"] for one in graph["placeholders"]}
    assert any("InitializeTable" in name for name in graph["init_ops"])

    found = inspect_location(prefix + ".meta")
    assert found.ok
    assert found.contents.tensorflow_version == tf.version.VERSION
    assert f"written by TensorFlow {tf.version.VERSION}" in str(found)
    assert "net/emb" in {row.entry.key for row in found.contents.rows}
    os.remove(prefix + ".index")
    found = inspect_location(prefix + ".meta")
    assert [one.id for one in found.findings] == ["location-not-found"]


def test_a_saved_model_with_several_graphs(tmp_path, use_resource):
    folder = str(tmp_path / "export")
    builder = tf.saved_model.builder.SavedModelBuilder(folder)
    with tf.Graph().as_default(), tf.Session(config=anywhere()) as session:
        inputs, outputs = build_everything(str(tmp_path / "vocab.txt"), use_resource)
        session.run(tf.global_variables_initializer())
        sparse = tf.sparse.from_dense([[1, 0]])
        signature = tf.saved_model.build_signature_def(
            {key: tf.saved_model.build_tensor_info(inputs[key]) for key in inputs},
            {
                "y": tf.saved_model.build_tensor_info(outputs["y"]),
                "sparse": tf.saved_model.build_tensor_info(sparse),
            },
            "tensorflow/serving/predict",
        )
        assets = tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS)
        builder.add_meta_graph_and_variables(
            session,
            ["serve", "gpu"],
            signature_def_map={"serving_default": signature, "other": signature},
            assets_collection=assets,
            main_op=tf.tables_initializer(),
        )
    with tf.Graph().as_default():
        build_everything(str(tmp_path / "vocab.txt"), use_resource)
        builder.add_meta_graph([], clear_devices=True)
    builder.save()
    serving, untagged = checked(os.path.join(folder, "saved_model.pb"))
    assert sorted(serving["tags"]) == ["gpu", "serve"]
    assert untagged["tags"] == []
    assert untagged["devices"] == []
    assert [one["key"] for one in serving["signatures"]] == ["other", "serving_default"]
    encodings = {
        one["key"]: one["encoding"] for one in serving["signatures"][0]["outputs"]
    }
    assert encodings == {"sparse": "sparse", "y": "dense"}
    (asset,) = serving["assets"]
    assert (asset["filename"], asset["exists"]) == ("vocab.txt", True)
    assert any("init_all_tables" in name for name in serving["init_ops"])
    found = inspect_location(folder)
    assert found.ok
    assert found.graph.kind == "SavedModel"
    assert "net/emb" in {row.entry.key for row in found.contents.rows}
    os.remove(os.path.join(folder, "assets", "vocab.txt"))
    found = inspect_location(os.path.join(folder, "saved_model.pb"))
    assert [one.id for one in found.findings if one.is_error] == ["asset-missing"]


def test_a_saved_model_without_variables_is_complete(tmp_path):
    folder = str(tmp_path / "export")
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [2], name="x")
        tf.saved_model.simple_save(session, folder, {"x": x}, {"y": x + 1})
    checked(os.path.join(folder, "saved_model.pb"))
    found = inspect_location(folder)
    assert (found.ok, found.contents, found.findings) == (True, None, ())


def test_a_frozen_graph(tmp_path, use_resource):
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 4], name="x")
        w = tf.get_variable("w", [4, 300], use_resource=use_resource)
        tf.matmul(x, w, name="y")
        session.run(tf.global_variables_initializer())
        frozen = tf.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), ["y"]
        )
        for name, one in (("frozen", frozen), ("plain", graph.as_graph_def())):
            with open(str(tmp_path / (name + ".pb")), "wb") as file:
                file.write(one.SerializeToString())
    (told,) = checked(tmp_path / "frozen.pb")
    assert told["variables"] == []
    assert told["constants"]["nbytes"] == 4 * 4 * 300
    found = inspect_location(str(tmp_path / "frozen.pb"))
    assert (found.ok, found.findings, found.contents) == (True, (), None)
    checked(tmp_path / "plain.pb")
    found = inspect_location(str(tmp_path / "plain.pb"))
    assert [one.id for one in found.findings] == ["graph-needs-checkpoint"]
    assert found.ok


def test_a_saved_model_of_tensorflow_2(tmp_path):
    if not hasattr(tf, "compat") or tf.version.VERSION.startswith("1."):
        pytest.skip("needs TensorFlow 2")
    import tensorflow as tf2

    with open(str(tmp_path / "vocab.txt"), "w") as file:
        file.write("one\ntwo\n")
    module = tf2.Module()
    module.w = tf2.Variable([1.0, 2.0], name="w")
    module.asset = tf2.saved_model.Asset(str(tmp_path / "vocab.txt"))
    module.call = tf2.function(
        lambda x: x * module.w, input_signature=[tf2.TensorSpec([None, 2])]
    )
    folder = str(tmp_path / "export")
    tf2.saved_model.save(module, folder, signatures={"serving_default": module.call})
    (graph,) = checked(os.path.join(folder, "saved_model.pb"))
    assert graph["has_object_graph"] is True
    assert [one["filename"] for one in graph["assets"]] == ["vocab.txt"]
    assert {one["kind"] for one in graph["variables"]} == {"resource"}
    assert graph["foreign_ops"] == []
    found = inspect_location(folder)
    assert found.ok
    assert found.contents.rows


def test_every_operation_of_this_tensorflow_has_an_owner():
    graph_ops = {
        name[: -len("_eager_fallback")]
        for name in dir(tf.raw_ops)
        if name.endswith("_eager_fallback")
    } or {name for name in dir(tf.raw_ops) if not name.startswith("_")}
    assert len(graph_ops) > 900
    assert [one for one in graph_ops if origin_of(one) is not Origin.CORE] == []
    assert origin_of("SkipGramGenerateCandidates") is Origin.CONTRIB
    assert origin_of("SomebodysOwnOp") is Origin.UNKNOWN
