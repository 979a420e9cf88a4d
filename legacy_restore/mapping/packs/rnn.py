"""Names of recurrent cells, from TensorFlow 0.5 to 1.15.

Up to 0.12 a cell's scope is called like its class, and its variables are ``Matrix`` and
``Bias`` of a scope ``Linear`` (``tensorflow/python/ops/rnn_cell.py``); with 1.0 scopes
are in lower case and variables are ``weights`` and ``biases``
(``tensorflow/contrib/rnn/python/ops/core_rnn_cell_impl.py``). Since 1.2 a cell is a
layer, its variables are ``kernel`` and ``bias``
(``tensorflow/python/ops/rnn_cell_impl.py``), and a wrapper's scope holds the cell that
it wraps. TensorFlow's own converter,
``tensorflow/contrib/rnn/python/tools/checkpoint_convert.py``, went with contrib.

Only names whose surrounding part is that of a cell change: the convolutions of slim are
``weights`` and ``biases`` to this day.
"""

from __future__ import annotations

from legacy_restore.mapping.packs import contrib_rnn, seq2seq
from legacy_restore.mapping.packs.pack import (
    NameChange,
    RulePack,
    chained,
    in_turn,
    substitutions,
)

_CELLS_012 = {
    "BasicRNNCell": "basic_rnn_cell",
    "GRUCell": "gru_cell",
    "BasicLSTMCell": "basic_lstm_cell",
    "LSTMCell": "lstm_cell",
    "LayerNormBasicLSTMCell": "layer_norm_basic_lstm_cell",
    "CoupledInputForgetGateLSTMCell": "coupled_input_forget_gate_lstm_cell",
    "TimeFreqLSTMCell": "time_freq_lstm_cell",
    "GridLSTMCell": "grid_lstm_cell",
    "BidirectionalGridLSTMCell": "bidirectional_grid_lstm_cell",
    "LSTMBlockCell": "lstm_cell",
    "LSTMBlockFusedCell": "lstm_block_wrapper",
    "AttentionCellWrapper": "attention_cell_wrapper",
    "EmbeddingWrapper": "embedding_wrapper",
    "InputProjectionWrapper": "input_projection_wrapper",
    "OutputProjectionWrapper": "output_projection_wrapper",
    "MultiRNNCell": "multi_rnn_cell",
}
# What may stand in the scope that a recurrent function of 0.12 opens.
_INSIDE_012 = "|".join([*_CELLS_012, "GRUBlockCell"])
# Gate order and layout are those of LSTMCell, so 1.0 calls them by its names.
_LSTM_012 = "LSTMCell|LSTMBlockCell|LSTMBlockFusedCell"

_PEEPHOLES = {
    "W_F_diag": "w_f_diag",
    "W_I_diag": "w_i_diag",
    "W_O_diag": "w_o_diag",
    "wcf": "w_f_diag",
    "wci": "w_i_diag",
    "wco": "w_o_diag",
}

_rename_to_1_0 = in_turn(
    seq2seq.linear_to_1_0,
    substitutions(
        (rf"({_INSIDE_012})/Linear/Matrix", r"\1/weights"),
        (rf"({_INSIDE_012})/Linear/Bias", r"\1/biases"),
        (r"GRUCell/Gates/Linear/Matrix", "GRUCell/gates/weights"),
        (r"GRUCell/Gates/Linear/Bias", "GRUCell/gates/biases"),
        (r"GRUCell/Candidate/Linear/Matrix", "GRUCell/candidate/weights"),
        (r"GRUCell/Candidate/Linear/Bias", "GRUCell/candidate/biases"),
        (r"LayerNormBasicLSTMCell/linear/weights", "LayerNormBasicLSTMCell/weights"),
        (r"LayerNormBasicLSTMCell/linear/b", "LayerNormBasicLSTMCell/biases"),
        (rf"({_LSTM_012})/(?:W_0|W)", r"\1/weights"),
        (rf"({_LSTM_012})/(?:B|b)", r"\1/biases"),
        (r"LSTMCell/W_P_0", "LSTMCell/projection/weights"),
        *(
            (rf"({_LSTM_012})/{old}", rf"\1/{new}")
            for old, new in sorted(_PEEPHOLES.items())
        ),
        # AttentionCellWrapper.
        (
            r"AttentionCellWrapper/AttnOutputProjection/Linear/Matrix",
            "AttentionCellWrapper/attn_output_projection/weights",
        ),
        (
            r"AttentionCellWrapper/AttnOutputProjection/Linear/Bias",
            "AttentionCellWrapper/attn_output_projection/biases",
        ),
        (
            r"AttentionCellWrapper/Attention/Linear/Matrix",
            "AttentionCellWrapper/attention/weights",
        ),
        (
            r"AttentionCellWrapper/Attention/Linear/Bias",
            "AttentionCellWrapper/attention/biases",
        ),
        (
            r"AttentionCellWrapper/Attention/AttnW",
            "AttentionCellWrapper/attention/attn_w",
        ),
        (
            r"AttentionCellWrapper/Attention/AttnV",
            "AttentionCellWrapper/attention/attn_v",
        ),
        # What recurrent functions call the scopes that hold cells.
        (r"MultiRNNCell/Cell(\d+)", r"MultiRNNCell/cell_\1"),
        (r"StackRNN/Layer(\d+)", r"stack_bidirectional_rnn/cell_\1"),
        (r"BiRNN((?:_\d+)?)/FW", r"bidirectional_rnn\1/fw"),
        (r"BiRNN((?:_\d+)?)/BW", r"bidirectional_rnn\1/bw"),
        (rf"RNN((?:_\d+)?)/({_INSIDE_012})", r"rnn\1/\2"),
        *((old, new) for old, new in sorted(_CELLS_012.items())),
    ),
)

RNN_1_0 = RulePack(
    name="rnn-1.0",
    version=1,
    title="recurrent cells of TensorFlow 0.12 and before -> 1.0 and 1.1",
    source="https://github.com/tensorflow/tensorflow/issues/7490",
    changes=(
        NameChange(
            "BasicLSTMCell in dynamic_rnn",
            "RNN/BasicLSTMCell/Linear/Matrix",
            "rnn/basic_lstm_cell/weights",
        ),
        NameChange(
            "BasicLSTMCell in dynamic_rnn",
            "RNN/BasicLSTMCell/Linear/Bias",
            "rnn/basic_lstm_cell/biases",
        ),
        NameChange("LSTMCell", "RNN/LSTMCell/W_0", "rnn/lstm_cell/weights"),
        NameChange("LSTMCell", "RNN/LSTMCell/B", "rnn/lstm_cell/biases"),
        NameChange(
            "LSTMCell, peepholes", "RNN/LSTMCell/W_F_diag", "rnn/lstm_cell/w_f_diag"
        ),
        NameChange(
            "LSTMCell, projection",
            "RNN/LSTMCell/W_P_0",
            "rnn/lstm_cell/projection/weights",
        ),
        NameChange(
            "GRUCell",
            "RNN/GRUCell/Gates/Linear/Matrix",
            "rnn/gru_cell/gates/weights",
        ),
        NameChange(
            "GRUCell",
            "RNN/GRUCell/Candidate/Linear/Bias",
            "rnn/gru_cell/candidate/biases",
        ),
        NameChange(
            "BasicRNNCell",
            "RNN/BasicRNNCell/Linear/Matrix",
            "rnn/basic_rnn_cell/weights",
        ),
        NameChange(
            "LayerNormBasicLSTMCell",
            "RNN/LayerNormBasicLSTMCell/linear/weights",
            "rnn/layer_norm_basic_lstm_cell/weights",
        ),
        NameChange(
            "LayerNormBasicLSTMCell",
            "RNN/LayerNormBasicLSTMCell/forget/gamma",
            "rnn/layer_norm_basic_lstm_cell/forget/gamma",
        ),
        NameChange(
            "MultiRNNCell",
            "RNN/MultiRNNCell/Cell1/GRUCell/Gates/Linear/Bias",
            "rnn/multi_rnn_cell/cell_1/gru_cell/gates/biases",
        ),
        NameChange(
            "slots follow",
            "RNN/BasicLSTMCell/Linear/Matrix/Adam",
            "rnn/basic_lstm_cell/weights/Adam",
        ),
        NameChange(
            "bidirectional_dynamic_rnn",
            "BiRNN/FW/LSTMCell/W_0",
            "bidirectional_rnn/fw/lstm_cell/weights",
        ),
        NameChange(
            "stack_bidirectional_dynamic_rnn",
            "StackRNN/Layer0/BiRNN/BW/LSTMCell/B",
            "stack_bidirectional_rnn/cell_0/bidirectional_rnn/bw/lstm_cell/biases",
        ),
        NameChange(
            "AttentionCellWrapper",
            "RNN/AttentionCellWrapper/Attention/AttnW",
            "rnn/attention_cell_wrapper/attention/attn_w",
        ),
        NameChange(
            "AttentionCellWrapper",
            "RNN/AttentionCellWrapper/AttnOutputProjection/Linear/Matrix",
            "rnn/attention_cell_wrapper/attn_output_projection/weights",
        ),
        NameChange(
            "OutputProjectionWrapper",
            "RNN/OutputProjectionWrapper/Linear/Bias",
            "rnn/output_projection_wrapper/biases",
        ),
        NameChange(
            "EmbeddingWrapper",
            "RNN/EmbeddingWrapper/embedding",
            "rnn/embedding_wrapper/embedding",
        ),
        NameChange("LSTMBlockCell", "RNN/LSTMBlockCell/wci", "rnn/lstm_cell/w_i_diag"),
        *seq2seq.CHANGES_1_0,
    ),
    rename=_rename_to_1_0,
    caution=contrib_rnn.CLIPPING,
    caution_for=contrib_rnn.MAY_CLIP,
)

_CELLS_10 = (
    r"(?:basic_rnn_cell|gru_cell|basic_lstm_cell|lstm_cell|layer_norm_basic_lstm_cell"
    r"|ugrnn_cell|intersection_rnn_cell|phased_lstm_cell|attention_cell_wrapper"
    r"|input_projection_wrapper|output_projection_wrapper)(?:_\d+)?"
)
_WITHIN_CELLS_10 = (
    r"(?:/(?:gates|candidate|projection|in_projection|mask_gates|new_input"
    r"|output_gate|attention|attn_output_projection))?"
)

_rename_to_1_2 = in_turn(
    seq2seq.linear_to_1_2,
    substitutions(
        (rf"({_CELLS_10}{_WITHIN_CELLS_10})/weights", r"\1/kernel"),
        (rf"({_CELLS_10}{_WITHIN_CELLS_10})/biases", r"\1/bias"),
        ("lstm_block_wrapper/weights", "lstm_fused_cell/kernel"),
        ("lstm_block_wrapper/biases", "lstm_fused_cell/bias"),
        (r"lstm_block_wrapper/(w_[fio]_diag)", r"lstm_fused_cell/\1"),
        (r"GRUBlockCell/(w_ru|b_ru|w_c|b_c)", r"gru_cell/\1"),
        ("nas_rnn/recurrent_weights", "nas_cell/recurrent_kernel"),
        ("nas_rnn/weights", "nas_cell/kernel"),
        (r"nas_rnn/(bias|projection_weights)", r"nas_cell/\1"),
    ),
    seq2seq.nest_in_wrappers,
)

RNN_1_2 = RulePack(
    name="rnn-1.2",
    version=1,
    title="recurrent cells of TensorFlow 1.0 and 1.1 -> 1.2 to 1.15",
    source="https://github.com/tensorflow/tensorflow/issues/11168",
    changes=(
        NameChange(
            "BasicLSTMCell", "rnn/basic_lstm_cell/weights", "rnn/basic_lstm_cell/kernel"
        ),
        NameChange(
            "BasicLSTMCell", "rnn/basic_lstm_cell/biases", "rnn/basic_lstm_cell/bias"
        ),
        NameChange("LSTMCell", "rnn/lstm_cell/weights", "rnn/lstm_cell/kernel"),
        NameChange(
            "LSTMCell, projection",
            "rnn/lstm_cell/projection/weights",
            "rnn/lstm_cell/projection/kernel",
        ),
        NameChange(
            "GRUCell", "rnn/gru_cell/gates/weights", "rnn/gru_cell/gates/kernel"
        ),
        NameChange(
            "GRUCell", "rnn/gru_cell/candidate/biases", "rnn/gru_cell/candidate/bias"
        ),
        NameChange(
            "BasicRNNCell", "rnn/basic_rnn_cell/weights", "rnn/basic_rnn_cell/kernel"
        ),
        NameChange(
            "LayerNormBasicLSTMCell",
            "rnn/layer_norm_basic_lstm_cell/weights",
            "rnn/layer_norm_basic_lstm_cell/kernel",
        ),
        NameChange(
            "MultiRNNCell",
            "rnn/multi_rnn_cell/cell_0/basic_lstm_cell/weights",
            "rnn/multi_rnn_cell/cell_0/basic_lstm_cell/kernel",
        ),
        NameChange(
            "slots follow",
            "rnn/basic_lstm_cell/weights/Adam_1",
            "rnn/basic_lstm_cell/kernel/Adam_1",
        ),
        NameChange(
            "AttentionCellWrapper",
            "rnn/attention_cell_wrapper/attn_output_projection/biases",
            "rnn/attention_cell_wrapper/attn_output_projection/bias",
        ),
        NameChange(
            "LSTMBlockFusedCell", "lstm_block_wrapper/weights", "lstm_fused_cell/kernel"
        ),
        NameChange("GRUBlockCell", "rnn/GRUBlockCell/w_ru", "rnn/gru_cell/w_ru"),
        NameChange("NASCell", "rnn/nas_rnn/weights", "rnn/nas_cell/kernel"),
        *seq2seq.CHANGES_1_2,
    ),
    rename=_rename_to_1_2,
    caution=contrib_rnn.CLIPPING,
    caution_for=contrib_rnn.MAY_CLIP,
)

RNN_0_12 = RulePack(
    name="rnn-0.12",
    version=1,
    title="recurrent cells of TensorFlow 0.12 and before -> 1.2 to 1.15",
    source="https://github.com/tensorflow/tensorflow/issues/8447",
    changes=(
        NameChange(
            "BasicLSTMCell",
            "RNN/BasicLSTMCell/Linear/Matrix",
            "rnn/basic_lstm_cell/kernel",
        ),
        NameChange("LSTMCell", "RNN/LSTMCell/W_0", "rnn/lstm_cell/kernel"),
        NameChange("LSTMCell", "RNN/LSTMCell/B", "rnn/lstm_cell/bias"),
        NameChange(
            "LSTMCell, projection",
            "RNN/LSTMCell/W_P_0",
            "rnn/lstm_cell/projection/kernel",
        ),
        NameChange(
            "GRUCell",
            "RNN/GRUCell/Gates/Linear/Matrix",
            "rnn/gru_cell/gates/kernel",
        ),
        NameChange(
            "MultiRNNCell",
            "RNN/MultiRNNCell/Cell0/BasicLSTMCell/Linear/Bias",
            "rnn/multi_rnn_cell/cell_0/basic_lstm_cell/bias",
        ),
        NameChange(
            "bidirectional_dynamic_rnn",
            "BiRNN/FW/LSTMCell/W_0",
            "bidirectional_rnn/fw/lstm_cell/kernel",
        ),
        *seq2seq.CHANGES_0_12,
    ),
    rename=chained(RNN_1_0, RNN_1_2),
    caution=contrib_rnn.CLIPPING,
    caution_for=contrib_rnn.MAY_CLIP,
)
