import numpy as np

from legacy_restore.importing.contexts import cut_context
from legacy_restore.importing.needed import needed_for
from legacy_restore.importing.pruning import prune
from legacy_restore.tf import CondContextDef, WhileContextDef, tf
from tests.importing.graphs import (
    control_flow_v1,
    exported,
    imported,
    interface,
    run,
)


def contexts(meta_graph, key, message_class):
    values = meta_graph.collection_def[key].bytes_list.value
    return [message_class.FromString(one) for one in values]


def restore_contexts(graph, meta_graph):
    """Makes the contexts of a MetaGraphDef in a graph, as import_meta_graph does."""
    from tensorflow.python.ops import control_flow_ops

    with graph.as_default():
        for one in contexts(meta_graph, "while_context", WhileContextDef):
            control_flow_ops.WhileContext.from_proto(one, import_scope="m")
        for one in contexts(meta_graph, "cond_context", CondContextDef):
            control_flow_ops.CondContext.from_proto(one, import_scope="m")


def nested_graph():
    """A condition in a loop in a condition, and a loop variable nothing reads."""
    with control_flow_v1(), tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [], name="x")

        def body(i, value, other):
            value = tf.cond(value < 10.0, lambda: value * x, lambda: value + x)
            return i + 1, value, other + 1.0

        def loop():
            _, power, other = tf.while_loop(
                lambda i, *_: i < 4, body, [0, x, 0.0], name="loop"
            )
            return power, other

        power, other = tf.cond(x > 0.0, loop, lambda: (x, x))
        y = tf.identity(power, name="y")
        tf.identity(other, name="other")
        slope = tf.gradients(y, x)[0]
        tf.identity(slope, name="slope")
    return exported(graph)


def test_gradients_through_what_is_left_are_those_of_the_whole():
    meta_graph = nested_graph()
    values = [3.0, 1.5, -2.0]
    whole = imported(meta_graph)
    expected = [run(whole, ["m/y:0", "m/slope:0"], {"m/x:0": one}) for one in values]
    kept = needed_for(meta_graph, interface(["y:0"], ["x:0"]))
    left = prune(meta_graph, kept.nodes)
    graph = imported(left)
    with control_flow_v1():
        restore_contexts(graph, left)
        with graph.as_default():
            y, x = (graph.get_tensor_by_name(f"m/{one}:0") for one in "yx")
            slope = tf.gradients(y, x)[0]
    found = [run(graph, [y, slope], {"m/x:0": one}) for one in values]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_context_without_its_pivot_is_gone():
    meta_graph = nested_graph()
    kept = needed_for(meta_graph, interface(["x:0"]))
    left = prune(meta_graph, kept.nodes)
    assert "cond_context" not in left.collection_def
    assert "while_context" not in left.collection_def


def test_values_of_a_context_that_are_gone_are_left_out():
    context = CondContextDef(context_name="c", pred_name="p:0", pivot_name="t:0")
    context.values_def.values.extend(["a:0", "gone:0"])
    context.values_def.external_values["out"] = "a:0"
    context.values_def.external_values["gone"] = "a:0"
    context.nested_contexts.add().cond_ctxt.CopyFrom(
        CondContextDef(pred_name="gone:0", pivot_name="t:0")
    )
    assert cut_context(context, {"p", "t", "a", "out"})
    assert list(context.values_def.values) == ["a:0"]
    assert dict(context.values_def.external_values) == {"out": "a:0"}
    assert not context.nested_contexts
    assert not cut_context(context, {"p", "a"})
