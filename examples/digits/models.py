"""Two small models written the way a TF1 code base wrote them.

A denoiser cleans an 8x8 digit; a classifier names it. They were never meant to live
in one graph: both build at the root scope, and both own a ``conv1/weights``, a
``conv1/biases``, a ``fc/weights`` and a ``fc/biases``. ``conv1`` even has the same
shapes in both, so a checkpoint restored into the wrong model need not fail there.

The code builds unmodified on TensorFlow 1.15 and on 2.x, in graph mode. Losses,
optimizers and sessions are left to the callers.
"""

from __future__ import annotations

import tensorflow.compat.v1 as tf

IMAGE_SIDE = 8
IMAGE_PIXELS = IMAGE_SIDE * IMAGE_SIDE
CLASS_COUNT = 10

# Short, since training takes only a few thousand steps of a small batch.
MOVING_DECAY = 0.95
# Large enough that a channel that is almost always off is not blown up.
NORM_EPSILON = 1e-3


def build_denoiser() -> dict[str, tf.Tensor]:
    """Builds the denoiser in the default graph and the current variable scope.

    Makes two placeholders: ``images``, float32 ``[None, 64]`` in [0, 1], and
    ``is_training``, a bool scalar that is False unless fed. The updates of the moving
    statistics go to ``tf.GraphKeys.UPDATE_OPS``.

    Returns:
        ``images``: the cleaned images, float32 ``[None, 64]``, between 0 and 1.
    """
    images = tf.placeholder(tf.float32, [None, IMAGE_PIXELS], name="images")
    is_training = tf.placeholder_with_default(False, [], name="is_training")

    net = tf.reshape(images, [-1, IMAGE_SIDE, IMAGE_SIDE, 1])
    net = _conv2d(net, 16, stride=1, scope="conv1")
    net = _batch_norm(net, is_training, scope="bn1")
    net = _conv2d(net, 16, stride=2, scope="conv2")
    net = _batch_norm(net, is_training, scope="bn2")
    net = _fully_connected(_flatten(net), IMAGE_PIXELS, scope="fc")
    return {"images": tf.sigmoid(net, name="denoised")}


def build_classifier() -> dict[str, tf.Tensor]:
    """Builds the classifier in the default graph and the current variable scope.

    Makes one placeholder: ``images``, float32 ``[None, 64]`` in [0, 1].

    Returns:
        ``logits``: float32 ``[None, 10]``, one score a digit; ``probabilities``:
        float32 ``[None, 10]``, which add up to 1; ``classes``: int64 ``[None]``, the
        digit with the highest score.
    """
    images = tf.placeholder(tf.float32, [None, IMAGE_PIXELS], name="images")

    net = tf.reshape(images, [-1, IMAGE_SIDE, IMAGE_SIDE, 1])
    net = _conv2d(net, 16, stride=1, scope="conv1")
    net = tf.nn.max_pool(net, [1, 2, 2, 1], [1, 2, 2, 1], padding="SAME")
    net = tf.nn.relu(_fully_connected(_flatten(net), 48, scope="fc"))
    logits = _fully_connected(net, CLASS_COUNT, scope="logits")
    return {
        "logits": logits,
        "probabilities": tf.nn.softmax(logits, name="probabilities"),
        "classes": tf.argmax(logits, axis=1, name="classes"),
    }


def _conv2d(inputs: tf.Tensor, channels: int, stride: int, scope: str) -> tf.Tensor:
    """Returns a 3x3 convolution of NHWC ``inputs`` with biases and a ReLU."""
    with tf.variable_scope(scope):
        weights = tf.get_variable(
            "weights",
            [3, 3, inputs.shape[-1], channels],
            initializer=tf.glorot_uniform_initializer(),
        )
        biases = tf.get_variable(
            "biases", [channels], initializer=tf.zeros_initializer()
        )
        net = tf.nn.conv2d(
            inputs, weights, strides=[1, stride, stride, 1], padding="SAME"
        )
        return tf.nn.relu(tf.nn.bias_add(net, biases))


def _fully_connected(inputs: tf.Tensor, units: int, scope: str) -> tf.Tensor:
    """Returns a dense layer over ``inputs`` of shape [batch, features]."""
    with tf.variable_scope(scope):
        weights = tf.get_variable(
            "weights",
            [inputs.shape[-1], units],
            initializer=tf.glorot_uniform_initializer(),
        )
        biases = tf.get_variable("biases", [units], initializer=tf.zeros_initializer())
        return tf.nn.bias_add(tf.matmul(inputs, weights), biases)


def _flatten(inputs: tf.Tensor) -> tf.Tensor:
    """Returns NHWC ``inputs`` as [batch, height * width * channels]."""
    return tf.reshape(inputs, [-1, inputs.shape[1:].num_elements()])


def _batch_norm(inputs: tf.Tensor, is_training: tf.Tensor, scope: str) -> tf.Tensor:
    """Normalises the channels of NHWC ``inputs``.

    By the batch's own statistics when ``is_training`` holds, by the moving ones
    otherwise.
    """
    channels = [inputs.shape[-1]]
    with tf.variable_scope(scope):
        beta = tf.get_variable("beta", channels, initializer=tf.zeros_initializer())
        gamma = tf.get_variable("gamma", channels, initializer=tf.ones_initializer())
        moving_mean = tf.get_variable(
            "moving_mean",
            channels,
            initializer=tf.zeros_initializer(),
            trainable=False,
        )
        moving_variance = tf.get_variable(
            "moving_variance",
            channels,
            initializer=tf.ones_initializer(),
            trainable=False,
        )
        batch_mean, batch_variance = tf.nn.moments(inputs, axes=[0, 1, 2])
        tf.add_to_collection(
            tf.GraphKeys.UPDATE_OPS, _moving_update(moving_mean, batch_mean)
        )
        tf.add_to_collection(
            tf.GraphKeys.UPDATE_OPS, _moving_update(moving_variance, batch_variance)
        )
        mean, variance = tf.cond(
            is_training,
            lambda: (batch_mean, batch_variance),
            # A branch must give tensors; a bare variable is not one on every version.
            lambda: (tf.identity(moving_mean), tf.identity(moving_variance)),
        )
        return tf.nn.batch_normalization(
            inputs, mean, variance, beta, gamma, NORM_EPSILON
        )


def _moving_update(moving: tf.Variable, value: tf.Tensor) -> tf.Tensor:
    """Returns the op that moves ``moving`` a step towards ``value``."""
    return tf.assign_sub(moving, (1.0 - MOVING_DECAY) * (moving - value))
