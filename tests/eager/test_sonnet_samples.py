"""Real modules that Sonnet 2 saved, restored into modules and into graphs."""

import numpy as np
import pytest
import tensorflow as tf

import legacy_restore as lr
from legacy_restore.tf import IS_TF1
from tests.eager.helpers import numbers
from tests.samples import sample

pytestmark = pytest.mark.skipif(IS_TF1, reason="needs a process that is eager")

NAMES = ["base_batch_norm_1x2x2x3", "conv2d_lstm_3x3_2x2", "ema_2", "lstm_1"]
NAMES += ["lstm_8_projected_1", "vqvae_ema_train"]
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def stored_in(location):
    """What a checkpoint holds of its module, by the path below it."""
    with lr.open_checkpoint(location) as checkpoint:
        return {
            tensor.path[len("module/") :]: checkpoint[tensor.key]
            for tensor in checkpoint.objects.tensors.values()
            if tensor.path.startswith("module/")
        }


def module_like(values):
    """A module with attributes of these paths, all of them zero."""
    module = tf.Module()
    for path, value in values.items():
        *owners, last = path.split("/")
        owner = module
        for name in owners:
            if not hasattr(owner, name):
                setattr(owner, name, tf.Module())
            owner = getattr(owner, name)
        setattr(owner, last, tf.Variable(tf.zeros(value.shape, value.dtype)))
    return module


def variable_at(module, path):
    found = module
    for name in path.split("/"):
        found = getattr(found, name)
    return found


def by_stock_tensorflow(module, location):
    """Restores a module with what TensorFlow has for that."""
    prefix = tf.train.latest_checkpoint(location)
    status = tf.train.Checkpoint(module=module).restore(prefix)
    status.assert_existing_objects_matched()
    return module


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "root_of",
    [
        lambda module: module,
        lambda module: {"module": module},
        lambda module: tf.train.Checkpoint(module=module),
        lambda module: tf.train.Checkpoint(other_name=module),
    ],
    ids=["module", "dictionary", "checkpoint", "another name"],
)
def test_real_modules_are_restored_as_stock_tensorflow_does(name, root_of):
    location = sample("sonnet2", name)
    values = stored_in(location)
    assert values
    ours = module_like(values)
    restored = lr.restore_object(root_of(ours), location)
    assert restored.check().ok
    stock = by_stock_tensorflow(module_like(values), location)
    for path, value in values.items():
        found = variable_at(ours, path).numpy()
        assert found.tobytes() == value.tobytes(), path
        assert found.tobytes() == variable_at(stock, path).numpy().tobytes()


def unrolled(x, w_i, w_h, bias, projection=None):
    """What Sonnet's LSTM computes, over time first, from a state of zeros."""
    hidden = tf.zeros([x.shape[1], w_h.shape[0]])
    cell = tf.zeros([x.shape[1], w_h.shape[1] // 4])
    outputs = []
    for step in tf.unstack(x):
        gates = tf.matmul(step, w_i) + tf.matmul(hidden, w_h) + bias
        i, f, g, o = tf.split(gates, 4, axis=1)
        cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(g)
        hidden = tf.sigmoid(o) * tf.tanh(cell)
        if projection is not None:
            hidden = tf.matmul(hidden, projection)
        outputs.append(hidden)
    return tf.stack(outputs)


@pytest.mark.parametrize("kind", ["ref", "resource"])
def test_a_real_lstm_gives_one_output_in_a_module_and_in_a_graph(kind):
    x = numbers([5, 2, 128], 4)
    names = {"_w_i": "w_i", "_w_h": "w_h", "b": "b", "projection": "projection"}
    models, expected = [], {}
    for name in ("lstm_1", "lstm_8_projected_1"):
        location = sample("sonnet2", name)
        values = stored_in(location)
        paths = [path for path in names if path in values]
        stock = by_stock_tensorflow(module_like(values), location)
        ours = module_like(values)
        lr.restore_object(ours, location)
        expected[name] = unrolled(x, *(getattr(stock, path) for path in paths))
        found = unrolled(x, *(getattr(ours, path) for path in paths))
        np.testing.assert_array_equal(found, expected[name])
        models.append(lr.Model(name, lstm_of(kind, names, paths, values), location))
    with lr.restore(models) as restored:
        for name, value in expected.items():
            found = restored[name](x=x)
            np.testing.assert_allclose(found, value, **TOLERANCE)
            assert np.abs(value).max() > 0.01
        assert restored.check().ok


def lstm_of(kind, names, paths, values):
    """A builder of an LSTM for a graph, under the names that Sonnet gives."""

    def build():
        v1 = tf.compat.v1
        with v1.variable_scope("lstm", use_resource=kind == "resource"):
            weights = [v1.get_variable(names[p], values[p].shape) for p in paths]
        x = v1.placeholder(tf.float32, [5, 2, 128], name="x")
        return unrolled(x, *(tf.convert_to_tensor(one) for one in weights))

    return build
