"""Real models under other names than their checkpoints', as one would write them today.

Each is written after the graph beside its checkpoint.
"""

import functools

from legacy_restore.tf import tf


def layer(x, name, units):
    """A layer as tf.layers calls it."""
    with tf.variable_scope(name):
        kernel = tf.get_variable("kernel", [x.shape.as_list()[-1], units])
        return tf.matmul(x, kernel) + tf.get_variable("bias", [units])


def perceptron(x, hidden, outputs):
    """The layers of a canned estimator."""
    for number, units in enumerate(hidden):
        x = tf.nn.relu(layer(x, f"hiddenlayer_{number}", units))
    return layer(x, "logits", outputs)


def build_iris(scope="dnn", parts=None, train=False):
    """A classifier of three kinds of flowers, as ``tf.estimator`` builds it.

    Args:
      scope: The scope of the layers, or None.
      parts: The number of parts of each variable, None for whole ones.
      train: Whether an optimizer keeps slots.
    """
    features = tf.placeholder(tf.float32, [None, 4], name="features")
    partitioner = parts and tf.fixed_size_partitioner(parts)
    outer = scope or tf.get_variable_scope()
    with tf.variable_scope(outer, partitioner=partitioner):
        logits = perceptron(features, [10, 20, 10], 3)
    if train:
        step = tf.train.get_or_create_global_step()
        loss = tf.reduce_mean(tf.square(logits))
        tf.train.AdagradOptimizer(0.05).minimize(loss, global_step=step)
    return {"classes": tf.nn.softmax(logits)}


# Columns of numbers, then of categories with their sizes, and where the queue of the
# training graph has them.
TAXI_NUMBERS = {"fare": 5, "trip_miles": 12, "trip_seconds": 13}
TAXI_CATEGORIES = {
    "company": (0, 1010),
    "dropoff_latitude": (3, 10),
    "dropoff_longitude": (4, 10),
    "payment_type": (6, 1010),
    "pickup_latitude": (9, 10),
    "pickup_longitude": (10, 10),
    "trip_start_day": (14, 31),
    "trip_start_hour": (15, 24),
    "trip_start_month": (16, 12),
}


def build_taxi(dnn="dnn", linear="linear/linear_model"):
    """A wide and deep classifier of taxi rides, of its transformed features.

    Args:
      dnn: The scope of the deep part, or None.
      linear: The scope of the wide part, or None.
    """
    numbers = {
        name: tf.placeholder(tf.float32, [None], name=name) for name in TAXI_NUMBERS
    }
    categories = {
        name: tf.placeholder(tf.int64, [None], name=name) for name in TAXI_CATEGORIES
    }
    with tf.variable_scope(dnn or tf.get_variable_scope()):
        deep = perceptron(
            tf.stack([numbers[name] for name in sorted(numbers)], 1),
            [100, 70, 48, 34],
            1,
        )
    with tf.variable_scope(linear or tf.get_variable_scope()):
        wide = tf.identity(tf.get_variable("bias_weights", [1]))
        for name, (_, size) in TAXI_CATEGORIES.items():
            weights = tf.get_variable(f"{name}_xf/weights", [size, 1])
            wide += tf.gather(weights, categories[name])
    logits = deep + wide
    return {"likely": tf.nn.softmax(tf.concat([tf.zeros_like(logits), logits], 1))}


def build_mnist_later():
    """A classifier whose variables nobody named, after those of a metric."""
    local = {"collections": [tf.GraphKeys.LOCAL_VARIABLES], "trainable": False}
    for _ in ("total", "count"):
        tf.Variable(0.0, **local)
    x = tf.placeholder(tf.float32, [None, 784], name="images")
    hidden = tf.nn.relu(_unnamed(x, 784, 500))
    return _unnamed(hidden, 500, 10)


def _unnamed(x, inputs, outputs):
    weights = tf.Variable(tf.truncated_normal([inputs, outputs], stddev=0.1))
    return tf.matmul(x, weights) + tf.Variable(tf.constant(0.1, shape=[outputs]))


def build_speller(forget_bias):
    """A model of characters of two LSTM layers, over time first.

    Args:
      forget_bias: What is added to the forget gate.
    """
    ids = tf.placeholder(tf.int32, [12, 3], name="ids")
    embedding = tf.get_variable("embedding_matrix", [206, 256])
    x = tf.gather(embedding, ids) + tf.get_variable("embedding_bias", [256])
    steps = tf.unstack(x)
    states = {}
    for number in range(2):
        scope = f"lstm_char_enc_dec_{number}/rnn/multi_rnn_cell/cell_0/lstm_cell"
        with tf.variable_scope(scope):
            steps, states[f"c{number}"], states[f"h{number}"] = _lstm(
                steps, 100, forget_bias
            )
    matrix = tf.get_variable("output_matrix_0", [100, 206])
    bias = tf.get_variable("output_bias_0", [206])
    logits = [tf.matmul(one, matrix) + bias for one in steps]
    return {"logits": tf.stack(logits), **states}


def _lstm(steps, units, forget_bias):
    """What ``LSTMCell`` computes from a state of zeros."""
    inputs = steps[0].shape.as_list()[1]
    kernel = tf.get_variable("kernel", [inputs + units, 4 * units])
    bias = tf.get_variable("bias", [4 * units])
    cell = hidden = tf.zeros([3, units])
    outputs = []
    for x in steps:
        gates = tf.matmul(tf.concat([x, hidden], 1), kernel) + bias
        i, j, f, o = tf.split(gates, 4, axis=1)
        cell = cell * tf.sigmoid(f + forget_bias) + tf.sigmoid(i) * tf.tanh(j)
        hidden = tf.tanh(cell) * tf.sigmoid(o)
        outputs.append(hidden)
    return outputs, cell, hidden


build_plain_iris = functools.partial(build_iris, None)
build_plain_taxi = functools.partial(build_taxi, None, None)
