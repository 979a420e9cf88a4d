"""Proving later that an object still equals its checkpoint."""

import pytest
import tensorflow as tf

import legacy_restore as lr
from legacy_restore import errors
from tests.eager.helpers import dense_values, write

VALUES = dense_values()


def test_a_variable_that_changed_is_named(tmp_path):
    variables = {name: tf.Variable(value * 0) for name, value in VALUES.items()}
    restored = lr.restore_object(variables, write(tmp_path / "a", VALUES))
    restored.check().raise_if_failed()
    variables["dense/bias"].assign_add([0.0, 1e-7, 0.0])
    with pytest.raises(errors.CheckError) as caught:
        restored.check().raise_if_failed()
    assert [one.subject for one in caught.value.findings] == ["dense/bias"]
    counted = "2 of 2 variables, 15 of 15 parameters (100 %)"
    assert repr(restored) == f"<RestoredObject 'root': {counted}>"
    assert repr(restored.report) == f"<ObjectReport: restored {counted}>"
    assert repr(restored.check()) == (
        "<CheckReport: checked 2 variables: 1 equal, 1 changed>"
    )
    assert repr(restored.plan) == f"<ObjectPlan 'root': {counted}, ready>"


def test_a_check_needs_no_file_that_has_checksums(tmp_path):
    variables = {name: tf.Variable(value * 0) for name, value in VALUES.items()}
    restored = lr.restore_object(variables, write(tmp_path / "a", VALUES))
    for path in tmp_path.iterdir():
        path.unlink()
    assert restored.check().ok
    assert [row.status.value for row in restored.check().rows] == ["equal", "equal"]
