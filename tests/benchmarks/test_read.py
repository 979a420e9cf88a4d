"""The benchmark of reading runs at tiny sizes, and refuses what reads wrong."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytest.importorskip("tensorflow")
sys.path.insert(0, str(ROOT / "benchmarks"))

import memory
import read_cases
import read_child

PROGRAM = ROOT / "benchmarks" / "read.py"


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("read") / "model.ckpt")
    read_child.write(path, 5, 4)
    return path


def run(*flags, tmp_path):
    """Runs the benchmark to its end; returns exit code, stdout and stderr."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *flags],
        capture_output=True,
        env=environment,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("variant", read_cases.READ_VARIANTS)
@pytest.mark.parametrize("case", ["open", "verify", "read"])
def test_every_variant_reads_and_measures(prefix, case, variant):
    found = read_child.run(prefix, case, variant)
    assert found["seconds"] > 0
    assert (found["peak_bytes"] is None) == (found["remark"] is not None)
    assert found["remark"] is None or not memory.is_available()


def test_a_wrong_reading_is_no_result(prefix, monkeypatch):
    from legacy_restore.checkpoint.checkpoint import Checkpoint

    real = Checkpoint.__getitem__
    monkeypatch.setattr(
        Checkpoint, "__getitem__", lambda self, key: real(self, key) + 1
    )
    with pytest.raises(AssertionError, match="read as something else"):
        read_child.run(prefix, "read", read_cases.OURS)


def test_the_command_measures_cases_and_leaves_no_files(tmp_path):
    names = ["read", "inspect"]
    flags = [*(f"--case={name}" for name in names), "--scale=0.0001", "--rounds=1"]
    code, out, err = run(*flags, "--json", tmp_path=tmp_path)
    assert code == 0, err
    results = json.loads(out)
    assert [one["case"]["name"] for one in results] == names
    for one in results:
        assert tuple(one["variants"]) == read_cases.READ_VARIANTS
        assert one["variants"]["tensorflow"]["speed_against_tensorflow"] == 1
        assert all(len(found["runs"]) == 1 for found in one["variants"].values())
    assert os.listdir(str(tmp_path)) == []


def test_the_table_shows_ratios(tmp_path):
    flags = ["--case=open", "--scale=0.0001", "--rounds=1"]
    code, out, err = run(*flags, tmp_path=tmp_path)
    assert code == 0, err
    header, names, tensorflow, ours, foot = out.rstrip().splitlines()
    assert header.startswith("open: open the index and list it; 10 tensors")
    assert names.split()[-4:] == ["x", "tensorflow", "peak", "memory"]
    assert tensorflow.split()[0] == "tensorflow" and "1.00" in tensorflow
    assert ours.split()[0] == "legacy_restore"
    assert "rounds: 1; TensorFlow" in foot


@pytest.mark.parametrize("flags", [["--rounds=0"], ["--case=huge"], ["--scale=-1"]])
def test_what_cannot_be_meant_is_usage(tmp_path, flags):
    code, out, err = run(*flags, tmp_path=tmp_path)
    assert code == 2, err
    assert out == ""
