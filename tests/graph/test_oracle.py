"""Stock TensorFlow as the oracle: the same files give the same values."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore.tf import tf
from tests.graph import real_models
from tests.graph.helpers import (
    assert_same,
    linear,
    linear_values,
    of_kind,
    values_in,
    values_of,
    variables,
    write,
)
from tests.samples import sample


def restored_by_stock(build, prefix):
    """The variables of a builder in a graph of its own, restored by a stock Saver."""
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        with tf.variable_scope("", reuse=tf.AUTO_REUSE):
            build()
        tf.train.Saver().restore(session, prefix)
        return session.run({one.op.name: one for one in tf.global_variables()})


REAL = {
    "pnet": (real_models.build_pnet, ("mtcnn", "PNet_landmark", "PNet-18")),
    "rnet": (real_models.build_rnet, ("mtcnn", "RNet_landmark", "RNet-14")),
    "onet": (real_models.build_onet, ("mtcnn", "ONet_landmark", "ONet-16")),
    "mnist": (real_models.build_mnist, ("mnist_ema", "mnist_model-64004")),
    "char_rnn": (real_models.build_char_rnn, ("char_rnn", "tf1_2", "model-85340")),
}


@pytest.mark.parametrize("name", sorted(REAL))
def test_real_checkpoints(kind, name):
    build, parts = REAL[name]
    index = sample(*parts[:-1], parts[-1] + ".index")
    prefix = index[: -len(".index")]
    build = of_kind(kind, build)
    waiver = [".*/loss_monitor/.*"] if name == "char_rnn" else []
    with lr.restore([lr.Model("m", build, prefix, allow_unused=waiver)]) as restored:
        assert_same(values_in(restored, "m"), restored_by_stock(build, prefix))


@pytest.mark.parametrize("step", [100, 200, 300])
@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_checkpoints_that_tensorflow_1_15_wrote(kind, golden, name, step):
    prefix = str(golden / "tf1_15_two_models" / name / f"model.ckpt-{step}")
    slots = ("Adam", "Adam_1", "_power", "step")
    with lr.open_checkpoint(prefix) as checkpoint:
        shapes = {
            key: checkpoint.entry(key).shape
            for key in checkpoint
            if not key.endswith(slots)
        }
    build = variables(kind, shapes)
    with lr.restore([lr.Model("m", build, prefix)]) as restored:
        assert_same(values_in(restored, "m"), restored_by_stock(build, prefix))


def test_a_checkpoint_of_this_tensorflow(kind, tmp_path):
    prefix = write(tmp_path / "m", linear_values())
    build = linear(kind)
    with lr.restore([lr.Model("m", build, prefix)]) as restored:
        assert_same(values_in(restored, "m"), restored_by_stock(build, prefix))


def test_a_saver_made_by_the_restore_is_one_that_stock_tensorflow_can_use(
    kind, tmp_path
):
    prefix = write(tmp_path / "m", linear_values())
    plan = lr.plan([lr.Model("m", linear(kind), prefix)])
    with plan.graph.as_default(), tf.Session(graph=plan.graph) as session:
        plan.operations.saver("m").restore(session, prefix)
        found = session.run({one.op.name[2:]: one for one in tf.global_variables()})
    assert_same(found, linear_values())


def test_outputs_are_those_of_a_graph_of_its_own(kind, tmp_path):
    shapes = {"a/w": (4, 4), "b/w": (4, 4)}
    prefixes = [
        write(tmp_path / name, values_of(shapes, n)) for n, name in enumerate("xy")
    ]

    def build():
        x = tf.placeholder(tf.float32, [None, 4], name="x")
        for name in shapes:
            x = tf.tanh(tf.matmul(x, tf.get_variable(name, [4, 4])))
        return x

    build = of_kind(kind, build)
    given = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    with lr.restore(
        [lr.Model(name, build, prefix) for name, prefix in zip("xy", prefixes)]
    ) as restored:
        for name, prefix in zip("xy", prefixes):
            with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
                y = build()
                tf.train.Saver().restore(session, prefix)
                expected = session.run(y, {"x:0": given})
            np.testing.assert_array_equal(restored[name](x=given), expected)
