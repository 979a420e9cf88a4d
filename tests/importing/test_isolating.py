"""Each name of a session's gets the scope, and no model gains or loses a resource."""

import contextlib

import numpy as np
import pytest
from tensorflow.python.eager import def_function
from tensorflow.python.framework import function as tf1_function
from tensorflow.python.ops import control_flow_util

from legacy_restore.graphdef import op_registry
from legacy_restore.importing.function_names import rename_functions
from legacy_restore.importing.isolating import ANONYMOUS, isolate
from legacy_restore.importing.op_defs import OpDefs, registered
from legacy_restore.tf import tf
from tests.importing.resource_kinds import KINDS
from tests.importing.saved import copied, imported, run, saved


def prepared(meta_graph, scope):
    found = isolate(copied(meta_graph), scope, OpDefs(meta_graph))
    return rename_functions(found, scope)


def isolated_node(op, name="n", scope="m", **attributes):
    meta_graph = tf.MetaGraphDef()
    node = meta_graph.graph_def.node.add(op=op, name=name)
    for key, value in attributes.items():
        node.attr[key].s = value
    return isolate(meta_graph, scope, OpDefs(meta_graph)).graph_def.node[0]


# Attributes, operation by operation.


def operations_with(attribute):
    found = []
    for name in sorted(op_registry._releases()):
        op_def = registered(name)
        if op_def and any(one.name == attribute for one in op_def.attr):
            found.append(name)
    return found


def test_every_operation_with_a_shared_name_gets_the_scope():
    names = operations_with("shared_name")
    assert len(names) > 60
    assert {"VarHandleOp", "VariableV2", "FIFOQueueV2", "IteratorV2"} < set(names)
    for op in names:
        node = isolated_node(op, shared_name=b"x/y", container=b"c")
        assert node.attr["shared_name"].s == b"m/x/y"
        assert node.attr["container"].s == b"c"
        assert node.name == "n"


def test_an_empty_name_stays_empty():
    for op in operations_with("shared_name"):
        if op != "VarHandleOp":
            node = isolated_node(op, shared_name=b"")
            assert node.attr["shared_name"].s == b""
            assert "shared_name" not in isolated_node(op).attr


def test_variables_of_the_empty_name_stay_one():
    assert isolated_node("VarHandleOp").attr["shared_name"].s == b"m/"
    assert isolated_node("VarHandleOp", shared_name=b"").attr["shared_name"].s == b"m/"


@pytest.mark.parametrize("op", ["VarHandleOp", "IteratorV2"])
def test_what_has_no_name_at_all_stays_anonymous(op):
    assert isolated_node(op, shared_name=ANONYMOUS).attr["shared_name"].s == ANONYMOUS


def test_other_names_of_a_session_get_the_scope():
    for op in operations_with("var_name"):
        assert isolated_node(op, var_name=b"v").attr["var_name"].s == b"m/v"
    for op in ("Enter", "RefEnter"):
        assert isolated_node(op, frame_name=b"f").attr["frame_name"].s == b"m/f"
    for op in ("_Send", "_Recv", "_HostSend", "_HostRecv"):
        node = isolated_node(op, tensor_name=b"t", send_device=b"d")
        assert node.attr["tensor_name"].s == b"m/t"


def test_what_is_no_name_of_a_session_stays():
    node = isolated_node("DebugIdentity", tensor_name=b"t")
    assert node.attr["tensor_name"].s == b"t"
    node = isolated_node("TextLineReaderV2", name="r", container=b"c")
    assert node.attr["container"].s == b"c"


@pytest.mark.parametrize(
    "op, name, expected",
    [
        ("IdentityN", b"CustomGradient-5", b"m/CustomGradient-5"),
        ("PartitionedCall", b"PartitionedCall-17", b"m/PartitionedCall-17"),
        ("StatefulPartitionedCall", b"StatefulPartitionedCall-1", None),
        ("Sign", b"StraightThrough", b"StraightThrough"),
    ],
)
def test_gradients_that_are_counted_are_no_other_processes(op, name, expected):
    node = isolated_node(op, _gradient_op_type=name)
    assert node.attr["_gradient_op_type"].s == (expected or b"m/" + name)


# What runs.


@contextlib.contextmanager
def control_flow(monkeypatch, v2):
    with monkeypatch.context() as patch:
        patch.setattr(control_flow_util, "ENABLE_CONTROL_FLOW_V2", v2)
        yield


def in_a_graph(make, shared_name):
    def build():
        for number, node in enumerate(["p", "q"]):
            tf.identity(make(node, shared_name), name=f"out_{number}")

    return build


def in_functions(make, shared_name):
    """Two functions with a node of one name; the first is called twice."""

    def build():
        one = def_function.function(lambda: make("q", shared_name))
        other = def_function.function(lambda: make("q", shared_name))
        for number, function in enumerate([one, one, other]):
            tf.identity(function(), name=f"out_{number}")

    return build


def in_old_functions(make, shared_name):
    def build():
        defuns = [
            tf1_function.Defun(func_name=name)(lambda: make("q", shared_name))
            for name in ("one", "other")
        ]
        for number, function in enumerate([defuns[0], defuns[0], defuns[1]]):
            tf.identity(function(), name=f"out_{number}")

    return build


def in_branches(make, shared_name):
    """The bodies of branches take the place of their calls, under longer names."""

    def build():
        for number in range(2):
            is_true = tf.placeholder_with_default(True, [])
            branch = lambda: make("q", shared_name)  # noqa: E731
            tf.identity(tf.cond(is_true, branch, branch), name=f"out_{number}")

    return build


PLACES = [in_a_graph, in_functions, in_old_functions, in_branches]


@pytest.mark.parametrize("name", ["", "s"])
@pytest.mark.parametrize("place", PLACES, ids=lambda one: one.__name__)
def test_each_of_two_models_runs_as_it_does_alone(place, name, monkeypatch):
    """For every kind of resource: one file, twice, beside what stock gives of it."""
    for kind, make in KINDS.items():
        with control_flow(monkeypatch, v2=place is in_branches):
            meta_graph = saved(place(make, name))
        nodes = [node.name for node in meta_graph.graph_def.node]
        outputs = sorted(f"{one}:0" for one in nodes if one.startswith("out_"))
        alone = run(imported({"": meta_graph}), outputs, times=2)
        both = imported({one: prepared(meta_graph, one) for one in ("m", "n")})
        names = [f"{scope}/{one}" for scope in ("m", "n") for one in outputs]
        found = run(both, names, times=2)
        expected = [[*row, *row] for row in alone]
        assert found == expected, (kind, place.__name__, name)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_stock_makes_one_of_two_models_resources(kind):
    """The reason for all this: a name that is set is the same in every scope."""
    meta_graph = saved(in_a_graph(KINDS[kind], "s"))
    stock = imported({"m": meta_graph, "n": meta_graph})
    assert run(stock, ["m/out_0:0", "n/out_0:0"]) == [[1, 2]]
    ours = imported({one: prepared(meta_graph, one) for one in ("m", "n")})
    assert run(ours, ["m/out_0:0", "n/out_0:0"]) == [[1, 1]]


@pytest.mark.parametrize("kind", ["table_of_its_node", "staging_area"])
def test_stock_makes_one_of_what_has_no_name_in_functions(kind):
    """The functions have different names, so that both models can be imported."""

    def build(name):
        def make():
            function = tf1_function.Defun(func_name=name)(lambda: KINDS[kind]("q"))
            tf.identity(function(), name="out")

        return saved(make)

    models = {"m": build("f"), "n": build("g")}
    assert run(imported(models), ["m/out:0", "n/out:0"]) == [[1, 2]]
    ours = {name: prepared(one, name) for name, one in models.items()}
    assert run(imported(ours), ["m/out:0", "n/out:0"]) == [[1, 1]]


def test_a_custom_gradient_is_none_of_another_process():
    """Stock takes whatever this process has registered under the number."""

    @tf.custom_gradient
    def hundredfold(x):
        return tf.identity(x), lambda dy: dy * 100

    def build():
        x = tf.placeholder_with_default(tf.constant(3.0), [], name="x")
        tf.identity(hundredfold(x), name="out")

    # As if it had been written elsewhere, with another function of that number.
    meta_graph = saved(build)
    for model, expected in ((meta_graph, 100.0), (prepared(meta_graph, "m"), None)):
        graph = imported({"m": model})
        ends = [graph.get_tensor_by_name(f"m/{one}:0") for one in ("out", "x")]
        with graph.as_default():
            if expected is None:
                with pytest.raises(LookupError):
                    tf.gradients(*ends)
            else:
                assert run(graph, tf.gradients(*ends)) == [[expected]]


def loop(times):
    def build():
        x = tf.placeholder_with_default(tf.constant(2.0), [])
        _, found = tf.while_loop(
            lambda n, y: n < times, lambda n, y: (n + 1, y * x), [0, tf.constant(1.0)]
        )
        tf.identity(found, name="out")

    return build


def test_loops_of_one_name_run_side_by_side(monkeypatch):
    with control_flow(monkeypatch, v2=False):
        models = {"m": saved(loop(3)), "n": saved(loop(6))}
    names = [f"{name}/out:0" for name in models]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid loop structure"):
        run(imported(models), [names])
    ours = {name: prepared(one, name) for name, one in models.items()}
    assert run(imported(ours), [names]) == [[[8.0, 64.0]]]


def test_temporary_variables_are_found_again(monkeypatch):
    """Stock renames the one that makes it, and not what the other looks for."""

    def build():
        ref = tf.raw_ops.TemporaryVariable(shape=[], dtype=tf.float32, name="t")
        given = tf.raw_ops.Assign(ref=ref, value=tf.constant(3.0))
        found = tf.raw_ops.DestroyTemporaryVariable(ref=given, var_name="t")
        tf.identity(found, name="out")

    meta_graph = saved(build)
    assert run(imported({"": meta_graph}), ["out:0"]) == [[3.0]]
    with pytest.raises(tf.errors.NotFoundError):
        run(imported({"m": meta_graph}), ["m/out:0"])
    ours = {name: prepared(meta_graph, name) for name in ("m", "n")}
    assert run(imported(ours), [["m/out:0", "n/out:0"]]) == [[[3.0, 3.0]]]


def test_sparse_tensors_are_taken_from_their_own_map():
    """What takes them out names the operation that put them in, in its attribute."""

    def build():
        handle = tf.raw_ops.AddSparseToTensorsMap(
            sparse_indices=tf.constant([[0]], tf.int64),
            sparse_values=tf.constant([7.0]),
            sparse_shape=tf.constant([1], tf.int64),
            name="add",
        )
        taken = tf.raw_ops.TakeManySparseFromTensorsMap(
            sparse_handles=tf.reshape(handle, [1]),
            dtype=tf.float32,
            shared_name="add",
        )
        tf.identity(taken.sparse_values, name="out")

    meta_graph = saved(build)
    with pytest.raises(tf.errors.OpError):
        run(imported({"m": meta_graph}), ["m/out:0"])
    ours = {name: prepared(meta_graph, name) for name in ("m", "n")}
    found = run(imported(ours), ["m/out:0", "n/out:0"])
    np.testing.assert_array_equal(found, [[[7.0], [7.0]]])


def test_nodes_of_functions_keep_what_they_refer_to():
    """Inputs, control inputs, places and results; a new name may be there already."""

    def build():
        @tf1_function.Defun(tf.float32, func_name="f")
        def function(x):
            with tf.name_scope("m"):
                other = tf.identity(x, name="q")
            counted = KINDS["table_of_its_node"]("q")
            with tf.colocate_with(other.op), tf.control_dependencies([counted]):
                return tf.add(tf.cast(counted, tf.float32), other, name="m/sum")

        tf.identity(function(tf.constant(10.0)), name="out")

    meta_graph = saved(build)
    assert run(imported({"": meta_graph}), ["out:0"]) == [[11.0]]
    ours = prepared(meta_graph, "m")
    [body] = ours.graph_def.library.function
    names = [node.name for node in body.node_def]
    assert {"m/q", "m/m/q"} <= set(names)
    assert len(set(names)) == len(names)
    places = [
        place
        for node in body.node_def
        if "_class" in node.attr
        for place in node.attr["_class"].list.s
    ]
    assert set(places) == {b"loc:@m/m/q"}
    both = {"m": ours, "n": prepared(meta_graph, "n")}
    assert run(imported(both), ["m/out:0", "n/out:0"], times=2) == [
        [11.0] * 2,
        [12.0] * 2,
    ]


def test_functions_without_resources_keep_their_nodes():
    def build():
        f = tf1_function.Defun(tf.float32, func_name="f")(lambda x: x * 2.0)
        tf.identity(f(tf.constant(1.0)), name="out")

    meta_graph = saved(build)
    [before] = meta_graph.graph_def.library.function
    [after] = isolate(
        copied(meta_graph), "m", OpDefs(meta_graph)
    ).graph_def.library.function
    assert after == before
