"""Tests of locations: from what a user types to a prefix."""

import os
import pathlib
import shutil

import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import open_checkpoint, resolve_location
from tests.checkpoint.builders import BundleBuilder, shard_path, small_checkpoint


@pytest.fixture
def run(tmp_path):
    """A directory with checkpoints of steps 100 and 200, and no state file."""
    folder = tmp_path / "run"
    folder.mkdir()
    for step in (100, 200):
        small_checkpoint(folder / f"model.ckpt-{step}")
        (folder / f"model.ckpt-{step}.meta").write_bytes(b"graph")
    return folder


def write_state(folder, path, *others):
    lines = [f'model_checkpoint_path: "{path}"\n']
    lines += [f'all_model_checkpoint_paths: "{other}"\n' for other in others]
    (folder / "checkpoint").write_bytes("".join(lines).encode())


def ids_of(location):
    return [finding.id for finding in location.findings]


def refused(location, kind=errors.LocationError):
    with pytest.raises(kind) as caught:
        resolve_location(location)
    assert caught.value.exit_code == errors.EXIT_INPUT
    assert caught.value.path == os.fsdecode(location)
    if kind is errors.LocationError:
        assert isinstance(caught.value, FileNotFoundError)
        assert not any(not finding.is_error for finding in caught.value.findings)
    return caught.value


# All spellings of one checkpoint.

SPELLINGS = [
    "model.ckpt-200",
    "model.ckpt-200.index",
    "model.ckpt-200.data-00000-of-00001",
    "model.ckpt-200.meta",
    "",
    "@latest",
    "@200",
    "/",
    "/@latest",
    "/@200",
    "checkpoint",
    ".",
    "../run",
]


def spelled(run, spelling):
    if spelling.startswith(("@", "/")) or not spelling:
        return str(run) + spelling
    return os.path.join(str(run), spelling)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_finds_the_same_prefix(run, spelling):
    write_state(run, "model.ckpt-200", "model.ckpt-100", "model.ckpt-200")
    given = spelled(run, spelling)
    location = resolve_location(given)
    assert location.given == given
    assert os.path.normpath(location.prefix) == str(run / "model.ckpt-200")
    assert not any(finding.is_error for finding in location.findings)
    with open_checkpoint(given) as checkpoint:
        assert checkpoint["b/step"] == 1200
        assert checkpoint.location == location
        assert checkpoint.prefix == location.prefix


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_works_relative_to_the_current_directory(
    run, spelling, monkeypatch
):
    write_state(run, "model.ckpt-200")
    monkeypatch.chdir(run.parent)
    location = resolve_location(spelled("run", spelling))
    assert os.path.normpath(location.prefix) == os.path.join("run", "model.ckpt-200")


@pytest.mark.parametrize(
    "given",
    ["model.ckpt-200", "model.ckpt-200.index", "checkpoint", ".", ".@latest", ".@200"],
)
def test_spellings_without_a_directory_are_in_the_current_one(run, given, monkeypatch):
    write_state(run, "model.ckpt-200")
    monkeypatch.chdir(run)
    prefix = resolve_location(given).prefix
    assert os.path.abspath(prefix) == str(run / "model.ckpt-200")


def test_path_objects_and_bytes_are_taken(run):
    expected = str(run / "model.ckpt-200")
    assert resolve_location(run / "model.ckpt-200").prefix == expected
    assert resolve_location(pathlib.PurePath(expected + ".index")).prefix == expected

    class AsBytes:
        def __fspath__(self):
            return os.fsencode(expected)

    assert resolve_location(AsBytes()).prefix == expected


@pytest.mark.parametrize("given", [None, 12])
def test_what_is_no_path_is_a_type_error(given):
    with pytest.raises(TypeError):
        resolve_location(given)


def test_prefix_is_taken_without_a_word(run):
    assert ids_of(resolve_location(str(run / "model.ckpt-200"))) == []


def test_file_of_a_checkpoint_is_taken_with_a_remark(run):
    location = resolve_location(str(run / "model.ckpt-200.index"))
    assert ids_of(location) == ["location-resolved"]


def test_directory_without_state_file_means_the_highest_step(run):
    small_checkpoint(run / "model.ckpt-1000")
    location = resolve_location(run)
    assert location.prefix == str(run / "model.ckpt-1000")
    assert ids_of(location) == ["location-resolved"]


def test_state_file_counts_more_than_the_highest_step(run):
    write_state(run, "model.ckpt-100")
    for given in (str(run), str(run) + "@latest", str(run / "checkpoint")):
        location = resolve_location(given)
        assert location.prefix == str(run / "model.ckpt-100")
        assert ids_of(location) == []


def test_state_file_of_another_name_is_read(run):
    write_state(run, "model.ckpt-100")
    (run / "checkpoint").rename(run / "checkpoint.old")
    prefix = resolve_location(run / "checkpoint.old").prefix
    assert prefix == str(run / "model.ckpt-100")


@pytest.mark.parametrize("selector", ["200", "0200"])
def test_step_is_a_number(run, selector):
    location = resolve_location(f"{run}@{selector}")
    assert location.prefix == str(run / "model.ckpt-200")


def test_step_is_found_whatever_the_state_file_says(run):
    write_state(run, "model.ckpt-100")
    assert resolve_location(f"{run}@200").prefix == str(run / "model.ckpt-200")


def test_step_is_the_whole_number_behind_the_dash(run):
    small_checkpoint(run / "model.ckpt-1200")
    assert resolve_location(f"{run}@200").prefix == str(run / "model.ckpt-200")


def test_checkpoint_without_step_comes_before_those_with_one(run):
    small_checkpoint(run / "model.ckpt")
    assert resolve_location(run).prefix == str(run / "model.ckpt-200")


def test_only_checkpoint_without_step_is_taken(tmp_path):
    small_checkpoint(tmp_path / "model.ckpt")
    assert resolve_location(tmp_path).prefix == str(tmp_path / "model.ckpt")


# State files that no longer fit.


@pytest.mark.parametrize(
    "foreign",
    [
        "/no/such/machine/run/model.ckpt-100",
        "C:\\\\train\\\\run\\\\model.ckpt-100",
        "old/run/model.ckpt-100",
        "../elsewhere/model.ckpt-100",
    ],
    ids=["absolute", "Windows", "relative", "upwards"],
)
def test_moved_directory_is_found_beside_its_state_file(run, foreign):
    write_state(run, foreign)
    for given in (str(run), str(run / "checkpoint")):
        location = resolve_location(given)
        assert location.prefix == str(run / "model.ckpt-100")
        assert ids_of(location) == ["state-file-moved"]
        assert foreign.split("/")[0].split("\\")[0] in location.findings[0].message


@pytest.mark.parametrize(
    "data",
    [
        b'model_checkpoint_path: "model.ckpt-300"\n',
        b'model_checkpoint_path: "/far/away/model.ckpt-300"\n',
        b'model_checkpoint_path: ""\n',
        b'model_checkpoint_path: "."\n',
        b'model_checkpoint_path: ".."\n',
        rb'model_checkpoint_path: "model.ckpt-100\000"',
        b'all_model_checkpoint_paths: "model.ckpt-100"\n',
        b"",
        b"garbage\n",
        b"\x00\xff",
    ],
    ids=[
        "not there",
        "not there nor beside",
        "empty name",
        "its directory",
        "the directory above",
        "NUL byte",
        "no newest",
        "empty",
        "garbage",
        "binary",
    ],
)
def test_stale_state_file_gives_way_to_the_highest_step(run, data):
    (run / "checkpoint").write_bytes(data)
    location = resolve_location(run)
    assert location.prefix == str(run / "model.ckpt-200")
    assert ids_of(location) == ["state-file-stale", "location-resolved"]
    assert location.findings[0].subject == str(run / "checkpoint")
    assert location.findings[0].message


def test_newest_that_is_truncated_gives_way_to_the_newest_complete(run):
    small_checkpoint(run / "model.ckpt-300")
    os.truncate(shard_path(run / "model.ckpt-300"), 5)
    write_state(run, "model.ckpt-300")
    location = resolve_location(run)
    assert location.prefix == str(run / "model.ckpt-200")
    stale, resolved = location.findings
    assert (stale.id, resolved.id) == ("state-file-stale", "location-resolved")
    for finding in (stale, resolved):
        assert "data-00000-of-00001" in finding.message
        assert "model.ckpt-300" in finding.message


@pytest.mark.parametrize("damage", ["shard missing", "index damaged", "index empty"])
def test_incomplete_highest_step_is_passed_over_with_the_reason(run, damage):
    small_checkpoint(run / "model.ckpt-300")
    if damage == "shard missing":
        os.remove(shard_path(run / "model.ckpt-300"))
    elif damage == "index damaged":
        with open(str(run / "model.ckpt-300.index"), "r+b") as file:
            file.write(b"\xff")
    else:
        os.truncate(str(run / "model.ckpt-300.index"), 0)
    location = resolve_location(run)
    assert location.prefix == str(run / "model.ckpt-200")
    (finding,) = location.findings
    assert finding.id == "location-resolved"
    assert "model.ckpt-300" in finding.message


def test_incomplete_checkpoint_is_taken_when_it_is_named(run):
    os.remove(shard_path(run / "model.ckpt-200"))
    for given in (run / "model.ckpt-200", f"{run}@200"):
        assert resolve_location(given).prefix == str(run / "model.ckpt-200")


def test_state_file_that_points_elsewhere_is_followed_and_reported(run, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    small_checkpoint(elsewhere / "model.ckpt-7")
    for named in (elsewhere / "model.ckpt-7", "../elsewhere/model.ckpt-7"):
        write_state(run, named)
        location = resolve_location(run)
        assert os.path.realpath(location.prefix) == str(elsewhere / "model.ckpt-7")
        assert ids_of(location) == ["state-file-elsewhere"]
        assert "model.ckpt-7" in location.findings[0].message


def test_absolute_path_of_its_own_directory_is_not_elsewhere(run):
    write_state(run, run / "model.ckpt-100")
    assert ids_of(resolve_location(run)) == []
    assert ids_of(resolve_location(f"{run}/../run")) == []


def test_directory_by_way_of_a_link_is_not_elsewhere(run, tmp_path):
    (tmp_path / "link").symlink_to(run)
    for named in (run, tmp_path / "link"):
        write_state(run, named / "model.ckpt-100")
        for given in (run, tmp_path / "link"):
            assert ids_of(resolve_location(given)) == []


# Odd names.

ODD_NAMES = [
    "with space",
    "lr=0.1,batch=32",
    "user@host",
    "run@200",
    "@latest",
    "run[1]",
    "run*?",
    "~",
    "~user",
    "Grüße",
    "模型",
    "a'b\"c",
    "back\\slash",
    "new\nline",
    "-dash",
    "100%",
    os.fsdecode(b"latin-\xe9"),
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_directory_names_work_in_every_spelling(tmp_path, name, monkeypatch):
    folder = tmp_path / name
    folder.mkdir()
    expected = os.path.join(name, "model.ckpt-5")
    small_checkpoint(folder / "model.ckpt-5")
    monkeypatch.chdir(tmp_path)
    for spelling in (
        name,
        name + "/",
        name + "@latest",
        name + "@5",
        expected,
        expected + ".index",
        expected + ".data-00000-of-00001",
    ):
        assert resolve_location(spelling).prefix == expected
        with open_checkpoint(spelling) as checkpoint:
            assert checkpoint["b/step"] == 1200


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_file_names_work_in_every_spelling(tmp_path, name):
    prefix = small_checkpoint(tmp_path / name)
    for spelling in (str(tmp_path), prefix, prefix + ".index"):
        assert resolve_location(spelling).prefix == prefix


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_in_state_files_are_unescaped(tmp_path, name):
    # As TensorFlow writes them: C escapes, octal bytes for what is not ASCII.
    small_checkpoint(tmp_path / name)
    small_checkpoint(tmp_path / "other-9")
    simple = {ord('"'): '\\"', ord("'"): "\\'", ord("\\"): "\\\\", ord("\n"): "\\n"}
    escaped = "".join(
        simple.get(byte, chr(byte)) if byte < 128 else f"\\{byte:03o}"
        for byte in os.fsencode(name)
    )
    write_state(tmp_path, escaped)
    location = resolve_location(tmp_path)
    assert location.prefix == str(tmp_path / name)
    assert ids_of(location) == []


def test_what_exists_literally_wins_over_the_at_sign(tmp_path):
    for name, step in (("run", 5), ("run@5", 6)):
        (tmp_path / name).mkdir()
        small_checkpoint(tmp_path / name / f"model-{step}")
    location = resolve_location(tmp_path / "run@5")
    assert location.prefix == str(tmp_path / "run@5" / "model-6")


def test_prefix_with_an_at_sign_wins_over_a_step(tmp_path):
    (tmp_path / "run").mkdir()
    small_checkpoint(tmp_path / "run" / "model-5")
    small_checkpoint(tmp_path / "run@5")
    assert resolve_location(tmp_path / "run@5").prefix == str(tmp_path / "run@5")


def test_last_at_sign_is_the_one_that_is_split_off(tmp_path):
    (tmp_path / "a@1").mkdir()
    small_checkpoint(tmp_path / "a@1" / "model-5")
    assert resolve_location(tmp_path / "a@1@5").prefix.endswith("model-5")


def test_home_is_not_expanded_and_the_hint_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    small_checkpoint(tmp_path / "runs" / "model-5")
    assert str(tmp_path / "runs" / "model-5") in refused("~/runs/model-5").hint
    assert str(tmp_path / "runs") in refused("~/runs").hint
    assert "~" in refused("~/absent/model-5").hint


# What could mean several checkpoints.


def listed(error, *names):
    assert [finding.id for finding in error.findings] == ["location-ambiguous"]
    for name in names:
        assert name in error.message
    assert error.hint
    return True


def test_checkpoints_of_several_names_are_refused_with_the_list(run):
    small_checkpoint(run / "best-150")
    assert listed(refused(run), "best-150", "model.ckpt-200")
    assert listed(refused(f"{run}@latest"), "best-150", "model.ckpt-200")


def test_state_file_decides_between_several_names(run):
    small_checkpoint(run / "best-150")
    write_state(run, "best-150")
    assert resolve_location(run).prefix == str(run / "best-150")


def test_several_names_at_one_step_are_refused_with_the_list(run):
    small_checkpoint(run / "best-200")
    assert listed(refused(f"{run}@200"), "best-200", "model.ckpt-200")
    assert resolve_location(f"{run}@100").prefix == str(run / "model.ckpt-100")


def test_directory_and_prefix_of_one_name_are_refused_with_both_ways_on(run):
    small_checkpoint(run.parent / "run")
    error = refused(run)
    assert listed(error, "run.index")
    assert resolve_location(f"{run}.index").prefix == str(run)
    assert resolve_location(f"{run}/").prefix == str(run / "model.ckpt-200")
    assert resolve_location(f"{run}@100").prefix == str(run / "model.ckpt-100")


def test_list_is_cut_with_a_count(tmp_path):
    for number in range(30):
        small_checkpoint(tmp_path / f"model_{number:02d}")
    message = refused(tmp_path).message
    assert "model_00" in message
    assert "22 more" in message
    assert len(message.splitlines()) <= 15


# Nothing there.


def missed(error):
    assert [finding.id for finding in error.findings] == ["location-not-found"]
    assert error.findings[0].is_input_fault
    return error


def test_near_miss_lists_what_is_there(run):
    error = missed(refused(run / "model.ckpt-20"))
    assert "model.ckpt-100" in error.message
    assert "model.ckpt-200" in error.message
    assert str(run / "model.ckpt-200") in error.hint


def test_near_miss_in_the_current_directory_lists_what_is_there(run, monkeypatch):
    monkeypatch.chdir(run)
    error = missed(refused("model.ckpt-20"))
    assert "model.ckpt-100" in error.message
    assert "model.ckpt-200" in error.hint


def test_step_that_is_not_there_lists_the_steps(run):
    error = missed(refused(f"{run}@150"))
    assert "100, 200" in error.message
    assert error.hint == f"{run}@200"


def test_step_in_a_directory_without_steps_is_refused(tmp_path):
    small_checkpoint(tmp_path / "model.ckpt")
    missed(refused(f"{tmp_path}@150"))


@pytest.mark.parametrize("selector", ["", "newest", "-5", "1.5", "²", "9" * 5000, "5 "])
def test_selector_that_is_no_step_is_refused(run, selector):
    assert "latest" in missed(refused(f"{run}@{selector}")).message


@pytest.mark.parametrize("given", ["absent", "absent/model.ckpt-5", "absent@latest"])
def test_nothing_there_is_refused(tmp_path, given):
    missed(refused(tmp_path / given))


@pytest.mark.parametrize("given", ["", "@", "@latest", "a\0b"])
def test_location_that_can_be_no_path_is_refused(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    missed(refused(given))


@pytest.mark.parametrize("suffix", ["", "@latest", "@100"])
def test_empty_directory_is_refused(tmp_path, suffix):
    missed(refused(f"{tmp_path}{suffix}"))


def test_directory_of_incomplete_checkpoints_is_refused_with_the_reasons(run):
    os.remove(shard_path(run / "model.ckpt-100"))
    os.truncate(str(run / "model.ckpt-200.index"), 10)
    message = missed(refused(run)).message
    assert "model.ckpt-100" in message
    assert "model.ckpt-200" in message


@pytest.mark.parametrize("data", [b"", b"garbage", b"all_model_checkpoint_paths: 'a'"])
def test_state_file_without_a_word_and_nothing_beside_it_is_refused(tmp_path, data):
    (tmp_path / "checkpoint").write_bytes(data)
    assert str(tmp_path / "checkpoint") in missed(refused(tmp_path)).message


def test_stale_state_file_alone_is_refused_with_what_it_names(tmp_path):
    write_state(tmp_path, "/far/away/model.ckpt-9")
    for given in (tmp_path, tmp_path / "checkpoint"):
        assert "/far/away/model.ckpt-9" in missed(refused(given)).message


@pytest.mark.parametrize("suffix", [".data-00000-of-00001", ".meta"])
def test_file_of_a_checkpoint_without_index_is_refused(run, suffix):
    os.remove(str(run / "model.ckpt-200.index"))
    error = missed(refused(f"{run}/model.ckpt-200{suffix}"))
    assert ".index" in error.message
    assert error.hint


def test_directory_that_cannot_be_listed_is_refused(run, monkeypatch):
    def deny(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", deny)
    missed(refused(run))
    for given in (f"{run}@100", run / "model.ckpt-20"):
        with pytest.raises(errors.LocationError) as caught:
            resolve_location(given)
        assert missed(caught.value).path == str(run)


# SavedModels and what is not read.


def saved_model(folder, name="saved_model.pb"):
    (folder / "variables").mkdir(parents=True)
    (folder / name).write_bytes(b"graph")
    return small_checkpoint(folder / "variables" / "variables")


@pytest.mark.parametrize("name", ["saved_model.pb", "saved_model.pbtxt"])
@pytest.mark.parametrize("suffix", ["", "/", "@latest"])
def test_saved_model_means_its_variables(tmp_path, name, suffix):
    prefix = saved_model(tmp_path / "export", name)
    location = resolve_location(f"{tmp_path}/export{suffix}")
    assert os.path.normpath(location.prefix) == prefix
    assert ids_of(location) == ["location-resolved"]


def test_saved_model_without_variables_is_refused(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"graph")
    assert "SavedModel" in missed(refused(tmp_path)).message


def test_directory_that_is_saved_model_and_run_is_refused(run):
    saved_model(run)
    assert listed(refused(run), "variables")
    assert resolve_location(f"{run}@100").prefix == str(run / "model.ckpt-100")


def test_saved_model_with_a_state_file_of_checkpoints_elsewhere_is_refused(run):
    folder = run.parent / "export"
    saved_model(folder)
    write_state(folder, run / "model.ckpt-100")
    assert listed(refused(folder), "variables")


@pytest.mark.parametrize("data", [b"", b"text\n", bytes(5000)])
def test_file_of_another_kind_is_refused(tmp_path, data):
    path = tmp_path / "notes.txt"
    path.write_bytes(data)
    error = refused(path, errors.UnsupportedCheckpointError)
    assert "no checkpoint" in error.message


@pytest.mark.parametrize(
    "given", ["gs://bucket/model.ckpt-5", "https://host/model", "file:///a/b"]
)
def test_address_is_refused_by_name(given):
    assert refused(given, errors.UnsupportedCheckpointError).hint


def test_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(str(tmp_path / "pipe"))
    refused(tmp_path / "pipe", errors.UnsupportedCheckpointError)


def test_named_pipe_among_the_checkpoints_is_passed_over(run):
    os.mkfifo(str(run / "model.ckpt-900.index"))
    os.mkfifo(str(run / "checkpoint"))
    location = resolve_location(run)
    assert location.prefix == str(run / "model.ckpt-200")


def test_directory_among_the_checkpoints_is_passed_over(run):
    (run / "model.ckpt-900.index").mkdir()
    assert resolve_location(run).prefix == str(run / "model.ckpt-200")


def test_directory_in_the_place_of_the_state_file_is_passed_over(run):
    (run / "checkpoint").mkdir()
    assert resolve_location(run).prefix == str(run / "model.ckpt-200")


def test_hidden_file_named_index_is_no_checkpoint(run):
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(str(run / "model.ckpt-100") + suffix, str(run / suffix))
    assert resolve_location(run).prefix == str(run / "model.ckpt-200")


def test_checkpoint_of_another_version_is_not_passed_over(run):
    # It may be whole; opening it says what it needs.
    BundleBuilder(min_consumer=9).write(run / "model.ckpt-300")
    assert resolve_location(run).prefix == str(run / "model.ckpt-300")
    with pytest.raises(errors.UnsupportedCheckpointError):
        open_checkpoint(run)


def test_hint_of_a_directory_that_is_both_can_be_typed(run):
    saved_model(run)
    hinted = refused(run).hint.split(": ")[-1]
    assert resolve_location(hinted).prefix == str(run / "model.ckpt-200")


def copied(run, tmp_path):
    """A copy of a run whose state file names the original by its whole path."""
    write_state(run, run / "model.ckpt-100")
    copy = tmp_path / "copy"
    shutil.copytree(str(run), str(copy))
    return copy


def test_copied_directory_means_the_copy(run, tmp_path):
    copy = copied(run, tmp_path)
    location = resolve_location(copy)
    assert location.prefix == str(copy / "model.ckpt-100")
    assert ids_of(location) == ["state-file-moved"]


def test_copied_directory_that_has_changed_is_refused_with_both(run, tmp_path):
    copy = copied(run, tmp_path)
    BundleBuilder().add("w", [1.0]).write(copy / "model.ckpt-100")
    error = refused(copy)
    assert [one.id for one in error.findings] == ["location-ambiguous"]
    for folder in (run, copy):
        assert str(folder / "model.ckpt-100") in error.message
