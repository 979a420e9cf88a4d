"""Placing a checkpoint's files: which belong to it, and in which order they move."""

import os

import pytest

from legacy_restore import errors
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
    names = ["m.index", "m.meta", "m.data-00000-of-00002", "m-00001-of-00002"]
    others = ["m2.index", "m.index.bak", "m.data-0-of-1", "m-1.index", "checkpoint"]
    for name in [*names, *others]:
        (tmp_path / name).write_bytes(b"")
    assert names_of(files_of(str(tmp_path / "m"))) == sorted(names)
    (tmp_path / "m").write_bytes(table([(b"", b"")]))
    assert "m" in names_of(files_of(str(tmp_path / "m")))
    assert [one.id for one in existing_findings(str(tmp_path / "m"))] == [
        "checkpoint-exists"
    ]


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
