"""Exit codes: 0 good, 1 refused, 2 usage, 3 input, 4 a fault of ours, 130 Ctrl-C."""

import argparse
import json
import os
import shutil
import subprocess
import sys

import pytest

from legacy_restore import errors
from legacy_restore.cli import main as main_module
from tests.cli.commands import CLASSIFIER, DENOISER, DIGITS, run
from tests.conftest import ROOT


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("doctor",),
        ("inspect",),
        ("verify",),
        ("diff",),
        ("salvage",),
        ("estimate",),
        ("plan",),
        ("restore",),
    ],
)
def test_help_is_good_and_shows_an_example(command):
    done = run(*command, "--help")
    assert done.returncode == 0
    assert "example:" in done.stdout or not command
    assert "tensorflow" not in done.stderr.lower()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("no-such-command",),
        ("inspect",),
        ("inspect", "checkpoints/denoiser", "--no_such_flag"),
        ("inspect", "checkpoints/denoiser", "--grep=("),
        ("inspect", "checkpoints/denoiser", "--depth=x", "--tree"),
        ("inspect", "checkpoints/denoiser", "--depth=0", "--tree"),
        ("diff", "checkpoints/denoiser"),
        ("diff", "nowhere", "nowhere", "--grep=("),
        ("diff", "nowhere", "nowhere", "--rename=no-arrow"),
        ("diff", "nowhere", "nowhere", "--rename=(=>x"),
        ("diff", "nowhere", "nowhere", "--atol=-1"),
        ("diff", "nowhere", "nowhere", "--atol=nan"),
        ("diff", "nowhere", "nowhere", "--rtol=much"),
        ("salvage", "checkpoints/denoiser"),
        ("salvage", "checkpoints/denoiser", "checkpoints/denoiser"),
        ("salvage", "checkpoints/denoiser", "checkpoints/denoiser/model.ckpt-8000"),
        ("salvage", "checkpoints/denoiser", "no/such/directory"),
        ("salvage", "checkpoints/denoiser", "out.index"),
        ("salvage", "nowhere", "out", "--allow_undecided=("),
        ("salvage", "nowhere", "out", "--allow_incomplete=("),
        ("estimate",),
        ("estimate", "checkpoints/denoiser", "--memory_limit=12G"),
        ("estimate", "--model=no-separator"),
        ("estimate", "--model=a=checkpoints/denoiser", "--model=a=nowhere"),
        ("estimate", "checkpoints/denoiser", "--weights=a:ema"),
        ("estimate", "--model=a=checkpoints/denoiser", "--weights=a:average"),
        ("estimate", "--model=a=checkpoints/denoiser", "--rename=a:no-arrow"),
        ("plan",),
        ("plan", "--model=no-separator"),
        ("plan", DENOISER[0], "--output_tensor=denoiser:y=no_such_tensor"),
        ("plan", DENOISER[0], "--output_tensor=other:y=denoised"),
        ("plan", DENOISER[0], "--builder=denoiser=models:no_such_function"),
        ("plan", DENOISER[0], "--builder=denoiser=no_such_module:build"),
        ("plan", DENOISER[0], "--builder=denoiser=models"),
        ("plan", *DENOISER, "--allow_missing=other:.*"),
        ("plan", *DENOISER, "--rename=denoiser:no-arrow"),
        ("plan", *DENOISER, "--rename=denoiser:(=>x"),
        ("plan", *DENOISER, "--scope=denoiser=a b"),
        ("plan", *DENOISER, "--weights=denoiser:average"),
        ("plan", *DENOISER, "--weights=other:ema"),
        ("plan", *DENOISER, "--weights=denoiser:ema", "--weights=denoiser:raw"),
        ("plan", *DENOISER, "--device=denoiser:nonsense"),
        ("plan", *DENOISER, "--device=other:/cpu:0"),
        ("plan", *DENOISER, "--device=denoiser:/cpu:0", "--device=denoiser:/gpu:0"),
        ("plan", *DENOISER, "--allow_soft_placement"),
        ("plan", *DENOISER, *DENOISER),
        ("restore", *DENOISER, "--feed=denoiser:images=x.npy"),
        ("restore", *DENOISER, "--output=o.npz", "--feed=other:images=x.npy"),
        ("restore", *DENOISER, "--output=o.npz", "--feed=denoiser:images"),
        ("restore", *DENOISER, "--output=models.py"),
    ],
)
def test_what_cannot_be_meant_is_usage(arguments):
    done = run(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_missing_and_corrupt_inputs(tmp_path):
    assert run("inspect", "nowhere").returncode == 3
    broken = tmp_path / "broken"
    shutil.copytree(str(DIGITS / "checkpoints" / "denoiser"), str(broken))
    index = broken / "model.ckpt-8000.index"
    index.write_bytes(index.read_bytes()[:-1])
    done = run("inspect", str(index)[: -len(".index")])
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    feed = ("--feed=denoiser:images=missing.npy", "--output=o.npz")
    assert run("restore", *DENOISER, *feed).returncode == 3


def test_inspect_lists_the_keys_of_a_checkpoint_without_its_data_and_fails(tmp_path):
    name = "model.ckpt-8000.index"
    shutil.copy(str(DIGITS / "checkpoints" / "denoiser" / name), str(tmp_path / name))
    done = run("inspect", str(tmp_path / "model.ckpt-8000"), "--json")
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert len(found["tensors"]) == 37
    assert [finding["id"] for finding in found["findings"]] == ["shard-missing"]


def test_an_error_shows_no_control_character_of_a_name_of_a_file(tmp_path):
    (tmp_path / "mo\x1b[31mdel.index").write_bytes(b"")
    done = run("inspect", str(tmp_path / "modl"))
    assert done.returncode == 3
    assert "mo\\x1b[31mdel" in done.stderr
    assert "\x1b" not in done.stderr


def test_a_refusal_is_one_and_shows_no_trace_of_tensorflow():
    swapped = ("--model=m=checkpoints/denoiser", "--builder=m=models:build_classifier")
    done = run("restore", *swapped)
    assert done.returncode == 1, done.stderr
    assert "RestoreError: model 'm'" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    planned = run("plan", *swapped, "--json")
    assert planned.returncode == 1
    found = json.loads(planned.stdout)
    assert not found["ok"]
    assert {f["id"] for f in found["findings"] if f["severity"] == "error"} == {
        "missing-key",
        "shape-mismatch",
        "unused-weights",
    }


def test_a_location_that_is_not_there_is_input_also_for_restore():
    gone = ("--model=gone=nowhere", "--builder=gone=models:build_classifier")
    done = run("restore", *DENOISER, *gone, "--json")
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    assert found["error"] == "RestoreError"
    assert "location-not-found" in [finding["id"] for finding in found["findings"]]


def _args(action):
    class Command:
        @staticmethod
        def run(args):
            return action()

    return argparse.Namespace(module=Command, json=False)


def test_a_fault_of_ours_is_four(capsys):
    def fail():
        raise ZeroDivisionError

    assert main_module._run(_args(fail)) == 4
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_every_exception_has_the_exit_code_that_is_documented(capsys):
    for kind, code in [
        (errors.UsageError, 2),
        (errors.LocationError, 3),
        (errors.FileError, 3),
        (errors.MissingDependencyError, 3),
        (errors.CheckError, 1),
        (errors.InputError, 1),
    ]:

        def fail(kind=kind):
            raise kind("told")

        assert main_module._run(_args(fail)) == code
        assert "told" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_interrupt_ends_with_130(tmp_path):
    (tmp_path / "nets.py").write_text(
        "import os, signal\ndef build():\n    os.kill(os.getpid(), signal.SIGINT)\n"
    )
    location = DIGITS / "checkpoints" / "denoiser"
    done = run(
        "restore", "--model=m=" + str(location), "--builder=m=nets:build", cwd=tmp_path
    )
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough_gets_no_trace():
    many = ROOT / "tests" / "golden" / "tf1_15_many" / "model.ckpt"
    process = subprocess.Popen(
        [sys.executable, "-m", "legacy_restore", "inspect", "--json", str(many)],
        cwd=str(ROOT),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.read(10)
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 141
    assert told == b""


@pytest.mark.parametrize(
    "arguments, code", [(("--help",), 0), (("--typo",), 2), ((), 2)]
)
def test_the_script_to_copy_has_the_same_exit_codes(arguments, code):
    done = run(*arguments, script=("scripts/restore_models.py",), cwd=ROOT)
    assert done.returncode == code, done.stderr


def test_the_script_to_copy_says_what_is_wrong():
    flags = ("--encoder=nowhere", "--decoder=examples/digits/checkpoints/denoiser")
    done = run(*flags, script=("scripts/restore_models.py",), cwd=ROOT)
    assert done.returncode == 3, done.stderr
    assert "no checkpoint at nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_flags_can_come_from_a_file(tmp_path):
    flags = tmp_path / "flags.txt"
    flags.write_text("\n".join([*DENOISER, *CLASSIFIER, "--json"]))
    done = run("plan", f"--flagfile={flags}")
    assert done.returncode == 0, done.stderr
    assert [model["name"] for model in json.loads(done.stdout)["models"]] == [
        "denoiser",
        "classifier",
    ]


LOCATION = str(DIGITS / "checkpoints" / "denoiser")


@pytest.mark.parametrize(
    "code",
    ["import sys\nsys.exit(0)\n", "import sys\ndef build():\n    sys.exit(0)\n"],
    ids=["at import", "in the builder"],
)
def test_old_code_that_exits_does_not_end_well(tmp_path, code):
    (tmp_path / "nets.py").write_text(code)
    done = run("plan", f"--model=m={LOCATION}", "--builder=m=nets:build", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "SystemExit" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "--flagfile=no such file"),
        ("plan", *DENOISER, "--connect=a/x=b/y", "--connect=a/x=c/y"),
        ("restore", *DENOISER, "--output="),
    ],
)
def test_more_that_cannot_be_meant_is_usage(arguments):
    done = run(*arguments)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux")
def test_a_full_disk_is_no_fault_of_ours():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "legacy_restore", "inspect", LOCATION],
            cwd=str(ROOT),
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert done.returncode == 3
    assert b"Traceback" not in done.stderr
