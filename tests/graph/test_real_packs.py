"""Real checkpoints in models with other names: by rule packs, with the same outputs.

What is expected comes from the graph that was saved beside the checkpoint, or from what
TensorFlow 1.15 computed.
"""

import functools
import os

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore.mapping.packs.registry import PACKS
from tests.graph import real_models
from tests.graph import real_pack_models as models
from tests.graph.helpers import (
    assert_same,
    ids,
    numbers,
    of_id,
    of_kind,
    values_in,
)
from tests.samples import sample

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
# A weight for all that its name says.
LEARNING_RATE = ["dnn/learning_rate"]


def prefix_of(folder, name):
    """The prefix of a sample; skips the test without it."""
    return os.path.join(sample(folder), name)


def packs_in(report):
    """The packs that were applied although nobody named one."""
    return [one.subject for one in of_id(report.findings, "rule-pack")]


def values_of(location, renamed):
    """What a checkpoint holds, by the names that a model has for it."""
    with lr.open_checkpoint(location) as checkpoint:
        return {name: checkpoint[key] for name, key in renamed.items()}


# A canned classifier of contrib.learn, its variables in parts.


def iris_of(kind, location, name="m", rules=(), **more):
    build = of_kind(kind, functools.partial(models.build_iris, **more))
    return lr.Model(
        name, build, location, rules=list(rules), allow_unused=LEARNING_RATE
    )


def iris_graph(location):
    """The training graph that contrib.learn left beside the checkpoint."""
    features = "dnn/input_from_feature_columns/input_from_feature_columns/concat"
    return lr.Model.from_meta_graph(
        "saved",
        location,
        inputs={"features": features},
        outputs={"classes": "predictions/probabilities"},
    )


IRIS = [
    ({}, ["estimator"]),
    ({"parts": 1}, ["estimator"]),
    ({"scope": None}, ["estimator", "estimator-scopes"]),
    ({"scope": None, "parts": 1}, ["estimator-scopes", "weights-to-kernel"]),
    ({"train": True}, ["estimator"]),
    ({"train": True, "parts": 1}, ["estimator"]),
]


def test_a_classifier_of_contrib_learn_in_models_of_today(kind):
    location = prefix_of("iris_partitioned", "model.ckpt-8000")
    flowers = [
        iris_of(kind, location, f"m{number}", rules, **more)
        for number, (more, rules) in enumerate(IRIS)
    ]
    features = np.abs(numbers([120, 4])) * 6
    with lr.restore([iris_graph(location), *flowers]) as restored:
        expected = restored["saved"](features=features)["classes"]
        assert np.ptp(expected, axis=0).max() > 0.1
        for one in flowers:
            found = restored[one.name](features=features)["classes"]
            np.testing.assert_allclose(found, expected, **TOLERANCE)
            assert not packs_in(restored[one.name].report)
        assert restored.check().ok
        slots = {row.key for row in restored.plan["m5"].rows if "Adagrad" in row.key}
        assert len(slots) == 8
        assert "dnn/hiddenlayer_0/weights/t_0/Adagrad" in slots


def test_a_classifier_of_contrib_learn_without_a_pack(kind, refused):
    """Several packs give its layers their names; one of them knows what to heed."""
    location = prefix_of("iris_partitioned", "model.ckpt-8000")
    for more in {}, {"train": True}:
        error = refused([iris_of(kind, location, **more)])
        assert set(ids(error.findings)) == {"missing-key", "unused-weights"}
        hint = of_id(error.findings, "missing-key")[0].hint
        assert "rules=['estimator'] for 'm', with which all of them match" in hint
        assert PACKS["estimator"].caution in hint


# A wide and deep classifier of tf.estimator.


def taxi_graph(location):
    """The training graph of the estimator, fed behind its queue."""
    queue = "read_batch_features/fifo_queue_Dequeue"
    places = dict(models.TAXI_NUMBERS)
    places.update((name, place) for name, (place, _) in models.TAXI_CATEGORIES.items())
    return lr.Model.from_meta_graph(
        "saved",
        location,
        inputs={name: f"{queue}:{place}" for name, place in places.items()},
        outputs={"likely": "head/predictions/probabilities"},
    )


def rides(number):
    """Features of rides, each category used."""
    random = np.random.RandomState(3)
    found = {
        name: random.normal(size=number).astype(np.float32)
        for name in models.TAXI_NUMBERS
    }
    for name, (_, size) in models.TAXI_CATEGORIES.items():
        found[name] = random.randint(0, size, number)
    return found


def test_a_wide_and_deep_classifier_without_the_scopes_of_its_parts(kind):
    location = prefix_of("taxi_estimator", "model.ckpt-10000")
    plain = of_kind(kind, models.build_plain_taxi)
    built = [
        lr.Model("same", of_kind(kind, models.build_taxi), location),
        lr.Model("named", plain, location, rules=["estimator-scopes"]),
        lr.Model("unnamed", plain, location),
    ]
    given = rides(40)
    with lr.restore([taxi_graph(location), *built]) as restored:
        expected = restored["saved"](given)["likely"]
        assert np.ptp(expected[:, 1]) > 0.05
        for one in built:
            found = restored[one.name](given)["likely"]
            np.testing.assert_allclose(found, expected, **TOLERANCE)
        assert restored.check().ok
        assert packs_in(restored["same"].report) == []
        assert packs_in(restored["named"].report) == []
        assert packs_in(restored["unnamed"].report) == ["estimator-scopes"]
        values = values_in(restored, "named")
    renamed = {name: f"dnn/{name}" for name in values if "/" in name}
    renamed.update(
        (name, f"linear/linear_model/{name}")
        for name in values
        if name == "bias_weights" or name.endswith("_xf/weights")
    )
    assert len(values) == 20
    assert_same(values, values_of(location, renamed))


# A classifier whose variables nobody named, with averages and no object for them.


@pytest.mark.parametrize("rules", [[], ["default-numbers"]])
def test_averages_of_variables_that_have_other_numbers_now(kind, rules):
    with np.load(sample("mnist_ema", "golden.npz")) as found:
        golden = {key: found[key] for key in found.files}
    location = sample("mnist_ema")
    later = of_kind(kind, models.build_mnist_later)
    built = [
        lr.Model(weights, later, location, weights=weights, rules=rules)
        for weights in ("raw", "ema")
    ]
    built.append(lr.Model("first", of_kind(kind, real_models.build_mnist), location))
    with lr.restore(built) as restored:
        assert restored.check().ok
        for given in ("random", "mnist64"):
            images = golden[f"in:{given}"]
            for name in ("raw", "ema"):
                expected = golden[f"out:{name}_64004_{given}"]
                found = restored[name](images=images)
                np.testing.assert_allclose(found, expected, **TOLERANCE)
        for name in ("raw", "ema"):
            taken = packs_in(restored[name].report)
            assert taken == ([] if rules else ["default-numbers"])
        assert packs_in(restored["first"].report) == []


# A cell whose forget gate has no bias.


def speller_of(kind, location, forget_bias, **more):
    build = of_kind(kind, functools.partial(models.build_speller, forget_bias))
    return lr.Model("m", build, location, **more)


def test_a_cudnn_model_in_cells_of_today(kind, refused):
    location = prefix_of("cudnn_lstm", "best")
    error = refused([speller_of(kind, location, 0.0)])
    first = of_id(error.findings, "missing-key")[0]
    assert first.hint.startswith("rules=['cudnn-rnn'] for 'm'")
    assert "forget_bias=0" in first.hint
    assert "forget_bias=0" in str(error)

    with np.load(sample("cudnn_lstm", "golden.npz")) as found:
        golden = {key: found[key] for key in found.files}
    for forget_bias in (0.0, 1.0):
        model = speller_of(kind, location, forget_bias, rules=["cudnn-rnn"])
        with lr.restore([model]) as restored:
            assert restored.check().ok
            outputs = restored["m"](ids=golden["in:ids"])
        wrong = max(
            np.abs(value - golden[f"out:0_best_{name}"]).max()
            for name, value in outputs.items()
        )
        # With a bias of 1 it runs too, which is why nothing takes this pack unasked.
        assert wrong < 1e-5 if forget_bias == 0 else wrong > 1
