import numpy as np

from legacy_restore.importing.needed import needed_for
from legacy_restore.importing.pruning import prune
from legacy_restore.tf import VariableDef, tf
from tests.importing.graphs import (
    control_flow_v1,
    exported,
    imported,
    interface,
    names,
    run,
)


def pruned(meta_graph, outputs, inputs=()):
    kept = needed_for(meta_graph, interface(outputs, inputs))
    return prune(meta_graph, kept.nodes, kept.cuts)


def trained_graph(use_resource):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        with tf.variable_scope("net", use_resource=use_resource):
            w = tf.get_variable("w", [2, 1])
            tf.get_variable("other", [1], collections=["variables", "mine"])
        y = tf.matmul(x, w, name="y")
        tf.train.AdamOptimizer().minimize(tf.reduce_mean(y))
        tf.add_to_collection("outputs", y)
        tf.add_to_collection("outputs", tf.constant(1.0, name="nothing"))
        tf.train.Saver()
        meta_graph = exported(graph)
        meta_graph.saver_def.CopyFrom(tf.train.Saver().as_saver_def())
    return meta_graph


def test_collections_signatures_and_savers_follow():
    for use_resource in (False, True):
        meta_graph = trained_graph(use_resource)
        for name, tensor in (("good", "y:0"), ("gone", "nothing:0")):
            meta_graph.signature_def[name].outputs["y"].name = tensor
        before = len(meta_graph.graph_def.node)
        left = pruned(meta_graph, ["y:0"], ["x:0"])
        assert len(left.graph_def.node) < before / 5
        assert list(left.signature_def) == ["good"]
        assert not left.HasField("saver_def")
        assert list(left.collection_def["outputs"].node_list.value) == ["y:0"]
        assert "mine" not in left.collection_def
        for key in ("variables", "trainable_variables"):
            values = left.collection_def[key].bytes_list.value
            found = [VariableDef.FromString(one).variable_name for one in values]
            assert found == ["net/w:0"]
        imported(left)


def test_colocation_with_what_is_gone_goes_too():
    with tf.Graph().as_default() as graph:
        gone = tf.constant(1.0, name="gone")
        with tf.colocate_with(gone):
            tf.constant(2.0, name="stays")
    left = pruned(exported(graph), ["stays:0"])
    assert names(left) == {"stays"}
    assert "_class" not in left.graph_def.node[0].attr
    imported(left)


def defun_graph():
    from tensorflow.python.framework import function

    @function.Defun(tf.float32, tf.float32)
    def gradient_of_square(x, dy):
        return 3.0 * x * dy

    @function.Defun(tf.float32, grad_func=gradient_of_square)
    def square(x):
        return x * x

    @function.Defun(tf.float32)
    def calls_square(x):
        return square(x) + 1.0

    @function.Defun(tf.float32)
    def unused(x):
        return x - 1.0

    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [], name="x")
        tf.identity(calls_square(x), name="y")
        tf.identity(unused(x), name="z")
    return exported(graph)


def test_functions_stay_that_can_be_reached_with_their_gradients():
    meta_graph = defun_graph()
    assert len(meta_graph.graph_def.library.function) == 4
    left = pruned(meta_graph, ["y:0"], ["x:0"])
    library = left.graph_def.library
    found = {one.signature.name.rpartition("_")[0] for one in library.function}
    assert len(library.function) == 3
    assert not any("unused" in one for one in found)
    assert len(library.gradient) == 1
    assert run(imported(left), "m/y:0", {"m/x:0": 3.0}) == 10.0


def loop_graph():
    """A loop with two variables of its own, one of which nothing reads."""
    with control_flow_v1(), tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [], name="x")

        def body(i, value, other):
            return i + 1, value * x, other + 1.0

        _, power, other = tf.while_loop(
            lambda i, *_: i < 3, body, [tf.constant(0), 1.0, 0.0], name="loop"
        )
        tf.identity(power, name="power")
        tf.identity(other, name="other")
        tf.gradients(power, x, name="grad")
    return exported(graph)


def test_loops_turn_without_variables_that_nothing_reads():
    meta_graph = loop_graph()
    before = names(meta_graph)
    left = pruned(meta_graph, ["power:0"], ["x:0"])
    assert {"loop/Enter", "loop/Enter_1"} <= names(left)
    assert "loop/Enter_2" in before - names(left)
    assert not any(one.startswith("grad") for one in names(left))
    assert run(imported(left), "m/power:0", {"m/x:0": 2.0}) == 8.0


def test_whole_graphs_of_random_operations_compute_the_same():
    """What is left computes what the whole graph does, whatever is asked for."""
    random = np.random.RandomState(7)
    for _ in range(10):
        with tf.Graph().as_default() as graph:
            tensors = [tf.placeholder(tf.float32, [], name="x")]
            for number in range(30):
                first, second = (
                    tensors[random.randint(len(tensors))] for _ in range(2)
                )
                waits = tensors[random.randint(len(tensors))]
                with tf.control_dependencies([waits]):
                    tensors.append(tf.add(first, second * 0.5, name=f"t{number}"))
        asked = [f"t{random.randint(30)}:0" for _ in range(2)]
        meta_graph = exported(graph)
        whole = run(imported(meta_graph), [f"m/{one}" for one in asked], {"m/x:0": 1.0})
        left = pruned(meta_graph, asked, ["x:0"])
        part = run(imported(left), [f"m/{one}" for one in asked], {"m/x:0": 1.0})
        assert whole == part
