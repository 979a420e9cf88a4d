"""Models that run eagerly, restored from old names by rule packs."""

import numpy as np
import pytest
import tensorflow as tf

import legacy_restore as lr
from legacy_restore import errors
from tests.graph.rule_pack_models import checkpoint_of, golden_of

tf_keras = pytest.importorskip("tf_keras")
keras = pytest.importorskip("keras")

FOLDER = "tf1_15_keras_rnn"
PACK = "keras-lstm-cell"


@keras.saving.register_keras_serializable("legacy_restore")
def gate_of_tensorflow_1(value):
    return keras.ops.clip(0.2 * value + 0.5, 0, 1)


def recurrent_model(library, gate, inputs):
    layers = library.layers
    whole = {"recurrent_activation": gate, "return_sequences": True}
    model = library.Sequential(
        [
            layers.LSTM(2, name="lstm", **whole),
            layers.LSTM(2, name="lstm_1", **whole),
            layers.GRU(2, reset_after=False, name="gru", **whole),
            layers.SimpleRNN(2, return_sequences=True, name="simple_rnn"),
            layers.Bidirectional(
                layers.LSTM(2, recurrent_activation=gate, name="lstm_2"),
                name="bidirectional",
            ),
        ]
    )
    model(inputs)
    return model


@pytest.mark.parametrize(
    "library, then, now",
    [
        (tf_keras, "hard_sigmoid", "sigmoid"),
        (keras, gate_of_tensorflow_1, "hard_sigmoid"),
    ],
    ids=["tf_keras", "keras"],
)
def test_recurrent_layers_of_tensorflow_1(library, then, now):
    """Keras 3 has no gate of that name that computes what it was; a pack is named."""
    golden = golden_of(FOLDER)
    inputs = golden["in:sequence"].astype(np.float32)
    model = recurrent_model(library, then, inputs)
    with pytest.raises(errors.RestoreError, match="hard_sigmoid") as refused:
        lr.restore_object(model, checkpoint_of(FOLDER))
    assert f"rules=[{PACK!r}]" in str(refused.value)
    assert lr.restore_object(model, checkpoint_of(FOLDER), rules=[PACK]).check().ok
    np.testing.assert_allclose(model(inputs), golden["out:output"], atol=1e-5)

    other = recurrent_model(library, now, inputs)
    lr.restore_object(other, checkpoint_of(FOLDER), rules=[PACK])
    assert np.abs(other(inputs) - golden["out:output"]).max() > 1e-3


def test_a_report_says_which_pack_was_taken_where_none_was_named(tmp_path):
    stored = {name: np.ones([4], np.float32) for name in ("weights", "biases")}
    cell = "rnn/basic_lstm_cell"
    prefix = lr.write_checkpoint(
        tmp_path / "ckpt", {f"{cell}/{name}": value for name, value in stored.items()}
    )
    variables = {
        f"{cell}/{name}": tf.Variable([0.0] * 4) for name in ("kernel", "bias")
    }
    said = str(lr.restore_object(variables, prefix).report)
    assert "rnn-1.2: recurrent cells of TensorFlow 1.0 and 1.1" in said
    named = lr.restore_object(variables, prefix, rules=["rnn-1.2"])
    assert "rnn-1.2" not in str(named.report)
