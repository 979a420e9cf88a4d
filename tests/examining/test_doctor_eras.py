"""The releases that wrote a checkpoint, as far as names and format prove them."""

import os

import pytest

from legacy_restore.examining.doctor import diagnose
from legacy_restore.examining.doctor_eras import UNKNOWN, era_of
from tests.checkpoint import golden
from tests.examining.doctor_trees import v1_with_keys, with_keys
from tests.samples import sample

OLD = "net/RNN/BasicLSTMCell/Linear/Matrix"
MIDDLE = "net/rnn/basic_lstm_cell/weights"
LATE = "net/rnn/basic_lstm_cell/kernel"
PLAIN = ["conv1/weights", "conv1/biases", "Variable", "w/Adam"]


@pytest.mark.parametrize(
    ("format", "keys", "releases"),
    [
        ("V2", PLAIN, "0.12 or later"),
        ("V2", [OLD], "0.12"),
        ("V2", [MIDDLE], "1.0 to 1.1"),
        ("V2", [LATE], "1.2 or later"),
        ("V2", ["a/.ATTRIBUTES/VARIABLE_VALUE"], "1.5 or later"),
        ("V1", PLAIN, "0.11 or before, or later with write_version=V1"),
        ("V1", [OLD], "0.12 or before"),
        ("V1", [MIDDLE], "1.0 to 1.1"),
        ("V1", [LATE], "1.2 or later"),
        ("V2", [OLD, LATE], UNKNOWN),
        ("V2", [MIDDLE, LATE], UNKNOWN),
        ("V2", [], "0.12 or later"),
    ],
)
def test_ranges(format, keys, releases):
    era = era_of(format, keys)
    assert era.releases == releases
    # Each proof names what it is of.
    assert {one.subject for one in era.evidence} <= {*keys, f"format {format}"}
    assert era.evidence


@pytest.mark.parametrize(
    ("key", "releases"),
    [
        ("RNN/LSTMCell/W_0", "0.12 or before"),
        ("RNN/LSTMCell/W_F_diag/Adam", "0.12 or before"),
        ("RNN/MultiRNNCell/Cell0/GRUCell/Gates/Linear/Bias", "0.12 or before"),
        ("RNN/LayerNormBasicLSTMCell/linear/weights", "0.12 or before"),
        ("rnn/multi_rnn_cell/cell_0/gru_cell/gates/weights", "1.0 to 1.1"),
        ("rnn/lstm_cell/biases/Adam_1", "1.0 to 1.1"),
        ("rnn/gru_cell/candidate/kernel", "1.2 or later"),
        ("bidirectional_rnn/fw/lstm_cell/kernel", "1.2 or later"),
        # What other code may be called, at any time.
        ("my_lstm_cell/weights", UNKNOWN),
        ("lstm_cell/weights_2", UNKNOWN),
        ("Linear/Matrix", UNKNOWN),
        ("dense/kernel", UNKNOWN),
        ("rnn/coupled_input_forget_gate_lstm_cell/W_0", UNKNOWN),
        ("gru_cell/kernel", UNKNOWN),
        ("LSTMCell/W_01", UNKNOWN),
    ],
)
def test_names(key, releases):
    found = era_of("other", [key])
    assert found.releases == releases
    assert [one.subject for one in found.evidence] == [key] * (releases != UNKNOWN)


@pytest.mark.parametrize(
    ("folder", "releases"),
    [
        ("tf0_12_lstm", "0.12"),
        ("tf1_0_lstm", "1.0 to 1.1"),
        ("tf0_12_v1", "0.11 or before, or later with write_version=V1"),
        ("tf1_15_v1_sharded", "0.11 or before, or later with write_version=V1"),
        ("tf1_15_many", "0.12 or later"),
    ],
)
def test_what_genuine_releases_wrote(folder, releases):
    (row,) = diagnose(golden.FOLDER / folder).checkpoints
    assert row.layout.era.releases == releases


def test_the_text_names_the_key_that_proves_it(tmp_path):
    with_keys(tmp_path / "model.ckpt-1", MIDDLE, *PLAIN)
    v1_with_keys(tmp_path / "old.ckpt-1", OLD)
    text = str(diagnose(tmp_path))
    assert f"written by TensorFlow 1.0 to 1.1: {MIDDLE} (" in text
    assert f"written by TensorFlow 0.12 or before: {OLD} (" in text


@pytest.mark.parametrize(
    ("folder", "format", "writer", "releases"),
    [
        ("char_rnn/tf1_1", "V2", "1.1.0", "1.0 to 1.1"),
        ("char_rnn/tf1_2", "V2", "1.2.1", "1.2 or later"),
        ("mtcnn/PNet_landmark", "V2", "1.8.0", "0.12 or later"),
        ("mtcnn/ONet_landmark", "V2", "1.8.0", "0.12 or later"),
        ("mtcnn/RNet_landmark", "V2", "1.8.0", "0.12 or later"),
        ("srcnn/v1", "V1", None, "0.11 or before, or later with write_version=V1"),
        ("srcnn/v2 gaussian sigma=1", "V2", "1.9.0", "0.12 or later"),
        ("traffic_signs_v1", "V1", None, "0.11 or before, or later with write_version"),
        ("mnist_ema", "V2", "1.6.0", "0.12 or later"),
        ("keras_object_based", "V2", None, "1.5 or later"),
        ("sonnet2/lstm_1", "V2", None, "1.5 or later"),
        ("taxi_estimator/saved_model", "V2", "1.12.0", "0.12 or later"),
        ("cudnn_lstm", "V2", "1.9.0", "0.12 or later"),
        ("dm21/DM21", "V2", "2.7.0", "0.12 or later"),
        ("regression/saved_model", "V2", "1.11.0", "0.12 or later"),
    ],
)
def test_real_checkpoints(folder, format, writer, releases):
    (row,) = diagnose(sample(*folder.split("/"))).checkpoints
    assert (row.format, row.writer) == (format, writer)
    assert row.is_complete
    assert row.layout.era.releases.startswith(releases)


def test_every_real_folder_has_a_diagnosis():
    root = sample()
    for folder in sorted(os.listdir(root)):
        path = os.path.join(root, folder)
        if not os.path.isdir(path):
            continue
        found = diagnose(path)
        assert str(found)
        assert found.checkpoints or found.graphs
        assert all(row.is_complete for row in found.checkpoints), folder
        wrong = {one.id for one in found.findings if one.is_error}
        assert wrong == ({"asset-missing"} if folder == "serving" else set())


def test_real_state_files_that_lead_nowhere():
    found = diagnose(sample("mtcnn"))
    assert sorted((one.named, one.status.value) for one in found.state_files) == [
        ("ONet-22", "missing"),
        ("PNet-30", "missing"),
        ("RNet-22", "missing"),
    ]
    (state,) = diagnose(sample("iris_partitioned")).state_files
    assert (state.is_foreign, state.status.value) == (True, "moved")
    assert state.taken.endswith("model.ckpt-8000")
