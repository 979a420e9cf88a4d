"""What a pack with a caution explains, no other pack takes by itself."""

import pytest

from legacy_restore.mapping.packs.registry import PACKS
from legacy_restore.planning.model_matching import explained_by, match_model
from tests.planning.specs import entry, model, of_id, source, variable

LAYERS = ["hiddenlayer_0", "hiddenlayer_1", "logits"]
# Pairs of names by pack: of the checkpoint, of the model.
NAMES = {
    "estimator": [
        (f"dnn/{layer}/{old}", f"dnn/{layer}/{new}")
        for layer in LAYERS
        for old, new in (("weights", "kernel"), ("biases", "bias"))
    ],
    "cudnn-rnn": [
        (f"rnn/cudnn_compatible_lstm_cell/{leaf}", f"rnn/lstm_cell/{leaf}")
        for leaf in ("kernel", "bias")
    ],
    "batch-norm": [
        (f"conv0/bn/{old}", f"conv0/bn/{new}")
        for old, new in (
            ("gamma", "gamma"),
            ("beta", "beta"),
            ("mean/EMA", "moving_mean"),
            ("variance/EMA", "moving_variance"),
        )
    ],
    "keras-lstm-cell": [
        (f"lstm/{leaf}", f"lstm/lstm_cell/{leaf}")
        for leaf in ("kernel", "recurrent_kernel", "bias")
    ],
}
NAMES["keras-lstm"] = [(new, old) for old, new in NAMES["keras-lstm-cell"]]


@pytest.mark.parametrize("pack", NAMES)
def test_a_model_is_refused_with_what_to_heed(pack):
    shapes = [(2, 8 - number) for number in range(len(NAMES[pack]))]
    stored = [entry(old, shape) for (old, _), shape in zip(NAMES[pack], shapes)]
    wanted = [variable(new, shape) for (_, new), shape in zip(NAMES[pack], shapes)]
    match = match_model(model(*wanted), source(*stored))
    assert of_id(match.findings, "rule-pack") == []
    hint = of_id(match.findings, "missing-key")[0].hint
    assert f"rules=[{pack!r}]" in hint
    assert PACKS[pack].caution in hint

    named = match_model(model(*wanted, packs=(PACKS[pack],)), source(*stored))
    assert [row.key for row in named.rows] == [old for old, _ in NAMES[pack]]


CLIPPING = PACKS["fused-rnn"].caution


@pytest.mark.parametrize(
    "pack, old, new",
    [
        ("fused-rnn", "lstm_block_wrapper/kernel", "lstm_fused_cell/kernel"),
        ("contrib-rnn", "lstm_block_wrapper/kernel", "lstm_cell/kernel"),
        ("rnn-1.2", "lstm_block_wrapper/weights", "lstm_fused_cell/kernel"),
        ("rnn-0.12", "RNN/LSTMBlockCell/W", "rnn/lstm_cell/kernel"),
        ("rnn-1.0", "RNN/LSTMBlockCell/W", "rnn/lstm_cell/weights"),
    ],
)
def test_cells_that_may_have_clipped_their_state_are_restored_when_asked_for(
    pack, old, new
):
    """Of genuine ones, up to TensorFlow 1.3, no name shows what cell_clip was."""
    match = match_model(model(new), source(old))
    assert of_id(match.findings, "rule-pack") == []
    hint = of_id(match.findings, "missing-key")[0].hint
    assert hint.startswith(f"rules=[{pack!r}] for 'm'") and hint.endswith(CLIPPING)
    assert not explained_by(model(new), source(old))


@pytest.mark.parametrize(
    "pack, old, new",
    [
        ("contrib-rnn", "lstm_fused_cell/kernel", "lstm_cell/kernel"),
        ("contrib-rnn", "rnn/gru_cell/w_c", "rnn/gru_cell/candidate/kernel"),
        ("rnn-1.2", "rnn/GRUBlockCell/w_c", "rnn/gru_cell/w_c"),
        ("rnn-1.2", "rnn/lstm_cell/weights", "rnn/lstm_cell/kernel"),
        ("rnn-0.12", "RNN/LSTMCell/W_0", "rnn/lstm_cell/kernel"),
    ],
)
def test_other_cells_are_restored_by_the_same_packs_unasked(pack, old, new):
    match = match_model(model(new), source(old))
    assert pack in [one.subject for one in of_id(match.findings, "rule-pack")]
    assert explained_by(model(new), source(old))


def test_a_caution_of_two_packs_is_said_once():
    match = match_model(model("lstm_cell/kernel"), source("RNN/LSTMBlockFusedCell/W"))
    hint = of_id(match.findings, "missing-key")[0].hint
    assert hint.count(CLIPPING) == 1
