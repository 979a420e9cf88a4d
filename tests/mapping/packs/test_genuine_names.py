"""What packs make of the names that genuine old TensorFlows wrote.

No TensorFlow here: the names of both sides lie in golden files.
"""

import json
import pathlib

import pytest

from legacy_restore.mapping.packs.pack import TypedName
from legacy_restore.mapping.packs.registry import PACKS

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "golden" / "rule_packs"

PAIRS = [
    *(
        (pack, f"{old}_{case}", f"{new}_{case}")
        for pack, old, new in (
            ("rnn-1.0", "tf0_12", "tf1_0"),
            ("rnn-1.2", "tf1_0", "tf1_15"),
            ("rnn-0.12", "tf0_12", "tf1_15"),
        )
        for case in ("cells", "seq2seq", "trained_lstm", "fused_rnn")
    ),
    ("slim-to-layers", "tf1_0_slim", "tf1_15_layers"),
    ("slim-to-layers", "tf1_15_slim", "tf1_15_layers"),
    ("layers-to-slim", "tf1_15_layers", "tf1_15_slim"),
    ("weights-to-kernel", "tf1_0_slim_named", "tf1_15_layers_named"),
    ("kernel-to-weights", "tf1_15_layers_named", "tf1_0_slim_named"),
    ("estimator", "tf1_0_estimator", "tf1_15_estimator"),
    ("fused-rnn", "tf1_2_fused_rnn", "tf1_15_fused_rnn"),
    ("keras-lstm-cell", "tf1_15_keras_rnn", "tf2_21_keras_rnn"),
    ("keras-lstm", "tf2_21_keras_rnn", "tf1_15_keras_rnn"),
]


def names_of(folder):
    shapes = json.loads((GOLDEN / folder / "golden.json").read_text())
    del shapes["tensorflow"]
    return [TypedName(name, "float32", tuple(size)) for name, size in shapes.items()]


@pytest.mark.parametrize("pack, old, new", PAIRS)
def test_a_pack_gives_the_names_of_another_release(pack, old, new):
    stored, wanted = names_of(old), names_of(new)

    changed = PACKS[pack].rename(stored, wanted)

    # The estimator of contrib.learn has variables for its learning rates.
    made = {
        changed.get(key.name, key.name): key.shape
        for key in stored
        if not key.name.endswith("learning_rate")
    }
    assert made == {one.name: one.shape for one in wanted}


@pytest.mark.parametrize("folder", sorted(path.name for path in GOLDEN.iterdir()))
@pytest.mark.parametrize("pack", PACKS)
def test_a_pack_makes_no_two_names_the_same(pack, folder):
    keys = names_of(folder)

    changed = PACKS[pack].rename(keys, keys)

    made = [changed.get(key.name, key.name) for key in keys]
    assert len(set(made)) == len(made)
