from legacy_restore.importing.needed import after_cuts, needed_for
from legacy_restore.importing.pruning import prune
from legacy_restore.importing.saved_graph import Interface, Signature, TensorBinding
from legacy_restore.tf import tf
from tests.importing.graphs import (
    exported,
    imported,
    interface,
    names,
    node,
    run,
    signature,
)


def queue_graph():
    """A graph that was trained from a queue: what it computes is batch:0 doubled."""
    with tf.Graph().as_default() as graph:
        queue = tf.FIFOQueue(10, [tf.float32, tf.int32], [[2], []], name="queue")
        images, labels = queue.dequeue_many(4, name="batch")
        tf.add(images, images, name="twice")
        tf.multiply(labels, 10, name="tens")
        tf.placeholder(tf.float32, [None], name="unused")
    return exported(graph)


def test_signatures_keep_what_any_of_them_needs():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [], name="x")
        y = tf.placeholder(tf.float32, [], name="y")
        tf.add(x, 1.0, name="one")
        tf.add(y, 2.0, name="two")
        tf.add(x, 3.0, name="three")
    first = signature("first", ["one:0"], ["x:0"])
    second = signature("second", ["two:0"], ["y:0"])
    both = Interface(first, {"first": first, "second": second})
    kept = needed_for(exported(graph), both)
    assert kept.nodes == {"x", "y", "one", "one/y", "two", "two/y"}
    assert not kept.cuts


def test_the_way_up_stops_at_inputs_and_not_at_defaults():
    with tf.Graph().as_default() as graph:
        start = tf.constant(3.0, name="start")
        x = tf.placeholder_with_default(start, [], name="x")
        tf.negative(x, name="out")
    kept = needed_for(exported(graph), interface(["out:0"], ["x:0"]))
    assert kept.nodes == {"out", "x", "start"}


def test_an_input_that_nothing_needs_is_kept():
    kept = needed_for(queue_graph(), interface(["twice:0"], ["batch:0", "unused:0"]))
    assert "unused" in kept.nodes


def test_a_queue_as_input_becomes_a_placeholder():
    meta_graph = queue_graph()
    asked = interface(["twice:0"], ["batch:0"])
    kept = needed_for(meta_graph, asked)
    assert kept.nodes == {"twice"}
    pruned = prune(meta_graph, kept.nodes, kept.cuts)
    after = after_cuts(asked, kept.cuts)
    assert names(pruned) == {"twice", "batch_0"}
    assert after.main.inputs["batch:0"].tensor == "batch_0:0"
    graph = imported(pruned)
    assert graph.get_tensor_by_name("m/batch_0:0").shape.as_list() == [4, 2]
    fed = {"m/batch_0:0": [[1.0, 2.0]] * 4}
    assert run(graph, "m/twice:0", fed).tolist() == [[2.0, 4.0]] * 4


def test_each_output_of_a_queue_is_cut_off_alone():
    meta_graph = queue_graph()
    asked = interface(["twice:0", "tens:0"], ["batch:0", "batch:1"])
    kept = needed_for(meta_graph, asked)
    pruned = prune(meta_graph, kept.nodes, kept.cuts)
    assert names(pruned) == {"twice", "tens", "tens/y", "batch_0", "batch_1"}
    fed = {"m/batch_1:0": [1, 2, 3, 4]}
    assert run(imported(pruned), "m/tens:0", fed).tolist() == [10, 20, 30, 40]


def test_a_queue_that_another_output_needs_stays():
    meta_graph = queue_graph()
    asked = interface(["twice:0", "tens:0"], ["batch:0"])
    kept = needed_for(meta_graph, asked)
    assert not kept.cuts
    assert "queue" in kept.nodes
    assert after_cuts(asked, kept.cuts) is not None
    graph = imported(prune(meta_graph, kept.nodes, kept.cuts))
    fed = {"m/batch:0": [[1.0, 2.0]] * 4}
    assert run(graph, "m/twice:0", fed).tolist() == [[2.0, 4.0]] * 4


def test_new_placeholders_take_no_name_that_is_there():
    with tf.Graph().as_default() as graph:
        x = tf.constant(1.0, name="x")
        tf.constant(1.0, name="x_0")
        tf.negative(x, name="out")
    kept = needed_for(exported(graph), interface(["out:0"], ["x:0"]))
    assert kept.cuts == {"x:0": "x_0_1"}


def test_control_edges_to_an_input_that_is_no_placeholder_hold():
    with tf.Graph().as_default() as graph:
        with tf.control_dependencies([tf.constant(1.0, name="x")]):
            other = tf.constant(2.0, name="other")
        tf.add(graph.get_tensor_by_name("x:0"), other, name="out")
    kept = needed_for(exported(graph), interface(["out:0"], ["x:0"]))
    assert kept.nodes == {"out", "other", "x"}
    assert not kept.cuts


def test_placeholders_take_shapes_from_signatures_where_nodes_have_none():
    with tf.Graph().as_default() as graph:
        tf.negative(tf.constant([1.0], name="x"), name="out")
    meta_graph = exported(graph)
    for one in meta_graph.graph_def.node:
        del one.attr["_output_shapes"]
    info = meta_graph.signature_def["s"].inputs["x"]
    info.name = "x:0"
    info.dtype = 1
    info.tensor_shape.dim.add().size = 7
    kept = needed_for(meta_graph, interface(["out:0"], ["x:0"]))
    pruned = prune(meta_graph, kept.nodes, kept.cuts)
    made = node(pruned, "x_0")
    assert made.attr["dtype"].type == 1
    assert [one.size for one in made.attr["shape"].shape.dim] == [7]


def test_all_tensors_of_composite_inputs_and_outputs_count():
    with tf.Graph().as_default() as graph:
        sparse = tf.sparse_placeholder(tf.float32, name="s")
        tf.negative(tf.sparse_tensor_to_dense(sparse), name="out")
    meta_graph = exported(graph)
    parts = (sparse.values.name, sparse.indices.name, sparse.dense_shape.name)
    inputs = {"s": TensorBinding("s", parts[0], parts)}
    outputs = {"out": TensorBinding("out", "out:0")}
    kept = needed_for(meta_graph, Interface(Signature("", inputs, outputs)))
    assert {one.partition(":")[0] for one in parts} <= kept.nodes
