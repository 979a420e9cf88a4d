"""Names of canned estimators: tf.contrib.learn, and tf.estimator.

The estimators of contrib.learn make layers of contrib.layers
(``tensorflow/contrib/learn/python/learn/estimators/dnn_linear_combined.py``,
``tensorflow/contrib/layers/python/layers/feature_column_ops.py``), those of
``tf.estimator`` layers of tf.layers and of ``tf.feature_column``. Both stand in the
scopes ``dnn`` and ``linear``, and both partition variables, mostly into one part.

Both join the columns of the deep part in an order of their own: contrib.learn in that
of what they are written as, hence by their classes first, ``tf.feature_column`` in that
of their names. The rows of the first hidden layer stand in that order, and no
checkpoint shows it.
"""

from __future__ import annotations

from legacy_restore.mapping.packs.pack import (
    NameChange,
    RulePack,
    in_turn,
    substitutions,
)
from legacy_restore.mapping.packs.slots import rename_slots_of_parts

_SOURCE = "https://github.com/tensorflow/tensorflow/issues/13552"

ESTIMATOR = RulePack(
    name="estimator",
    version=1,
    title="canned estimators of tf.contrib.learn -> tf.estimator",
    source=_SOURCE,
    changes=(
        NameChange(
            "a hidden layer", "dnn/hiddenlayer_0/weights", "dnn/hiddenlayer_0/kernel"
        ),
        NameChange("the logits of the DNN", "dnn/logits/biases", "dnn/logits/bias"),
        NameChange(
            "an embedding column",
            "dnn/input_from_feature_columns/city_embedding/weights",
            "dnn/input_from_feature_columns/input_layer/city_embedding/"
            "embedding_weights",
        ),
        NameChange(
            "a numeric column", "linear/age/weight", "linear/linear_model/age/weights"
        ),
        NameChange(
            "a sparse column", "linear/city/weights", "linear/linear_model/city/weights"
        ),
        NameChange(
            "the bias of the linear model",
            "linear/bias_weight/Ftrl",
            "linear/linear_model/bias_weights/Ftrl",
        ),
    ),
    rename=in_turn(
        rename_slots_of_parts,
        substitutions(
            (r"(dnn/(?:hiddenlayer_\d+|logits))/weights", r"\1/kernel"),
            (r"(dnn/(?:hiddenlayer_\d+|logits))/biases", r"\1/bias"),
            (
                r"(dnn/input_from_feature_columns)/([^/]+)/weights",
                r"\1/input_layer/\2/embedding_weights",
            ),
            (
                r"linear/(?!linear_model/)([^/]+)/weights?",
                r"linear/linear_model/\1/weights",
            ),
            ("linear/bias_weight", "linear/linear_model/bias_weights"),
        ),
    ),
    caution=(
        "the first hidden layer has to get its columns in the order of contrib.learn, "
        "which is by kind (embedding, one-hot, real-valued); tf.estimator takes that "
        "of their names"
    ),
)

ESTIMATOR_SCOPES = RulePack(
    name="estimator-scopes",
    version=1,
    title="canned estimators -> a model without the scopes dnn and linear",
    source=_SOURCE,
    changes=(
        NameChange(
            "a hidden layer", "dnn/hiddenlayer_0/kernel", "hiddenlayer_0/kernel"
        ),
        NameChange("a column", "linear/linear_model/city/weights", "city/weights"),
        NameChange("a column of contrib.learn", "linear/age/weight", "age/weight"),
    ),
    rename=in_turn(
        rename_slots_of_parts,
        substitutions(
            (r"linear/linear_model/([^/]+)", r"\1"),
            # Both parts of contrib.learn's keep one, which would meet.
            (r"(?:dnn|linear)/(?!learning_rate)([^/]+)", r"\1"),
        ),
    ),
)
