"""``legacy-restore diff``: one report in two forms, exit codes, streams."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest

import legacy_restore as lr
from tests.checkpoint import builders, golden
from tests.cli.commands import run
from tests.conftest import ROOT

ENCODER = golden.FOLDER / "tf1_15_two_models" / "encoder"
FIRST, SECOND = str(ENCODER / "model.ckpt-100"), str(ENCODER / "model.ckpt-200")

FLAGS = {
    (): {},
    ("--grep=dense", "--grep=step"): {"grep": ["dense", "step"]},
    ("--atol=1", "--rtol=0.1"): {"atol": 1.0, "rtol": 0.1},
    ("--full",): {"read": "all"},
    ("--rename=^dense/=>thick/",): {"rules": [lr.Rename("^dense/", "thick/")]},
}


@pytest.mark.parametrize("flags", list(FLAGS), ids=" ".join)
def test_text_and_json_are_made_of_one_report(flags):
    report = lr.diff(FIRST, SECOND, **FLAGS[flags])
    text = run("diff", FIRST, SECOND, *flags)
    assert (text.returncode, text.stdout, text.stderr) == (1, f"{report}\n", "")
    data = run("diff", FIRST, SECOND, *flags, "--json")
    assert (data.returncode, json.loads(data.stdout)) == (1, report.to_json())
    assert data.stderr == ""


def test_the_example_of_its_help_runs(tmp_path):
    told = run("diff", "--help").stdout
    example = re.search(r"example:\n  (.*)", told).group(1)
    program, *arguments = shlex.split(example)
    assert program == "legacy-restore"
    shutil.copytree(str(ENCODER), str(tmp_path / "runs" / "encoder"))
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "17 tensors: 17 values differ" in done.stdout


def test_equal_ends_with_0_and_within_a_tolerance_too(tmp_path):
    copy = shutil.copytree(str(ENCODER), str(tmp_path / "copy"))
    done = run("diff", FIRST, os.path.join(copy, "model.ckpt-100"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "17 tensors: 17 equal" in done.stdout
    assert run("diff", FIRST, SECOND, "--atol=100").returncode == 0
    assert run("diff", FIRST, SECOND, "--atol=99").returncode == 1


def test_a_pattern_that_is_found_nowhere_is_not_equal():
    done = run("diff", FIRST, FIRST, "--grep=no_such_key")
    assert done.returncode == 1
    assert "error: pattern that is found in no key\n  no_such_key" in done.stdout


@pytest.mark.parametrize(
    "arguments", [("nowhere", FIRST), (FIRST, "nowhere"), ("nowhere", "none")]
)
def test_what_is_missing_ends_with_3(arguments):
    done = run("diff", *arguments)
    assert (done.returncode, done.stdout) == (3, "")
    for one in arguments:
        assert (one == FIRST) or f"no checkpoint at {one}" in done.stderr
    data = run("diff", *arguments, "--json")
    assert data.returncode == 3
    assert json.loads(data.stdout)["ok"] is False


def test_a_damaged_tensor_ends_with_3_though_others_differ(tmp_path):
    prefixes = []
    for name, step in [("a", 1), ("b", 2)]:
        builder = builders.BundleBuilder()
        builder.add("damaged", np.full([2], step, np.float32))
        builder.add("step", np.int64(step))
        prefixes.append(builder.write(str(tmp_path / name)))
    with open(builders.shard_path(prefixes[1]), "r+b") as file:
        file.write(b"\xff")
    text = run("diff", *prefixes)
    assert (text.returncode, text.stderr) == (3, "")
    assert "not compared" in text.stdout
    assert "error: tensor does not match its checksum\n  damaged" in text.stdout
    assert "1 of 1 differ, at most by 1," in text.stdout
    data = run("diff", *prefixes, "--json")
    assert data.returncode == 3
    counts = json.loads(data.stdout)["counts"]
    assert (counts["not compared"], counts["values differ"]) == (1, 1)


def test_the_library_call_loads_neither_tensorflow_nor_absl():
    program = (
        "import sys\n"
        "for name in ('tensorflow', 'absl', 'keras', 'tf_keras'):\n"
        "    sys.modules[name] = None\n"
        "import legacy_restore as lr\n"
        f"report = lr.diff({FIRST!r}, {SECOND!r}, read='all')\n"
        "assert str(report) and report.to_json() and len(report.rows) == 17\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=str(ROOT), check=True)
