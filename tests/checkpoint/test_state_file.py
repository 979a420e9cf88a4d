r"""Tests of the state file ``checkpoint``."""

import os

import pytest

from legacy_restore.checkpoint.state_file import is_state_file, read_state_file
from legacy_restore.checkpoint.wire import FormatError
from tests.checkpoint import golden
from tests.checkpoint.builders import memory_below


@pytest.fixture
def path_of(tmp_path):
    def write(data):
        path = tmp_path / "checkpoint"
        path.write_bytes(data)
        return str(path)

    return write


@pytest.mark.parametrize(
    "data, expected",
    [
        (b'model_checkpoint_path: "model.ckpt-5"\n', "model.ckpt-5"),
        (b"model_checkpoint_path: 'model.ckpt-5'", "model.ckpt-5"),
        (b'model_checkpoint_path:"a b"\r\n', "a b"),
        (b' model_checkpoint_path : "/x/y" # why\n', "/x/y"),
        (b'model_checkpoint_path: ""', ""),
        (rb'model_checkpoint_path: "C:\\train\\model-5"', "C:\\train\\model-5"),
        (rb'model_checkpoint_path: "say \"hi\" \'now\'"', "say \"hi\" 'now'"),
        (rb'model_checkpoint_path: "Gr\303\274\303\237e-5"', "Grüße-5"),
        (rb'model_checkpoint_path: "\x47r\xc3\xbc-5"', "Grü-5"),
        (rb'model_checkpoint_path: "a\tb\nc\1013"', "a\tb\ncA3"),
        ('model_checkpoint_path: "模型-5"'.encode(), "模型-5"),
        (rb'model_checkpoint_path: "\377-5"', os.fsdecode(b"\xff-5")),
    ],
)
def test_path_is_unquoted(path_of, data, expected):
    assert read_state_file(path_of(data)) == expected
    assert is_state_file(path_of(data))


def test_newest_is_told_from_all_that_are_kept(path_of):
    data = b"".join(
        [
            b'model_checkpoint_path: "model.ckpt-300"\n',
            b'all_model_checkpoint_paths: "model.ckpt-100"\n',
            b'all_model_checkpoint_paths: "model.ckpt-300"\n',
            b"all_model_checkpoint_timestamps: 1540000000.25\n",
            b"last_preserved_timestamp: 1540000000.0\n",
        ]
    )
    assert read_state_file(path_of(data)) == "model.ckpt-300"


def test_last_of_two_wins_as_in_text_format(path_of):
    data = b'model_checkpoint_path: "a"\nmodel_checkpoint_path: "b"\n'
    assert read_state_file(path_of(data)) == "b"


@pytest.mark.parametrize(
    "data", [b"", b"\n \n", b'all_model_checkpoint_paths: "model.ckpt-100"\n']
)
def test_file_that_names_no_checkpoint_gives_none(path_of, data):
    assert read_state_file(path_of(data)) is None
    assert not is_state_file(path_of(data))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"not a state file\n", id="prose"),
        pytest.param(b"\x00\x01\x02", id="binary"),
        pytest.param(b'model_checkpoint_path: "never closed\n', id="open quote"),
        pytest.param(b'model_checkpoint_path "a"', id="no colon"),
        pytest.param(b"model_checkpoint_path:", id="no value"),
        pytest.param(b'model_checkpoint_path: "a" }', id="rest"),
        pytest.param(rb'model_checkpoint_path: "a\000b"', id="NUL byte"),
    ],
)
def test_file_of_another_kind_is_refused(path_of, data):
    with pytest.raises(FormatError):
        read_state_file(path_of(data))
    assert not is_state_file(path_of(data))


def test_file_far_too_large_is_refused(tmp_path):
    path = tmp_path / "checkpoint"
    path.write_bytes(b'model_checkpoint_path: "a"\n')
    os.truncate(str(path), 1 << 30)
    with memory_below(1 << 20), pytest.raises(FormatError):
        read_state_file(str(path))


def test_many_kept_checkpoints_are_read_in_reasonable_time(path_of):
    line = b'all_model_checkpoint_paths: "some/where/model.ckpt-%d"\n'
    data = b"".join(line % step for step in range(50_000))
    data += b'model_checkpoint_path: "last"\n'
    assert read_state_file(path_of(data)) == "last"


def test_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    path = str(tmp_path / "checkpoint")
    os.mkfifo(path)
    with pytest.raises(FormatError):
        read_state_file(path)
    assert not is_state_file(path)


def test_absent_file_and_directory_are_no_state_files(tmp_path):
    assert not is_state_file(str(tmp_path))
    assert not is_state_file(str(tmp_path / "absent"))


def test_state_file_of_tensorflow_1_15_is_read():
    path = golden.FOLDER / "tf1_15_two_models" / "encoder" / "checkpoint"
    assert read_state_file(str(path)) == "model.ckpt-300"
