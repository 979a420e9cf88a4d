"""Tests of the files that a saved graph reads."""

import os
import shutil

import numpy as np
import pytest

from legacy_restore.importing.assets import (
    allowed_readers,
    asset_nodes,
    find_assets,
    place_assets,
)
from legacy_restore.importing.file_readers import find_file_readers
from legacy_restore.tf import tf
from tests.importing.messages import defs, exported, new_graph, node_named, read, saved
from tests.samples import sample
from tests.saved_graphs import saved_case

_LISTED = "listed/hash_table/asset_path"


def file_table(path):
    """A table of the lines of a file."""
    initializer = tf.lookup.TextFileInitializer(
        path,
        tf.string,
        tf.lookup.TextFileIndex.WHOLE_LINE,
        tf.int64,
        tf.lookup.TextFileIndex.LINE_NUMBER,
    )
    return tf.lookup.StaticHashTable(initializer, -1)


def of_paths(*paths, declared=True):
    """The message of a graph with a table of each file."""
    with new_graph() as graph:
        for path in paths:
            file_table(path)
        meta_graph = exported(graph)
    if not declared:
        del meta_graph.collection_def["asset_filepaths"]
    return meta_graph


def text_of(meta_graph, name):
    (data,) = node_named(meta_graph, name).attr["value"].tensor.string_val
    return data.decode("utf-8")


def paths_in(meta_graph):
    """The paths that stand in the constants of assets."""
    return [one.path for one in find_assets(saved(meta_graph))]


def place(meta_graph, given, directory, **trust):
    """Places all assets; returns the paths that are in the graph then, and findings."""
    assets = find_assets(saved(meta_graph))
    after, findings = place_assets(
        meta_graph, assets, given, str(directory), "m", **trust
    )
    assert after is meta_graph
    assert all(one.model == "m" for one in findings)
    return paths_in(meta_graph), findings


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"one\ntwo\n")
    return str(path)


# Finding them.


def test_a_saved_model_lists_its_assets():
    (asset,) = find_assets(saved(read(saved_case("vocabulary").graph_file)))
    assert (asset.name, asset.path) == ("vocab.txt", "vocab.txt")
    assert asset.node == "table/hash_table/asset_path"
    assert asset.is_declared and asset.is_required


def test_tensorflow_2_has_a_placeholder_for_it():
    (asset,) = find_assets(saved(read(saved_case("objects").graph_file)))
    assert (asset.name, asset.path, asset.node) == (
        "vocab.txt",
        "",
        "asset_path_initializer",
    )
    assert asset_nodes([asset]) == {"asset_path_initializer"}


def test_a_session_bundle_lists_them_in_a_message_of_its_own():
    path = sample("serving", "session_bundle_half_plus_two", "00000123", "export.meta")
    assets = find_assets(saved(read(path)))
    assert [one.name for one in assets] == ["hello1.txt", "hello2.txt"]
    assert all(one.is_declared for one in assets)


def test_those_of_a_public_estimator_are_found():
    path = sample("taxi_estimator", "saved_model", "saved_model.pb")
    assets = find_assets(saved(read(path)))
    assert len(assets) == 2
    assert all(one.name.startswith("vocab_compute") for one in assets)
    assert all(os.path.isabs(one.path) for one in assets)


def test_a_constant_that_fills_a_table_is_one_in_no_list():
    (asset,) = find_assets(saved(of_paths("/old/vocab.txt", declared=False)))
    assert (asset.name, asset.path) == ("vocab.txt", "/old/vocab.txt")
    assert asset.is_required and not asset.is_declared


def test_files_of_datasets_may_be_given_but_are_not_demanded(tmp_path):
    with new_graph() as graph:
        tf.raw_ops.TextLineDataset(
            filenames=["/old/a.txt", "/old/b.txt"], compression_type="", buffer_size=0
        )
        meta_graph = exported(graph)
    write(tmp_path / "a.txt")
    paths, findings = place(meta_graph, {}, tmp_path)
    assert (paths, findings) == (["/old/a.txt", "/old/b.txt"], ())
    mine = write(tmp_path / "mine" / "b.txt")
    paths, findings = place(meta_graph, {"b.txt": mine}, tmp_path)
    assert (paths, findings) == (["/old/a.txt", mine], ())


def test_a_list_that_cannot_be_read_hides_no_constant():
    meta_graph = of_paths("/old/vocab.txt")
    listed = meta_graph.collection_def["saved_model_assets"].any_list.value
    listed.add().value = b"\xff\xff"
    assert paths_in(meta_graph) == ["/old/vocab.txt"]


# Placing them.


@pytest.mark.parametrize("folder", ["assets", "assets.extra", "."])
def test_a_file_beside_the_graph_is_taken(tmp_path, folder):
    path = write(tmp_path / folder / "vocab.txt")
    paths, findings = place(of_paths("/old/vocab.txt"), {}, tmp_path)
    assert [os.path.normpath(one) for one in paths] == [path]
    assert findings == ()


def test_the_path_is_absolute(tmp_path, monkeypatch):
    write(tmp_path / "vocab.txt")
    monkeypatch.chdir(str(tmp_path))
    (path,), _ = place(of_paths("vocab.txt"), {}, "")
    assert path == str(tmp_path / "vocab.txt")
    (path,), _ = place(of_paths("x"), {"x": "vocab.txt"}, "elsewhere")
    assert path == str(tmp_path / "vocab.txt")


def test_a_relative_path_is_looked_up_as_it_is(tmp_path):
    write(tmp_path / "vocab.txt")
    path = write(tmp_path / "words" / "vocab.txt")
    assert place(of_paths("words/vocab.txt"), {}, tmp_path)[0] == [path]


@pytest.mark.parametrize("key", ["vocab.txt", "/old/vocab.txt"])
def test_what_is_given_goes_before_what_is_there(tmp_path, key):
    write(tmp_path / "vocab.txt")
    mine = write(tmp_path / "mine" / "other.txt")
    assert place(of_paths("/old/vocab.txt"), {key: mine}, tmp_path) == ([mine], ())


def test_a_file_elsewhere_is_read_if_the_caller_names_it_or_trusts(tmp_path):
    old = write(tmp_path / "old" / "vocab.txt")
    paths, (finding,) = place(of_paths(old), {}, tmp_path / "new")
    assert (paths, finding.id) == ([old], "asset-missing")
    assert finding.message.endswith(f"the graph names {old}, which is there")
    assert finding.hint.startswith(f"assets={{'vocab.txt': {old!r}}}")
    assert place(of_paths(old), {"vocab.txt": old}, tmp_path / "new") == ([old], ())
    assert place(of_paths(old), {}, tmp_path / "new", trust=True) == ([old], ())


def test_a_file_that_is_nowhere_is_missed(tmp_path):
    paths, (finding,) = place(of_paths("/old/vocab.txt"), {}, tmp_path)
    assert paths == ["/old/vocab.txt"]
    assert (finding.id, finding.subject) == ("asset-missing", "vocab.txt")
    assert finding.is_input_fault
    assert str(tmp_path / "assets") in finding.message
    assert 'assets={"vocab.txt"' in finding.hint


def test_a_given_file_that_is_not_there_is_missed(tmp_path):
    write(tmp_path / "vocab.txt")
    _, (finding,) = place(of_paths("/old/vocab.txt"), {"vocab.txt": "/no"}, tmp_path)
    assert (finding.id, finding.message) == ("asset-missing", "there is no file /no")


def test_each_missing_file_is_said_once(tmp_path):
    meta_graph = of_paths("/old/a.txt", "/old/b.txt", "/old/a.txt")
    _, findings = place(meta_graph, {}, tmp_path)
    assert [one.subject for one in findings] == ["a.txt", "b.txt"]


@pytest.mark.parametrize(
    "name", ["../secret.txt", "/etc/hostname", "a/../../secret.txt"]
)
def test_a_name_in_the_file_does_not_lead_out(tmp_path, name):
    secret = write(tmp_path / "secret.txt")
    # The end of the path in the constant would be found.
    write(tmp_path / "model" / "assets" / "vocab.txt")
    meta_graph = of_paths("vocab.txt")
    asset = meta_graph.asset_file_def.add()
    (placed,) = find_assets(saved(meta_graph))
    asset.tensor_info.name, asset.filename = placed.node + ":0", name
    paths, (finding,) = place(meta_graph, {}, tmp_path / "model")
    assert paths == ["vocab.txt"]
    assert finding.id == "asset-missing"
    assert "leads out" in finding.message
    # Whoever calls may name any file.
    assert place(meta_graph, {name: secret}, tmp_path / "model") == ([secret], ())


def test_a_path_that_climbs_is_looked_up_by_its_end(tmp_path):
    write(tmp_path / "vocab.txt")
    mine = write(tmp_path / "model" / "vocab.txt")
    assert place(of_paths("../vocab.txt"), {}, tmp_path / "model") == ([mine], ())


def test_a_name_that_nothing_has_is_an_error(tmp_path):
    write(tmp_path / "vocab.txt")
    mine = write(tmp_path / "mine.txt")
    _, (finding,) = place(of_paths("/old/vocab.txt"), {"vocab": mine}, tmp_path)
    assert (finding.id, finding.subject) == ("unused-asset", "vocab")
    assert "vocab.txt" in finding.message


def test_a_name_of_two_files_is_an_error(tmp_path):
    meta_graph = of_paths("/a/vocab.txt", "/b/vocab.txt")
    first, second = write(tmp_path / "1.txt"), write(tmp_path / "2.txt")
    _, findings = place(meta_graph, {"vocab.txt": first}, tmp_path)
    assert [one.id for one in findings] == ["unused-asset", "asset-missing"]
    assert "/a/vocab.txt, /b/vocab.txt" in findings[0].message
    given = {"/a/vocab.txt": first, "/b/vocab.txt": second}
    assert place(meta_graph, given, tmp_path) == ([first, second], ())


def test_the_name_in_the_list_goes_before_the_end_of_a_path(tmp_path):
    # So saves TensorFlow two files of one name.
    meta_graph = of_paths("/a/vocab.txt", "/b/vocab.txt")
    for one, name in zip(find_assets(saved(meta_graph)), ("vocab.txt", "vocab.txt_1")):
        asset = meta_graph.asset_file_def.add()
        asset.tensor_info.name, asset.filename = one.node + ":0", name
    first = write(tmp_path / "assets" / "vocab.txt")
    second = write(tmp_path / "assets" / "vocab.txt_1")
    assert place(meta_graph, {}, tmp_path) == ([first, second], ())
    mine = write(tmp_path / "mine.txt")
    assert place(meta_graph, {"vocab.txt": mine}, tmp_path) == ([mine, second], ())


def test_what_nothing_needs_is_not_demanded(tmp_path):
    meta_graph = of_paths("/old/vocab.txt")
    assets = find_assets(saved(meta_graph))
    del meta_graph.graph_def.node[:]
    assert place_assets(meta_graph, assets, {}, str(tmp_path))[1] == ()


# Trust.


def allowed(meta_graph, given=()):
    assets = find_assets(saved(meta_graph))
    readers = find_file_readers(meta_graph, defs(meta_graph))
    return allowed_readers(readers, assets, dict(given))


def test_tables_of_declared_files_need_no_trust():
    ((function, node),) = allowed(of_paths("/etc/hostname"))
    assert function == "" and "InitializeTableFromTextFile" in node


def test_tables_of_other_files_do():
    meta_graph = of_paths("/etc/hostname", declared=False)
    assert allowed(meta_graph) == frozenset()
    assert len(allowed(meta_graph, {"hostname": "/mine"})) == 1


def test_readers_in_functions_are_followed_to_the_graph():
    meta_graph = read(saved_case("objects").graph_file)
    found = allowed(meta_graph)
    assert {node for _, node in found} == {
        "text_file_init/InitializeTableFromTextFileV2"
    }
    assert all(function.startswith("__inference_") for function, _ in found)
    del meta_graph.asset_file_def[:]
    assert allowed(meta_graph) == frozenset()


# With TensorFlow.


def looked_up(meta_graph, interface, words, run):
    """What a graph computes in a session after some operations ran."""
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        tf.import_graph_def(meta_graph.graph_def, name="m")
        session.run([f"m/{one}" for one in run])
        return session.run(f"m/{interface[1]}", {f"m/{interface[0]}": words})


@pytest.mark.parametrize("name", ["vocabulary", "other_vocabulary_resource"])
def test_a_moved_saved_model_finds_its_vocabulary(tmp_path, name):
    case = saved_case(name)
    directory = tmp_path / "moved"
    shutil.copytree(case.saved_model, str(directory))
    meta_graph = read(directory / "saved_model.pb")
    (path,), findings = place(meta_graph, {}, directory)
    assert path == str(directory / "assets" / "vocab.txt")
    assert findings == ()
    numbers = looked_up(
        meta_graph, ("words:0", "numbers:0"), case.inputs["words"], ["fill"]
    )
    np.testing.assert_array_equal(numbers, case.outputs["numbers"])


def test_a_placeholder_becomes_the_path(tmp_path):
    case = saved_case("objects")
    meta_graph = read(case.graph_file)
    paths, findings = place(meta_graph, {}, case.saved_model)
    assert findings == ()
    assert text_of(meta_graph, "asset_path_initializer") == os.path.join(
        case.saved_model, "assets", "vocab.txt"
    )
    assert paths == [text_of(meta_graph, "asset_path_initializer")]
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        tf.import_graph_def(meta_graph.graph_def, name="")
        session.run("StatefulPartitionedCall")
        (table,) = [one for one in graph.get_operations() if one.type == "HashTableV2"]
        size = tf.raw_ops.LookupTableSizeV2(table_handle=table.outputs[0])
        assert session.run(size) == 3


def test_a_meta_graph_finds_the_file_beside_it():
    case = saved_case("tables")
    meta_graph = read(case.graph_file)
    paths, findings = place(meta_graph, {}, case.folder)
    assert (paths, findings) == ([str(case.folder / "vocab.txt")], ())
    assert text_of(meta_graph, _LISTED) == paths[0]
