"""Tests of the checkpoints inside one directory."""

import os

import pytest

from legacy_restore import errors
from legacy_restore.checkpoint.directory import (
    incompleteness,
    list_candidates,
    newest_in,
)
from tests.checkpoint.builders import BundleBuilder, shard_path, small_checkpoint


def test_candidates_are_sorted_by_name_and_then_by_number(tmp_path):
    for name in ("b-10", "b-9", "b", "a-2", "a-b-3", "c-x"):
        small_checkpoint(tmp_path / name)
    (tmp_path / "b-11.meta").write_bytes(b"graph")
    found = list_candidates(str(tmp_path))
    assert [(one.stem, one.step) for one in found] == [
        ("a", 2),
        ("a-b", 3),
        ("b", None),
        ("b", 9),
        ("b", 10),
        ("c-x", None),
    ]
    assert [one.name for one in found] == ["a-2", "a-b-3", "b", "b-9", "b-10", "c-x"]


def test_directory_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(errors.LocationError) as caught:
        list_candidates(str(tmp_path / "absent"))
    assert [one.id for one in caught.value.findings] == ["location-not-found"]


def test_whole_checkpoint_lacks_nothing(tmp_path):
    assert incompleteness(small_checkpoint(tmp_path / "model.ckpt")) is None


def test_checkpoint_that_needs_another_reader_counts_as_whole(tmp_path):
    prefix = BundleBuilder(min_consumer=9).write(tmp_path / "model.ckpt")
    assert incompleteness(prefix) is None


def test_reason_names_the_file_that_is_at_fault(tmp_path):
    prefix = small_checkpoint(tmp_path / "model.ckpt")
    os.truncate(shard_path(prefix), 3)
    short = incompleteness(prefix)
    os.remove(shard_path(prefix))
    missing = incompleteness(prefix)
    assert "model.ckpt.data-00000-of-00001" in short
    assert "model.ckpt.data-00000-of-00001" in missing
    assert short != missing
    os.truncate(prefix + ".index", 20)
    assert "model.ckpt.index" in incompleteness(prefix)
    os.remove(prefix + ".index")
    assert incompleteness(prefix)


def test_the_newest_complete_of_each_name_is_found_from_the_highest_step_down(tmp_path):
    for name in ("a-1", "a-2", "b-7"):
        small_checkpoint(tmp_path / name)
    os.remove(shard_path(small_checkpoint(tmp_path / "a-3")))
    (tmp_path / "a-0.index").write_bytes(b"damaged, and never looked at")
    found = newest_in(str(tmp_path))
    assert [one.name for one in found.whole] == ["a-2", "b-7"]
    assert [one.name for one in found.faults] == ["a-3"]
