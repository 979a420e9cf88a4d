"""Every saved graph of the samples goes through the passes and can be imported."""

import pytest

from legacy_restore.importing.needed import after_cuts, needed_for
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.op_libraries import load_contrib
from legacy_restore.importing.pruning import prune
from legacy_restore.importing.repairing import remaining_faults, repair
from legacy_restore.importing.unknown_ops import (
    available_signatures,
    unknown_operations,
)
from legacy_restore.report.findings import errors_of
from legacy_restore.tf import IS_TF1, tf
from tests.importing.sample_graphs import (
    FROZEN,
    META_GRAPHS,
    SAVED_MODELS,
    interface_of,
    read_meta_graph,
)
from tests.samples import sample

# TensorFlow 1.15 lacks ParseExampleV2, which serving_default does not need.
_TF2_ONLY = "serving/saved_model_half_plus_two_tf2_cpu/00000123"
_OF_CONTRIB = "taxi_estimator/saved_model"


def imported(meta_graph):
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(meta_graph.graph_def, name="model")
    return graph


def passed(meta_graph):
    """Repairs a graph; there may be nothing in it but remarks."""
    op_defs = OpDefs(meta_graph)
    meta_graph, findings = repair(meta_graph, op_defs)
    assert not errors_of(findings), findings
    return meta_graph, op_defs


@pytest.mark.parametrize("name", [*META_GRAPHS, *FROZEN])
def test_whole_meta_graphs_can_be_imported(name):
    meta_graph, op_defs = passed(read_meta_graph(sample(*name.split("/"))))
    assert not remaining_faults(meta_graph)
    assert not unknown_operations(meta_graph, op_defs)
    graph = imported(meta_graph)
    assert not {op.device for op in graph.get_operations() if op.device} - {
        "/device:CPU:0"
    }


@pytest.mark.parametrize("name", [one for one in META_GRAPHS if META_GRAPHS[one]])
def test_meta_graphs_can_be_imported_without_what_outputs_do_not_need(name):
    meta_graph, op_defs = passed(read_meta_graph(sample(*name.split("/"))))
    before = len(meta_graph.graph_def.node)
    kept = needed_for(meta_graph, interface_of(meta_graph, META_GRAPHS[name]))
    assert not kept.cuts
    meta_graph = prune(meta_graph, kept.nodes)
    names = {node.name for node in meta_graph.graph_def.node}
    assert names == kept.nodes
    assert len(names) < before / 4
    assert not remaining_faults(meta_graph)
    graph = imported(meta_graph)
    for output in META_GRAPHS[name]:
        graph.get_tensor_by_name(f"model/{output}:0")
    types = {op.type for op in graph.get_operations()}
    assert not types & {"SaveV2", "RestoreV2", "ApplyAdam", "QueueDequeueManyV2"}


@pytest.mark.parametrize("name", SAVED_MODELS)
def test_saved_models_can_be_imported_with_all_signatures(name):
    meta_graph = load_contrib(read_meta_graph(sample(*name.split("/"))))
    meta_graph, op_defs = passed(meta_graph)
    interface = interface_of(meta_graph)
    interface, left_out = available_signatures(meta_graph, interface, op_defs)
    kept = needed_for(meta_graph, interface)
    meta_graph = prune(meta_graph, kept.nodes, kept.cuts)
    interface = after_cuts(interface, kept.cuts)
    unknown = unknown_operations(meta_graph, op_defs)
    if IS_TF1 and name == _TF2_ONLY:
        assert "serving_default" not in {one.subject for one in left_out}
        assert {one.id for one in left_out} == {"signature-unavailable"}
        assert all("ParseExampleV2" in one.message for one in left_out)
        left_out = []
    if not IS_TF1 and name == _OF_CONTRIB:
        assert [one.subject for one in unknown] == ["BucketizeWithInputBoundaries"]
        assert "tf.contrib" in unknown[0].message
        assert {one.subject for one in left_out} == {
            "predict",
            "regression",
            "classification",
        }
        return
    assert not left_out
    assert not unknown
    assert not remaining_faults(meta_graph)
    graph = imported(meta_graph)
    for one in interface.all():
        for binding in (*one.inputs.values(), *one.outputs.values()):
            graph.get_tensor_by_name(f"model/{binding.tensor}")
