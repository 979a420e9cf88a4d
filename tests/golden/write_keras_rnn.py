"""Writes recurrent layers under the names that tf_keras gives them.

The model of ``write_keras_rnn`` in ``write_rule_packs.py``, and the same files beside
it, in graph mode of TensorFlow 2.21 with tf_keras 2.21::

    python write_keras_rnn.py

writes ``rule_packs/tf2_21_keras_rnn``, and replaces what is there.
"""

import os
import shutil

import numpy as np
import tensorflow as tf
import tf_keras
from write_golden import HERE, write_json

v1 = tf.compat.v1
FOLDER = os.path.join(HERE, "rule_packs", "tf2_21_keras_rnn")
SEQUENCE = np.random.RandomState(1).standard_normal([2, 3, 3])
UNITS = 2


def main():
    """Writes the folder."""
    if os.path.exists(FOLDER):
        shutil.rmtree(FOLDER)
    os.makedirs(FOLDER)
    layers = tf_keras.layers
    with tf.Graph().as_default(), v1.Session() as session:
        sequence = v1.placeholder(tf.float32, SEQUENCE.shape, "sequence")
        net = layers.LSTM(UNITS, return_sequences=True)(sequence)
        net = layers.LSTM(UNITS, return_sequences=True)(net)
        net = layers.GRU(UNITS, return_sequences=True, reset_after=False)(net)
        net = layers.SimpleRNN(UNITS, return_sequences=True)(net)
        net = layers.Bidirectional(layers.LSTM(UNITS))(net)
        variables = v1.global_variables()
        random = np.random.RandomState(5)
        for one in sorted(variables, key=lambda one: one.name):
            one.load(random.standard_normal(one.shape).astype(np.float32), session)
        output = session.run(net, {sequence: SEQUENCE})
        prefix = os.path.join(FOLDER, "model.ckpt")
        v1.train.Saver().save(
            session, prefix, write_meta_graph=False, write_state=False
        )
    golden = {"in:sequence": SEQUENCE, "out:output": output}
    np.savez_compressed(os.path.join(FOLDER, "golden.npz"), **golden)
    described = {one.op.name: one.shape.as_list() for one in variables}
    described["tensorflow"] = tf.__version__
    write_json(os.path.join(FOLDER, "golden.json"), described)


if __name__ == "__main__":
    main()
