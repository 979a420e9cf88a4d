"""Trains one small model with the optimizer of any library that is installed."""

import contextlib
import dataclasses

import numpy as np
from tensorflow.python.eager import context

from legacy_restore.eager.optimizer_assignments import assignments
from legacy_restore.mapping.optimizer_state.kinds import Family, Library
from legacy_restore.tf import IS_TF1, tf

try:
    import keras
except ImportError:
    keras = None
try:
    import tf_keras
except ImportError:
    tf_keras = None
if IS_TF1:
    keras = None

WEIGHTS = ("dense/kernel", "dense/bias", "logits/kernel", "logits/bias")
SHAPES = ((3, 4), (4,), (4, 1), (1,))

LIBRARIES = [Library.V1]
if IS_TF1 or tf_keras:
    LIBRARIES.append(Library.LEGACY_KERAS)
if tf_keras:
    LIBRARIES.append(Library.KERAS_2)
if keras:
    LIBRARIES.append(Library.KERAS_3)

_V1_NAMES = {
    "beta_1": "beta1",
    "beta_2": "beta2",
    "rho": "decay",
    "nesterov": "use_nesterov",
}
_V1_CLASSES = {
    Family.MOMENTUM: "MomentumOptimizer",
    Family.ADAM: "AdamOptimizer",
    Family.RMSPROP: "RMSPropOptimizer",
    Family.ADAGRAD: "AdagradOptimizer",
    Family.FTRL: "FtrlOptimizer",
}
_KERAS_CLASSES = {
    Family.MOMENTUM: "SGD",
    Family.ADAM: "Adam",
    Family.RMSPROP: "RMSprop",
    Family.ADAGRAD: "Adagrad",
    Family.FTRL: "Ftrl",
}


@contextlib.contextmanager
def eagerly():
    """Runs what is within it eagerly, on TensorFlow 1 too."""
    with context.eager_mode():
        yield


def initial_weights():
    random = np.random.RandomState(7)
    return [random.normal(size=shape).astype(np.float32) for shape in SHAPES]


def batch(step):
    random = np.random.RandomState(100 + step)
    inputs = random.normal(size=(8, 3)).astype(np.float32)
    return inputs, np.sin(inputs.sum(1, keepdims=True)).astype(np.float32)


def loss_of(weights, inputs, labels):
    kernel, bias, last_kernel, last_bias = weights
    hidden = tf.tanh(tf.matmul(inputs, kernel) + bias)
    outputs = tf.matmul(hidden, last_kernel) + last_bias
    return tf.reduce_mean(tf.square(outputs - labels))


def make_optimizer(library, family, **hyperparameters):
    """Makes an optimizer; hyperparameters have the names of Keras."""
    if library is Library.V1:
        named = {_V1_NAMES.get(k, k): v for k, v in hyperparameters.items()}
        if family is Family.ADAGRAD:
            named.pop("epsilon", None)
        if IS_TF1:
            named.pop("beta", None)
        return getattr(tf.train, _V1_CLASSES[family])(**named)
    name = _KERAS_CLASSES[family]
    if library is Library.LEGACY_KERAS:
        module = tf.keras.optimizers if IS_TF1 else tf_keras.optimizers.legacy
        if IS_TF1:
            hyperparameters.pop("beta", None)
        made = getattr(module, name)(**hyperparameters)
        if hyperparameters.get("epsilon") == 0:
            made.epsilon = 0.0  # Its constructor takes that for "the default".
        return made
    if library is Library.KERAS_2:
        made = getattr(tf_keras.optimizers, name)
        return made(jit_compile=False, **hyperparameters)
    return getattr(keras.optimizers, name)(**hyperparameters)


def make_variables(library, values):
    """Makes the variables of the model, as a model of this library has them."""
    if library is Library.KERAS_3:
        found = []
        for name, value in zip(WEIGHTS, values):
            scope, _, last = name.partition("/")
            with keras.name_scope(scope):
                found.append(keras.Variable(value, name=last))
        return found
    return [tf.Variable(v, name=n) for n, v in zip(WEIGHTS, values)]


class Holder(tf.Module if hasattr(tf, "Module") else object):
    """Holds whatever it is given."""


@dataclasses.dataclass
class Training:
    """A model in training, eagerly."""

    library: Library
    variables: list
    optimizer: object
    steps: int = 0

    @classmethod
    def begin(cls, library, family, values=None, **hyperparameters):
        made = make_variables(library, initial_weights() if values is None else values)
        return cls(library, made, make_optimizer(library, family, **hyperparameters))

    @property
    def raw(self):
        """The variables of TensorFlow."""
        return [getattr(one, "value", one) if self.is_keras_3 else one
                for one in self.variables]  # fmt: skip

    @property
    def is_keras_3(self):
        return self.library is Library.KERAS_3

    def run(self, count):
        """Makes steps; returns their losses."""
        losses = []
        for _ in range(count):
            inputs, labels = batch(self.steps)
            with tf.GradientTape() as tape:
                loss = loss_of(self.raw, inputs, labels)
            gradients = tape.gradient(loss, self.raw)
            self.optimizer.apply_gradients(list(zip(gradients, self.variables)))
            losses.append(float(loss.numpy()))
            self.steps += 1
        return np.array(losses)

    def save(self, prefix):
        root = tf.train.Checkpoint(
            optimizer=self.optimizer,
            **{name.replace("/", "_"): v for name, v in zip(WEIGHTS, self.variables)},
        )
        return root.save(prefix)

    def named(self):
        return dict(zip(WEIGHTS, self.variables))

    def receive(self, transfer, values):
        """Assigns what was planned."""
        made = assignments(self.optimizer, self.named(), transfer, values)
        for one in made:
            one.variable.assign(one.value)


@dataclasses.dataclass
class Saved:
    """A training that was saved and went on."""

    prefix: str
    weights: list
    losses: np.ndarray


def train_in_graph(family, prefix, kind, steps=5, **hyperparameters):
    """Trains in a Session, saves by names, goes on for ten steps."""
    with tf.Graph().as_default(), context.graph_mode():
        variables = [
            tf.get_variable(name, initializer=value, use_resource=kind == "resource")
            for name, value in zip(WEIGHTS, initial_weights())
        ]
        inputs = tf.placeholder(tf.float32, [None, 3])
        labels = tf.placeholder(tf.float32, [None, 1])
        loss = loss_of(variables, inputs, labels)
        optimizer = make_optimizer(Library.V1, family, **hyperparameters)
        step = tf.train.get_or_create_global_step()
        with tf.control_dependencies([loss]):
            train = optimizer.minimize(loss, global_step=step)
        saver = tf.train.Saver()
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())

            def run(number):
                fed = dict(zip((inputs, labels), batch(number)))
                return session.run([loss, train], fed)[0]

            for number in range(steps):
                run(number)
            path = saver.save(session, prefix)
            weights = session.run(variables)
            losses = np.array([run(steps + number) for number in range(10)])
    return Saved(path, weights, losses)


def train_eagerly(library, family, prefix, steps=5, **hyperparameters):
    """Trains, saves by objects, goes on for ten steps."""
    training = Training.begin(library, family, **hyperparameters)
    training.run(steps)
    path = training.save(prefix)
    weights = [one.numpy() for one in training.raw]
    return Saved(path, weights, training.run(10))
