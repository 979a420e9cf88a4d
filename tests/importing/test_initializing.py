"""Tests of what initialises tables, iterators and variables, and what is chosen."""

import numpy as np
import pytest

from legacy_restore.importing import initializing
from legacy_restore.importing.calls import calls_of
from legacy_restore.importing.initializing import find_initializers
from legacy_restore.importing.needed_initializers import initializers_of
from legacy_restore.importing.nodes import upstream
from legacy_restore.tf import IS_TF1, tf
from tests.importing.messages import defs, exported, new_graph, node_names, read
from tests.samples import sample
from tests.saved_graphs import saved_case


@pytest.fixture(params=["ref", "resource"])
def kind(request):
    return request.param


def constant_table(name, number=1):
    """A table of one entry, made as TensorFlow makes it; and its initialiser."""
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(
            np.int64([1]), np.int64([number]), name=name + "_init"
        ),
        -1,
        name=name,
    )
    return table, table.initializer


def table_nodes(meta_graph):
    return [one.name for one in meta_graph.graph_def.node if "HashTable" in one.op]


def found_in(meta_graph):
    return find_initializers(meta_graph, defs(meta_graph))


def chosen_from(meta_graph, kept=None, **options):
    kept = node_names(meta_graph) if kept is None else kept
    return initializers_of(found_in(meta_graph), meta_graph, kept, **options)


def ids(chosen):
    return [one.id for one in chosen.findings]


# Finding them.


def trained_by_hand(num_weights):
    """A training graph whose assignments have all of its gradients above."""
    with new_graph("ref") as graph:
        weights = [tf.get_variable(f"w{i}", [1]) for i in range(num_weights)]
        loss = tf.add_n([one * one for one in weights])
        gradients = tf.gradients(loss, weights)
        norm = tf.global_norm(gradients)
        for weight, gradient in zip(weights, gradients):
            tf.assign(weight, weight - gradient / norm)
        return exported(graph)


def test_the_graph_is_not_walked_for_each_assignment(monkeypatch):
    visited = []

    def counted(*arguments):
        found = upstream(*arguments)
        visited.append(len(found))
        return found

    monkeypatch.setattr(initializing, "upstream", counted)
    meta_graph = trained_by_hand(40)
    found = found_in(meta_graph)
    assert found.assignments["w7"] == "w7/Assign"
    assert sum(visited) <= 2 * len(meta_graph.graph_def.node)


def test_a_main_op_that_assigns_everything_is_taken_apart(kind):
    with new_graph(kind) as graph:
        tf.get_variable("w", [2])
        tf.get_variable("v", [3])
        _, fill = constant_table("table")
        main = tf.group(tf.global_variables_initializer(), fill, name="main")
        meta_graph = exported(graph, saved_model_main_op=[main])
    found = found_in(meta_graph)
    (table,) = table_nodes(meta_graph)
    assert found.loading == ("main",)
    assert found.tables == {table: (fill.name,)}
    assert found.assignments == {"w": "w/Assign", "v": "v/Assign"}
    assert set(found.parts) == {fill.name, "w/Assign", "v/Assign"}
    chosen = chosen_from(meta_graph, restored={"w", "v"})
    assert chosen.nodes == (fill.name,)
    assert chosen.assignments == {}
    (finding,) = chosen.findings
    assert (finding.id, finding.subject) == ("init-skipped", "main")
    assert finding.message == "assigns fresh values to v, w"


@pytest.mark.parametrize(
    "key", ["saved_model_main_op", "legacy_init_op", "serving_init_op"]
)
def test_every_collection_of_init_operations_is_known(key):
    with new_graph() as graph:
        tf.get_variable("w", [2])
        meta_graph = exported(graph, **{key: [tf.global_variables_initializer()]})
    assert ids(chosen_from(meta_graph, restored={"w"})) == ["init-skipped"]


def test_a_table_in_no_collection_is_filled():
    with new_graph() as graph:
        _, fill = constant_table("table")
        meta_graph = exported(graph)
    meta_graph.collection_def.clear()
    assert chosen_from(meta_graph).nodes == (fill.name,)


def test_what_a_saver_fills_is_no_initialiser():
    found = found_in(read(saved_case("mutable_table").graph_file))
    assert found.tables == {}
    assert found.needing == ("table",)


def test_what_the_file_runs_goes_before_what_it_does_not():
    with new_graph() as graph:
        table, fill = constant_table("table")
        tf.raw_ops.LookupTableImportV2(
            table_handle=table.resource_handle,
            keys=np.int64([5]),
            values=np.int64([6]),
            name="another",
        )
        meta_graph = exported(graph)
    assert found_in(meta_graph).tables == {table.resource_handle.op.name: (fill.name,)}


def test_functions_are_looked_into():
    meta_graph = read(saved_case("objects").graph_file)
    found = found_in(meta_graph)
    assert found.loading == ("NoOp",)
    assert found.tables == {"hash_table": ("StatefulPartitionedCall",)}
    # The variable that holds the path of the asset; the weights have no initialiser.
    assert found.assignments == {"Variable": "Variable/Assign"}
    feed = "its initialiser needs a feed of asset_path_initializer"
    assert feed in str(chosen_from(meta_graph).findings)


def test_the_signature_of_the_init_operation_is_enough():
    meta_graph = read(saved_case("objects").graph_file)
    meta_graph.collection_def.clear()
    assert found_in(meta_graph).loading == ("NoOp",)


def test_what_runs_at_loading_goes_before_what_training_ran():
    with new_graph() as graph:
        table, _ = constant_table("table")
        at_loading = tf.raw_ops.LookupTableImportV2(
            table_handle=table.resource_handle,
            keys=np.int64([5]),
            values=np.int64([6]),
            name="at_loading",
        )
        meta_graph = exported(graph, saved_model_main_op=[at_loading])
    assert list(found_in(meta_graph).tables.values()) == [("at_loading",)]


def test_a_branch_gives_its_functions_what_comes_after_the_condition():
    node = tf.NodeDef(name="n", op="If", input=["condition", "x", "^before"])
    node.attr["then_branch"].func.name = "then"
    node.attr["else_branch"].func.name = "otherwise"
    calls = calls_of(node, {"then", "otherwise"})
    assert [(one.function, one.inputs) for one in calls] == [
        ("otherwise", ("x",)),
        ("then", ("x",)),
    ]


def with_function(meta_graph, also):
    """Makes the call that fills the table of ``objects`` do something more."""
    function = next(
        one
        for one in meta_graph.graph_def.library.function
        for call in meta_graph.graph_def.node
        if call.name == "StatefulPartitionedCall"
        and call.attr["f"].func.name == one.signature.name
    )
    node = function.node_def.add()
    also(node)
    if node.op == "AssignVariableOp":
        argument = function.signature.input_arg.add()
        argument.name = "weights"
        argument.type = tf.resource.as_datatype_enum
        for call in meta_graph.graph_def.node:
            if call.name == "StatefulPartitionedCall":
                call.input.append("weights")
                call.attr["Tin"].list.type.append(tf.resource.as_datatype_enum)
    return meta_graph


def assigning(node):
    node.name, node.op = "fresh", "AssignVariableOp"
    node.input.extend(["weights", "Const:output:0"])


def unknown(node):
    node.name, node.op = "odd", "NobodyKnowsThis"


def enqueueing(node):
    node.name, node.op = "close", "QueueCloseV2"
    node.input.append("somewhere")


@pytest.mark.parametrize(
    "also, said",
    [
        (assigning, "assigns to weights"),
        (unknown, "runs odd (NobodyKnowsThis)"),
        (enqueueing, "runs somewhere in __inference"),
    ],
)
def test_a_function_that_does_more_is_refused_where_its_table_is_kept(also, said):
    meta_graph = with_function(read(saved_case("objects").graph_file), also)
    options = {"restored": {"weights"}, "given": {"asset_path_initializer"}}
    chosen = chosen_from(meta_graph, **options)
    assert chosen.nodes == ()
    (finding,) = [one for one in chosen.findings if one.is_error]
    assert (finding.id, finding.subject) == (
        "initializer-mixed",
        "StatefulPartitionedCall",
    )
    assert said in finding.message
    assert chosen_from(meta_graph, kept={"weights"}, **options).nodes == ()
    assert not any(
        one.is_error
        for one in chosen_from(meta_graph, kept={"weights"}, **options).findings
    )


def test_an_initialiser_that_waits_for_fresh_weights_is_refused(kind):
    with new_graph(kind) as graph:
        variable = tf.get_variable("w", [2])
        with tf.control_dependencies([variable.initializer]):
            _, fill = constant_table("table")
        meta_graph = exported(graph)
    chosen = chosen_from(meta_graph, restored={"w"})
    assert ids(chosen) == ["initializer-mixed"]
    assert "assigns to w" in chosen.findings[0].message
    assert fill.name in chosen.findings[0].subject
    assert chosen_from(meta_graph, kept={"w"}, restored={"w"}).findings == ()


# Choosing.


def test_only_tables_that_are_kept_are_filled():
    with new_graph() as graph:
        first, fill = constant_table("first")
        constant_table("second")
        meta_graph = exported(graph)
    chosen = chosen_from(meta_graph, {first.resource_handle.op.name})
    assert chosen.nodes == (fill.name,)
    assert fill.name in chosen.keep
    assert not any("second" in one for one in chosen.keep)


def test_a_table_of_another_table_comes_after_it():
    with new_graph() as graph:
        first, fill_first = constant_table("first", number=7)
        keys = first.lookup(tf.constant([1], tf.int64))
        second = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(keys, keys), -1
        )
        meta_graph = exported(graph)
        kept = {second.resource_handle.op.name}
        last = second.initializer.name
    # Listed the other way round.
    nodes = list(meta_graph.graph_def.node)
    del meta_graph.graph_def.node[:]
    meta_graph.graph_def.node.extend(reversed(nodes))
    chosen = chosen_from(meta_graph, kept)
    assert chosen.nodes == (fill_first.name, last)
    assert {first.resource_handle.op.name, fill_first.name} <= chosen.keep


def test_variables_that_nothing_restores_are_assigned(kind):
    suffix = "_resource" if kind == "resource" else ""
    meta_graph = read(saved_case("unsaved" + suffix).graph_file)
    chosen = chosen_from(meta_graph, restored={"weights"})
    assert chosen.assignments == {
        name: f"{name}/Assign" for name in ("scale", "shift", "calls")
    }
    assert chosen.findings == ()
    only = chosen_from(meta_graph, {"shift", "weights"}, restored={"weights"})
    assert only.assignments == {"shift": "shift/Assign"}
    assert "shift/Assign" in only.keep and "scale/Assign" not in only.keep


def test_the_value_at_loading_goes_before_the_first_one(kind):
    with new_graph(kind) as graph:
        variable = tf.get_variable("mode", initializer=tf.constant(1.0))
        later = tf.assign(variable, 2.0, name="later")
        main = tf.group(later.op if kind == "ref" else later, name="main")
        meta_graph = exported(graph, saved_model_main_op=[main])
    (name,) = chosen_from(meta_graph).assignments.values()
    assert name.startswith("later")


def test_iterators_that_need_no_feed_are_initialised():
    meta_graph = read(saved_case("iterators").graph_file)
    chosen = chosen_from(meta_graph, restored={"weights"})
    assert chosen.nodes == ("MakeIterator",)
    (finding,) = chosen.findings
    assert (finding.id, finding.subject) == ("not-initialized", "IteratorV2_1")
    assert "examples" in finding.message and "MakeIterator_1" in finding.hint
    # It can be run by whoever has the examples.
    only = chosen_from(meta_graph, {"IteratorV2_1"}, restored={"weights"})
    assert {"MakeIterator_1", "examples"} <= only.keep
    assert "MakeIterator" not in only.keep


def test_of_several_datasets_none_is_chosen():
    with new_graph() as graph:
        first = tf.data.Dataset.range(3)
        iterator = tf.data.Iterator.from_structure(
            tf.data.get_output_types(first), tf.data.get_output_shapes(first)
        )
        for dataset in (first, tf.data.Dataset.range(5)):
            iterator.make_initializer(dataset)
        iterator.get_next()
        meta_graph = exported(graph)
    chosen = chosen_from(meta_graph)
    assert chosen.nodes == ()
    assert ids(chosen) == ["not-initialized"]
    assert "several datasets" in chosen.findings[0].message


def test_an_iterator_of_one_shot_needs_nothing():
    chosen = chosen_from(read(saved_case("one_shot").graph_file), restored={"weights"})
    assert (chosen.nodes, chosen.keep, chosen.findings) == ((), frozenset(), ())


def test_a_table_that_nothing_fills_is_said():
    meta_graph = read(saved_case("mutable_table").graph_file)
    assert ids(chosen_from(meta_graph)) == ["not-initialized"]
    assert ids(chosen_from(meta_graph, restored={"table"})) == []


def test_the_main_op_of_a_public_model_assigns_ten_weights():
    path = sample("serving", "saved_model_half_plus_two_mkl", "00000123")
    meta_graph = read(path + "/saved_model.pb")
    found = found_in(meta_graph)
    chosen = chosen_from(meta_graph, restored=set(found.assignments))
    assert len(found.assignments) == 10
    assert (chosen.nodes, chosen.assignments) == ((), {})
    (finding,) = chosen.findings
    assert finding.message == "assigns fresh values to a, b, c, and 7 more"


def test_the_tables_of_a_public_estimator_are_filled():
    path = sample("taxi_estimator", "saved_model", "saved_model.pb")
    chosen = chosen_from(read(path))
    assert len(chosen.nodes) == 2
    assert all(one.endswith("hash_table/table_init") for one in chosen.nodes)


@pytest.mark.skipif(IS_TF1, reason="writes with tf.saved_model.save of TensorFlow 2")
def test_tables_of_today_are_found_by_what_their_functions_do(tmp_path):
    import tensorflow

    with tensorflow.init_scope():
        root = tensorflow.Module()
        root.table = tensorflow.lookup.StaticHashTable(
            tensorflow.lookup.KeyValueTensorInitializer(["a"], [1]), -1
        )
        root.counts = tensorflow.lookup.experimental.MutableHashTable(
            tensorflow.string, tensorflow.int64, -1
        )
        tensorflow.saved_model.save(root, str(tmp_path / "saved_model"))
    found = found_in(read(tmp_path / "saved_model" / "saved_model.pb"))
    assert len(found.tables) == 1
    assert len(found.needing) == 2
