"""Tests of the saved graphs of public projects: what they computed, they compute."""

import os

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import IS_TF1, tf
from tests.graph import real_models
from tests.graph.helpers import of_id
from tests.samples import sample

_TOLERANCE = 1e-5
_SERVING = "serving"
_NUMBER = "00000123"


def golden_of(folder):
    """The arrays that genuine TensorFlow 1.15.5 left of a folder."""
    with np.load(sample(folder, "golden.npz")) as arrays:
        return {key: arrays[key] for key in arrays.files}


def from_meta(name, *parts, **options):
    """A model of a prefix of the samples, with the ``.meta`` beside it."""
    folder = sample(*parts[:-1])
    return lr.Model.from_meta_graph(name, os.path.join(folder, parts[-1]), **options)


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, atol=_TOLERANCE, rtol=_TOLERANCE)


def assert_all_equal(restored):
    """Every variable of every model equals its checkpoint."""
    restored.check().raise_if_failed()


def refusal_of(model):
    """The findings with which a model is refused."""
    with pytest.raises(errors.LegacyRestoreError) as caught:
        lr.restore([model])
    return [one for one in caught.value.findings if one.is_error]


# Training graphs with their checkpoints.


def test_both_character_models_side_by_side():
    golden = golden_of("char_rnn")
    interface = {
        "inputs": {"text": "validation/inputs"},
        "outputs": {"next": "validation/softmax/Softmax"},
    }
    models = [
        from_meta("old", "char_rnn", "tf1_1", "model-70280", **interface),
        from_meta("new", "char_rnn", "tf1_2", "model-85340", **interface),
    ]
    with lr.restore(models) as restored:
        for name, key in (("old", "tf11"), ("new", "tf12")):
            found = restored[name](text=golden["in:seqb"])["next"]
            assert_close(found, golden[f"out:{key}_meta_probs"])
        assert_all_equal(restored)


@pytest.mark.parametrize(
    "folder, prefix, output, key",
    [
        ("v1", "SRCNN.model-2550000", "add_2", "v1_2550000"),
        ("v2 gaussian sigma=1", "SRCNN.model-5332", "BiasAdd_2", "v2_gauss1"),
    ],
)
def test_super_resolution(folder, prefix, output, key):
    golden = golden_of("srcnn")
    interface = {"inputs": {"images": "images"}, "outputs": {"larger": output}}
    model = from_meta("m", "srcnn", folder, prefix, **interface)
    with lr.restore([model]) as restored:
        found = restored["m"](images=golden["in:images"])["larger"]
        assert_close(found, golden[f"out:{key}"])
        assert_all_equal(restored)


def test_raw_and_averaged_weights_of_one_file():
    golden = golden_of("mnist_ema")
    interface = {"inputs": {"images": "Placeholder"}, "outputs": {"digits": "add_1"}}
    place = ("mnist_ema", "mnist_model-64004")
    models = [
        from_meta("raw", *place, **interface),
        from_meta("ema", *place, weights="ema", **interface),
    ]
    with lr.restore(models) as restored:
        for name in ("raw", "ema"):
            found = restored[name](images=golden["in:mnist64"])["digits"]
            assert_close(found, golden[f"out:{name}_64004_mnist64"])
        assert_all_equal(restored)


def padded(images, batch):
    """As many images as a graph with a fixed batch takes."""
    filled = np.zeros((batch, *images.shape[1:]), images.dtype)
    filled[: len(images)] = images
    return filled


def test_face_detectors_that_have_the_same_names():
    golden = golden_of("mtcnn")
    outputs = {
        "cls_prob": "cls_fc/Softmax",
        "bbox_pred": "bbox_fc/BiasAdd",
        "landmark_pred": "landmark_fc/BiasAdd",
    }
    interface = {"inputs": {"images": "input_image"}, "outputs": outputs}
    proposals = {"cls_prob": "conv4_1/Softmax", "bbox_pred": "conv4_2/BiasAdd"}
    pnet = {"inputs": {"images": "input_image"}, "outputs": proposals}
    models = [
        from_meta("rnet", "mtcnn", "RNet_landmark", "RNet-14", **interface),
        from_meta("onet", "mtcnn", "ONet_landmark", "ONet-16", **interface),
        from_meta("pnet", "mtcnn", "PNet_landmark", "PNet-18", **pnet),
    ]
    with lr.restore(models) as restored:
        for name, batch in (("rnet", 384), ("onet", 192)):
            images = golden[f"in:{name}"]
            found = restored[name](images=padded(images, batch))
            for key in outputs:
                expected = golden[f"out:{name}/{key}"]
                assert_close(found[key][: len(images)], expected)
        # The batch and the size of the images are fixed: one window of the image.
        window = golden["in:pnet"][:, :12, :12]
        found = restored["pnet"](images=padded(window, 256))
        for key in proposals:
            assert_close(found[key][0].ravel(), golden[f"out:pnet/{key}"][0, 0])
        assert_all_equal(restored)


@pytest.mark.parametrize("step", ["6001", "8000"])
def test_a_canned_classifier_from_its_features(step):
    prefix = f"model.ckpt-{step}"
    features = "dnn/input_from_feature_columns/input_from_feature_columns/concat"
    model = from_meta(
        "m",
        "iris_partitioned",
        prefix,
        inputs={"features": features},
        outputs={"classes": "predictions/probabilities"},
    )
    rows = np.float32([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]])
    hidden = rows
    location = os.path.join(sample("iris_partitioned"), prefix)
    with lr.open_checkpoint(location) as checkpoint:
        for layer in ("hiddenlayer_0", "hiddenlayer_1", "hiddenlayer_2", "logits"):
            weights = checkpoint[f"dnn/{layer}/weights"]
            hidden = hidden @ weights + checkpoint[f"dnn/{layer}/biases"]
            hidden = hidden if layer == "logits" else np.maximum(hidden, 0)
    expected = np.exp(hidden) / np.exp(hidden).sum(axis=1, keepdims=True)
    with lr.restore([model]) as restored:
        found = restored["m"](features=padded(rows, 120))["classes"]
        assert_close(found[: len(rows)], expected)
        assert_all_equal(restored)


def test_traffic_signs_with_only_default_names():
    model = from_meta(
        "m",
        "traffic_signs_v1",
        "model.ckpt",
        inputs={"images": "Placeholder", "keep": "Placeholder_2"},
        outputs={"maps": "BiasAdd_1"},
    )
    with lr.restore([model]) as restored:
        images = np.ones([2, 32, 32], np.float32)
        found = restored["m"](images=images, keep=np.float32(1))["maps"]
        assert len(found) == 2 and np.isfinite(found).all()
        np.testing.assert_array_equal(found[0], found[1])
        assert_all_equal(restored)


def test_a_cudnn_model_is_refused_by_what_its_parameters_are():
    model = from_meta(
        "m", "cudnn_lstm", "best", outputs={"next": "inference/gpu0/Softmax"}
    )
    findings = [one for one in refusal_of(model) if one.is_error]
    objects = [one for one in findings if one.id == "saveable-object"]
    assert len(objects) == 2
    assert all("CudnnRNNCanonicalToParams" in one.message for one in objects)
    # The states of its cells no Saver restores: that is another reason.
    others = [one for one in findings if one not in objects]
    assert {one.id for one in others} == {"missing-key"}
    assert all(one.subject.endswith(("_c", "_h")) for one in others)


# SavedModels, modules and bundles.


@pytest.mark.parametrize(
    "folder",
    [
        "saved_model_half_plus_two_2_versions",
        "saved_model_half_plus_two_cpu",
        "saved_model_half_plus_two_mkl",
        "saved_model_half_plus_two_tf2_cpu",
    ],
)
def test_half_plus_two(folder):
    directory = sample(_SERVING, folder, _NUMBER)
    models = [lr.Model.from_saved_model(name, directory) for name in ("a", "b")]
    x = np.float32([4]) if folder.endswith("tf2_cpu") else np.float32([[4]])
    with lr.restore(models) as restored:
        for name in ("a", "b"):
            assert_close(restored[name](x=x)["y"], x / 2 + 2)
            signatures = restored[name].signatures
            third = signatures["regress_x2_to_y3"](inputs=x)["outputs"]
            # This one adds a network of convolutions, of which nothing is known.
            if not folder.endswith("mkl"):
                assert_close(third, x / 2 + 3)
            if IS_TF1 and folder.endswith("tf2_cpu"):
                # It lacks the operation that takes examples apart.
                ids = [one.id for one in restored[name].report.findings]
                assert "signature-unavailable" in ids
                assert "regress_x_to_y2" not in signatures
                continue
            (examples,) = signatures["regress_x_to_y2"].inputs
            given = {examples: [serialized_example(x=4.0)]}
            found = signatures["regress_x_to_y2"](given)["outputs"]
            assert_close(found, 5)
        assert_all_equal(restored)


def serialized_example(**features):
    """A ``tf.train.Example`` of one number for each feature."""
    example = tf.train.Example()
    for key, value in features.items():
        example.features.feature[key].float_list.value.append(value)
    return example.SerializeToString()


def test_a_counter_counts_and_check_says_so():
    model = lr.Model.from_saved_model(
        "m", sample(_SERVING, "saved_model_counter", _NUMBER), signature="get_counter"
    )
    with lr.restore([model]) as restored:
        counter = restored["m"].signatures
        before = restored["m"]()["output"]
        assert_all_equal(restored)
        counter["incr_counter"]()
        assert_close(
            counter["incr_counter_by"](delta=np.float32(2))["output"], before + 3
        )
        report = restored.check()
        assert [one.status.value for one in report.rows] == ["changed"]
        counter["reset_counter"]()
        assert_close(restored["m"]()["output"], 0)


def test_a_saved_model_without_a_default_is_refused_with_the_list():
    directory = sample(_SERVING, "saved_model_counter", _NUMBER)
    with pytest.raises(errors.LegacyRestoreError) as caught:
        lr.restore([lr.Model.from_saved_model("m", directory)])
    assert "incr_counter_by" in str(caught.value)


def test_a_saved_model_without_variables():
    directory = sample(_SERVING, "matrix_half_plus_two", "1")
    x = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    with lr.restore([lr.Model.from_saved_model("m", directory)]) as restored:
        assert_close(restored["m"](x=x)["y"], x / 2 + 2)


def test_a_session_bundle():
    directory = sample(_SERVING, "session_bundle_half_plus_two", _NUMBER)
    model = lr.Model.from_saved_model("m", directory, outputs={"y": "y"})
    with lr.restore([model]) as restored:
        (key,) = restored["m"].inputs
        found = restored["m"]({key: [serialized_example(x=4.0)]})["y"]
        assert_close(np.ravel(found), [4.0])
        assert_all_equal(restored)


def test_a_session_bundle_without_signatures():
    directory = sample(_SERVING, "bad_half_plus_two", _NUMBER)
    model = lr.Model.from_saved_model("m", directory, outputs={"y": "Add"})
    with lr.restore([model]) as restored:
        (key,) = restored["m"].inputs
        assert_close(restored["m"]({key: np.float32(4)})["y"], 4)
        assert_all_equal(restored)


def test_the_training_graph_of_an_estimator():
    outputs = {"likely": "head/predictions/probabilities"}
    place = ("taxi_estimator", "model.ckpt-10000")
    queue = "read_batch_features/fifo_queue"
    # What it computes comes out of a queue that nothing fills: it is not called.
    with lr.restore([from_meta("m", *place, outputs=outputs)]) as restored:
        assert dict(restored["m"].inputs) == {}
        [remark] = of_id(restored["m"].report.findings, "queue-not-filled")
        assert remark.subject == queue and f"{queue}_Dequeue:0" in remark.hint
        assert_all_equal(restored)
    # What comes out of the queue can be fed.
    columns = {f"column_{one}": f"{queue}_Dequeue:{one}" for one in range(18)}
    model = from_meta("m", *place, inputs=columns, outputs=outputs)
    with lr.restore([model]) as restored:
        assert not of_id(restored["m"].report.findings, "queue-not-filled")
        rows = {
            key: np.arange(40) % 7
            for key, tensor in restored["m"].inputs.items()
            if tensor.dtype != tf.string
        }
        words = np.array([b"word"] * 40)
        found = restored["m"]({"column_7": words, "column_17": words, **rows})
        assert_close(found["likely"].sum(axis=1), np.ones(40))
        np.testing.assert_array_equal(found["likely"][0], found["likely"][7])
        assert not np.allclose(found["likely"][0], found["likely"][1])
        assert_all_equal(restored)


def test_two_hub_modules_of_one_architecture():
    names = ("DM21", "DM21m")
    models = [lr.Model.from_saved_model(name, sample("dm21", name)) for name in names]
    random = np.random.RandomState(5)
    with lr.restore(models) as restored:
        feeds = {
            key: random.uniform(0.1, 1, [4, tensor.shape.as_list()[1]])
            for key, tensor in restored["DM21"].inputs.items()
        }
        found = [restored[name](feeds) for name in names]
        assert all(np.isfinite(one["grid_contribution"]).all() for one in found)
        first, second = (one["grid_contribution"] for one in found)
        assert not np.allclose(first, second, rtol=1e-3)
        assert_all_equal(restored)
    # Alone each computes the same: stock imports give one of them the other's weights.
    for name, expected in zip(names, (first, second)):
        with lr.restore(
            [lr.Model.from_saved_model("m", sample("dm21", name))]
        ) as alone:
            assert_close(alone["m"](feeds)["grid_contribution"], expected)


def test_a_small_hub_module_and_a_saved_model_of_tensorflow_2():
    module = lr.Model.from_saved_model("module", sample("hub", "hub_module_v1_mini"))
    other = lr.Model.from_saved_model("other", sample("hub", "saved_model_v2_mini"))
    with lr.restore([module, other]) as restored:
        first = restored["module"](default=np.float32(3))["default"]
        assert np.isfinite(first).all()
        assert np.isfinite(restored["other"](x=np.float32(3))["output_0"]).all()


def test_an_estimator_with_an_operation_of_contrib():
    directory = sample("taxi_estimator", "saved_model")
    models = [lr.Model.from_saved_model("m", directory, signature="predict")]
    if not IS_TF1:
        (finding,) = refusal_of(models[0])
        assert finding.subject == "BucketizeWithInputBoundaries"
        return
    with lr.restore(models) as restored:
        example = serialized_example(
            trip_miles=3.0, fare=10.0, trip_seconds=600.0, pickup_latitude=41.9
        )
        found = restored["m"](examples=[example])
        assert_close(found["probabilities"].sum(), 1)
        assert_all_equal(restored)


# One model in several packages.


def test_three_packages_of_one_model_agree():
    x = np.float32([1.0, -2.5, 4.0])
    models = [
        from_meta(
            "meta", "regression", "checkpoint", "model", outputs={"pred": "pred"}
        ),
        lr.Model.from_saved_model("saved", sample("regression", "saved_model")),
        lr.Model.from_graph_def(
            "frozen",
            sample("regression", "graphdef", "frozen.pb"),
            outputs={"pred": "pred"},
        ),
    ]
    with lr.restore(models) as restored:
        found = {name: restored[name](X=x)["pred"] for name in restored}
        for one in found.values():
            np.testing.assert_allclose(one, found["meta"], rtol=1e-3)
        assert restored["frozen"].variables == []
        assert_all_equal(restored)


def test_a_frozen_recurrent_network():
    model = lr.Model.from_graph_def(
        "m", sample("frozen_lstm", "frozen.pb"), outputs={"out": "output"}
    )
    with lr.restore([model]) as restored:
        images = np.random.RandomState(6).uniform(size=[2, 784]).astype(np.float32)
        feeds = {"X": images, "keep_prob": np.float32(1)}
        found = restored["m"](feeds)["out"]
        assert len(found) == 2 and np.isfinite(found).all()


def test_five_models_of_five_kinds_one_wired_into_another():
    golden = golden_of("mnist_ema")
    half = sample(_SERVING, "saved_model_half_plus_two_cpu", _NUMBER)
    models = [
        lr.Model(
            "built",
            real_models.build_mnist,
            os.path.join(sample("mnist_ema"), "mnist_model-64004"),
            weights="raw",
        ),
        from_meta(
            "meta",
            "mnist_ema",
            "mnist_model-64004",
            inputs={"images": "Placeholder"},
            outputs={"digits": "add_1"},
        ),
        lr.Model.from_saved_model("saved", half),
        lr.Model.from_saved_model("hub", sample("hub", "hub_module_v1_mini")),
        lr.Model.from_graph_def(
            "frozen",
            sample("regression", "graphdef", "frozen.pb"),
            inputs={"X": "X"},
            outputs={"pred": "pred"},
        ),
    ]
    x = np.float32([[4], [10]])
    with lr.restore(models, connect={"frozen/X": "saved/y"}) as restored:
        raw = golden["out:raw_64004_mnist64"]
        assert_close(restored["built"](images=golden["in:mnist64"]), raw)
        assert_close(restored["meta"](images=golden["in:mnist64"])["digits"], raw)
        y = restored["saved"](x=x)["y"]
        assert_close(y, x / 2 + 2)
        assert np.isfinite(restored["hub"](default=np.float32(1))["default"])
        run = restored.session.run
        pred = restored["frozen"].outputs["pred"]
        wired = run(pred, {restored["saved"].inputs["x"]: x})
    alone = lr.Model.from_graph_def(
        "frozen",
        sample("regression", "graphdef", "frozen.pb"),
        outputs={"pred": "pred"},
    )
    with lr.restore([alone]) as restored:
        assert_close(wired, restored["frozen"](X=y)["pred"])
