"""Tests of variables that a saved graph has and nothing uses."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf


def write(directory, *, takes_what_is_read):
    """Saves a model beside a variable without a value; returns the prefix."""
    prefix = str(directory / "model")
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x = tf.placeholder(tf.float32, [2], name="x")
        with tf.variable_scope("", use_resource=True):
            w = tf.get_variable("w", [2], initializer=tf.ones_initializer())
        lost = tf.raw_ops.VarHandleOp(
            dtype=tf.float32, shape=[2], shared_name="lost", name="lost"
        )
        read = tf.raw_ops.ReadVariableOp(
            resource=lost, dtype=tf.float32, name="lost/Read"
        )
        if takes_what_is_read:
            tf.square(read, name="squared")
        tf.multiply(x, w, name="y")
        session.run(w.initializer)
        tf.train.Saver([w]).save(session, prefix)
    del graph
    return prefix


def model_of(prefix, **options):
    options = {"outputs": {"y": "y"}, "prune": False, **options}
    return lr.Model.from_meta_graph("m", prefix, **options)


def test_a_variable_that_nothing_uses_is_left_out_with_a_remark(tmp_path):
    prefix = write(tmp_path, takes_what_is_read=False)
    with lr.restore([model_of(prefix)]) as restored:
        np.testing.assert_array_equal(restored["m"](x=[1, 2])["y"], [1, 2])
        unused = [
            one.subject
            for one in restored["m"].report.findings
            if one.id == "variable-unused"
        ]
        assert unused == ["lost"]
        assert len(restored["m"].variables) == 1


def test_one_that_is_used_is_missing(tmp_path):
    prefix = write(tmp_path, takes_what_is_read=True)
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([model_of(prefix)])
    assert [one.id for one in caught.value.findings if one.is_error] == ["missing-key"]


def test_one_that_is_an_output_is_missing(tmp_path):
    prefix = write(tmp_path, takes_what_is_read=False)
    with pytest.raises(errors.RestoreError):
        lr.restore([model_of(prefix, outputs={"lost": "lost/Read"})])
