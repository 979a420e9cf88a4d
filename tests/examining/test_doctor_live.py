"""A diagnosis of what changes meanwhile, and of whatever may lie around."""

import os
import shutil
import threading
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from legacy_restore.examining import doctor_checkpoint, doctor_remarks
from legacy_restore.examining.doctor import diagnose
from tests.checkpoint import golden
from tests.checkpoint.builders import small_checkpoint
from tests.examining.doctor_trees import HTML, LFS, ids_of, run_of, small_v1_at
from tests.graphdef import builders

_LOOKS = 60


def remove(prefix):
    """Deletes a checkpoint as TensorFlow does: the index first."""
    os.remove(prefix + ".index")
    os.remove(prefix + ".data-00000-of-00001")


def save(folder, made, step):
    """Writes a checkpoint as TensorFlow does: the index last, by renaming."""
    temporary = folder / f"model.ckpt-{step}_temp_{step:032x}"
    temporary.mkdir()
    part = str(temporary / "part-00000-of-00001")
    for suffix in (".data-00000-of-00001", ".index"):
        shutil.copy(made + suffix, part + suffix)
    prefix = str(folder / f"model.ckpt-{step}")
    for suffix in (".data-00000-of-00001", ".index"):
        os.rename(part + suffix, prefix + suffix)
    temporary.rmdir()
    return prefix


def test_nothing_is_called_wrong_while_a_job_writes_and_deletes(tmp_path):
    made = small_checkpoint(tmp_path / "made")
    folder = tmp_path / "run"
    folder.mkdir()
    kept = [save(folder, made, 1)]
    stop = threading.Event()
    failed = []

    def train():
        step = 1
        try:
            while not stop.is_set():
                step += 1
                kept.append(save(folder, made, step))
                with open(str(folder / "checkpoint.new"), "w") as file:
                    file.write(f'model_checkpoint_path: "model.ckpt-{step}"\n')
                os.rename(str(folder / "checkpoint.new"), str(folder / "checkpoint"))
                if len(kept) > 2:
                    remove(kept.pop(0))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        for read in ["index", "all"] * (_LOOKS // 2):
            found = diagnose(folder, read=read)
            wrong = ids_of(one for one in found.findings if one.is_error)
            assert wrong == [], found.findings
            assert all(row.is_complete for row in found.checkpoints)
    finally:
        stop.set()
        thread.join()
    assert failed == []


def test_a_checkpoint_that_vanishes_is_a_remark(tmp_path, monkeypatch):
    first, second = run_of(tmp_path, [1, 2])
    opened = doctor_checkpoint.open_prefix

    def open_prefix(prefix):
        if prefix == first and os.path.exists(prefix + ".index"):
            remove(prefix)
        return opened(prefix)

    monkeypatch.setattr(doctor_checkpoint, "open_prefix", open_prefix)
    found = diagnose(tmp_path)
    assert [row.prefix for row in found.checkpoints] == [second]
    assert ids_of(found.findings) == ["checkpoint-vanished"]
    assert found.exit_code == 0


def test_one_that_vanishes_behind_the_reader_is_no_fault(tmp_path, monkeypatch):
    first, second = run_of(tmp_path, [1, 2])
    opened = doctor_checkpoint.open_prefix

    def open_prefix(prefix):
        checkpoint = opened(prefix)
        if prefix == first:
            remove(prefix)
        return checkpoint

    monkeypatch.setattr(doctor_checkpoint, "open_prefix", open_prefix)
    found = diagnose(tmp_path, read="all")
    assert [row.prefix for row in found.checkpoints] == [second]
    assert ids_of(found.findings) == ["checkpoint-vanished"]


_STEMS = ["model.ckpt-1", "model.ckpt", "checkpoint", "variables", "saved_model.pb"]
_SUFFIXES = [
    "",
    ".index",
    ".data-00000-of-00001",
    ".data-00001-of-00002",
    ".meta",
    ".pb",
    ".pbtxt",
    ".tempstate1",
    "-00000-of-00002",
    "-?????-of-00002",
    ".zip",
    "txt",
]
_FOLDERS = ["", "a", "variables", "x_temp", ".legacy_restore-1", "a/[b]", "export/1"]


def _sources():
    """Contents of files of ours, to be cut and changed."""
    encoder = golden.FOLDER / "tf1_15_two_models" / "encoder"
    meta = builders.everything()
    return [
        (encoder / "model.ckpt-100.index").read_bytes(),
        (encoder / "model.ckpt-100.data-00000-of-00001").read_bytes(),
        (golden.FOLDER / "tf1_0_v1" / "model.ckpt").read_bytes(),
        meta,
        builders.saved_model(meta),
        builders.graph(builders.constant("c")),
        b'model_checkpoint_path: "model.ckpt-1"\n',
        b'model_checkpoint_path: "/x/\\377\\000"\n',
        b'model_checkpoint_path: "' + b"long/" * 2000 + b'"\n',
        b'node {\n  name: "x"\n}\n',
        LFS,
        HTML,
        b"",
        bytes(300),
        b"PK\3\4" + bytes(40),
    ]


_SOURCES = _sources()


@st.composite
def _files(draw):
    path = draw(st.sampled_from(_FOLDERS)) + "/" + draw(st.sampled_from(_STEMS))
    data = bytearray(draw(st.sampled_from(_SOURCES)))
    for _ in range(draw(st.integers(0, 2))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] ^= draw(st.integers(1, 255))
    if draw(st.booleans()):
        del data[draw(st.integers(0, len(data))) :]
    return path + draw(st.sampled_from(_SUFFIXES)), bytes(data)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(files=st.lists(_files(), max_size=10), read=st.sampled_from(["index", "all"]))
def test_whatever_lies_around_gives_a_diagnosis(tmp_path, files, read):
    root = tmp_path / "tree"
    if root.exists():
        shutil.rmtree(str(root))
    root.mkdir()
    for name, data in files:
        path = root / name.lstrip("/")
        if path.is_dir() or any(one.is_file() for one in path.parents):
            continue  # The name is taken.
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    with mock.patch.object(doctor_remarks, "_MOMENT_SECONDS", 0):
        found = diagnose(root, read=read)
    assert str(found)
    assert found.to_json()["version"] == 1
    assert found.exit_code in (0, 1, 3)
    for row in found.checkpoints:
        assert row.is_complete == (not row.faults)


def test_a_v1_file_that_is_cut_anywhere_is_never_called_complete(tmp_path):
    path = small_v1_at(tmp_path / "model.ckpt-1")
    with open(path, "rb") as file:
        data = file.read()
    for size in range(0, len(data), 7):
        builders.write(path, data[:size])
        assert diagnose(tmp_path).exit_code == 3, size
