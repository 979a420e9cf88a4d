"""Writes the golden saved graphs with a genuine old TensorFlow.

Each folder below ``saved_graphs`` holds one model whose code is lost: a graph, its
checkpoint, and what the TensorFlow that wrote it computes with them::

    python write_saved_graphs.py [case ...]

writes the named cases, or all that the running TensorFlow is known for, each into
``saved_graphs/tf<major>_<minor>_<case>``. The README beside this file says what each
case is there for and what stands in ``golden.json`` and ``golden.npz``.
"""

from __future__ import absolute_import, division, print_function

import collections
import contextlib
import os
import shutil
import sys

import numpy as np
import tensorflow as tf
from write_golden import HERE, fill_variables, new_session, write_cases, write_json

FOLDER = os.path.join(HERE, "saved_graphs")
ROWS = np.float32([[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]])
WORDS = np.array([b"red", b"green", b"blue", b"unknown"])

# What a model computes: the caller's keys with the graph's tensors, and the values that
# are fed by key.
Interface = collections.namedtuple("Interface", ["inputs", "outputs", "values"])


def write_described(folder, interface, results, **more):
    """Writes ``golden.json`` and ``golden.npz`` into a folder.

    Args:
      folder: Where the graph lies.
      interface: What was computed.
      results: Values of the outputs, by key, or of other results whose key begins with
        their kind and a colon.
      **more: Further entries of ``golden.json``.
    """
    arrays = {"in:" + key: value for key, value in interface.values.items()}
    for key, value in results.items():
        value = np.asarray(value)
        if value.dtype == object:
            value = value.astype("S")
        arrays[key if ":" in key else "out:" + key] = value
    np.savez_compressed(os.path.join(folder, "golden.npz"), **arrays)
    described = {
        "tensorflow": tf.__version__,
        "inputs": {key: one.name for key, one in interface.inputs.items()},
        "outputs": {key: one.name for key, one in interface.outputs.items()},
    }
    described.update(more)
    write_json(os.path.join(folder, "golden.json"), described)


def compute(session, interface):
    """Runs a model on the values that belong to it; returns the outputs by key."""
    feeds = {interface.inputs[key]: value for key, value in interface.values.items()}
    return session.run(dict(interface.outputs), feeds)


def save_graph(session, folder, saver=None, strip=False):
    """Saves variables and graph as ``model.ckpt`` and ``model.ckpt.meta``."""
    saver = saver or tf.train.Saver()
    prefix = os.path.join(folder, "model.ckpt")
    saver.save(session, prefix, write_state=False, strip_default_attrs=strip)


def write_meta_graph(folder, interface, seed, saver=None, strip=False, **more):
    """Fills the variables, computes and saves; for models that train nothing."""
    with new_session() as session:
        session.run(
            [tf.global_variables_initializer(), tf.local_variables_initializer()]
        )
        session.run(tf.tables_initializer())
        fill_variables(session, tf.trainable_variables(), seed)
        save_graph(session, folder, saver, strip)
        write_described(folder, interface, compute(session, interface), **more)


def weights(shape=(2, 3), name="weights"):
    """A trainable variable."""
    return tf.get_variable(name, list(shape))


def rows():
    """A placeholder for ``ROWS``."""
    return tf.placeholder(tf.float32, [None, 2], name="x")


# Control flow and training.


def write_rnn(folder):
    """An LSTM over sequences of several lengths, with its gradients and a train_op."""
    x = tf.placeholder(tf.float32, [None, 4, 2], name="x")
    lengths = tf.placeholder(tf.int32, [None], name="lengths")
    targets = tf.placeholder(tf.float32, [None, 1], name="targets")
    cell = tf.nn.rnn_cell.BasicLSTMCell(3, name="cell")
    _, state = tf.nn.dynamic_rnn(cell, x, lengths, dtype=tf.float32)
    logits = tf.identity(tf.layers.dense(state.h, 1, name="logits"), name="result")
    loss = tf.reduce_mean(tf.square(logits - targets), name="loss")
    step = tf.train.get_or_create_global_step()
    tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss, step, name="train")
    random = np.random.RandomState(21)
    values = {
        "x": random.standard_normal([3, 4, 2]).astype(np.float32),
        "lengths": np.int32([4, 1, 3]),
    }
    interface = Interface({"x": x, "lengths": lengths}, {"logits": logits}, values)
    fed = {x: values["x"], lengths: values["lengths"], targets: np.ones([3, 1])}
    with new_session() as session:
        session.run(tf.global_variables_initializer())
        fill_variables(session, tf.trainable_variables(), seed=21)
        session.run("train", fed)
        save_graph(session, folder, strip=True)
        results = compute(session, interface)
        results["train:loss"] = session.run(loss, fed)
        session.run("train", fed)
        results["trained:logits"] = compute(session, interface)["logits"]
        results["trained:loss"] = session.run(loss, fed)
    results["train:targets"] = np.ones([3, 1], np.float32)
    write_described(
        folder,
        interface,
        results,
        train={
            "operation": "train",
            "loss": loss.name,
            "feeds": {"targets": "targets:0"},
        },
    )


def write_while(folder):
    """A loop of as many steps as are fed, which reads variables inside."""
    x = rows()
    steps = tf.placeholder_with_default(tf.constant(3), [], name="steps")
    square = weights([2, 2])
    bias = tf.get_variable("bias", [2])

    def step(number, value):
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            inside = tf.get_variable("bias", [2])
        return number + 1, tf.tanh(tf.matmul(value, square) + inside)

    _, value = tf.while_loop(lambda number, _: number < steps, step, [0, x])
    gradient = tf.gradients(tf.reduce_sum(value), [square])[0]
    outputs = {
        "value": tf.identity(value + bias, name="value"),
        "gradient": tf.identity(gradient, name="gradient"),
    }
    fed = {"x": ROWS, "steps": np.int32(5)}
    interface = Interface({"x": x, "steps": steps}, outputs, fed)
    write_meta_graph(folder, interface, seed=22)


def write_cond(folder):
    """A branch with a variable on either side, one of them inside of another branch."""
    x = rows()
    positive = tf.placeholder(tf.bool, [], name="positive")
    left = weights(name="left")
    right = weights(name="right")
    large = tf.reduce_sum(x) > 1.0

    def product():
        return tf.matmul(x, left)

    def nested():
        return tf.cond(large, lambda: tf.matmul(x, right), lambda: product() - 1.0)

    y = tf.identity(tf.cond(positive, product, nested), name="y")
    fed = {"x": ROWS, "positive": np.array(False)}
    interface = Interface({"x": x, "positive": positive}, {"y": y}, fed)
    write_meta_graph(folder, interface, seed=23)


def write_control_flow_v2(folder):
    """A loop and a branch whose bodies are functions of the library."""
    with control_flow_v2():
        x = rows()
        square = weights([2, 2])

        def step(number, value):
            odd = tf.equal(number % 2, 1)
            value = tf.cond(odd, lambda: value + 1.0, lambda: tf.matmul(value, square))
            return number + 1, value

        _, value = tf.while_loop(lambda number, _: number < 4, step, [0, x])
        y = tf.identity(value, name="y")
        write_meta_graph(folder, Interface({"x": x}, {"y": y}, {"x": ROWS}), seed=24)


@contextlib.contextmanager
def control_flow_v2():
    """Makes loops and branches as TensorFlow 2 does."""
    tf.enable_control_flow_v2()
    try:
        yield
    finally:
        tf.disable_control_flow_v2()


# Functions.


def write_functions(folder):
    """Functions that call each other, one with a gradient that is a function too."""
    from tensorflow.python.framework import function

    @function.Defun(tf.float32, tf.float32, func_name="slope")
    def slope(x, gradient):
        return gradient * 3.0 * x

    @function.Defun(tf.float32, func_name="cube", grad_func=slope)
    def cube(x):
        return x * x * x

    @function.Defun(tf.float32, func_name="twice")
    def twice(x):
        return 2.0 * cube(x)

    x = rows()
    hidden = tf.matmul(x, weights())
    y = tf.identity(twice(hidden), name="y")
    gradient = tf.gradients(tf.reduce_sum(cube(hidden)), [x])[0]
    outputs = {"y": y, "gradient": tf.identity(gradient, name="gradient")}
    write_meta_graph(folder, Interface({"x": x}, outputs, {"x": ROWS}), seed=25)


def write_py_func(folder):
    """Python functions of which only tokens are left: they double, and turn round."""
    x = rows()
    product = tf.matmul(x, weights())
    doubled = tf.py_func(lambda value: value * np.float32(2), [product], tf.float32)
    turned = tf.py_func(
        lambda value: value[::-1], [doubled], tf.float32, stateful=False
    )
    turned.set_shape([None, 3])
    y = tf.identity(turned, name="y")
    tokens = {
        operation.type: operation.get_attr("token").decode("ascii")
        for operation in tf.get_default_graph().get_operations()
        if operation.type.startswith("PyFunc")
    }
    interface = Interface({"x": x}, {"y": y}, {"x": ROWS})
    functions = {tokens["PyFunc"]: "double", tokens["PyFuncStateless"]: "turn"}
    write_meta_graph(folder, interface, seed=26, py_functions=functions)


# Iterators and queues.


def write_one_shot(folder):
    """An iterator that needs nothing, over numbers that a function makes."""
    dataset = tf.data.Dataset.range(6).map(lambda one: tf.cast(one, tf.float32) + 0.5)
    iterator = tf.data.make_one_shot_iterator(dataset.batch(2))
    batch = tf.identity(iterator.get_next(), name="batch")
    y = tf.multiply(batch, weights([2]), name="y")
    write_meta_graph(folder, Interface({}, {"batch": batch, "y": y}, {}), seed=27)


def write_iterators(folder):
    """An iterator that is initialised without a feed, and one that needs a feed."""
    dataset = tf.data.Dataset.from_tensor_slices(ROWS).repeat().batch(2)
    iterator = tf.data.make_initializable_iterator(dataset, shared_name="numbers")
    fed = tf.placeholder(tf.float32, [None, 2], name="examples")
    needy = tf.data.make_initializable_iterator(
        tf.data.Dataset.from_tensor_slices(fed).batch(3)
    )
    # As an Estimator does.
    tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    kernel = weights()
    y = tf.matmul(iterator.get_next(), kernel, name="y")
    tf.matmul(needy.get_next(), kernel, name="y_of_fed")
    more = {
        "needs_feed": {
            "output": "y_of_fed:0",
            "placeholder": fed.name,
            "initializer": needy.initializer.name,
        }
    }
    write_meta_graph(folder, Interface({}, {"y": y}, {}), seed=28, **more)


def write_queue(folder):
    """What is fed goes through a queue with a name that processes may share."""
    x = rows()
    queue = tf.FIFOQueue(8, tf.float32, [[2]], shared_name="work", name="queue")
    enqueue = queue.enqueue_many(x, name="enqueue")
    with tf.control_dependencies([enqueue]):
        taken = queue.dequeue_many(tf.shape(x)[0])
    y = tf.matmul(taken, weights(), name="y")
    size = queue.size(name="size")
    interface = Interface({"x": x}, {"y": y}, {"x": ROWS})
    write_meta_graph(
        folder, interface, seed=29, enqueue=enqueue.name, queue_size=size.name
    )


# Tables.


def write_mutable_table(folder):
    """A table that was filled in training and saved with the variables."""
    words = tf.placeholder(tf.string, [None], name="words")
    table = tf.contrib.lookup.MutableHashTable(tf.string, tf.int64, -1, name="table")
    numbers = tf.identity(table.lookup(words), name="numbers")
    scores = tf.gather(weights([4, 2]), numbers + 1, name="scores")
    values = {"words": WORDS}
    outputs = {"numbers": numbers, "scores": scores}
    interface = Interface({"words": words}, outputs, values)
    with new_session() as session:
        session.run(tf.global_variables_initializer())
        fill_variables(session, tf.trainable_variables(), seed=30)
        session.run(table.insert(WORDS[:3], np.int64([2, 0, 1])))
        save_graph(session, folder)
        write_described(folder, interface, compute(session, interface))


def write_tables(folder):
    """Tables with names of their own: of constants, and of a file beside the graph."""
    words = tf.placeholder(tf.string, [None], name="words")
    write_lines(os.path.join(folder, "vocab.txt"), WORDS[:3][::-1])
    colours = tf.contrib.lookup.index_table_from_tensor(
        tf.constant(WORDS[:3]), num_oov_buckets=1, name="colours"
    )
    with working_directory(folder):
        listed = tf.contrib.lookup.index_table_from_file("vocab.txt", name="listed")
        numbers = tf.identity(colours.lookup(words), name="numbers")
        places = tf.identity(listed.lookup(words), name="places")
        scores = tf.gather(weights([4, 2]), numbers, name="scores")
        outputs = {"numbers": numbers, "places": places, "scores": scores}
        interface = Interface({"words": words}, outputs, {"words": WORDS})
        write_meta_graph(folder, interface, seed=31)


def write_lines(path, lines):
    """Writes byte strings, each in a line of its own."""
    with open(path, "wb") as stream:
        stream.write(b"".join(line + b"\n" for line in lines))


@contextlib.contextmanager
def working_directory(path):
    """Makes relative paths mean files there, so that none is absolute in a graph."""
    before = os.getcwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)


def write_vocabulary(folder, lines=WORDS[:3], seed=32):
    """A SavedModel with a vocabulary, whose table is filled by its init operation."""
    source = os.path.join(folder, "source")
    os.mkdir(source)
    write_lines(os.path.join(source, "vocab.txt"), lines)
    with working_directory(source):
        words = tf.placeholder(tf.string, [None], name="words")
        table = tf.contrib.lookup.index_table_from_file(
            "vocab.txt", default_value=3, name="table"
        )
        numbers = tf.identity(table.lookup(words), name="numbers")
        scores = tf.gather(weights([4, 2]), numbers, name="scores")
        outputs = {"numbers": numbers, "scores": scores}
        interface = Interface({"words": words}, outputs, {"words": WORDS})
        save_model(folder, interface, seed, tf.tables_initializer(name="fill"))
    shutil.rmtree(source)


def write_other_vocabulary(folder):
    """The same model with another vocabulary of the same name, and other weights."""
    write_vocabulary(folder, WORDS[:3][::-1], seed=33)


def write_main_op(folder):
    """A SavedModel whose main operation assigns fresh values to all weights."""
    x = rows()
    table = tf.contrib.lookup.HashTable(
        tf.contrib.lookup.KeyValueTensorInitializer(np.int64([0, 1, 2]), ROWS[:, 0]),
        default_value=0.0,
        name="table",
    )
    y = tf.matmul(x, weights()) + table.lookup(tf.constant([2, 1, 0], tf.int64))
    interface = Interface({"x": x}, {"y": tf.identity(y, name="y")}, {"x": ROWS})
    main_op = tf.group(
        tf.global_variables_initializer(), tf.tables_initializer(), name="main"
    )
    save_model(folder, interface, 34, main_op)


def save_model(folder, interface, seed, main_op):
    """Writes a SavedModel of two signatures, of which one has all outputs."""
    signature_def = tf.saved_model.build_signature_def
    build = tf.saved_model.build_tensor_info
    inputs = {key: build(one) for key, one in interface.inputs.items()}
    outputs = {key: build(one) for key, one in interface.outputs.items()}
    first = dict(sorted(outputs.items())[:1])
    builder = tf.saved_model.Builder(os.path.join(folder, "saved_model"))
    with new_session() as session:
        session.run([tf.global_variables_initializer(), tf.tables_initializer()])
        fill_variables(session, tf.trainable_variables(), seed)
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {
                "serving_default": signature_def(inputs, outputs, "predict"),
                "first": signature_def(inputs, first, "predict"),
            },
            assets_collection=tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS),
            main_op=main_op,
        )
        builder.save()
        write_described(folder, interface, compute(session, interface))


def write_objects(folder):
    """A SavedModel of TensorFlow 2, with a vocabulary that a function reads."""
    from tensorflow.python.eager import context

    source = os.path.join(folder, "source")
    os.mkdir(source)
    write_lines(os.path.join(source, "vocab.txt"), WORDS[:3])
    with context.eager_mode(), working_directory(source):
        root = Root("vocab.txt")
        results = root.serve(tf.constant(WORDS))
        results = {key: value.numpy() for key, value in results.items()}
        tf.saved_model.save(
            root,
            os.path.join(folder, "saved_model"),
            root.serve.get_concrete_function(tf.TensorSpec([None], tf.string, "words")),
        )
    shutil.rmtree(source)
    interface = Interface({}, {}, {"words": WORDS})
    write_described(folder, interface, results)


class Root(tf.Module):
    """What ``write_objects`` saves."""

    def __init__(self, vocabulary):
        """Makes a variable and a table of the lines of a file."""
        super(Root, self).__init__()
        lookup = tf.compat.v2.lookup if hasattr(tf, "contrib") else tf.lookup
        random = np.random.RandomState(35)
        values = random.standard_normal([4, 2]).astype(np.float32)
        self.weights = tf.compat.v2.Variable(values, name="weights")
        initializer = lookup.TextFileInitializer(
            vocabulary,
            tf.string,
            lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            lookup.TextFileIndex.LINE_NUMBER,
        )
        self.table = lookup.StaticHashTable(initializer, 3)

    @tf.function
    def serve(self, words):
        """Returns a row of the variable for each word."""
        numbers = self.table.lookup(words)
        return {"numbers": numbers, "scores": tf.gather(self.weights, numbers)}


# Variables.


def write_partitioned(folder):
    """Variables in parts, under other names in the checkpoint."""
    x = rows()
    halves = tf.get_variable("halves", [2, 4], partitioner=tf.fixed_size_partitioner(2))
    thirds = tf.get_variable(
        "thirds", [4, 7], partitioner=tf.fixed_size_partitioner(3, axis=1)
    )
    bias = tf.get_variable("bias", [7])
    hidden = tf.matmul(x, halves.as_tensor())
    y = tf.add(tf.matmul(hidden, thirds.as_tensor()), bias, name="y")
    saver = tf.train.Saver(
        {"old/rows": list(halves), "old/columns": list(thirds), "old/shift": bias}
    )
    interface = Interface({"x": x}, {"y": y}, {"x": ROWS})
    write_meta_graph(folder, interface, seed=36, saver=saver)


def write_unsaved(folder):
    """Variables that the Saver leaves out: theirs are the values of initialisers."""
    x = rows()
    kernel = weights()
    scale = tf.get_variable(
        "scale", [], initializer=tf.constant_initializer(4.0), trainable=False
    )
    shift = tf.get_variable(
        "shift", initializer=tf.constant([0.5, 0.25, 0.125]) * 2.0, trainable=False
    )
    calls = tf.get_variable(
        "calls",
        initializer=tf.constant(0),
        trainable=False,
        collections=[tf.GraphKeys.LOCAL_VARIABLES],
    )
    counted = tf.assign_add(calls, 1)
    y = tf.add(tf.matmul(x, kernel) * scale, shift, name="y")
    outputs = {"y": y, "calls": tf.identity(counted, name="counted")}
    interface = Interface({"x": x}, outputs, {"x": ROWS})
    write_meta_graph(folder, interface, seed=37, saver=tf.train.Saver([kernel]))


def of_resources(write):
    """The same case with resource variables."""

    def write_with_resources(folder):
        with tf.variable_scope("", use_resource=True):
            write(folder)

    return write_with_resources


def both(name, write):
    """A case with variables of both kinds."""
    return [(name, write), (name + "_resource", of_resources(write))]


# Which release each case is for.
CASES = {
    "1.15": [
        *both("rnn", write_rnn),
        *both("while", write_while),
        *both("cond", write_cond),
        ("control_flow_v2", of_resources(write_control_flow_v2)),
        *both("functions", write_functions),
        *both("py_func", write_py_func),
        *both("one_shot", write_one_shot),
        *both("iterators", write_iterators),
        *both("queue", write_queue),
        *both("mutable_table", write_mutable_table),
        *both("tables", write_tables),
        *both("vocabulary", write_vocabulary),
        *both("other_vocabulary", write_other_vocabulary),
        *both("main_op", write_main_op),
        ("objects", write_objects),
        *both("partitioned", write_partitioned),
        *both("unsaved", write_unsaved),
    ],
}


if __name__ == "__main__":
    sys.exit(write_cases(sys.argv[1:], CASES, FOLDER))
