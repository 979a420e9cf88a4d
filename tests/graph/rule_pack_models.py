"""The models of ``tests/golden/rule_packs`` under the names of today.

Written by hand for ``tf.compat.v1``, cell for cell, so that they are the same on every
TensorFlow; each returns the tensors of its inputs and outputs by the keys of the golden
file (``in:KEY``, ``out:KEY``).
"""

import pathlib

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "golden" / "rule_packs"
TIME, BATCH, INPUTS, UNITS = 3, 2, 3, 2


def golden_of(folder):
    """Returns the arrays of a fixture, by key."""
    with np.load(FOLDER / folder / "golden.npz") as file:
        return {key: file[key] for key in file.files}


def checkpoint_of(folder):
    """Returns the prefix of a fixture's checkpoint."""
    return str(FOLDER / folder / "model.ckpt")


def _linear(args, size, bias=True):
    joined = tf.concat(args, 1)
    kernel = v1.get_variable("kernel", [joined.shape[1], size])
    product = tf.matmul(joined, kernel)
    return product + v1.get_variable("bias", [size]) if bias else product


def _norm(scope, inputs):
    with v1.variable_scope(scope):
        gamma = v1.get_variable("gamma", [inputs.shape[1]])
        beta = v1.get_variable("beta", [inputs.shape[1]])
    mean, variance = tf.nn.moments(inputs, [1], keepdims=True)
    return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, 1e-12)


# A cell takes inputs and a list of states, and returns its output and the new states.
# It opens its own scope.


def _basic_rnn(units, inputs, states):
    with v1.variable_scope("basic_rnn_cell"):
        output = tf.tanh(_linear([inputs, states[0]], units))
    return output, [output]


def _gru(units, inputs, states):
    (state,) = states
    with v1.variable_scope("gru_cell"):
        with v1.variable_scope("gates"):
            gates = tf.sigmoid(_linear([inputs, state], 2 * units))
        reset, update = tf.split(gates, 2, 1)
        with v1.variable_scope("candidate"):
            candidate = tf.tanh(_linear([inputs, reset * state], units))
    output = update * state + (1 - update) * candidate
    return output, [output]


def _gru_block(units, inputs, states):
    """What ``_gru`` computes, under the names of GRUBlockCell."""
    (state,) = states
    with v1.variable_scope("gru_cell"):
        w_ru = v1.get_variable("w_ru", [INPUTS + units, 2 * units])
        b_ru = v1.get_variable("b_ru", [2 * units])
        w_c = v1.get_variable("w_c", [INPUTS + units, units])
        b_c = v1.get_variable("b_c", [units])
    gates = tf.sigmoid(tf.matmul(tf.concat([inputs, state], 1), w_ru) + b_ru)
    reset, update = tf.split(gates, 2, 1)
    candidate = tf.matmul(tf.concat([inputs, reset * state], 1), w_c) + b_c
    output = update * state + (1 - update) * tf.tanh(candidate)
    return output, [output]


def _gated(gates, state, forget_bias=1.0):
    taken, new, forget, output = tf.split(gates, 4, 1)
    kept = tf.sigmoid(forget + forget_bias) * state
    state = kept + tf.sigmoid(taken) * tf.tanh(new)
    return tf.sigmoid(output) * tf.tanh(state), state


def _lstm_called(scope, forget_bias=1.0):
    """An LSTM without peepholes, in a scope of that name."""

    def cell(units, inputs, states):
        with v1.variable_scope(scope):
            gates = _linear([inputs, states[1]], 4 * units)
        output, state = _gated(gates, states[0], forget_bias)
        return output, [state, output]

    return cell


_basic_lstm = _lstm_called("basic_lstm_cell")


def _lstm(units, inputs, states):
    """With peepholes, and a projection to three."""
    state, before = states
    with v1.variable_scope("lstm_cell"):
        gates = _linear([inputs, before], 4 * units)
        taken, new, forget, output = tf.split(gates, 4, 1)
        w_f, w_i, w_o = [
            v1.get_variable(f"w_{one}_diag", [units]) for one in ("f", "i", "o")
        ]
        kept = tf.sigmoid(forget + 1.0 + w_f * state) * state
        state = kept + tf.sigmoid(taken + w_i * state) * tf.tanh(new)
        out = tf.sigmoid(output + w_o * state) * tf.tanh(state)
        with v1.variable_scope("projection"):
            out = _linear([out], 3, bias=False)
    return out, [state, out]


def _layer_norm(units, inputs, states):
    with v1.variable_scope("layer_norm_basic_lstm_cell"):
        gates = tf.split(_linear([inputs, states[1]], 4 * units, bias=False), 4, 1)
        taken, new, forget, output = [
            _norm(scope, one)
            for scope, one in zip(("input", "transform", "forget", "output"), gates)
        ]
        state = tf.sigmoid(forget + 1.0) * states[0]
        state = _norm("state", state + tf.sigmoid(taken) * tf.tanh(new))
    out = tf.tanh(state) * tf.sigmoid(output)
    return out, [state, out]


def _multi(units, inputs, states):
    with v1.variable_scope("multi_rnn_cell"):
        with v1.variable_scope("cell_0"):
            out, first = _basic_lstm(units, inputs, states[:2])
        with v1.variable_scope("cell_1"):
            out, second = _gru(3, out, states[2:])
    return out, first + second


def _attend(query, hidden, kernel, vector):
    """Attends to ``hidden`` of shape ``[batch, length, 1, size]``."""
    size = int(hidden.shape[3])
    features = tf.nn.conv2d(hidden, kernel, [1, 1, 1, 1], "SAME")
    wanted = tf.reshape(_linear([query], size), [-1, 1, 1, size])
    scores = tf.reduce_sum(vector * tf.tanh(features + wanted), [2, 3])
    weights = tf.reshape(tf.nn.softmax(scores), [-1, int(hidden.shape[1]), 1, 1])
    return tf.reduce_sum(weights * hidden, [1, 2])


def _attention(units, inputs, states):
    """Attends to the last two outputs."""
    state, attended, history = states
    with v1.variable_scope("attention_cell_wrapper"):
        mixed = _linear([inputs, attended], INPUTS)
        out, new = _gru(units, mixed, [state])
        hidden = tf.reshape(history, [-1, 2, 1, units])
        with v1.variable_scope("attention"):
            kernel = v1.get_variable("attn_w", [1, 1, units, units])
            vector = v1.get_variable("attn_v", [units])
            attended = _attend(new[0], hidden, kernel, vector)
        with v1.variable_scope("attn_output_projection"):
            out = _linear([out, attended], units)
    history = tf.concat([history[:, units:], out], 1)
    return out, [*new, attended, history]


def _input_projection(units, inputs, states):
    with v1.variable_scope("input_projection_wrapper"):
        return _gru(units, _linear([inputs], 4), states)


def _output_projection(units, inputs, states):
    with v1.variable_scope("output_projection_wrapper"):
        out, states = _gru(units, inputs, states)
        return _linear([out], 4), states


def _run(cell, sequence, sizes, scope="rnn", units=UNITS, reverse=False):
    """Runs a cell over ``[batch, time, inputs]``, from states of zero."""
    states = [tf.zeros([BATCH, size]) for size in sizes]
    steps = tf.unstack(sequence, axis=1)
    outputs = []
    with v1.variable_scope(scope, reuse=v1.AUTO_REUSE):
        for step in reversed(steps) if reverse else steps:
            output, states = cell(units, step, states)
            outputs.append(output)
    return tf.stack(outputs[::-1] if reverse else outputs, 1)


def _run_both(cell, sequence):
    with v1.variable_scope("bidirectional_rnn"):
        forward = _run(cell, sequence, [UNITS], "fw")
        backward = _run(cell, sequence, [UNITS], "bw", reverse=True)
    return forward, backward


def build_cells():
    """Each recurrent cell in a scope of its own."""
    sequence = _fed_sequence()
    models = {
        "basic_rnn": (_basic_rnn, [2]),
        "gru": (_gru, [2]),
        "basic_lstm": (_basic_lstm, [2, 2]),
        "lstm": (_lstm, [2, 3]),
        "layer_norm": (_layer_norm, [2, 2]),
        "multi": (_multi, [2, 2, 3]),
        "attention": (_attention, [2, 2, 4]),
        "input_projection": (_input_projection, [2]),
        "output_projection": (_output_projection, [2]),
    }
    outputs = {}
    for name, (cell, sizes) in models.items():
        with v1.variable_scope(name):
            outputs[name] = _run(cell, sequence, sizes)
    with v1.variable_scope("bidirectional"):
        forward, backward = _run_both(_gru, sequence)
        outputs["bidirectional_fw"], outputs["bidirectional_bw"] = forward, backward
    with v1.variable_scope("stacked/stack_bidirectional_rnn/cell_0"):
        outputs["stacked"] = tf.concat(_run_both(_basic_rnn, sequence), 2)
    return {"inputs": {"sequence": sequence}, "outputs": outputs}


def _fed_sequence():
    return v1.placeholder(tf.float32, [BATCH, TIME, INPUTS], "sequence")


def build_fused_rnn(gru=_gru_block, fused="lstm_fused_cell"):
    """The fused cells, each in a scope of its own."""
    sequence = _fed_sequence()
    with v1.variable_scope("gru_block"):
        outputs = {"gru_block": _run(gru, sequence, [2])}
    with v1.variable_scope("lstm_block"):
        lstm = _lstm_called("lstm_cell")
        outputs["lstm_block"] = _run(lstm, sequence, [2, 2])
    output = _run(_lstm_called(fused), sequence, [2, 2], "fused")
    outputs["fused"] = tf.transpose(output, [1, 0, 2])
    return {"inputs": {"sequence": sequence}, "outputs": outputs}


def build_core_rnn():
    """What the fused cells compute, by GRUCell and LSTMCell."""
    return build_fused_rnn(_gru, "lstm_cell")


def build_lstm_without_forget_bias():
    """LSTMCell, made with ``forget_bias=0``."""
    sequence = _fed_sequence()
    output = _run(_lstm_called("lstm_cell", 0.0), sequence, [2, 2])
    return {"inputs": {"sequence": sequence}, "outputs": {"output": output}}


def build_trained_lstm():
    """A BasicLSTM with Adam; ``train`` makes a step and gives the loss before it."""
    sequence = _fed_sequence()
    output = _run(_basic_lstm, sequence, [2, 2])
    loss = tf.reduce_sum(tf.square(output))
    with tf.control_dependencies([loss]):
        before = tf.identity(loss)
    with tf.control_dependencies([before]):
        step = v1.train.AdamOptimizer(0.1).minimize(loss)
    with tf.control_dependencies([step]):
        train = tf.identity(before)
    model = {"inputs": {"sequence": sequence}, "outputs": {"output": output}}
    return {**model, "train": train}


def build_seq2seq():
    """``embedding_attention_seq2seq`` over a GRU of four."""
    encoder = [v1.placeholder(tf.int32, [BATCH], f"encoder{n}") for n in range(3)]
    decoder = [v1.placeholder(tf.int32, [BATCH], f"decoder{n}") for n in range(2)]
    inputs = {one.op.name.rpartition("/")[2]: one for one in encoder + decoder}
    with v1.variable_scope("embedding_attention_seq2seq", reuse=v1.AUTO_REUSE):
        states = [tf.zeros([BATCH, 4])]
        tops = []
        with v1.variable_scope("rnn/embedding_wrapper"):
            embedding = v1.get_variable("embedding", [9, 3])
            for ids in encoder:
                output, states = _gru(4, tf.gather(embedding, ids), states)
                tops.append(output)
        hidden = tf.reshape(tf.stack(tops, 1), [-1, len(tops), 1, 4])
        with v1.variable_scope("embedding_attention_decoder"):
            embedding = v1.get_variable("embedding", [8, 3])
            steps = [tf.gather(embedding, ids) for ids in decoder]
            with v1.variable_scope("attention_decoder"):
                outputs = _decode(steps, states, hidden)
    return {
        "inputs": inputs,
        "outputs": {f"output{n}": one for n, one in enumerate(outputs)},
    }


def _decode(steps, states, hidden):
    kernel = v1.get_variable("AttnW_0", [1, 1, 4, 4])
    vector = v1.get_variable("AttnV_0", [4])
    attended = tf.zeros([BATCH, 4])
    outputs = []
    for step in steps:
        mixed = _linear([step, attended], 3)
        with v1.variable_scope("output_projection_wrapper"):
            out, states = _gru(4, mixed, states)
            out = _linear([out], 8)
        with v1.variable_scope("Attention_0"):
            attended = _attend(states[0], hidden, kernel, vector)
        with v1.variable_scope("AttnOutputProjection"):
            outputs.append(_linear([out, attended], 8))
    return outputs


def build_dense():
    """A dense layer, and a variable beside it (``tower``, ``module``, ``model``)."""
    rows = v1.placeholder(tf.float32, [4, 3], "rows")
    with v1.variable_scope("dense"):
        output = _linear([rows], 2)
    with v1.variable_scope("head"):
        output += v1.get_variable("shift", [2])
    return {"inputs": {"rows": rows}, "outputs": {"output": output}}


def build_colon():
    """A dense layer."""
    rows = v1.placeholder(tf.float32, [4, 3], "rows")
    with v1.variable_scope("dense"):
        output = _linear([rows], 2)
    return {"inputs": {"rows": rows}, "outputs": {"output": output}}


def build_default_numbers():
    """Variables without names, the first of their graph."""
    rows = v1.placeholder(tf.float32, [4, 3], "rows")
    first, second = v1.Variable(tf.zeros([3, 4])), v1.Variable(tf.zeros([4]))
    v1.Variable(0, trainable=False)
    last = v1.Variable(tf.zeros([4, 2]))
    output = tf.matmul(tf.matmul(rows, first) + second, last)
    return {"inputs": {"rows": rows}, "outputs": {"output": output}}


def _batch_norm(scope, inputs):
    with v1.variable_scope(scope):
        gamma, beta, mean, variance = [
            v1.get_variable(name, [inputs.shape[-1]])
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        ]
    return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, 1e-3)


def build_sonnet(scopes=("batch_normalization", "batch_normalization_1")):
    """Two batch normalisations under the names of TensorFlow."""
    rows = v1.placeholder(tf.float32, [4, 3], "rows")
    net = rows
    for scope in scopes:
        net = _batch_norm(scope, net)
    return {"inputs": {"rows": rows}, "outputs": {"output": net}}


def build_batch_norms():
    """Batch normalisation under TensorFlow's names for its variables."""
    rows = v1.placeholder(tf.float32, [4, 3], "rows")
    outputs = {}
    for library in ("tensorpack", "keras1", "caffe"):
        with v1.variable_scope(library):
            outputs[library] = _batch_norm("bn", rows)
    return {"inputs": {"rows": rows}, "outputs": outputs}


def _conv(scope, images, kernel="kernel", bias="bias"):
    with v1.variable_scope(scope):
        filters = v1.get_variable(kernel, [3, 3, images.shape[3], 2])
        product = tf.nn.conv2d(images, filters, [1, 1, 1, 1], "SAME")
        return tf.nn.relu(product + v1.get_variable(bias, [2]))


def build_layers():
    """The model of ``slim`` and ``layers``, under the names of tf.layers."""
    images = v1.placeholder(tf.float32, [2, 5, 5, 3], "images")
    net = _batch_norm("batch_normalization", _conv("conv2d", images))
    net = _conv("conv2d_1", net)
    with v1.variable_scope("separable_conv2d"):
        depth = v1.get_variable("depthwise_kernel", [3, 3, 2, 1])
        point = v1.get_variable("pointwise_kernel", [1, 1, 2, 3])
        net = tf.nn.separable_conv2d(net, depth, point, [1, 1, 1, 1], "SAME")
        net = tf.nn.relu(net + v1.get_variable("bias", [3]))
    with v1.variable_scope("dense"):
        net = tf.nn.relu(_linear([tf.reduce_mean(net, [1, 2])], 2))
    return {"inputs": {"images": images}, "outputs": {"output": net}}


def build_layers_named():
    """The model of ``slim_named`` and ``layers_named``, under names of tf.layers."""
    images = v1.placeholder(tf.float32, [2, 5, 5, 3], "images")
    net = _batch_norm("bn1", _conv("conv1", images))
    with v1.variable_scope("fc1"):
        net = tf.nn.relu(_linear([tf.reduce_mean(net, [1, 2])], 2))
    return {"inputs": {"images": images}, "outputs": {"output": net}}
