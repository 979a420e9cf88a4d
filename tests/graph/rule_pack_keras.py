"""Models of tf.keras in ``tests/golden/rule_packs``, built by hand and by Keras."""

import tensorflow as tf

v1 = tf.compat.v1

TIME, BATCH, INPUTS, UNITS = 3, 2, 3, 2


def hard_sigmoid(value):
    """The gate of recurrent layers in tf.keras up to 1.15."""
    return tf.clip_by_value(0.2 * value + 0.5, 0.0, 1.0)


def _variables(layer, cell, inputs, gates):
    with v1.variable_scope(f"{layer}/{cell}" if cell else layer):
        kernel = v1.get_variable("kernel", [inputs.shape[2], gates * UNITS])
        recurrent = v1.get_variable("recurrent_kernel", [UNITS, gates * UNITS])
        bias = v1.get_variable("bias", [gates * UNITS])
    return kernel, recurrent, bias


def _lstm(layer, inputs, gate, cell, reverse=False):
    kernel, recurrent, bias = _variables(layer, cell and "lstm_cell", inputs, 4)
    steps = tf.unstack(inputs, axis=1)
    state = output = tf.zeros([BATCH, UNITS])
    outputs = []
    for step in reversed(steps) if reverse else steps:
        mixed = tf.matmul(step, kernel) + tf.matmul(output, recurrent) + bias
        taken, forget, new, shown = tf.split(mixed, 4, 1)
        state = gate(forget) * state + gate(taken) * tf.tanh(new)
        output = gate(shown) * tf.tanh(state)
        outputs.append(output)
    return tf.stack(outputs, 1)


def _gru(layer, inputs, gate, cell):
    kernel, recurrent, bias = _variables(layer, cell and "gru_cell", inputs, 3)
    state = tf.zeros([BATCH, UNITS])
    outputs = []
    for step in tf.unstack(inputs, axis=1):
        of_step = tf.split(tf.matmul(step, kernel) + bias, 3, 1)
        for_update, for_reset, for_new = tf.split(recurrent, 3, 1)
        update = gate(of_step[0] + tf.matmul(state, for_update))
        reset = gate(of_step[1] + tf.matmul(state, for_reset))
        new = tf.tanh(of_step[2] + tf.matmul(reset * state, for_new))
        state = update * state + (1 - update) * new
        outputs.append(state)
    return tf.stack(outputs, 1)


def _simple(layer, inputs, cell):
    found = _variables(layer, cell and "simple_rnn_cell", inputs, 1)
    kernel, recurrent, bias = found
    state = tf.zeros([BATCH, UNITS])
    outputs = []
    for step in tf.unstack(inputs, axis=1):
        mixed = tf.matmul(step, kernel) + tf.matmul(state, recurrent) + bias
        state = tf.tanh(mixed)
        outputs.append(state)
    return tf.stack(outputs, 1)


def keras_rnn(gate, cell):
    """Returns a builder of recurrent layers.

    Args:
      gate: The recurrent activation.
      cell: Whether variables stand in the scopes of cells.
    """

    def build():
        sequence = v1.placeholder(tf.float32, [BATCH, TIME, INPUTS], "sequence")
        net = _lstm("lstm", sequence, gate, cell)
        net = _lstm("lstm_1", net, gate, cell)
        net = _gru("gru", net, gate, cell)
        net = _simple("simple_rnn", net, cell)
        with v1.variable_scope("bidirectional"):
            forward = _lstm("forward_lstm_2", net, gate, cell)[:, -1]
            backward = _lstm("backward_lstm_2", net, gate, cell, reverse=True)[:, -1]
        output = tf.concat([forward, backward], 1)
        return {"inputs": {"sequence": sequence}, "outputs": {"output": output}}

    return build


def keras_rnn_by(layers, gate):
    """Returns a builder of the same by Keras' own layers.

    Args:
      layers: The module of layers.
      gate: The name of the recurrent activation.
    """

    def build():
        sequence = v1.placeholder(tf.float32, [BATCH, TIME, INPUTS], "sequence")
        whole = {"return_sequences": True, "recurrent_activation": gate}
        net = layers.LSTM(UNITS, **whole)(sequence)
        net = layers.LSTM(UNITS, **whole)(net)
        net = layers.GRU(UNITS, reset_after=False, **whole)(net)
        net = layers.SimpleRNN(UNITS, return_sequences=True)(net)
        last = layers.LSTM(UNITS, recurrent_activation=gate)
        output = layers.Bidirectional(last)(net)
        return {"inputs": {"sequence": sequence}, "outputs": {"output": output}}

    return build


def build_keras_depthwise():
    """The convolutions of ``keras_depthwise``, as Keras 3 names their variables."""
    images = v1.placeholder(tf.float32, [2, 5, 5, 3], "images")
    with v1.variable_scope("depthwise_conv2d"):
        kernel = v1.get_variable("kernel", [3, 3, 3, 1])
        bias = v1.get_variable("bias", [3])
    strides = [1, 1, 1, 1]
    net = tf.nn.depthwise_conv2d(images, kernel, strides, "VALID") + bias
    with v1.variable_scope("separable_conv2d"):
        depthwise = v1.get_variable("depthwise_kernel", [1, 1, 3, 1])
        pointwise = v1.get_variable("pointwise_kernel", [1, 1, 3, 2])
        bias = v1.get_variable("bias", [2])
    net = tf.nn.separable_conv2d(net, depthwise, pointwise, strides, "VALID") + bias
    return {"inputs": {"images": images}, "outputs": {"output": net}}


def build_keras_numbers():
    """The convolutional model of ``keras_numbers``, as the first of its graph."""
    images = v1.placeholder(tf.float32, [2, 5, 5, 3], "images")
    net = images
    for layer in ("conv2d", "conv2d_1"):
        with v1.variable_scope(layer):
            kernel = v1.get_variable("kernel", [3, 3, net.shape[3], 2])
            bias = v1.get_variable("bias", [2])
        net = tf.nn.conv2d(net, kernel, [1, 1, 1, 1], "VALID") + bias
    with v1.variable_scope("batch_normalization"):
        gamma, beta, mean, variance = [
            v1.get_variable(name, [2])
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        ]
    net = tf.nn.batch_normalization(net, mean, variance, beta, gamma, 1e-3)
    with v1.variable_scope("dense"):
        kernel, bias = v1.get_variable("kernel", [2, 2]), v1.get_variable("bias", [2])
    output = tf.matmul(tf.reduce_mean(net, [1, 2]), kernel) + bias
    return {"inputs": {"images": images}, "outputs": {"output": output}}
