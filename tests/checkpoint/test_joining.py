"""Checkpoints that are put together of others, byte by byte."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.checkpoint.joining import Taken, join_checkpoints


@pytest.fixture
def sources(tmp_path):
    """Two open checkpoints: one of whole tensors, one of slices in two files."""
    lr.write_checkpoint(tmp_path / "a", {"x": np.arange(3.0), "s": np.array([b"q"])})
    whole = np.arange(12, dtype=np.float32).reshape(4, 3)
    lr.write_checkpoint(
        tmp_path / "b",
        {"w": whole, "n": np.int64(7), "none": np.zeros((0, 2))},
        shards=2,
        slices={"w": [((0, 0), (2, 3)), ((2, 0), (2, 3))]},
    )
    with lr.open_checkpoint(tmp_path / "a") as a, lr.open_checkpoint(
        tmp_path / "b"
    ) as b:
        yield a, b


def test_tensors_are_copied_with_slices_and_checksums(sources, tmp_path):
    a, b = sources
    taken = Taken(b, {"old/w": "w", "n": "n", "none": "none"})
    join_checkpoints(tmp_path / "c", [Taken(a, {"x": "x", "s": "s"}), taken])
    with lr.open_checkpoint(tmp_path / "c") as joined:
        assert list(joined) == ["n", "none", "old/w", "s", "x"]
        assert joined["old/w"].tolist() == b["w"].tolist()
        assert joined["s"].tolist() == [b"q"]
        assert joined["none"].shape == (0, 2)
        assert joined.slice_crcs("old/w") == b.slice_crcs("w")
        assert joined.entry("n").crc32c == b.entry("n").crc32c
        assert joined.verify().ok
    assert len(list(tmp_path.glob("c.data*"))) == 1


def test_a_damaged_tensor_is_not_copied(sources, tmp_path):
    _, b = sources
    part = b.stored_parts("n")[0]
    with open(part.path, "r+b") as file:
        file.seek(part.offset)
        file.write(b"\xff")
    with pytest.raises(errors.CorruptCheckpointError):
        join_checkpoints(tmp_path / "c", [Taken(b, {"n": "n"})])
    assert not list(tmp_path.glob("c.*"))


def test_nothing_is_written_under_one_key_twice(sources, tmp_path):
    a, b = sources
    with pytest.raises(errors.UsageError):
        join_checkpoints(tmp_path / "c", [Taken(a, {"x": "x"}), Taken(b, {"x": "n"})])
    assert not list(tmp_path.glob("c.*"))
