"""``legacy-restore convert``: both ways, exit codes, the report as JSON."""

import json

import numpy as np
import pytest

import legacy_restore as lr
from tests.cli.commands import run


@pytest.fixture
def folder(tmp_path):
    tensors = {"w": np.ones([2], "f4"), "w/Momentum": np.ones([2], "f4")}
    lr.write_checkpoint(tmp_path / "names", tensors)
    return tmp_path


def test_there_and_back_end_with_0(folder):
    done = run("convert", "--to=object", "names", "objects", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "names: 2 tensors written to objects, object-based" in done.stdout
    assert "w/Momentum  w/.OPTIMIZER_SLOT/optimizer/momentum/" in done.stdout
    done = run("convert", "--to=name", "objects", "back", "--json", cwd=folder)
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["ok"], found["kind"], found["written"]) == (True, "name", "back")
    with lr.open_checkpoint(folder / "back") as checkpoint:
        assert list(checkpoint) == ["w", "w/Momentum"]


def test_a_refusal_ends_with_1_and_proposes_the_waiver_that_works(folder):
    tensors = {"w": np.ones([2], "f4"), "save_counter": np.ones([2], "f4")}
    lr.write_checkpoint(folder / "names", tensors, overwrite=True)
    done = run("convert", "--to=object", "names", "objects", "--json", cwd=folder)
    assert done.returncode == 1
    assert json.loads(done.stdout)["findings"][0]["id"] == "not-representable"
    assert "--allow_unused='save_counter'" in done.stderr
    waiver = "--allow_unused=save_counter"
    done = run("convert", "--to=object", "names", "objects", waiver, cwd=folder)
    assert done.returncode == 0
    assert run("convert", "--to=object", "names", "objects", cwd=folder).returncode == 1


def test_inputs_that_are_wrong_end_with_3_and_usage_with_2(folder):
    assert run("convert", "--to=name", "names", "x", cwd=folder).returncode == 3
    assert run("convert", "--to=name", "absent", "x", cwd=folder).returncode == 3
    assert run("convert", "names", "x", cwd=folder).returncode == 2
    assert run("convert", "--to=other", "names", "x", cwd=folder).returncode == 2
    done = run("convert", "--to=object", "--overwrite", "names", "names", cwd=folder)
    assert done.returncode == 2
    assert not list(folder.glob("x*"))


def test_help_has_an_example(folder):
    done = run("convert", "--help", cwd=folder)
    assert done.returncode == 0
    assert "legacy-restore convert --to=object" in done.stdout
