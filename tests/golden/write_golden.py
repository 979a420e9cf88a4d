"""Writes the golden checkpoints of this folder with a genuine old TensorFlow.

A V2 checkpoint is a table of entries (``<prefix>.index``) and raw tensor bytes in one
or several shards (``<prefix>.data-00000-of-00001``); a V1 checkpoint is a table with
the tensors in it, or one for each shard. The tests read these files without TensorFlow,
so the expected values lie beside them, taken from numpy or from the live
session and never from reading the checkpoint back::

    python write_golden.py [case ...]

writes the named cases, or all that the running TensorFlow is known for, each into
``tf<major>_<minor>_<case>``. The README beside this file says which release writes
which folder and what stands in ``expected.npz`` and ``expected.json``.

This one script runs under Python 2.7, 3.6 and 3.7, hence no annotations, no f-strings.
"""

from __future__ import absolute_import, division, print_function

import collections
import json
import os
import shutil
import sys

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import gen_io_ops

HERE = os.path.dirname(os.path.abspath(__file__))

# A data block of the index ends past 256 KiB. An entry of `many` with its share of the
# slice list takes some 40 bytes, so this many slices carry the table into a second one.
MANY_SLICES = 5900

LONG_STRING = bytes(bytearray(range(1, 251)))
STRINGS = (
    b"",
    b"plain",
    LONG_STRING,
    b"\xff\xfe\x80 not UTF-8",
    b"Gr\xc3\xbc\xc3\x9fe",
    b"nul\x00inside",
    b"nul at the end\x00",
)

ODD_NAMES = (
    "odd/with space",
    "odd/a=b[0],{c}",
    "odd/../up",
    "/odd/root/",
    "odd\\back",
    "odd\nline",
    "odd/quoted\"'",
    "odd/" + "long" * 60,
)

# One tensor of a checkpoint as the save op takes it: `spec` is "" for a whole tensor,
# else the full shape and the part, such as "7 4 0,3:-".
Piece = collections.namedtuple("Piece", ["key", "spec", "tensor"])


# Expected values.


def write_expected(folder, values, names=None, suffix="", without_value=None):
    """Writes ``expected<suffix>.npz`` and ``expected<suffix>.json`` into ``folder``.

    Args:
      folder: Where the checkpoint lies.
      values: Checkpoint key to numpy array; an object array holds byte strings.
      names: Checkpoint key to TensorFlow dtype name, where the array's own dtype does
        not tell it (bfloat16, the quantized types).
      suffix: What tells this checkpoint from others in the folder, such as "-100".
      without_value: Checkpoint key to its entry in the JSON file, of tensors that have
        no numpy value.
    """
    arrays = collections.OrderedDict()
    described = {"tensorflow": tf.__version__}
    described.update(without_value or {})
    for key in sorted(values):
        array = np.asarray(values[key])
        entry = {"shape": list(array.shape)}
        if array.dtype == object:
            entry["dtype"] = "string"
            # A fixed-width array loses trailing NUL bytes; the lengths restore them.
            entry["lengths"] = [len(item) for item in array.ravel()]
            width = max(entry["lengths"] + [1])
            array = array.astype("S%d" % width)
        else:
            entry["dtype"] = (names or {}).get(key) or tf.as_dtype(array.dtype).name
        arrays[key.replace("/", "|")] = array
        described[key] = entry
    np.savez_compressed(os.path.join(folder, "expected%s.npz" % suffix), **arrays)
    write_json(os.path.join(folder, "expected%s.json" % suffix), described)


def write_json(path, described):
    """Writes one key a line, so that a difference can be read."""
    lines = [
        "%s: %s" % (json.dumps(key), json.dumps(described[key], sort_keys=True))
        for key in sorted(described)
    ]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    with open(path, "wb") as stream:
        stream.write(text.encode("ascii"))


# Sessions and saving.


def new_session(cpus=1):
    """A session with one thread, so that sums are always added in one order."""
    return tf.Session(
        config=tf.ConfigProto(
            intra_op_parallelism_threads=1,
            inter_op_parallelism_threads=1,
            device_count={"GPU": 0, "CPU": cpus},
        )
    )


def object_array(items):
    """A 1-D object array of byte strings (np.array would make it fixed-width)."""
    array = np.empty([len(items)], dtype=object)
    array[:] = items
    return array


def save_op(prefix, pieces):
    """The op that writes ``pieces`` as one bundle, with no variable behind them."""
    return tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=[piece.key for piece in pieces],
        shape_and_slices=[piece.spec for piece in pieces],
        tensors=[piece.tensor for piece in pieces],
    )


def save_v1_op(path, pieces):
    """The op that writes ``pieces`` as one V1 file."""
    # Before 1.15 it had no public name.
    save = getattr(gen_io_ops, "save_slices", None) or gen_io_ops._save_slices
    return save(
        filename=path,
        tensor_names=[piece.key for piece in pieces],
        shapes_and_slices=[piece.spec for piece in pieces],
        data=[piece.tensor for piece in pieces],
    )


def whole_pieces(values):
    """Numpy values as whole tensors, in the order of their keys."""
    return [Piece(key, "", tf.constant(values[key])) for key in sorted(values)]


def fill_variables(session, variables, seed):
    """Gives each variable its own normal values, whatever its initializer says."""
    random = np.random.RandomState(seed)
    for variable in variables:
        value = random.standard_normal(variable.get_shape().as_list())
        session.run(tf.assign(variable, value.astype(np.float32)))


# The cases. Each is called in an empty folder of its own, with a new default graph.


def write_dtypes(folder):
    """One tensor of every dtype that the format stores and a variable can hold."""
    random = np.random.RandomState(0)
    values, names = {}, {}
    for name in ("float16", "float32", "float64"):
        special = [0.0, -0.0, np.inf, -np.inf, np.nan, np.finfo(name).tiny]
        values[name] = np.concatenate([special, random.standard_normal(6)]).astype(name)
    for name in ("complex64", "complex128"):
        parts = random.standard_normal([2, 2, 3])
        values[name] = (parts[0] + 1j * parts[1]).astype(name)
    for name in (
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
    ):
        limits = np.iinfo(name)
        values[name] = np.array([limits.min, limits.max, 0, 1, 77, 100], name)
    values["bool"] = np.array([[True, False, True], [False, False, True]])
    values["string"] = object_array(STRINGS)
    pieces = whole_pieces(values)

    # No constant of these: the bits go in under the integer of their width.
    patterns = {
        "bfloat16": [0x0000, 0x8000, 0x7F80, 0xFF80, 0x7FC0, 0x0001, 0x3F80, 0x4049]
    }
    stored_as = {
        "bfloat16": "uint16",
        "qint8": "int8",
        "quint8": "uint8",
        "qint16": "int16",
        "quint16": "uint16",
        "qint32": "int32",
    }
    for name in sorted(stored_as):
        limits = np.iinfo(stored_as[name])
        numbers = patterns.get(name, [limits.min, limits.max, 0, 5])
        values[name] = np.array(numbers, stored_as[name])
        names[name] = name
        bits = tf.constant(values[name])
        pieces.append(Piece(name, "", tf.bitcast(bits, tf.as_dtype(name))))

    with new_session() as session:
        session.run(save_op(os.path.join(folder, "model.ckpt"), pieces))
    write_expected(folder, values, names)


def write_shapes(folder):
    """Scalars, empty tensors, one element, five axes."""
    random = np.random.RandomState(1)
    values = {
        "scalar/float": np.float32(2.5),
        "scalar/int": np.int64(-(2**40)),
        "scalar/string": np.array(b"one scalar", dtype=object),
        "empty/vector": np.zeros([0], np.float32),
        "empty/middle": np.zeros([3, 0, 2], np.int32),
        "empty/string": np.zeros([0], dtype=object),
        "one/float": np.array([7.5], np.float64),
        "one/string": object_array([b"one element"]),
        "five_axes": random.standard_normal([2, 1, 3, 2, 4]).astype(np.float32),
    }
    dtypes = {
        key: tf.string for key in values if np.asarray(values[key]).dtype == object
    }
    pieces = [
        Piece(key, "", tf.constant(values[key], dtypes.get(key)))
        for key in sorted(values)
    ]
    with new_session() as session:
        session.run(save_op(os.path.join(folder, "model.ckpt"), pieces))
    write_expected(folder, values)


def write_many(folder):
    """600 keys with long common prefixes, one tensor in thousands of slices.

    The slices are there for their entries: only they make the index long enough for a
    second data block while the folder stays small.
    """
    random = np.random.RandomState(2)
    values = {}
    for block in range(1, 5):
        for unit in range(1, 11):
            for conv in range(1, 4):
                scope = "net/block%d/unit_%d/conv%d/" % (block, unit, conv)
                values[scope + "weights"] = random.standard_normal([1, 2])
                for name in ("beta", "gamma", "moving_mean", "moving_variance"):
                    values[scope + "BatchNorm/" + name] = random.standard_normal([1])
    values = {key: value.astype(np.float32) for key, value in values.items()}
    pieces = whole_pieces(values)

    key = "net/block3/embedding"
    values[key] = random.randint(-128, 128, [MANY_SLICES, 1]).astype(np.int8)
    for row, part in enumerate(tf.split(tf.constant(values[key]), MANY_SLICES)):
        spec = "%d 1 %d,1:-" % (MANY_SLICES, row)
        pieces.append(Piece(key, spec, part))

    with new_session() as session:
        session.run(save_op(os.path.join(folder, "model.ckpt"), pieces))
    write_expected(folder, values)


def write_variant(folder):
    """A tensor list, which only TensorFlow can decode, beside a plain tensor."""
    values = {"plain": np.arange(6, dtype=np.float32).reshape([2, 3])}
    handle = tf.raw_ops.TensorListFromTensor(
        tensor=tf.constant([[1.0, 2.0], [3.0, 4.0]]), element_shape=[2]
    )
    pieces = whole_pieces(values) + [Piece("tensor_list", "", handle)]
    with new_session() as session:
        session.run(save_op(os.path.join(folder, "model.ckpt"), pieces))
    tensor_list = {"dtype": "variant", "shape": []}
    write_expected(folder, values, without_value={"tensor_list": tensor_list})


def write_partitioned(folder):
    """Variables split along either axis, with Adagrad slots that are split likewise."""
    rows = tf.get_variable("rows", [7, 4], partitioner=tf.fixed_size_partitioner(3))
    columns = tf.get_variable(
        "columns",
        [3, 10],
        # Three float32 rows of four columns fill a part: parts of 4, 3 and 3 columns.
        partitioner=tf.variable_axis_size_partitioner(3 * 4 * 4, axis=1),
    )
    whole = tf.get_variable("whole", [4, 3])
    product = tf.matmul(tf.matmul(rows.as_tensor(), whole), columns.as_tensor())
    optimizer = tf.train.AdagradOptimizer(0.1)
    train_op = optimizer.minimize(tf.reduce_sum(tf.square(product)))

    with new_session() as session:
        session.run(tf.global_variables_initializer())
        fill_variables(session, tf.trainable_variables(), seed=3)
        session.run(train_op)
        values = {}
        for key, parts, axis in (
            ("rows", list(rows), 0),
            ("columns", list(columns), 1),
            ("whole", [whole], 0),
        ):
            slots = [optimizer.get_slot(part, "accumulator") for part in parts]
            values[key] = np.concatenate(session.run(parts), axis)
            values[key + "/Adagrad"] = np.concatenate(session.run(slots), axis)
        save_model(session, folder)
    write_expected(folder, values)


def write_sharded(folder):
    """Three shards merged into one checkpoint, one tensor with a slice in each."""
    random = np.random.RandomState(4)
    values = {
        "shard_%d/%s" % (shard, name): random.standard_normal(shape).astype(np.float32)
        for shard in range(3)
        for name, shape in (("kernel", [3, 4]), ("bias", [4]))
    }
    values["shard_2/words"] = object_array([b"sharded", b"", b"strings"])
    values["spread"] = random.standard_normal([6, 2]).astype(np.float32)

    prefix = os.path.join(folder, "model.ckpt")
    shards = [os.path.join(folder, "part-%d" % shard) for shard in range(3)]
    saves = []
    for shard in range(3):
        mine = {
            key: values[key] for key in values if key.startswith("shard_%d/" % shard)
        }
        part = tf.constant(values["spread"][2 * shard : 2 * shard + 2])
        spec = "6 2 %d,2:-" % (2 * shard)
        saves.append(
            save_op(shards[shard], whole_pieces(mine) + [Piece("spread", spec, part)])
        )
    with tf.control_dependencies(saves):
        merge = tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=shards, destination_prefix=prefix, delete_old_dirs=False
        )
    with new_session() as session:
        session.run(merge)
    write_expected(folder, values)


def write_v1(folder):
    """One V1 file: dtypes, shapes without elements or axes, names, two slices."""
    random = np.random.RandomState(9)
    values, names = {}, {}
    for name in ("float16", "float32", "float64"):
        special = [0.0, -0.0, np.inf, -np.inf, np.nan, np.finfo(name).tiny]
        values[name] = np.concatenate([special, random.standard_normal(4)]).astype(name)
    for name in ("complex64", "complex128"):
        parts = random.standard_normal([2, 2, 3])
        values[name] = (parts[0] + 1j * parts[1]).astype(name)
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16"):
        limits = np.iinfo(name)
        values[name] = np.array([limits.min, limits.max, 0, 1, 77, 100], name)
    values["bool"] = np.array([[True, False, True], [False, False, True]])
    values["string"] = object_array(STRINGS)
    values["scalar/float"] = np.float32(2.5)
    values["scalar/int"] = np.int64(-(2**40))
    values["scalar/string"] = np.array(b"one scalar", dtype=object)
    values["empty/vector"] = np.zeros([0], np.float32)
    values["empty/middle"] = np.zeros([3, 0, 2], np.int32)
    values["empty/string"] = np.zeros([0], dtype=object)
    values["five_axes"] = random.standard_normal([2, 1, 3, 2, 4]).astype(np.float32)
    for number, name in enumerate(ODD_NAMES):
        values[name] = np.array([number], np.int32)
    if tf.__version__.startswith("0."):
        del values["uint16"]  # The V1 writer of 0.12 has no place for it.
    strings = {
        key: tf.string for key in values if np.asarray(values[key]).dtype == object
    }
    pieces = [
        Piece(key, "", tf.constant(values[key], strings.get(key)))
        for key in sorted(values)
    ]
    for name, stored_as in (
        ("qint8", "int8"),
        ("quint8", "uint8"),
        ("qint32", "int32"),
    ):
        limits = np.iinfo(stored_as)
        values[name] = np.array([limits.min, limits.max, 0, 5], stored_as)
        names[name] = name
        bits = tf.bitcast(tf.constant(values[name]), tf.as_dtype(name))
        pieces.append(Piece(name, "", bits))
    values["columns"] = random.standard_normal([3, 5]).astype(np.float32)
    for start, size in ((0, 2), (2, 3)):
        part = tf.constant(values["columns"][:, start : start + size])
        pieces.append(Piece("columns", "3 5 -:%d,%d" % (start, size), part))
    with new_session() as session:
        session.run(save_v1_op(os.path.join(folder, "model.ckpt"), pieces))
    write_expected(folder, values, names)


def write_v1_sharded(folder):
    """V1 in three shards, as a Saver writes it: a partitioned variable over all."""
    devices = iter(["/cpu:0", "/cpu:1", "/cpu:2"] * 2)

    def device_of(operation):
        is_variable = operation.type in ("Variable", "VariableV2")
        return next(devices) if is_variable else operation.device

    with tf.device(device_of):
        rows = tf.get_variable("rows", [7, 2], partitioner=tf.fixed_size_partitioner(3))
        bias = tf.get_variable("bias", [5])
        words = tf.Variable([b"sharded", b""], name="words")
        step = tf.Variable(np.int64(100), name="step")
    saver = tf.train.Saver(write_version=tf.train.SaverDef.V1, sharded=True)
    with new_session(cpus=3) as session:
        session.run(tf.global_variables_initializer())
        parts = [one for one in tf.trainable_variables() if one.op.name[:4] == "rows"]
        fill_variables(session, parts + [bias], seed=10)
        prefix = os.path.join(folder, "model.ckpt")
        saver.save(session, prefix, 100, write_meta_graph=False, write_state=False)
        values = {
            "rows": np.concatenate(session.run(parts), 0),
            "bias": session.run(bias),
            "words": object_array([b"sharded", b""]),
            "step": session.run(step),
        }
    del rows, words
    write_expected(folder, values, suffix="-100")


def write_tables(folder):
    """Mutable tables of three kinds beside a variable, all made in a scope.

    The keys of the tables do not have the scope.
    """
    lookup = tf.contrib.lookup
    with tf.variable_scope("trained"):
        weights = tf.get_variable("weights", [3, 2])
        words = lookup.MutableHashTable(tf.string, tf.int64, -1, name="words")
        vectors = lookup.MutableHashTable(
            tf.int64, tf.float32, [0.0, 0.0], name="vectors"
        )
        counts = lookup.MutableDenseHashTable(
            tf.int64,
            tf.int64,
            default_value=0,
            empty_key=-1,
            deleted_key=-2,
            initial_num_buckets=8,
            name="counts",
        )
    filled = [
        words.insert(tf.constant([b"plain", b"", b"nul\0"]), np.int64([1, 2, 3])),
        vectors.insert(np.int64([7, 8]), np.float32([[0.5, -0.0], [np.inf, 1.0]])),
        counts.insert(np.int64([4, 5, 6]), np.int64([40, 50, 60])),
    ]
    with new_session() as session:
        session.run(filled)
        session.run(counts.remove(tf.constant(5, tf.int64, [1])))
        fill_variables(session, [weights], seed=8)
        save_model(session, folder)
        values = variable_values(session)
        for name, table in (("words", words), ("vectors", vectors), ("counts", counts)):
            values[name + "-keys"], values[name + "-values"] = session.run(
                table.export()
            )
    write_expected(folder, values)


def write_two_models(folder):
    """Two trained models whose variables have the same names and shapes."""
    for name, seed in (("encoder", 5), ("decoder", 6)):
        os.mkdir(os.path.join(folder, name))
        with tf.Graph().as_default():
            write_trained(os.path.join(folder, name), seed)


def write_trained(folder, seed):
    """One model of ref variables at steps 100, 200 and 300, with its state file."""
    inputs = tf.placeholder(tf.float32, [8, 6])
    hidden = tf.layers.dense(inputs, 6, name="dense")
    outputs = tf.layers.batch_normalization(hidden, training=True, name="batch_norm")
    loss = tf.reduce_mean(tf.square(outputs - inputs))
    global_step = tf.train.get_or_create_global_step()
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        train_op = tf.train.AdamOptimizer(0.01).minimize(loss, global_step)

    saver = tf.train.Saver(
        max_to_keep=3,
        write_version=tf.train.SaverDef.V2,
        # The default state file holds absolute paths.
        save_relative_paths=True,
    )
    random = np.random.RandomState(seed)
    with new_session() as session:
        session.run(tf.global_variables_initializer())
        fill_variables(session, tf.trainable_variables(), seed)
        for step in range(1, 301):
            session.run(train_op, {inputs: random.standard_normal([8, 6])})
            if step % 100 == 0:
                prefix = os.path.join(folder, "model.ckpt")
                saver.save(session, prefix, global_step, write_meta_graph=False)
                write_expected(folder, variable_values(session), suffix="-%d" % step)


def write_lstm(folder):
    """A BasicLSTM and a linear layer under the names of their era, with Adam slots."""
    if tf.__version__.startswith("0."):
        cell = tf.nn.rnn_cell.BasicLSTMCell(5)
        step_dtype = tf.int32
    else:
        cell = tf.contrib.rnn.BasicLSTMCell(5)
        step_dtype = tf.int64
    inputs = tf.placeholder(tf.float32, [2, 3, 4])
    outputs, _ = tf.nn.dynamic_rnn(cell, inputs, dtype=tf.float32)
    last = tf.reshape(tf.slice(outputs, [0, 2, 0], [2, 1, 5]), [2, 5])
    logits = tf.contrib.layers.fully_connected(last, 3, activation_fn=None)
    loss = tf.reduce_mean(tf.square(logits - 1.0))
    zero = tf.constant(0, step_dtype)
    global_step = tf.Variable(zero, trainable=False, name="global_step")
    train_op = tf.train.AdamOptimizer(0.01).minimize(loss, global_step)

    random = np.random.RandomState(7)
    with new_session() as session:
        session.run(tf.global_variables_initializer())
        fill_variables(session, tf.trainable_variables(), seed=7)
        for _ in range(12):
            session.run(train_op, {inputs: random.standard_normal([2, 3, 4])})
        save_model(session, folder)
        write_expected(folder, variable_values(session))


def save_model(session, folder):
    """Saves all variables as ``model.ckpt``, with neither graph nor state file."""
    saver = tf.train.Saver(write_version=tf.train.SaverDef.V2)
    prefix = os.path.join(folder, "model.ckpt")
    saver.save(session, prefix, write_meta_graph=False, write_state=False)


def variable_values(session):
    """Checkpoint key to value, of all variables of a graph without partitions."""
    return {
        variable.op.name: session.run(variable) for variable in tf.global_variables()
    }


# Which release each case was chosen for.
CASES = {
    "0.12": [
        ("lstm", write_lstm),
        ("v1", write_v1),
        ("v1_sharded", write_v1_sharded),
    ],
    "1.0": [
        ("lstm", write_lstm),
        ("v1", write_v1),
        ("v1_sharded", write_v1_sharded),
    ],
    "1.15": [
        ("dtypes", write_dtypes),
        ("shapes", write_shapes),
        ("many", write_many),
        ("variant", write_variant),
        ("partitioned", write_partitioned),
        ("sharded", write_sharded),
        ("tables", write_tables),
        ("two_models", write_two_models),
        ("v1", write_v1),
        ("v1_sharded", write_v1_sharded),
    ],
}


def write_cases(wanted, of_releases, parent):
    """Writes the wanted cases, or all of the running TensorFlow; returns a status."""
    release = ".".join(tf.__version__.split(".")[:2])
    cases = collections.OrderedDict(of_releases.get(release, ()))
    unknown = sorted(set(wanted) - set(cases))
    if unknown or not cases:
        print(
            "TensorFlow %s writes: %s" % (tf.__version__, " ".join(cases)),
            file=sys.stderr,
        )
        return 2
    for name in wanted or cases:
        folder = os.path.join(parent, "tf%s_%s" % (release.replace(".", "_"), name))
        if os.path.exists(folder):
            shutil.rmtree(folder)
        os.makedirs(folder)
        with tf.Graph().as_default():
            cases[name](folder)
        print(os.path.basename(folder))
    return 0


if __name__ == "__main__":
    sys.exit(write_cases(sys.argv[1:], CASES, HERE))
