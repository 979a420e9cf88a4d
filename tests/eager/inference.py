"""Small models, built with whichever Keras: those of ``tests/golden/inference``."""

import numpy as np

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape([2, 3, 4])


def _layers(keras):
    layers = keras.layers
    return [
        layers.Conv1D(5, 2, activation="relu"),
        layers.BatchNormalization(),
        layers.Dropout(0.2),
        layers.LSTM(4, recurrent_activation="sigmoid"),
        layers.Dense(4),
        layers.Dense(4),
    ]


def sequential(keras):
    """Two layers at its end that only their order tells apart."""
    return keras.Sequential([keras.Input([3, 4]), *_layers(keras)])


def functional(keras):
    """The same, with a second way through it."""
    inputs = outputs = keras.Input([3, 4])
    for layer in _layers(keras):
        outputs = layer(outputs)
    added = keras.layers.Dense(4, name="added")(outputs)
    return keras.Model(inputs, keras.layers.Add()([outputs, added]))


def subclassed(keras, dense=None):
    """A model that holds layers as attributes, and in a list and a dictionary."""
    dense = dense or keras.layers.Dense

    class Net(keras.Model):
        """It has a model inside, too."""

        def __init__(self):
            super().__init__()
            self.first = dense(4)
            self.several = [dense(4), dense(4)]
            self.named = {"out": dense(2)}
            self.norm = keras.layers.BatchNormalization()
            self.inner = keras.Sequential([keras.layers.Dense(4)])

        def call(self, inputs, training=False):
            """One after the other."""
            outputs = self.first(inputs)
            for one in self.several:
                outputs = one(outputs)
            outputs = self.norm(self.inner(outputs), training=training)
            return self.named["out"](outputs)

    return Net()


MODELS = {
    "sequential": sequential,
    "functional": functional,
    "subclassed": subclassed,
}


def fill(model):
    """Gives each weight values that no other one has; the model is built."""
    for number, one in enumerate(model.weights):
        random = np.random.RandomState(number)
        one.assign(random.uniform(0.1, 1, one.shape).astype(np.float32))


def built(make, keras):
    """Returns a model that has its variables."""
    model = make(keras)
    model(X)
    return model
