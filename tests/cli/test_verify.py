"""``legacy-restore verify`` on sound, damaged and hostile checkpoints."""

import json
import os
import re
import shlex
import shutil

import pytest

from legacy_restore.checkpoint.verifying import verify_checkpoint
from tests.checkpoint import golden
from tests.cli.commands import run

ENCODER = golden.FOLDER / "tf1_15_two_models" / "encoder"


@pytest.fixture
def damaged(tmp_path):
    """A copy of a checkpoint of which one byte is another."""
    shutil.copytree(str(ENCODER), str(tmp_path / "encoder"))
    path = tmp_path / "encoder" / "model.ckpt-300.data-00000-of-00001"
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(bytes(data))
    return str(tmp_path / "encoder")


def test_sound_checkpoint_ends_with_0():
    done = run("verify", str(ENCODER / "model.ckpt-200"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1] == "format V2, 17 tensors: 17 ok"


def test_damaged_checkpoint_ends_with_3_and_names_the_tensor(damaged):
    done = run("verify", damaged)
    assert done.returncode == 3
    assert "16 of 17 tensors can be saved" in done.stdout
    assert re.search(r"^  batch_norm/beta +corrupt ", done.stdout, re.MULTILINE)


def test_text_and_json_are_made_of_one_report(damaged):
    report = verify_checkpoint(damaged)
    assert run("verify", damaged).stdout == f"{report}\n"
    data = run("verify", damaged, "--json")
    assert (data.returncode, json.loads(data.stdout)) == (3, report.to_json())


def test_damaged_index_is_reported_and_not_an_error(damaged):
    index = os.path.join(damaged, "model.ckpt-300.index")
    with open(index, "wb") as file:
        file.write(b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n")
    done = run("verify", index)
    assert done.returncode == 3
    assert "a Git LFS pointer" in done.stdout
    assert "try: git lfs pull" in done.stdout


def test_where_nothing_is_it_ends_with_3():
    done = run("verify", "nowhere", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"] == "LocationError"


def test_the_example_of_its_help_runs(tmp_path):
    told = run("verify", "--help").stdout
    program, *arguments = shlex.split(re.search(r"example:\n  (.*)", told).group(1))
    assert program == "legacy-restore"
    shutil.copytree(str(ENCODER), str(tmp_path / "runs" / "encoder"))
    assert run(*arguments, cwd=tmp_path).returncode == 0
