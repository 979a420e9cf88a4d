"""Partitioned variables: any number of parts in the file, any other in the graph."""

import pytest

import legacy_restore as lr
from legacy_restore.graph.variables import group_parts
from legacy_restore.report.check_report import CheckStatus
from legacy_restore.tf import tf
from tests.graph.helpers import ids, numbers, of_kind, values_of, write

SHAPES = {"net/p": (7, 5), "net/w": (3,)}

# Number of parts and axis; 0 parts: not partitioned.
FILES = [(0, 0), (1, 0), (3, 0), (2, 1)]
GRAPHS = [(0, 0), (1, 0), (2, 0), (4, 0), (5, 1)]


def layer(parts, axis, train=False):
    """A builder with a variable in parts, a whole one, and slots if it trains."""

    def build():
        partitioner = tf.fixed_size_partitioner(parts, axis) if parts else None
        with tf.variable_scope("net"):
            p = tf.get_variable("p", SHAPES["net/p"], partitioner=partitioner)
            w = tf.get_variable("w", SHAPES["net/w"])
        p = tf.convert_to_tensor(p)
        if train:
            loss = tf.reduce_sum(p) + tf.reduce_sum(w)
            tf.train.AdagradOptimizer(0.1).minimize(loss)
        return {"p": p, "w": tf.identity(w)}

    return build


def saved(tmp_path, build):
    """Writes what a stock Saver writes of a builder; gives prefix and outputs."""
    with tf.Graph().as_default(), tf.Session() as session:
        outputs = build()
        session.run(tf.global_variables_initializer())
        prefix = str(tmp_path / "m")
        tf.train.Saver().save(session, prefix, write_meta_graph=False)
        return prefix, session.run(outputs)


@pytest.mark.parametrize("in_graph", GRAPHS)
@pytest.mark.parametrize("in_file", FILES)
def test_parts_are_restored_into_other_parts(kind, tmp_path, in_file, in_graph):
    prefix, expected = saved(tmp_path, of_kind(kind, layer(*in_file)))
    model = lr.Model("m", of_kind(kind, layer(*in_graph)), prefix)
    with lr.restore([model]) as restored:
        found = restored["m"]()
        assert (found["p"] == expected["p"]).all()
        assert (found["w"] == expected["w"]).all()
        assert len(restored["m"].variables) == max(in_graph[0], 1) + 1
        rows = {row.variable: row.status for row in restored.check().rows}
        assert rows == dict.fromkeys(("m/net/p", "m/net/w"), CheckStatus.EQUAL)


@pytest.mark.parametrize("partitioner", ["variable_axis_size", "min_max_variable"])
def test_other_partitioners(kind, tmp_path, partitioner):
    make = {
        "variable_axis_size": lambda: tf.variable_axis_size_partitioner(40, axis=0),
        "min_max_variable": lambda: tf.min_max_variable_partitioner(
            max_partitions=3, min_slice_size=40
        ),
    }[partitioner]

    def build():
        p = tf.get_variable("p", (7, 5), partitioner=make())
        return tf.convert_to_tensor(p)

    values = {"p": numbers([7, 5])}
    model = lr.Model("m", of_kind(kind, build), write(tmp_path / "m", values))
    with lr.restore([model]) as restored:
        assert (restored["m"]() == values["p"]).all()
        assert len(restored["m"].variables) > 1


def test_slots_of_parts_are_rows_of_their_own(kind, tmp_path):
    build = of_kind(kind, layer(3, 0, train=True))
    prefix, _ = saved(tmp_path, build)
    plan = lr.plan([lr.Model("m", of_kind(kind, layer(2, 0)), prefix)])
    assert plan.ok
    left = {one.subject for one in plan.findings}
    assert left == {"net/p/Adagrad", "net/w/Adagrad"}


def test_a_partitioned_variable_is_one_row_of_the_plan(kind, tmp_path):
    prefix = write(tmp_path / "m", values_of(SHAPES))
    plan = lr.plan([lr.Model("m", of_kind(kind, layer(4, 0)), prefix)])
    row, whole = plan.rows
    assert (row.variable.name, row.variable.shape) == ("m/net/p", (7, 5))
    assert (row.variable.parts, whole.variable.parts) == (4, 0)
    assert plan.coverage.variables == 2
    assert plan.coverage.parameters == 38
    assert plan.to_json()["models"][0]["rows"][0]["parts"] == 4
    assert "in 4 parts" in str(plan)


def test_a_whole_of_another_shape_is_refused(kind, tmp_path, refused):
    values = {**values_of(SHAPES), "net/p": numbers([8, 5])}
    prefix = write(tmp_path / "m", values)
    error = refused([lr.Model("m", of_kind(kind, layer(2, 0)), prefix)])
    assert ids(error.findings) == ["shape-mismatch"]


def test_parts_that_changed_are_found(kind, tmp_path):
    prefix = write(tmp_path / "m", values_of(SHAPES))
    model = lr.Model("m", of_kind(kind, layer(3, 0)), prefix)
    with lr.restore([model]) as restored:
        last = restored["m"].variables[2]
        with restored.graph.as_default():
            restored.session.run(tf.assign(last, tf.zeros(last.shape)))
        changed = restored.check().with_status(CheckStatus.CHANGED)
        assert [row.variable for row in changed] == ["m/net/p"]


def test_parts_that_may_be_missing_run_their_initialisers(kind, tmp_path):
    prefix = write(tmp_path / "m", {"net/w": numbers([3])})
    build = of_kind(kind, layer(3, 0))
    model = lr.Model("m", build, prefix, allow_missing=["net/p"])
    with lr.restore([model]) as restored:
        assert restored["m"]()["p"].shape == (7, 5)
        statuses = {row.variable: row.status for row in restored.check().rows}
        assert statuses["m/net/p"] is CheckStatus.INITIALIZED


def test_parts_are_put_together_in_the_order_of_their_offsets(kind):
    with tf.Graph().as_default():
        of_kind(kind, layer(3, 0))()
        variables = tf.global_variables()
        owned = group_parts(list(reversed(variables)))
    assert owned["net/p"].offsets == ((0, 0), (3, 0), (5, 0))
    assert not owned["net/w"].is_partitioned
