"""Builders with mutable tables, and what stock TensorFlow writes of them."""

import numpy as np
from tensorflow.python.ops import lookup_ops

from legacy_restore.tf import tf
from tests.graph.helpers import of_kind

HashTable = lookup_ops.MutableHashTable
DenseTable = lookup_ops.DenseHashTable

WORDS = {b"a": 1, b"b": 2, b"nul\0": 3}
VECTORS = {1: (0.5, 0.0), 7: (np.inf, 2.0)}
COUNTS = {4: 40, 5: 50, 6: 60}


def tables(kind="ref", scope=None, empty_key=-1):
    """A builder of a variable and of three tables; ``build.insert`` fills them."""

    def make():
        weights = tf.get_variable("w", [2])
        words = HashTable(tf.string, tf.int64, -1, name="words")
        vectors = HashTable(tf.int64, tf.float32, [0.0, 0.0], name="vectors")
        counts = DenseTable(
            tf.int64,
            tf.int64,
            default_value=-1,
            empty_key=empty_key,
            deleted_key=-2,
            initial_num_buckets=8,
            name="counts",
        )
        word = tf.placeholder(tf.string, [None], name="word")
        number = tf.placeholder(tf.int64, [None], name="number")
        build.made = (words, vectors, counts)
        return {
            "w": tf.identity(weights),
            "words": words.lookup(word),
            "vectors": vectors.lookup(number),
            "counts": counts.lookup(number),
            "sizes": tf.stack([words.size(), vectors.size()]),
        }

    def build():
        if scope is None:
            return of_kind(kind, make)()
        with tf.variable_scope(scope):
            return of_kind(kind, make)()

    return build


def fill(session, made, add=0):
    """Gives the tables of a builder their entries, numbers raised by ``add``."""
    for table, entries in zip(made, (WORDS, VECTORS, COUNTS)):
        keys = tf.constant(list(entries), table.key_dtype)
        values = tf.constant(list(entries.values()), table.value_dtype)
        session.run(table.insert(keys, values + add))


def saved(prefix, build, add=0):
    """Writes what a stock Saver writes of a builder with filled tables."""
    with tf.Graph().as_default(), tf.Session() as session:
        build()
        session.run(tf.global_variables_initializer())
        fill(session, build.made, add)
        return tf.train.Saver().save(
            session, str(prefix), write_meta_graph=False, write_state=False
        )


def looked_up(model):
    """What a restored model finds for known and unknown keys."""
    asked = {
        "word": [b"a", b"b", b"nul\0", b"nul"],
        "number": [1, 7, 4, 5, 6, 99],
    }
    found = model({name: asked[name.rpartition("/")[2]] for name in model.inputs})
    return {name: found[name] for name in ("words", "vectors", "counts")}


def expected(add=0):
    """What it has to find."""
    numbers = [1, 7, 4, 5, 6, 99]
    return {
        "words": np.int64([1 + add, 2 + add, 3 + add, -1]),
        "vectors": np.float32(
            [
                np.float32(VECTORS[one]) + np.float32(add) if one in VECTORS else (0, 0)
                for one in numbers
            ]
        ),
        "counts": np.int64(
            [COUNTS[one] + add if one in COUNTS else -1 for one in numbers]
        ),
    }
