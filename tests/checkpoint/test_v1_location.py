"""Tests of locations of V1 checkpoints: one file, shards, patterns, what is beside."""

import os
import shutil

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import open_checkpoint, resolve_location
from legacy_restore.checkpoint.directory import list_candidates
from tests.checkpoint.builders import BundleBuilder, small_checkpoint, table
from tests.checkpoint.test_location import ids_of, refused, write_state
from tests.checkpoint.v1_builders import V1Builder, small_v1


def write_shards(folder, stem, count=3):
    """Writes a V1 checkpoint in shards and returns its prefix."""
    for shard in range(count):
        builder = V1Builder().add(f"w{shard}", np.float32(shard))
        builder.write(folder / f"{stem}-{shard:05d}-of-{count:05d}")
    return str(folder / f"{stem}-?????-of-{count:05d}")


@pytest.fixture
def run(tmp_path):
    """A directory with V1 files of steps 100 and 200, as Savers left them."""
    folder = tmp_path / "run"
    folder.mkdir()
    for step in (100, 200):
        small_v1(folder / f"model.ckpt-{step}")
        (folder / f"model.ckpt-{step}.meta").write_bytes(b"graph")
    return folder


@pytest.fixture
def sharded(tmp_path):
    """A directory with a V1 checkpoint in three shards at each of two steps."""
    folder = tmp_path / "sharded"
    folder.mkdir()
    for step in (100, 200):
        write_shards(folder, f"model.ckpt-{step}")
        (folder / f"model.ckpt-{step}.meta").write_bytes(b"graph")
    return folder


@pytest.mark.parametrize(
    "spelling",
    ["/model.ckpt-200", "/model.ckpt-200.meta", "", "@200", "@latest", "/checkpoint"],
)
def test_every_spelling_of_one_file_finds_it(run, spelling):
    write_state(run, "model.ckpt-200", "model.ckpt-100", "model.ckpt-200")
    location = resolve_location(str(run) + spelling)
    assert location.prefix == str(run / "model.ckpt-200")
    with open_checkpoint(str(run) + spelling) as checkpoint:
        assert checkpoint.format == "V1"
        assert checkpoint.prefix == location.prefix


@pytest.mark.parametrize(
    "spelling",
    [
        "/model.ckpt-200-?????-of-00003",
        "/model.ckpt-200-?????-of-?????",
        "/model.ckpt-200-*-of-*",
        "/model.ckpt-200-00000-of-00003",
        "/model.ckpt-200-00002-of-00003",
        "/model.ckpt-200",
        "/model.ckpt-200.meta",
        "",
        "@200",
        "@latest",
        "/checkpoint",
    ],
)
def test_every_spelling_of_shards_finds_their_pattern(sharded, spelling):
    write_state(sharded, "model.ckpt-200-?????-of-00003")
    with open_checkpoint(str(sharded) + spelling) as checkpoint:
        assert checkpoint.prefix == str(sharded / "model.ckpt-200-?????-of-00003")
        assert checkpoint.format == "V1"
        assert len(checkpoint) == 3
        assert not any(one.is_error for one in checkpoint.findings)


def test_literal_spellings_have_no_remark(run, sharded):
    assert ids_of(resolve_location(run / "model.ckpt-200")) == []
    assert ids_of(resolve_location(sharded / "model.ckpt-200-?????-of-00003")) == []


def test_file_of_a_sharded_checkpoint_says_that_all_were_taken(sharded):
    location = resolve_location(sharded / "model.ckpt-200-00001-of-00003")
    assert ids_of(location) == ["location-resolved"]
    assert location.prefix in location.findings[0].message


def test_directory_without_state_file_takes_the_highest_step(run, sharded):
    for folder in (run, sharded):
        location = resolve_location(folder)
        assert ids_of(location) == ["location-resolved"]
        assert "-200" in location.prefix


def test_steps_of_both_formats_are_compared(run):
    small_checkpoint(run / "model.ckpt-150")
    assert resolve_location(run).prefix == str(run / "model.ckpt-200")
    small_checkpoint(run / "model.ckpt-300")
    assert resolve_location(run).prefix == str(run / "model.ckpt-300")
    write_shards(run, "model.ckpt-400")
    assert resolve_location(run).prefix == str(run / "model.ckpt-400-?????-of-00003")


def test_candidates_know_stem_and_step(run, sharded):
    assert [(one.stem, one.step) for one in list_candidates(str(run))] == [
        ("model.ckpt", 100),
        ("model.ckpt", 200),
    ]
    assert [
        (one.stem, one.step, one.name) for one in list_candidates(str(sharded))
    ] == [
        ("model.ckpt", 100, "model.ckpt-100-?????-of-00003"),
        ("model.ckpt", 200, "model.ckpt-200-?????-of-00003"),
    ]


def test_other_files_of_a_directory_are_no_candidates(run):
    (run / "events.out.tfevents.1.host").write_bytes(table([(b"", b"\n")]))
    (run / "model.ckpt-900.tempstate123").write_bytes(table([(b"", b"\n")]))
    (run / "notes.txt").write_bytes(b"text")
    (run / "empty-900").write_bytes(b"")
    # Tables of something else: LevelDB, and an index that was copied.
    (run / "000005.ldb").write_bytes(table([(b"key", b"value")]))
    prefix = small_checkpoint(run.parent / "other")
    shutil.copy(prefix + ".index", str(run / "model.ckpt-900.index.bak"))
    os.mkfifo(str(run / "model.ckpt-901"))
    (run / "model.ckpt-902").mkdir()
    assert [one.step for one in list_candidates(str(run))] == [100, 200]
    assert resolve_location(run).prefix == str(run / "model.ckpt-200")


def test_damaged_newest_file_gives_way_to_the_one_before(run):
    path = run / "model.ckpt-200"
    data = bytearray(path.read_bytes())
    data[10] ^= 1  # In the first block, which has the list.
    path.write_bytes(bytes(data))
    location = resolve_location(run)
    assert location.prefix == str(run / "model.ckpt-100")
    assert "model.ckpt-200 is not" in location.findings[-1].message


def test_cut_newest_file_that_the_state_file_names_gives_way(run):
    write_state(run, "model.ckpt-200")
    path = run / "model.ckpt-200"
    path.write_bytes(path.read_bytes()[:-20])
    location = resolve_location(run)
    assert location.prefix == str(run / "model.ckpt-100")
    assert ids_of(location) == ["state-file-stale", "location-resolved"]
    assert "cut off" in location.findings[0].message


def test_cut_file_that_is_named_is_refused(run):
    path = run / "model.ckpt-200"
    path.write_bytes(path.read_bytes()[:-20])
    error = refused(path, errors.UnsupportedCheckpointError)
    assert "no checkpoint" in error.message


def test_newest_shards_of_which_one_is_missing_give_way(sharded):
    os.remove(str(sharded / "model.ckpt-200-00001-of-00003"))
    location = resolve_location(sharded)
    assert location.prefix == str(sharded / "model.ckpt-100-?????-of-00003")


def test_missing_shard_that_is_named_leads_to_the_others(sharded):
    path = sharded / "model.ckpt-200-00000-of-00003"
    os.remove(str(path))
    with open_checkpoint(path) as checkpoint:
        assert [one.id for one in checkpoint.findings] == [
            "location-resolved",
            "shard-missing",
        ]


def test_state_file_of_another_machine_finds_shards_beside_it(sharded):
    write_state(sharded, "/nowhere/model.ckpt-100-?????-of-00003")
    location = resolve_location(sharded)
    assert location.prefix == str(sharded / "model.ckpt-100-?????-of-00003")
    assert ids_of(location) == ["state-file-moved"]


def test_copied_run_means_the_copy_while_both_are_the_same(run, tmp_path):
    write_state(run, run / "model.ckpt-100")
    copy = tmp_path / "copy"
    shutil.copytree(str(run), str(copy))
    assert resolve_location(copy).prefix == str(copy / "model.ckpt-100")
    V1Builder().add("w", [1.0]).write(copy / "model.ckpt-100")
    assert "elsewhere" in refused(copy).message


def test_v2_of_the_same_name_wins_and_that_is_said(run):
    bundle = BundleBuilder().add("w", np.float32(2))
    bundle.write(run / "model.ckpt-200")
    for given in (run / "model.ckpt-200", run, f"{run}@200"):
        with open_checkpoint(given) as checkpoint:
            assert checkpoint.format == "V2"
            assert list(checkpoint) == ["w"]
            found = [one for one in checkpoint.findings if one.id == "format-preferred"]
        assert [one.subject for one in found] == [str(run / "model.ckpt-200")]
        assert not found[0].is_error


def test_v2_alone_has_no_such_remark(tmp_path):
    prefix = small_checkpoint(tmp_path / "model.ckpt")
    (tmp_path / "model.ckpt").write_bytes(b"some other file")
    assert ids_of(resolve_location(prefix)) == []


def test_v2_that_tensorflow_would_read_is_what_it_reads(run):
    tf = pytest.importorskip("tensorflow.compat.v1")
    BundleBuilder().add("w", np.float32(2)).write(run / "model.ckpt-200")
    prefix = resolve_location(run / "model.ckpt-200").prefix
    reader = tf.train.NewCheckpointReader(prefix)
    assert set(reader.get_variable_to_shape_map()) == {"w"}


def test_stem_of_v2_and_of_shards_is_refused_in_a_directory(sharded):
    small_checkpoint(sharded / "model.ckpt-200")
    for given in (sharded, f"{sharded}@200"):
        error = refused(given)
        assert [one.id for one in error.findings] == ["location-ambiguous"]
    # What exists literally wins.
    assert ids_of(resolve_location(sharded / "model.ckpt-200")) == []


def test_shards_of_two_numbers_are_refused_until_one_is_named(sharded):
    two = write_shards(sharded, "model.ckpt-200", count=2)
    for given in ("model.ckpt-200", "model.ckpt-200.meta", "model.ckpt-200-*-of-*"):
        error = refused(sharded / given)
        assert [one.id for one in error.findings] == ["location-ambiguous"]
        assert two in error.message
        hinted = resolve_location(error.hint.split(": ")[-1])
        assert hinted.prefix == str(sharded / "model.ckpt-200-?????-of-00003")
    assert resolve_location(two).prefix == two


def test_pattern_without_files_is_refused_with_what_is_there(sharded):
    error = refused(sharded / "model.ckpt-300-?????-of-00003")
    assert "model.ckpt-100-?????-of-00003" in error.message
    hinted = error.hint[len("did you mean ") : -1]
    # A shell would expand a pattern into three paths.
    assert "?" not in hinted
    assert resolve_location(hinted).prefix.endswith("-?????-of-00003")


@pytest.mark.parametrize(
    "name", ["a-00003-of-00003", "a-00000-of-00000", "a-0000-of-0001", "a-x-of-00001"]
)
def test_names_that_only_look_like_shards_are_single_files(tmp_path, name):
    path = tmp_path / name
    small_v1(path)
    assert resolve_location(path).prefix == str(path)
    with open_checkpoint(tmp_path) as checkpoint:
        assert checkpoint.prefix == str(path)


def test_session_bundle_is_found_by_its_directory(tmp_path):
    prefix = write_shards(tmp_path, "export", count=1)
    (tmp_path / "export.meta").write_bytes(b"graph")
    for name in ("", "export", "export.meta", "export-00000-of-00001"):
        assert resolve_location(os.path.join(str(tmp_path), name)).prefix == prefix


def test_odd_directories_are_no_patterns(tmp_path):
    for name in ("run[1]", "a*", "a?b", "x-?????-of-00003"):
        folder = tmp_path / name
        folder.mkdir()
        prefix = write_shards(folder, "m", count=2)
        single = small_v1(folder / "single")
        assert resolve_location(folder / "m").prefix == prefix
        with open_checkpoint(prefix) as checkpoint:
            assert list(checkpoint) == ["w0", "w1"]
        with open_checkpoint(single) as checkpoint:
            assert len(checkpoint) == 5


def test_data_file_without_index_is_still_no_checkpoint(tmp_path):
    path = tmp_path / "model.ckpt.data-00000-of-00001"
    path.write_bytes(bytes(100))
    assert "without index" in refused(path).message
    small_v1(tmp_path / "model.ckpt")  # Whose it is not.
    assert "without index" in refused(path).message


def test_file_that_is_called_like_a_pattern_is_a_file(tmp_path):
    path = small_v1(tmp_path / "m-?????-of-00002")
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.paths() == [path]
        assert len(checkpoint) == 5


def test_relative_paths_are_relative(run, monkeypatch):
    monkeypatch.chdir(run)
    write_shards(run, "s", count=2)
    assert resolve_location("model.ckpt-200").prefix == "model.ckpt-200"
    assert resolve_location("s").prefix == "s-?????-of-00002"
    assert resolve_location("s-?????-of-00002").prefix == "s-?????-of-00002"


@pytest.mark.parametrize("is_sharded", [False, True])
def test_checkpoints_that_tensorflow_sees_are_seen(run, sharded, is_sharded):
    tf = pytest.importorskip("tensorflow.compat.v1")
    prefix = resolve_location(sharded if is_sharded else run).prefix
    assert tf.train.checkpoint_exists(prefix)
    os.remove(str(run / "model.ckpt-200"))
    for shard in range(3):
        os.remove(str(sharded / f"model.ckpt-200-0000{shard}-of-00003"))
    assert not tf.train.checkpoint_exists(prefix)
    with pytest.raises(errors.LocationError):
        resolve_location(prefix)
