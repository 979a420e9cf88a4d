import numpy as np
import pytest

from legacy_restore.importing.needed import needed_for
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.op_libraries import load_contrib
from legacy_restore.importing.pruning import prune
from legacy_restore.importing.repairing import repair
from legacy_restore.importing.replacing import replace_operations
from legacy_restore.importing.unknown_ops import unknown_operations
from legacy_restore.tf import IS_TF1, tf
from tests.importing.graphs import (
    control_flow_v1,
    exported,
    imported,
    interface,
    names,
    node,
    run,
)
from tests.importing.sample_graphs import interface_of, read_meta_graph
from tests.samples import sample


def bucketize(input, boundaries):
    """What BucketizeWithInputBoundaries computes: how many boundaries are passed."""
    passed = tf.greater_equal(input[..., tf.newaxis], tf.cast(boundaries, input.dtype))
    return tf.reduce_sum(tf.cast(passed, tf.int32), axis=-1)


def renamed(meta_graph, op, new, **attributes):
    """Lets an operation of a graph be one that nobody has, with its OpDef."""
    for one in meta_graph.meta_info_def.stripped_op_list.op:
        if one.name == op:
            made = meta_graph.meta_info_def.stripped_op_list.op.add()
            made.CopyFrom(one)
            made.name = new
            for name in attributes:
                made.attr.add(name=name, type="int").default_value.i = 7
            break
    bodies = [one.node_def for one in meta_graph.graph_def.library.function]
    for nodes in [meta_graph.graph_def.node, *bodies]:
        for one in nodes:
            if one.op == op:
                one.op = new
                for name, value in attributes.items():
                    one.attr[name].i = value
    return meta_graph


def replaced(meta_graph, **replacements):
    op_defs = OpDefs(meta_graph)
    return replace_operations(meta_graph, replacements, op_defs)


def scaled_graph():
    """y = Strange(x) + 1, z = Strange(Strange(x)) by tensors of another shape."""
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [3], name="x")
        with tf.device("/cpu:0"), tf.control_dependencies([tf.no_op(name="before")]):
            strange = tf.exp(x, name="strange")
        tf.add(strange, 1.0, name="y")
        tf.exp(tf.exp(x[:1]), name="z")
    return renamed(exported(graph), "Exp", "Strange", factor=3)


def test_builders_get_inputs_and_attributes_by_name_and_outputs_keep_theirs():
    calls = []

    def times(x, factor):
        calls.append((x.shape.as_list(), factor))
        return x * factor

    meta_graph, findings = replaced(scaled_graph(), Strange=times)
    assert not findings
    assert calls == [([3], 3), ([1], 3)]
    assert not unknown_operations(meta_graph, OpDefs(meta_graph))
    graph = imported(meta_graph)
    fed = {"m/x:0": [1.0, 2.0, 3.0]}
    found = run(graph, ["m/y:0", "m/z:0", "m/strange:0"], fed)
    assert [one.tolist() for one in found] == [[4.0, 7.0, 10.0], [9.0], [3.0, 6.0, 9.0]]
    assert graph.get_tensor_by_name("m/y:0").shape.as_list() == [3]
    inner = graph.get_operation_by_name("m/strange/Strange/mul")
    assert inner.device == "/device:CPU:0"
    assert [one.name for one in inner.control_inputs] == ["m/before"]
    with graph.as_default():
        slope = tf.gradients(
            graph.get_tensor_by_name("m/y:0"), graph.get_tensor_by_name("m/x:0")
        )[0]
    assert run(graph, slope, fed).tolist() == [3.0, 3.0, 3.0]


def test_functions_of_the_file_are_replaced_in_too():
    from tensorflow.python.framework import function

    @function.Defun(tf.float32)
    def strange_parts(x):
        first, second = tf.split(tf.exp(x), 2, name="parts")
        return first - second, second

    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [2], name="x")
        first, second = strange_parts(x)
        tf.concat([first, second], 0, name="y")
    meta_graph = renamed(exported(graph), "Exp", "Strange")
    meta_graph = renamed(meta_graph, "Split", "Cut")

    def cut(split_dim, value, num_split):
        assert num_split == 2
        return {"output": [value[:1], value[1:]]}

    meta_graph, findings = replaced(meta_graph, Strange=lambda x: x * 10, Cut=cut)
    assert not findings
    found = run(imported(meta_graph), "m/y:0", {"m/x:0": [5.0, 3.0]})
    assert found.tolist() == [20.0, 30.0]


def test_builders_may_use_functions_and_loops_stay_whole():
    from tensorflow.python.framework import function

    @function.Defun(tf.float32)
    def triple(x):
        return x * 3.0

    with control_flow_v1(), tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [], name="x")
        _, y = tf.while_loop(
            lambda i, _: i < 3, lambda i, value: (i + 1, tf.exp(value)), [0, x]
        )
        tf.identity(y, name="y")
    meta_graph = renamed(exported(graph), "Exp", "Strange")
    # A constant of the builder has to be one of the loop's frame.
    meta_graph, findings = replaced(
        meta_graph, Strange=lambda x: tf.reshape(triple(x), tf.constant([], tf.int32))
    )
    assert not findings
    (name,) = [one.signature.name for one in meta_graph.graph_def.library.function]
    assert name.endswith("_in_place_of_Strange")
    assert run(imported(meta_graph), "m/y:0", {"m/x:0": 2.0}) == 54.0


def test_raw_operations_are_builders():
    def graph_of(op):
        with tf.Graph().as_default() as graph:
            x = tf.placeholder(tf.float32, [2, 2], name="x")
            tf.matmul(x, x, transpose_b=True, name="y")
        return renamed(exported(graph), "MatMul", op)

    def build(**arguments):
        # What the OpDef of a newer TensorFlow has besides.
        known = ("a", "b", "transpose_a", "transpose_b")
        return tf.raw_ops.MatMul(**{one: arguments[one] for one in known})

    fed = {"m/x:0": [[1.0, 2.0], [3.0, 4.0]]}
    meta_graph, findings = replaced(graph_of("Product"), Product=build)
    assert not findings
    found = run(imported(meta_graph), "m/y:0", fed).tolist()
    assert found == run(imported(graph_of("MatMul")), "m/y:0", fed).tolist()


def test_operations_without_outputs_may_be_replaced_by_nothing():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [], name="x")
        check = tf.raw_ops.Assert(condition=x > 0.0, data=[x, x], name="check")
        with tf.control_dependencies([check]):
            tf.identity(x, name="y")
    meta_graph = renamed(exported(graph), "Assert", "Check")
    calls = []
    meta_graph, findings = replaced(meta_graph, Check=lambda **all: calls.append(all))
    assert not findings
    assert sorted(calls[0]) == ["condition", "data", "summarize"]
    assert len(calls[0]["data"]) == 2
    assert run(imported(meta_graph), "m/y:0", {"m/x:0": -1.0}) == -1.0


def test_operations_without_op_def_get_their_inputs_in_order():
    meta_graph = scaled_graph()
    meta_graph.ClearField("meta_info_def")
    meta_graph, findings = replaced(
        meta_graph, Strange=lambda x, factor, **_: x * factor
    )
    # The inner of the two in a row is not known by type when the outer one is built.
    assert [one.id for one in findings] == ["replacement-failed"]
    assert "OpDef" in findings[0].message
    meta_graph = scaled_graph()
    meta_graph.ClearField("meta_info_def")
    meta_graph = prune(meta_graph, {"y"})
    meta_graph, findings = replaced(
        meta_graph, Strange=lambda x, factor, **_: x * factor
    )
    assert not findings
    found = run(imported(meta_graph), "m/y:0", {"m/x:0": [1.0, 2.0, 3.0]})
    assert found.tolist() == [4.0, 7.0, 10.0]


def fails(x, factor):
    raise RuntimeError("no idea\nat all")


@pytest.mark.parametrize(
    "builder, text",
    [
        (fails, "RuntimeError: no idea"),
        (lambda x: x, "TypeError"),
        (lambda x, factor: tf.cast(x, tf.int32), "int32, the operation gives float32"),
        (lambda x, factor: [x, x], "float32, float32, the operation gives float32"),
        (lambda x, factor: None, "nothing, the operation gives float32"),
        (lambda x, factor: {"z": x}, "['z']"),
        (lambda x, factor: tf.stack([x, x]), "shape (2, 3)"),
        (lambda x, factor: x + tf.placeholder(tf.float32, [3]), "nobody would feed"),
        (lambda x, factor: x + tf.get_variable("v", [3]), "nothing would restore"),
        (lambda x, factor: tf.py_func(lambda a: a, [x], tf.float32), "py_func"),
    ],
)
def test_builders_that_do_not_give_what_the_operation_gave_are_refused(builder, text):
    meta_graph, (error,) = replaced(scaled_graph(), Strange=builder)
    assert error.id == "replacement-failed" and error.subject == "Strange"
    assert text in error.message and "at all" not in error.message
    assert node(meta_graph, "strange").op == "Strange"


def test_a_replacement_that_the_file_does_not_need_is_an_error():
    _, (error,) = replaced(scaled_graph(), Strange=lambda x, factor: x, Strang=None)
    assert error.id == "unused-replacement" and error.subject == "Strang"


def test_names_that_are_taken_stay_those_of_the_file():
    meta_graph = scaled_graph()
    meta_graph.graph_def.node.add(name="strange/Strange/mul", op="NoOp")
    meta_graph, _ = replaced(meta_graph, Strange=lambda x, factor: x * factor)
    assert node(meta_graph, "strange/Strange/mul").op == "NoOp"
    assert "strange/Strange_1/mul" in names(meta_graph)
    imported(meta_graph)


@pytest.mark.skipif(not IS_TF1, reason="TensorFlow 1 alone has the operation")
def test_what_stands_in_for_the_contrib_operation_computes_the_same():
    with tf.Graph().as_default() as graph:
        tf.placeholder(tf.float32, [None], name="x")
        tf.constant([0.5, 1.0, 1.0, 4.0], name="limits")
    meta_graph = exported(graph)
    made = meta_graph.graph_def.node.add(name="y", op="BucketizeWithInputBoundaries")
    made.input.extend(["x", "limits"])
    made.attr["T"].type = 1
    load_contrib(meta_graph)
    fed = {"m/x:0": [-1.0, 0.5, 0.75, 1.0, 3.9, 4.0, 9.0]}
    expected = run(imported(meta_graph), "m/y:0", fed)
    meta_graph, findings = replaced(meta_graph, BucketizeWithInputBoundaries=bucketize)
    assert not findings
    assert run(imported(meta_graph), "m/y:0", fed).tolist() == expected.tolist()


def test_the_taxi_model_runs_with_what_stands_in_for_its_contrib_operation():
    meta_graph = read_meta_graph(sample("taxi_estimator", "saved_model"))
    op_defs = OpDefs(meta_graph)
    meta_graph, _ = repair(meta_graph, op_defs)
    strange = [
        one
        for one in meta_graph.graph_def.node
        if one.op == "BucketizeWithInputBoundaries"
    ]
    taken = [(one.name, one.input[0]) for one in strange]
    assert len(taken) > 3
    meta_graph, findings = replace_operations(
        meta_graph, {"BucketizeWithInputBoundaries": bucketize}, op_defs
    )
    assert not findings
    whole = interface_of(meta_graph)
    kept = needed_for(meta_graph, whole)
    imported(prune(meta_graph, kept.nodes, kept.cuts))
    name, given = taken[0]
    meta_graph = prune(meta_graph, needed_for(meta_graph, interface([name])).nodes)
    graph = imported(meta_graph)
    output = graph.get_tensor_by_name(f"m/{name}:0")
    inner = [one for one in graph.get_operations() if one.name.startswith(f"m/{name}/")]
    (boundaries,) = {
        one.name
        for op in inner
        for one in op.inputs
        if not one.name.startswith(f"m/{name}/")
        and not one.name.startswith(f"m/{given}")
    }
    values = np.float32([-1e9, 0.0, 1.0, 1e9])
    limits = run(graph, boundaries)
    with tf.Session(graph=graph) as session:
        given = given if ":" in given else f"{given}:0"
        fed = np.concatenate([values, limits.ravel()]).astype(np.float32)
        found = session.run(output, {f"m/{given}": fed})
    assert found.tolist() == np.searchsorted(limits.ravel(), fed, "right").tolist()
