"""Models without builder: what their locations name, and the flags about them."""

import argparse
import json

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.cli import models
from legacy_restore.tf import tf
from tests.cli.commands import DENOISER, DIGITS, run

X = np.array([[1, 2], [3, 4]], "f4")
DOUBLE, TRIPLE = 2.0, 3.0


def write_meta_graph(folder, factor):
    """A training graph and its checkpoint: y is x times the factor."""
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        weights = tf.get_variable("w", [], initializer=tf.constant_initializer(factor))
        y = tf.identity(x * weights, name="y")
        tf.reduce_sum(y, name="total")
        session.run(tf.global_variables_initializer())
        return tf.train.Saver().save(session, str(folder / "model"), global_step=7)


def write_saved_model(folder, factor, tags):
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        weights = tf.get_variable("w", [], initializer=tf.constant_initializer(factor))
        signatures = {
            name: tf.saved_model.predict_signature_def({"x": x}, {"y": weights * x * n})
            for n, name in ((1, "once"), (10, "ten_times"))
        }
        session.run(tf.global_variables_initializer())
        builder = tf.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, tags, signatures)
        builder.save()


def write_frozen(path):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        tf.identity(x + 1.0, name="y")
        path.write_bytes(graph.as_graph_def().SerializeToString())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A directory with one model of each kind, and what to feed."""
    root = tmp_path_factory.mktemp("models")
    (root / "runs").mkdir()
    write_meta_graph(root / "runs", DOUBLE)
    write_saved_model(root / "export", TRIPLE, ["serve", "gpu"])
    write_frozen(root / "frozen.pb")
    np.save(str(root / "x.npy"), X)
    return root


def test_three_kinds_of_saved_graphs_are_restored_and_run(folder, tmp_path):
    output = tmp_path / "out.npz"
    done = run(
        "restore",
        "--model=meta=runs",
        "--input=meta:features=x",
        "--output_tensor=meta:double=y",
        "--variables=meta:resource",
        "--model=saved=export",
        "--signature=saved=ten_times",
        "--model=frozen=frozen.pb",
        "--output_tensor=frozen:more=y:0",
        "--feed=meta:features=x.npy",
        "--feed=saved:x=x.npy",
        "--feed=frozen:x=x.npy",
        f"--output={output}",
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert "checked 2 variables: 2 equal" in done.stdout
    with np.load(str(output)) as found:
        np.testing.assert_allclose(found["meta/double"], X * DOUBLE)
        np.testing.assert_allclose(found["saved/y"], X * TRIPLE * 10)
        np.testing.assert_allclose(found["frozen/more"], X + 1)


def test_a_built_model_may_stand_beside_one_whose_graph_lies_elsewhere(folder):
    done = run(
        "plan",
        *DENOISER,
        f"--model=meta={folder / 'runs' / 'model-7'}",
        f"--graph=meta={folder / 'runs' / 'model-7.meta'}",
        "--output_tensor=meta:y=total",
        "--no_prune=meta",
        "--json",
        cwd=DIGITS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(done.stdout)["models"]
    assert {one["name"] for one in rows} == {"denoiser", "meta"}


def test_what_a_graph_computes_has_to_be_said(folder):
    done = run("plan", "--model=meta=runs", cwd=folder)
    assert done.returncode == 1
    assert 'outputs={"' in done.stderr
    done = run("plan", "--model=saved=export", cwd=folder)
    assert done.returncode == 2
    assert "once, ten_times" in done.stderr


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--model=m=runs", "--output_tensor=m:y=z"], "has none"),
        (["--model=m=runs", "--output_tensor=m:y"], "KEY=TENSOR"),
        (["--model=m=runs", "--input=n:y=z"], "there is no model 'n'"),
        (["--model=m=runs", "--trust=n"], "there is no model 'n'"),
        (["--model=m=runs", "--signature=m=s"], "is about SavedModels"),
        (["--model=m=frozen.pb", "--tag=m:serve"], "is about SavedModels"),
        (["--model=m=export", "--tag=m:"], '("serve", "gpu")'),
        (["--model=m=export", "--tag=serve"], "NAME:TAG"),
        (["--model=m=export", "--graph=m=a", "--graph=m=b"], "given twice"),
        (["--model=m=runs", "--variables=m:ref", "--output_tensor=m:y=y"], "resource"),
        (
            ["--model=m=runs", "--output_tensor=m:y=y", "--output_tensor=m:y=x"],
            "given twice",
        ),
        (
            ["--model=m=runs", "--builder=m=models:build", "--trust=m"],
            "has a builder",
        ),
    ],
)
def test_what_cannot_be_meant_is_a_mistake_of_usage(
    folder, flags, said, monkeypatch, capsys
):
    monkeypatch.chdir(folder)
    parser = argparse.ArgumentParser()
    models.add_model_flags(parser)
    with pytest.raises((errors.UsageError, SystemExit)) as caught:
        lr.plan(models.models_of(parser.parse_args(flags)))
    if isinstance(caught.value, SystemExit):
        assert caught.value.code == 2
        assert said in capsys.readouterr().err
    else:
        assert said in str(caught.value)


def test_without_graph_and_builder_a_checkpoint_is_no_model(folder, tmp_path):
    for name in ("model-7.index", "model-7.data-00000-of-00001"):
        (tmp_path / name).write_bytes((folder / "runs" / name).read_bytes())
    done = run("plan", "--model=m=model-7", cwd=tmp_path)
    assert done.returncode == 2
    assert "--builder=m=MODULE:FUNCTION, or --graph=m=FILE" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_graph_that_is_missing_or_damaged_is_the_input_at_fault(folder, tmp_path):
    done = run("plan", "--model=m=nothing/here", cwd=folder)
    assert done.returncode == 3
    (tmp_path / "bad.meta").write_bytes(b"<!DOCTYPE html><title>404</title>")
    prefix = folder / "runs" / "model-7"
    done = run("plan", f"--model=m={prefix}", "--graph=m=bad.meta", cwd=tmp_path)
    assert done.returncode == 3
    assert "HTML page" in done.stderr
