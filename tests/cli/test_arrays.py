"""Arrays in files."""

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.cli import arrays


def test_what_is_written_can_be_read_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "out.npz"
    text = np.array([[b"a"], [b""], [b"\xff\x00b"]], dtype=object)
    arrays.write_npz(str(path), {"m/text": text, "m/number": np.float32(3)})
    assert [one.name for one in tmp_path.iterdir()] == ["out.npz"]
    with np.load(str(path), allow_pickle=False) as found:
        assert found["m/text"].tolist() == text.tolist()
        assert found["m/number"] == np.float32(3)


def test_strings_that_a_fixed_width_would_cut_are_refused(tmp_path):
    text = np.array([b"ends in zero\x00", b"longer than the first one"], dtype=object)
    with pytest.raises(errors.FileError):
        arrays.write_npz(str(tmp_path / "out.npz"), {"m": text})
    assert list(tmp_path.iterdir()) == []


def test_bfloat16_is_written_without_loss(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    values = np.array([1.5, -2, np.inf]).astype(ml_dtypes.bfloat16)
    arrays.write_npz(str(tmp_path / "out.npz"), {"m": values})
    with np.load(str(tmp_path / "out.npz")) as found:
        assert found["m"].dtype == np.float32
        assert found["m"].tolist() == [1.5, -2, np.inf]


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_a_file_without_an_array_is_an_error_of_ours(tmp_path, content):
    path = tmp_path / "feed.npy"
    path.write_bytes(content)
    with pytest.raises(errors.FileError) as caught:
        arrays.read_npy(str(path))
    assert caught.value.exit_code == 3


def test_pickles_are_never_loaded(tmp_path):
    path = tmp_path / "feed.npy"
    np.save(str(path), np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(errors.FileError):
        arrays.read_npy(str(path))


def test_a_directory_that_is_not_there_is_an_error_of_ours(tmp_path):
    with pytest.raises(errors.FileError):
        arrays.write_npz(str(tmp_path / "no" / "out.npz"), {"m": np.zeros(1)})


def test_any_name_can_be_written(tmp_path):
    path = str(tmp_path / "out.npz")
    arrays.write_npz(path, {"file": np.arange(2), "args": np.arange(3)})
    with np.load(path) as found:
        assert sorted(found) == ["args", "file"]


def test_an_archive_instead_of_an_array_is_an_error_of_ours(tmp_path):
    path = tmp_path / "feed.npy"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(errors.FileError):
        arrays.read_npy(str(path))
