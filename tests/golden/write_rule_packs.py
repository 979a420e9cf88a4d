"""Writes small models under the names that genuine old TensorFlows gave them.

Each model has the names of one habit that a rule pack knows. Beside its checkpoint lies
what the running session was fed and what it computed, so that a test can restore the
checkpoint into the same model under the names of today and compare::

    python write_rule_packs.py [case ...]

writes the named cases, or all that the running TensorFlow is known for, each into
``rule_packs/tf<major>_<minor>_<case>``. This one script runs under Python 2.7, 3.6 and
3.7; the README beside it says how to get there.
"""

from __future__ import absolute_import, division, print_function

import glob
import os
import shutil
import sys
import tempfile

import numpy as np
import tensorflow as tf
from tensorflow.contrib.rnn.python.ops import rnn
from write_golden import HERE, new_session, write_cases, write_json

try:
    import sonnet
except ImportError:
    sonnet = None

RELEASE = tuple(int(part) for part in tf.__version__.split(".")[:2])
TIME, BATCH, INPUTS, UNITS = 3, 2, 3, 2
SEQUENCE = np.random.RandomState(1).standard_normal([BATCH, TIME, INPUTS])
IMAGES = np.random.RandomState(2).standard_normal([2, 5, 5, 3]).astype(np.float32)
ROWS = np.random.RandomState(3).standard_normal([4, 3]).astype(np.float32)


def cells():
    """The module of recurrent cells."""
    return tf.nn.rnn_cell if RELEASE < (1, 0) else tf.contrib.rnn


def fill(session, seed):
    """Gives each variable its own values; those of variances are positive."""
    random = np.random.RandomState(seed)
    for variable in sorted(variables(), key=lambda one: one.name):
        value = random.standard_normal(variable.get_shape().as_list()) * 0.7
        if "variance" in variable.name or "Adam" in variable.name:
            value = np.abs(value) + 0.5
        value = value.astype(variable.dtype.base_dtype.as_numpy_dtype)
        session.run(tf.assign(variable, value))


def variables():
    """All variables of the graph."""
    if RELEASE < (1, 0):
        return tf.all_variables()
    return tf.global_variables()


def write_model(folder, feeds, outputs, names=None, seed=5, training=None):
    """Fills the variables, computes the outputs and saves both.

    Args:
      folder: Where the files go.
      feeds: What is fed, by name: the placeholder, and its value.
      outputs: Tensors by name.
      names: Variables by the names under which they are saved, if not by their own.
      seed: Of the variables' values.
      training: A training step, and the loss before it; once saved, three steps are
        made, and their losses are kept.
    """
    if RELEASE < (1, 0):
        initialize = tf.initialize_all_variables()
    else:
        initialize = tf.global_variables_initializer()
    saver = tf.train.Saver(names, write_version=tf.train.SaverDef.V2)
    with new_session() as session:
        session.run(initialize)
        fill(session, seed)
        fed = dict(feeds.values())
        results = session.run(outputs, fed)
        saver.save(session, os.path.join(folder, "model.ckpt"), write_meta_graph=False)
        losses = [session.run(training, fed)[1] for _ in range(3)] if training else []
    os.remove(os.path.join(folder, "checkpoint"))
    arrays = {"in:" + key: value for key, (_, value) in feeds.items()}
    arrays.update(("out:" + key, value) for key, value in results.items())
    if training:
        arrays["losses"] = np.array(losses)
    np.savez_compressed(os.path.join(folder, "golden.npz"), **arrays)
    saved = names or {one.op.name: one for one in variables()}
    described = {key: one.get_shape().as_list() for key, one in saved.items()}
    described["tensorflow"] = tf.__version__
    write_json(os.path.join(folder, "golden.json"), described)


def fed_sequence():
    """A placeholder of sequences ``[batch, time, inputs]``."""
    return tf.placeholder(tf.float32, [BATCH, TIME, INPUTS], "sequence")


def write_cells(folder):
    """Each recurrent cell in a scope of its own, run by ``dynamic_rnn``."""
    made = cells()
    contrib = tf.contrib.rnn
    sequence = fed_sequence()
    models = {
        "basic_rnn": made.BasicRNNCell(UNITS),
        "gru": made.GRUCell(UNITS),
        "basic_lstm": made.BasicLSTMCell(UNITS, state_is_tuple=True),
        "lstm": made.LSTMCell(
            UNITS, use_peepholes=True, num_proj=3, state_is_tuple=True
        ),
        "layer_norm": contrib.LayerNormBasicLSTMCell(UNITS),
        "multi": made.MultiRNNCell(
            [made.BasicLSTMCell(UNITS, state_is_tuple=True), made.GRUCell(3)],
            state_is_tuple=True,
        ),
        "attention": contrib.AttentionCellWrapper(
            made.GRUCell(UNITS), 2, state_is_tuple=True
        ),
        "input_projection": made.InputProjectionWrapper(made.GRUCell(UNITS), 4),
        "output_projection": made.OutputProjectionWrapper(made.GRUCell(UNITS), 4),
    }
    outputs = {}
    lengths = [TIME] * BATCH  # Old releases cannot reverse without.
    for name in sorted(models):
        with tf.variable_scope(name):
            outputs[name], _ = tf.nn.dynamic_rnn(
                models[name], sequence, dtype=tf.float32
            )
    with tf.variable_scope("bidirectional"):
        both, _ = tf.nn.bidirectional_dynamic_rnn(
            made.GRUCell(UNITS),
            made.GRUCell(UNITS),
            sequence,
            sequence_length=lengths,
            dtype=tf.float32,
        )
        outputs["bidirectional_fw"], outputs["bidirectional_bw"] = both
    with tf.variable_scope("stacked"):
        outputs["stacked"], _, _ = rnn.stack_bidirectional_dynamic_rnn(
            [made.BasicRNNCell(UNITS)],
            [made.BasicRNNCell(UNITS)],
            sequence,
            sequence_length=lengths,
            dtype=tf.float32,
        )
    write_model(folder, {"sequence": (sequence, SEQUENCE)}, outputs)


def write_seq2seq(folder):
    """``embedding_attention_seq2seq`` over a GRU."""
    library = tf.nn.seq2seq if RELEASE < (1, 0) else tf.contrib.legacy_seq2seq
    encoder = [tf.placeholder(tf.int32, [BATCH], "encoder%d" % n) for n in range(3)]
    decoder = [tf.placeholder(tf.int32, [BATCH], "decoder%d" % n) for n in range(2)]
    outputs, _ = library.embedding_attention_seq2seq(
        encoder, decoder, cells().GRUCell(4), 9, 8, 3
    )
    random = np.random.RandomState(4)
    feeds = {}
    for n, one in enumerate(encoder):
        feeds["encoder%d" % n] = one, random.randint(0, 9, [BATCH]).astype(np.int32)
    for n, one in enumerate(decoder):
        feeds["decoder%d" % n] = one, random.randint(0, 8, [BATCH]).astype(np.int32)
    write_model(folder, feeds, {"output%d" % n: one for n, one in enumerate(outputs)})


def write_trained_lstm(folder):
    """A BasicLSTM and its Adam slots; the losses of three further steps."""
    sequence = fed_sequence()
    output, _ = tf.nn.dynamic_rnn(
        cells().BasicLSTMCell(UNITS, state_is_tuple=True), sequence, dtype=tf.float32
    )
    loss = tf.reduce_sum(tf.square(output))
    step = tf.train.AdamOptimizer(0.1).minimize(loss)
    with tf.control_dependencies([loss]):
        training = step, tf.identity(loss)
    feeds = {"sequence": (sequence, SEQUENCE)}
    write_model(folder, feeds, {"output": output}, training=training)


def fed_images():
    """A placeholder of images ``[batch, height, width, channels]``."""
    return tf.placeholder(tf.float32, IMAGES.shape, "images")


def write_slim(folder):
    """Two convolutions, batch normalisation, a separable and a dense layer of slim."""
    layers = tf.contrib.layers
    images = fed_images()
    net = layers.conv2d(images, 2, 3)
    net = layers.batch_norm(net, scale=True, is_training=False)
    net = layers.conv2d(net, 2, 3)
    net = layers.separable_conv2d(net, 3, 3, 1)
    net = layers.fully_connected(tf.reduce_mean(net, [1, 2]), 2)
    write_model(folder, {"images": (images, IMAGES)}, {"output": net})


def write_slim_named(folder):
    """A convolution, batch normalisation and a dense layer of slim with names."""
    layers = tf.contrib.layers
    images = fed_images()
    net = layers.conv2d(images, 2, 3, scope="conv1")
    net = layers.batch_norm(net, scale=True, is_training=False, scope="bn1")
    net = layers.fully_connected(tf.reduce_mean(net, [1, 2]), 2, scope="fc1")
    write_model(folder, {"images": (images, IMAGES)}, {"output": net})


def write_layers(folder):
    """The model of ``slim`` in tf.layers."""
    layers = tf.layers
    images = fed_images()
    net = layers.conv2d(images, 2, 3, padding="same", activation=tf.nn.relu)
    net = layers.batch_normalization(net)
    net = layers.conv2d(net, 2, 3, padding="same", activation=tf.nn.relu)
    net = layers.separable_conv2d(net, 3, 3, padding="same", activation=tf.nn.relu)
    net = layers.dense(tf.reduce_mean(net, [1, 2]), 2, tf.nn.relu)
    write_model(folder, {"images": (images, IMAGES)}, {"output": net})


def write_layers_named(folder):
    """The model of ``slim_named`` in tf.layers."""
    layers = tf.layers
    images = fed_images()
    net = layers.conv2d(
        images, 2, 3, padding="same", activation=tf.nn.relu, name="conv1"
    )
    net = layers.batch_normalization(net, name="bn1")
    net = layers.dense(tf.reduce_mean(net, [1, 2]), 2, tf.nn.relu, name="fc1")
    write_model(folder, {"images": (images, IMAGES)}, {"output": net})


def write_batch_norms(folder):
    """Batch normalisation as tensorpack, Keras 1 and caffe-tensorflow call it."""
    rows = tf.placeholder(tf.float32, ROWS.shape, "rows")
    libraries = {
        "tensorpack": ("bn/%s", ("gamma", "beta", "mean/EMA", "variance/EMA")),
        "keras1": ("bn/%s", ("gamma", "beta", "running_mean", "running_std")),
        "caffe": ("bn/%s", ("scale", "offset", "mean", "variance")),
    }
    outputs, names = {}, {}
    for library, (pattern, called) in sorted(libraries.items()):
        with tf.variable_scope(library):
            gamma, beta, mean, variance = [
                # A variable whose name ends in a slash part is what the library makes.
                tf.get_variable((pattern % one).replace("running_std", "variance"), [3])
                for one in called
            ]
        for one, variable in zip(called, (gamma, beta, mean, variance)):
            names["%s/%s" % (library, pattern % one)] = variable
        outputs[library] = tf.nn.batch_normalization(
            rows, mean, variance, beta, gamma, 1e-3
        )
    write_model(folder, {"rows": (rows, ROWS)}, outputs, names)


def write_keras_rnn(folder):
    """Recurrent layers of tf.keras, alone and in both directions."""
    layers = tf.keras.layers
    sequence = fed_sequence()
    net = layers.LSTM(UNITS, return_sequences=True)(sequence)
    net = layers.LSTM(UNITS, return_sequences=True)(net)
    net = layers.GRU(UNITS, return_sequences=True)(net)
    net = layers.SimpleRNN(UNITS, return_sequences=True)(net)
    net = layers.Bidirectional(layers.LSTM(UNITS))(net)
    write_model(folder, {"sequence": (sequence, SEQUENCE)}, {"output": net})


def write_keras_depthwise(folder):
    """A depthwise convolution of tf.keras, and a separable one."""
    images = fed_images()
    net = tf.keras.layers.DepthwiseConv2D(3)(images)
    net = tf.keras.layers.SeparableConv2D(2, 1)(net)
    write_model(folder, {"images": (images, IMAGES)}, {"output": net})


def write_keras_numbers(folder):
    """A model of tf.keras that was built as the second one of its graph."""
    images = fed_images()
    for _ in range(2):
        first = set(variables())
        net = tf.keras.layers.Conv2D(2, 3)(images)
        net = tf.keras.layers.Conv2D(2, 3)(net)
        net = tf.keras.layers.BatchNormalization()(net, training=False)
        net = tf.keras.layers.Dense(2)(tf.reduce_mean(net, [1, 2]))
    names = {one.op.name: one for one in variables() if one not in first}
    write_model(folder, {"images": (images, IMAGES)}, {"output": net}, names)


def write_default_numbers(folder):
    """Variables without names, after two others of the same graph."""
    rows = tf.placeholder(tf.float32, ROWS.shape, "rows")
    before = [tf.Variable(tf.zeros([7])), tf.Variable(tf.zeros([7]))]
    weights = tf.Variable(tf.zeros([3, 4]))
    biases = tf.Variable(tf.zeros([4]))
    step = tf.Variable(0, trainable=False)
    output = tf.matmul(tf.matmul(rows, weights) + biases, tf.Variable(tf.zeros([4, 2])))
    names = {one.op.name: one for one in variables() if one not in before}
    assert step.op.name in names
    write_model(folder, {"rows": (rows, ROWS)}, {"output": output}, names)


def dense(rows, kernel="kernel", bias="bias"):
    """A dense layer from 3 to 2 in the present scope."""
    with tf.variable_scope("dense"):
        weights = tf.get_variable(kernel, [3, 2])
        return tf.matmul(rows, weights) + tf.get_variable(bias, [2])


def write_scoped(scope):
    """Returns a function that writes a dense layer, trained, in a scope."""

    def write(folder):
        rows = tf.placeholder(tf.float32, ROWS.shape, "rows")
        with tf.variable_scope(scope):
            output = dense(rows)
        tf.train.MomentumOptimizer(0.1, 0.9).minimize(tf.reduce_sum(output))
        with tf.variable_scope("head"):
            output += tf.get_variable("shift", [2])
        write_model(folder, {"rows": (rows, ROWS)}, {"output": output})

    return write


def write_colon(folder):
    """A dense layer that was saved under the names of its tensors."""
    rows = tf.placeholder(tf.float32, ROWS.shape, "rows")
    output = dense(rows)
    names = {one.name: one for one in variables()}
    write_model(folder, {"rows": (rows, ROWS)}, {"output": output}, names)


def write_doubled_scope(folder):
    """A model with a variable in parts; its optimizer is made in its scope."""
    rows = tf.placeholder(tf.float32, ROWS.shape, "rows")
    with tf.variable_scope("m"):
        with tf.variable_scope("rnn"):
            kernel = tf.get_variable("kernel", [3, 4])
        partitioner = tf.fixed_size_partitioner(2)
        with tf.variable_scope("wide", partitioner=partitioner):
            table = tf.get_variable("table", [4, 2])
        output = tf.matmul(tf.matmul(rows, kernel), tf.convert_to_tensor(table))
        tf.train.AdamOptimizer().minimize(tf.reduce_sum(tf.square(output)))
    write_model(folder, {"rows": (rows, ROWS)}, {"output": output})


def write_fused_rnn(folder):
    """Fused cells of contrib.rnn, each in a scope of its own."""
    sequence = fed_sequence()
    time_major = tf.transpose(sequence, [1, 0, 2])
    outputs = {}
    with tf.variable_scope("gru_block"):
        outputs["gru_block"], _ = tf.nn.dynamic_rnn(
            tf.contrib.rnn.GRUBlockCell(UNITS), sequence, dtype=tf.float32
        )
    with tf.variable_scope("lstm_block"):
        outputs["lstm_block"], _ = tf.nn.dynamic_rnn(
            tf.contrib.rnn.LSTMBlockCell(UNITS), sequence, dtype=tf.float32
        )
    with tf.variable_scope("fused"):
        fused = tf.contrib.rnn.LSTMBlockFusedCell(UNITS)
        outputs["fused"], _ = fused(time_major, dtype=tf.float32)
    write_model(folder, {"sequence": (sequence, SEQUENCE)}, outputs)


def write_cudnn_rnn(folder):
    """The cell that computes on a CPU what cuDNN's LSTM does."""
    sequence = fed_sequence()
    cell = tf.contrib.cudnn_rnn.CudnnCompatibleLSTMCell(UNITS)
    output, _ = tf.nn.dynamic_rnn(cell, sequence, dtype=tf.float32)
    write_model(folder, {"sequence": (sequence, SEQUENCE)}, {"output": output})


def write_sonnet(folder):
    """Two batch normalisations of Sonnet 1."""
    rows = tf.placeholder(tf.float32, ROWS.shape, "rows")
    output = rows
    for _ in range(2):
        output = sonnet.BatchNormV2(scale=True)(output, is_training=False)
    write_model(folder, {"rows": (rows, ROWS)}, {"output": output})


def write_estimator(folder):
    """A wide and deep classifier after two steps of training."""
    parent = tempfile.mkdtemp()
    try:
        names, predictions = train_estimator(parent)
        last = tf.train.latest_checkpoint(parent)
        for path in glob.glob(last + ".index") + glob.glob(last + ".data-*"):
            ending = path[len(last) :]
            shutil.copy(path, os.path.join(folder, "model.ckpt" + ending))
    finally:
        shutil.rmtree(parent)
    golden = {
        "in:age": AGES,
        "in:city": CITIES,
        "out:probabilities": np.array(predictions, np.float32),
    }
    np.savez_compressed(os.path.join(folder, "golden.npz"), **golden)
    names["tensorflow"] = tf.__version__
    write_json(os.path.join(folder, "golden.json"), names)


AGES = np.float32([[1.0], [2.0], [-0.5]])
CITIES = np.array([0, 3, 4], np.int64)


def estimator_inputs():
    """A number and a category a row, and the class."""
    cities = tf.SparseTensor([[0, 0], [1, 0], [2, 0]], CITIES, [3, 1])
    return {"age": tf.constant(AGES), "city": cities}, tf.constant([0, 1, 0])


def train_estimator(folder):
    """Trains in a folder; returns shapes by name, and probabilities."""
    if RELEASE < (1, 4):
        columns = tf.contrib.layers
        age = columns.real_valued_column("age")
        city = columns.sparse_column_with_integerized_feature("city", 5)
        make = tf.contrib.learn.DNNLinearCombinedClassifier
    else:
        columns = tf.feature_column
        age = columns.numeric_column("age")
        city = columns.categorical_column_with_identity("city", 5)
        make = tf.estimator.DNNLinearCombinedClassifier
    estimator = make(
        model_dir=folder,
        linear_feature_columns=[city, age],
        dnn_feature_columns=[age, columns.embedding_column(city, 2)],
        dnn_hidden_units=[3],
    )
    if RELEASE < (1, 4):
        estimator.fit(input_fn=estimator_inputs, steps=2)
        found = estimator.predict_proba(input_fn=estimator_inputs, as_iterable=True)
        predictions = [next(found) for _ in AGES]
    else:
        estimator.train(estimator_inputs, steps=2)
        found = estimator.predict(estimator_inputs)  # It never ends.
        predictions = [next(found)["probabilities"] for _ in AGES]
    shapes = {
        name: list(estimator.get_variable_value(name).shape)
        for name in estimator.get_variable_names()
    }
    return shapes, predictions


_RNN = [
    ("cells", write_cells),
    ("seq2seq", write_seq2seq),
    ("trained_lstm", write_trained_lstm),
]
CASES = {
    "0.12": _RNN
    + [
        ("fused_rnn", write_fused_rnn),
        ("default_numbers", write_default_numbers),
    ],
    "1.0": _RNN
    + [
        ("fused_rnn", write_fused_rnn),
        ("slim", write_slim),
        ("slim_named", write_slim_named),
        ("estimator", write_estimator),
        ("tower", write_scoped("tower_0")),
    ],
    "1.2": [("fused_rnn", write_fused_rnn)],
    "1.15": _RNN
    + [
        ("cudnn_rnn", write_cudnn_rnn),
        ("fused_rnn", write_fused_rnn),
        ("slim", write_slim),
        ("layers", write_layers),
        ("layers_named", write_layers_named),
        ("batch_norms", write_batch_norms),
        ("keras_rnn", write_keras_rnn),
        ("keras_depthwise", write_keras_depthwise),
        ("keras_numbers", write_keras_numbers),
        ("estimator", write_estimator),
        ("module", write_scoped("module")),
        ("model", write_scoped("model")),
        ("colon", write_colon),
        ("doubled_scope", write_doubled_scope),
    ]
    + ([("sonnet", write_sonnet)] if sonnet else []),
}


if __name__ == "__main__":
    sys.exit(write_cases(sys.argv[1:], CASES, os.path.join(HERE, "rule_packs")))
