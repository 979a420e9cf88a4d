"""Small eager models in training, made alike by every Keras there is.

Fixtures of 1.15.5 are written by the same code: what it makes must not change.
"""

import numpy as np

from legacy_restore.tf import tf

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape([6, 4])
Y = np.stack([np.sin(X.sum(1)), X[:, 0] * X[:, 1]], axis=1).astype(np.float32)
STEPS = 5


def sequential(keras):
    return keras.Sequential(
        [
            keras.layers.Dense(3, activation="tanh"),
            keras.layers.Dropout(0.0),
            keras.layers.Dense(2),
        ]
    )


def subclassed(keras):
    class Net(keras.Model):
        """Layers as attributes, some of their variables not trained."""

        def __init__(self):
            super().__init__()
            self.hidden = keras.layers.Dense(3, activation="tanh")
            self.norm = keras.layers.BatchNormalization(momentum=0.5)
            self.logits = keras.layers.Dense(2)

        def call(self, inputs, training=False):
            return self.logits(self.norm(self.hidden(inputs), training=training))

    return Net()


def custom(keras):
    class CustomDense(keras.layers.Layer):
        """A layer that makes its variables itself."""

        def __init__(self, units):
            super().__init__()
            self.units = units

        def build(self, shape):
            self.w = self.add_weight(
                shape=(int(shape[-1]), self.units),
                initializer="glorot_uniform",
                name="kernel",
            )
            self.b = self.add_weight(
                shape=(self.units,), initializer="zeros", name="bias"
            )

        def call(self, inputs):
            return tf.tanh(tf.matmul(inputs, self.w) + self.b)

    return keras.Sequential([CustomDense(3), CustomDense(2)])


def versioned(keras, version=1):
    """Layers whose names say of which version of the program they are."""
    hidden = keras.layers.Dense(3, activation="tanh", name=f"hidden_v{version}")
    logits = keras.layers.Dense(2, name=f"logits_v{version}")
    inputs = keras.Input([4])
    return keras.Model(inputs, logits(hidden(inputs)), name=f"net_v{version}")


# Which optimizer each is trained with, by its name in Keras.
MODELS = {
    "sequential": (sequential, "Adam", {"learning_rate": 0.05}),
    "subclassed": (subclassed, "SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    "custom": (
        custom,
        "RMSprop",
        {"learning_rate": 0.01, "rho": 0.8, "momentum": 0.5, "epsilon": 1e-3},
    ),
    "versioned": (
        versioned,
        "Ftrl",
        {"learning_rate": 0.2, "l2_regularization_strength": 1e-3},
    ),
}


class EagerTraining:
    """A model, its optimizer, and how they are saved."""

    def __init__(self, model, optimizer):
        self.model = model
        self.optimizer = optimizer
        model(X)

    def run(self, count):
        """Makes steps; returns their losses."""
        losses = []
        for _ in range(count):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self.model(X, training=True) - Y) ** 2)
            weights = self.weights()
            gradients = tape.gradient(loss, weights)
            self.optimizer.apply_gradients(list(zip(gradients, weights)))
            losses.append(float(loss.numpy()))
        return np.array(losses)

    def weights(self):
        return self.model.trainable_variables

    def root(self):
        return tf.train.Checkpoint(model=self.model, optimizer=self.optimizer)

    def outputs(self):
        return np.asarray(self.model(X))


def begin(keras, kind, **more):
    """Makes a model that has made no step."""
    make, name, hyperparameters = MODELS[kind]
    optimizer = getattr(keras.optimizers, name)(**hyperparameters)
    return EagerTraining(make(keras, **more), optimizer)
