"""Real models that old TensorFlow releases trained, restored and run."""

import os

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore.tf import tf
from tests.graph import real_models
from tests.graph.helpers import assert_same, ids, of_id, of_kind, values_in
from tests.samples import sample

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
MTCNN = {
    "pnet": ("PNet_landmark", real_models.build_pnet),
    "rnet": ("RNet_landmark", real_models.build_rnet),
    "onet": ("ONet_landmark", real_models.build_onet),
}


def weights_by_stock_tensorflow(restored, name):
    """What TensorFlow's own reader finds under the keys that were restored."""
    reader = tf.train.NewCheckpointReader(restored[name].report.plan.location.prefix)
    return {
        row.variable.local_name: reader.get_tensor(row.key)
        for row in restored.plan[name].rows
    }


def golden_of(*path):
    with np.load(sample(*path)) as found:
        return {key: found[key] for key in found.files}


@pytest.fixture
def mtcnn(kind):
    """Three networks of a face detector, from directories with stale state files."""
    models = [
        lr.Model(name, of_kind(kind, build), sample("mtcnn", directory))
        for name, (directory, build) in MTCNN.items()
    ]
    with lr.restore(models) as restored:
        yield restored


def test_three_models_with_the_same_names_are_restored_bit_by_bit(mtcnn):
    names = {
        name: {row.variable.local_name for row in mtcnn.plan[name].rows}
        for name in MTCNN
    }
    assert {"conv1/weights", "conv1/alphas"} <= names["pnet"] & names["rnet"]
    assert len(names["rnet"] & names["onet"]) == 17
    for name in MTCNN:
        assert_same(values_in(mtcnn, name), weights_by_stock_tensorflow(mtcnn, name))
    report = mtcnn.check()
    assert {row.status.value for row in report.rows} == {"equal"}
    assert len(report.rows) == 15 + 17 + 20


@pytest.mark.parametrize("name", sorted(MTCNN))
def test_the_detector_computes_what_it_computed_when_it_was_trained(mtcnn, name):
    golden = golden_of("mtcnn", "golden.npz")
    found = mtcnn[name](images=golden[f"in:{name}"])
    assert sorted(found) == ["bbox_pred", "cls_prob", "landmark_pred"]
    for output, value in found.items():
        expected = golden[f"out:{name}/{output}"]
        np.testing.assert_allclose(np.squeeze(value), expected, **TOLERANCE)


@pytest.mark.parametrize("name", sorted(MTCNN))
def test_stale_state_files_and_training_state_are_remarked(mtcnn, name):
    findings = mtcnn[name].report.findings
    assert of_id(findings, "state-file-stale")
    left = {one.subject for one in of_id(findings, "unused-training-state")}
    assert "Variable" in left
    weights = {row.key for row in mtcnn.plan[name].rows}
    assert left == {"Variable"} | {f"{key}/Momentum" for key in weights}
    assert ids(findings) == []


def test_exchanged_checkpoints_of_the_detector_are_refused(kind, refused):
    directories = ["RNet_landmark", "ONet_landmark", "PNet_landmark"]
    models = [
        lr.Model(name, of_kind(kind, build), sample("mtcnn", directory))
        for directory, (name, (_, build)) in zip(directories, MTCNN.items())
    ]
    error = refused(models)
    hints = {
        one.model: one.hint for one in error.findings if "swapped" in (one.hint or "")
    }
    holder = {"pnet": "'onet'", "rnet": "'pnet'", "onet": "'rnet'"}
    assert sorted(hints) == sorted(holder)
    assert all(holder[name] in hint for name, hint in hints.items())


@pytest.mark.parametrize(
    "location, output, form",
    [
        ("v1", "v1_2550000", "V1"),
        ("v2 gaussian sigma=1", "v2_gauss1", "V2"),
    ],
)
def test_a_network_that_was_saved_in_both_formats(kind, location, output, form):
    golden = golden_of("srcnn", "golden.npz")
    build = of_kind(kind, real_models.build_srcnn)
    model = lr.Model("m", build, sample("srcnn", location))
    with lr.restore([model]) as restored:
        assert restored.plan["m"].format == form
        assert_same(
            values_in(restored, "m"), weights_by_stock_tensorflow(restored, "m")
        )
        found = restored["m"](images=golden["in:images"])
        np.testing.assert_allclose(found, golden[f"out:{output}"], **TOLERANCE)
        assert restored.check().ok


@pytest.mark.parametrize("given", ["random", "mnist64"])
def test_a_classifier_with_default_names(kind, given):
    golden = golden_of("mnist_ema", "golden.npz")
    models = [
        lr.Model(name, of_kind(kind, real_models.build_mnist), sample("mnist_ema"))
        for name in ("one", "two")
    ]
    with lr.restore(models) as restored:
        for name in ("one", "two"):
            assert_same(
                values_in(restored, name), weights_by_stock_tensorflow(restored, name)
            )
            found = restored[name](images=golden[f"in:{given}"])
            np.testing.assert_allclose(
                found, golden[f"out:raw_64004_{given}"], **TOLERANCE
            )
        assert restored.check().ok
        left = {
            one.subject
            for one in of_id(restored["one"].report.findings, "unused-training-state")
        }
        assert left == {"Variable_4"} | {
            f"{key}/ExponentialMovingAverage"
            for key in ("Variable", "Variable_1", "Variable_2", "Variable_3")
        }


def test_averages_of_a_classifier_by_a_rule(kind):
    golden = golden_of("mnist_ema", "golden.npz")
    rules = [
        lr.Rename("^(.*)/ExponentialMovingAverage$", r"\1"),
        lr.Rename("^(Variable(_[123])?)$", r"raw/\1"),
    ]
    model = lr.Model(
        "m",
        of_kind(kind, real_models.build_mnist),
        sample("mnist_ema"),
        rules=rules,
        allow_unused=["Variable.*"],
    )
    with lr.restore([model]) as restored:
        found = restored["m"](images=golden["in:random"])
        np.testing.assert_allclose(found, golden["out:ema_64004_random"], **TOLERANCE)


MONITORS = "(training|validation|evaluation)/loss_monitor/.*"


def test_a_character_model_with_its_monitors_waived(kind):
    golden = golden_of("char_rnn", "golden.npz")
    model = lr.Model(
        "m",
        of_kind(kind, real_models.build_char_rnn),
        sample("char_rnn", "tf1_2"),
        allow_unused=[MONITORS],
    )
    with lr.restore([model]) as restored:
        assert_same(
            values_in(restored, "m"), weights_by_stock_tensorflow(restored, "m")
        )
        assert restored.check().ok
        found = restored["m"](inputs=golden["in:seqb"])
        np.testing.assert_allclose(found, golden["out:tf12_meta_probs"], **TOLERANCE)
        assert len(of_id(restored["m"].report.findings, "unused-weights-waived")) == 6


def test_a_character_model_whose_monitors_are_not_waived_is_refused(kind, refused):
    model = lr.Model(
        "m", of_kind(kind, real_models.build_char_rnn), sample("char_rnn", "tf1_2")
    )
    error = refused([model])
    assert ids(error.findings) == ["unused-weights"] * 6


@pytest.mark.parametrize("rules", [[], ["rnn-1.2"]])
def test_the_same_model_saved_under_the_names_of_an_older_release(kind, rules):
    golden = golden_of("char_rnn", "golden.npz")
    location = sample("char_rnn", "tf1_1")
    build = of_kind(kind, real_models.build_char_rnn)
    model = lr.Model("m", build, location, rules=rules, allow_unused=[MONITORS])
    with lr.restore([model]) as restored:
        remarks = of_id(restored["m"].report.findings, "rule-pack")
        assert [one.subject for one in remarks] == ([] if rules else ["rnn-1.2"])
        found = restored["m"](inputs=golden["in:seqb"])
        np.testing.assert_allclose(found, golden["out:tf11_meta_probs"], **TOLERANCE)


def test_a_pack_that_leaves_weights_behind_is_only_proposed(kind, refused):
    build = of_kind(kind, real_models.build_char_rnn)
    error = refused([lr.Model("m", build, sample("char_rnn", "tf1_1"))])
    missing = of_id(error.findings, "missing-key")
    assert len(missing) == 4
    assert missing[0].hint.startswith("rules=['rnn-1.2'] for 'm'")


def test_models_of_three_projects_in_one_session(kind):
    models = [
        lr.Model(name, of_kind(kind, build), sample("mtcnn", directory))
        for name, (directory, build) in MTCNN.items()
    ]
    models.append(
        lr.Model("mnist", of_kind(kind, real_models.build_mnist), sample("mnist_ema"))
    )
    models.append(
        lr.Model(
            "rnn",
            of_kind(kind, real_models.build_char_rnn),
            os.path.join(sample("char_rnn", "tf1_2"), "model-85340.index"),
            allow_unused=[MONITORS],
        )
    )
    with lr.restore(models) as restored:
        assert restored.check().ok
        assert restored.report.coverage.variables == 52 + 4 + 6
        for name in restored:
            assert_same(
                values_in(restored, name), weights_by_stock_tensorflow(restored, name)
            )
