"""What is at a location: graphs, checkpoints, both, or what is missing."""

import os
import shutil

import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.errors import exit_code_of
from legacy_restore.examining.inspection import inspect_location
from tests.checkpoint import builders as checkpoints
from tests.graphdef import builders as b
from tests.samples import sample


def graph():
    return b.graph(b.placeholder("x", b.FLOAT, -1), b.constant("c", content=b"abcd"))


def ids(found):
    return [one.id for one in found.findings]


def missed(location):
    with pytest.raises(errors.CheckpointError) as caught:
        open_checkpoint(str(location))
    return caught.value


def test_a_checkpoint_alone_has_no_graph(tmp_path):
    prefix = checkpoints.small_checkpoint(str(tmp_path / "model.ckpt-3"))
    found = inspect_location(prefix)
    assert found.graph is None
    assert str(found) == str(found.contents)
    data = found.to_json()
    assert (data["graph"], data["prefix"], data["ok"]) == (None, prefix, True)
    assert data["tensorflow_version"] is None


def test_the_writer_is_told_where_a_meta_file_is_beside(tmp_path):
    prefix = checkpoints.small_checkpoint(str(tmp_path / "model.ckpt-3"))
    b.write(prefix + ".meta", b.meta_graph(graph(), version="1.8.0"))
    for location in (prefix, prefix + ".index", str(tmp_path)):
        found = inspect_location(location)
        assert found.graph is None
        assert found.contents.tensorflow_version == "1.8.0"
        assert str(found).splitlines()[2] == "written by TensorFlow 1.8.0"
    b.write(prefix + ".meta", b"\xff")
    assert inspect_location(prefix).contents.tensorflow_version is None


def test_a_meta_file_shows_its_graph_and_then_its_checkpoint(tmp_path):
    prefix = checkpoints.small_checkpoint(str(tmp_path / "model.ckpt-3"))
    path = b.write(prefix + ".meta", b.everything())
    found = inspect_location(path)
    assert found.ok
    text = str(found)
    assert text.startswith(f"{path}\nMetaGraphDef\n")
    assert text.index("calls into the Python") < text.index(f"\n\n{prefix}\nformat V2")
    assert [one["name"] for one in found.to_json()["graph"]["graphs"][0]["tables"]]


def test_a_meta_file_without_checkpoint_is_still_told(tmp_path):
    path = b.write(tmp_path / "model.ckpt-3.meta", b.everything())
    for location in (path, str(tmp_path / "model.ckpt-3")):
        found = inspect_location(location)
        assert found.contents is None
        assert (ids(found), found.ok) == (["location-not-found"], False)
        assert exit_code_of(found.findings) == 3
        assert "MetaGraphDef" in str(found)
        data = found.to_json()
        assert (data["prefix"], data["format"], data["tensors"]) == (None, None, [])
        assert data["graph"]["graphs"][0]["nodes"] == 12


def test_a_meta_file_of_a_graph_without_variables_needs_no_checkpoint(tmp_path):
    path = b.write(tmp_path / "model.meta", b.meta_graph(graph(), saver=False))
    found = inspect_location(path)
    assert (found.ok, ids(found)) == (True, [])


def test_a_damaged_meta_file_leaves_the_checkpoint_to_be_seen(tmp_path):
    prefix = checkpoints.small_checkpoint(str(tmp_path / "model.ckpt-3"))
    path = b.write(prefix + ".meta", b.everything()[:-7])
    found = inspect_location(path)
    assert found.contents is not None
    assert "corrupt" in ids(found)
    assert exit_code_of(found.findings) == 3
    assert found.to_json()["ok"] is False
    os.remove(prefix + ".index")
    with pytest.raises(errors.CorruptCheckpointError):
        inspect_location(path)


def test_a_saved_model_may_lack_what_it_needs(tmp_path):
    model = b.saved_model(b.meta_graph(graph(), assets=[("vocab.txt", "c:0")]))
    path = b.write(tmp_path / "saved_model.pb", model)
    for location in (str(tmp_path), path):
        found = inspect_location(location)
        assert ids(found) == ["asset-missing", "location-not-found"]
        assert exit_code_of(found.findings) == 3
    assert "NOT there" in str(found)


def test_a_saved_model_without_variables_is_complete(tmp_path):
    path = b.write(
        tmp_path / "saved_model.pb", b.saved_model(b.meta_graph(graph(), saver=False))
    )
    for location in (str(tmp_path), path):
        found = inspect_location(location)
        assert (found.ok, ids(found), found.contents) == (True, [], None)


def test_a_module_says_by_its_collection_that_it_has_variables(tmp_path):
    collection = ("variables", b.collection(2, b.variable_def("w")))
    model = b.meta_graph(graph(), saver=False, collections=[collection])
    b.write(tmp_path / "saved_model.pb", b.saved_model(model, schema=0))
    b.write(tmp_path / "tfhub_module.pb", b"\x08\x03")
    found = inspect_location(str(tmp_path))
    assert found.graph.kind == "TF-Hub module"
    assert ids(found) == ["location-not-found"]


@pytest.mark.parametrize("name", ["frozen.pb", "noname", "step@7"])
def test_a_frozen_graph_is_complete(tmp_path, name):
    found = inspect_location(b.write(tmp_path / name, graph()))
    assert (found.ok, ids(found), found.contents) == (True, [], None)
    assert "GraphDef" in str(found)


def test_a_graph_that_is_not_frozen_says_so(tmp_path):
    path = b.write(tmp_path / "graph.pb", b.graph(b.variable("w", sizes=[2])))
    found = inspect_location(path)
    assert (found.ok, ids(found)) == (True, ["graph-needs-checkpoint"])


def test_text_beside_a_checkpoint_is_a_remark_and_alone_an_error(tmp_path):
    folder = tmp_path / "export"
    b.write(folder / "saved_model.pbtxt", b"saved_model_schema_version: 1\n")
    with pytest.raises(errors.UnsupportedCheckpointError, match="text format"):
        inspect_location(str(folder))
    (folder / "variables").mkdir()
    checkpoints.small_checkpoint(str(folder / "variables" / "variables"))
    found = inspect_location(str(folder))
    assert found.ok
    assert "graph-not-read" in ids(found)
    graph_text = b.write(tmp_path / "graph.pbtxt", b"node {\n}\n")
    with pytest.raises(errors.UnsupportedCheckpointError, match="text format"):
        inspect_location(graph_text)
    assert "text format" in missed(graph_text).message


def test_a_session_bundle_is_told_from_a_training_run(tmp_path):
    b.write(tmp_path / "export.meta", b.everything())
    prefix = checkpoints.small_checkpoint(str(tmp_path / "export"))
    found = inspect_location(str(tmp_path))
    assert found.graph.path == prefix + ".meta"
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "export"\n')
    assert inspect_location(str(tmp_path)).graph is None


@pytest.mark.parametrize("name", ["absent", "absent.meta", "absent/saved_model.pb"])
def test_nothing_there(tmp_path, name):
    with pytest.raises(errors.LocationError):
        inspect_location(str(tmp_path / name))


def test_a_file_that_is_neither_keeps_the_error_of_the_checkpoint(tmp_path):
    path = b.write(tmp_path / "notes.txt", b"\x89 something else")
    with pytest.raises(errors.UnsupportedCheckpointError) as caught:
        inspect_location(path)
    assert caught.value.message == missed(path).message


# What opening a graph as a checkpoint says.


def test_a_lone_meta_file_is_no_checkpoint_and_the_error_says_what_to_do(tmp_path):
    path = b.write(tmp_path / "model.ckpt-3.meta", b.everything())
    error = missed(path)
    assert isinstance(error, errors.LocationError)
    assert "MetaGraphDef" in error.message
    assert "model.ckpt-3.index" in error.message
    assert f"legacy-restore inspect {path}" in error.hint


def test_a_frozen_graph_is_no_checkpoint_and_the_error_says_what_it_is(tmp_path):
    path = b.write(tmp_path / "frozen.pb", graph())
    error = missed(path)
    assert isinstance(error, errors.UnsupportedCheckpointError)
    assert "GraphDef" in error.message
    assert f"legacy-restore inspect {path}" in error.hint


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"\n\xff\xff", b"\n\x02\n", b"\n\x04\n\x01a\x12", b"\n" * 50]
)
def test_other_files_are_not_taken_for_a_graph(tmp_path, data):
    assert "GraphDef" not in missed(b.write(tmp_path / "other.pb", data)).message


def test_the_file_of_a_saved_model_names_its_variables(tmp_path):
    b.write(tmp_path / "saved_model.pb", b.saved_model(b.everything()))
    (tmp_path / "variables").mkdir()
    prefix = checkpoints.small_checkpoint(str(tmp_path / "variables" / "variables"))
    with open_checkpoint(str(tmp_path / "saved_model.pb")) as opened:
        assert opened.prefix == prefix


# Real ones.


def test_real_packagings_of_one_model():
    for parts in (["checkpoint", "model.meta"], ["saved_model"]):
        found = inspect_location(sample("regression", *parts))
        assert found.ok
        assert len(found.contents.rows) == len(found.graph.graphs[0].variables) == 2
    found = inspect_location(sample("regression", "graphdef", "frozen.pb"))
    assert found.ok
    assert found.graph.graphs[0].variables == ()


def test_real_models_are_complete():
    for parts in (
        ["taxi_estimator", "saved_model"],
        ["dm21", "DM21"],
        ["hub", "hub_module_v1_mini"],
        ["hub", "saved_model_v2_mini"],
        ["serving", "matrix_half_plus_two", "1"],
        ["serving", "saved_model_half_plus_two_tf2_cpu", "00000123"],
        ["mtcnn", "PNet_landmark", "PNet-18.meta"],
        ["cudnn_lstm", "best.meta"],
    ):
        found = inspect_location(sample(*parts))
        assert found.ok, parts
        assert (found.contents is not None) == found.graph.needs_checkpoint, parts


def test_a_real_graph_without_its_checkpoint(tmp_path):
    path = str(tmp_path / "PNet-18.meta")
    shutil.copy(sample("mtcnn", "PNet_landmark", "PNet-18.meta"), path)
    found = inspect_location(path)
    assert ids(found) == ["location-not-found"]
    assert found.graph.graphs[0].tensorflow_version == "1.8.0"
    assert len(found.graph.graphs[0].variables) == 31
