"""Names of contrib's fused recurrent cells, and of core cells that compute the same.

``GRUBlockCell`` calls its variables ``w_ru``, ``b_ru``, ``w_c`` and ``b_c``; the same
cell as ``GRUBlockCellV2`` calls them like ``GRUCell`` does
(``tensorflow/contrib/rnn/python/ops/gru_ops.py``). ``LSTMBlockFusedCell`` has the
kernel of ``LSTMCell`` in a scope of its own
(``tensorflow/contrib/rnn/python/ops/lstm_ops.py``), which 1.4 and before call
``lstm_block_wrapper``, later releases ``lstm_fused_cell``. ``CudnnCompatibleLSTMCell``
is an ``LSTMBlockCell`` without a bias of its forget gate: the cell that takes its
kernel has to be made with ``forget_bias=0``
(``tensorflow/contrib/cudnn_rnn/python/ops/cudnn_rnn_ops.py``).

With the names a default changed: until 1.3 ``LSTMBlockCell`` and ``LSTMBlockFusedCell``
clip the state of the cell at 3 unless they are told otherwise, since 1.4 they do not.
No checkpoint shows it.
"""

from __future__ import annotations

from legacy_restore.mapping.packs.pack import NameChange, RulePack, substitutions

_SOURCE = (
    "https://github.com/tensorflow/tensorflow/blob/v1.15.5/tensorflow/"
    "contrib/rnn/python/ops/lstm_ops.py"
)
_GRU = r"(?:GRUBlockCell|gru_cell)((?:_\d+)?)"
_FUSED = r"(?:lstm_fused_cell|lstm_block_wrapper)((?:_\d+)?)"

MAY_CLIP = r"(?:LSTMBlockCell|LSTMBlockFusedCell|lstm_block_wrapper)(?:_\d+)?"
"""Scopes of cells that may have been trained with a clipped state."""
CLIPPING = (
    "LSTMBlockCell and LSTMBlockFusedCell need the cell_clip that they were trained "
    "with: 3 by default until TensorFlow 1.3, none since, and none in LSTMCell"
)
"""The caution about them."""

CONTRIB_RNN = RulePack(
    name="contrib-rnn",
    version=1,
    title="fused cells of contrib.rnn -> the core cells that compute the same",
    source=_SOURCE,
    changes=(
        NameChange("GRUBlockCell", "rnn/gru_cell/w_ru", "rnn/gru_cell/gates/kernel"),
        NameChange("GRUBlockCell", "rnn/gru_cell/b_ru", "rnn/gru_cell/gates/bias"),
        NameChange("GRUBlockCell", "rnn/gru_cell/w_c", "rnn/gru_cell/candidate/kernel"),
        NameChange(
            "GRUBlockCell of 1.0 to 1.2",
            "rnn/GRUBlockCell/b_c",
            "rnn/gru_cell/candidate/bias",
        ),
        NameChange(
            "GRUBlockCell of 0.12",
            "RNN/GRUBlockCell/w_ru",
            "rnn/gru_cell/gates/kernel",
        ),
        NameChange("LSTMBlockFusedCell", "lstm_fused_cell/kernel", "lstm_cell/kernel"),
        NameChange(
            "LSTMBlockFusedCell, peepholes",
            "lstm_fused_cell/w_f_diag",
            "lstm_cell/w_f_diag",
        ),
        NameChange(
            "LSTMBlockFusedCell of 1.2 to 1.4",
            "lstm_block_wrapper/bias",
            "lstm_cell/bias",
        ),
    ),
    rename=substitutions(
        (rf"{_GRU}/w_ru", r"gru_cell\1/gates/kernel"),
        (rf"{_GRU}/b_ru", r"gru_cell\1/gates/bias"),
        (rf"{_GRU}/w_c", r"gru_cell\1/candidate/kernel"),
        (rf"{_GRU}/b_c", r"gru_cell\1/candidate/bias"),
        (r"RNN((?:_\d+)?)/(gru_cell(?:_\d+)?/(?:gates|candidate))", r"rnn\1/\2"),
        (rf"{_FUSED}/(kernel|bias|w_[fio]_diag)", r"lstm_cell\1/\2"),
    ),
    caution=CLIPPING,
    caution_for=MAY_CLIP,
)

CUDNN_RNN = RulePack(
    name="cudnn-rnn",
    version=1,
    title="CudnnCompatibleLSTMCell -> LSTMCell",
    source="https://github.com/tensorflow/tensorflow/issues/19016",
    changes=(
        NameChange(
            "CudnnCompatibleLSTMCell",
            "rnn/cudnn_compatible_lstm_cell/kernel",
            "rnn/lstm_cell/kernel",
        ),
    ),
    rename=substitutions(
        (
            r"cudnn_compatible_lstm_cell((?:_\d+)?)/(kernel|bias|w_[fio]_diag)",
            r"lstm_cell\1/\2",
        )
    ),
    caution="the cell has to be made with forget_bias=0",
)

FUSED_RNN = RulePack(
    name="fused-rnn",
    version=1,
    title="fused cells of contrib.rnn, TensorFlow 1.2 to 1.4 -> 1.15",
    source=_SOURCE,
    changes=(
        NameChange(
            "LSTMBlockFusedCell", "lstm_block_wrapper/kernel", "lstm_fused_cell/kernel"
        ),
        NameChange(
            "LSTMBlockFusedCell", "lstm_block_wrapper/bias", "lstm_fused_cell/bias"
        ),
        NameChange("GRUBlockCell", "rnn/GRUBlockCell/w_ru", "rnn/gru_cell/w_ru"),
    ),
    rename=substitutions(
        (
            r"lstm_block_wrapper((?:_\d+)?)/(kernel|bias|w_[fio]_diag)",
            r"lstm_fused_cell\1/\2",
        ),
        (r"GRUBlockCell((?:_\d+)?)/(w_ru|b_ru|w_c|b_c)", r"gru_cell\1/\2"),
    ),
    caution=CLIPPING,
    caution_for=MAY_CLIP,
)
