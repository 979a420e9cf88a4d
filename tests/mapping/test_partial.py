"""The arguments that restore a model in part."""

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.mapping.partial import check_partial, dtype_name


def test_a_list_of_shapes_means_to_initialise():
    assert check_partial(["a", "b"]).allow_shape == (
        ("a", "initialize"),
        ("b", "initialize"),
    )
    given = {"a": "slice", "b": "pad", "c": "initialize"}
    assert check_partial(given).allow_shape == tuple(given.items())


def test_patterns_match_whole_names():
    partial = check_partial({"a": "pad"}, {"a": "int32"}, only=["a"])
    assert partial.shape_action("a") == "pad"
    assert partial.shape_action("ab") is None
    assert partial.cast_to("a") == "int32"
    assert partial.cast_to("b/a") is None
    assert not partial.leaves_out("a")
    assert partial.leaves_out("ab")
    assert check_partial(exclude=["a.*"]).leaves_out("ab")


@pytest.mark.parametrize(
    "given", ["bfloat16", "float32", np.float32, np.dtype("int8"), bool, float]
)
def test_dtypes_are_given_in_many_ways(given):
    expected = {"bfloat16": "bfloat16", bool: "bool", float: "float64"}
    name = expected.get(given) or np.dtype(given).name
    assert check_partial(cast={"a": given}).cast == (("a", name),)


def test_dtypes_are_given_as_tensorflow_has_them():
    tf = pytest.importorskip("tensorflow")
    assert dtype_name(tf.bfloat16) == "bfloat16"
    assert dtype_name(tf.string) == "string"


@pytest.mark.parametrize(
    "given",
    [
        {"allow_shape": "a"},
        {"allow_shape": ["("]},
        {"allow_shape": {"(": "pad"}},
        {"allow_shape": {"a": "cut"}},
        {"allow_shape": {"a": ["pad"]}},
        {"allow_shape": 1},
        {"cast": ["a"]},
        {"cast": {"a": "float99"}},
        {"cast": {"a": None}},
        {"cast": {"a": 3}},
        {"cast": {"(": "int8"}},
        {"only": "a"},
        {"exclude": ["("]},
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(given):
    with pytest.raises(errors.UsageError):
        check_partial(**given)
