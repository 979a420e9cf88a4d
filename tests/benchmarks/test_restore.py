"""The benchmark measures what it says, refuses wrong restores, and leaves nothing."""

import dataclasses
import json
import os
import re
import shlex
import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytest.importorskip("tensorflow")
sys.path.insert(0, str(ROOT / "benchmarks"))

import cases
import child
import memory
import meter as meter_lib
import summary
import variants

PROGRAM = ROOT / "benchmarks" / "restore.py"
TINY = cases.Case("tiny", variables=3, width=4)


@pytest.fixture
def prefixes(tmp_path):
    """Checkpoints of the tiny case."""
    found = {scope: str(tmp_path / scope / "model.ckpt") for scope in TINY.scopes}
    child.write(dataclasses.asdict(TINY), found)
    return found


def start(*flags, tmp_path, program=PROGRAM):
    """Starts the benchmark; temporary files go to ``tmp_path``."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    return subprocess.Popen(
        [sys.executable, str(program), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        universal_newlines=True,
    )


def run(*flags, tmp_path, program=PROGRAM):
    """Runs the benchmark to its end; returns exit code, stdout and stderr."""
    with start(*flags, tmp_path=tmp_path, program=program) as process:
        out, err = process.communicate(timeout=240)
    return process.returncode, out, err


@pytest.mark.parametrize("kind", cases.KINDS)
@pytest.mark.parametrize("variant", cases.VARIANTS)
def test_every_variant_restores_and_measures(prefixes, variant, kind):
    found = child.run(dataclasses.asdict(TINY), prefixes, kind, variant)
    assert 0 < found["seconds_restored"] < found["seconds_first_output"]
    assert found["remark"] is None or not memory.is_available()
    assert found["graph_bytes"] > 0


@pytest.mark.parametrize("variant", cases.VARIANTS)
def test_slots_are_in_the_files_and_in_no_graph(tmp_path, variant):
    case = cases.Case("slots", variables=2, width=4, models=1, slots=2)
    prefixes = {"model_0": str(tmp_path / "model_0" / "model.ckpt")}
    child.write(dataclasses.asdict(case), prefixes)
    reader = variants.tf.train.load_checkpoint(prefixes["model_0"])
    keys = sorted(reader.get_variable_to_shape_map())
    kernel = "layer_0/kernel"
    assert keys[:3] == [kernel, f"{kernel}/Adam", f"{kernel}/Adam_1"]
    assert len(keys) == 6
    assert case.stored_nbytes == 3 * case.nbytes == 3 * 2 * 64
    found = child.run(dataclasses.asdict(case), prefixes, "resource", variant)
    assert found["seconds_restored"] > 0


@pytest.mark.parametrize("kind", cases.KINDS)
def test_the_graph_has_no_values(tmp_path, kind):
    sizes = []
    for width in (2, 100):  # Both sizes take one byte in a GraphDef.
        case = cases.Case("c", variables=3, width=width)
        prefixes = {
            scope: str(tmp_path / str(width) / scope / "model.ckpt")
            for scope in case.scopes
        }
        child.write(dataclasses.asdict(case), prefixes)
        found = child.run(dataclasses.asdict(case), prefixes, kind, "verify=session")
        sizes.append(found["graph_bytes"])
    assert sizes[0] == sizes[1]


def test_a_wrong_restore_is_no_result(prefixes, monkeypatch):
    monkeypatch.setattr(variants.tf.train.Saver, "restore", lambda *arguments: None)
    with pytest.raises(AssertionError, match="another value in the session"):
        child.run(dataclasses.asdict(TINY), prefixes, "resource", "naive")


class Process:
    """A clock and a memory that tests set."""

    def __init__(self, monkeypatch):
        self.seconds = self.resident = self.peak = 0
        self.remark = None
        monkeypatch.setattr(meter_lib.time, "perf_counter", lambda: self.seconds)
        monkeypatch.setattr(memory, "is_available", lambda: True)
        monkeypatch.setattr(memory, "resident", lambda: self.resident)
        monkeypatch.setattr(memory, "peak", lambda: self.peak)
        monkeypatch.setattr(memory, "reset_peak", lambda: self.remark)


def test_builders_are_left_out(monkeypatch):
    process = Process(monkeypatch)
    process.seconds, process.resident = 100, 1000
    meter = meter_lib.Meter()
    meter.start()
    process.seconds, process.resident = 101, 1010  # Ours, before the builder.
    with meter.excluded():
        process.seconds, process.resident = 131, 1310
    process.seconds, process.peak = 133, 1400
    meter.restored()
    process.seconds, process.peak = 137, 9000
    found = meter.first_output()
    assert found == meter_lib.Measurement(3, 7, 100, None)


def test_without_proc_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_STATUS", str(tmp_path / "none"))
    meter = meter_lib.Meter()
    meter.start()
    with meter.excluded():
        pass
    meter.restored()
    found = meter.first_output()
    assert found.peak_bytes is None
    assert "no /proc" in found.remark


@pytest.mark.skipif(not memory.is_available(), reason="there is no /proc")
def test_a_peak_that_cannot_be_reset_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_CLEAR_REFS", str(tmp_path / "no" / "clear_refs"))
    meter = meter_lib.Meter()
    meter.start()
    meter.restored()
    found = meter.first_output()
    assert found.peak_bytes >= 0
    assert "No such file" in found.remark


def runs(*seconds, peak=2000, remark=None, graph_bytes=3_000_000):
    return [
        dataclasses.asdict(
            meter_lib.Measurement(one, one + 1, peak, remark, graph_bytes)
        )
        for one in seconds
    ]


def test_medians_and_ratios():
    case = cases.Case("c", variables=5, width=5)
    found = summary.Summary(
        case, "ref", {"naive": runs(9, 6, 7), "expert": runs(3, 4, 3.5)}
    )
    expert = found.to_json()["variants"]["expert"]
    assert case.nbytes == 1000
    assert expert["seconds_restored"] == 3.5
    assert expert["seconds_first_output"] == 4.5
    assert expert["speed_against_naive"] == 2
    assert expert["speed_against_expert"] == 1
    assert expert["peak_to_weights"] == 2
    line = str(found).splitlines()[-1]
    assert line.split()[1:7] == ["3.500", "s", "(3.000", "-", "4.000)", "2.00"]
    assert line.split()[-2:] == ["2.9", "MiB"]
    assert expert["graph_bytes"] == 3_000_000


def test_what_was_not_measured_is_a_dash():
    unknown = runs(1, peak=None, remark="no /proc", graph_bytes=None)
    found = summary.Summary(TINY, "ref", {"naive": unknown, "expert": unknown})
    assert found.to_json()["variants"]["naive"]["peak_to_weights"] is None
    assert str(found).splitlines()[-1].strip() == "no /proc"
    assert str(found).splitlines()[-2].split()[-3:] == ["-", "-", "-"]


def test_the_command_runs_all_variants_and_leaves_no_files(tmp_path):
    flags = ["--case=small", "--kind=ref", "--scale=0.002", "--rounds=1", "--json"]
    code, out, err = run(*flags, tmp_path=tmp_path)
    assert code == 0, err
    [result] = json.loads(out)
    assert result["case"]["variables"] == 3
    assert tuple(result["variants"]) == cases.VARIANTS
    assert all(len(one["runs"]) == 1 for one in result["variants"].values())
    assert result["environment"]["tensorflow"] == variants.tf.__version__
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize(
    "number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_an_interrupted_benchmark_leaves_no_files(tmp_path, number, code):
    with start("--case=small", "--scale=0.002", tmp_path=tmp_path) as process:
        # Checkpoints are there when the first round begins.
        while "not counted" not in process.stderr.readline():
            assert process.poll() is None
        assert os.listdir(str(tmp_path))
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err.splitlines()[-1].startswith(("interrupted", "ended by signal"))
    assert os.listdir(str(tmp_path)) == []


@pytest.mark.parametrize(
    "flags", [["--rounds=0"], ["--case=vast"], ["--kind=both"], ["--scale=-1"]]
)
def test_what_cannot_be_meant_is_usage(tmp_path, flags):
    code, out, err = run(*flags, tmp_path=tmp_path)
    assert code == 2, err
    assert out == ""


def test_commands_of_the_page_are_understood(tmp_path):
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    commands = [shlex.split(line) for line in "".join(blocks).splitlines()]
    assert commands
    for words in commands:
        words = [word for word in words if not word.startswith("PYTHON=")]
        assert words[0] == "scripts/bench"
        program = PROGRAM
        if words[1:2] in (["read"], ["series"], ["saved_graphs"]):
            program = ROOT / "benchmarks" / words.pop(1)
            program = program.with_suffix(".py")
        code, _, err = run(*words[1:], "--help", tmp_path=tmp_path, program=program)
        assert code == 0, err
    assert os.access(str(ROOT / "scripts" / "bench"), os.X_OK)
