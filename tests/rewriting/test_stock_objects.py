"""TensorFlow's own checkpoints beside what is written here: theirs restore ours."""

import numpy as np
import pytest

import legacy_restore as lr

pytest.importorskip("tensorflow")

# Eager programs in processes of their own: it cannot be switched on beside other tests.
from tests.rewriting.stock_programs import run_in_graph, run_program


def saved_by_saver(directory):
    """Three steps of Adam in a graph, saved by a Saver; values by key."""
    program = """
with tf.Graph().as_default(), tf1.Session() as session:
    with tf1.variable_scope("encoder"):
        kernel = tf1.get_variable("dense/kernel", [2, 3])
        bias = tf1.get_variable("dense/bias.1", [3])
    step = tf1.train.get_or_create_global_step()
    average = tf1.train.ExponentialMovingAverage(0.9)
    loss = tf1.reduce_sum(tf1.square(kernel)) + tf1.reduce_sum(tf1.square(bias - 1))
    train = tf1.train.AdamOptimizer(0.1).minimize(loss, global_step=step)
    with tf1.control_dependencies([train]):
        train = average.apply([kernel])
    session.run(tf1.global_variables_initializer())
    for _ in range(3):
        session.run(train)
    tf1.train.Saver().save(session, given["prefix"], write_meta_graph=False)
    losses = []
    for _ in range(10):
        session.run(train)
        losses.append(float(session.run(loss)))
result = losses
"""
    prefix = str(directory / "names.ckpt")
    losses = run_in_graph(program, {"prefix": prefix})
    return prefix, losses


def test_stock_checkpoint_restores_attributes_and_its_adam_trains_on(tmp_path):
    source, losses = saved_by_saver(tmp_path)
    report = lr.to_object_based(source, tmp_path / "objects")
    program = """
tf1.enable_eager_execution()
def zeros(shape, dtype="float32"):
    return tf.Variable(np.zeros(shape, dtype))
encoder = Base()
encoder.dense = Base()
encoder.dense.kernel = zeros([2, 3])
setattr(encoder.dense, "bias.1", zeros([3]))
name = "kernel/ExponentialMovingAverage"
setattr(encoder.dense, name, zeros([2, 3]))
optimizer = tf1.train.AdamOptimizer(0.1)
root = tf.train.Checkpoint(
    encoder=encoder, optimizer=optimizer, global_step=zeros([], "int64")
)
status = root.restore(given["prefix"])
kernel, bias = encoder.dense.kernel, getattr(encoder.dense, "bias.1")
def loss():
    return tf.reduce_sum(tf.square(kernel)) + tf.reduce_sum(tf.square(bias - 1))
found = {
    "encoder/dense/kernel": kernel.numpy().tolist(),
    "encoder/dense/bias.1": bias.numpy().tolist(),
    "encoder/dense/" + name: getattr(encoder.dense, name).numpy().tolist(),
    "global_step": int(root.global_step.numpy()),
}
losses = []
for step in range(10):
    optimizer.minimize(loss)
    losses.append(float(loss().numpy()))
    if step == 0:
        status.assert_consumed()
found["save_counter"] = int(root.save_counter.numpy())
result = [found, losses]
"""
    found, further = run_program(program, {"prefix": report.written})
    assert found.pop("save_counter") == 1
    with lr.open_checkpoint(source) as checkpoint:
        for key, value in found.items():
            np.testing.assert_array_equal(checkpoint[key], np.array(value, "f4"))
        assert len(checkpoint) == len(found) + 6  # Four slots and two powers.
    np.testing.assert_allclose(further, losses, rtol=1e-6)


def test_stock_dictionaries_restore_any_name(tmp_path):
    tensors = {
        "a/w": np.arange(3, dtype="f4"),
        "a/w/b": np.arange(4, dtype="f4"),
        "a//w": np.arange(2, dtype="f4"),
        "x.y/z..t/.ATTRIBUTE/q": np.arange(5, dtype="f4"),
        "save_counter/n": np.arange(6, dtype="f4"),
        "strings": np.array([b"a", b"bc\0"], object),
    }
    source = lr.write_checkpoint(tmp_path / "names", tensors)
    report = lr.to_object_based(source, tmp_path / "objects")
    program = """
tf1.enable_eager_execution()
def zeros(*shape):
    return tf.Variable(np.zeros(shape, "f4"))
a = Base()
a.w = zeros(3)
setattr(a, "w/b", zeros(4))
setattr(a, "", Base())
getattr(a, "").w = zeros(2)
xy, zt, attributes = Base(), Base(), Base()
setattr(xy, "z..t", zt)
setattr(zt, ".ATTRIBUTE", attributes)
attributes.q = zeros(5)
strings = tf.Variable([b"", b""])
root = tf.train.Checkpoint(a=a, strings=strings)
setattr(root, "x.y", xy)
setattr(root, "save_counter/n", zeros(6))
root.restore(given["prefix"]).assert_consumed()
result = {
    "a/w": a.w.numpy().tolist(),
    "a/w/b": getattr(a, "w/b").numpy().tolist(),
    "a//w": getattr(a, "").w.numpy().tolist(),
    "x.y/z..t/.ATTRIBUTE/q": attributes.q.numpy().tolist(),
    "save_counter/n": getattr(root, "save_counter/n").numpy().tolist(),
    "strings": [one.decode() for one in strings.numpy()],
}
"""
    found = run_program(program, {"prefix": report.written})
    assert found.pop("strings") == ["a", "bc\0"]
    for key, value in found.items():
        np.testing.assert_array_equal(tensors[key], np.array(value, "f4"))
    assert found.keys() | {"strings"} == tensors.keys()


_OPTIMIZERS = {
    "Momentum": "tf1.train.MomentumOptimizer(0.01, 0.9)",
    "RMSProp": "tf1.train.RMSPropOptimizer(0.01, momentum=0.5)",
    "Centered": "tf1.train.RMSPropOptimizer(0.01, momentum=0.5, centered=True)",
    "Adagrad": "tf1.train.AdagradOptimizer(0.1)",
    "Adadelta": "tf1.train.AdadeltaOptimizer(0.1)",
    "Ftrl": "tf1.train.FtrlOptimizer(0.1)",
    "Adam": "tf1.train.AdamOptimizer(0.1)",
    "ProximalAdagrad": "tf1.train.ProximalAdagradOptimizer(0.1)",
}


def test_optimizers_go_there_and_back(tmp_path):
    """An eager program's optimizers by name into a graph, and back again."""
    program = """
tf1.enable_eager_execution()
result = {}
for name, text in given["optimizers"].items():
    root = Base()
    root.w = tf.Variable(np.ones([2, 3], "f4"), name="w")
    root.b = tf.Variable(np.full([3], 2, "f4"), name="b")
    def loss():
        return tf.reduce_sum(tf.square(root.w)) + tf.reduce_sum(tf.square(root.b - 1))
    optimizer = eval(text)
    for _ in range(3):
        optimizer.minimize(loss)
    checkpoint = tf.train.Checkpoint(root=root, optimizer=optimizer)
    checkpoint.save(given["directory"] + "/objects_" + name)
    for _ in range(4):
        optimizer.minimize(loss)
    result[name] = float(loss().numpy())
"""
    given = {"directory": str(tmp_path), "optimizers": _OPTIMIZERS}
    wanted = run_program(program, given)
    for name in _OPTIMIZERS:
        there = lr.to_name_based(
            tmp_path / f"objects_{name}-1", tmp_path / f"names_{name}"
        )
        lr.to_object_based(there.written, tmp_path / f"again_{name}")
    program = """
result = {}
for name, text in given["optimizers"].items():
    with tf.Graph().as_default(), tf1.Session() as session:
        w = tf1.get_variable("w", [2, 3])
        b = tf1.get_variable("b", [3])
        loss = tf1.reduce_sum(tf1.square(w)) + tf1.reduce_sum(tf1.square(b - 1))
        train = eval(text).minimize(loss)
        tf1.train.Saver().restore(session, given["directory"] + "/names_" + name)
        for _ in range(4):
            session.run(train)
        result[name] = float(session.run(loss))
"""
    assert run_in_graph(program, given) == pytest.approx(wanted, rel=1e-5)
    program = """
tf1.enable_eager_execution()
result = {}
for name, text in given["optimizers"].items():
    w = tf.Variable(np.zeros([2, 3], "f4"), name="w")
    b = tf.Variable(np.zeros([3], "f4"), name="b")
    def loss():
        return tf.reduce_sum(tf.square(w)) + tf.reduce_sum(tf.square(b - 1))
    optimizer = eval(text)
    # The paths are those of the names now.
    checkpoint = tf.train.Checkpoint(w=w, b=b, optimizer=optimizer)
    status = checkpoint.restore(given["directory"] + "/again_" + name)
    for _ in range(4):
        optimizer.minimize(loss)
    status.assert_consumed()
    result[name] = float(loss().numpy())
"""
    assert run_program(program, given) == pytest.approx(wanted, rel=1e-5)
