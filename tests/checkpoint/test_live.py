"""Reading while a training job writes, rotates and deletes checkpoints."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import (
    bundle,
    directory,
    open_checkpoint,
    open_prefix,
    opening,
    v1,
)
from legacy_restore.checkpoint.files import PositionedFile
from tests.checkpoint.builders import BundleBuilder, shard_path
from tests.checkpoint.v1_builders import V1Builder
from tests.conftest import ROOT

KEYS = ["a", "b", "c"]


def write(folder, step, value=None):
    """A checkpoint in which every number is its step."""
    builder = BundleBuilder(num_shards=2)
    for number, key in enumerate(KEYS):
        values = np.full([500], step if value is None else value, np.float32)
        builder.add(key, values, shard=number % 2)
    return builder.write(folder / f"model.ckpt-{step}")


def delete(prefix):
    """Deletes a checkpoint as TensorFlow does: the index first."""
    path = pathlib.Path(prefix)
    for one in sorted(path.parent.glob(path.name + ".*"), reverse=True):
        one.unlink()


def values_of(checkpoint):
    return {float(number) for key in checkpoint for number in checkpoint[key]}


def meanwhile(monkeypatch, module, name, *actions):
    """Carries out one action before each of the first calls of a function."""
    waiting = list(actions)
    function = getattr(module, name)

    def call(*args):
        if waiting:
            waiting.pop(0)()
        return function(*args)

    monkeypatch.setattr(module, name, call)


@pytest.fixture(params=["", "@latest"])
def newest(request, tmp_path):
    write(tmp_path, 1)
    write(tmp_path, 2)
    return str(tmp_path) + request.param


def test_what_is_open_stays_readable_when_it_is_deleted(tmp_path):
    prefix = write(tmp_path, 1)
    with open_checkpoint(prefix) as checkpoint:
        delete(prefix)
        assert values_of(checkpoint) == {1.0}
        assert checkpoint.findings == []


def test_what_is_open_stays_as_it_was_when_it_is_written_anew(tmp_path):
    prefix = write(tmp_path, 1)
    with open_checkpoint(prefix) as checkpoint:
        delete(prefix)  # TensorFlow renames new files over the old ones.
        write(tmp_path, 1, value=5)
        assert values_of(checkpoint) == {1.0}


def test_the_next_newest_is_taken_when_the_newest_vanishes(
    newest, tmp_path, monkeypatch
):
    meanwhile(
        monkeypatch, opening, "open_reader", lambda: delete(tmp_path / "model.ckpt-2")
    )
    with open_checkpoint(newest) as checkpoint:
        assert values_of(checkpoint) == {1.0}
        assert checkpoint.prefix == str(tmp_path / "model.ckpt-1")
        assert checkpoint.location.given == newest
    remark = checkpoint.findings[0]
    assert remark.id == "checkpoint-vanished"
    assert remark.subject == str(tmp_path / "model.ckpt-2")


def test_several_may_vanish_one_after_the_other(tmp_path, monkeypatch):
    for step in (1, 2, 3):
        write(tmp_path, step)
    meanwhile(
        monkeypatch,
        opening,
        "open_reader",
        lambda: delete(tmp_path / "model.ckpt-3"),
        lambda: delete(tmp_path / "model.ckpt-2"),
    )
    with open_checkpoint(tmp_path) as checkpoint:
        assert values_of(checkpoint) == {1.0}
        ids = [finding.id for finding in checkpoint.findings]
    assert ids.count("checkpoint-vanished") == 2


def test_a_prefix_that_vanishes_is_an_error(tmp_path, monkeypatch):
    write(tmp_path, 1)
    prefix = write(tmp_path, 2)
    meanwhile(monkeypatch, opening, "open_reader", lambda: delete(prefix))
    with pytest.raises(errors.LocationError, match="deleted while it was opened"):
        open_checkpoint(prefix)


def test_a_step_that_vanishes_is_an_error(tmp_path, monkeypatch):
    write(tmp_path, 1)
    prefix = write(tmp_path, 2)
    meanwhile(monkeypatch, opening, "open_reader", lambda: delete(prefix))
    with pytest.raises(errors.LocationError, match="2"):
        open_checkpoint(f"{tmp_path}@2")


def after_the_index(monkeypatch, action):
    """Carries out an action when an index was read and no data file is open yet."""
    read = bundle.read_index
    waiting = [action]

    def read_index(path):
        index = read(path)
        if waiting:
            waiting.pop()()
        return index

    monkeypatch.setattr(bundle, "read_index", read_index)


def test_data_files_that_vanish_behind_the_index_are_an_error(tmp_path, monkeypatch):
    prefix = write(tmp_path, 1)
    after_the_index(monkeypatch, lambda: delete(prefix))
    with pytest.raises(errors.LocationError, match="deleted while it was opened"):
        open_checkpoint(prefix)


def test_data_files_that_vanish_behind_the_index_lead_to_the_next(
    tmp_path, monkeypatch
):
    write(tmp_path, 1)
    prefix = write(tmp_path, 2)
    monkeypatch.setattr(
        opening,
        "open_reader",
        lambda one: (
            (after_the_index(monkeypatch, lambda: delete(prefix)), one)
            and bundle.Bundle(one)
        ),
    )
    with open_checkpoint(tmp_path) as checkpoint:
        assert values_of(checkpoint) == {1.0}


def test_index_and_data_are_of_one_step_when_it_is_written_anew(tmp_path, monkeypatch):
    prefix = write(tmp_path, 1)

    def write_anew():
        delete(prefix)
        write(tmp_path, 1, value=5)

    after_the_index(monkeypatch, write_anew)
    with open_checkpoint(prefix) as checkpoint:
        assert values_of(checkpoint) == {5.0}


def test_a_damaged_read_of_one_that_was_written_anew_says_so(tmp_path):
    prefix = write(tmp_path, 1)
    with open_checkpoint(prefix) as checkpoint:
        os.truncate(shard_path(prefix, 0, 2), 100)
        with pytest.raises(errors.CorruptCheckpointError) as before:
            checkpoint["a"]
        delete(prefix)
        write(tmp_path, 1, value=5)
        with pytest.raises(errors.CorruptCheckpointError) as after:
            checkpoint["a"]
    assert "replaced" not in str(before.value)
    assert "replaced or deleted meanwhile" in str(after.value)
    assert after.value.hint == "open the checkpoint again"


def test_one_that_is_written_anew_all_the_time_is_an_error(tmp_path, monkeypatch):
    prefix = write(tmp_path, 1)
    read = bundle.read_index

    def read_index(path):
        index = read(path)
        delete(prefix)
        write(tmp_path, 1)
        return index

    monkeypatch.setattr(bundle, "read_index", read_index)
    with pytest.raises(errors.CorruptCheckpointError, match="written anew 5 times"):
        open_checkpoint(prefix)


def test_all_that_were_listed_may_have_given_way_to_others(tmp_path, monkeypatch):
    write(tmp_path, 1)
    write(tmp_path, 2)

    def go_on():
        for step in (1, 2):
            delete(tmp_path / f"model.ckpt-{step}")
        for step in (3, 4):
            write(tmp_path, step)

    meanwhile(monkeypatch, directory, "incompleteness", go_on)
    with open_checkpoint(tmp_path) as checkpoint:
        assert values_of(checkpoint) == {4.0}


TRAINING_JOB = """
import sys
import tensorflow.compat.v1 as tf

tf.disable_eager_execution()
value = tf.placeholder(tf.float32, [])
variables = [tf.get_variable(f"v{n}", [2000]) for n in range(12)]
assign = [variable.assign(tf.fill([2000], value)) for variable in variables]
saver = tf.train.Saver(max_to_keep=2, sharded=True)
with tf.Session() as session:
    for step in range(1, 10 ** 9):
        session.run(assign, {value: step})
        saver.save(session, sys.argv[1], step, write_meta_graph=False)
        print(step, flush=True)
        if sys.stdin.readline() == "":
            break
"""


@pytest.mark.slow
def test_a_reader_beside_a_training_job_sees_one_step_at_a_time(tmp_path):
    pytest.importorskip("tensorflow")
    job = subprocess.Popen(
        [sys.executable, "-c", TRAINING_JOB, str(tmp_path / "model.ckpt")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        universal_newlines=True,
        cwd=str(ROOT),
    )
    try:
        job.stdout.readline()
        job.stdin.write("\n" * 20000)  # It need not wait for us.
        job.stdin.flush()
        seen = []
        # However little of the processor the job gets, it has to go on meanwhile.
        while len(seen) < 200 or len(set(seen)) == 1:
            seen.append(_step_read(tmp_path))
    finally:
        job.kill()
        job.communicate()
    assert seen == sorted(seen)


def _step_read(folder):
    with open_checkpoint(folder) as checkpoint:
        [value] = values_of(checkpoint)
        assert not any(finding.is_error for finding in checkpoint.findings)
    assert checkpoint.prefix.endswith(f"-{int(value)}")
    return value


# V1 files have no index that tells of a change: they are looked at again.


def write_v1(folder, step, value=None):
    """Writes two shards aside and renames them, one after the other, as Savers do."""
    for shard in range(2):
        path = folder / f"model.ckpt-{step}-{shard:05d}-of-00002"
        values = np.full([50], step if value is None else value, np.float32)
        V1Builder().add(KEYS[shard], values).write(f"{path}.new")
        os.replace(f"{path}.new", path)


def delete_v1(folder, step):
    for path in folder.glob(f"model.ckpt-{step}-*"):
        path.unlink()


def test_v1_shards_of_two_steps_are_never_joined(tmp_path, monkeypatch):
    write_v1(tmp_path, 1)
    anew = [lambda: write_v1(tmp_path, 1, value=5)]
    meanwhile(monkeypatch, v1, "parse_metadata", *anew)
    with open_prefix(f"{tmp_path}/model.ckpt-1-?????-of-00002") as checkpoint:
        assert sorted(checkpoint) == ["a", "b"]
        assert values_of(checkpoint) == {5.0}


def test_v1_shards_that_contradict_others_only_meanwhile_are_read(
    tmp_path, monkeypatch
):
    write_v1(tmp_path, 1)

    def swap():
        first, second = sorted(tmp_path.glob("model.ckpt-1-*"))
        (tmp_path / "kept").write_bytes(first.read_bytes())
        os.replace(second, first)
        os.replace(tmp_path / "kept", second)

    meanwhile(monkeypatch, v1, "parse_metadata", swap)
    with open_prefix(f"{tmp_path}/model.ckpt-1-?????-of-00002") as checkpoint:
        assert sorted(checkpoint) == ["a", "b"]


def test_v1_shards_that_are_written_again_and_again_are_an_error(tmp_path, monkeypatch):
    write_v1(tmp_path, 1)
    anew = [lambda: write_v1(tmp_path, 1)] * 20
    meanwhile(monkeypatch, v1, "parse_metadata", *anew)
    with pytest.raises(errors.CorruptCheckpointError, match="anew"):
        open_prefix(f"{tmp_path}/model.ckpt-1-?????-of-00002")


def test_v1_shards_that_vanish_lead_to_the_next(tmp_path, monkeypatch):
    write_v1(tmp_path, 1)
    write_v1(tmp_path, 2)
    opened = v1.V1Files

    def open_reader(prefix):
        meanwhile(monkeypatch, v1, "parse_metadata", lambda: delete_v1(tmp_path, 2))
        monkeypatch.setattr(opening, "open_reader", opened)
        return opened(prefix)

    monkeypatch.setattr(opening, "open_reader", open_reader)
    with open_checkpoint(tmp_path) as checkpoint:
        assert values_of(checkpoint) == {1.0}
        assert checkpoint.findings[0].id == "checkpoint-vanished"


def test_closing_while_another_thread_reads_is_no_damage(tmp_path, monkeypatch):
    """The number of a closed file may be that of any other by then."""
    checkpoint = open_checkpoint(write(tmp_path, 1))

    def fail(*args):
        checkpoint.close()
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(PositionedFile, "_read_some", fail)
    with pytest.raises(errors.ClosedError):
        checkpoint["a"]


def test_nothing_is_opened_once_it_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "_MAX_OPENED_AT_ONCE", 0)
    reader = bundle.Bundle(write(tmp_path, 1))
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.read("a")


def test_what_is_opened_late_is_of_the_directory_that_was_the_current_one(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(bundle, "_MAX_OPENED_AT_ONCE", 0)
    write(tmp_path, 1)
    (tmp_path / "other").mkdir()
    write(tmp_path / "other", 1, value=5)
    monkeypatch.chdir(tmp_path)
    with open_checkpoint("model.ckpt-1") as checkpoint:
        monkeypatch.chdir(tmp_path / "other")
        assert values_of(checkpoint) == {1.0}
