"""What a checkpoint key stands for."""

import pytest

from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.mapping.classify import TensorClass, classify
from tests.planning.specs import entry
from tests.samples import sample

WEIGHT = TensorClass.WEIGHT
SLOT = TensorClass.SLOT


def class_of(key, *entries):
    return classify(entries)[key].tensor_class


def classes(*entries):
    return {key: found.tensor_class for key, found in classify(entries).items()}


@pytest.mark.parametrize(
    "slot",
    [
        "Adam",
        "Adam_1",
        "Momentum",
        "RMSProp",
        "RMSProp_1",
        "Ftrl",
        "Ftrl_1",
        "Adagrad",
        "Adadelta",
        "Adadelta_1",
        "AdagradDA",
        "ProximalAdagrad",
        "adam_m",
        "adam_v",
        "lamb_m",
        "AdamW",
        "LazyAdam",
    ],
)
def test_slots_are_known_by_their_name_and_their_variable(slot):
    key = f"dense/kernel/{slot}"
    found = classes(entry("dense/kernel", [3, 2]), entry(key, [3, 2]))
    assert found == {"dense/kernel": WEIGHT, key: SLOT}


@pytest.mark.parametrize(
    "key",
    [
        "train/dense/kernel/Adam",
        "OptimizeLoss/dense/kernel/Adam_1",
        "a/b/dense/kernel/Momentum",
    ],
)
def test_slots_made_in_an_outer_scope_carry_it_before_the_whole_name(key):
    assert class_of(key, entry("dense/kernel", [2]), entry(key, [2])) is SLOT


def test_slots_of_a_variable_under_a_scope_carry_that_scope_twice():
    key = "m/m/dense/kernel/Adam"
    assert class_of(key, entry("m/dense/kernel", [2]), entry(key, [2])) is SLOT


@pytest.mark.parametrize("part", ["t_0", "part_3"])
def test_slots_of_a_partition_name_it_before_the_optimizer(part):
    key = f"dnn/hiddenlayer_0/biases/{part}/Adagrad"
    variable = entry("dnn/hiddenlayer_0/biases", [10])
    assert class_of(key, variable, entry(key, [10])) is SLOT


def test_statistics_per_row_and_column_are_slots_of_any_shape():
    key = "w/Adafactor"
    assert class_of(key, entry("w", [3, 2]), entry(key, [3])) is SLOT


@pytest.mark.parametrize(
    "key", ["beta1_power", "beta2_power_1", "training/beta1_power", "a/b/beta2_power"]
)
def test_powers_are_scalars_of_that_name(key):
    assert class_of(key, entry(key, [])) is TensorClass.POWER
    assert class_of(key, entry(key, [2])) is WEIGHT
    assert class_of(key, entry(key, [], "int64")) is WEIGHT


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
@pytest.mark.parametrize("key", ["global_step", "train/global_step", "global_step_1"])
def test_steps_are_scalars_of_that_name(key, dtype):
    assert class_of(key, entry(key, [], dtype)) is TensorClass.STEP
    assert class_of(key, entry(key, [1], dtype)) is WEIGHT


@pytest.mark.parametrize("key", ["Variable", "Variable_4", "train/Variable_2"])
def test_an_integer_scalar_without_a_name_is_a_step(key):
    assert class_of(key, entry(key, [], "int32")) is TensorClass.STEP
    assert class_of(key, entry(key, [], "int64")) is TensorClass.STEP
    assert class_of(key, entry(key, [], "float32")) is WEIGHT
    assert class_of(key, entry(key, [7], "int32")) is WEIGHT


def test_averages_are_known_by_their_name():
    key = "Variable_1/ExponentialMovingAverage"
    found = classes(entry("Variable_1", [500]), entry(key, [500]))
    assert found == {"Variable_1": WEIGHT, key: TensorClass.EMA}


def test_an_average_of_another_shape_than_the_variable_is_a_weight():
    key = "w/ExponentialMovingAverage"
    assert class_of(key, entry("w", [2]), entry(key, [3])) is WEIGHT


def test_the_object_graph_is_a_string_at_the_top():
    key = "_CHECKPOINTABLE_OBJECT_GRAPH"
    assert class_of(key, entry(key, [], "string")) is TensorClass.OBJECT_GRAPH
    assert class_of(key, entry(key, [], "float32")) is WEIGHT
    assert class_of("m/" + key, entry("m/" + key, [], "string")) is WEIGHT


@pytest.mark.parametrize(
    "key", ["temperature", "learning_rate", "m/scale", "loss/count", "dense/Adam"]
)
def test_scalars_of_other_names_are_weights(key):
    assert class_of(key, entry(key, [])) is WEIGHT


def test_a_slot_name_without_a_variable_is_a_weight():
    assert class_of("x/Adam", entry("x/Adam", [2]), entry("y", [2])) is WEIGHT


def test_a_slot_name_of_another_shape_than_the_variable_is_a_weight():
    assert class_of("x/Adam", entry("x/Adam", [3]), entry("x", [2])) is WEIGHT


@pytest.mark.parametrize(
    "key", ["Momentum/kernel", "Adam/w", "Ftrl", "Adam", "x/Adams", "x/adam"]
)
def test_layers_that_are_called_like_optimizers_are_weights(key):
    assert class_of(key, entry(key, [2]), entry("x", [2])) is WEIGHT


def test_a_weight_counts_although_another_key_carries_its_name():
    found = classes(entry("a/w", [2]), entry("b/a/w", [2]))
    assert found == {"a/w": WEIGHT, "b/a/w": WEIGHT}


def test_only_weights_are_needed_to_run_a_model():
    assert [one for one in TensorClass if not one.is_training_state] == [WEIGHT]


def test_every_key_gets_a_class_and_a_reason():
    found = classify([entry("w", [2]), entry("w/Adam", [2]), entry("global_step", [])])
    assert set(found) == {"w", "w/Adam", "global_step"}
    assert found["w/Adam"].reason == "Adam of w"
    assert all(one.reason for one in found.values())


def weights_in(*location):
    with open_checkpoint(sample(*location)) as checkpoint:
        found = classify(checkpoint.entries())
    return {key for key, one in found.items() if one.tensor_class is WEIGHT}, found


@pytest.mark.parametrize(
    "directory, count",
    [("PNet_landmark", 15), ("RNet_landmark", 17), ("ONet_landmark", 20)],
)
def test_a_step_called_variable_and_momentum_slots_of_a_real_model(directory, count):
    weights, found = weights_in("mtcnn", directory)
    assert len(weights) == count
    assert found["Variable"].tensor_class is TensorClass.STEP
    assert not any(key.endswith("/Momentum") for key in weights)


def test_averages_of_default_named_variables_of_a_real_model():
    weights, found = weights_in("mnist_ema")
    assert weights == {"Variable", "Variable_1", "Variable_2", "Variable_3"}
    assert found["Variable_4"].tensor_class is TensorClass.STEP


def test_loss_monitors_of_a_real_model_are_not_known_as_training_state():
    weights, _ = weights_in("char_rnn", "tf1_2")
    monitors = {key for key in weights if "/loss_monitor/" in key}
    assert len(monitors) == 6
    assert len(weights - monitors) == 6


def test_slots_of_partitions_of_a_real_model():
    weights, found = weights_in("iris_partitioned")
    slots = {key for key, one in found.items() if one.tensor_class is SLOT}
    assert slots
    assert not any(key.endswith("/Adagrad") for key in weights)


def test_an_average_of_a_tensor_is_a_weight():
    # As batch normalisation by hand kept it before there were layers.
    key = "bn/moments/Squeeze/ExponentialMovingAverage"
    assert classify([entry(key, [4])])[key].tensor_class is TensorClass.WEIGHT


def test_a_float_that_is_called_step_is_a_weight():
    found = classify([entry("quant/step", []), entry("epoch", [], "int32")])
    assert found["quant/step"].tensor_class is TensorClass.WEIGHT
    assert found["epoch"].tensor_class is TensorClass.STEP
