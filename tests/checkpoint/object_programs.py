"""Saves objects with TensorFlow and says what they were: ``DIRECTORY PROGRAM...``.

Each program returns what it saved: the variables by one of their paths, and how many
tensors of each class there are. ``legacy_*`` programs run with Keras 2, ``graph_*``
ones without eager execution.
"""

import json
import os
import sys

import numpy as np
import tensorflow as tf

IS_TF1 = tf.__version__.startswith("1.")
Checkpoint = tf.train.Checkpoint


class Module(tf.Module):
    """Holds whatever it is given."""


def _trained(model, optimizer):
    inputs = tf.constant(np.ones([2, 4], np.float32))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(inputs) ** 2)
    weights = model.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
    return weights


def _model(keras):
    return keras.Sequential([keras.layers.Dense(3), keras.layers.BatchNormalization()])


def eager_modules(directory):  # both
    root = Module()
    root.myself = root
    root.v = tf.Variable([1.0, 2.0], name="v")
    root.table = {"x/y.z": tf.Variable(2.0, name="odd"), "again": root.v}
    root.list = [tf.Variable(3, name="three"), root.v]
    prefix = Checkpoint(module=root, other=root).save(os.path.join(directory, "m"))
    variables = {
        "module/v": root.v,
        "other/table/again": root.v,
        "module/list/1": root.v,
        "module/table/x.Sy..z": root.table["x/y.z"],
        "module/list/0": root.list[0],
    }
    return prefix, variables, {"weight": 3, "step counter": 1}


def eager_chain(directory):  # both
    root = node = Module()
    for number in range(200):
        node.v = tf.Variable(float(number), name="v")
        node.next = Module()
        node = node.next
    prefix = Checkpoint(module=root).save(os.path.join(directory, "chain"))
    names = "/".join(["module", *["next"] * 199, "v"])
    return prefix, {names: 199.0}, {"weight": 200, "step counter": 1}


def eager_old_keras(directory):  # TF1
    model = _model(tf.keras)
    optimizer = tf.keras.optimizers.Adam(0.01)
    weights = _trained(model, optimizer)
    saved = Checkpoint(model=model, net=model, optimizer=optimizer)
    prefix = saved.save(os.path.join(directory, "keras"))
    variables = {
        "model/layer-0/kernel": weights[0],
        "net/layer-0/kernel": weights[0],
        "model/layer-0/kernel/.OPTIMIZER_SLOT/optimizer/v": (
            optimizer.get_slot(weights[0], "v")
        ),
        "optimizer/iter": optimizer.iterations,
    }
    classes = {
        "weight": 4,
        "batch-norm statistic": 2,
        "optimizer slot (Adam)": 8,
        "optimizer hyperparameter": 4,
        "step counter": 2,
    }
    return prefix, variables, classes


def eager_old_optimizer(directory):  # both
    variable = tf.Variable([1.0, 2.0], name="v")
    optimizer = tf.compat.v1.train.AdamOptimizer(0.1, name="Mine")
    optimizer.apply_gradients([(tf.constant([1.0, 1.0]), variable)])
    saved = Checkpoint(variable=variable, optimizer=optimizer)
    prefix = saved.save(os.path.join(directory, "adam"))
    slot = optimizer.get_slot(variable, "m")
    path = "variable/.OPTIMIZER_SLOT/optimizer/m"
    classes = {
        "weight": 1,
        "optimizer slot (Mine)": 2,
        "optimizer accumulator": 2,
        "step counter": 1,
    }
    return prefix, {"variable": variable, path: slot}, classes


def graph_old_optimizer(directory):  # both
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        with v1.variable_scope("scope"):
            variable = v1.get_variable("v", [2], use_resource=True)
            loss = tf.reduce_sum(variable**2)
        optimizer = v1.train.MomentumOptimizer(0.1, 0.9)
        step = v1.train.get_or_create_global_step()
        train = optimizer.minimize(loss, global_step=step)
        session.run(v1.global_variables_initializer())
        session.run(train)
        saved = v1.train.Checkpoint(
            variable=variable, optimizer=optimizer, global_step=step
        )
        session.run(saved.save_counter.initializer)
        prefix = saved.save(os.path.join(directory, "momentum"), session=session)
        slot = optimizer.get_slot(variable, "momentum")
        names = {
            "variable": variable,
            "variable/.OPTIMIZER_SLOT/optimizer/momentum": slot,
            "global_step": step,
        }
        told = {path: _told(one, session.run(one)) for path, one in names.items()}
    classes = {"weight": 1, "optimizer slot (Momentum)": 1, "step counter": 2}
    return prefix, told, classes


def eager_keras_3(directory):  # TF2
    import keras

    model = _model(keras)
    optimizer = keras.optimizers.Adam(0.01, use_ema=True)
    weights = _trained(model, optimizer)
    saved = Checkpoint(model=model, optimizer=optimizer)
    prefix = saved.save(os.path.join(directory, "keras3"))
    momentums = optimizer._momentums  # What the list is called in the file.
    variables = {
        "model/_functional/_operations/1/_kernel": weights[0].value,
        "optimizer/_momentums/0": momentums[0].value,
        "optimizer/_iterations": optimizer.iterations.value,
    }
    classes = {
        "weight": 4,
        "batch-norm statistic": 2,
        "optimizer slot (adam)": 8,
        "moving average": 4,
        "optimizer hyperparameter": 1,
        "step counter": 2,
    }
    return prefix, variables, classes


def eager_keras_3_weights(directory):  # TF2
    import keras

    model = _model(keras)
    optimizer = keras.optimizers.SGD(0.01, momentum=0.5)
    weights = _trained(model, optimizer)
    prefix = Checkpoint(model).write(os.path.join(directory, "weights"))
    variables = {"_functional/_operations/1/bias": weights[1].value}
    return prefix, variables, {"weight": 4, "batch-norm statistic": 2}


def legacy_weights(directory):  # TF2
    import tf_keras

    model = _model(tf_keras)
    weights = _trained(model, tf_keras.optimizers.SGD(0.1))
    prefix = os.path.join(directory, "weights")
    model.save_weights(prefix, save_format="tf")
    variables = {"layer-0/kernel": weights[0]}
    return prefix, variables, {"weight": 4, "batch-norm statistic": 2}


def legacy_new_optimizer(directory):  # TF2
    import tf_keras

    model = _model(tf_keras)
    optimizer = tf_keras.optimizers.Adam(0.01)
    weights = _trained(model, optimizer)
    saved = Checkpoint(model=model, optimizer=optimizer)
    prefix = saved.save(os.path.join(directory, "new"))
    variables = {
        "model/layer-0/kernel": weights[0],
        "optimizer/_momentums/0": optimizer._momentums[0],
    }
    classes = {
        "weight": 4,
        "batch-norm statistic": 2,
        "optimizer slot (Adam)": 8,
        "optimizer hyperparameter": 1,
        "step counter": 2,
    }
    return prefix, variables, classes


def legacy_old_optimizer(directory):  # TF2
    import tf_keras

    model = _model(tf_keras)
    optimizer = tf_keras.optimizers.legacy.RMSprop(0.01, momentum=0.1, name="mine")
    _trained(model, optimizer)
    saved = Checkpoint(model=model, optimizer=optimizer)
    prefix = saved.save(os.path.join(directory, "old"))
    classes = {
        "weight": 4,
        "batch-norm statistic": 2,
        "optimizer slot (mine)": 8,
        "optimizer hyperparameter": 4,
        "step counter": 2,
    }
    return prefix, {"optimizer/rho": optimizer._get_hyper("rho")}, classes


def eager_tables_and_iterators(directory):  # TF2
    root = Module()
    root.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    root.table.insert(tf.constant(["a"]), tf.constant([1], tf.int64))
    iterator = iter(tf.data.Dataset.range(3))
    saved = Checkpoint(module=root, iterator=iterator)
    prefix = saved.save(os.path.join(directory, "table"))
    return prefix, {}, {"weight": 3, "step counter": 1}


def eager_like_sonnet(directory):  # both
    # The attributes of sonnet's Adam (sonnet/src/optimizers/adam.py).
    root = Module()
    root.w = tf.Variable([1.0, 2.0], name="linear/w")
    root.b = tf.Variable([1.0], name="linear/b")
    optimizer = Module()
    optimizer.step = tf.Variable(0, name="t", dtype=tf.int64)
    with tf.name_scope("m"):
        optimizer.m = [tf.Variable(one * 0, name=one.name[:-2]) for one in (root.w,)]
    with tf.name_scope("v"):
        optimizer.v = [tf.Variable(one * 0, name=one.name[:-2]) for one in (root.w,)]
    saved = Checkpoint(module=root, optimizer=optimizer)
    prefix = saved.save(os.path.join(directory, "sonnet"))
    classes = {"weight": 2, "optimizer slot (optimizer)": 2, "step counter": 2}
    return prefix, {"module/w": root.w, "optimizer/m/0": optimizer.m[0]}, classes


def _told(variable, value):
    # Names end with ":0", of those that a graph made unique and of eager ones.
    return {
        "name": variable.name.partition(":")[0],
        "value": np.asarray(value).tolist(),
    }


def _truth(variables):
    return {
        path: one
        if isinstance(one, dict)
        else {"name": "v", "value": one}
        if isinstance(one, float)
        else _told(one, one.numpy())
        for path, one in variables.items()
    }


def main(directory, *names):
    """Runs programs; prints what they saved as JSON."""
    if IS_TF1 and not names[0].startswith("graph_"):
        tf.compat.v1.enable_eager_execution()
    found = {}
    for name in names:
        place = os.path.join(directory, name)
        os.makedirs(place)
        prefix, variables, classes = globals()[name](place)
        found[name] = {
            "prefix": prefix,
            "variables": _truth(variables),
            "classes": classes,
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
