"""Tests of TensorFlow's data types and their NumPy counterparts."""

import sys
import types

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.checkpoint import dtypes


@pytest.mark.parametrize(
    "number, name", [(1, "float32"), (7, "string"), (14, "bfloat16"), (19, "float16")]
)
def test_numbers_have_tensorflows_names(number, name):
    assert dtypes.from_number(number).name == name
    assert dtypes.BY_NAME[name].number == number


@pytest.mark.parametrize(
    "name", [one.name for one in dtypes.BY_NUMBER.values() if not one.in_ml_dtypes]
)
def test_plain_types_take_as_many_bytes_in_numpy_as_in_the_file(name):
    dtype = dtypes.BY_NAME[name]
    if dtype.numpy_name is None or dtype.itemsize is None:
        assert name in ("resource", "variant", "string")
    else:
        assert dtype.to_numpy().itemsize == dtype.itemsize


def test_strings_are_objects():
    assert dtypes.BY_NAME["string"].to_numpy() == np.dtype(object)


@pytest.mark.parametrize(
    "name, numpy_name",
    [("qint8", "int8"), ("quint8", "uint8"), ("qint16", "int16"), ("qint32", "int32")],
)
def test_quantized_types_are_integers_of_their_width(name, numpy_name):
    assert dtypes.BY_NAME[name].to_numpy() == np.dtype(numpy_name)


@pytest.mark.parametrize("name", ["resource", "variant"])
def test_type_without_array_form_is_refused_by_name(name):
    with pytest.raises(errors.UnsupportedCheckpointError, match=name):
        dtypes.BY_NAME[name].to_numpy()


@pytest.mark.parametrize("number", [0, 34, 101, 1 << 40])
def test_unknown_number_can_be_listed_but_not_read(number):
    dtype = dtypes.from_number(number)
    assert str(number) in dtype.name
    with pytest.raises(errors.UnsupportedCheckpointError, match=str(number)):
        dtype.to_numpy()


@pytest.mark.parametrize(
    "name", [one.name for one in dtypes.BY_NUMBER.values() if one.in_ml_dtypes]
)
def test_extended_types_come_from_ml_dtypes(name):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    found = dtypes.BY_NAME[name].to_numpy()
    assert found == np.dtype(getattr(ml_dtypes, name))
    assert found.itemsize == dtypes.BY_NAME[name].itemsize


def test_missing_ml_dtypes_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(errors.MissingDependencyError, match="bfloat16") as caught:
        dtypes.BY_NAME["bfloat16"].to_numpy()
    assert "legacy_restore[ml_dtypes]" in caught.value.hint
    assert caught.value.exit_code == errors.EXIT_INPUT


def test_ml_dtypes_too_old_for_a_type_counts_as_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", types.ModuleType("ml_dtypes"))
    with pytest.raises(errors.MissingDependencyError, match="int2"):
        dtypes.BY_NAME["int2"].to_numpy()
