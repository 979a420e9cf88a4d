"""Every call of the system fails once: the old checkpoint or the new one, whole."""

import builtins
import errno
import io
import os
import shutil
import tempfile

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors

NAMES = [
    "open",
    "mkdir",
    "rename",
    "replace",
    "fsync",
    "unlink",
    "rmdir",
    "listdir",
    "scandir",
    "lstat",
]
OLD = {"a": np.int32([1, 2]), "b": np.arange(50.0)}
NEW = {"a": np.int32([3, 4]), "b": -np.arange(50.0), "c": np.zeros(3, np.int8)}


class System:
    """The calls of the system, counted; one of them may fail.

    Attributes:
      calls: What was called.
      fail_at: Number of the call that fails, or None.
      error: What it raises.
      before: Called before every call, outside of the count.
    """

    def __init__(self, fail_at=None, error=None, before=None):
        self.calls = []
        self.fail_at = fail_at
        self.error = error
        self.before = before
        self._is_inside = False

    def wrap(self, name, function):
        def call(*args, **options):
            if self._is_inside:
                return function(*args, **options)
            self._is_inside = True
            try:
                if self.before is not None:
                    self.before()
            finally:
                self._is_inside = False
            self.calls.append(name)
            if len(self.calls) - 1 == self.fail_at:
                raise self.error
            return function(*args, **options)

        return call

    def install(self, patch):
        for name in NAMES:
            patch.setattr(os, name, self.wrap(name, getattr(os, name)))
        patch.setattr(shutil, "copy2", self.wrap("copy2", shutil.copy2))
        patch.setattr(tempfile, "mkdtemp", self.wrap("mkdtemp", tempfile.mkdtemp))
        patch.setattr(builtins, "open", self.wrap("open()", self._open(open)))
        system = self

        class CountedFile(io.FileIO):
            def __init__(self, *args, **options):
                system.wrap("FileIO", lambda: None)()
                super().__init__(*args, **options)

            def write(self, data):
                return system.wrap("write", super().write)(data)

            def close(self):
                super().close()
                if system.fail_at is not None and not system._is_inside:
                    system.wrap("close", lambda: None)()

        patch.setattr("legacy_restore.checkpoint.shard_writer.io.FileIO", CountedFile)

    def _open(self, function):
        def call(path, mode="r", *args, **options):
            file = function(path, mode, *args, **options)
            if "w" in mode or "x" in mode:
                return Counted(file, self)
            return file

        return call


class Counted:
    """A file whose calls may fail."""

    def __init__(self, file, system):
        self._file = file
        self._system = system

    def write(self, data):
        return self._system.wrap("write", self._file.write)(data)

    def __enter__(self):
        self._file.__enter__()
        return self

    def __exit__(self, *args):
        self._file.__exit__(*args)


def read(prefix):
    with lr.open_checkpoint(prefix) as checkpoint:
        return {key: checkpoint[key].tolist() for key in checkpoint}


def listed(values):
    return {key: value.tolist() for key, value in values.items()}


def files_in(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def count_calls(directory, shards, monkeypatch):
    system = System()
    prefix = str(directory / "m")
    with monkeypatch.context() as patch:
        system.install(patch)
        lr.write_checkpoint(prefix, NEW, shards=shards, overwrite=True)
    assert {"mkdtemp", "fsync", "rename", "write", "FileIO"} <= set(system.calls)
    return len(system.calls)


@pytest.mark.parametrize(("shards", "has_old"), [(1, True), (3, True), (1, False)])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_every_call_fails_once(tmp_path, monkeypatch, shards, has_old, error):
    def start(number):
        directory = tmp_path / str(number)
        directory.mkdir()
        if has_old:
            lr.write_checkpoint(directory / "m", OLD)
            (directory / "m.meta").write_bytes(b"a graph")
        return directory

    total = count_calls(start("count"), shards, monkeypatch)
    assert total > 20
    outcomes = set()
    for number in range(total + 5):
        directory = start(number)
        before = files_in(directory)
        system = System(number, error)
        with monkeypatch.context() as patch:
            system.install(patch)
            try:
                lr.write_checkpoint(directory / "m", NEW, shards=shards, overwrite=True)
                failed = None
            except (errors.WriteError, KeyboardInterrupt) as caught:
                failed = caught
        what = (number, system.calls[number : number + 1], failed)
        after = files_in(directory)
        if after == before:
            assert failed is not None, what
            outcomes.add("old")
        else:
            # The call that failed was one of the removal, after all was in its place.
            assert read(directory / "m") == listed(NEW), what
            assert len(after) == 1 + shards, (what, sorted(after))
            outcomes.add("new")
        if isinstance(failed, errors.WriteError):
            assert "No space left" in str(failed)
            assert [one.id for one in failed.findings] == ["save-failed"]
            assert after == before
    assert outcomes == {"old", "new"}


def test_a_disk_that_stays_full(tmp_path, monkeypatch):
    lr.write_checkpoint(tmp_path / "m", OLD)
    before = files_in(tmp_path)

    class FullDisk(io.FileIO):
        def write(self, data):
            super().write(data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("legacy_restore.checkpoint.shard_writer.io.FileIO", FullDisk)
    with pytest.raises(errors.WriteError, match="No space left"):
        lr.write_checkpoint(tmp_path / "m", NEW, overwrite=True)
    assert files_in(tmp_path) == before


def test_writes_that_take_only_some_of_the_bytes(tmp_path, monkeypatch):
    class Slow(io.FileIO):
        def write(self, data):
            return super().write(data[:3])

    monkeypatch.setattr("legacy_restore.checkpoint.shard_writer.io.FileIO", Slow)
    lr.write_checkpoint(tmp_path / "m", NEW, shards=2)
    assert read(tmp_path / "m") == listed(NEW)


@pytest.mark.parametrize(("old", "new"), [(1, 3), (3, 1), (2, 2)])
def test_a_reader_at_any_moment_sees_the_old_or_the_new_one(
    tmp_path, monkeypatch, old, new
):
    prefix = str(tmp_path / "m")
    lr.write_checkpoint(prefix, OLD, shards=old)
    seen = []

    def look():
        try:
            seen.append(read(prefix))
        except errors.LocationError:
            seen.append(None)

    system = System(before=look)
    with monkeypatch.context() as patch:
        system.install(patch)
        lr.write_checkpoint(prefix, NEW, shards=new, overwrite=True)
    look()
    changes = [
        one for place, one in enumerate(seen) if place == 0 or one != seen[place - 1]
    ]
    gap = [None] if old == new else []
    assert changes == [listed(OLD), *gap, listed(NEW)]


def test_a_reader_that_had_opened_the_old_one_never_gets_values_of_both(
    tmp_path, monkeypatch
):
    prefix = str(tmp_path / "m")
    lr.write_checkpoint(prefix, OLD)
    with lr.open_checkpoint(prefix) as checkpoint:
        lr.write_checkpoint(prefix, NEW, overwrite=True)
        # Its data file is open: it reads on what it opened.
        assert {key: checkpoint[key].tolist() for key in OLD} == listed(OLD)
    with lr.open_checkpoint(prefix) as checkpoint:
        lr.write_checkpoint(prefix, OLD, overwrite=True)
        assert {key: checkpoint[key].tolist() for key in NEW} == listed(NEW)
