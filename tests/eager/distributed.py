"""A program with two devices: mirrored variables are restored on both."""

import sys
import tempfile

import keras
import numpy as np
import tensorflow as tf
import tf_keras

import legacy_restore as lr
from legacy_restore.eager import optimizers
from legacy_restore.eager.kinds import variable_of
from tests.eager.eager_models import STEPS, begin
from tests.eager.helpers import dense, dense_values, numbers, write

VALUES = dense_values()
X = numbers([4, 4], 9)


def optimizers_go_on(strategy):
    """Slots are made on both devices, and are what was saved."""
    for library in (keras, tf_keras):
        saved = begin(library, "sequential")
        saved.run(STEPS)
        prefix = saved.root().save(tempfile.mkdtemp() + "/ckpt")
        with strategy.scope():
            training = begin(library, "sequential")
        for _ in range(2):  # Not built, then built.
            restored = lr.restore_object(
                training.root(), prefix, optimizer=training.optimizer
            )
            assert restored.check().ok
        for one in optimizers.slots_of(training.optimizer, training.weights()):
            assert len(variable_of(one["m"]).values) == 2
        assert optimizers.step_of(training.optimizer) == STEPS


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    prefix = write(tempfile.mkdtemp() + "/ckpt", VALUES)
    with strategy.scope():
        models = [
            library.Sequential(
                [library.Input([4]), library.layers.Dense(3, name="dense")]
            )
            for library in (keras, tf_keras)
        ]
        counted = tf.Variable(
            0.0,
            name="counted",
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.SUM,
        )
    for model in models:
        restored = lr.restore_object(model, prefix)
        assert restored.check().ok
        variable = restored.plan.variables["dense/kernel"]
        assert len(variable.values()) == 2
        for value in variable.values():
            np.testing.assert_array_equal(value, VALUES["dense/kernel"])
        outputs = strategy.run(lambda: model(X))  # noqa: B023
        for one in strategy.experimental_local_results(outputs):
            np.testing.assert_allclose(one, dense(VALUES, X), rtol=1e-5)
        # One replica that went another way is seen.
        variable.components()[1].assign_add(np.ones([4, 3], "f4"))
        assert [
            row.variable
            for row in restored.check().rows
            if row.status.value == "changed"
        ] == ["dense/kernel"]
        with strategy.scope():
            assert lr.restore_object(model, prefix).check().ok
    optimizers_go_on(strategy)
    other = write(tempfile.mkdtemp() + "/ckpt", {"counted": np.float32(6.0)})
    restored = lr.restore_object([counted], other)
    assert restored.check().ok
    assert float(counted.read_value()) == 6.0
    print("ok")


if __name__ == "__main__":
    sys.exit(main())
