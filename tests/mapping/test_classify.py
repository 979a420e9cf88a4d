"""What a checkpoint key stands for."""

import dataclasses

import pytest

from legacy_restore.checkpoint import TensorSlice, open_checkpoint
from legacy_restore.mapping.classify import TensorClass, classify
from tests.planning.specs import entry
from tests.samples import sample

WEIGHT = TensorClass.WEIGHT
BATCH_NORM = TensorClass.BATCH_NORM
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
        "AddSignOptimizer",
        "PowerSignOptimizer",
        "RegAdagrad",
        "Shampoo",
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


@pytest.mark.parametrize("part", ["0", "_0", "t_0", "art_12", "part_3"])
def test_slots_of_a_partition_name_it_before_the_optimizer(part):
    key = f"dnn/hiddenlayer_0/biases/{part}/Adagrad"
    variable = entry("dnn/hiddenlayer_0/biases", [10])
    assert class_of(key, variable, entry(key, [10])) is SLOT


@pytest.mark.parametrize(
    "rest", ["/part_0", "er/e/n/w/part_12", "e/n/w/part_3", "trainscope/e/n/w/part_0"]
)
def test_slots_of_a_partition_may_repeat_the_end_of_its_name(rest):
    variable = entry("e/n/w", [4])
    halves = (TensorSlice((0,), (2,)), TensorSlice((2,), (2,)))
    whole = dataclasses.replace(variable, slices=halves)
    slot = dataclasses.replace(entry(f"e/n/w/{rest}/Adagrad", [4]), slices=halves[:1])
    assert class_of(slot.key, whole, slot) is SLOT
    assert class_of(slot.key, variable, slot) is WEIGHT


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


def test_only_weights_and_statistics_are_needed_to_run_a_model():
    needed = [one for one in TensorClass if not one.is_training_state]
    assert needed == [WEIGHT, BATCH_NORM]


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
    key = "bn/loss/mean/ExponentialMovingAverage"
    assert class_of(key, entry(key, [4])) is WEIGHT


def test_a_float_that_is_called_step_is_a_weight():
    found = classify([entry("quant/step", []), entry("epoch", [], "int32")])
    assert found["quant/step"].tensor_class is TensorClass.WEIGHT
    assert found["epoch"].tensor_class is TensorClass.STEP


def test_slots_say_whose_they_are():
    keys = ["w/Adam_1", "w/Ftrl", "w/adam_m", "w/lamb_v_1", "train/w/RMSProp_2"]
    found = classify([entry("w", [2]), *(entry(key, [2]) for key in keys)])
    names = [found[key].optimizer for key in keys]
    assert names == ["Adam", "Ftrl", "adam", "lamb", "RMSProp"]
    assert found["w"].optimizer is None


@pytest.mark.parametrize("shape, expected", [([3, 3], SLOT), ([4, 4], WEIGHT)])
def test_matrices_per_axis_are_slots_of_shampoo_alone(shape, expected):
    variable = entry("w", [3, 2])
    key, other = "w/Shampoo_1", "w/Adam_1"
    found = classes(variable, entry(key, shape), entry(other, shape))
    assert found == {"w": WEIGHT, key: expected, other: WEIGHT}


@pytest.mark.parametrize(
    "key, optimizer",
    [
        ("Adam/dense/kernel/m", "Adam"),
        ("training/Adam_1/dense/kernel/vhat", "Adam"),
        ("SGD/dense/kernel/momentum", "SGD"),
        ("RMSprop/dense/kernel/rms", "RMSprop"),
        ("a/Adam/b/Nadam/dense/kernel/v", "Nadam"),
    ],
)
def test_slots_of_keras_are_known_by_optimizer_variable_and_slot(key, optimizer):
    found = classify([entry("dense/kernel", [3, 2]), entry(key, [3, 2])])[key]
    assert (found.tensor_class, found.optimizer) == (SLOT, optimizer)
    assert found.reason == f"{key.rpartition('/')[2]} of dense/kernel"


@pytest.mark.parametrize(
    "key, shape",
    [
        ("Adam/dense/kernel/m", [3]),  # Another shape.
        ("Adam/dense/kernel/rms", [2]),  # A slot of another optimizer.
        ("Adam/dense/bias/m", [2]),  # No such variable.
        ("adam/dense/kernel/m", [2]),
        ("dense/kernel/m", [2]),
        ("Adam/m", [2]),
    ],
)
def test_what_only_looks_like_a_slot_of_keras_is_a_weight(key, shape):
    assert class_of(key, entry("dense/kernel", [2]), entry(key, shape)) is WEIGHT


@pytest.mark.parametrize(
    "name",
    [
        "moving_mean",
        "moving_variance",
        "moving_mean_1",
        "bn/moving_stddev",
        "m/bn/renorm_mean",
        "bn/renorm_stddev_weight",
        "batchnormalization_1_running_mean",
        "bn_running_std",
        "conv0/bn/mean/EMA",
        "variance/EMA",
        "m/BatchNorm/m/BatchNorm/moving_mean/biased",
        "BatchNorm/moving_mean/local_step",
        "bn/moving_mean/local_step_1",
        "hb/m/moments/Squeeze_1/ExponentialMovingAverage",
        "moments_1/normalize/mean/ExponentialMovingAverage_2",
        "m/m/moments/Squeeze/ExponentialMovingAverage/biased",
    ],
)
def test_statistics_of_batch_normalisation_are_known_by_their_name(name):
    for key in (name, f"{name}/.ATTRIBUTES/VARIABLE_VALUE"):
        for shape in ([], [4], [1, 1, 4]):
            assert class_of(key, entry(key, shape)) is BATCH_NORM


@pytest.mark.parametrize(
    "key",
    [
        "bn/mean",
        "bn/variance",
        "removing_mean",
        "w/biased",
        "w/local_step",
        "EMA",
        "moments/w",
        "moments/ExponentialMovingAverage/w",
        "moving_mean/kernel",
    ],
)
def test_what_only_looks_like_a_statistic_is_a_weight(key):
    assert class_of(key, entry(key, [4]), entry("w", [4])) is WEIGHT


@pytest.mark.parametrize("base", ["bn/moving_mean", "moments/w"])
def test_an_average_of_a_variable_is_one_whatever_it_is_called(base):
    key = f"{base}/ExponentialMovingAverage"
    assert class_of(key, entry(base, [4]), entry(key, [4])) is TensorClass.EMA


def test_an_average_of_moments_is_kept_although_a_variable_ends_its_name():
    key = "bn/moments/mean/ExponentialMovingAverage"
    assert class_of(key, entry("mean", [4]), entry(key, [4])) is BATCH_NORM


def test_what_object_based_checkpoints_hold():
    value = "/.ATTRIBUTES/VARIABLE_VALUE"
    slot = "model/kernel/.OPTIMIZER_SLOT/optimizer/m" + value
    found = classify(
        [
            entry("model/kernel" + value, [3]),
            entry(slot, [3]),
            entry("save_counter" + value, [], "int64"),
            entry("optimizer/iter" + value, [], "int64"),
            entry("optimizer/learning_rate" + value, []),
            entry("layer-0/.ATTRIBUTES/OBJECT_CONFIG_JSON", [], "string"),
            entry("not/.ATTRIBUTES/OBJECT_CONFIG_JSON", []),
            entry("name/.OPTIMIZER_SLOT/based/m", [3]),
        ]
    )
    assert [one.tensor_class for one in found.values()] == [
        WEIGHT,
        SLOT,
        TensorClass.STEP,
        TensorClass.STEP,
        WEIGHT,
        TensorClass.OBJECT_GRAPH,
        WEIGHT,
        WEIGHT,
    ]
    assert found[slot].reason == "m of model/kernel"
    assert found[slot].optimizer is None


def test_slots_of_two_optimizers_of_a_real_model():
    _, found = weights_in("taxi_estimator", "model.ckpt-10000.index")
    slots = {key: one for key, one in found.items() if one.tensor_class is SLOT}
    assert {one.optimizer for one in slots.values()} == {"Adagrad", "Ftrl"}
    assert all(f"/{one.optimizer}" in key for key, one in slots.items())


def test_counters_and_configurations_of_real_object_based_checkpoints():
    _, found = weights_in("keras_object_based")
    configurations = [key for key in found if key.endswith("OBJECT_CONFIG_JSON")]
    assert configurations
    for key in configurations:
        assert found[key].tensor_class is TensorClass.OBJECT_GRAPH
    _, found = weights_in("sonnet2", "ema_2")
    key = "save_counter/.ATTRIBUTES/VARIABLE_VALUE"
    assert found[key].tensor_class is TensorClass.STEP


def test_names_of_tensors_are_those_of_their_variables():
    """A Saver of {variable.name: variable} saves slots and counters so, too."""
    found = classes(
        entry("dense/kernel:0", [3, 2]),
        entry("dense/kernel/Adam:0", [3, 2]),
        entry("dense/kernel/ExponentialMovingAverage:0", [3, 2]),
        entry("other/Adam:0", [3, 2]),
        entry("beta1_power:0", []),
        entry("global_step:0", [], "int64"),
    )
    assert found == {
        "dense/kernel:0": WEIGHT,
        "dense/kernel/Adam:0": SLOT,
        "dense/kernel/ExponentialMovingAverage:0": TensorClass.EMA,
        "other/Adam:0": WEIGHT,
        "beta1_power:0": TensorClass.POWER,
        "global_step:0": TensorClass.STEP,
    }
    both = entry("w", [2]), entry("w:0", [3]), entry("w/Adam:0", [2])
    assert classes(*both)["w/Adam:0"] is SLOT
    assert classify(both)["w/Adam:0"].reason == "Adam of w"
