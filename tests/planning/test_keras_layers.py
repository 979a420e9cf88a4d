"""Layers of a model and of a file, paired by order and names: what may not be mixed."""

import pytest

from legacy_restore.planning.keras_layers import (
    LayerWeight,
    LayerWeights,
    pair_layers,
)


def layers(**weights):
    """Layers by their names, with the paths of their weights."""
    return [
        LayerWeights(name, tuple(LayerWeight(path, path) for path in paths))
        for name, paths in weights.items()
    ]


def dense(*names):
    return layers(**{name: [f"{name}/kernel", f"{name}/bias"] for name in names})


def paired(live, stored):
    """Which layer each one is paired with; None where its weights are not."""
    found = pair_layers(dense(*live), dense(*stored))
    assert {name.rpartition("/")[2] for name in found} <= {"kernel", "bias"}
    return {
        one.rpartition("/")[0]: other.rpartition("/")[0] for one, other in found.items()
    }


def test_numbers_of_one_type_follow_each_other():
    assert paired(["dense_7", "out", "dense_9"], ["dense", "out", "dense_1"]) == {
        "dense_7": "dense",
        "out": "out",
        "dense_9": "dense_1",
    }


def test_names_that_are_the_same_go_before_the_order():
    names = ["decoder", "encoder"]
    assert paired(names, names[::-1]) == {name: name for name in names}


@pytest.mark.parametrize(
    "live, stored",
    [
        (["dense_7", "dense_9"], ["dense_1", "dense"]),
        (["dense"], ["dense", "dense_1"]),
        (["encoder", "last"], ["first", "encoder"]),
        (["dense_3", "conv1d"], ["conv1d_4", "dense_1"]),
    ],
)
def test_layers_that_may_be_others_are_not_paired(live, stored):
    assert paired(live, stored) == {}


def test_layers_with_other_names_are_paired_in_their_order():
    assert paired(["head", "tail"], ["a", "b"]) == {"head": "a", "tail": "b"}


def inner(*paths):
    return layers(inner=[f"inner/{path}" for path in paths])


def test_weights_inside_of_a_layer_are_paired_in_their_order():
    live = inner("dense_4/kernel", "dense_4/bias", "dense_5/kernel", "dense_5/bias")
    stored = layers(inner=["dense/kernel", "dense/bias", "d_1/kernel", "d_1/bias"])
    assert list(pair_layers(live, stored).values()) == [
        "dense/kernel",
        "dense/bias",
        "d_1/kernel",
        "d_1/bias",
    ]


@pytest.mark.parametrize(
    "stored",
    [
        ["dense_1/kernel", "dense_1/bias", "dense/kernel", "dense/bias"],  # frozen
        ["dense/kernel", "dense_1/kernel", "dense/bias", "dense_1/bias"],
        ["dense/kernel", "dense/bias", "dense/kernel", "dense/bias"],
        ["dense/kernel", "dense/bias", "dense_1/kernel"],
        ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/beta"],
    ],
)
def test_weights_that_may_be_others_are_not_paired(stored):
    live = inner("dense_4/kernel", "dense_4/bias", "dense_5/kernel", "dense_5/bias")
    assert pair_layers(live, layers(inner=stored)) == {}


def test_weights_of_the_same_paths_are_paired_whatever_their_order():
    live = inner("a/kernel", "b/kernel")
    stored = inner("b/kernel", "a/kernel")
    assert pair_layers(live, stored) == {
        "inner/a/kernel": "inner/a/kernel",
        "inner/b/kernel": "inner/b/kernel",
    }


def test_kernels_of_depthwise_convolutions_have_two_names():
    live = layers(depthwise_conv2d_3=["depthwise_conv2d_3/kernel"])
    stored = layers(depthwise_conv2d=["depthwise_conv2d/depthwise_kernel"])
    assert pair_layers(live, stored) == {
        "depthwise_conv2d_3/kernel": "depthwise_conv2d/depthwise_kernel"
    }
