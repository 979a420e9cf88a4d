"""Which old model, under which packs, is which model of today.

Each of ``CASES`` is a checkpoint of ``tests/golden/rule_packs`` and a model that is
built under other names, each of ``SAME`` one under the same.
"""

import dataclasses
import functools
from typing import Any, Callable, Mapping, Optional, Tuple

import tensorflow as tf

from tests.graph import rule_pack_keras as keras
from tests.graph import rule_pack_models as models
from tests.graph import rule_pack_trained as trained
from tests.graph.rule_pack_names import called


@dataclasses.dataclass(frozen=True)
class Case:
    """An old model and its present one.

    Attributes:
      folder: The checkpoint's folder.
      packs: The names of the packs that lead from one to the other.
      build: The present model.
      like: The folder whose names are those of the present model, if there is one.
      by_itself: The pack that a plan takes if nobody names any: another one where that
        gives the same table and stands before; None where it has to be named.
      more: What else ``lr.Model`` gets.
    """

    folder: str
    packs: Tuple[str, ...]
    build: Callable[[], Mapping[str, Any]]
    like: Optional[str] = None
    by_itself: Optional[str] = None
    more: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __str__(self):
        """Its name in reports."""
        return f"{self.folder}-{'+'.join(self.packs)}"


def case(folder, packs, build, like=None, **more):
    """A case of packs that are joined by ``+``; one alone is taken by itself."""
    names = tuple(packs.split("+"))
    more.setdefault("by_itself", names[0] if len(names) == 1 else None)
    return Case(folder, names, build, like, **more)


def named_case(*given, **more):
    """A case of a pack that has to be named."""
    return case(*given, by_itself=None, **more)


LEAVES = ("/kernel$", "/weights"), ("/bias$", "/biases")
WRAPPED = (
    (r"(input|output)_projection_wrapper/gru_cell", "gru_cell"),
    ("embedding_wrapper/gru_cell", "gru_cell"),
)
CELLS_1_0 = called(models.build_cells, *LEAVES, *WRAPPED)
SEQ2SEQ_1_0 = called(models.build_seq2seq, *LEAVES, *WRAPPED)
LSTM_1_0 = called(models.build_trained_lstm, *LEAVES)
FUSED_1_0 = called(
    models.build_fused_rnn,
    *LEAVES,
    ("gru_block/rnn/gru_cell", "gru_block/rnn/GRUBlockCell"),
    ("lstm_fused_cell", "lstm_block_wrapper"),
)
NAMED_SLIM = called(models.build_layers_named, *LEAVES)
SLIM = called(
    models.build_layers,
    *LEAVES,
    (r"batch_normalization/", "BatchNorm/"),
    (r"separable_conv2d/(depthwise|pointwise)_kernel", r"SeparableConv2d/\1_weights"),
    ("separable_conv2d/", "SeparableConv2d/"),
    (r"conv2d((?:_1)?)/", r"Conv\1/"),
    ("dense/", "fully_connected/"),
)
TENSORPACK = called(models.build_layers_named, (r"moving_(mean|variance)$", r"\1/EMA"))
WITH_SONNET_NORM = called(SLIM, ("BatchNorm/", "batch_norm/"))
SLIM_NORMS = functools.partial(models.build_sonnet, ("BatchNorm", "BatchNorm_1"))
OLD_ESTIMATOR = functools.partial(trained.build_estimator, embedding_first=True)
CONTRIB_LEARN = called(
    OLD_ESTIMATOR,
    (r"dnn/(hiddenlayer_0|logits)/kernel$", r"dnn/\1/weights"),
    (r"dnn/(hiddenlayer_0|logits)/bias$", r"dnn/\1/biases"),
    ("input_layer/city_embedding/embedding_weights$", "city_embedding/weights"),
    ("linear/linear_model/age/weights$", "linear/age/weight"),
    ("linear/linear_model/city/weights$", "linear/city/weights"),
    ("linear/linear_model/bias_weights$", "linear/bias_weight"),
)
# Without their scopes the layers of contrib.learn have the names of their variables.
UNSCOPED = ("linear/linear_model/", ""), ("dnn/", ""), ("linear/", "")
KERAS_CELLS = keras.keras_rnn(keras.hard_sigmoid, cell=True)
KERAS_LAYERS = keras.keras_rnn(tf.sigmoid, cell=False)
NO_RATES = {"allow_unused": [".*learning_rate"]}

CASES = (
    case("tf0_12_cells", "rnn-0.12", models.build_cells, "tf1_15_cells"),
    case("tf0_12_seq2seq", "rnn-0.12", models.build_seq2seq, "tf1_15_seq2seq"),
    case("tf0_12_trained_lstm", "rnn-0.12", models.build_trained_lstm),
    named_case("tf0_12_fused_rnn", "rnn-0.12", models.build_fused_rnn),
    case("tf0_12_cells", "rnn-1.0", CELLS_1_0, "tf1_0_cells"),
    case("tf0_12_seq2seq", "rnn-1.0", SEQ2SEQ_1_0, "tf1_0_seq2seq"),
    case("tf0_12_trained_lstm", "rnn-1.0", LSTM_1_0, "tf1_0_trained_lstm"),
    named_case("tf0_12_fused_rnn", "rnn-1.0", FUSED_1_0, "tf1_0_fused_rnn"),
    case("tf1_0_cells", "rnn-1.2", models.build_cells, "tf1_15_cells"),
    case("tf1_0_seq2seq", "rnn-1.2", models.build_seq2seq, "tf1_15_seq2seq"),
    case("tf1_0_trained_lstm", "rnn-1.2", models.build_trained_lstm),
    named_case("tf1_0_fused_rnn", "rnn-1.2", models.build_fused_rnn),
    case("tf1_15_fused_rnn", "contrib-rnn", models.build_core_rnn),
    named_case("tf1_2_fused_rnn", "contrib-rnn", models.build_core_rnn),
    case("tf1_0_fused_rnn", "rnn-1.2+contrib-rnn", models.build_core_rnn),
    case("tf0_12_fused_rnn", "rnn-0.12+contrib-rnn", models.build_core_rnn),
    named_case(
        "tf1_2_fused_rnn", "fused-rnn", models.build_fused_rnn, "tf1_15_fused_rnn"
    ),
    named_case(
        "tf1_15_cudnn_rnn",
        "cudnn-rnn",
        models.build_lstm_without_forget_bias,
    ),
    case("tf0_12_default_numbers", "default-numbers", models.build_default_numbers),
    case("tf1_0_slim", "slim-to-layers", models.build_layers, "tf1_15_layers"),
    case("tf1_15_slim", "slim-to-layers", models.build_layers, "tf1_15_layers"),
    case("tf1_15_layers", "layers-to-slim", SLIM, "tf1_15_slim"),
    case(
        "tf1_0_slim_named",
        "weights-to-kernel",
        models.build_layers_named,
        "tf1_15_layers_named",
        by_itself="slim-to-layers",
    ),
    case(
        "tf1_15_layers_named",
        "kernel-to-weights",
        NAMED_SLIM,
        "tf1_0_slim_named",
        by_itself="layers-to-slim",
    ),
    named_case("tf1_15_batch_norms", "batch-norm", models.build_batch_norms),
    named_case("tf1_15_sonnet", "batch-norm-layers", models.build_sonnet),
    named_case("tf1_15_sonnet", "batch-norm-slim", SLIM_NORMS),
    named_case("tf1_15_layers_named", "batch-norm-tensorpack", TENSORPACK),
    named_case("tf1_15_slim", "batch-norm-sonnet", WITH_SONNET_NORM),
    named_case(
        "tf1_15_keras_rnn",
        "keras-lstm-cell",
        KERAS_CELLS,
        "tf2_21_keras_rnn",
    ),
    named_case(
        "tf2_21_keras_rnn",
        "keras-lstm",
        KERAS_LAYERS,
        "tf1_15_keras_rnn",
    ),
    case("tf1_15_keras_depthwise", "keras-depthwise", keras.build_keras_depthwise),
    case("tf1_15_keras_numbers", "keras-numbers", keras.build_keras_numbers),
    named_case(
        "tf1_0_estimator",
        "estimator",
        OLD_ESTIMATOR,
        "tf1_15_estimator",
        more=NO_RATES,
    ),
    case("tf1_0_estimator", "part-slots", CONTRIB_LEARN, more=NO_RATES),
    case(
        "tf1_15_estimator",
        "estimator-scopes",
        called(trained.build_estimator, *UNSCOPED),
    ),
    case(
        "tf1_0_estimator",
        "estimator-scopes",
        called(CONTRIB_LEARN, *UNSCOPED),
        more=NO_RATES,
    ),
    case("tf1_15_doubled_scope", "doubled-scope", trained.build_without_doubled_scope),
    case("tf1_0_tower", "tower", models.build_dense),
    case("tf1_15_module", "module", models.build_dense),
    case("tf1_15_model", "model", models.build_dense),
    case("tf1_15_colon", "colon", models.build_colon),
)

# Models of one time, which no pack may touch.
SAME = (
    ("tf1_15_cells", models.build_cells),
    ("tf1_15_seq2seq", models.build_seq2seq),
    ("tf1_15_trained_lstm", models.build_trained_lstm),
    ("tf1_15_fused_rnn", models.build_fused_rnn),
    ("tf1_15_layers", models.build_layers),
    ("tf1_15_layers_named", models.build_layers_named),
    ("tf1_15_slim", SLIM),
    ("tf1_15_estimator", trained.build_estimator),
    ("tf1_15_doubled_scope", trained.build_doubled_scope),
    ("tf1_0_cells", CELLS_1_0),
    ("tf1_0_seq2seq", SEQ2SEQ_1_0),
    ("tf1_0_trained_lstm", LSTM_1_0),
    ("tf1_0_slim_named", NAMED_SLIM),
)
