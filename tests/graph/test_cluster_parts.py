"""Partitioned variables in a cluster, whose values are made and fed in this process."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore.tf import tf
from tests.graph import clusters
from tests.graph.helpers import assert_same, numbers, of_kind, values_in, write

pytestmark = pytest.mark.slow

FILL = 7.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cluster")
    with clusters.Servers() as servers, clusters.cluster_of(servers, directory) as one:
        yield one


def spread(cluster, kind):
    """A builder of a table of five parts, by turns on either parameter server."""

    def build():
        with tf.device(cluster.setter()):
            tf.get_variable(
                "table",
                [10, 3],
                initializer=tf.constant_initializer(FILL),
                partitioner=tf.fixed_size_partitioner(5),
            )

    return of_kind(kind, build)


def written(tmp_path, name, table):
    return write(tmp_path / name / "model.ckpt", {"table": table})


def table_in(restored):
    """The value of the table, put together from its parts in their order."""
    parts = values_in(restored, "m")
    return {"table": np.concatenate([parts[name] for name in sorted(parts)])}


def test_each_part_gets_its_own_cast_values(cluster, kind, tmp_path):
    table = numbers([10, 3]).astype(np.float64)
    other = numbers([10, 3], 5).astype(np.float64)
    prefix = written(tmp_path, "old", table)
    model = lr.Model("m", spread(cluster, kind), prefix, cast={"table": "float32"})
    with lr.restore([model], target=cluster.target, verify="session") as restored:
        assert_same(table_in(restored), {"table": table.astype(np.float32)})
        for memory in ("full", "low"):
            restored["m"].swap(written(tmp_path, memory, other), memory=memory)
            expected = {"table": other.astype(np.float32)}
            assert_same(table_in(restored), expected)
            restored.check().raise_if_failed()
            other = other + 1


def test_each_part_gets_its_own_rows_of_a_smaller_table(cluster, kind, tmp_path):
    table = numbers([5, 3])
    prefix = written(tmp_path, "old", table)
    model = lr.Model("m", spread(cluster, kind), prefix, allow_shape={"table": "pad"})
    expected = np.full([10, 3], FILL, np.float32)
    expected[:5] = table
    with lr.restore([model], target=cluster.target, verify="session") as restored:
        assert_same(table_in(restored), {"table": expected})
        for memory in ("full", "low"):
            table = table + 1
            expected[:5] = table
            restored["m"].swap(written(tmp_path, memory, table), memory=memory)
            assert_same(table_in(restored), {"table": expected})


def test_each_part_gets_its_own_rows_tensor_by_tensor(cluster, kind, tmp_path):
    old, new = numbers([10, 3]), numbers([10, 3], 5)
    model = lr.Model("m", spread(cluster, kind), written(tmp_path, "old", old))
    with lr.restore([model], target=cluster.target) as restored:
        restored["m"].swap(written(tmp_path, "new", new), memory="low")
        assert_same(table_in(restored), {"table": new})
        restored.check().raise_if_failed()
