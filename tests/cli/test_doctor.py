"""``legacy-restore doctor``: exit codes, and one report for text and JSON."""

import json
import os
import re
import shlex

import pytest

from legacy_restore.examining.doctor import diagnose
from tests.cli.commands import run
from tests.examining.doctor_trees import cut_data, run_of
from tests.graphdef import builders


def test_text_and_json_are_made_of_one_report(tmp_path):
    prefixes = run_of(tmp_path / "run", [100, 200])
    cut_data(prefixes[0])
    found = diagnose(str(tmp_path))
    told = run("doctor", str(tmp_path))
    assert (told.returncode, told.stdout) == (3, f"{found}\n")
    data = run("doctor", str(tmp_path), "--json")
    assert (data.returncode, json.loads(data.stdout)) == (3, found.to_json())


def test_exit_codes(tmp_path):
    (prefix,) = run_of(tmp_path / "run", [100])
    (tmp_path / "empty").mkdir()
    assert run("doctor", "run", cwd=tmp_path).returncode == 0
    assert run("doctor", "run/model.ckpt-100", cwd=tmp_path).returncode == 0
    assert run("doctor", "run@100", "--verify", cwd=tmp_path).returncode == 0
    assert run("doctor", "empty", cwd=tmp_path).returncode == 3
    assert run("doctor", "nowhere", cwd=tmp_path).returncode == 3
    assert run("doctor", cwd=tmp_path).returncode == 2
    assert run("doctor", "run", "--no_such_flag", cwd=tmp_path).returncode == 2
    path = prefix + ".data-00000-of-00001"
    with open(path, "rb") as file:
        data = file.read()
    builders.write(path, bytes([data[0] ^ 1]) + data[1:])
    assert run("doctor", "run", cwd=tmp_path).returncode == 0
    done = run("doctor", "run", "--verify", cwd=tmp_path)
    assert done.returncode == 3
    assert "a/kernel" in done.stdout


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_a_directory_that_cannot_be_listed_ends_with_1(tmp_path):
    run_of(tmp_path / "good", [1])
    (tmp_path / "closed").mkdir(mode=0)
    if os.geteuid() == 0:
        pytest.skip("root may list every directory")
    done = run("doctor", str(tmp_path))
    assert done.returncode == 1
    assert "closed" in done.stdout


def test_where_nothing_is_the_json_is_that_of_an_error():
    done = run("doctor", "nowhere", "--json")
    assert json.loads(done.stdout)["error"] == "LocationError"


def test_the_example_of_its_help_runs(tmp_path):
    told = run("doctor", "--help").stdout
    program, *arguments = shlex.split(re.search(r"example:\n  (.*)", told).group(1))
    assert program == "legacy-restore"
    run_of(tmp_path / "runs", [1])
    assert run(*arguments, cwd=tmp_path).returncode == 0
