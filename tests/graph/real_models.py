"""Builders of real models, written after the names and shapes in their checkpoints."""

from legacy_restore.tf import tf


def conv(x, name, channels, size, prelu=True):
    """A convolution without padding, with PReLU."""
    with tf.variable_scope(name):
        inputs = x.shape.as_list()[-1]
        weights = tf.get_variable("weights", [size, size, inputs, channels])
        biases = tf.get_variable("biases", [channels])
        x = tf.nn.conv2d(x, weights, strides=[1, 1, 1, 1], padding="VALID") + biases
        if not prelu:
            return x
        alphas = tf.get_variable("alphas", [channels])
        return tf.nn.relu(x) + alphas * (x - tf.abs(x)) * 0.5


def pool(x, size, padding):
    """A maximum over windows, at every second place."""
    return tf.nn.max_pool(
        x, ksize=[1, size, size, 1], strides=[1, 2, 2, 1], padding=padding
    )


def dense(x, name, units):
    """A layer that is connected in full."""
    with tf.variable_scope(name):
        weights = tf.get_variable("weights", [x.shape.as_list()[-1], units])
        return tf.matmul(x, weights) + tf.get_variable("biases", [units])


def build_pnet():
    """The proposal network, for images of any size."""
    images = tf.placeholder(tf.float32, [None, None, None, 3], name="images")
    x = pool(conv(images, "conv1", 10, 3), 2, "SAME")
    x = conv(conv(x, "conv2", 16, 3), "conv3", 32, 3)
    return {
        "cls_prob": tf.nn.softmax(conv(x, "conv4_1", 2, 1, prelu=False)),
        "bbox_pred": conv(x, "conv4_2", 4, 1, prelu=False),
        "landmark_pred": conv(x, "conv4_3", 10, 1, prelu=False),
    }


def heads(x, units):
    """The three outputs that the larger networks have in common."""
    size = 1
    for axis in x.shape.as_list()[1:]:
        size *= axis
    x = tf.nn.relu(dense(tf.reshape(x, [-1, size]), "fc1", units))
    return {
        "cls_prob": tf.nn.softmax(dense(x, "cls_fc", 2)),
        "bbox_pred": dense(x, "bbox_fc", 4),
        "landmark_pred": dense(x, "landmark_fc", 10),
    }


def build_rnet():
    """The refinement network."""
    images = tf.placeholder(tf.float32, [None, 24, 24, 3], name="images")
    x = pool(conv(images, "conv1", 28, 3), 3, "SAME")
    x = pool(conv(x, "conv2", 48, 3), 3, "VALID")
    return heads(conv(x, "conv3", 64, 2), 128)


def build_onet():
    """The output network."""
    images = tf.placeholder(tf.float32, [None, 48, 48, 3], name="images")
    x = pool(conv(images, "conv1", 32, 3), 3, "SAME")
    x = pool(conv(x, "conv2", 64, 3), 3, "VALID")
    x = pool(conv(x, "conv3", 64, 3), 2, "SAME")
    return heads(conv(x, "conv4", 128, 2), 256)


def build_srcnn():
    """The super-resolution network."""
    x = tf.placeholder(tf.float32, [None, 33, 33, 1], name="images")
    for number, shape in enumerate(([9, 9, 1, 64], [1, 1, 64, 32], [5, 5, 32, 1]), 1):
        weights = tf.Variable(tf.random_normal(shape, stddev=1e-3), name=f"w{number}")
        biases = tf.Variable(tf.zeros(shape[-1:]), name=f"b{number}")
        x = tf.nn.conv2d(x, weights, strides=[1, 1, 1, 1], padding="VALID") + biases
        x = tf.nn.relu(x) if number < 3 else x
    return x


def build_mnist():
    """A classifier of digits whose variables nobody named."""
    x = tf.placeholder(tf.float32, [None, 784], name="images")
    for inputs, outputs in ((784, 500), (500, 10)):
        weights = tf.Variable(tf.truncated_normal([inputs, outputs], stddev=0.1))
        biases = tf.Variable(tf.constant(0.1, shape=[outputs]))
        x = tf.matmul(tf.nn.relu(x) if inputs == 500 else x, weights) + biases
    return x


def build_char_rnn():
    """Two LSTM cells over ten characters, from a state of zeros."""
    steps, size, vocabulary = 10, 128, 65
    characters = tf.placeholder(tf.int32, [None, steps], name="inputs")
    layers = []
    for number, inputs in enumerate([vocabulary, size]):
        with tf.variable_scope(f"rnn/multi_rnn_cell/cell_{number}/basic_lstm_cell"):
            kernel = tf.get_variable("kernel", [inputs + size, 4 * size])
            layers.append((kernel, tf.get_variable("bias", [4 * size])))
    with tf.variable_scope("softmax"):
        softmax_w = tf.get_variable("softmax_w", [size, vocabulary])
        softmax_b = tf.get_variable("softmax_b", [vocabulary])
    zeros = tf.zeros([tf.shape(characters)[0], size])
    states = [(zeros, zeros) for _ in layers]
    outputs = []
    for step in range(steps):
        x = tf.one_hot(characters[:, step], vocabulary)
        for number, (kernel, bias) in enumerate(layers):
            cell, hidden = states[number]
            gates = tf.matmul(tf.concat([x, hidden], 1), kernel) + bias
            i, j, f, o = tf.split(gates, 4, axis=1)
            cell = cell * tf.sigmoid(f) + tf.sigmoid(i) * tf.tanh(j)
            x = tf.tanh(cell) * tf.sigmoid(o)
            states[number] = (cell, x)
        outputs.append(x)
    hidden = tf.reshape(tf.stack(outputs, axis=1), [-1, size])
    return tf.nn.softmax(tf.matmul(hidden, softmax_w) + softmax_b)
