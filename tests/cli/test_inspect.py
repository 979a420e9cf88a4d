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
from legacy_restore.examining.choosing import choose_keys, choose_matching
from legacy_restore.examining.class_totals import ClassTotals
from legacy_restore.examining.contents import contents_of
from legacy_restore.examining.details import tensor_details_and_values
from legacy_restore.examining.scope_tree import DEFAULT_DEPTH, MAX_DEPTH, scope_tree
from legacy_restore.examining.tensor_statistics import tensor_statistics
from tests.checkpoint import builders, golden
from tests.cli.commands import DIGITS, run
from tests.conftest import ROOT
from tests.graphdef import builders as graphs

ENCODER = golden.FOLDER / "tf1_15_two_models" / "encoder"


def test_text_and_json_are_made_of_one_report():
    with open_checkpoint(str(ENCODER / "model.ckpt-200")) as checkpoint:
        contents = contents_of(checkpoint)
    text = run("inspect", str(ENCODER / "model.ckpt-200"))
    assert (text.returncode, text.stdout) == (0, f"{contents}\n")
    data = run("inspect", str(ENCODER / "model.ckpt-200"), "--json")
    wanted = {**contents.to_json(), "graph": None}
    assert (data.returncode, json.loads(data.stdout)) == (0, wanted)


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
def test_a_graph_is_shown_also_without_its_checkpoint(tmp_path, flags):
    path = graphs.write(tmp_path / "model.ckpt-7.meta", graphs.everything())
    done = run("inspect", path, *flags)
    assert done.returncode == 3
    assert "1.15.5" in done.stdout
    assert "no checkpoint" in done.stdout or "location-not-found" in done.stdout
    frozen = graphs.graph(graphs.constant("c", content=b"abcd"))
    done = run("inspect", graphs.write(tmp_path / "frozen.pb", frozen), *flags)
    assert done.returncode == 0, done.stderr


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


VIEWS = {
    ("--tree",): lambda _, contents: scope_tree(contents),
    ("--tree", "--depth=1"): lambda _, contents: scope_tree(contents, 1),
    ("--classes",): lambda _, contents: ClassTotals(contents),
    ("--stats",): tensor_statistics,
    ("--grep=Adam$", "--grep=^global"): lambda _, contents: choose_matching(
        contents, ["Adam$", "^global"]
    ),
    ("--key=global_step", "--values"): lambda checkpoint, contents: (
        tensor_details_and_values(
            checkpoint, choose_keys(checkpoint, contents, ["global_step"])
        )
    ),
}


@pytest.mark.parametrize("flags", list(VIEWS), ids=" ".join)
def test_each_view_is_one_report_in_text_and_json(flags):
    with open_checkpoint(str(ENCODER / "model.ckpt-200")) as checkpoint:
        view = VIEWS[flags](checkpoint, contents_of(checkpoint))
    text = run("inspect", str(ENCODER / "model.ckpt-200"), *flags)
    assert (text.returncode, text.stdout) == (0, f"{view}\n")
    data = run("inspect", str(ENCODER / "model.ckpt-200"), *flags, "--json")
    assert data.returncode == 0
    assert json.loads(data.stdout) == {**view.to_json(), "graph": None}
    assert text.stderr == data.stderr == ""


@pytest.mark.parametrize(
    "flags, word",
    [
        (("--tree", "--classes"), "--tree and --classes are different views"),
        (("--stats", "--values", "--key=a"), "--stats and --values"),
        (("--key=a", "--grep=b"), "--key names"),
        (("--key=a", "--tree"), "--tree adds up"),
        (("--key=a", "--classes"), "--classes adds up"),
        (("--depth=2",), "--tree"),
        (("--values",), "--key or --grep"),
        (("--values", "--grep=."), "at most 20"),
        (("--grep=(",), "'('"),
    ],
)
def test_flags_that_make_no_sense_together_are_usage_and_say_why(flags, word):
    many = str(golden.FOLDER / "tf1_15_many" / "model.ckpt")
    done = run("inspect", many, *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_a_pattern_that_is_found_nowhere_ends_with_1_and_says_so():
    done = run("inspect", str(ENCODER), "--grep=no_such_key")
    assert (done.returncode, done.stderr) == (1, "")
    assert "error: pattern that is found in no key\n  no_such_key" in done.stdout
    data = run("inspect", str(ENCODER), "--grep=no_such_key", "--json")
    assert data.returncode == 1
    assert [one["id"] for one in json.loads(data.stdout)["findings"]][-1] == "no-match"


def test_an_unknown_key_ends_with_3_and_names_near_ones():
    done = run("inspect", str(ENCODER), "--key=dense/kernal")
    assert (done.returncode, done.stdout) == (3, "")
    assert "'dense/kernel'" in done.stderr


@pytest.mark.parametrize("flags", [("--stats",), ("--values", "--grep=.")])
def test_a_damaged_tensor_ends_with_3_and_the_others_show(tmp_path, flags):
    prefix = builders.small_checkpoint(str(tmp_path / "model.ckpt-3"))
    with open(builders.shard_path(prefix), "r+b") as file:
        file.write(b"\xff")
    text = run("inspect", prefix, *flags)
    assert text.returncode == 3
    assert "error: tensor does not match its checksum\n  a/kernel" in text.stdout
    assert "1200" in text.stdout
    data = run("inspect", prefix, *flags, "--json")
    assert (data.returncode, json.loads(data.stdout)["ok"]) == (3, False)


def test_a_key_with_odd_bytes_can_be_named(tmp_path):
    prefix = builders.small_checkpoint(str(tmp_path / "model.ckpt-3"))

    def rename(pairs):
        pairs[b"-odd\xff\n"] = pairs.pop(b"a/kernel")

    builders.rewrite_index(prefix, rename)
    done = run("inspect", prefix, "--values", os.fsdecode(b"--key=-odd\xff\n"))
    assert done.returncode == 0, done.stderr
    assert "[[0. 1. 2.]" in done.stdout


def test_a_flag_file_is_read_wherever_it_stands(tmp_path):
    path = tmp_path / "flags"
    path.write_text("--json\n")
    done = run("inspect", f"--flagfile={path}", "checkpoints/denoiser")
    assert done.returncode == 0
    assert json.loads(done.stdout)["ok"]


def test_the_help_tells_the_depths_that_there_are():
    done = run("inspect", "--help")
    assert f"1 to {MAX_DEPTH}; {DEFAULT_DEPTH} if" in " ".join(done.stdout.split())


def test_listing_loads_nothing_of_other_commands_and_views():
    program = (
        "import sys\n"
        "from legacy_restore.cli.main import main\n"
        "try:\n"
        "    main(['legacy-restore', 'inspect', 'checkpoints/denoiser'])\n"
        "finally:\n"
        "    loaded = {name.split('.')[0] for name in sys.modules}\n"
        "    assert not loaded & {'absl', 'numpy', 'tensorflow'}, loaded\n"
        "    others = ['checkpoint.verifying', 'examining.diff', 'examining.details',\n"
        "              'examining.doctor', 'examining.salvage',\n"
        "              'examining.graph_summary', 'graphdef.nodes']\n"
        "    loaded = [n for n in others if 'legacy_restore.' + n in sys.modules]\n"
        "    assert not loaded, loaded\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.DEVNULL,
        cwd=str(DIGITS),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0
