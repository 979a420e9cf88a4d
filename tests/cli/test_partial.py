"""The flags that restore models in part."""

import json

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint.writing import write_checkpoint
from legacy_restore.cli import partial
from tests.cli.commands import run

BUILDER = """
import tensorflow.compat.v1 as tf

def build():
    fill = tf.constant_initializer(7.0)
    return {
        name: tf.identity(tf.get_variable(name, shape, dtype, fill), name)
        for name, shape, dtype in (
            ("emb", [3, 2], tf.float32),
            ("logits", [2], tf.float32),
            ("grown", [3], tf.float32),
            ("half", [2], tf.float16),
            ("state", [2], tf.float32),
        )
    }
"""


@pytest.fixture
def directory(tmp_path):
    """A builder, a checkpoint that does not fit it, and two vocabularies."""
    pytest.importorskip("tensorflow")
    (tmp_path / "nets.py").write_text(BUILDER)
    tensors = {
        "emb": np.arange(6, dtype=np.float32).reshape(3, 2),
        "logits": np.float32([1, 2, 3]),
        "grown": np.float32([4]),
        "half": np.float32([0.1, 5]),
        "state": np.float32([8, 9, 10]),
    }
    write_checkpoint(tmp_path / "m.ckpt", tensors)
    (tmp_path / "old,1.txt").write_text("a\nb\nc\n")
    (tmp_path / "new.txt").write_text("c\nd\na\n")
    return tmp_path


MODEL = ("--model=m=m.ckpt", "--builder=m=nets:build")
FLAGS = (
    "--allow_shape=m:logits=>slice",
    "--allow_shape=m:grow.*=>pad",
    "--cast=m:half=>float16",
    "--exclude=m:state",
    "--vocabulary=m:emb=>old,1.txt=>new.txt",
)


def test_a_model_is_restored_in_part(directory):
    done = run("restore", *MODEL, *FLAGS, "--output=out.npz", cwd=directory)
    assert done.returncode == 0, done.stderr
    with np.load(str(directory / "out.npz")) as found:
        assert found["m/emb"].tolist() == [[4, 5], [7, 7], [0, 1]]
        assert found["m/logits"].tolist() == [1, 2]
        assert found["m/grown"].tolist() == [4, 7, 7]
        assert found["m/half"].dtype == np.float16
        assert found["m/state"].tolist() == [7, 7]
    assert "precision lost" in done.stdout
    assert "4 equal, 1 initialised" in done.stdout


def test_the_plan_shows_what_is_made_of_each_tensor(directory):
    done = run("plan", *MODEL, *FLAGS, "--json", cwd=directory)
    assert done.returncode == 0, done.stderr
    rows = {
        row["variable"]: row for row in json.loads(done.stdout)["models"][0]["rows"]
    }
    assert rows["m/emb"]["conversion"] == {
        "from": "float32[3,2]",
        "resize": None,
        "cast": False,
        "vocabulary": {"old": "old,1.txt", "new": "new.txt", "rows_restored": 2},
        "parameters_restored": 4,
    }
    assert rows["m/logits"]["conversion"]["resize"] == "slice"
    assert rows["m/half"]["conversion"]["cast"] is True
    assert rows["m/state"]["action"] == "initialize"
    text = run("plan", *MODEL, *FLAGS, cwd=directory).stdout
    assert "emb (2 of 3 rows, by the vocabulary)" in text


def test_what_is_proposed_can_be_typed(directory):
    done = run("plan", *MODEL, "--only=m:emb|logits", cwd=directory)
    assert done.returncode == 1
    done = run("restore", *MODEL, "--only=m:emb|logits", cwd=directory)
    assert "--allow_shape='m:logits'" in done.stderr
    again = run(
        "restore",
        *MODEL,
        "--only=m:emb|logits",
        "--allow_shape=m:logits",
        cwd=directory,
    )
    assert again.returncode == 0, again.stderr
    done = run("restore", *MODEL, "--only=m:half", cwd=directory)
    assert "--cast='m:half=>float16'" in done.stderr


@pytest.mark.parametrize(
    ("flag", "code"),
    [
        ("--allow_shape=m:logits=>cut", 2),
        ("--cast=m:half", 2),
        ("--vocabulary=m:emb=>old,1.txt=>nowhere.txt", 3),
        ("--exclude=m:nothing", 1),
    ],
)
def test_what_cannot_be_meant_ends_with_its_code(directory, flag, code):
    done = run("plan", *MODEL, flag, cwd=directory)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_values_split_at_the_last_arrows():
    assert partial.shapes_of(["a=>b=>pad", "c"]) == {"a=>b": "pad", "c": "initialize"}
    assert partial.casts_of(["a=>b=>int8"]) == {"a=>b": "int8"}
    [remap] = partial.remaps_of(["a=>b=>old=>new"])
    assert (remap.pattern, remap.old_file, remap.new_file) == ("a=>b", "old", "new")
    for make, values in (
        (partial.shapes_of, ["a", "a=>pad"]),
        (partial.casts_of, ["a=>int8", "a=>int16"]),
        (partial.casts_of, ["a"]),
        (partial.remaps_of, ["a=>b"]),
        (partial.remaps_of, ["=>b=>c"]),
    ):
        with pytest.raises(errors.UsageError):
            make(values)
