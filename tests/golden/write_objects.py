"""Writes the object-based checkpoints in ``objects`` with a genuine TensorFlow.

Each is what a stock ``tf.train.Checkpoint`` saved of an eager model. Beside it lies
``golden.npz``: an input (``in:x``), what the model gave for it (``out:y``), and its
variables by one of their paths (``|`` for ``/``), all from the live model::

    python write_objects.py [case ...]

writes the cases of the running TensorFlow, 1.15.5 or 2.21, each into
``objects/tf<major>_<minor>_<case>``, and replaces what is there.
"""

import collections
import os
import shutil
import sys

import numpy as np
import tensorflow as tf

HERE = os.path.dirname(os.path.abspath(__file__))
IS_TF1 = tf.__version__.startswith("1.")
X = np.linspace(-1, 1, 12, dtype=np.float32).reshape([3, 4])
Y = np.linspace(0, 1, 6, dtype=np.float32).reshape([3, 2])

# What was saved, the model that it holds, and its variables by one of their paths.
Saved = collections.namedtuple("Saved", ["root", "model", "variables"])


def fill(variables):
    """Gives each variable values that no other one has."""
    for number, one in enumerate(variables):
        random = np.random.RandomState(number)
        one.assign(random.uniform(0.1, 1, one.shape).astype(np.float32))


def train(model, optimizer):
    """Makes two steps."""
    for _ in range(2):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(X, training=True) - Y) ** 2)
        weights = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))


def keras3_sequential():
    """A compiled model: the shortest paths of its weights lead over the optimizer."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input([4]),
            layers.Dense(3, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.2, seed=1),
            layers.Dense(2),
        ]
    )
    fill(model.weights)
    optimizer = keras.optimizers.Adam(0.01)
    train(model, optimizer)
    root = tf.train.Checkpoint(model=model, optimizer=optimizer)
    first, norm, last = model.layers[0], model.layers[1], model.layers[3]
    variables = {
        "model/_functional/_operations/1/_kernel": first.kernel,
        "model/_functional/_operations/1/bias": first.bias,
        "model/_functional/_operations/2/gamma": norm.gamma,
        "model/_functional/_operations/2/beta": norm.beta,
        "model/_functional/_operations/2/moving_mean": norm.moving_mean,
        "model/_functional/_operations/2/moving_variance": norm.moving_variance,
        "model/_functional/_operations/4/_kernel": last.kernel,
        "model/_functional/_operations/4/bias": last.bias,
    }
    return Saved(root, model, variables)


def keras3_subclassed():
    """Four layers whose kernels all had the same name."""
    import keras

    class Sub(keras.Model):
        """Layers as attributes."""

        def __init__(self):
            super().__init__()
            self.a = keras.layers.Dense(4)
            self.b = keras.layers.Dense(4)
            self.c = keras.layers.Dense(4)
            self.d = keras.layers.Dense(4)

        def call(self, x):
            """One after the other."""
            return self.d(self.c(self.b(self.a(x))))

    model = Sub()
    model(X)
    fill(model.weights)
    variables = {}
    for name in "abcd":
        layer = getattr(model, name)
        variables[name + "/_kernel"] = layer.kernel
        variables[name + "/bias"] = layer.bias
    return Saved(tf.train.Checkpoint(model), model, variables)


def _functional(keras, optimizer):
    inputs = keras.Input([4])
    hidden = keras.layers.Dense(3, activation="relu", name="hidden")
    logits = keras.layers.Dense(2, name="logits")
    dropped = keras.layers.Dropout(0.2)(hidden(inputs))
    model = keras.Model(inputs, logits(dropped))
    fill(model.weights)
    train(model, optimizer)
    variables = {
        "model/layer-1/kernel": hidden.kernel,
        "model/layer-1/bias": hidden.bias,
        "model/layer-3/kernel": logits.kernel,
        "model/layer-3/bias": logits.bias,
    }
    root = tf.train.Checkpoint(model=model, optimizer=optimizer)
    return Saved(root, model, variables)


def keras_functional():
    """Keras 2: each layer under two names, slots in one of their two forms."""
    if IS_TF1:
        return _functional(tf.keras, tf.keras.optimizers.Adam(0.01))
    import tf_keras

    return _functional(tf_keras, tf_keras.optimizers.Adam(0.01))


class Linear(tf.Module):
    """A product and a sum; it holds itself too."""

    def __init__(self):
        super().__init__(name="linear")
        with self.name_scope:
            self.w = tf.Variable(tf.zeros([4, 2]), name="w")
            self.b = tf.Variable(tf.zeros([2]), name="b")
        self.itself = self

    def __call__(self, x):
        return tf.matmul(x, self.w) + self.b


class Net(tf.Module):
    """A list, a dictionary with odd keys, and a variable that is held twice."""

    def __init__(self):
        super().__init__(name="net")
        self.layers = [Linear(), Linear()]
        self.table = {"x/y.z": tf.Variable(tf.zeros([2]), name="odd")}
        self.scale = tf.Variable(tf.zeros([2]), name="scale")
        self.again = self.scale

    def __call__(self, x):
        summed = self.layers[0](x) + self.layers[1](x)
        return self.scale * summed + self.table["x/y.z"]


def module():
    """Modules of one name: ``linear/w`` twice."""
    model = Net()
    variables = {
        "net/layers/0/w": model.layers[0].w,
        "net/layers/0/b": model.layers[0].b,
        "net/layers/1/w": model.layers[1].w,
        "net/layers/1/b": model.layers[1].b,
        "net/table/x/y.z": model.table["x/y.z"],
        "net/scale": model.scale,
    }
    fill(variables.values())
    return Saved(tf.train.Checkpoint(net=model), model, variables)


CASES = [keras_functional, module]
if not IS_TF1:
    CASES += [keras3_sequential, keras3_subclassed]


def write(case):
    """Writes one case into its folder."""
    release = "_".join(tf.__version__.split(".")[:2])
    folder = os.path.join(HERE, "objects", f"tf{release}_{case.__name__}")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    saved = case()
    saved.root.save(os.path.join(folder, "ckpt"))
    os.remove(os.path.join(folder, "checkpoint"))
    arrays = {"in:x": X, "out:y": np.asarray(saved.model(X))}
    for path, one in saved.variables.items():
        arrays[path.replace("/", "|")] = one.numpy()
    np.savez(os.path.join(folder, "golden.npz"), **arrays)


def main(names):
    """Writes the named cases, or all of them."""
    if IS_TF1:
        tf.compat.v1.enable_eager_execution()
    for case in CASES:
        if not names or case.__name__ in names:
            write(case)


if __name__ == "__main__":
    main(sys.argv[1:])
