"""The commands that a diagnosis proposes: they run as they stand."""

import os
import shlex
import shutil
import subprocess

import pytest

from legacy_restore.examining.doctor import diagnose
from legacy_restore.examining.doctor_commands import shell_quoted
from tests.checkpoint import golden
from tests.checkpoint.builders import small_checkpoint
from tests.cli.commands import DIGITS, run
from tests.examining.doctor_trees import LFS, cut_data, run_of, small_v1_at, v1_shards
from tests.graphdef import builders

BUILDER = """
def function():
    import tensorflow.compat.v1 as tf
    tf.get_variable("conv1/weights", [3, 3, 1, 16])
"""


def commands_at(directory, path="."):
    """What is proposed for a path, as seen from a directory."""
    before = os.getcwd()
    os.chdir(str(directory))
    try:
        return list(diagnose(path).commands)
    finally:
        os.chdir(before)


def words_of(commands):
    return [" ".join(one.arguments[1:3]) for one in commands]


def odd_tree(folder):
    """A tree of everything with names that a shell or a parser could misread."""
    run_of(folder / "run one", [100, 200])
    run_of(folder / "copy [1]", [200])
    run_of(folder / "it's $HOME;", [1], stem="-model=x@y")
    small_v1_at(folder / "-dash.ckpt")
    v1_shards(folder, "v1 parts-7", 3)
    (folder / "new\nline").mkdir()
    run_of(folder / "new\nline", [3])
    # A directory and a prefix of one name.
    small_checkpoint(folder / "both")
    (folder / "both").mkdir()
    (broken,) = run_of(folder / "broken", [5])
    cut_data(broken)
    (lost,) = run_of(folder / "lost", [6])
    os.remove(lost + ".data-00000-of-00001")
    graph = builders.saved_model(
        builders.meta_graph(builders.graph(builders.variable("a/kernel", sizes=(2, 3))))
    )
    builders.write(folder / "export" / "0001" / "saved_model.pb", graph)
    (folder / "export" / "0001" / "variables").mkdir()
    small_checkpoint(folder / "export" / "0001" / "variables" / "variables")
    builders.write(folder / "gone-5.meta", builders.everything())
    builders.write(folder / "frozen graph.pb", builders.graph(builders.constant("c")))


def test_every_command_without_a_builder_runs_as_it_stands(tmp_path):
    odd_tree(tmp_path)
    ours = [
        one
        for one in commands_at(tmp_path)
        if not one.to_fill_in and one.arguments[1] != "salvage"
    ]
    assert {one.arguments[1] for one in ours} == {
        "diff",
        "doctor",
        "inspect",
        "plan",
        "verify",
    }
    assert len(ours) > 12
    # One shell takes them all as they are shown: the program is a function there.
    script = 'legacy-restore() { printf "%s\\0" "$@"; printf "\\n\\0"; }\n' + "\n".join(
        one.text for one in ours
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    taken = [
        tuple(os.fsdecode(word) for word in line.split(b"\0")[:-1])
        for line in done.stdout.split(b"\n\0")[:-1]
    ]
    assert taken == [one.arguments[1:] for one in ours]
    for one in ours:
        told = run(*one.arguments[1:], cwd=tmp_path)
        assert told.returncode in (0, 1, 3), (one.text, told.stderr)
        assert "LocationError" not in told.stderr or "meta" in one.text, one.text


def test_a_graph_is_planned_without_code(tmp_path):
    odd_tree(tmp_path)
    plans = [one for one in commands_at(tmp_path) if one.arguments[1] == "plan"]
    models = [one.arguments[2] for one in plans if not one.to_fill_in]
    assert [one.split("=")[-1] for one in models] == ["./export/0001"]
    assert models[0] in [one.arguments[2] for one in plans if one.to_fill_in]


def test_a_plan_runs_once_its_builder_is_named(tmp_path):
    pytest.importorskip("tensorflow")
    shutil.copytree(str(DIGITS / "checkpoints"), str(tmp_path / "runs"))
    (tmp_path / "module.py").write_text(BUILDER)
    plans = [one for one in commands_at(tmp_path, "runs") if one.to_fill_in]
    assert [one.arguments[2] for one in plans] == [
        "--model=classifier=runs/classifier/model.ckpt-1500",
        "--model=denoiser=runs/denoiser/model.ckpt-8000",
    ]
    told = run(*shlex.split(plans[0].text)[1:], cwd=tmp_path)
    assert told.returncode == 1, told.stderr
    assert "fc" in told.stdout


def test_models_are_called_after_what_tells_most(tmp_path):
    run_of(tmp_path / "encoder", [1])
    run_of(tmp_path / "x", [1], stem="PNet")
    run_of(tmp_path / "2017-05 best", [1])
    names = {
        one.arguments[2].split("=")[1]
        for one in commands_at(tmp_path)
        if one.to_fill_in
    }
    assert {"encoder", "PNet"} <= names
    assert all(one[0].isalpha() for one in names)


def test_the_newest_complete_step_is_proposed(tmp_path):
    prefixes = run_of(tmp_path, [100, 200, 300])
    cut_data(prefixes[2])
    found = commands_at(tmp_path)
    assert words_of(found)[:3] == [
        "verify ./model.ckpt-300",
        "salvage ./model.ckpt-300",
        "inspect ./model.ckpt-200",
    ]
    assert found[1].arguments[3] == "./model.ckpt-salvaged-300"


def test_pointers_are_pulled(tmp_path):
    prefix = small_checkpoint(tmp_path / "model.ckpt-1")
    builders.write(prefix + ".index", LFS)
    assert commands_at(tmp_path, "model.ckpt-1")[0].text == "git lfs pull"
    (first, *_) = commands_at(tmp_path.parent, tmp_path.name)
    assert first.text == f"git -C {shlex.quote(tmp_path.name)} lfs pull"


def test_what_may_be_the_same_is_compared(tmp_path):
    for name in ("a", "b"):
        run_of(tmp_path / name, [100, 200])
    diffs = [one for one in commands_at(tmp_path) if one.arguments[1] == "diff"]
    assert [one.text for one in diffs] == [
        "legacy-restore diff ./a/model.ckpt-100 ./b/model.ckpt-100",
        "legacy-restore diff ./a/model.ckpt-200 ./b/model.ckpt-200",
    ]
    assert run(*diffs[0].arguments[1:], cwd=tmp_path).returncode == 0


def test_many_runs_are_cut_in_the_text_and_whole_in_the_data(tmp_path):
    for number in range(40):
        run_of(tmp_path / f"run{number:02d}", [1])
    (bad,) = run_of(tmp_path / "zz_bad", [1])
    cut_data(bad)
    found = diagnose(tmp_path)
    text = str(found)
    assert "... and 17 more, which --json lists" in text
    assert "zz_bad" in text
    assert len(text.splitlines()) < 220
    assert len(found.to_json()["checkpoints"]) == 41
    assert "doctor --verify" in text.splitlines()[-1]


@pytest.mark.parametrize(
    "text", ["a b", "it's", "a\nb", "\x1b[0m", "\udcff", "é", "$x"]
)
def test_quoting(text):
    script = f"printf %s {shell_quoted(text)}"
    assert script.isprintable()
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    assert os.fsdecode(done.stdout) == text


def test_verified_everything_proposes_no_further_reading():
    found = diagnose(golden.FOLDER / "tf1_15_two_models", read="all")
    assert "doctor" not in {one.arguments[1] for one in found.commands}
