"""Each rule pack does what its examples say, and nothing to names of other habits."""

import pytest

from legacy_restore import errors
from legacy_restore.mapping.packs.pack import TypedName
from legacy_restore.mapping.packs.registry import PACKS, pack_named

EXAMPLES = [
    pytest.param(pack, change, id=f"{pack.name}:{change.old}")
    for pack in PACKS.values()
    for change in pack.changes
]


def renamed(pack, *names):
    keys = [TypedName(name) for name in names]
    changed = PACKS[pack].rename(keys, [])
    return [changed.get(name, name) for name in names]


@pytest.mark.parametrize("pack, change", EXAMPLES)
def test_a_pack_does_what_its_examples_say(pack, change):
    keys = change.keys or (TypedName(change.old),)

    changed = pack.rename(keys, change.wanted)

    assert changed[change.old] == change.new


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_a_pack_lists_only_what_it_changes(pack):
    keys = [key for change in pack.changes for key in change.keys]
    keys += [TypedName(change.old) for change in pack.changes]
    wanted = [name for change in pack.changes for name in change.wanted]

    changed = pack.rename(keys, wanted)

    assert set(changed) <= {key.name for key in keys}
    assert all(old != new for old, new in changed.items())


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_a_pack_leaves_names_of_nothing_alone(pack):
    names = ["w", "global_step", "beta1_power", "scope/sub/v", "", "/", "a//b"]

    assert renamed(pack.name, *names) == names


def test_the_names_of_packs_are_their_own():
    assert [pack.name for pack in PACKS.values()] == list(PACKS)
    assert all(pack.title and pack.changes for pack in PACKS.values())


def test_an_unknown_pack_is_refused_with_the_nearest_name():
    with pytest.raises(errors.UsageError) as refused:
        pack_named("rnn-12")

    assert "rnn-1" in refused.value.hint
    with pytest.raises(errors.UsageError) as refused:
        pack_named("tower,rnn-1.2")

    assert refused.value.hint == (
        "rules=['tower', 'rnn-1.2']   or   --rules=tower --rules=rnn-1.2"
    )


ERAS = {
    "0.12": [
        "RNN/BasicLSTMCell/Linear/Matrix",
        "RNN/LSTMCell/W_0",
        "RNN/GRUCell/Gates/Linear/Bias",
    ],
    "1.0": [
        "rnn/basic_lstm_cell/weights",
        "rnn/lstm_cell/projection/weights",
        "rnn/gru_cell/candidate/biases",
        "rnn/lstm_cell/w_f_diag",
    ],
    "1.2": [
        "rnn/basic_lstm_cell/kernel",
        "rnn/lstm_cell/projection/kernel",
        "rnn/gru_cell/candidate/bias",
        "rnn/conv_lstm_cell/biases",
        "rnn/coupled_input_forget_gate_lstm_cell/W_0",
        "rnn/coupled_input_forget_gate_lstm_cell/B",
    ],
    "slim": ["Conv/weights", "Conv_1/biases", "fully_connected/weights", "bn/beta"],
    "layers": ["conv2d/kernel", "conv2d_1/bias", "dense/kernel", "bn/beta"],
}
FIRES = {
    "0.12": {"rnn-1.0", "rnn-0.12"},
    "1.0": {"rnn-1.2", "rnn-0.12"},
    "1.2": set(),
    "slim": {"slim-to-layers", "weights-to-kernel"},
    "layers": {"layers-to-slim", "kernel-to-weights"},
}


@pytest.mark.parametrize("era", ERAS)
def test_packs_change_names_of_their_era_alone(era):
    fired = {name for name in PACKS if renamed(name, *ERAS[era]) != ERAS[era]}

    assert fired == FIRES[era]


def test_two_steps_are_the_same_as_one():
    old = ERAS["0.12"]

    assert renamed("rnn-1.2", *renamed("rnn-1.0", *old)) == renamed("rnn-0.12", *old)


def test_a_convolution_in_a_model_with_cells_keeps_its_name():
    names = ["Conv/weights", "rnn/lstm_cell/weights"]

    assert renamed("rnn-1.2", *names) == ["Conv/weights", "rnn/lstm_cell/kernel"]
    assert renamed("weights-to-kernel", *names) == [
        "Conv/kernel",
        "rnn/lstm_cell/weights",
    ]


def test_parts_change_whole():
    names = ["my_rnn/basic_lstm_cell_x/weights", "towers/tower_01/w", "models/w"]

    for pack in PACKS:
        if pack not in ("weights-to-kernel", "slim-to-layers"):
            assert renamed(pack, *names) == names, pack
