"""Other files in the place of a checkpoint's, recognised by what they begin with."""

import gzip
import io
import os
import pickle
import shutil
import tarfile
import zipfile

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.checkpoint.files import PositionedFile
from legacy_restore.checkpoint.lookalikes import recognize
from legacy_restore.checkpoint.verifying import verify_checkpoint
from tests.checkpoint import golden
from tests.checkpoint.builders import memory_below, shard_path, small_checkpoint

OID = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
POINTER = (
    f"version https://git-lfs.github.com/spec/v1\noid sha256:{OID}\nsize 91267\n"
).encode()
PAGE = b"<!DOCTYPE html>\n<html><head><title>Google Drive\n - Warning</title></head>"


def zipped(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"contents")
    return buffer.getvalue()


def tarred():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.ckpt.index"))
    return buffer.getvalue()


def saved(function, *arguments):
    buffer = io.BytesIO()
    function(buffer, *arguments)
    return buffer.getvalue()


FILES = {
    "LFS": (POINTER, "a Git LFS pointer", "git lfs pull"),
    "LFS with CRLF": (POINTER.replace(b"\n", b"\r\n"), "a Git LFS pointer", "pull"),
    "HTML": (PAGE, "an HTML page (Google Drive - Warning)", "the file itself"),
    "HTML with a mark": (b"\xef\xbb\xbf\n <HTML>", "an HTML page", "the file itself"),
    "XHTML": (b"<?xml version='1.0'?>\n<html xmlns='x'>", "an HTML page", "itself"),
    "XML": (
        b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
        "an XML document (<?xml version='1.0'?><Error><Code>AccessDenied",
        "again",
    ),
    "XML without a head": (b"<Error><Code>1</Code></Error>", "an XML document", ""),
    "JSON": (b'{\n "message": "Not Found"}\n', "a JSON document ({", "again"),
    "state file": (b'model_checkpoint_path: "m"\n', "a state file", "directory"),
    "empty": (b"", "empty", "again"),
    "zeros": (bytes(5000), "nothing but zeros", "again"),
    "gzip": (gzip.compress(b"model.ckpt"), "a gzip archive", "tar -xzf"),
    "zip": (zipped("model.ckpt.index"), "a zip archive", "unzip"),
    "cut .keras": (zipped("metadata.json"), "a file of Keras (.keras)", "whole"),
    "tar": (tarred(), "a tar archive", "tar -xf"),
    "npz": (saved(np.savez, np.zeros(3)), "arrays that NumPy saved", ".index"),
    "npy": (saved(np.save, np.zeros(3)), "an array that NumPy saved", ".index"),
    "PyTorch": (zipped("archive/data.pkl"), "a file that PyTorch saved", ".index"),
    "old PyTorch": (
        pickle.dumps(0x1950A86A20F9469CFC6C, 2),
        "a file that PyTorch saved",
        "",
    ),
    "pickle": (pickle.dumps({"w": [1.0]}, 2), "a Python pickle", ".index"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(90), "an HDF5 file", ".index"),
    "safetensors": (
        (16).to_bytes(8, "little") + b'{"w":{"dtype":1}}' + bytes(8),
        "a safetensors file",
        ".index",
    ),
    "AppleDouble": (b"\0\5\x16\7\0\2\0\0" + bytes(90), "metadata of macOS", "._"),
    "saved as text": (b"a\xef\xbf\xbd" * 20, "a binary file that was saved", "binary"),
}


@pytest.fixture(params=sorted(FILES))
def other(request):
    return FILES[request.param]


@pytest.fixture
def prefix(tmp_path):
    return small_checkpoint(tmp_path / "model.ckpt")


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def recognized(path):
    file = PositionedFile(str(path))
    try:
        return recognize(file)
    finally:
        file.close()


def test_it_is_known_by_its_first_bytes(other, tmp_path):
    data, what, hint = other
    write(tmp_path / "file", data)
    found = recognized(tmp_path / "file")
    assert str(found).startswith(what)
    assert hint in found.hint
    assert str(found).isprintable()


def test_index_that_is_something_else_is_refused_with_what_to_do(other, prefix):
    data, what, hint = other
    write(prefix + ".index", data)
    with pytest.raises(errors.CorruptCheckpointError) as caught:
        open_checkpoint(prefix)
    (finding,) = caught.value.findings
    assert (finding.id, finding.subject) == ("not-a-checkpoint", prefix + ".index")
    assert what in caught.value.message
    assert hint in caught.value.hint
    report = verify_checkpoint(prefix)
    assert report.rows == ()
    assert finding in report.findings


def test_data_file_that_is_something_else_is_named_with_what_to_do(other, prefix):
    data, what, hint = other
    write(shard_path(prefix), data)
    report = verify_checkpoint(prefix)
    assert len(report.lost) == len(report.rows) == 3
    told = [one for one in report.findings if one.subject == shard_path(prefix)]
    assert len(told) == 1
    assert what in told[0].message
    assert hint in told[0].hint
    with open_checkpoint(prefix) as checkpoint:
        for row in report.rows:
            assert row.status.value == "missing data"
            with pytest.raises(errors.CorruptCheckpointError) as caught:
                checkpoint[row.key]
            assert what.split(" (")[0] in caught.value.message
            assert hint in caught.value.hint


def test_file_that_is_something_else_is_no_checkpoint(other, tmp_path):
    data, what, hint = other
    if "state file" in what:
        pytest.skip("it names a checkpoint")
    if "HDF5" in what:
        pytest.skip("it is read, if it is not damaged")
    write(tmp_path / "model.ckpt", data)
    with pytest.raises(errors.UnsupportedCheckpointError) as caught:
        open_checkpoint(tmp_path / "model.ckpt")
    assert what in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("prefix", golden.prefixes())
def test_no_file_of_a_sound_checkpoint_is_taken_for_another(prefix):
    with open_checkpoint(golden.path_of(prefix)) as checkpoint:
        for path in checkpoint.paths():
            assert recognized(path) is None


def test_contents_that_begin_as_another_file_are_a_checkpoint(tmp_path):
    # A data file may begin as anything: it is only looked at when it is damaged.
    path = small_checkpoint(tmp_path / "model.ckpt")
    with open_checkpoint(path) as checkpoint:
        size = os.path.getsize(shard_path(path))
        expected = {key: checkpoint[key].tobytes() for key in ("a/kernel", "b/step")}
    assert size < 4096
    from tests.checkpoint.builders import BundleBuilder

    head = np.frombuffer(POINTER.ljust(160, b"\n"), np.uint8)
    path = BundleBuilder().add("a", head).add("z", np.zeros(9)).write(path)
    assert verify_checkpoint(path).ok
    with open_checkpoint(path) as checkpoint:
        assert checkpoint["a"].tobytes() == head.tobytes()
    assert expected


def test_index_that_is_cut_off_or_ends_in_zeros_is_told(prefix):
    with open(prefix + ".index", "rb") as file:
        data = file.read()
    for length in range(1, len(data)):
        write(prefix + ".index", data[:length])
        with pytest.raises(errors.CorruptCheckpointError) as caught:
            open_checkpoint(prefix)
        assert caught.value.findings[0].id in ("corrupt", "not-a-checkpoint")
        assert caught.value.hint == "download or copy the file again"
    write(prefix + ".index", data[:-100].ljust(len(data), b"\0"))
    with pytest.raises(errors.CorruptCheckpointError, match="ends in zeros"):
        open_checkpoint(prefix)


def test_large_file_of_zeros_is_recognised_in_little_memory(tmp_path):
    path = tmp_path / "file"
    write(path, b"")
    os.truncate(str(path), 64 << 20)
    with memory_below(4 << 20):
        assert recognized(path).what.startswith("nothing but zeros")
    with open(str(path), "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\1")
    assert recognized(path) is None


def test_path_in_a_hint_is_quoted_for_the_shell(tmp_path):
    path = tmp_path / "it's here; rm"
    write(path, gzip.compress(b""))
    assert shutil.which("true") is None or "'\"'\"'" in recognized(path).hint
