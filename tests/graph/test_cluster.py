"""Restoring into clusters of real servers, beside what stock TensorFlow does there."""

import contextlib
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.graph import cluster_session, cluster_state
from legacy_restore.graph import restore as restore_lib
from legacy_restore.graph.tasks import task_of
from legacy_restore.tf import tf
from tests.cli.commands import DENOISER, run
from tests.conftest import ROOT
from tests.graph import clusters
from tests.graph.helpers import (
    apply,
    assert_same,
    damage,
    ids,
    linear,
    linear_model,
    linear_values,
    numbers,
    of_id,
    of_kind,
    only,
    values_in,
    write,
)
from tests.saved_graphs import saved_case

pytestmark = pytest.mark.slow

X = numbers([4, 3], 7)
ISOLATED = "isolate_session_state"
TABLE = {"table": (10, 3), "dense/kernel": (3, 2), "dense/bias": (2,)}


@pytest.fixture(scope="module")
def servers():
    with clusters.Servers() as started:
        yield started


@pytest.fixture(scope="module")
def one_cluster(servers, tmp_path_factory):
    with clusters.cluster_of(servers, tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(one_cluster):
    """The cluster of all tests that leave it as it was; nothing is in it."""
    tf.Session.reset(one_cluster.target)
    return one_cluster


@pytest.fixture
def own_cluster(servers, tmp_path):
    """A cluster that a test may do harm to."""
    with clusters.cluster_of(servers, tmp_path / "servers") as cluster:
        yield cluster


@pytest.fixture
def soon(monkeypatch):
    """Asks silent tasks, and closes, for a second only."""
    monkeypatch.setattr(cluster_session, "_ASK_SECONDS", 2.0)
    monkeypatch.setattr(cluster_session, "_GRACE_SECONDS", 1.0)
    monkeypatch.setattr(cluster_session, "_CLOSE_SECONDS", 1.0)
    monkeypatch.setattr(cluster_state, "_CLEAN_SECONDS", 1.0)


def spread(cluster, kind, parts=4):
    """A builder of a model that is spread over the parameter servers."""

    def build():
        with tf.device(cluster.setter()):
            table = tf.get_variable(
                "table", [10, 3], partitioner=tf.fixed_size_partitioner(parts)
            )
            x = tf.placeholder(tf.float32, [None, 3], name="x")
            kernel = tf.get_variable("dense/kernel", [3, 2])
            bias = tf.get_variable("dense/bias", [2])
        return {"y": tf.matmul(x, kernel) + bias, "table": tf.identity(table)}

    return of_kind(kind, build)


def table_values(seed=0):
    return {
        name: numbers(shape, 1000 * seed + place)
        for place, (name, shape) in enumerate(TABLE.items())
    }


def spread_model(cluster, kind, tmp_path, seed=0, name="m", **more):
    prefix = write(tmp_path / name / "model.ckpt", table_values(seed))
    return lr.Model(name, spread(cluster, kind), prefix, **more)


def without_values(cluster, build, scope="m"):
    """The variables that a session of another graph finds without a value."""
    with tf.Graph().as_default() as graph:
        with tf.variable_scope(scope):
            build()
        asked = tf.report_uninitialized_variables()
        with tf.Session(cluster.target, graph) as session:
            return sorted(name.decode() for name in session.run(asked))


ALL_PARTS = ["m/dense/bias", "m/dense/kernel"] + [
    f"m/table/part_{number}" for number in range(4)
]


# What stock TensorFlow does.


def test_stock_variables_outlive_their_session(kind, cluster):
    build = spread(cluster, kind)
    with tf.Graph().as_default() as graph:
        with tf.variable_scope("m"):
            build()
        with tf.Session(cluster.target, graph) as session:
            session.run(tf.global_variables_initializer())
    assert without_values(cluster, build) == []


def test_a_failed_stock_restore_looks_initialised_to_the_next_session(
    kind, cluster, tmp_path
):
    model = spread_model(cluster, kind, tmp_path)
    damage(model.checkpoint, "table")
    with tf.Graph().as_default() as graph:
        with tf.variable_scope("m"):
            model.build()
        saver = tf.train.Saver(
            {one.op.name[2:]: one for one in tf.global_variables("m/dense")}
        )
        with tf.Session(cluster.target, graph) as session:
            saver.restore(session, model.checkpoint)
            with pytest.raises(tf.errors.OpError):
                table = [one for one in tf.global_variables() if "table" in one.op.name]
                whole = {"table": table}
                tf.train.Saver(whole).restore(session, model.checkpoint)
    left = without_values(cluster, model.build)
    assert left == [name for name in ALL_PARTS if "table" in name]


# Ours.


def test_models_are_restored_called_swapped_saved_and_checked(kind, cluster, tmp_path):
    first = spread_model(cluster, kind, tmp_path)
    second = linear_model(kind, "n", tmp_path, 3, device="/job:ps/task:1")
    other = write(tmp_path / "other" / "model.ckpt", table_values(5))
    target = cluster.target
    with lr.restore([first, second], target=target, verify="session") as restored:
        assert restored.report.check.ok
        state = only(restored.report.remarks, "session-state")
        assert "this session's alone" in str(restored.report)
        assert state.subject == target
        found = restored["m"](x=X)
        np.testing.assert_allclose(found["y"], apply(table_values(), X), rtol=1e-6)
        assert_same({"table": found["table"]}, {"table": table_values()["table"]})
        assert_same(values_in(restored, "n"), linear_values(3))
        for variable in restored["n"].variables:
            assert variable.device == "/job:ps/task:1"
        devices = {one.device for one in restored["m"].variables}
        assert devices == {"/job:ps/task:0", "/job:ps/task:1"}
        restored["m"].swap(other)
        assert restored.check().ok
        np.testing.assert_array_equal(
            restored["m"](x=X)["table"], table_values(5)["table"]
        )
        saved = restored["m"].save(str(tmp_path / "saved"))
    with lr.open_checkpoint(saved) as checkpoint:
        assert_same(dict(checkpoint), table_values(5))
        assert len({os.path.basename(one) for one in checkpoint.paths()}) == 3
    # Stock TensorFlow reads it.
    with tf.Graph().as_default(), tf.Session() as session:
        table = tf.get_variable("table", [10, 3])
        tf.train.Saver().restore(session, saved)
        np.testing.assert_array_equal(session.run(table), table_values(5)["table"])


def test_the_state_goes_with_the_session(kind, cluster, tmp_path):
    model = spread_model(cluster, kind, tmp_path)
    with lr.restore([model], target=cluster.target):
        assert without_values(cluster, model.build) == ALL_PARTS
        with lr.restore([model], target=cluster.target) as another:
            assert another.check().ok
    assert without_values(cluster, model.build) == ALL_PARTS


def test_a_sharded_checkpoint_of_the_cluster_itself_is_restored(
    kind, cluster, tmp_path
):
    build = spread(cluster, kind)
    with tf.Graph().as_default() as graph:
        build()
        saver = tf.train.Saver(sharded=True)
        config = tf.ConfigProto(isolate_session_state=True)
        with tf.Session(cluster.target, graph, config) as session:
            session.run(tf.global_variables_initializer())
            prefix = saver.save(session, str(tmp_path / "sharded"))
            expected = session.run({one.op.name: one for one in tf.global_variables()})
    files = sorted(os.listdir(str(tmp_path)))
    assert len([one for one in files if ".data-" in one]) > 1, files
    with lr.restore(
        [lr.Model("m", build, prefix)], target=cluster.target, verify="session"
    ) as restored:
        assert_same(values_in(restored, "m"), expected)


# Shared state.


def test_shared_state_is_seen_by_others_and_stays(kind, cluster, tmp_path):
    model = spread_model(cluster, kind, tmp_path)
    with lr.restore([model], target=cluster.target, state="shared") as restored:
        assert without_values(cluster, model.build) == []
        assert "other sessions see" in str(restored.report)
    assert without_values(cluster, model.build) == []


def test_names_that_the_cluster_has_are_refused_by_name(kind, cluster, tmp_path):
    model = spread_model(cluster, kind, tmp_path)
    lr.restore([model], target=cluster.target, state="shared").close()
    other = spread_model(cluster, kind, tmp_path, 4)
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([other], target=cluster.target, state="shared")
    there = of_id(caught.value.findings, "name-in-cluster")
    assert sorted(one.subject for one in there) == ALL_PARTS
    assert {one.model for one in there} == {"m"}
    assert 'state="reset"' in there[0].hint
    # Nothing was changed, nothing taken away.
    with tf.Graph().as_default() as graph:
        with tf.variable_scope("m"):
            table = model.build()["table"]
        with tf.Session(cluster.target, graph) as session:
            np.testing.assert_array_equal(session.run(table), table_values()["table"])
    with lr.restore([other], target=cluster.target) as restored:
        assert restored.check().ok


def test_a_reset_clears_what_the_cluster_holds(kind, cluster, tmp_path):
    model = spread_model(cluster, kind, tmp_path)
    lr.restore([model], target=cluster.target, state="shared").close()
    other = spread_model(cluster, kind, tmp_path, 4, "n")
    with lr.restore([other], target=cluster.target, state="reset") as restored:
        assert restored.check().ok
        assert "cleared" in str(restored.report)
        assert without_values(cluster, model.build) == ALL_PARTS
        assert without_values(cluster, model.build, "n") == []


@pytest.mark.parametrize("fault", ["device", "pattern"])
def test_a_reset_that_is_refused_clears_nothing(kind, cluster, tmp_path, fault):
    model = spread_model(cluster, kind, tmp_path)
    lr.restore([model], target=cluster.target, state="shared").close()
    places = {"device": ("n", "/job:ps/task:0/device:GPU:3"), "pattern": ("n[1]", None)}
    directory, device = places[fault]
    prefix = write(tmp_path / directory / "model.ckpt", linear_values())
    other = lr.Model("n", linear(kind), prefix, device=device)
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([other], target=cluster.target, state="reset")
    expected = {"device": "device-missing", "pattern": "path-is-pattern"}
    assert ids(caught.value.findings) == [expected[fault]]
    assert without_values(cluster, model.build) == []


def test_a_lookup_table_that_is_there_is_refused(cluster, tmp_path):
    def build():
        with tf.device("/job:ps/task:0"):
            # Those of tf.lookup have names of their own in each graph.
            table = tf.raw_ops.HashTableV2(
                key_dtype=tf.string, value_dtype=tf.int32, shared_name="words"
            )
            keys = tf.constant(["a"])
            fill = tf.raw_ops.InitializeTableV2(
                table_handle=table, keys=keys, values=[1]
            )
            tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, fill)
            found = tf.raw_ops.LookupTableFindV2(
                table_handle=table, keys=keys, default_value=0
            )
        return {"found": found, **linear("resource")()}

    prefix = write(tmp_path / "model.ckpt", linear_values())
    model = lr.Model("m", build, prefix, device="/job:ps/task:0")
    with lr.restore([model], target=cluster.target, state="shared") as restored:
        assert restored["m"](x=X)["found"].tolist() == [1]
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([model], target=cluster.target, state="shared")
    assert len(of_id(caught.value.findings, "name-in-cluster")) == 3


def failing(build):
    """The builder with one variable more, whose initialiser fails."""

    def build_failing():
        outputs = build()
        wrong = tf.check_numerics(tf.constant([1.0]) / [0.0], "not finite")
        with tf.device("/job:ps/task:1"):
            tf.get_variable("late", initializer=wrong)
        return outputs

    return build_failing


def failing_model(cluster, kind, tmp_path):
    model = spread_model(cluster, kind, tmp_path)
    return lr.Model("m", failing(model.build), model.checkpoint, allow_missing=["late"])


@pytest.mark.parametrize("state", ["isolated", "shared", "reset"])
def test_a_damaged_byte_leaves_nothing_in_the_cluster(kind, cluster, tmp_path, state):
    model = spread_model(cluster, kind, tmp_path)
    damage(model.checkpoint, "table")
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([model], target=cluster.target, state=state)
    assert ids(caught.value.findings) == ["tensor-corrupt"]
    assert without_values(cluster, model.build) == ALL_PARTS


def test_a_failed_initialiser_leaves_nothing_but_what_is_named(kind, cluster, tmp_path):
    model = failing_model(cluster, kind, tmp_path)
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([model], target=cluster.target, state="shared")
    found = caught.value.findings
    left = sorted(one.subject for one in of_id(found, "state-left"))
    empty = without_values(cluster, model.build)
    assert left == ([] if kind == "resource" else ALL_PARTS)
    assert sorted([*left, *empty]) == sorted([*ALL_PARTS, "m/late"])
    assert of_id(found, "initializer-failed")
    # The next restore finds and names what is left, and a reset takes it away.
    good = spread_model(cluster, kind, tmp_path)
    if kind == "ref":
        with pytest.raises(errors.RestoreError) as caught:
            lr.restore([good], target=cluster.target, state="shared")
        assert set(ids(caught.value.findings)) == {"name-in-cluster"}
    with lr.restore([good], target=cluster.target, state="reset") as restored:
        assert restored.check().ok


@pytest.mark.parametrize("state", ["isolated", "reset"])
def test_after_a_failure_nothing_is_left_at_all(kind, cluster, tmp_path, state):
    model = failing_model(cluster, kind, tmp_path)
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([model], target=cluster.target, state=state)
    assert ids(caught.value.findings) == ["initializer-failed"]
    assert len(without_values(cluster, model.build)) == len(ALL_PARTS) + 1


# The caller's config.


@pytest.mark.parametrize("is_isolated", [True, False])
def test_a_config_decides_and_the_report_says_so(cluster, tmp_path, is_isolated):
    model = spread_model(cluster, "resource", tmp_path)
    config = tf.ConfigProto(isolate_session_state=is_isolated)
    with lr.restore([model], target=cluster.target, config=config) as restored:
        said = only(restored.report.findings, "session-state").message
        assert ISOLATED in said
        assert ("alone" in said) is is_isolated
        expected = ALL_PARTS if is_isolated else []
        assert without_values(cluster, model.build) == expected
    assert config == tf.ConfigProto(isolate_session_state=is_isolated)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"target": "localhost:2222"}, "target"),
        ({"target": "nobody-knows://localhost:2222", "timeout": 5}, "target"),
        ({"target": 7}, "target"),
        ({"state": "shared"}, "clusters"),
        ({"timeout": 3}, "clusters"),
        ({"target": "grpc://localhost:2222", "state": "mine"}, "isolated"),
        ({"target": "grpc://localhost:2222", "timeout": -1}, "seconds"),
        ({"target": "grpc://localhost:2222", "timeout": "3"}, "seconds"),
        ({"target": "grpc://localhost:2222", "timeout": 1e12}, "seconds"),
        (
            {
                "target": "grpc://localhost:2222",
                "state": "isolated",
                "config": tf.ConfigProto(),
            },
            ISOLATED,
        ),
    ],
)
def test_arguments_that_cannot_be_meant(tmp_path, more, said):
    model = linear_model("ref", "m", tmp_path)
    with pytest.raises(errors.UsageError) as caught:
        lr.restore([model], **more)
    assert said in str(caught.value)


# Files.


def test_a_file_that_a_task_does_not_see_is_named(kind, cluster, tmp_path, monkeypatch):
    # Each process has another directory under this name.
    monkeypatch.chdir(tmp_path)
    model = spread_model(cluster, kind, tmp_path)
    there = "/proc/self/cwd/m/model.ckpt"
    hidden = lr.Model("m", model.build, there)
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([hidden], target=cluster.target)
    found = of_id(caught.value.findings, "not-visible")
    assert {one.message for one in found} == {
        "/job:ps/task:0 does not see it",
        "/job:ps/task:1 does not see it",
    }
    assert {one.subject for one in found} >= {there + ".index"}
    assert caught.value.exit_code == 3


def test_another_file_under_the_same_path_is_named(
    kind, own_cluster, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    model = spread_model(own_cluster, kind, tmp_path)
    directory = tmp_path / "servers"
    for task in ("worker0", "ps0"):
        (directory / task / "m").symlink_to(tmp_path / "m")
    write(directory / "ps1" / "m" / "model.ckpt", table_values(9))
    hidden = lr.Model("m", model.build, "/proc/self/cwd/m/model.ckpt")
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([hidden], target=own_cluster.target)
    found = only(caught.value.findings, "not-visible")
    assert found.message == "/job:ps/task:1 sees another file there"
    assert found.subject.endswith(".index")


def test_a_swap_and_a_save_that_a_task_cannot_see_change_nothing(
    kind, cluster, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    model = spread_model(cluster, kind, tmp_path)
    write(tmp_path / "other" / "model.ckpt", table_values(5))
    with lr.restore([model], target=cluster.target) as restored:
        with pytest.raises(errors.RestoreError) as caught:
            restored["m"].swap("/proc/self/cwd/other/model.ckpt")
        assert set(ids(caught.value.findings)) == {"not-visible"}
        assert restored.check().ok
        (tmp_path / "out").mkdir()
        with pytest.raises(errors.RestoreError) as caught:
            restored["m"].save("/proc/self/cwd/out/model.ckpt")
        assert set(ids(caught.value.findings)) == {"not-visible"}
        assert os.listdir(str(tmp_path / "out")) == []


def test_a_directory_whose_name_is_a_pattern_is_refused(kind, cluster, tmp_path):
    model = spread_model(cluster, kind, tmp_path / "run[1]")
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([model], target=cluster.target)
    assert ids(caught.value.findings) == ["path-is-pattern"]
    with lr.restore([linear_model(kind, "m", tmp_path / "run[2]")]) as restored:
        assert restored.check().ok


# Tasks that are not there, or die.


def test_a_task_that_never_starts_is_named(servers, tmp_path, soon):
    tasks = [("ps", 0), ("worker", 0)]
    with clusters.cluster_of(servers, tmp_path / "servers", tasks) as cluster:
        model = spread_model(cluster, "resource", tmp_path)
        with pytest.raises(errors.RestoreError) as caught:
            lr.restore([model], target=cluster.target, timeout=1)
        lost = only(caught.value.findings, "task-lost")
        assert lost.subject == "/job:ps/task:1"
        assert "timeout=" in lost.hint
        # Only those that are needed are waited for, if the config says so.
        config = tf.ConfigProto(
            device_filters=["/job:ps/task:0"], isolate_session_state=True
        )
        here = linear_model("resource", "n", tmp_path, device="/job:ps/task:0")
        with lr.restore([here], target=cluster.target, config=config) as restored:
            assert restored.check().ok
        # A task that no model asks for cannot be named, but the rest is said.
        with pytest.raises(errors.RestoreError) as caught:
            lr.restore([here], target=cluster.target, timeout=1)
        assert ids(caught.value.findings) == ["cluster-timeout"]
        cluster.start("ps", 1)
        with lr.restore([model], target=cluster.target) as restored:
            assert restored.check().ok


def test_a_target_that_is_not_there_is_named(tmp_path, soon):
    [port] = clusters._free_ports(1)
    model = linear_model("resource", "m", tmp_path)
    target = f"grpc://127.0.0.1:{port}"
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([model], target=target, timeout=1)
    assert only(caught.value.findings, "task-lost").subject == target


@contextlib.contextmanager
def before_reading(monkeypatch, function):
    """Does something once the session is there, before anything is read."""
    read = restore_lib._read_and_assign

    def read_later(*args):
        function(*args)
        read(*args)

    with monkeypatch.context() as patch:
        patch.setattr(restore_lib, "_read_and_assign", read_later)
        yield


@pytest.mark.parametrize(
    ("number", "state"), [(signal.SIGKILL, "shared"), (signal.SIGSTOP, "isolated")]
)
def test_a_task_that_dies_during_the_restore_is_named(
    kind, own_cluster, tmp_path, monkeypatch, soon, number, state
):
    model = spread_model(own_cluster, kind, tmp_path)

    def die(session, plan):
        session.timeout = 1
        own_cluster.signal("ps", 1, number)

    with before_reading(monkeypatch, die), pytest.raises(errors.RestoreError) as caught:
        lr.restore([model], target=own_cluster.target, state=state)
    assert only(caught.value.findings, "task-lost").subject == "/job:ps/task:1"


def test_a_task_that_stops_answering_later_ends_no_call_silently(
    kind, own_cluster, tmp_path, soon
):
    model = spread_model(own_cluster, kind, tmp_path)
    other = write(tmp_path / "other" / "model.ckpt", table_values(5))
    restored = lr.restore([model], target=own_cluster.target)
    restored.session.timeout = 1
    uses = {
        "ref": [lambda: restored["m"](x=X), lambda: restored["m"].swap(other)],
        "resource": [lambda: restored["m"].save(str(tmp_path / "s")), restored.check],
    }
    with own_cluster.stopped("ps", 1):
        for use in uses[kind]:
            with pytest.raises(errors.RestoreError) as caught:
                use()
            lost = only(caught.value.findings, "task-lost")
            assert lost.subject == "/job:ps/task:1"
        restored.close()


# Devices.


def test_a_job_that_the_cluster_does_not_have_is_named(kind, cluster, tmp_path):
    model = linear_model(kind, "m", tmp_path, device="/job:evaluator/task:0")
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([model], target=cluster.target)
    missing = only(caught.value.findings, "device-missing")
    assert "/job:ps/replica:0/task:1/device:CPU:0" in missing.message
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([model])
    assert "target=" in only(caught.value.findings, "device-missing").hint


# Where it is read and written.


def test_every_part_is_read_and_written_by_the_task_that_holds_it(
    kind, cluster, tmp_path
):
    model = spread_model(cluster, kind, tmp_path)
    plan = lr.plan([model])
    with lr.restore(plan, target=cluster.target) as restored:
        operations = plan.operations
        wanted = operations.restore_operations()
        feeds = operations.feeds({"m": model.checkpoint})
        reads = ran(restored.session, wanted, feeds)
        assert reads["RestoreV2"] == {"/job:ps/task:0", "/job:ps/task:1"}
        [assignment] = {"Assign", "AssignVariableOp"} & set(reads)
        assert reads[assignment] == {"/job:ps/task:0", "/job:ps/task:1"}
        writer = operations.models["m"].writer
        prefix = os.fsencode(str(tmp_path / "written"))
        writes = ran(restored.session, writer.operation, {writer.filename: prefix})
        assert writes["SaveV2"] == {"/job:ps/task:0", "/job:ps/task:1"}
        travelled = [
            tensor
            for tensor in edges_between_tasks(restored.graph)
            if tensor.dtype.base_dtype == tf.float32 and "legacy_restore" in tensor.name
        ]
        assert travelled == []
        # Nor does what the barrier sees of each read.
        seen = [
            (operation.device, operation.inputs[0].device)
            for operation in restored.graph.get_operations()
            if operation.name.startswith("legacy_restore/read")
        ]
        assert len(seen) == 2
        assert all(task_of(one) == task_of(other) != "" for one, other in seen)


def ran(session, fetches, feeds):
    """The tasks on which operations of each type ran in one step."""
    options = tf.RunOptions(
        trace_level=tf.RunOptions.FULL_TRACE, output_partition_graphs=True
    )
    metadata = tf.RunMetadata()
    session.run(fetches, feeds, options=options, run_metadata=metadata)
    found = {}
    for graph in metadata.partition_graphs:
        for node in graph.node:
            task = node.device.partition("/device:")[0].replace("/replica:0", "")
            found.setdefault(node.op, set()).add(task)
    return found


def edges_between_tasks(graph):
    """The tensors that are used by another task than makes them."""
    return [
        tensor
        for operation in graph.get_operations()
        for tensor in operation.inputs
        if operation.device
        and tensor.device
        and task_of(operation.device) != task_of(tensor.device)
    ]


# The command.


def test_the_command_restores_into_a_cluster(cluster):
    result = run(
        "restore",
        *DENOISER,
        "--device=denoiser:/job:ps/task:1",
        f"--target={cluster.target}",
        "--state=shared",
        "--timeout=60",
        "--json",
    )
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    found = document["restore"]["findings"]
    [state] = [one for one in found if one["id"] == "session-state"]
    assert "other sessions see" in state["message"]


def test_a_process_ends_that_has_not_closed_its_session(cluster, tmp_path):
    prefix = write(tmp_path / "model.ckpt", linear_values())
    program = f"""
import legacy_restore as lr
from tests.graph.helpers import linear

model = lr.Model("m", linear("resource"), {prefix!r}, device="/job:ps/task:0")
restored = lr.restore([model], target={cluster.target!r})
print(restored.check().ok)
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=str(ROOT),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert result.stdout == "True\n", result.stderr
    assert result.returncode == 0


@pytest.mark.parametrize("name", ["py_func", "py_func_resource"])
def test_python_functions_of_another_process_are_refused(cluster, name):
    case = saved_case(name)
    model = lr.Model.from_meta_graph(
        "m",
        case.prefix,
        inputs=case.described["inputs"],
        outputs=case.described["outputs"],
        py_functions=case.py_functions,
        trust=True,
    )
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore([model], target=cluster.target)
    assert {one.id for one in caught.value.findings} == {"python-elsewhere"}
    assert "another process" in str(caught.value)
    # A server of this process has them.
    server = tf.train.Server.create_local_server()
    with lr.restore([model], target=server.target) as restored:
        found = restored["m"](case.inputs)
        for key, expected in case.outputs.items():
            np.testing.assert_allclose(found[key], expected, rtol=1e-6)
