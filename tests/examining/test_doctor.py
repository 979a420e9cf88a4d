"""What ``diagnose`` finds in directories of every kind."""

import json
import os
import shutil

import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.examining import doctor, doctor_files
from legacy_restore.examining.diagnosis import StateStatus
from legacy_restore.examining.doctor import diagnose
from tests.checkpoint import golden
from tests.checkpoint.builders import rewrite_index, small_checkpoint
from tests.checkpoint.object_builders import (
    adam_graph,
    adam_tensors,
    write_object_based,
)
from tests.examining.doctor_trees import (
    HTML,
    LFS,
    cut_data,
    ids_of,
    run_of,
    small_v1_at,
    v1_shards,
    with_keys,
)
from tests.graphdef import builders


def diagnosed(path, **more):
    """A diagnosis, of which text and JSON can be made."""
    found = diagnose(path, **more)
    assert str(found)
    json.dumps(found.to_json())
    return found


def only(found):
    """The only checkpoint of a diagnosis."""
    (row,) = found.checkpoints
    return row


# What is there.


def test_a_run_is_one_group_with_its_steps(tmp_path):
    run_of(tmp_path / "run", range(0, 5000, 100))
    found = diagnosed(tmp_path)
    assert found.ok
    assert found.exit_code == 0
    (group,) = found.groups
    assert [row.step for row in group.rows] == list(range(0, 5000, 100))
    lines = str(found).splitlines()
    assert sum("model.ckpt: " in line for line in lines) == 1
    assert any("50 checkpoints, steps 0 to 4900" in line for line in lines)
    assert len(lines) < 20


def test_a_fault_in_a_run_is_told_with_its_step(tmp_path):
    prefixes = run_of(tmp_path / "run", [100, 200, 300])
    os.remove(prefixes[1] + ".data-00000-of-00001")
    found = diagnosed(tmp_path)
    assert found.exit_code == 3
    assert [row.is_complete for row in found.checkpoints] == [True, False, True]
    assert "step 200: data file missing" in str(found)
    assert found.groups[0].newest.step == 300


def test_every_golden_folder_is_sound():
    for name in sorted(os.listdir(str(golden.FOLDER))):
        path = golden.FOLDER / name
        if path.is_dir() and not name.startswith("_"):
            found = diagnosed(path, read="all")
            # One dtype has no checksum that anybody knows.
            assert found.ok or set(ids_of(errors_in(found))) == {"tensor-undecided"}
            # What Keras saved as a file is told, and is no checkpoint.
            assert found.checkpoints or name == "keras_files"


def errors_in(found):
    return [one for one in found.findings if one.is_error]


@pytest.mark.parametrize("read", ["index", "all"])
def test_formats(tmp_path, read):
    small_checkpoint(tmp_path / "two")
    small_v1_at(tmp_path / "one.ckpt-7")
    v1_shards(tmp_path, "parts-9", 3)
    write_object_based(tmp_path / "objects-1", adam_graph(), adam_tensors())
    found = diagnosed(tmp_path, read=read)
    told = {row.stem: (row.format, row.step) for row in found.checkpoints}
    assert told == {
        "two": ("V2", None),
        "one.ckpt": ("V1", 7),
        "parts": ("V1", 9),
        "objects": ("V2", 1),
    }
    assert [r.layout.is_object_based for r in found.checkpoints if r.stem == "objects"]
    assert found.ok


def test_a_saved_model_is_one_with_its_variables(tmp_path):
    graph = builders.saved_model(builders.everything())
    builders.write(tmp_path / "export" / "1" / "saved_model.pb", graph)
    builders.write(tmp_path / "export" / "1" / "assets" / "vocab.txt", b"a")
    (tmp_path / "export" / "1" / "variables").mkdir()
    small_checkpoint(tmp_path / "export" / "1" / "variables" / "variables")
    found = diagnosed(tmp_path)
    row = only(found)
    assert row.packaging == "SavedModel"
    assert row.location == str(tmp_path / "export" / "1")
    assert row.writer == "1.15.5"
    assert found.graphs == ()
    assert found.ok
    # Also where the directory of the variables itself is named.
    inside = tmp_path / "export" / "1" / "variables"
    assert only(diagnosed(inside)).packaging == "SavedModel"
    assert only(diagnosed(inside / "variables")).packaging == "SavedModel"
    assert only(diagnosed(tmp_path / "export" / "1" / "saved_model.pb")).writer
    builders.write(tmp_path / "export" / "1" / "tfhub_module.pb", b"\x08\x03")
    assert only(diagnosed(tmp_path)).packaging == "TF-Hub module"


def test_a_missing_asset_is_an_error_and_the_checkpoint_complete(tmp_path):
    graph = builders.saved_model(builders.everything())
    builders.write(tmp_path / "saved_model.pb", graph)
    (tmp_path / "variables").mkdir()
    small_checkpoint(tmp_path / "variables" / "variables")
    found = diagnosed(tmp_path)
    assert only(found).is_complete
    assert ids_of(found.findings) == ["asset-missing"]
    assert found.exit_code == 3


def test_graphs_without_checkpoint(tmp_path):
    saved = builders.saved_model(
        builders.meta_graph(builders.graph(builders.constant("c")), saver=False)
    )
    builders.write(tmp_path / "saved" / "saved_model.pb", saved)
    lost = builders.saved_model(builders.everything())
    builders.write(tmp_path / "lost" / "saved_model.pb", lost)
    builders.write(tmp_path / "lost" / "assets" / "vocab.txt", b"a")
    builders.write(tmp_path / "frozen.pb", builders.graph(builders.constant("c")))
    builders.write(tmp_path / "graph.pbtxt", b'node {\n  name: "x"\n}\n')
    builders.write(tmp_path / "labels.pbtxt", b'item {\n  name: "x"\n}\n')
    builders.write(tmp_path / "model.ckpt-5.meta", builders.everything())
    found = diagnosed(tmp_path)
    told = {os.path.relpath(g.path, str(tmp_path)): g.kind for g in found.graphs}
    assert told == {
        os.path.join("saved", "saved_model.pb"): "SavedModel",
        os.path.join("lost", "saved_model.pb"): "SavedModel",
        "frozen.pb": "GraphDef",
        "graph.pbtxt": "text",
        "model.ckpt-5.meta": "MetaGraphDef",
    }
    assert ids_of(found.findings) == [
        "graph-not-read",
        "graph-without-checkpoint",
        "graph-without-checkpoint",
    ]
    assert found.exit_code == 0


def test_a_meta_of_another_step_names_the_steps_that_are_there(tmp_path):
    run_of(tmp_path, [100, 300])
    graph = builders.meta_graph(builders.graph(builders.variable("w")))
    for step in (100, 200):
        builders.write(tmp_path / f"model.ckpt-{step}.meta", graph)
    found = diagnosed(tmp_path)
    assert [row.writer for row in found.checkpoints] == ["1.15.5", None]
    (lone,) = found.graphs
    assert lone.path.endswith("model.ckpt-200.meta")
    assert "steps 300, 100" in lone.findings[0].message


# Single files.


def test_a_prefix_or_a_file_of_it_is_looked_at_alone(tmp_path):
    prefixes = run_of(tmp_path, [100, 200])
    v1_shards(tmp_path, "parts", 2)
    for path in (
        prefixes[0],
        prefixes[0] + ".index",
        prefixes[0] + ".data-00000-of-00001",
        f"{tmp_path}@100",
    ):
        assert only(diagnosed(path)).prefix == prefixes[0]
    for name in ("parts", "parts-00001-of-00002", "parts-?????-of-00002"):
        assert only(diagnosed(tmp_path / name)).format == "V1"


def test_a_damaged_file_is_diagnosed_though_no_location_leads_to_it(tmp_path):
    prefix = small_checkpoint(tmp_path / "model.ckpt-1")
    os.remove(prefix + ".index")
    found = diagnosed(prefix)
    assert ids_of(found.findings) == ["index-missing", "location-not-found"]
    builders.write(tmp_path / "lfs.ckpt", LFS)
    found = diagnosed(tmp_path / "lfs.ckpt")
    assert ids_of(found.findings) == ["location-not-found", "not-a-checkpoint"]


def test_a_state_file_stands_for_its_directory_alone(tmp_path):
    run_of(tmp_path, [1])
    run_of(tmp_path / "below", [2])
    builders.write(tmp_path / "checkpoint", b'model_checkpoint_path: "model.ckpt-1"')
    found = diagnosed(tmp_path / "checkpoint")
    assert only(found).step == 1
    assert found.findings == ()


def test_where_nothing_is_is_an_error(tmp_path):
    with pytest.raises(errors.LocationError) as caught:
        diagnose(tmp_path / "nowhere")
    assert caught.value.exit_code == 3
    with pytest.raises(errors.LocationError):
        diagnose("no\0path")
    with pytest.raises(errors.UsageError, match="index, all"):
        diagnose(tmp_path, read="some")


def test_an_empty_directory_and_one_of_other_things_end_with_3(tmp_path):
    assert diagnosed(tmp_path).exit_code == 3
    builders.write(tmp_path / "train.py", b"import tensorflow as tf\n")
    builders.write(tmp_path / "data-00000-of-00002", b"1234" * 100)
    found = diagnosed(tmp_path)
    assert found.exit_code == 3
    assert ids_of(found.findings) == ["location-not-found"]
    assert "no checkpoint and no saved graph" in str(found)


# The state file.


def state_of(folder, text):
    builders.write(folder / "checkpoint", text)
    found = diagnosed(folder)
    (state,) = found.state_files
    return state


@pytest.mark.parametrize(
    ("named", "status", "is_foreign", "ids"),
    [
        ("model.ckpt-200", StateStatus.COMPLETE, False, []),
        ("model.ckpt-999", StateStatus.MISSING, False, ["state-file-stale"]),
        ("/gone/away/model.ckpt-200", StateStatus.MOVED, True, ["state-file-moved"]),
        ("C:\\\\runs\\\\model.ckpt-200", StateStatus.MOVED, True, ["state-file-moved"]),
        ("/gone/away/other-1", StateStatus.MISSING, True, ["state-file-stale"]),
        ("model.ckpt-300", StateStatus.INCOMPLETE, False, ["state-file-stale"]),
    ],
)
def test_what_a_state_file_names(tmp_path, named, status, is_foreign, ids):
    prefixes = run_of(tmp_path, [100, 200, 300])
    cut_data(prefixes[2])
    state = state_of(tmp_path, f'model_checkpoint_path: "{named}"'.encode())
    assert (state.status, state.is_foreign) == (status, is_foreign)
    assert ids_of(state.findings) == ids
    assert state.taken == prefixes[1]


def test_a_state_file_that_names_one_elsewhere(tmp_path):
    run_of(tmp_path / "here", [1])
    (prefix,) = run_of(tmp_path / "there", [9])
    state = state_of(tmp_path / "here", f'model_checkpoint_path: "{prefix}"'.encode())
    assert state.status is StateStatus.ELSEWHERE
    assert state.taken == prefix


@pytest.mark.parametrize("text", [b"", b"\xff\xfe\0", b"no: field {", LFS])
def test_a_state_file_that_is_none(tmp_path, text):
    run_of(tmp_path, [1])
    state = state_of(tmp_path, text)
    assert state.status is StateStatus.UNREADABLE
    assert ids_of(state.findings) == ["state-file-stale"]


def test_a_state_file_alone_holds_no_checkpoint(tmp_path):
    state_of(tmp_path, b'model_checkpoint_path: "model.ckpt-1"')
    assert diagnosed(tmp_path).exit_code == 3


# What is wrong.


@pytest.mark.parametrize(
    ("suffix", "contents", "ids"),
    [
        (".index", LFS, ["not-a-checkpoint"]),
        (".index", HTML, ["not-a-checkpoint"]),
        (".index", b"", ["not-a-checkpoint"]),
        (".index", bytes(500), ["not-a-checkpoint"]),
        (".index", b"\x1f\x8b\x08" + bytes(range(90)), ["not-a-checkpoint"]),
        (".index", b"anything" * 20, ["corrupt"]),
        (".data-00000-of-00001", LFS[:20], ["shard-truncated"]),
        (".data-00000-of-00001", b"", ["shard-truncated"]),
    ],
)
def test_what_lies_in_the_place_of_a_file(tmp_path, suffix, contents, ids):
    prefix = small_checkpoint(tmp_path / "model.ckpt-1")
    builders.write(prefix + suffix, contents)
    found = diagnosed(tmp_path)
    assert ids_of(only(found).faults) == ids
    assert not only(found).is_complete
    assert found.exit_code == 3


def test_names_of_checkpoints_that_are_none(tmp_path):
    builders.write(tmp_path / "model.ckpt-1", LFS)
    builders.write(tmp_path / "model.ckpt-2", HTML)
    builders.write(tmp_path / "model.ckpt-3", b"")
    builders.write(tmp_path / "model.ckpt-4", b"cut off V1 file" * 9)
    builders.write(tmp_path / "notes-2017", b"nothing of ours")
    builders.write(tmp_path / "ckpt_tools.py", b"import os")
    builders.write(tmp_path / "frozen_model.pb", LFS)
    found = diagnosed(tmp_path)
    told = [os.path.basename(one.subject) for one in errors_in(found)]
    names = [f"model.ckpt-{step}" for step in (1, 2, 3, 4)]
    assert told == ["frozen_model.pb", *names]
    assert "git" in str(found)


def test_data_without_index_and_index_without_data(tmp_path):
    first, second = run_of(tmp_path, [1, 2])
    os.remove(first + ".index")
    os.remove(second + ".data-00000-of-00001")
    found = diagnosed(tmp_path)
    assert ids_of(errors_in(found)) == ["index-missing", "shard-missing"]


def test_a_missing_shard_of_several(tmp_path):
    shutil.copytree(str(golden.FOLDER / "tf1_15_sharded"), str(tmp_path / "v2"))
    os.remove(str(tmp_path / "v2" / "model.ckpt.data-00001-of-00003"))
    shutil.copytree(str(golden.FOLDER / "tf1_15_v1_sharded"), str(tmp_path / "v1"))
    os.remove(str(tmp_path / "v1" / "model.ckpt-100-00001-of-00003"))
    found = diagnosed(tmp_path)
    assert ids_of(errors_in(found)) == ["shard-missing", "shard-missing"]
    assert found.exit_code == 3


def test_damage_that_only_verify_sees(tmp_path):
    prefix = small_checkpoint(tmp_path / "model.ckpt-1")
    path = prefix + ".data-00000-of-00001"
    with open(path, "rb") as file:
        data = bytearray(file.read())
    data[0] ^= 1
    builders.write(path, bytes(data))
    assert diagnosed(tmp_path).exit_code == 0
    found = diagnosed(tmp_path, read="all")
    assert found.exit_code == 3
    assert ids_of(found.findings) == ["tensor-corrupt"]
    assert "--verify" not in str(found)


def test_leftovers_are_told_and_not_taken_for_checkpoints(tmp_path):
    (prefix,) = run_of(tmp_path, [1])
    temporary = tmp_path / ("model.ckpt-2_temp_" + "0f" * 16)
    temporary.mkdir()
    small_checkpoint(temporary / "part-00000-of-00001")
    plain = tmp_path / "variables_temp"
    plain.mkdir()
    small_checkpoint(plain / "part-00000-of-00001")
    own = tmp_path / ".legacy_restore-abc"
    (own / "replaced").mkdir(parents=True)
    small_checkpoint(own / "replaced" / "model.ckpt-1")
    shutil.copy(prefix + ".index", prefix + ".index.tempstate123")
    builders.write(tmp_path / "._model.ckpt-1.index", b"\0\5\x16\7" + bytes(40))
    ordinary = tmp_path / "room_temp"
    ordinary.mkdir()
    small_checkpoint(ordinary / "model.ckpt-5")
    found = diagnosed(tmp_path)
    assert [row.step for row in found.checkpoints] == [1, 5]
    assert ids_of(found.findings) == ["leftover", "leftover"]
    told = " ".join(one.message for one in found.findings)
    for name in (".legacy_restore-abc", "tempstate123", "variables_temp", "._model"):
        assert name in told
    assert "replaced" in told
    assert found.exit_code == 0


def test_shards_of_two_checkpoints_under_one_name(tmp_path):
    prefix = small_checkpoint(tmp_path / "model.ckpt-1")
    shutil.copy(prefix + ".data-00000-of-00001", prefix + ".data-00001-of-00002")
    v1_shards(tmp_path, "old-2", 2)
    v1_shards(tmp_path, "old-2", 3)
    found = diagnosed(tmp_path)
    assert ids_of(found.findings) == [
        "several-names",
        "stray-data-file",
        "stray-data-file",
    ]


def test_v1_and_v2_of_one_name_and_two_stems(tmp_path):
    small_checkpoint(tmp_path / "model.ckpt")
    small_v1_at(tmp_path / "model.ckpt")
    small_checkpoint(tmp_path / "other-1")
    found = diagnosed(tmp_path)
    assert set(ids_of(found.findings)) == {"format-preferred", "several-names"}


@pytest.mark.parametrize("name", ["run[1]", "a\\b"])
def test_names_that_tensorflow_takes_for_patterns(tmp_path, name):
    run_of(tmp_path / name, [1])
    assert ids_of(diagnosed(tmp_path).findings) == ["name-is-pattern"]


@pytest.mark.parametrize(
    "name", ["run[1]", "a\\b", "a*b", "a?b", "a{b}", "x]", "plain"]
)
def test_tensorflow_takes_just_these_for_patterns(tmp_path, name):
    tf = pytest.importorskip("tensorflow").compat.v1
    (prefix,) = run_of(tmp_path / name, [1])
    is_remarked = bool(diagnosed(tmp_path).findings)
    try:
        tf.train.load_checkpoint(prefix)
        is_read = True
    except (tf.errors.OpError, ValueError):
        is_read = False
    assert is_remarked != is_read


def test_archives_and_files_of_other_libraries(tmp_path):
    shutil.make_archive(str(tmp_path / "model"), "zip", str(golden.FOLDER / "tf1_0_v1"))
    builders.write(tmp_path / "weights.h5", b"\x89HDF\r\n\x1a\n")
    builders.write(tmp_path / "model.keras", b"something else")
    builders.write(tmp_path / "model.tar.gz", LFS)
    found = diagnosed(tmp_path)
    assert ids_of(found.findings) == [
        "archive-not-unpacked",
        "keras-file",
        "not-a-checkpoint",
        "other-library",
    ]
    assert "unpack it: unzip" in str(found)


def test_a_newer_version_is_not_called_damaged(tmp_path):
    from tests.checkpoint.builders import header

    prefix = small_checkpoint(tmp_path / "model.ckpt-1")
    rewrite_index(prefix, lambda pairs: pairs.update({b"": header(min_consumer=99)}))
    found = diagnosed(tmp_path)
    assert only(found).is_unread
    assert "cannot be read here" in str(found)
    assert found.exit_code == 3


# Bounds.


def test_links_to_directories_are_not_followed_and_that_is_said(tmp_path):
    run_of(tmp_path / "run", [1])
    os.symlink(str(tmp_path), str(tmp_path / "run" / "loop"))
    os.symlink(str(tmp_path / "self"), str(tmp_path / "self"))
    os.symlink("/", str(tmp_path / "root"))
    found = diagnosed(tmp_path)
    assert len(found.checkpoints) == 1
    assert ids_of(found.findings) == ["not-looked-at"]
    assert "root" in found.findings[0].message
    # Named itself, a link is followed.
    assert len(diagnosed(tmp_path / "run" / "loop").checkpoints) == 1


def test_links_to_files_are(tmp_path):
    (prefix,) = run_of(tmp_path / "blobs", [1])
    (tmp_path / "run").mkdir()
    for suffix in (".index", ".data-00000-of-00001"):
        os.symlink(prefix + suffix, str(tmp_path / "run" / "model.ckpt-1") + suffix)
    assert only(diagnosed(tmp_path / "run")).is_complete
    os.remove(prefix + ".index")
    found = diagnosed(tmp_path / "run")
    assert not only(found).is_complete
    assert ids_of(found.findings) == ["location-not-found"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("MAX_DIRECTORIES", 2), ("MAX_FILES", 3)],
)
def test_what_is_too_much_is_left_out_and_that_is_said(
    tmp_path, monkeypatch, name, value
):
    for number in range(5):
        run_of(tmp_path / f"run{number}", [1])
    monkeypatch.setattr(doctor_files, name, value)
    found = diagnosed(tmp_path)
    assert len(found.checkpoints) < 5
    assert "not-looked-at" in ids_of(found.findings)


def test_what_is_too_deep_is_left_out_and_that_is_said(tmp_path):
    deep = tmp_path
    for number in range(doctor_files.MAX_DEPTH + 1):
        deep = deep / str(number)
    run_of(deep.parent, [1])
    run_of(deep, [2])
    found = diagnosed(tmp_path)
    assert only(found).step == 1
    assert ids_of(found.findings) == ["not-looked-at"]


def test_checkpoints_beyond_the_bound_are_counted(tmp_path, monkeypatch):
    run_of(tmp_path, range(5))
    monkeypatch.setattr(doctor, "MAX_CHECKPOINTS", 3)
    found = diagnosed(tmp_path)
    assert len(found.checkpoints) == 3
    assert "2 checkpoints more" in found.findings[0].message


def test_a_directory_that_cannot_be_listed_is_a_finding(tmp_path, monkeypatch):
    run_of(tmp_path / "good", [1])
    run_of(tmp_path / "bad", [1])
    listed = os.scandir

    def scandir(path):
        if str(path).endswith("bad"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = diagnosed(tmp_path)
    assert len(found.checkpoints) == 1
    assert ids_of(found.findings) == ["directory-unreadable"]
    assert found.exit_code == 1


def test_odd_files_do_not_stop_it(tmp_path):
    os.mkfifo(str(tmp_path / "pipe.index"))
    os.mkfifo(str(tmp_path / "model.ckpt-1"))
    os.mkfifo(str(tmp_path / "checkpoint"))
    os.mkfifo(str(tmp_path / "graph.pbtxt"))
    os.mkfifo(str(tmp_path / "graph.pb"))
    os.mkdir(str(tmp_path / "folder.index"))
    name = b"odd\n\x1b[31m\xff-1"
    small = small_checkpoint(tmp_path / "plain")
    for suffix in (b".index", b".data-00000-of-00001"):
        target = os.path.join(os.fsencode(str(tmp_path)), name + suffix)
        shutil.copy(os.fsencode(small) + suffix, target)
    found = diagnosed(tmp_path)
    assert len(found.checkpoints) == 3
    assert "\x1b" not in str(found)
    assert sum(row.is_complete for row in found.checkpoints) == 2


def test_the_public_function_is_this_one(tmp_path):
    run_of(tmp_path, [1])
    assert isinstance(lr.diagnose(str(tmp_path)), lr.Diagnosis)


def test_totals_classes_and_scopes(tmp_path):
    keys = ["global_step", "enc/w", "enc/w/Adam", "enc/w/Adam_1", "dec/b"]
    with_keys(tmp_path / "model.ckpt-1", *keys, "beta1_power", "beta2_power")
    layout = only(diagnosed(tmp_path)).layout
    assert layout.total.tensors == 7
    assert [(one.name, one.tensors) for one in layout.scopes] == [
        ("", 3),
        ("dec", 1),
        ("enc", 3),
    ]
    classes = {one.tensor_class.value: one.total.tensors for one in layout.classes}
    assert classes["optimizer slot"] == 2
