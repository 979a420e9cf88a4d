"""What could be meant by inputs and outputs, where no signature says it."""

import os

import pytest

from legacy_restore.examining.graph_file import read_graph_file
from legacy_restore.examining.graph_interface import proposed_interface
from legacy_restore.graphdef.messages import message_of
from legacy_restore.graphdef.meta_graph import read_meta_graph
from tests.graphdef import builders as b
from tests.samples import sample


def proposed(*nodes, **more):
    return proposed_interface(
        read_meta_graph(message_of(b.meta_graph(b.graph(*nodes), **more)))
    )


def outputs(found):
    return [(one.name, one.is_end) for one in found.outputs]


NETWORK = (
    b.placeholder("x", b.FLOAT, -1, 4),
    b.variable("w", sizes=(4, 2)),
    b.node("w/read", "Identity", ["w"]),
    b.node("w/Assign", "Assign", ["w", "w/Initializer/random_uniform"]),
    b.node("w/Initializer/random_uniform", "Add", ["w/seed", "w/seed"]),
    b.constant("w/seed"),
    b.node("logits", "MatMul", ["x", "w/read"]),
)
TRAINING = (
    *NETWORK,
    b.placeholder("labels", b.FLOAT, -1, 2),
    b.node("loss", "SoftmaxCrossEntropyWithLogits", ["logits", "labels"]),
    b.node("loss_1", "ScalarSummary", ["tag", "loss"]),
    b.constant("tag"),
    b.node("gradients/w_grad/MatMul", "MatMul", ["x", "loss:1"]),
    b.node("clip", "Mul", ["gradients/w_grad/MatMul", "w/seed"]),
    b.node("train/ApplyAdam", "ApplyAdam", ["w", "clip"]),
    b.node("train_op", "NoOp", ["^train/ApplyAdam"]),
)


def test_of_an_inference_graph_it_is_what_nothing_takes():
    found = proposed(*NETWORK)
    assert outputs(found) == [("logits", True)]
    (x,) = found.inputs
    assert (x.name, x.dtype, x.shape) == ("x", "float32", (None, 4))


def test_of_a_training_graph_it_is_what_goes_into_the_loss():
    found = proposed(*TRAINING)
    assert outputs(found) == [("logits", False), ("loss", True)]
    assert found.likely_outputs() == {"logits": "logits"}


@pytest.mark.parametrize(
    "node",
    [
        b.node("g", "ScalarSummary", ["tag", "logits"]),
        b.node("g", "Assign", ["w", "logits"]),
        b.node("g", "Assert", ["logits"]),
        b.node("gradients/g", "Mul", ["logits", "logits"]),
        b.node("train/gradients_1/g", "Mul", ["logits", "logits"]),
        b.node("g", "QueueEnqueueV2", ["queue", "logits"]),
        b.node("save/SaveV2", "SaveV2", ["save/Const", "n", "s", "logits"]),
        b.node("g", "Shape", ["logits"]),
    ],
)
def test_what_is_there_for_training_and_files_is_no_output(node):
    assert outputs(proposed(*NETWORK, node)) == [("logits", True)]


def test_what_belongs_to_an_assignment_is_no_output():
    found = proposed(
        *NETWORK,
        b.node("bn/AssignMovingAvg/sub", "Sub", ["logits", "w/read"]),
        b.node("bn/AssignMovingAvg", "AssignSub", ["w", "bn/AssignMovingAvg/sub"]),
    )
    assert outputs(found) == [("logits", True)]


def test_a_scatter_of_tensors_is_an_output():
    found = proposed(*NETWORK, b.node("out", "ScatterNd", ["logits", "logits", "s"]))
    assert outputs(found) == [("out", True)]


@pytest.mark.parametrize(
    "switch",
    [
        b.placeholder("keep_prob", b.FLOAT, -1),
        b.placeholder("p", b.FLOAT),
        b.placeholder("training", 10, -1),
    ],
)
def test_what_is_fed_to_switch_or_weigh_is_no_label(switch):
    name = {1: "p"}.get(0, "keep_prob" if b"keep_prob" in switch else "p")
    name = "training" if b"training" in switch else name
    found = proposed(*NETWORK, switch, b.node("out", "Mul", ["logits", name]))
    assert outputs(found) == [("out", True)]
    assert len(found.inputs) == 2


def test_a_loop_is_gone_round_until_nothing_changes():
    found = proposed(
        b.node("merge", "Merge", ["next", "enter"]),
        b.node("enter", "Enter", ["x"]),
        b.node("body", "Add", ["merge", "w"]),
        b.node("next", "NextIteration", ["body"]),
        b.node("exit", "Exit", ["merge"]),
        b.placeholder("x", b.FLOAT, 2),
        b.variable("w", sizes=(2,)),
    )
    assert outputs(found) == [("exit", True)]


def test_without_placeholders_an_input_pipeline_is_what_may_be_fed():
    found = proposed(
        b.node("next", "IteratorGetNext", ["iterator"]),
        b.node("iterator", "IteratorV2"),
        b.variable("w", sizes=(2,)),
        b.node("out", "Add", ["next", "w"]),
    )
    assert [one.name for one in found.inputs] == ["next"]
    assert outputs(found) == [("out", True)]


def test_a_graph_of_constants_has_outputs_too():
    found = proposed(b.constant("c"), b.node("out", "Neg", ["c"]))
    assert outputs(found) == [("out", True)]


def test_two_outputs_of_one_last_name_keep_their_scopes():
    found = proposed(
        *NETWORK,
        b.node("a/out", "Softmax", ["logits"]),
        b.node("b/out", "Softmax", ["logits"]),
    )
    assert found.likely_outputs() == {"out": "a/out", "b/out": "b/out"}


# Real graphs: what their authors took.


@pytest.mark.parametrize(
    "parts, wanted",
    [
        (["mnist_ema", "mnist_model-64004.meta"], {"add_1"}),
        (["srcnn", "v1", "SRCNN.model-2550000.meta"], {"add_2"}),
        (["regression", "checkpoint", "model.meta"], {"pred"}),
        (["regression", "graphdef", "frozen.pb"], {"pred"}),
        (["frozen_lstm", "frozen.pb"], {"output"}),
        (["char_rnn", "tf1_2", "model-85340.meta"], {"validation/softmax/Softmax"}),
        (
            ["mtcnn", "ONet_landmark", "ONet-16.meta"],
            {"bbox_fc/BiasAdd", "landmark_fc/BiasAdd"},
        ),
        (
            ["taxi_estimator", "model.ckpt-10000.meta"],
            {"head/predictions/logistic", "head/predictions/probabilities"},
        ),
    ],
)
def test_of_real_graphs_the_right_ones_are_proposed(parts, wanted):
    (graph,) = read_graph_file(sample(*parts)).graphs
    assert wanted <= set(graph.proposed.likely_outputs().values())


@pytest.mark.parametrize(
    "parts, wanted",
    [
        (
            ["mnist_ema", "mnist_model-64004.meta"],
            'from_meta_graph("mnist_model", "{}mnist_model-64004", '
            'outputs={{"add_1": "add_1"}})',
        ),
        (
            ["regression", "graphdef", "frozen.pb"],
            'from_graph_def("frozen", "{}frozen.pb", outputs={{"pred": "pred"}})',
        ),
        (
            ["serving", "saved_model_counter", "00000123", "saved_model.pb"],
            'from_saved_model("model", "{}", signature="get_counter")',
        ),
        (["dm21", "DM21", "saved_model.pb"], 'from_saved_model("DM21", "{}")'),
    ],
)
def test_the_line_to_paste_names_what_is_there(parts, wanted):
    path = sample(*parts)
    line = read_graph_file(path).to_json()["graphs"][0]["to_paste"]
    folder = os.path.dirname(path) + os.sep
    inside = folder.rstrip(os.sep) if path.endswith("saved_model.pb") else folder
    assert line == "lr.Model." + wanted.format(inside)
