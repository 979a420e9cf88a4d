"""Packs that look at what stands beside a name."""

from legacy_restore.mapping.packs.pack import TypedName
from legacy_restore.mapping.packs.registry import PACKS


def renamed(pack, *names, shape=()):
    keys = [TypedName(name, "float32", shape) for name in names]
    return dict(PACKS[pack].rename(keys, []))


def test_a_cell_moves_into_the_wrapper_beside_it():
    assert renamed(
        "rnn-1.2",
        "rnn/output_projection_wrapper/weights",
        "rnn/multi_rnn_cell/cell_0/gru_cell/gates/weights",
        "rnn/multi_rnn_cell/cell_0/gru_cell/gates/weights/Adam",
    ) == {
        "rnn/output_projection_wrapper/weights": (
            "rnn/output_projection_wrapper/kernel"
        ),
        "rnn/multi_rnn_cell/cell_0/gru_cell/gates/weights": (
            "rnn/output_projection_wrapper/multi_rnn_cell/cell_0/gru_cell/gates/kernel"
        ),
        "rnn/multi_rnn_cell/cell_0/gru_cell/gates/weights/Adam": (
            "rnn/output_projection_wrapper/multi_rnn_cell/cell_0/gru_cell/gates/kernel"
            "/Adam"
        ),
    }


def test_a_cell_that_is_in_its_wrapper_stays():
    names = [
        "rnn/output_projection_wrapper/kernel",
        "rnn/output_projection_wrapper/gru_cell/gates/kernel",
    ]

    assert renamed("rnn-1.2", *names) == {}


def test_cells_beside_two_wrappers_stay():
    names = [
        "rnn/output_projection_wrapper/kernel",
        "rnn/embedding_wrapper/embedding",
        "rnn/gru_cell/gates/kernel",
    ]

    assert renamed("rnn-1.2", *names) == {}


def test_convolutions_of_several_ranks_keep_their_scopes():
    keys = [
        TypedName("Conv/weights", "float32", (3, 3, 1, 4)),
        TypedName("Conv_1/weights", "float32", (3, 4, 4)),
    ]

    assert dict(PACKS["slim-to-layers"].rename(keys, [])) == {
        "Conv/weights": "Conv/kernel",
        "Conv_1/weights": "Conv_1/kernel",
    }


def test_a_scale_without_its_three_companions_stays():
    names = ["bn/scale", "bn/offset", "bn/mean"]

    assert renamed("batch-norm", *names) == {}


def test_slots_of_several_parts_stay():
    names = ["w", "w/part_0/Adagrad", "w/part_1/Adagrad"]

    assert renamed("part-slots", *names) == {}


def test_a_slot_whose_short_name_is_taken_stays():
    names = ["m/w", "m/m/w/Adam", "m/w/Adam"]

    assert renamed("doubled-scope", *names) == {}


def test_a_cell_of_core_is_no_layer_of_keras():
    names = ["rnn/lstm_cell/kernel", "rnn/lstm_cell/bias"]

    assert renamed("keras-lstm", *names) == {}
    assert renamed("keras-lstm-cell", *names) == {}


def test_the_model_tells_how_a_cell_is_numbered():
    keys = [
        TypedName("lstm/kernel", "float32", (3, 8)),
        TypedName("lstm/recurrent_kernel", "float32", (2, 8)),
    ]
    wanted = [TypedName("lstm/lstm_cell_5/recurrent_kernel", "float32", (2, 8))]

    assert dict(PACKS["keras-lstm-cell"].rename(keys, wanted)) == {
        "lstm/kernel": "lstm/lstm_cell_5/kernel",
        "lstm/recurrent_kernel": "lstm/lstm_cell_5/recurrent_kernel",
    }


def test_stacked_cells_of_one_layer_stay():
    names = ["rnn/lstm_cell/recurrent_kernel", "rnn/gru_cell/recurrent_kernel"]

    assert renamed("keras-lstm", *names, shape=(2, 8)) == {}
