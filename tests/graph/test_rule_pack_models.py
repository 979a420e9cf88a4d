"""Old checkpoints under packs' names compute in today's graph what they computed then.

Restored by stock TensorFlow with the table that a pack gives: this holds the packs and
the models, whatever plans make of them.
"""

import numpy as np
import pytest
import tensorflow as tf

from legacy_restore.mapping.packs.pack import TypedName
from legacy_restore.mapping.packs.registry import PACKS
from tests.graph import rule_pack_models as models

v1 = tf.compat.v1

CASES = [
    ("tf0_12_cells", "rnn-0.12", models.build_cells),
    ("tf1_0_cells", "rnn-1.2", models.build_cells),
    ("tf0_12_seq2seq", "rnn-0.12", models.build_seq2seq),
    ("tf1_0_seq2seq", "rnn-1.2", models.build_seq2seq),
    ("tf0_12_default_numbers", "default-numbers", models.build_default_numbers),
    ("tf1_0_tower", "tower", models.build_dense),
    ("tf1_0_slim", "slim-to-layers", models.build_layers),
    ("tf1_0_slim_named", "weights-to-kernel", models.build_layers_named),
    ("tf1_15_slim", "slim-to-layers", models.build_layers),
    ("tf1_15_batch_norms", "batch-norm", models.build_batch_norms),
    ("tf1_15_module", "module", models.build_dense),
    ("tf1_15_model", "model", models.build_dense),
]


@pytest.mark.parametrize("folder, pack, build", CASES)
def test_an_old_model_computes_the_same(folder, pack, build):
    golden = models.golden_of(folder)
    prefix = models.checkpoint_of(folder)
    reader = tf.train.load_checkpoint(prefix)
    dtypes = reader.get_variable_to_dtype_map()
    keys = [
        TypedName(key, dtypes[key].name, tuple(shape))
        for key, shape in reader.get_variable_to_shape_map().items()
    ]
    with tf.Graph().as_default(), v1.Session() as session:
        model = build()
        variables = {one.op.name: one for one in v1.global_variables()}
        wanted = [
            TypedName(name, one.dtype.base_dtype.name, tuple(one.shape.as_list()))
            for name, one in variables.items()
        ]
        changed = PACKS[pack].rename(keys, wanted)
        key_of = {changed.get(key.name, key.name): key.name for key in keys}
        table = {key_of[name]: one for name, one in variables.items()}
        v1.train.Saver(table).restore(session, prefix)
        feeds = {one: golden[f"in:{key}"] for key, one in model["inputs"].items()}
        results = session.run(model["outputs"], feeds)

    assert {f"out:{key}" for key in results} <= set(golden)
    for key, value in results.items():
        # Layer normalisation of two values is steep.
        np.testing.assert_allclose(value, golden[f"out:{key}"], atol=1e-4)
