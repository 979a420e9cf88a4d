"""Writes golden TF-Hub modules for TensorFlow 1 with a genuine old TensorFlow.

Run by hand, from this folder, with TensorFlow 1.15.5 and tensorflow_hub 0.7.0::

    python write_hub_modules.py

writes each case into ``hub_modules/tf1_15_<case>``: ``module``, and in ``golden.npz``
what was fed and what TF-Hub itself computes with the module. The README beside this
file says more.
"""

from __future__ import absolute_import, division, print_function

import os
import shutil
import tempfile

import numpy as np
import tensorflow as tf
import tensorflow_hub as hub
from write_golden import HERE

FOLDER = os.path.join(HERE, "hub_modules")
WORDS = np.array([b"red", b"green", b"blue", b"unknown"])


def export(module_fn, directory, seed):
    """Writes a module with the values of its initialisers."""
    with tf.Graph().as_default():
        tf.set_random_seed(seed)
        module = hub.Module(hub.create_module_spec(module_fn), trainable=True)
        with tf.Session() as session:
            session.run([tf.global_variables_initializer(), tf.tables_initializer()])
            module.export(directory, session)
    return directory


def embedding(vocabulary, use_resource, parts):
    """A module with a vocabulary and a variable, which is in parts or is not."""

    def module_fn():
        words = tf.placeholder(tf.string, [None], name="words")
        table = tf.contrib.lookup.index_table_from_file(vocabulary, num_oov_buckets=1)
        with tf.variable_scope("layer", use_resource=use_resource):
            partitioner = tf.fixed_size_partitioner(2) if parts else None
            rows = tf.get_variable(
                "rows",
                [4, 2],
                initializer=tf.random_normal_initializer(),
                partitioner=partitioner,
            )
        found = tf.nn.embedding_lookup(
            rows, table.lookup(words), partition_strategy="div"
        )
        hub.add_signature("default", {"words": words}, found)

    return module_fn


def write_nested(work, folder, use_resource):
    """A module made of two modules, each with a state and a vocabulary of its own."""
    inner = {}
    lines = {"first": "red\ngreen\nblue\n", "second": "blue\nred\ngreen\n"}
    for seed, name in enumerate(sorted(lines)):
        vocabulary = os.path.join(work, name + ".txt")
        with open(vocabulary, "w") as file:
            file.write(lines[name])
        module_fn = embedding(vocabulary, use_resource, parts=name == "first")
        inner[name] = export(module_fn, os.path.join(work, name), seed + 1)

    def module_fn():
        words = tf.placeholder(tf.string, [None], name="words")
        found = {
            name: hub.Module(inner[name], name=name)(words) for name in sorted(inner)
        }
        # Of the name that the inner modules had given to theirs.
        with tf.variable_scope("layer", use_resource=use_resource):
            initializer = tf.random_normal_initializer()
            rows = tf.get_variable("rows", [4, 2], initializer=initializer)
        joined = tf.concat([found["first"], found["second"]], axis=1)
        hub.add_signature("default", {"words": words}, tf.matmul(joined, rows))
        hub.add_signature("parts", {"words": words}, found)

    export(module_fn, os.path.join(folder, "module"), seed=3)


def write_golden(folder):
    """Writes what TF-Hub computes with a module."""
    arrays = {"in:words": WORDS}
    with tf.Graph().as_default():
        module = hub.Module(os.path.join(folder, "module"))
        found = {
            "out:{}:{}".format(signature, key): tensor
            for signature in module.get_signature_names()
            for key, tensor in module(WORDS, signature=signature, as_dict=True).items()
        }
        with tf.Session() as session:
            session.run([tf.global_variables_initializer(), tf.tables_initializer()])
            arrays.update(session.run(found))
    np.savez_compressed(os.path.join(folder, "golden.npz"), **arrays)


def main():
    for suffix in ("", "_resource"):
        folder = os.path.join(FOLDER, "tf1_15_nested" + suffix)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        work = tempfile.mkdtemp()
        write_nested(work, folder, use_resource=bool(suffix))
        write_golden(folder)
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
