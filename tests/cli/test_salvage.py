"""``legacy-restore salvage``: one report in two forms, exit codes, streams."""

import json
import os
import re
import shlex
import shutil
import signal

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore.cli import main as main_module
from tests.checkpoint import builders, golden
from tests.cli.commands import run

ENCODER = golden.FOLDER / "tf1_15_two_models" / "encoder"


@pytest.fixture
def damaged(tmp_path):
    """A folder with a copy of a checkpoint of which one byte is another."""
    shutil.copytree(str(ENCODER), str(tmp_path / "encoder"))
    path = tmp_path / "encoder" / "model.ckpt-300.data-00000-of-00001"
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(bytes(data))
    return tmp_path


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_nothing_lost_ends_with_0(tmp_path):
    done = run("salvage", str(ENCODER / "model.ckpt-200"), "out", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "all of 17 tensors saved to out" in done.stdout
    assert names_in(tmp_path) == ["out.data-00000-of-00001", "out.index"]


def test_something_lost_ends_with_1_and_names_it(damaged):
    done = run("salvage", "encoder", "out", cwd=damaged)
    assert (done.returncode, done.stderr) == (1, "")
    assert "16 of 17 known tensors saved to out" in done.stdout
    assert re.search(r"^  batch_norm/beta +lost +its checksum", done.stdout, re.M)
    assert "try: legacy-restore diff encoder/model.ckpt-300 out" in done.stdout
    assert "allow_missing=['batch_norm/beta']" in done.stdout


def test_what_verify_proposes_runs(damaged):
    told = run("verify", "encoder", cwd=damaged).stdout
    command = re.search(r"try: legacy-restore (salvage \S+ OUT)", told).group(1)
    assert run(*shlex.split(command), cwd=damaged).returncode == 1
    assert run("verify", "OUT", cwd=damaged).returncode == 0


def test_text_and_json_are_made_of_one_report(damaged, monkeypatch):
    text = run("salvage", "encoder", "out", cwd=damaged)
    data = run("salvage", "encoder", "out", "--overwrite", "--json", cwd=damaged)
    monkeypatch.chdir(damaged)
    report = lr.salvage("encoder", "out", overwrite=True)
    assert text.stdout == f"{report}\n"
    assert (data.returncode, json.loads(data.stdout)) == (1, report.to_json())
    assert data.stderr == ""


def test_nothing_to_save_ends_with_3_and_writes_nothing(damaged):
    (damaged / "encoder" / "model.ckpt-300.data-00000-of-00001").unlink()
    before = names_in(damaged)
    done = run("salvage", "encoder/model.ckpt-300", "out", cwd=damaged)
    assert done.returncode == 3
    assert "nothing to save; nothing was written" in done.stdout
    data = run("salvage", "encoder/model.ckpt-300", "out", "--json", cwd=damaged)
    assert data.returncode == 3
    assert json.loads(data.stdout)["written"] is None
    assert names_in(damaged) == before


def test_where_nothing_is_it_ends_with_3(tmp_path):
    done = run("salvage", "nowhere", "out", "--json", cwd=tmp_path)
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"] == "LocationError"


def test_what_is_there_is_refused_unless_named(damaged):
    assert run("salvage", "encoder", "out", cwd=damaged).returncode == 1
    done = run("salvage", "encoder/model.ckpt-200", "out", cwd=damaged)
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is a checkpoint already" in done.stderr
    flags = ("encoder/model.ckpt-200", "out", "--overwrite")
    assert run("salvage", *flags, cwd=damaged).returncode == 0


def test_waivers(tmp_path):
    builder = builders.BundleBuilder()
    table = np.arange(12, dtype=np.float32).reshape([4, 3])
    parts = builders.parts_along(0, table.shape, [1, 3])
    builder.add_sliced("table", table, parts).add("u", table).write(tmp_path / "m")
    path = builders.shard_path(str(tmp_path / "m"))
    with open(path, "r+b") as file:
        file.write(b"\xff")
    done = run("salvage", "m", "out", cwd=tmp_path)
    assert done.returncode == 1
    assert "--allow_incomplete=table" in done.stdout
    flags = ("--allow_incomplete=table", "--overwrite")
    done = run("salvage", "m", "out", *flags, cwd=tmp_path)
    # One slice is lost still.
    assert (done.returncode, done.stderr) == (1, "")
    assert "1 saved, 1 saved in part" in done.stdout
    done = run("salvage", "m", "out2", "--allow_undecided=x", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "waiver that permits nothing" in done.stderr
    assert not os.path.exists(str(tmp_path / "out2.index"))


def test_an_interrupt_ends_with_130_and_leaves_nothing(damaged, monkeypatch, capsys):
    monkeypatch.chdir(damaged)
    before = names_in(damaged)

    def interrupt(*args):
        signal.raise_signal(signal.SIGINT) if hasattr(signal, "raise_signal") else (
            os.kill(os.getpid(), signal.SIGINT)
        )

    target = "legacy_restore.checkpoint.shard_writer.ShardWriter.finish"
    monkeypatch.setattr(target, interrupt)
    with pytest.raises(SystemExit) as caught:
        main_module.main(["legacy-restore", "salvage", "encoder", "out"])
    assert caught.value.code == 130
    assert capsys.readouterr().out == ""
    assert names_in(damaged) == before


def test_the_example_of_its_help_runs(tmp_path):
    told = run("salvage", "--help").stdout
    program, *arguments = shlex.split(re.search(r"example:\n  (.*)", told).group(1))
    assert program == "legacy-restore"
    shutil.copytree(str(ENCODER), str(tmp_path / "runs" / "encoder"))
    (tmp_path / "saved").mkdir()
    assert run(*arguments, cwd=tmp_path).returncode == 0
