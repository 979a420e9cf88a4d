import collections

import numpy as np
import pytest

from legacy_restore.importing.needed import after_cuts, needed_for
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.pruning import prune
from legacy_restore.importing.ref_to_resource import to_resource, value_nodes
from legacy_restore.importing.repairing import repair
from legacy_restore.tf import VariableDef, tf
from tests.importing.graphs import (
    control_flow_v1,
    exported,
    imported,
    interface,
    names,
    node,
    run,
)
from tests.importing.sample_graphs import META_GRAPHS, interface_of, read_meta_graph
from tests.samples import sample

Found = collections.namedtuple("Found", ["name", "initializer"])


def ref_variable(name, value, **arguments):
    return tf.Variable(value, name=name, use_resource=False, **arguments)


def found_in(meta_graph):
    """Returns the variables of a graph as whoever finds them describes them."""
    return [
        Found(one.name, f"{one.name}/Assign")
        for one in meta_graph.graph_def.node
        if one.op in ("Variable", "VariableV2")
    ]


def converted(meta_graph):
    return to_resource(meta_graph, OpDefs(meta_graph), found_in(meta_graph))


def types(meta_graph):
    return {one.op for one in meta_graph.graph_def.node}


def model_graph():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        w = ref_variable("w", [[1.0], [2.0]])
        b = ref_variable("b", [3.0], trainable=False)
        y = tf.add(tf.matmul(x, w), b._ref(), name="y")
        with tf.colocate_with(w):
            tf.negative(y, name="z")
        tf.raw_ops.IsVariableInitialized(ref=w._ref(), name="is_there")
    return exported(graph)


def test_variables_become_resources_and_compute_the_same():
    meta_graph, findings = converted(model_graph())
    assert not findings
    assert not types(meta_graph) & {"VariableV2", "Assign", "IsVariableInitialized"}
    assert node(meta_graph, "w").op == "VarHandleOp"
    assert node(meta_graph, "w").attr["shared_name"].s == b"w"
    assert node(meta_graph, "w/read").op == "ReadVariableOp"
    assert node(meta_graph, "y").input[1] == "b/Read/ReadVariableOp"
    graph = imported(meta_graph)
    fed = {"m/x:0": [[1.0, 1.0]]}
    with tf.Session(graph=graph) as session:
        assert not session.run("m/is_there:0")
        session.run(["m/w/Assign", "m/b/Assign"])
        assert session.run("m/is_there:0")
        assert session.run("m/z:0", fed).tolist() == [[-6.0]]
        # What is assigned by another operation is read.
        with graph.as_default():
            handle = graph.get_tensor_by_name("m/w:0")
            assign = tf.raw_ops.AssignVariableOp(
                resource=handle, value=tf.constant([[10.0], [20.0]])
            )
        session.run(assign)
        assert session.run("m/z:0", fed).tolist() == [[-33.0]]


def test_definitions_follow():
    meta_graph, _ = converted(model_graph())
    graph = imported(meta_graph)
    values = meta_graph.collection_def["variables"].bytes_list.value
    # What import_meta_graph makes of them; tf.Variable.from_proto makes ref variables.
    from tensorflow.python.framework import ops

    from_proto = ops.get_from_proto_function("variables")
    with graph.as_default():
        found = [
            from_proto(VariableDef.FromString(one), import_scope="m") for one in values
        ]
        now = [one.value() for one in found]
    assert [one.op.name for one in found] == ["m/w", "m/b"]
    assert [one.op.type for one in found] == ["VarHandleOp"] * 2
    assert [one.trainable for one in found] == [True, False]
    assert found[0].shape.as_list() == [2, 1]
    initial = [one.initializer for one in found]
    result = run(graph, now, before=initial)
    assert result[0].tolist() == [[1.0], [2.0]]
    with graph.as_default():
        loss = graph.get_tensor_by_name("m/y:0")
        train = tf.train.GradientDescentOptimizer(1.0).minimize(
            loss, var_list=found[:1]
        )
    with tf.Session(graph=graph) as session:
        session.run(initial)
        session.run(train, {"m/x:0": [[1.0, 1.0]]})
        assert session.run(now[0]).tolist() == [[0.0], [1.0]]


def test_outputs_that_are_variables_are_their_values():
    meta_graph = model_graph()
    asked = interface(["w:0", "y:0"], ["x:0"])
    asked = after_cuts(asked, value_nodes(meta_graph))
    assert [one.tensor for one in asked.main.outputs.values()] == [
        "w/Read/ReadVariableOp:0",
        "y:0",
    ]
    meta_graph, _ = converted(meta_graph)
    assert run(
        imported(meta_graph), "m/w/Read/ReadVariableOp:0", before=["m/w/Assign"]
    ).tolist() == [[1.0], [2.0]]


def assign_add(w):
    tf.assign_add(w, [1.0], name="user")


def scatter(w):
    tf.scatter_update(w, [0], [1.0], name="user")


def assign_again(w):
    tf.assign(w, [1.0], name="user")


def apply(w):
    tf.raw_ops.ApplyGradientDescent(var=w._ref(), alpha=1.0, delta=[1.0], name="user")


def ref_identity(w):
    tf.raw_ops.RefIdentity(input=w._ref(), name="user")


def ref_switch(w):
    tf.raw_ops.RefSwitch(data=w._ref(), pred=True, name="user")


def ref_enter(w):
    tf.raw_ops.RefEnter(data=w._ref(), frame_name="f", name="user")


@pytest.mark.parametrize(
    "use",
    [assign_add, scatter, assign_again, apply, ref_identity, ref_switch, ref_enter],
)
def test_whoever_takes_the_reference_is_named(use):
    with tf.Graph().as_default() as graph:
        use(ref_variable("w", [1.0]))
        tf.identity(ref_variable("good", [1.0]), name="y")
    meta_graph, (error,) = converted(exported(graph))
    assert error.id == "ref-written" and error.is_error and error.subject == "w"
    user = node(meta_graph, "user").op
    assert f"user ({user})" in error.message
    assert node(meta_graph, "w").op == "VariableV2"
    assert node(meta_graph, "good").op == "VarHandleOp"
    imported(meta_graph)


def test_reading_what_an_initialiser_gives_is_refused():
    with tf.Graph().as_default() as graph:
        w = ref_variable("w", [1.0])
        tf.identity(w.initializer.outputs[0], name="user")
    _, (error,) = converted(exported(graph))
    assert "user" in error.message


def test_unknown_operations_may_write():
    with tf.Graph().as_default() as graph:
        tf.negative(ref_variable("w", [1.0])._ref(), name="user")
    meta_graph = exported(graph)
    node(meta_graph, "user").op = "SomebodysOp"
    _, (error,) = converted(meta_graph)
    assert "user (SomebodysOp)" in error.message


def test_variables_of_unknown_shape_are_refused():
    with tf.Graph().as_default() as graph:
        ref_variable(
            "w", tf.placeholder_with_default([1.0], [None]), validate_shape=False
        )
    _, (error,) = converted(exported(graph))
    assert "shape" in error.message


def test_old_variables_take_their_shape_from_the_initial_value():
    meta_graph = model_graph()
    w = node(meta_graph, "w")
    w.op = "Variable"
    w.attr["shape"].shape.Clear()
    del w.attr["_output_shapes"]
    meta_graph, findings = converted(meta_graph)
    assert not findings
    sizes = [one.size for one in node(meta_graph, "w").attr["shape"].shape.dim]
    assert sizes == [2, 1]


def test_reads_in_loops_and_conditions_stay_reads():
    with control_flow_v1(), tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [], name="x")
        w = ref_variable("w", 2.0)
        _, y = tf.while_loop(
            lambda i, _: i < 3, lambda i, value: (i + 1, value * w), [0, x]
        )
        y = tf.cond(x > 0.0, lambda: y + w, lambda: y)
        tf.identity(y, name="y")
    meta_graph = exported(graph)
    kept = needed_for(meta_graph, interface(["y:0"], ["x:0"]))
    meta_graph = prune(meta_graph, kept.nodes | {"w/Assign"})
    meta_graph, findings = converted(meta_graph)
    assert not findings
    found = run(imported(meta_graph), "m/y:0", {"m/x:0": 1.0}, before=["m/w/Assign"])
    assert found == 10.0


def test_reads_wait_for_what_they_waited_for():
    """An Identity that waits for the initialiser gives what that has assigned."""
    with tf.Graph().as_default() as graph:
        w = ref_variable("w", [5.0])
        with tf.control_dependencies([w.initializer]):
            tf.identity(w._ref(), name="after")
    meta_graph, findings = converted(exported(graph))
    assert not findings
    assert run(imported(meta_graph), "m/after:0").tolist() == [5.0]


@pytest.mark.parametrize("name", [one for one in META_GRAPHS if META_GRAPHS[one]])
def test_samples_compute_the_same_with_resources(name):
    """Both kinds get the same values, by their initialisers; outputs are equal."""
    path = sample(*name.split("/"))

    def left(path):
        meta_graph = read_meta_graph(path)
        meta_graph, _ = repair(meta_graph, OpDefs(meta_graph))
        asked = interface_of(meta_graph, META_GRAPHS[name])
        kept = needed_for(meta_graph, asked)
        return prune(meta_graph, kept.nodes)

    refs = left(path)
    resources, findings = converted(left(path))
    assert not findings
    variables = [one.name for one in found_in(refs)]
    assert variables and not found_in(resources)
    assert names(refs) < names(resources)
    ref_graph, resource_graph = imported(refs), imported(resources)
    random = np.random.RandomState(3)
    feeds = {}
    for op in ref_graph.get_operations():
        if op.type == "Placeholder":
            shape = [one.value or 2 for one in op.outputs[0].shape.dims or []]
            kind = op.outputs[0].dtype.as_numpy_dtype
            feeds[op.outputs[0].name] = (3 * random.random_sample(shape)).astype(kind)
    fetches = [f"m/{one}:0" for one in META_GRAPHS[name]]
    results = []
    for graph in (ref_graph, resource_graph):
        values = np.random.RandomState(5)
        with graph.as_default():
            tensors = [graph.get_tensor_by_name(f"m/{one}:0") for one in variables]
            assigned = []
            for number, one in enumerate(tensors):
                reference = ref_graph.get_tensor_by_name(f"m/{variables[number]}:0")
                value = values.standard_normal(reference.shape.as_list()) / 10
                value = value.astype(reference.dtype.base_dtype.as_numpy_dtype)
                if one.dtype == tf.resource:
                    assigned.append(
                        tf.raw_ops.AssignVariableOp(resource=one, value=value)
                    )
                else:
                    assigned.append(tf.raw_ops.Assign(ref=one, value=value).op)
        results.append(run(graph, fetches, feeds, before=[assigned]))
    for expected, found in zip(*results):
        np.testing.assert_array_equal(expected, found)
