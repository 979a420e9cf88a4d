"""The names that TensorFlow itself gives to training state are those that are known."""

import pytest

from legacy_restore.mapping.classify import TensorClass, classify
from legacy_restore.tf import tf
from tests.graph.helpers import IS_TF1
from tests.planning.specs import entry

WEIGHT = TensorClass.WEIGHT
needs_contrib = pytest.mark.skipif(not IS_TF1, reason="contrib is gone since 2.0")

OPTIMIZERS = {
    "Adadelta": lambda: tf.train.AdadeltaOptimizer(0.1),
    "Adagrad": lambda: tf.train.AdagradOptimizer(0.1),
    "AdagradDA": lambda: tf.train.AdagradDAOptimizer(0.1, _step()),
    "Adam": lambda: tf.train.AdamOptimizer(),
    "Ftrl": lambda: tf.train.FtrlOptimizer(0.1),
    "Momentum": lambda: tf.train.MomentumOptimizer(0.1, 0.9),
    "ProximalAdagrad": lambda: tf.train.ProximalAdagradOptimizer(0.1),
    "RMSProp": lambda: tf.train.RMSPropOptimizer(0.1, momentum=0.9, centered=True),
}
# Names of contrib's classes and of the slots that they make.
CONTRIB = [
    ("AdaMaxOptimizer", {}, "AdaMax"),
    ("AdamWOptimizer", {"weight_decay": 0.1}, "AdamW"),
    ("AddSignOptimizer", {}, "AddSignOptimizer"),
    ("LARSOptimizer", {"learning_rate": 0.1}, "LARSOptimizer"),
    ("LazyAdamOptimizer", {}, "Adam"),
    (
        "MomentumWOptimizer",
        {"weight_decay": 0.1, "learning_rate": 0.1, "momentum": 0.9},
        "MomentumW",
    ),
    ("NadamOptimizer", {}, "Adam"),
    ("PowerSignOptimizer", {}, "PowerSignOptimizer"),
    ("RegAdagradOptimizer", {"learning_rate": 0.1}, "RegAdagrad"),
    ("ShampooOptimizer", {}, "Shampoo"),
]


def _step():
    return tf.train.get_or_create_global_step()


def _classified():
    """What the variables of the current graph are taken for, by name."""
    return classify(
        entry(one.op.name, one.shape.as_list(), one.dtype.base_dtype.name)
        for one in tf.global_variables()
    )


def _minimized_by(optimizer, kind, scope=""):
    """The same after one optimizer has made its variables for two others."""
    with tf.Graph().as_default():
        with tf.variable_scope("m", use_resource=kind == "resource"):
            kernel = tf.get_variable("d/k", [3, 2])
            bias = tf.get_variable("d/b", [2])
            loss = tf.reduce_sum(tf.matmul(tf.ones([1, 3]), kernel) + bias)
        with tf.variable_scope(scope) if scope else tf.name_scope("x"):
            optimizer().minimize(loss, global_step=_step())
        return _classified()


def _assert_all_known(found, name):
    weights = [key for key, one in found.items() if one.tensor_class is WEIGHT]
    assert weights == ["m/d/k", "m/d/b"]
    slots = [one for one in found.values() if one.tensor_class is TensorClass.SLOT]
    assert len(slots) >= 2
    assert {one.optimizer for one in slots} == {name}


@pytest.mark.parametrize("scope", ["", "train"])
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_all_that_optimizers_make_is_known_as_training_state(name, scope, kind):
    _assert_all_known(_minimized_by(OPTIMIZERS[name], kind, scope), name)


@needs_contrib
@pytest.mark.parametrize("name, arguments, slot", CONTRIB, ids=lambda one: str(one))
def test_all_that_optimizers_of_contrib_make_is_known(name, arguments, slot, kind):
    from tensorflow.contrib import opt

    _assert_all_known(
        _minimized_by(lambda: getattr(opt, name)(**arguments), kind), slot
    )


def test_averages_of_variables_are_known(kind):
    with tf.Graph().as_default():
        with tf.variable_scope("m", use_resource=kind == "resource"):
            kernel = tf.get_variable("k", [3, 2])
            tf.train.ExponentialMovingAverage(0.9, _step()).apply([kernel])
        found = _classified()
    assert {key: one.tensor_class for key, one in found.items()} == {
        "m/k": WEIGHT,
        "m/global_step": TensorClass.STEP,
        "m/m/k/ExponentialMovingAverage": TensorClass.EMA,
    }


def test_averages_of_moments_are_statistics(kind):
    with tf.Graph().as_default():
        with tf.variable_scope("m", use_resource=kind == "resource"):
            moments = tf.nn.moments(tf.ones([2, 4, 4, 3]), [0, 1, 2])
            average = tf.train.ExponentialMovingAverage(0.9, zero_debias=True)
            average.apply(list(moments))
        found = _classified()
    assert len(found) == 6
    assert {one.tensor_class for one in found.values()} == {TensorClass.BATCH_NORM}


@needs_contrib
def test_statistics_of_the_layers_of_tensorflow_1_are_known(kind):
    from tensorflow.contrib import layers

    with tf.Graph().as_default():
        with tf.variable_scope("m", use_resource=kind == "resource"):
            x = tf.ones([2, 4, 4, 3])
            tf.layers.batch_normalization(x, training=True)
            tf.layers.batch_normalization(x, training=True, renorm=True)
            layers.batch_norm(x, zero_debias_moving_mean=True)
        trained = {one.op.name for one in tf.trainable_variables()}
        found = _classified()
    for name, one in found.items():
        expected = WEIGHT if name in trained else TensorClass.BATCH_NORM
        assert one.tensor_class is expected, name
    assert "m/BatchNorm/m/BatchNorm/moving_mean/biased" in found


@needs_contrib
@pytest.mark.parametrize(
    "name", ["Adadelta", "Adagrad", "Adam", "Adamax", "Ftrl", "Nadam", "RMSprop", "SGD"]
)
def test_slots_of_keras_optimizers_in_a_graph_are_known(name):
    arguments = {
        "Adam": {"amsgrad": True},
        "RMSprop": {"centered": True, "momentum": 0.9},
        "SGD": {"momentum": 0.9},
    }.get(name, {})
    with tf.Graph().as_default():
        kernel = tf.get_variable("d/k", [3, 2], use_resource=True)
        bias = tf.get_variable("d/b", [2], use_resource=True)
        loss = tf.reduce_sum(tf.matmul(tf.ones([1, 3]), kernel) + bias)
        gradients = tf.gradients(loss, [kernel, bias])
        optimizer = getattr(tf.keras.optimizers, name)(0.1, **arguments)
        optimizer.apply_gradients(zip(gradients, [kernel, bias]))
        found = _classified()
    slots = [one for one in found.values() if one.tensor_class is TensorClass.SLOT]
    assert {one.optimizer for one in slots} == {name}
    # What is left are the variables and, as scalars of any name, hyperparameters.
    others = [one for one in found if one not in ("d/k", "d/b")]
    others = [one for one in others if found[one].tensor_class is WEIGHT]
    assert all(one.startswith(f"{name}/") and one.count("/") == 1 for one in others)
