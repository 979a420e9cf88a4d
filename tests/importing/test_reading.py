"""Files of saved graphs as messages: told apart, chosen from, and refused."""

import os
import shutil

import pytest
from google.protobuf import text_format

from legacy_restore import errors
from legacy_restore.importing import reading
from legacy_restore.importing.reading import read_graph_file, read_saved_model
from legacy_restore.importing.saved_graph import GraphKind
from legacy_restore.tf import SavedModel, tf
from tests.checkpoint.builders import message, number
from tests.graphdef import builders as b
from tests.samples import sample


def stock_meta_graph():
    """A graph with a signature, as TensorFlow itself writes it."""
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        tf.identity(x * 2.0, name="y")
        return tf.train.export_meta_graph(clear_extraneous_savers=True)


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(data, str):
        data = data.encode()
    path.write_bytes(data)
    return str(path)


def names(saved):
    return [node.name for node in saved.meta_graph.graph_def.node]


META = stock_meta_graph()
NODES = [node.name for node in META.graph_def.node]


# Which message a file is.


@pytest.mark.parametrize("name", ["a.meta", "a.pb", "a", "graph.pbtxt"])
def test_a_meta_graph_is_read_under_any_name_in_both_formats(tmp_path, name):
    is_text = name.endswith("txt")
    data = text_format.MessageToString(META) if is_text else META.SerializeToString()
    saved = read_graph_file(write(tmp_path / name, data))
    assert saved.kind is GraphKind.META_GRAPH
    assert saved.meta_graph == META
    assert (saved.directory, saved.checkpoint) == (str(tmp_path), None)


@pytest.mark.parametrize("name", ["frozen.pb", "graph", "graph.pbtxt", "noted.txt"])
def test_a_graph_is_read_under_any_name_in_both_formats(tmp_path, name):
    is_text = name.endswith("txt")
    graph = META.graph_def
    data = graph.SerializeToString()
    if is_text:
        data = "# the graph\n" + text_format.MessageToString(graph)
    saved = read_graph_file(write(tmp_path / name, data))
    assert saved.kind is GraphKind.GRAPH
    assert saved.meta_graph.graph_def == graph


def test_a_text_with_a_field_that_is_misspelt_is_refused(tmp_path):
    path = write(tmp_path / "graph.pbtxt", 'node { name: "x" oq: "Placeholder" }')
    with pytest.raises(errors.UnsupportedCheckpointError, match="oq"):
        read_graph_file(path)


def test_a_text_that_breaks_off_is_corrupt(tmp_path):
    path = write(tmp_path / "graph.pbtxt", 'node { name: "x"')
    with pytest.raises(errors.CorruptCheckpointError):
        read_graph_file(path)


# Event files.


def events(tmp_path, *records):
    return write(tmp_path / "events.out.tfevents.1.host", b"".join(records))


def version():
    return b.record(message(3, b"brain.Event:2"))


def graph_event(*graph_nodes):
    return b.record(
        message(4, b.graph(*(b.placeholder(n, b.FLOAT) for n in graph_nodes)))
    )


def test_the_graph_that_tensorflow_wrote_into_an_event_file_is_read(tmp_path):
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(META.graph_def, name="")
        writer = tf.summary.FileWriter(str(tmp_path), graph)
        writer.close()
    (name,) = os.listdir(tmp_path)
    saved = read_graph_file(tmp_path / name)
    assert saved.kind is GraphKind.EVENTS
    # The writer puts a MetaGraphDef beside the GraphDef, with what it knows more.
    assert names(saved) == NODES
    assert saved.meta_graph.meta_info_def.tensorflow_version


def test_the_last_graph_of_an_event_file_counts(tmp_path):
    path = events(tmp_path, version(), graph_event("a"), graph_event("b", "c"))
    assert names(read_graph_file(path)) == ["b", "c"]


def test_a_meta_graph_counts_more_than_a_graph_behind_it(tmp_path):
    meta = b.record(message(9, META.SerializeToString()))
    path = events(tmp_path, version(), meta, graph_event("a"))
    assert names(read_graph_file(path)) == NODES


@pytest.mark.parametrize("rest", [graph_event("b")[:-1], b"\1\2\3", bytes(100)])
def test_what_a_killed_job_has_left_is_no_obstacle(tmp_path, rest):
    path = events(tmp_path, version(), graph_event("a"), rest)
    assert names(read_graph_file(path)) == ["a"]


def test_an_event_file_without_graph_is_refused(tmp_path):
    path = events(tmp_path, version(), graph_event("b")[:-1])
    with pytest.raises(errors.CorruptCheckpointError, match="cut off"):
        read_graph_file(path)


def test_every_flipped_byte_of_an_event_file_is_found(tmp_path):
    whole = version() + graph_event("a") + version()
    for position in range(len(whole)):
        data = bytearray(whole)
        data[position] ^= 0x41
        path = events(tmp_path, bytes(data))
        with pytest.raises(errors.CheckpointError):
            read_graph_file(path)


# What is no file of a graph.


def said(function, *arguments):
    with pytest.raises(errors.LegacyRestoreError) as caught:
        function(*arguments)
    return caught.value, str(caught.value)


def test_a_prefix_leads_to_the_graph_beside_it(tmp_path):
    write(tmp_path / "m.ckpt-1.meta", META.SerializeToString())
    error, text = said(read_graph_file, tmp_path / "m.ckpt-1")
    assert isinstance(error, errors.LocationError)
    assert "prefix" in text
    assert error.hint == str(tmp_path / "m.ckpt-1.meta")


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
def test_a_file_with_tensors_is_no_graph(tmp_path, suffix):
    path = write(tmp_path / f"m.ckpt-1{suffix}", b"anything")
    error, text = said(read_graph_file, path)
    assert isinstance(error, errors.LocationError)
    assert "tensors" in text


def test_a_v1_checkpoint_is_no_graph(golden):
    path = golden / "tf0_12_v1"
    files = [
        one for one in sorted(path.iterdir()) if one.suffix not in (".meta", ".md")
    ]
    shown = [said(read_graph_file, one)[1] for one in files if one.is_file()]
    assert any("tensors of a checkpoint" in one for one in shown)


def test_a_saved_model_directory_is_no_file(tmp_path):
    write(tmp_path / "saved_model.pb", b.saved_model(META.SerializeToString()))
    assert "from_saved_model" in said(read_graph_file, tmp_path)[1]
    error, text = said(read_graph_file, tmp_path / "saved_model.pb")
    assert isinstance(error, errors.CorruptCheckpointError)
    assert "from_saved_model" in text


def test_a_directory_lists_the_graphs_in_it(tmp_path):
    write(tmp_path / "m-1.meta", META.SerializeToString())
    assert "m-1.meta" in said(read_graph_file, tmp_path)[1]
    assert "m-1.meta" in said(read_saved_model, tmp_path)[1]


def test_what_is_misspelt_leads_to_what_is_there(tmp_path):
    write(tmp_path / "frozen.pb", b.graph(b.constant("c")))
    error, _ = said(read_graph_file, tmp_path / "forzen.pb")
    assert isinstance(error, errors.LocationError)
    assert "frozen.pb" in error.hint


@pytest.mark.parametrize(
    "data, what",
    [
        (b"version https://git-lfs.github.com/spec/v1\nsize 12\n", "Git LFS"),
        (b"<!DOCTYPE html><title>404</title>", "HTML"),
        (b'model_checkpoint_path: "model.ckpt-1"\n', "state file"),
        (b"", "empty"),
        (bytes(100), "zeros"),
    ],
)
@pytest.mark.parametrize("name", ["a.meta", "a.pb", "a.pbtxt", "saved_model.pb"])
def test_lookalikes_are_called_what_they_are(tmp_path, data, what, name):
    path = write(tmp_path / name, data)
    read = read_saved_model if name.startswith("saved") else read_graph_file
    error, text = said(read, path)
    assert isinstance(error, errors.CorruptCheckpointError)
    assert what in text


def test_every_cut_of_a_meta_graph_is_an_error_or_less_of_a_graph(tmp_path):
    data = META.SerializeToString()
    for size in range(0, len(data), 7):
        path = write(tmp_path / "a.meta", data[:size])
        try:
            found = read_graph_file(path)
        except errors.CheckpointError:
            continue
        # Between two fields nothing shows that there were more.
        assert names(found) == NODES


def test_more_than_protocol_buffers_can_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_MESSAGE", 100)
    path = write(tmp_path / "a.meta", META.SerializeToString())
    error, text = said(read_graph_file, path)
    assert isinstance(error, errors.UnsupportedCheckpointError)
    assert "2 GiB" in text
    model = write(
        tmp_path / "m" / "saved_model.pb", b.saved_model(b.meta_graph(META_B))
    )
    assert "2 GiB" in said(read_saved_model, model)[1]


def test_what_is_not_here_is_refused():
    for read in (read_graph_file, read_saved_model):
        error, _ = said(read, "gs://bucket/model.meta")
        assert isinstance(error, errors.UnsupportedCheckpointError)


# SavedModels.

META_B = b.graph(*(b.placeholder(name, b.FLOAT) for name in "pqrstuvwxyz"))


def model(tmp_path, *tag_sets, schema=1, files=()):
    graphs = [
        b.meta_graph(b.graph(b.placeholder(f"x{number}", b.FLOAT)), tags=tags)
        for number, tags in enumerate(tag_sets)
    ]
    write(tmp_path / "saved_model.pb", b.saved_model(*graphs, schema=schema))
    for name in files:
        write(tmp_path / name, b"")
    return tmp_path


@pytest.mark.parametrize(
    "tag_sets, tags, wanted",
    [
        ([["serve"]], None, "x0"),
        ([["train"], ["serve"]], None, "x1"),
        ([["serve", "gpu"], ["serve"]], None, "x1"),
        ([["train"]], None, "x0"),
        ([[]], None, "x0"),
        ([["serve"], []], (), "x1"),
        ([["serve", "gpu"], ["serve"]], ["gpu", "serve"], "x0"),
        ([["train"], ["serve"]], "train", "x0"),
    ],
)
def test_a_tag_set_names_the_graph(tmp_path, tag_sets, tags, wanted):
    saved = read_saved_model(model(tmp_path, *tag_sets), tags)
    assert (saved.kind, names(saved)) == (GraphKind.SAVED_MODEL, [wanted])


@pytest.mark.parametrize(
    "tag_sets, tags, said_of_it",
    [
        ([["train"], ["eval"]], None, '("train",)'),
        ([["serve"]], (), '("serve",)'),
        ([["serve", "gpu"]], ["gpu"], '("serve", "gpu")'),
        ([["serve"], ["serve"]], None, "2 graphs"),
    ],
)
def test_without_such_a_graph_those_that_there_are_are_listed(
    tmp_path, tag_sets, tags, said_of_it
):
    error, text = said(read_saved_model, model(tmp_path, *tag_sets), tags)
    assert isinstance(error, errors.UsageError)
    assert said_of_it in text
    assert "tags=" in error.hint


def test_of_a_hub_module_the_graph_without_tags_is_meant(tmp_path):
    folder = model(tmp_path, ["train"], [], schema=0, files=["tfhub_module.pb"])
    saved = read_saved_model(folder)
    assert (saved.kind, names(saved)) == (GraphKind.HUB_MODULE, ["x1"])
    assert saved.checkpoint is None


def test_a_saved_model_in_text_format_is_read(tmp_path):
    data = model(tmp_path / "binary", ["train"], ["serve"]) / "saved_model.pb"
    binary = SavedModel.FromString(data.read_bytes())
    text = text_format.MessageToString(binary)
    write(tmp_path / "text" / "saved_model.pbtxt", text)
    assert names(read_saved_model(tmp_path / "text")) == ["x1"]


def test_the_variables_of_a_saved_model_are_beside_it(tmp_path):
    folder = model(tmp_path, ["serve"], files=["variables/variables.index"])
    assert read_saved_model(folder).checkpoint == str(folder / "variables/variables")
    # Also by the file in it, as everywhere.
    assert read_saved_model(folder / "saved_model.pb").directory == str(folder)


def test_directories_around_a_saved_model_lead_to_it(tmp_path):
    folder = model(tmp_path / "m" / "00000123", ["serve"], files=["variables/a"])
    above, _ = said(read_saved_model, tmp_path / "m")
    below, _ = said(read_saved_model, folder / "variables")
    assert above.hint == below.hint == str(folder)


def test_a_schema_of_the_future_is_refused(tmp_path):
    error, _ = said(read_saved_model, model(tmp_path, ["serve"], schema=2))
    assert isinstance(error, errors.UnsupportedCheckpointError)


def test_a_graph_or_frozen_file_is_no_saved_model(tmp_path):
    path = write(tmp_path / "frozen.pb", META_B)
    assert "from_graph_def" in said(read_saved_model, path)[1]


def test_every_damaged_saved_model_is_an_error_or_another_graph(tmp_path):
    path = model(tmp_path, ["serve"]) / "saved_model.pb"
    data = path.read_bytes()
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 0x80
        path.write_bytes(bytes(flipped))
        try:
            read_saved_model(tmp_path)
        except (errors.CheckpointError, errors.UsageError):
            continue


# Session bundles.


def any_of(type_name, value):
    url = f"type.googleapis.com/tensorflow.serving.{type_name}"
    return b.text(1, url) + message(2, value)


def binding(name):
    return b.text(1, name)


def generic(**tensors):
    return message(
        3, b"".join(b.entry(1, key, binding(tensors[key])) for key in tensors)
    )


def bundle(tmp_path, signatures):
    graph = b.graph(b.placeholder("x", b.FLOAT), b.node("y", "Identity", ["x"]))
    collections = [
        ("serving_signatures", b.collection(5, any_of("Signatures", signatures))),
        (
            "serving_assets",
            b.collection(
                5, any_of("AssetFile", message(1, binding("c:0")) + b.text(2, "v.txt"))
            ),
        ),
    ]
    meta = b.meta_graph(graph, collections=collections)
    write(tmp_path / "export.meta", meta)
    return tmp_path


def sides(meta_graph):
    return {
        key: (
            {one: signature.inputs[one].name for one in signature.inputs},
            {one: signature.outputs[one].name for one in signature.outputs},
        )
        for key, signature in meta_graph.signature_def.items()
    }


def test_the_signatures_of_a_session_bundle_are_those_of_a_saved_model(tmp_path):
    regression = message(1, message(1, binding("x:0")) + message(2, binding("y:0")))
    data = (
        message(1, regression)
        + b.entry(2, "inputs", generic(x="x:0"))
        + b.entry(2, "outputs", generic(y="y:0"))
        + b.entry(2, "both", generic(x="x:0", y="y:0"))
    )
    saved = read_saved_model(bundle(tmp_path, data))
    assert saved.kind is GraphKind.SESSION_BUNDLE
    assert saved.checkpoint == str(tmp_path / "export")
    assert sides(saved.meta_graph) == {
        "serving_default": ({"input": "x:0"}, {"output": "y:0"}),
        "serving_default_from_named": ({"x": "x:0"}, {"y": "y:0"}),
        "both": ({"x": "x:0"}, {"y": "y:0"}),
    }
    (asset,) = saved.meta_graph.asset_file_def
    assert (asset.filename, asset.tensor_info.name) == ("v.txt", "c:0")


def test_the_pair_of_named_signatures_is_the_default_without_another(tmp_path):
    data = b.entry(2, "inputs", generic(x="x:0")) + b.entry(
        2, "outputs", generic(y="y:0")
    )
    saved = read_saved_model(bundle(tmp_path, data), ())
    assert sides(saved.meta_graph) == {"serving_default": ({"x": "x:0"}, {"y": "y:0"})}
    # The file alone says the same.
    alone = read_graph_file(tmp_path / "export.meta")
    assert sides(alone.meta_graph) == sides(saved.meta_graph)
    error, _ = said(read_saved_model, tmp_path, ["serve"])
    assert isinstance(error, errors.UsageError)


def test_a_session_bundle_with_something_else_in_it_is_corrupt(tmp_path):
    error, _ = said(read_saved_model, bundle(tmp_path, b"\x0a\xff\xff"))
    assert isinstance(error, errors.CorruptCheckpointError)


# Real ones.


def test_every_real_file_is_read(tmp_path):
    root = sample("serving", os.pardir)
    found = {}
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            place = os.path.relpath(path, root)
            if name == "saved_model.pb":
                saved = read_saved_model(folder)
                variables = os.path.join(folder, "variables", "variables.index")
                assert (saved.checkpoint is not None) == os.path.isfile(variables)
            elif name.endswith(".meta") or name == "frozen.pb":
                saved = read_graph_file(path)
            else:
                continue
            found[place] = (saved.kind, len(saved.meta_graph.graph_def.node))
    kinds = [kind for kind, _ in found.values()]
    assert kinds.count(GraphKind.HUB_MODULE) == 3
    assert kinds.count(GraphKind.SESSION_BUNDLE) == 1
    assert found["regression/graphdef/frozen.pb"][0] is GraphKind.GRAPH
    assert all(count for _, count in found.values())


def test_the_real_session_bundle_is_read(tmp_path):
    folder = sample("serving", "session_bundle_half_plus_two", "00000123")
    copy = shutil.copytree(folder, str(tmp_path / "bundle"))
    saved = read_saved_model(copy)
    assert sides(saved.meta_graph)["serving_default"][0]
    assert saved.checkpoint == os.path.join(copy, "export")


def test_schema_and_graphs_of_an_empty_saved_model(tmp_path):
    write(tmp_path / "saved_model.pb", number(1, 1))
    error, text = said(read_saved_model, tmp_path)
    assert isinstance(error, errors.CorruptCheckpointError)
    assert "without graph" in text
