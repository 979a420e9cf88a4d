"""Placing a checkpoint's files: which belong to it, and in which order they move."""

import os

import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import placing
from legacy_restore.checkpoint.placing import (
    checked_prefix,
    directory_beside,
    existing_findings,
    files_of,
    place,
)
from tests.checkpoint.builders import small_checkpoint, table


def names_of(paths):
    return [os.path.basename(path) for path in paths]


def test_files_of_a_checkpoint(tmp_path):
    names = ["m.index", "m.meta", "m.data-00000-of-00002"]
    others = ["m2.index", "m.index.bak", "m.data-0-of-1", "m-1.index", "checkpoint"]
    for name in [*names, *others]:
        (tmp_path / name).write_bytes(b"")
    for name in ["m", "m-00001-of-00002"]:
        (tmp_path / name).write_bytes(table([(b"", b"")]))
        names.append(name)
    assert names_of(files_of(str(tmp_path / "m"))) == sorted(names)
    assert [one.id for one in existing_findings(str(tmp_path / "m"))] == [
        "checkpoint-exists"
    ]


def test_what_only_has_such_a_name_is_neither_refused_nor_removed(tmp_path):
    for name in ["train-00000-of-00002", "train-00001-of-00002"]:
        (tmp_path / name).write_bytes(b"examples")
    for name in ["train.meta", "train-00003-of-00004", "train.data-00000-of-00002"]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "kept").write_bytes(b"kept")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    target = str(tmp_path / "train")
    for _ in range(2):
        with directory_beside(target) as directory:
            small_checkpoint(os.path.join(directory, "train"))
            place(directory, target)
    after = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert sorted(names_of(after - before)) == names_of(files_of(target))
    assert after > before


def test_a_checkpoint_that_somebody_else_places_meanwhile_is_not_lost(
    tmp_path, monkeypatch
):
    target = str(tmp_path / "m")
    make = os.mkdir

    def make_meanwhile(path, *args):
        if os.path.basename(path) == "replaced":  # After the old files were listed.
            small_checkpoint(target)
        make(path, *args)

    with directory_beside(target) as directory:
        small_checkpoint(os.path.join(directory, "m"))
        monkeypatch.setattr(os, "mkdir", make_meanwhile)
        with pytest.raises(FileExistsError, match="in the way"):
            place(directory, target)
        before = {path.name: path.stat().st_ino for path in tmp_path.glob("m.*")}
    assert len(before) == 2
    after = {path.name: path.stat().st_ino for path in tmp_path.glob("m.*")}
    assert after == before


def test_a_symbolic_link_that_was_replaced_is_put_back_as_one(tmp_path, monkeypatch):
    small_checkpoint(tmp_path / "real")
    (tmp_path / "m.index").symlink_to("real.index")

    def fail(path):
        if (tmp_path / "m.data-00000-of-00001").exists() and not os.path.islink(
            tmp_path / "m.index"
        ):
            raise OSError("disk gone")

    monkeypatch.setattr(placing, "sync_directory", fail)
    target = str(tmp_path / "m")
    with directory_beside(target) as directory:
        small_checkpoint(os.path.join(directory, "m"))
        with pytest.raises(OSError, match="disk gone"):
            place(directory, target)
    assert os.readlink(tmp_path / "m.index") == "real.index"
    assert names_of(files_of(target)) == ["m.index"]


@pytest.mark.parametrize("contents", [b"", b"model_checkpoint_path: 'm'", b"x" * 100])
def test_a_file_with_the_name_of_the_prefix_that_is_no_table_is_no_part(
    tmp_path, contents
):
    (tmp_path / "checkpoint").write_bytes(contents)
    assert files_of(str(tmp_path / "checkpoint")) == []
    assert existing_findings(str(tmp_path / "checkpoint")) == []
    with directory_beside(str(tmp_path / "checkpoint")) as directory:
        small_checkpoint(os.path.join(directory, "checkpoint"))
        place(directory, str(tmp_path / "checkpoint"))
    assert (tmp_path / "checkpoint").read_bytes() == contents
    assert (tmp_path / "checkpoint.index").exists()


def test_prefixes(tmp_path):
    assert checked_prefix(tmp_path / "m") == str(tmp_path / "m")
    for bad in (
        None,
        3,
        b"m",
        "",
        "a\0",
        f"{tmp_path}/",
        tmp_path,
        tmp_path / "x" / "m",
    ):
        with pytest.raises(errors.UsageError):
            checked_prefix(bad)


def test_the_directory_is_removed_also_if_a_removal_fails_once(tmp_path, monkeypatch):
    unlink = os.unlink
    failed = []

    def fail(path, *args, **options):
        if not failed:
            failed.append(path)
            raise OSError("busy")
        unlink(path, *args, **options)

    monkeypatch.setattr(os, "unlink", fail)
    with directory_beside(str(tmp_path / "m")) as directory:
        small_checkpoint(os.path.join(directory, "m"))
    assert failed
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_put_back_is_not_deleted(tmp_path, monkeypatch):
    small_checkpoint(tmp_path / "m")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    rename, replace = os.rename, os.replace

    def fail(source, destination):
        if os.path.dirname(destination) == str(tmp_path):
            raise OSError("no entry here")
        rename(source, destination)

    monkeypatch.setattr(os, "rename", fail)
    monkeypatch.setattr(os, "replace", fail)
    target = str(tmp_path / "m")
    with pytest.raises(OSError, match="no entry"), directory_beside(target) as aside:
        small_checkpoint(os.path.join(aside, "m"))
        place(aside, target)
    monkeypatch.setattr(os, "replace", replace)
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name: path.read_bytes() for path in kept}.items() >= before.items()
