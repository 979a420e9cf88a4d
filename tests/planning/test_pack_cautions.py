"""What a pack with a caution explains, no other pack takes by itself."""

import pytest

from legacy_restore.mapping.packs.registry import PACKS
from legacy_restore.planning.model_matching import match_model
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
