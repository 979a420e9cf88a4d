"""What README and docs say is true: their code runs, their lists are complete."""

import inspect
import json
import os
import re
import shlex
import shutil

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.report.findings import KINDS, Severity
from tests.cli.commands import DIGITS, run
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
ERRORS = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def write_decoder(directory):
    """The checkpoint of which the README says how its names have changed."""
    from legacy_restore.graph.tf import tf

    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("decoder_v2/dense/kernel", [4, 3])
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver()
        saver.save(session, str(directory / "model.ckpt"), write_meta_graph=False)


def build_decoder():
    from legacy_restore.graph.tf import tf

    inputs = tf.placeholder(tf.float32, [None, 4], name="inputs")
    kernel = tf.get_variable("dense/kernel", [4, 3])
    return tf.matmul(inputs, kernel) + tf.get_variable("logits/bias", [3])


def test_python_code_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorflow")
    shutil.copytree(str(DIGITS), str(tmp_path / "digits"))
    directory = tmp_path / "digits"
    (directory / "runs" / "decoder").mkdir(parents=True)
    write_decoder(directory / "runs" / "decoder")
    monkeypatch.chdir(directory)
    monkeypatch.syspath_prepend(str(directory))
    names = {"noisy": np.zeros([2, 64], "f4"), "build_decoder": build_decoder}
    code = blocks(README, "python")
    assert len(code) == 4
    for block in code:
        exec(compile(block, "README.md", "exec"), names)
    assert names["digits"].shape == (2,)
    assert names["weights"].shape == (3, 3, 1, 16)
    assert names["plan"].ok
    # The first screen shows what is printed.
    shown = blocks(README, "text")[0]
    assert shown in capsys.readouterr().out


def test_python_code_of_the_guide_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorflow")
    shutil.copytree(str(DIGITS), str(tmp_path / "digits"))
    monkeypatch.chdir(tmp_path / "digits")
    monkeypatch.syspath_prepend(str(tmp_path / "digits"))
    names = {"noisy": np.zeros([2, 64], "f4")}
    for number, block in enumerate(blocks(GUIDE, "python")):
        exec(compile(block, f"docs/guide.md, example {number + 1}", "exec"), names)
    out = capsys.readouterr().out
    assert "RestoreError" not in out
    assert "shape-mismatch" in out or "missing-key" in out
    assert "checked 20 variables: 20 equal" in out
    assert names["digits"].shape == (2,)
    assert names["kernel"].shape == (3, 3, 1, 16)


def test_every_public_function_is_used_in_the_guide():
    pytest.importorskip("tensorflow")
    from legacy_restore.graph.restored import Restored, RestoredModel

    code = "\n".join(blocks(GUIDE, "python"))
    types = {"Checkpoint", "Plan", "TensorEntry"}  # What functions return.
    public = [name for name in lr.__all__ if callable(getattr(lr, name))]
    methods = [
        f".{name}"
        for kind in (Restored, RestoredModel)
        for name in vars(kind)
        if not name.startswith("_")
    ]
    wanted = [f"lr.{name}(" for name in public if name not in types]
    assert [one for one in [*wanted, *methods] if one not in code] == []


def test_commands_of_the_readme_run(tmp_path):
    pytest.importorskip("tensorflow")
    shutil.copytree(str(DIGITS), str(tmp_path / "digits"))
    np.save(str(tmp_path / "digits" / "noisy.npy"), np.zeros([2, 64], "f4"))
    lines = "\n".join(blocks(README, "sh")).replace("\\\n", " ").splitlines()
    commands = [shlex.split(line) for line in lines if line]
    ours = [words[1:] for words in commands if words[0] == "legacy-restore"]
    assert [words[0] for words in ours] == ["inspect", "plan", "restore"]
    for words in ours:
        done = run(*words, cwd=tmp_path / "digits")
        assert done.returncode == 0, done.stderr
    scripts = [words[0] for words in commands if words[0] != "legacy-restore"]
    assert scripts == ["scripts/example", "scripts/test"]
    assert all(os.access(str(ROOT / script), os.X_OK) for script in scripts)


def test_every_exception_is_explained():
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if kind.__module__ == errors.__name__ and not name.startswith("_"):
            assert f"| `{name}`" in ERRORS, name


def test_every_finding_is_explained_under_its_severity():
    sections = {
        title: set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE))
        for title, text in re.findall(
            r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", ERRORS, re.MULTILINE | re.DOTALL
        )
    }
    explained = {
        "Findings about files": [k for k in KINDS.values() if k.is_input_fault],
        "Findings about models": [
            k
            for k in KINDS.values()
            if k.severity is Severity.ERROR and not k.is_input_fault
        ],
        "Remarks": [k for k in KINDS.values() if k.severity is Severity.REMARK],
    }
    for title, kinds in explained.items():
        assert sections[title] == {kind.id for kind in kinds}


def test_every_finding_that_is_explained_is_used():
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "legacy_restore").rglob("*.py")
        if path.name != "findings.py"
    )
    assert [one for one in KINDS if f'"{one}"' not in sources] == []


def test_every_field_of_a_plan_is_documented(tmp_path):
    pytest.importorskip("tensorflow")
    write_decoder(tmp_path)
    plan = lr.plan([lr.Model("decoder", build_decoder, tmp_path)])
    text = (ROOT / "docs" / "plan-json.md").read_text(encoding="utf-8")
    fields = set(re.findall(r'"([a-z_]+)":', json.dumps(plan.to_json())))
    assert [name for name in sorted(fields) if f'"{name}"' not in text] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    text = re.sub(r"```.*?```|`[^`]*`", "", path.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in target:
            assert (path.parent / target).exists(), target
