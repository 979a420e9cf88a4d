"""Where tensors of saved graphs come from, through calls of functions."""

from legacy_restore.importing.data_flow import DataFlow
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.tf import tf


def graph_with_calls():
    """A graph that calls a function, which calls another one by its name."""
    meta_graph = tf.MetaGraphDef()
    nodes = meta_graph.graph_def.node
    nodes.add(name="x", op="Placeholder")
    nodes.add(name="k", op="Const")
    call = nodes.add(name="call", op="PartitionedCall", input=["x", "k", "^k"])
    call.attr["f"].func.name = "outer"
    nodes.add(name="used", op="Identity", input=["call:1"])
    outer = meta_graph.graph_def.library.function.add()
    outer.signature.name = "outer"
    for name in ("a", "b"):
        outer.signature.input_arg.add(name=name)
    for name in ("first", "second"):
        outer.signature.output_arg.add(name=name)
    outer.node_def.add(name="inside", op="inner", input=["b", "a"])
    outer.ret["first"] = "a"
    outer.ret["second"] = "inside:out:0"
    inner = meta_graph.graph_def.library.function.add()
    inner.signature.name = "inner"
    for name in ("p", "q"):
        inner.signature.input_arg.add(name=name)
    inner.signature.output_arg.add(name="out")
    inner.node_def.add(name="top", op="TopKV2", input=["q", "p"])
    inner.node_def.add(name="mark", op="RestoreV2")
    inner.ret["out"] = "top:indices:0"
    return meta_graph


def flow_of(meta_graph, op="RestoreV2"):
    return DataFlow(meta_graph, OpDefs(meta_graph), lambda node: node.op == op)


def test_values_are_followed_into_calls_and_out_again():
    flow = flow_of(graph_with_calls())
    assert flow.steps["used"].inputs == (("call/inside/top", 1),)
    assert flow.steps["call/inside/top"].inputs == (("x", 0), ("k", 0))
    assert [one.name for one in flow.consumers("x")] == ["call/inside/top"]
    assert [one.name for one in flow.of_type({"RestoreV2"})] == ["call/inside/mark"]
    assert flow.origin(("used", 0)) == ("call/inside/top", 1)


def test_calls_that_lead_nowhere_are_not_followed():
    flow = flow_of(graph_with_calls(), op="SaveV2")
    assert sorted(flow.steps) == ["call", "k", "used", "x"]
    assert flow.steps["used"].inputs == (("call", 1),)


def test_a_cycle_ends():
    meta_graph = tf.MetaGraphDef()
    for name, other in (("a", "b"), ("b", "a")):
        meta_graph.graph_def.node.add(name=name, op="Identity", input=[other])
    assert flow_of(meta_graph).origin(("a", 0))[0] in ("a", "b")
