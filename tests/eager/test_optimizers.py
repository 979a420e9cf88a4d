"""Live optimizers, and what stock TensorFlow writes of them."""

import dataclasses

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import open_checkpoint
from legacy_restore.eager import optimizers
from legacy_restore.eager.optimizer_assignments import assignments
from legacy_restore.mapping.classify import classify
from legacy_restore.mapping.optimizer_state.kinds import Family, Library
from legacy_restore.planning.optimizer_transfer import find_optimizers, plan_transfer
from legacy_restore.tf import tf
from tests.eager.training import (
    LIBRARIES,
    Training,
    eagerly,
    keras,
    make_optimizer,
    tf_keras,
)

RATE = {"learning_rate": 0.1}
OPTIONS = {
    Family.MOMENTUM: {**RATE, "momentum": 0.9},
    Family.ADAM: RATE,
    Family.RMSPROP: {**RATE, "momentum": 0.9, "centered": True},
    Family.ADAGRAD: RATE,
    Family.FTRL: RATE,
}
OTHERS = ["Lamb", "Nadam", "Adamax", "Lion", "Adadelta", "ScheduleFreeAdamW"]
needs_keras_3 = pytest.mark.skipif(
    Library.KERAS_3 not in LIBRARIES, reason="needs Keras 3"
)
needs_tf_keras = pytest.mark.skipif(
    Library.KERAS_2 not in LIBRARIES, reason="needs tf_keras"
)


@pytest.fixture(autouse=True)
def own_names():
    """Clears no session: names of Keras do not matter here, and it takes seconds."""


@pytest.fixture(autouse=True)
def run_eagerly():
    with eagerly():
        yield


def array(variable):
    return variable.numpy() if hasattr(variable, "numpy") else np.asarray(variable)


def found_in(prefix):
    with open_checkpoint(prefix) as checkpoint:
        values = {key: checkpoint[key] for key in checkpoint}
        return find_optimizers(checkpoint.entries(), checkpoint.objects), values


def assert_same_slots(prefix, optimizer, variables):
    """Compares what is found in a file with the optimizer that was saved."""
    found, values = found_in(prefix)
    (stored,) = found.optimizers
    assert not stored.problems
    live = optimizers.slots_of(optimizer, variables)
    assert len(stored.slots) == len(variables)
    for variable, slots in zip(variables, live):
        value = array(variable)
        (key,) = [k for k in stored.slots if np.array_equal(values[k], value)]
        assert set(stored.slots[key]) == set(slots) == stored.state.roles
        for role, slot in slots.items():
            np.testing.assert_array_equal(values[stored.slots[key][role]], array(slot))
    return stored


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("library", LIBRARIES)
def test_slots_in_a_file_are_those_of_the_optimizer(tmp_path, library, family):
    training = Training.begin(library, family, **OPTIONS[family])
    training.run(3)
    prefix = training.save(str(tmp_path / "ckpt"))
    state = optimizers.state_of(training.optimizer)
    assert (state.library, state.family) == (library, family)
    stored = assert_same_slots(prefix, training.optimizer, training.variables)
    assert (stored.state.library, stored.state.family) == (library, family)
    assert stored.state.roles == state.roles
    if library.is_keras or family is Family.ADAM:
        assert optimizers.step_of(training.optimizer) == 3
    else:
        assert optimizers.step_of(training.optimizer) is None


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("library", LIBRARIES)
def test_building_makes_the_slots_and_changes_none(library, family):
    training = Training.begin(library, family, **OPTIONS[family])
    before = [array(one) for one in training.raw]
    assert not optimizers.is_built(training.optimizer, training.variables)
    optimizers.build(training.optimizer, training.variables)
    assert optimizers.is_built(training.optimizer, training.variables)
    slots = optimizers.slots_of(training.optimizer, training.variables)
    assert all(set(of) == set(slots[0]) for of in slots)
    assert not optimizers.step_of(training.optimizer)
    for old, new in zip(before, training.raw):
        np.testing.assert_array_equal(old, array(new))
    training.run(2)
    after = [array(slot) for of in slots for slot in of.values()]
    optimizers.build(training.optimizer, training.variables)
    again = optimizers.slots_of(training.optimizer, training.variables)
    for old, slot in zip(after, [slot for of in again for slot in of.values()]):
        np.testing.assert_array_equal(old, array(slot))


def test_the_powers_of_adam_are_one_step_ahead():
    training = Training.begin(Library.V1, Family.ADAM, learning_rate=0.1, beta_1=0.5)
    training.run(3)
    power = optimizers.step_variables(training.optimizer)["beta_1"]
    assert float(power.numpy()) == 0.5**4


@needs_keras_3
def test_models_that_shorten_names_are_read_by_their_lists(tmp_path):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.one = keras.layers.Dense(3)
            self.two = keras.layers.Dense(3)

        def call(self, inputs):
            return self.two(self.one(inputs))

    model = Model()
    model.compile(keras.optimizers.Adam(0.1), "mse")
    inputs = np.random.RandomState(0).normal(size=(8, 3)).astype(np.float32)
    model.fit(inputs, inputs[:, :3] ** 2, verbose=0, epochs=2)
    for place, variable in enumerate(model.variables):
        # Biases begin alike; the test tells variables by their values.
        variable.assign(variable + place)
    prefix = tf.train.Checkpoint(model=model).save(str(tmp_path / "ckpt"))
    assert_same_slots(prefix, model.optimizer, model.trainable_variables)


@pytest.mark.parametrize("library", [one for one in LIBRARIES if one.is_keras])
def test_places_in_the_list_of_all_variables_do_not_matter(tmp_path, library):
    values = [np.full(2, 1.0 + n, np.float32) for n in range(3)]

    def begin(order):
        if library is Library.KERAS_3:
            variables = [keras.Variable(values[n], name=f"v{n}") for n in range(3)]
        else:
            variables = [tf.Variable(values[n], name=f"v{n}") for n in range(3)]
        optimizer = make_optimizer(library, Family.ADAM, **RATE)
        optimizers.build(optimizer, [variables[n] for n in order])
        return variables, optimizer

    variables, optimizer = begin([2, 0, 1])
    for n, slots in enumerate(optimizers.slots_of(optimizer, variables)):
        slots["m"].assign(values[n] * 10)
    tracked = {f"v{n}": variable for n, variable in enumerate(variables)}
    root = tf.train.Checkpoint(o=optimizer, **tracked)
    found, stored = found_in(root.save(str(tmp_path / "ckpt")))
    names = {f"v{n}": key for n in range(3) for key in stored
             if key.startswith(f"v{n}/") and "SLOT" not in key
             or key.startswith(f"o/_trainable_variables/{[1, 2, 0][n]}/")}  # fmt: skip
    variables, optimizer = begin([0, 1, 2])
    state = optimizers.state_of(optimizer)
    transfer = plan_transfer(found, state, names, stored)
    assert transfer.ok, transfer.findings
    named = {f"v{n}": variables[n] for n in range(3)}
    for one in assignments(optimizer, named, transfer, stored):
        one.variable.assign(one.value)
    for n, slots in enumerate(optimizers.slots_of(optimizer, variables)):
        np.testing.assert_array_equal(array(slots["m"]), values[n] * 10)


@needs_tf_keras
def test_a_name_of_two_weights_tells_no_slot(tmp_path):
    variables = [tf.Variable([1.0 + n], name="same") for n in range(2)]
    optimizer = tf_keras.optimizers.Adam(0.1, jit_compile=False)
    optimizer.build(variables)
    root = tf.train.Checkpoint(o=optimizer, v=variables)
    found, stored = found_in(root.save(str(tmp_path / "ckpt")))
    assert len(found.optimizers[0].problems) == 4
    names = {f"v{n}": f"v/{n}/.ATTRIBUTES/VARIABLE_VALUE" for n in range(2)}
    transfer = plan_transfer(found, optimizers.state_of(optimizer), names, stored)
    assert not transfer.ok and not transfer.slots


@needs_tf_keras
def test_slots_of_two_weights_of_one_name_are_of_neither(tmp_path):
    variables = [tf.Variable([1.0 + n], name="same") for n in range(2)]
    optimizer = tf_keras.optimizers.Adam(0.1, jit_compile=False)
    optimizer.build(variables)
    # The file has one of them, and the slots of both.
    root = tf.train.Checkpoint(o=optimizer, v=variables[1])
    found, stored = found_in(root.save(str(tmp_path / "ckpt")))
    assert [dict(one.slots) for one in found.optimizers] == [{}]
    names = {"v": "v/.ATTRIBUTES/VARIABLE_VALUE"}
    transfer = plan_transfer(found, optimizers.state_of(optimizer), names, stored)
    assert not transfer.ok and not transfer.slots
    assert "of which weight?" in str(transfer.findings)


@needs_keras_3
def test_what_derives_from_a_known_optimizer_is_refused():
    class Mine(keras.optimizers.Adam):
        pass

    for optimizer in (Mine(), keras.optimizers.Lion(), tf.train.AdadeltaOptimizer()):
        with pytest.raises(errors.UsageError) as caught:
            optimizers.state_of(optimizer)
        assert type(optimizer).__name__ in str(caught.value)
        assert caught.value.hint == "optimizer=None leaves it as it is"


@needs_keras_3
def test_a_wrapped_optimizer_is_the_one_to_ask_for():
    wrapper = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.1))
    with pytest.raises(errors.UsageError) as caught:
        optimizers.state_of(wrapper)
    assert "optimizer=optimizer.inner_optimizer" in caught.value.hint
    assert optimizers.state_of(wrapper.inner_optimizer).family is Family.ADAM


@needs_keras_3
def test_weights_that_do_not_decay_are_no_slots(tmp_path):
    training = Training.begin(Library.KERAS_3, Family.ADAM, **RATE)
    optimizer = keras.optimizers.AdamW(0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.apply([one * 0 for one in training.raw], training.variables)
    root = tf.train.Checkpoint(o=optimizer, v=training.variables)
    prefix = root.save(str(tmp_path / "ckpt"))
    assert_same_slots(prefix, optimizer, training.variables)


@needs_keras_3
def test_gradients_that_were_gathered_have_no_rule(tmp_path):
    variables = [keras.Variable([1.0], name="v")]
    optimizer = keras.optimizers.SGD(0.1, 0.9, gradient_accumulation_steps=2)
    optimizer.build(variables)
    root = tf.train.Checkpoint(o=optimizer, v=variables)
    found, stored = found_in(root.save(str(tmp_path / "ckpt")))
    live = optimizers.state_of(keras.optimizers.SGD(0.1, 0.9))
    names = {"v": next(iter(found.optimizers[0].slots))}
    transfer = plan_transfer(found, live, names, stored)
    assert [one.id for one in transfer.findings if one.is_error] == ["optimizer-rule"]
    assert "kept gradients from step to step" in str(transfer.findings)


@needs_keras_3
@pytest.mark.parametrize("name", OTHERS)
def test_files_of_other_optimizers_are_no_adam(tmp_path, name):
    variables = [keras.Variable([1.0], name="v")]
    optimizer = getattr(keras.optimizers, name)(0.1)
    optimizer.build(variables)
    root = tf.train.Checkpoint(o=optimizer, v=variables)
    found, _ = found_in(root.save(str(tmp_path / "ckpt")))
    assert (found.optimizers, found.unknown) == ((), ("o",))


@needs_keras_3
@pytest.mark.parametrize("name", ["Lamb", "Adam", "AdamW"])
def test_an_optimizer_with_another_name_is_said_to_be_unknown(tmp_path, name):
    variables = [keras.Variable([1.0], name="v")]
    optimizer = getattr(keras.optimizers, name)(0.1, name="mine")
    optimizer.build(variables)
    root = tf.train.Checkpoint(o=optimizer, v=variables)
    found, stored = found_in(root.save(str(tmp_path / "ckpt")))
    live = optimizers.state_of(keras.optimizers.Adam(0.1))
    names = {"v": "v/0/.ATTRIBUTES/VARIABLE_VALUE"}
    transfer = plan_transfer(found, live, names, stored)
    assert transfer.ok
    (told,) = [one for one in transfer.findings if one.subject == "optimizer: class"]
    assert told.id == "hyperparameter-unknown"
    assert "'mine'" in told.message


@needs_tf_keras
@pytest.mark.parametrize("name", ["Nadam", "Adamax", "Adadelta"])
def test_files_of_other_legacy_optimizers_are_no_adam(tmp_path, name):
    variable = tf.Variable([1.0], name="v")
    optimizer = getattr(tf_keras.optimizers.legacy, name)(0.1)
    optimizer.apply_gradients([(tf.constant([1.0]), variable)])
    root = tf.train.Checkpoint(o=optimizer, v=variable)
    found, _ = found_in(root.save(str(tmp_path / "ckpt")))
    assert (found.optimizers, found.unknown) == ((), ("o",))


@needs_keras_3
def test_an_optimizer_that_was_built_for_others_is_refused():
    training = Training.begin(Library.KERAS_3, Family.ADAM, **RATE)
    optimizers.build(training.optimizer, training.variables[1:])
    with pytest.raises(errors.UsageError, match="built without kernel"):
        optimizers.build(training.optimizer, training.variables)


@needs_keras_3
def test_what_changes_from_step_to_step_is_no_number():
    rate = keras.optimizers.schedules.ExponentialDecay(0.05, 1, 0.9)
    adam = keras.optimizers.Adam(rate)
    assert optimizers.hyperparameters(adam)["learning_rate"] is None
    assert optimizers.hyperparameters(adam)["weight_decay"] == 0
    assert not optimizers.hyperparameter_variables(adam)
    v1 = tf.train.AdamOptimizer(lambda: 0.1)
    assert optimizers.hyperparameters(v1)["learning_rate"] is None
    v1 = tf.train.AdamOptimizer(tf.Variable(0.5))
    assert optimizers.hyperparameters(v1)["learning_rate"] == 0.5


@needs_keras_3
def test_a_schedule_in_a_file_is_no_number(tmp_path):
    rate = keras.optimizers.schedules.ExponentialDecay(0.05, 1, 0.9)
    variables = [keras.Variable([1.0], name="v")]
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(variables)
    root = tf.train.Checkpoint(o=optimizer, v=variables)
    found, values = found_in(root.save(str(tmp_path / "ckpt")))
    stored = found.optimizers[0].with_hyperparameters(values)
    assert stored.state.hyperparameters.get("learning_rate") is None


@needs_tf_keras
@pytest.mark.parametrize("is_scaled", [False, True])
def test_what_tf_keras_holds_besides_slots_is_none(tmp_path, is_scaled):
    variables = [tf.Variable([1.0, 2.0], name="v")]
    inner = optimizer = tf_keras.optimizers.Adam(0.1, jit_compile=False)
    optimizer.build(variables)
    if is_scaled:
        optimizer = tf_keras.mixed_precision.LossScaleOptimizer(inner)
    # Training in a distribution strategy leaves it there.
    inner._update_step_xla = tf.function(lambda: None)
    root = tf.train.Checkpoint(o=optimizer, v=variables)
    prefix = root.save(str(tmp_path / "ckpt"))
    assert_same_slots(prefix, inner, variables)
    with open_checkpoint(prefix) as checkpoint:
        classes = classify(checkpoint.entries(), checkpoint.objects)
    weights = [
        key for key in classes if not classes[key].tensor_class.is_training_state
    ]
    assert weights == ["v/0/.ATTRIBUTES/VARIABLE_VALUE"]


@needs_keras_3
@pytest.mark.parametrize("library", LIBRARIES[1:])
def test_steps_of_a_schedule_are_no_sum_of_gradients(tmp_path, library):
    # Keras saves no number then: that there is none tells it.
    training = Training.begin(library, Family.MOMENTUM, **OPTIONS[Family.MOMENTUM])
    schedules = (keras if library is Library.KERAS_3 else tf_keras).optimizers.schedules
    rate = schedules.ExponentialDecay(0.1, 1, 0.5)
    optimizer = type(training.optimizer)(rate, momentum=0.9)
    training = dataclasses.replace(training, optimizer=optimizer)
    training.run(3)
    found, stored = found_in(training.save(str(tmp_path / "ckpt")))
    live = optimizers.state_of(tf.compat.v1.train.MomentumOptimizer(0.1, 0.9))
    names = {key: key for key in found.optimizers[0].slots}
    transfer = plan_transfer(found, live, names, stored)
    assert [one.id for one in transfer.findings if one.is_error] == ["optimizer-rule"]
    assert "while the learning rate is constant" in str(transfer.findings)


@needs_keras_3
@pytest.mark.parametrize("library", LIBRARIES[1:])
def test_mirrored_variables_have_slots_too(tmp_path, library):
    strategy = tf.compat.v2.distribute.MirroredStrategy(["cpu:0"])
    with strategy.scope():
        training = Training.begin(library, Family.ADAM, **RATE)
        optimizers.build(training.optimizer, training.variables)
    for n, slots in enumerate(
        optimizers.slots_of(training.optimizer, training.variables)
    ):
        slots["v"].assign(tf.fill(slots["v"].shape, 1.0 + n))
    prefix = training.save(str(tmp_path / "ckpt"))
    assert_same_slots(prefix, training.optimizer, training.variables)
