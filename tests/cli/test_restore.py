"""``legacy-restore restore`` on the bundled example."""

import json

import numpy as np
import pytest

from tests.cli.commands import CLASSIFIER, DENOISER, DIGITS, run


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    path = tmp_path_factory.mktemp("feeds") / "noisy.npy"
    np.save(str(path), np.random.RandomState(1).random_sample((3, 64)).astype("f4"))
    return str(path)


def test_it_restores_checks_and_runs_what_is_fed(noisy, tmp_path):
    output = tmp_path / "out.npz"
    done = run(
        "restore",
        *DENOISER,
        *CLASSIFIER,
        f"--feed=denoiser:images={noisy}",
        f"--output={output}",
    )
    assert done.returncode == 0, done.stderr
    assert "checked 20 variables: 20 equal" in done.stdout
    assert "model 'classifier' is not run" in done.stderr
    with np.load(str(output)) as found:
        assert list(found) == ["denoiser/images"]
        assert found["denoiser/images"].shape == (3, 64)


def test_connected_models_run_as_one_and_json_reports_it(noisy, tmp_path):
    output = tmp_path / "out.npz"
    done = run(
        "restore",
        *DENOISER,
        *CLASSIFIER,
        "--connect=classifier/images=denoiser/images",
        f"--feed=classifier:denoiser/images={noisy}",
        f"--output={output}",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["check"]["ok"]
    assert report["restore"]["coverage"]["restored_variables"] == 20
    assert report["output"]["keys"] == [
        "classifier/classes",
        "classifier/logits",
        "classifier/probabilities",
    ]
    with np.load(str(output)) as found:
        np.testing.assert_allclose(found["classifier/probabilities"].sum(1), 1, 1e-5)


def test_an_output_that_exists_is_kept_unless_named(noisy, tmp_path):
    output = tmp_path / "out.npz"
    output.write_bytes(b"precious")
    flags = (*DENOISER, f"--feed=denoiser:images={noisy}", f"--output={output}")
    assert run("restore", *flags).returncode == 2
    assert output.read_bytes() == b"precious"
    assert run("restore", *flags, "--overwrite").returncode == 0
    with np.load(str(output)) as found:
        assert "denoiser/images" in found


def test_wrong_feeds_are_refused_and_leave_no_file(noisy, tmp_path):
    output = tmp_path / "out.npz"
    flags = (*DENOISER, f"--feed=denoiser:pictures={noisy}", f"--output={output}")
    done = run("restore", *flags)
    assert done.returncode == 1
    assert "InputError" in done.stderr
    assert "images" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_missing_device_is_refused_unless_placement_is_soft():
    flags = (*DENOISER, *CLASSIFIER, "--device=classifier:/gpu:7")
    done = run("restore", *flags)
    assert done.returncode == 1, done.stderr
    assert "no such device in the session" in done.stderr
    assert "/device:GPU:7" in done.stderr
    assert "/device:CPU:0" in done.stderr
    assert "try: " in done.stderr
    assert "--allow_soft_placement" in done.stderr
    assert "Traceback" not in done.stderr
    assert run("plan", *flags).returncode == 0  # A plan has no session.
    done = run("restore", *flags, "--allow_soft_placement", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["check"]["ok"]
    [told] = [f for f in report["restore"]["findings"] if "device" in f["id"]]
    assert told["id"] == "device-substituted"
    assert (told["model"], told["subject"]) == ("classifier", "/device:GPU:7")


def test_models_run_on_devices_that_are_there():
    done = run(
        "restore",
        *DENOISER,
        *CLASSIFIER,
        "--device=denoiser:CPU:0",
        "--device=classifier:/cpu:0",
    )
    assert done.returncode == 0, done.stderr
    assert "checked 20 variables: 20 equal" in done.stdout


def test_the_example_gives_what_tensorflow_1_15_gave():
    done = run(script=("restore_digits.py",), cwd=DIGITS)
    assert done.returncode == 0, done.stderr
    accuracy, difference = done.stdout.splitlines()[-2:]
    ours, theirs = [word for word in accuracy.split() if word.startswith("0.")]
    assert ours.rstrip(",") == theirs == "0.9306"
    assert float(difference.split()[-1]) <= 1e-5


def test_what_does_not_fit_into_memory_is_refused():
    done = run("restore", *DENOISER, *CLASSIFIER, "--memory_limit=100kB", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert [one["id"] for one in found["findings"] if one["severity"] == "error"] == [
        "memory-limit"
    ]
    assert "lr.restore_each(models)" in done.stderr
