"""What goes into a saved graph and comes out of it."""

import pytest

from legacy_restore import errors
from legacy_restore.importing.interface import resolve_interface
from legacy_restore.importing.reading import read_graph_file, read_saved_model
from legacy_restore.importing.saved_graph import GraphKind, ImportOptions, SavedGraph
from legacy_restore.tf import tf
from tests.samples import sample


def build():
    x = tf.placeholder(tf.float32, [None, 2], name="in/x")
    rate = tf.placeholder_with_default(1.0, [], name="rate")
    labels = tf.placeholder(tf.float32, [None, 2], name="labels")
    weights = tf.get_variable("w", [2, 2])
    logits = tf.matmul(x, weights * rate, name="logits")
    first, _ = tf.split(logits, 2, axis=1, name="parts")
    tf.identity(first, name="first")
    loss = tf.reduce_sum(logits - labels, name="loss")
    tf.group(loss, name="train_op")


def graph(signatures=(), kind=GraphKind.META_GRAPH):
    with tf.Graph().as_default():
        build()
        meta_graph = tf.train.export_meta_graph()
    for name, inputs, outputs in signatures:
        stored = meta_graph.signature_def[name]
        for tensors, into in ((inputs, stored.inputs), (outputs, stored.outputs)):
            for key, tensor in tensors.items():
                into[key].name = tensor
    return SavedGraph("graph.meta", kind, meta_graph, "")


def resolve(signatures=(), kind=GraphKind.META_GRAPH, **options):
    return resolve_interface(graph(signatures, kind), ImportOptions(**options))


def tensors(bindings):
    return {key: one.tensor for key, one in bindings.items()}


def refused(error, *arguments, **options):
    with pytest.raises(error) as caught:
        resolve(*arguments, **options)
    return caught.value


A = ("a", {"x": "in/x:0"}, {"y": "logits:0"})
B = ("b", {"x": "in/x:0"}, {"y": "first:0"})
DEFAULT = ("serving_default", {"x": "in/x:0"}, {"y": "first:0"})
INIT = ("__saved_model_init_op", {}, {"__saved_model_init_op": "train_op"})


# What the caller names.


def test_outputs_alone_bring_the_placeholders_that_they_need():
    found = resolve(outputs={"y": "logits", "z": "parts:1"})
    assert tensors(found.main.outputs) == {"y": "logits:0", "z": "parts:1"}
    assert tensors(found.main.inputs) == {"in/x": "in/x:0", "rate": "rate:0"}
    assert (found.main.name, found.signatures) == ("", {})


def test_inputs_go_by_the_keys_of_the_caller():
    found = resolve(inputs={"x": "in/x"}, outputs={"y": "logits:0"})
    assert tensors(found.main.inputs) == {"x": "in/x:0"}


def test_any_tensor_may_be_fed_in_place_of_what_it_is_made_of():
    found = resolve(inputs={"l": "logits"}, outputs={"y": "first"})
    assert tensors(found.main.inputs) == {"l": "logits:0"}


def test_an_operation_may_be_an_output():
    found = resolve(outputs={"train": "train_op"})
    assert tensors(found.main.outputs) == {"train": "train_op"}
    assert set(found.main.inputs) == {"in/x", "rate", "labels"}


def test_a_placeholder_that_the_inputs_lack_is_named():
    error = refused(errors.UsageError, inputs={"x": "in/x"}, outputs={"y": "loss"})
    assert [(one.id, one.subject) for one in error.findings] == [
        ("input-missing", "labels")
    ]


def test_all_names_that_the_graph_does_not_have_are_told_at_once():
    error = refused(
        errors.UsageError,
        inputs={"x": "x", "t": "train_op"},
        outputs={"y": "logit", "z": "parts:2", "o": "train_op:0", "n": "logits:x"},
    )
    assert {one.id for one in error.findings} == {"unknown-tensor"}
    found = {one.subject: one for one in error.findings}
    assert set(found) == {"x", "train_op", "logit", "parts:2", "train_op:0", "logits:x"}
    assert "in/x" in found["x"].hint
    assert "logits" in found["logit"].hint
    assert "no such output" in found["parts:2"].message


def test_one_tensor_is_not_two_inputs():
    error = refused(
        errors.UsageError, inputs={"a": "in/x", "b": "in/x:0"}, outputs={"y": "logits"}
    )
    assert [one.id for one in error.findings] == ["input-claimed-twice"]


def test_nothing_to_compute_is_refused():
    refused(errors.UsageError, outputs={})
    refused(errors.UsageError, outputs={"y": 3})


# Nobody says it.


@pytest.mark.parametrize("inputs", [None, {"x": "in/x"}])
def test_without_signatures_what_could_be_meant_is_listed(inputs):
    error = refused(errors.BuildError, [INIT], inputs=inputs)
    assert error.exit_code == 1
    (finding,) = error.findings
    assert finding.id == "outputs-unknown"
    assert "loss" in str(error)
    assert "labels" in str(error)
    assert 'outputs={"logits": "logits"}' in finding.hint or "first" in finding.hint
    assert "--output_tensor=MODEL:" in finding.hint


# Signatures.


@pytest.mark.parametrize(
    "signatures, asked, wanted",
    [
        ([A], None, "a"),
        ([A, B, DEFAULT], None, "serving_default"),
        ([A, B, DEFAULT], "a", "a"),
        ([A, INIT], None, "a"),
    ],
)
def test_a_signature_says_what_a_call_computes(signatures, asked, wanted):
    found = resolve(signatures, signature=asked)
    assert found.main.name == wanted
    assert found.signatures[wanted] is found.main
    assert set(found.signatures) == {one[0] for one in signatures} - {INIT[0]}
    assert len(found.all()) == len(found.signatures)


def test_several_signatures_without_a_default_are_listed():
    error = refused(errors.UsageError, [A, B])
    assert error.hint == 'signature="a" or signature="b"   or   --signature=MODEL=a'


def test_a_signature_that_there_is_not_is_refused_with_those_that_there_are():
    assert "a, b" in str(refused(errors.UsageError, [A, B], signature="c"))
    refused(errors.UsageError, [], signature="c")
    refused(errors.UsageError, [A, INIT], signature="__saved_model_init_op")


def test_of_a_hub_module_the_signature_default_is_the_default():
    hub = ("default", *A[1:])
    assert resolve([hub, B], GraphKind.HUB_MODULE).main.name == "default"
    refused(errors.UsageError, [hub, B], GraphKind.SAVED_MODEL)


def test_outputs_take_the_place_of_a_signature_and_leave_the_others():
    found = resolve([A, B], outputs={"y": "loss"})
    assert (found.main.name, set(found.signatures)) == ("", {"a", "b"})
    assert len(found.all()) == 3
    refused(errors.UsageError, [A], outputs={"y": "loss"}, signature="a")


def test_inputs_alone_take_the_place_of_those_of_the_signature():
    found = resolve([A], inputs={"l": "in/x", "r": "rate"})
    assert tensors(found.main.inputs) == {"l": "in/x:0", "r": "rate:0"}
    assert tensors(found.main.outputs) == {"y": "logits:0"}


def test_a_broken_signature_is_refused_if_it_is_called():
    broken = ("broken", {"x": "in/x:0"}, {"y": "gone:0"})
    error = refused(errors.BuildError, [A, broken], signature="broken")
    assert [one.subject for one in error.findings] == ["gone:0"]
    assert set(resolve([A, broken], signature="a").signatures) == {"a"}


def test_sparse_and_composite_tensors_have_their_parts():
    saved = graph([A])
    stored = saved.meta_graph.signature_def["a"]
    sparse = stored.inputs["s"].coo_sparse
    sparse.values_tensor_name = "in/x:0"
    sparse.indices_tensor_name = "labels:0"
    sparse.dense_shape_tensor_name = "rate:0"
    for name in ("parts:0", "parts:1"):
        stored.outputs["c"].composite_tensor.components.add().name = name
    found = resolve_interface(saved, ImportOptions()).main
    assert found.inputs["s"].tensor == "in/x:0"
    assert found.inputs["s"].sparse == ("in/x:0", "labels:0", "rate:0")
    assert found.outputs["c"].sparse == ("parts:0", "parts:1")
    assert found.outputs["y"].sparse == ()


# Real files.


@pytest.mark.parametrize(
    "parts, name, count",
    [
        (["dm21", "DM21"], "default", 1),
        (["hub", "hub_module_v1_mini"], "default", 1),
        (["hub", "saved_model_v2_mini"], "serving_default", 1),
        (["regression", "saved_model"], "serving_default", 1),
        (["taxi_estimator", "saved_model"], "serving_default", 4),
        (["serving", "session_bundle_half_plus_two", "00000123"], "serving_default", 2),
    ],
)
def test_the_signatures_of_real_files_are_found(parts, name, count):
    saved = read_saved_model(sample(*parts))
    found = resolve_interface(saved, ImportOptions())
    assert (found.main.name, len(found.signatures)) == (name, count)


def test_stateful_signatures_without_inputs_are_found():
    saved = read_saved_model(sample("serving", "saved_model_counter", "00000123"))
    found = resolve_interface(saved, ImportOptions(signature="reset_counter"))
    assert (found.main.inputs, len(found.signatures)) == ({}, 4)


def test_a_real_training_graph_is_refused_with_its_logits():
    saved = read_graph_file(sample("mnist_ema", "mnist_model-64004.meta"))
    with pytest.raises(errors.BuildError, match="add_1"):
        resolve_interface(saved, ImportOptions())
    found = resolve_interface(saved, ImportOptions(outputs={"y": "add_1"}))
    assert set(found.main.inputs) == {"Placeholder"}
