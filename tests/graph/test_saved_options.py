"""Saved graphs with resources, replaced operations, and all that is in their file."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.report.findings import errors_of
from legacy_restore.tf import IS_TF1, tf
from tests.importing.test_replacing import bucketize
from tests.samples import sample

# Of each: the checkpoint, its inputs with the arrays for them, its output, its golden.
GOLDENS = {
    "srcnn": (
        ("srcnn", "v1", "SRCNN.model-2550000"),
        {"images": "in:images"},
        "add_2",
        ("srcnn", "out:v1_2550000"),
    ),
    "mnist": (
        ("mnist_ema", "mnist_model-64004"),
        {"Placeholder": "in:mnist64"},
        "add_1",
        ("mnist_ema", "out:raw_64004_mnist64"),
    ),
    "char_rnn": (
        ("char_rnn", "tf1_2", "model-85340"),
        {"validation/inputs": "in:seqb"},
        "validation/softmax/Softmax",
        ("char_rnn", "out:tf12_meta_probs"),
    ),
}


def golden(name):
    """Returns a file's prefix, its inputs, output, arrays to feed and to expect."""
    parts, fed, output, (folder, key) = GOLDENS[name]
    prefix = sample(*parts[:-1], parts[-1] + ".meta")[: -len(".meta")]
    arrays = np.load(sample(folder, "golden.npz"))
    feeds = {tensor: arrays[array] for tensor, array in fed.items()}
    return prefix, output, feeds, arrays[key]


def kinds(restored, name):
    return {one.op.type for one in restored[name].variables}


@pytest.mark.parametrize("name", sorted(GOLDENS))
def test_goldens_come_out_with_refs_resources_and_whole_graphs(name):
    prefix, output, feeds, expected = golden(name)
    asked = {"inputs": {one: one for one in feeds}, "outputs": {"y": output}}
    kept = lr.Model.from_meta_graph("kept", prefix, **asked)
    resource = lr.Model.from_meta_graph(
        "resource", prefix, variables="resource", **asked
    )
    whole = lr.Model.from_meta_graph("whole", prefix, prune=False, **asked)
    with lr.restore([kept, resource, whole]) as restored:
        for model in restored:
            found = restored[model](feeds)["y"]
            np.testing.assert_allclose(
                found.reshape(expected.shape), expected, atol=1e-5, err_msg=model
            )
        restored.check().raise_if_failed()
        assert kinds(restored, "resource") == {"VarHandleOp"}
        assert not kinds(restored, "kept") & {"VarHandleOp"}
        operations = [one.name.split("/")[0] for one in restored.graph.get_operations()]
        assert operations.count("kept") < operations.count("whole") / 2


@pytest.mark.parametrize("variables", ["keep", "resource"])
def test_a_variable_may_be_an_output(variables):
    prefix, _, _, _ = golden("srcnn")
    model = lr.Model.from_meta_graph(
        "m", prefix, variables=variables, outputs={"w": "w1", "read": "w1/read"}
    )
    with lr.restore([model]) as restored, lr.open_checkpoint(prefix) as checkpoint:
        found = restored["m"]()
        for value in found.values():
            np.testing.assert_array_equal(value, checkpoint["w1"])


def test_training_cannot_become_resources():
    prefix, output, _, _ = golden("mnist")
    model = lr.Model.from_meta_graph(
        "m", prefix, variables="resource", prune=False, outputs={"y": output}
    )
    with pytest.raises(errors.LegacyRestoreError) as raised:
        lr.restore([model])
    found = [one for one in raised.value.findings if one.id == "ref-written"]
    assert found and all(one.model == "m" for one in found)


def taxi(**options):
    return lr.Model.from_saved_model(
        "taxi", sample("taxi_estimator", "saved_model"), **options
    )


@pytest.mark.skipif(IS_TF1, reason="TensorFlow 1 has the operation")
def test_the_taxi_model_is_refused_for_the_operation_that_it_lacks():
    with pytest.raises(errors.LegacyRestoreError) as raised:
        lr.restore([taxi()])
    assert "BucketizeWithInputBoundaries" in str(raised.value)
    assert raised.value.exit_code == errors.EXIT_INPUT
    assert "operation-unknown" in [one.id for one in raised.value.findings]


def trip(**features):
    """Returns a serialised tf.Example."""
    found = tf.train.Example()
    for name, value in features.items():
        feature = found.features.feature[name]
        if isinstance(value, bytes):
            feature.bytes_list.value.append(value)
        elif isinstance(value, int):
            feature.int64_list.value.append(value)
        else:
            feature.float_list.value.append(value)
    return found.SerializeToString()


TRIPS = [
    trip(),
    trip(
        trip_miles=1.5,
        fare=8.25,
        trip_seconds=420.0,
        pickup_latitude=41.88,
        pickup_longitude=-87.63,
        dropoff_latitude=41.9,
        dropoff_longitude=-87.62,
        trip_start_hour=17,
        trip_start_day=5,
        trip_start_month=6,
        payment_type=b"Cash",
        company=b"0118 - 42111 Godfrey S.Awir",
    ),
    trip(
        trip_miles=17.2,
        fare=43.5,
        trip_seconds=2400.0,
        pickup_latitude=41.98,
        pickup_longitude=-87.9,
        payment_type=b"Credit Card",
    ),
]

# What the operation itself, in TensorFlow 1.15.5, gave for these.
TRIP_SCORES = [0.2332627, 0.1391100, 0.5689399]


def test_the_taxi_model_runs_with_what_is_built_in_its_place():
    model = taxi(op_replacements={"BucketizeWithInputBoundaries": bucketize})
    with lr.restore([model]) as restored:
        restored.check().raise_if_failed()
        (key,) = restored["taxi"].inputs
        scores = restored["taxi"]({key: TRIPS})["scores"]
    np.testing.assert_allclose(scores[:, 1], TRIP_SCORES, atol=1e-6)
    if not IS_TF1:
        return
    with lr.restore([taxi()]) as restored:
        original = restored["taxi"]({key: TRIPS})["scores"]
    np.testing.assert_array_equal(scores, original)


# Hostile files.


def saved_by(tmp_path, build, kind):
    """Writes a graph with a Saver and its checkpoint; returns the prefix."""
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        with tf.variable_scope("", use_resource=kind == "resource"):
            build()
        session.run(tf.global_variables_initializer())
        return tf.train.Saver().save(session, str(tmp_path / "model"))


@pytest.mark.parametrize("kind", ["ref", "resource"])
def test_a_checkpoint_names_no_file_for_a_table(tmp_path, kind):
    secret = tmp_path / "secret.txt"
    secret.write_text("one", encoding="utf-8")

    def build():
        path = tf.get_variable("path", initializer=tf.constant(str(secret)))
        table = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
        fill = tf.raw_ops.InitializeTableFromTextFileV2(
            table_handle=table, filename=path, key_index=-2, value_index=-1
        )
        tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, fill)
        tf.add_to_collection("asset_filepaths", path.initial_value)
        tf.raw_ops.LookupTableSizeV2(table_handle=table, name="size")

    prefix = saved_by(tmp_path, build, kind)
    model = lr.Model.from_meta_graph("m", prefix, outputs={"size": "size"})
    with pytest.raises(errors.BuildError) as caught:
        lr.plan([model])
    assert [one.id for one in errors_of(caught.value.findings)] == ["needs-trust"]


def broken(change):
    """A graph in which something contradicts what its operations are."""
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [2], name="x")
        tf.identity(tf.get_variable("w", [2]) * x, name="y")
        meta_graph = tf.train.export_meta_graph()
    nodes = {node.name: node for node in meta_graph.graph_def.node}
    change(nodes)
    return meta_graph


@pytest.mark.parametrize(
    "change",
    [
        lambda nodes: nodes["w"].attr["dtype"].ClearField("type"),
        lambda nodes: nodes["y"].ClearField("input"),
        lambda nodes: setattr(nodes["x"], "name", ""),
        lambda nodes: setattr(nodes["mul"], "op", ""),
        lambda nodes: nodes["w/Assign"].ClearField("input"),
        lambda nodes: nodes["x"].attr["shape"].shape.dim.add(size=-7),
    ],
)
def test_a_graph_that_contradicts_itself_is_refused(tmp_path, change):
    path = tmp_path / "model.meta"
    path.write_bytes(broken(change).SerializeToString())
    model = lr.Model.from_meta_graph(
        "m", None, meta_graph=str(path), outputs={"y": "y"}, prune=False
    )
    with pytest.raises(errors.BuildError) as caught:
        lr.plan([model])
    assert errors_of(caught.value.findings)
