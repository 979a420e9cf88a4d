"""``legacy-restore inspect`` on golden, damaged and hostile checkpoints."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.examining.contents import contents_of
from tests.checkpoint import builders, golden
from tests.cli.commands import DIGITS, run
from tests.conftest import ROOT

ENCODER = golden.FOLDER / "tf1_15_two_models" / "encoder"


def test_text_and_json_are_made_of_one_report():
    with open_checkpoint(str(ENCODER / "model.ckpt-200")) as checkpoint:
        contents = contents_of(checkpoint)
    text = run("inspect", str(ENCODER / "model.ckpt-200"))
    assert (text.returncode, text.stdout) == (0, f"{contents}\n")
    data = run("inspect", str(ENCODER / "model.ckpt-200"), "--json")
    assert (data.returncode, json.loads(data.stdout)) == (0, contents.to_json())


def test_it_tells_classes_and_totals():
    done = run("inspect", "checkpoints/denoiser")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == "format V2, step 8000, 37 tensors"
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "bn1/moving_mean float32[16] 64 B batch-norm statistic" in lines
    assert "fc/biases/Adam_1 float32[64] 256 B optimizer slot (Adam)" in lines
    assert "weight 10 18,992 74.2 KiB" in lines
    assert "optimizer slot (Adam) 20 37,984 148.4 KiB" in lines
    assert lines[-1] == "total 37 57,043 222.8 KiB"


def test_the_example_of_its_help_runs(tmp_path):
    told = run("inspect", "--help").stdout
    example = re.search(r"example:\n  (.*)", told).group(1)
    program, *arguments = shlex.split(example)
    assert program == "legacy-restore"
    shutil.copytree(str(ENCODER), str(tmp_path / "runs" / "encoder"))
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    prefix = os.path.join("runs", "encoder", "model.ckpt-300")
    assert done.stdout.startswith(f"{prefix}\nformat V2, step 300, 17 tensors\n")


def test_no_tensorflow_is_loaded():
    program = (
        "import json, sys\n"
        "from legacy_restore.cli import main\n"
        f"sys.argv = ['x', 'inspect', {str(ENCODER)!r}]\n"
        "try:\n"
        "    main.main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code\n"
        "print(json.dumps([n for n in sys.modules if n.startswith('tensorflow')]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=str(ROOT),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_a_checkpoint_without_its_data_is_listed_in_both_ways_and_ends_with_3(tmp_path):
    name = "model.ckpt-8000.index"
    shutil.copy(str(DIGITS / "checkpoints" / "denoiser" / name), str(tmp_path / name))
    text = run("inspect", str(tmp_path / "model.ckpt-8000"))
    assert text.returncode == 3
    assert "total" in text.stdout
    assert "error: data file missing" in text.stdout
    data = run("inspect", str(tmp_path / "model.ckpt-8000"), "--json")
    assert data.returncode == 3
    assert json.loads(data.stdout)["ok"] is False


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_keys_and_paths_cannot_write_to_the_terminal(tmp_path, flags):
    directory = tmp_path / "a\x1b[2Jb"
    directory.mkdir()
    prefix = builders.small_checkpoint(str(directory / "model.ckpt-3"))

    def rename(pairs):
        pairs[b"\x1b[31m\n"] = pairs.pop(b"a/kernel")

    builders.rewrite_index(prefix, rename)
    done = run("inspect", prefix, *flags)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "\\x1b[31m\\n" in done.stdout or "\\u001b[31m\\n" in done.stdout
