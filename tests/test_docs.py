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
from legacy_restore.examining.diagnosis import StateStatus
from legacy_restore.examining.diff_report import ComparedBy, DiffStatus
from legacy_restore.examining.salvage_report import SalvageStatus
from legacy_restore.graphdef.dangerous_ops import Reach
from legacy_restore.mapping.classify import TensorClass
from legacy_restore.planning.plan import Action
from legacy_restore.report.findings import KINDS, Severity
from legacy_restore.report.verify_report import VerifyStatus
from tests.cli.commands import CLASSIFIER, DENOISER, DIGITS, run
from tests.conftest import ROOT
from tests.graphdef import builders
from tests.json_docs import difference, example

README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
ERRORS = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def write_decoder(directory):
    """The checkpoint of which the README says how its names have changed."""
    from legacy_restore.tf import tf

    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("decoder_v2/dense/kernel", [4, 3])
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver()
        saver.save(session, str(directory / "model.ckpt"), write_meta_graph=False)


def build_decoder():
    from legacy_restore.tf import tf

    inputs = tf.placeholder(tf.float32, [None, 4], name="inputs")
    kernel = tf.get_variable("dense/kernel", [4, 3])
    return tf.matmul(inputs, kernel) + tf.get_variable("logits/bias", [3])


def build_keras_classifier():
    """A Keras model with the names of the classifier, built."""
    import tensorflow as tf

    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Reshape([8, 8, 1]),
            layers.Conv2D(16, 3, padding="same", name="conv1"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(48, name="fc"),
            layers.Dense(10, name="logits"),
        ]
    )
    model.build((None, 64))
    return model


def test_python_code_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    tf = pytest.importorskip("tensorflow")
    shutil.copytree(str(DIGITS), str(tmp_path / "digits"))
    directory = tmp_path / "digits"
    (directory / "runs" / "decoder").mkdir(parents=True)
    write_decoder(directory / "runs" / "decoder")
    monkeypatch.chdir(directory)
    monkeypatch.syspath_prepend(str(directory))
    names = {
        "noisy": np.zeros([2, 64], "f4"),
        "build_decoder": build_decoder,
        "build_keras_classifier": build_keras_classifier,
    }
    code = blocks(README, "python")
    assert len(code) == 6
    if not tf.executing_eagerly():
        code = [block for block in code if "restore_object" not in block]
    for block in code:
        exec(compile(block, "README.md", "exec"), names)
    assert names["digits"].shape == (2,)
    assert names["probabilities"].shape == (2, 10)
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
    assert names["answer"].shape == (2, 10)
    assert "has no signatures: outputs= has to name what is computed" in out
    assert names["kernel"].shape == (3, 3, 1, 16)
    assert names["saved"].format == "V2"
    assert "known tensors saved to saved.ckpt-1500" in out
    if names["tf"].executing_eagerly():
        assert "keras.optimizers.Adam: 12 slots, 1,500 steps" in out


def test_every_public_function_is_used_in_the_guide():
    pytest.importorskip("tensorflow")
    from legacy_restore.graph.restored import Restored, RestoredModel

    code = "\n".join(blocks(GUIDE, "python"))
    types = {
        "Checkpoint",
        "ConversionReport",
        "Diagnosis",
        "DiffReport",
        "Estimate",
        "Outcome",
        "Plan",
        "SalvageReport",
        "TensorEntry",
    }  # What functions return.
    public = [name for name in lr.__all__ if callable(getattr(lr, name))]
    methods = [
        f".{name}"
        for kind in (Restored, RestoredModel)
        for name in vars(kind)
        if not name.startswith("_")
    ]
    wanted = [f"lr.{name}(" for name in public if name not in types]
    assert [one for one in [*wanted, *methods] if one not in code] == []


def test_every_argument_of_a_public_function_is_in_the_guide():
    pytest.importorskip("tensorflow")
    words = set(re.findall(r"\w+", GUIDE))
    functions = [getattr(lr, name) for name in lr.__all__]
    missing = {
        f"{function.__name__}({one.name})"
        for function in functions
        if inspect.isfunction(function)
        for one in inspect.signature(function).parameters.values()
        if one.kind is not one.VAR_KEYWORD and one.name not in words
    }
    assert missing == set()


def test_commands_of_the_readme_run(tmp_path):
    pytest.importorskip("tensorflow")
    shutil.copytree(str(DIGITS), str(tmp_path / "digits"))
    np.save(str(tmp_path / "digits" / "noisy.npy"), np.zeros([2, 64], "f4"))
    lines = "\n".join(blocks(README, "sh")).replace("\\\n", " ").splitlines()
    commands = [shlex.split(line) for line in lines if line]
    ours = [words[1:] for words in commands if words[0] == "legacy-restore"]
    assert [words[0] for words in ours] == [
        "doctor",
        "inspect",
        "diff",
        "plan",
        "restore",
    ]
    told = [run(*words, cwd=tmp_path / "digits") for words in ours]
    assert [done.returncode for done in told] == [0, 0, 0, 0, 0]
    # What README shows of inspect is what it prints.
    shown = [one for one in blocks(README, "text") if "tensors" in one]
    assert [one in told[1].stdout for one in shown] == [True]
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


def test_the_json_of_a_plan_is_documented_both_ways():
    pytest.importorskip("tensorflow")
    done = run("plan", *DENOISER, *CLASSIFIER, "--json")
    # What TensorFlow 1.15 makes by default; the document names both.
    told = done.stdout.replace('"kind": "ref"', '"kind": "resource"')
    assert difference(example("plan-json.md"), json.loads(told)) is None


def test_the_json_of_inspect_is_documented_both_ways():
    done = run("inspect", "checkpoints/denoiser", "--json")
    assert difference(example("inspect-json.md"), json.loads(done.stdout)) is None


def test_the_json_of_the_views_of_inspect_is_documented_both_ways():
    def found(*flags):
        done = run("inspect", "checkpoints/denoiser", "--json", *flags)
        return json.loads(done.stdout)

    whole = example("inspect-json.md")
    tree, stored, values, stats = (example("inspect-json.md", n) for n in range(1, 5))
    documented = {**whole, "chosen_of": "...", "tree": [tree]}
    assert difference(documented, found("--tree", "--depth=1")) is None
    del documented["tree"], documented["tensors"]
    assert difference(documented, found("--classes")) is None
    (bias,) = found("--key=conv1/biases")["tensors"]
    assert difference([stored], bias["stored"]) is None
    (step,) = found("--key=global_step", "--values")["tensors"]
    assert difference([values], step["values"]) is None
    assert set(step) == {*whole["tensors"][0], "stored", "values"}
    (step,) = found("--key=global_step", "--stats")["tensors"]
    assert difference(stats, step["stats"]) is None
    assert set(step) == {*whole["tensors"][0], "stats"}
    assert found("--grep=conv1/")["chosen_of"] == found()["total"]


def test_the_json_of_a_saved_graph_is_documented_both_ways(tmp_path):
    model = builders.saved_model(builders.everything())
    builders.write(tmp_path / "export" / "saved_model.pb", model)
    builders.write(tmp_path / "export" / "assets" / "vocab.txt", b"a")
    done = run("inspect", "export/saved_model.pb", "--json", cwd=tmp_path)
    assert done.returncode == 3  # Its checkpoint is not there.
    found = json.loads(done.stdout)
    assert difference(example("inspect-json.md", -2), found["graph"]) is None


def test_the_json_of_what_could_be_meant_is_documented_both_ways(tmp_path):
    graph = builders.graph(
        builders.placeholder("x", builders.FLOAT, -1, 2),
        builders.placeholder("labels", builders.FLOAT, -1, 2),
        builders.variable("w", sizes=(2, 2)),
        builders.node("logits", "MatMul", ["x", "w"]),
        builders.node("loss", "Sub", ["logits", "labels"]),
    )
    builders.write(tmp_path / "m.meta", builders.meta_graph(graph))
    done = run("inspect", "m.meta", "--json", cwd=tmp_path)
    (found,) = json.loads(done.stdout)["graph"]["graphs"]
    assert difference(example("inspect-json.md", -1), found["proposed"]) is None


def test_the_json_of_audit_is_documented_both_ways(tmp_path):
    path = builders.constant("path", builders.STRING, strings=["/home/anna/words.txt"])
    graph = builders.graph(path, builders.node("read", "ReadFile", ["path"]))
    builders.write(tmp_path / "model.meta", builders.meta_graph(graph))
    done = run("audit", "model.meta", "--json", cwd=tmp_path)
    assert done.returncode == 0
    assert difference(example("audit-json.md"), json.loads(done.stdout)) is None
    text = (ROOT / "docs" / "audit-json.md").read_text(encoding="utf-8")
    assert all(f"`{one.name.lower()}`" in text for one in Reach)


def test_the_json_of_verify_is_documented_both_ways():
    done = run("verify", "checkpoints/denoiser", "--json")
    assert difference(example("verify-json.md"), json.loads(done.stdout)) is None
    text = (ROOT / "docs" / "verify-json.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    assert rows == [status.value for status in VerifyStatus]


def test_the_json_of_diff_is_documented_both_ways():
    where = ROOT / "tests" / "golden" / "tf1_15_two_models"
    done = run("diff", "encoder@100", "encoder@200", "--json", cwd=where)
    assert done.returncode == 1
    assert difference(example("diff-json.md"), json.loads(done.stdout)) is None


def test_the_json_of_convert_is_documented_both_ways(tmp_path):
    w = np.ones([2], "f4")
    lr.write_checkpoint(tmp_path / "names", {"w": w, "w/Momentum": w})
    done = run("convert", "--to=object", "names", "objects", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert difference(example("convert-json.md"), found) is None


def test_the_json_of_salvage_is_documented_both_ways(tmp_path):
    source = ROOT / "tests" / "golden" / "tf1_15_v1_sharded"
    shutil.copytree(str(source), str(tmp_path / "broken"))
    (tmp_path / "broken" / "model.ckpt-100-00001-of-00003").unlink()
    done = run("salvage", "broken", "saved", "--json", cwd=tmp_path)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert difference(example("salvage-json.md"), found) is None
    text = (ROOT / "docs" / "salvage-json.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    assert rows == [status.value for status in SalvageStatus]
    # What it proposes runs; one of the two is damaged.
    (command,) = found["next"]
    again = run(*shlex.split(command)[1:], cwd=tmp_path)
    assert again.returncode == 3, again.stderr
    assert "2 equal" in again.stdout


def test_the_json_of_doctor_is_documented_both_ways(tmp_path):
    shutil.copytree(str(DIGITS / "checkpoints"), str(tmp_path / "runs"))
    graph = builders.meta_graph(builders.graph(builders.variable("w", sizes=(2, 3))))
    builders.write(tmp_path / "runs" / "denoiser" / "model.ckpt-100.meta", graph)
    done = run("doctor", "runs", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert difference(example("doctor-json.md"), json.loads(done.stdout)) is None


def test_the_json_of_estimate_is_documented_both_ways():
    done = run("estimate", "checkpoints/denoiser", "--memory_limit=1MiB", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert difference(example("estimate-json.md"), found) is None
    done = run("estimate", "checkpoints/denoiser", "--memory_limit=1kB", "--json")
    assert done.returncode == 1
    refused = json.loads(done.stdout)
    assert [one["id"] for one in refused["findings"]] == ["memory-limit"]
    assert {**refused, "findings": []} == {**found, "ok": False, "memory_limit": 1000}


def test_every_status_of_a_state_file_is_documented():
    text = (ROOT / "docs" / "doctor-json.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    assert rows == [status.value for status in StateStatus]


@pytest.mark.parametrize(
    "name",
    [
        "plan-json.md",
        "inspect-json.md",
        "verify-json.md",
        "convert-json.md",
        "salvage-json.md",
        "diff-json.md",
        "doctor-json.md",
        "estimate-json.md",
        "audit-json.md",
    ],
)
def test_the_json_of_an_error_is_documented_both_ways(name):
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    documented = re.search(r'`(\{"ok": false, .*?\})`', text, re.DOTALL).group(1)
    done = run("inspect", "nowhere", "--json")
    found = json.loads(done.stdout)
    assert set(re.findall(r'"(\w+)":', documented)) == set(found)
    assert found["ok"] is False
    # The findings of both documents have the fields that plan-json.md shows.
    fields = set(example("plan-json.md")["findings"][0])
    assert set(found["findings"][0]) == fields


def test_every_value_that_a_field_of_the_json_may_have_is_documented():
    plan = (ROOT / "docs" / "plan-json.md").read_text(encoding="utf-8")
    for one in [*Action, *Severity]:
        assert f'"{one.value}"' in plan
    rows = re.findall(
        r"^\| `([^`]+)` \| .* \| (yes|no) \|$",
        (ROOT / "docs" / "inspect-json.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert rows == [
        (one.value, "yes" if one.is_training_state else "no") for one in TensorClass
    ]


def test_every_status_of_a_diff_is_documented():
    text = (ROOT / "docs" / "diff-json.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| .* \| (yes|no) \|$", text, re.MULTILINE)
    assert rows == [
        (one.value, "yes" if one.is_difference else "no") for one in DiffStatus
    ]
    for one in ComparedBy:
        assert f'"{one.value}"' in text


def test_a_document_that_is_not_true_is_seen():
    # The tests above must not pass because they see nothing.
    real = {"a": 1, "b": [{"c": None}, {"c": 2}]}
    assert difference({"a": 1, "b": [{"c": 2}]}, real) is None
    assert difference({"a": 1, "b": "..."}, real) is None
    assert difference({"a": True, "b": [{"c": 2}]}, real)
    assert difference({"a": 1}, real)
    assert difference({"a": 1, "b": [], "c": 0}, real)
    assert difference({"a": 1, "b": []}, real)
    assert difference({"a": 1, "b": [{"c": 3}]}, real)
    assert difference({"a": 1, "b": [{"c": 2, "d": 0}]}, real)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    text = re.sub(r"```.*?```|`[^`]*`", "", path.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in target:
            assert (path.parent / target).exists(), target
