"""Tests of files read at given positions."""

import errno
import os
import threading

import pytest

from legacy_restore.checkpoint.files import PositionedFile, absolute_path
from legacy_restore.checkpoint.wire import FormatError

CONTENTS = bytes(range(200))


@pytest.fixture
def path(tmp_path):
    one = tmp_path / "data"
    one.write_bytes(CONTENTS)
    return str(one)


@pytest.fixture
def file(path):
    one = PositionedFile(path)
    yield one
    one.close()


def test_bytes_come_from_their_position(file):
    assert file.size == len(CONTENTS)
    assert file.read(150, 20) == CONTENTS[150:170]
    assert file.read(0, 200) == CONTENTS
    assert file.read(200, 0) == b""


def test_target_is_filled(file):
    target = bytearray(7)
    file.read_into(10, memoryview(target))
    assert bytes(target) == CONTENTS[10:17]


@pytest.mark.parametrize(
    "offset, size", [(-1, 4), (0, -1), (199, 2), (201, 0), (1 << 63, 1), (0, 1 << 63)]
)
def test_range_outside_the_file_is_refused_before_anything_is_allocated(
    file, offset, size
):
    with pytest.raises(FormatError):
        file.read(offset, size)


def test_file_that_was_truncated_after_opening_is_an_error(path, file):
    os.truncate(path, 100)
    assert file.read(0, 100) == CONTENTS[:100]
    with pytest.raises(FormatError):
        file.read(0, 101)
    with pytest.raises(FormatError):
        file.read(150, 10)


def test_short_reads_are_continued(file, monkeypatch):
    whole = os.preadv

    def at_most_three(descriptor, buffers, offset):
        return whole(descriptor, [buffers[0][:3]], offset)

    monkeypatch.setattr(os, "preadv", at_most_three)
    assert file.read(20, 100) == CONTENTS[20:120]


def test_system_without_positioned_reads_is_served_too(file, monkeypatch):
    monkeypatch.delattr(os, "preadv")
    assert file.read(20, 100) == CONTENTS[20:120]
    assert file.read(0, 10) == CONTENTS[:10]


def test_threads_without_positioned_reads_do_not_disturb_each_other(file, monkeypatch):
    monkeypatch.delattr(os, "preadv")
    wrong = []

    def read_often(start):
        for _ in range(200):
            if file.read(start, 10) != CONTENTS[start : start + 10]:
                wrong.append(start)

    threads = [threading.Thread(target=read_often, args=(n * 10,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_fault_of_the_disk_is_a_fault_of_the_file(file, monkeypatch):
    def fail(descriptor, buffers, offset):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(FormatError):
        file.read(0, 10)


def test_directory_is_no_file(tmp_path):
    with pytest.raises(FormatError):
        PositionedFile(str(tmp_path))


def test_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(str(tmp_path / "pipe"))
    with pytest.raises(FormatError):
        PositionedFile(str(tmp_path / "pipe"))


def test_file_that_is_not_there_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        PositionedFile(str(tmp_path / "absent"))


def test_file_may_be_closed_twice(path):
    file = PositionedFile(path)
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read(0, 1)


def test_absolute_path_leads_where_the_system_goes(tmp_path, monkeypatch):
    """Python's and TensorFlow's shortening would take ``link/..`` for nothing."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a/b")
    monkeypatch.chdir(tmp_path)
    for path in ["m", "a/m", "link/m", "link/../m", "./a/../m", "link/../../m"]:
        assert os.path.isabs(absolute_path(path))
        with open(path, "w") as file:
            file.write(path)
        with open(os.path.abspath(absolute_path(path))) as file:
            assert file.read() == path
