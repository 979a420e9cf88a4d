"""Tests of what running an operation of a saved graph does."""

import pytest

from legacy_restore.importing.effects import EffectsReader
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.tf import tf

FLOAT, RESOURCE = tf.float32.as_datatype_enum, tf.resource.as_datatype_enum


def call(node, name, function, *inputs):
    node.name, node.op = name, "StatefulPartitionedCall"
    node.input.extend(inputs)
    node.attr["f"].func.name = function


def functions_that_call_each_other():
    """``first`` assigns to its argument; both call the other one."""
    meta_graph = tf.MetaGraphDef()
    graph = meta_graph.graph_def
    for name, other in (("first", "second"), ("second", "first")):
        function = graph.library.function.add()
        function.signature.name = name
        function.signature.input_arg.add(name="variable", type=RESOURCE)
        call(function.node_def.add(), "call", other, "variable")
    value = graph.library.function[0].node_def.add(name="value", op="Const")
    value.attr["dtype"].type = FLOAT
    assign = graph.library.function[0].node_def.add(
        name="assign", op="AssignVariableOp", input=["variable", "value:output:0"]
    )
    assign.attr["dtype"].type = FLOAT
    graph.node.add(name="w", op="VarHandleOp").attr["dtype"].type = FLOAT
    call(graph.node.add(), "by_first", "first", "w")
    call(graph.node.add(), "by_second", "second", "w")
    return meta_graph


@pytest.mark.parametrize(
    "order", [["by_first", "by_second"], ["by_second", "by_first"]]
)
def test_what_functions_that_call_each_other_do_is_found_from_each(order):
    meta_graph = functions_that_call_each_other()
    reader = EffectsReader(meta_graph, OpDefs(meta_graph))
    assert {name: reader.of(name).variables for name in order} == {
        "by_first": {"w"},
        "by_second": {"w"},
    }


def test_many_functions_that_call_the_next_one_end():
    meta_graph = tf.MetaGraphDef()
    graph = meta_graph.graph_def
    for number in range(3000):
        function = graph.library.function.add()
        function.signature.name = f"f{number}"
        function.signature.input_arg.add(name="variable", type=RESOURCE)
        for copy in range(2):
            name = f"call{copy}"
            call(function.node_def.add(), name, f"f{number + 1}", "variable")
    last = graph.library.function.add()
    last.signature.name = "f3000"
    last.signature.input_arg.add(name="variable", type=RESOURCE)
    last.node_def.add(
        name="assign", op="AssignVariableOp", input=["variable", "variable"]
    )
    graph.node.add(name="w", op="VarHandleOp")
    call(graph.node.add(), "run", "f0", "w")
    reader = EffectsReader(meta_graph, OpDefs(meta_graph))
    assert reader.of("run").variables == {"w"}


@pytest.mark.timeout(60)
def test_functions_that_exchange_their_arguments_come_to_an_end():
    meta_graph = tf.MetaGraphDef()
    graph = meta_graph.graph_def
    for name, other, given in (
        ("first", "second", ["y", "x"]),
        ("second", "first", ["x", "y"]),
    ):
        function = graph.library.function.add()
        function.signature.name = name
        for argument in "xy":
            function.signature.input_arg.add(name=argument, type=RESOURCE)
        call(function.node_def.add(), "call", other, *given)
    graph.library.function[0].node_def.add(
        name="assign", op="AssignVariableOp", input=["x", "x"]
    )
    for name in "vw":
        graph.node.add(name=name, op="VarHandleOp")
    call(graph.node.add(), "run", "first", "v", "w")
    reader = EffectsReader(meta_graph, OpDefs(meta_graph))
    assert reader.of("run").variables == {"v", "w"}
