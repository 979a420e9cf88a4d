"""What tests of eager models share: they need a process that executes eagerly."""

import pytest

from legacy_restore.tf import IS_TF1

# On TensorFlow 1.15 a process is switched when it begins: programs of their own.
collect_ignore = (
    [
        "test_check.py",
        "test_distribution.py",
        "test_inference.py",
        "test_keras.py",
        "test_keras_files.py",
        "test_keras_places.py",
        "test_keras_settings.py",
        "test_object_based.py",
        "test_restore.py",
        "test_root_checkpoint.py",
        "test_restored_optimizers.py",
        "test_roots.py",
        "test_stock_does_nothing.py",
        "test_tf_keras.py",
        "test_unbuilt_optimizers.py",
        "test_trained_variables.py",
        "test_training_goes_on.py",
    ]
    if IS_TF1
    else []
)


@pytest.fixture(autouse=True)
def own_names():
    """Gives Keras its counters back, so that names do not depend on other tests."""
    if not IS_TF1:
        import keras

        keras.backend.clear_session()
