"""The slices that a caller asks for."""

import numpy as np
import pytest

from legacy_restore.checkpoint.slice_specs import SlicesError, as_slices
from legacy_restore.checkpoint.slices import TensorSlice


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ([((0, 0), (2, 3))], (2, 3)),
        ([((0, 0), (1, 3)), ((1, 0), (1, 3))], (2, 3)),
        ([((0, 0), (2, 1)), ((0, 1), (1, 2)), ((1, 1), (1, 2))], (2, 3)),
        (([[0], [2]], [[2], [1]]), (3,)),
        ([((np.int64(0),), np.array([3]))], (3,)),
        ([TensorSlice((0,), (3,))], (3,)),
        ([((), ())], ()),
        ([((0, 0), (0, 3))], (0, 3)),
    ],
)
def test_slices_that_make_up_the_tensor(given, shape):
    found = as_slices(given, shape)
    assert all(isinstance(one, TensorSlice) for one in found)
    assert len(found) == len(given)


@pytest.mark.parametrize(
    ("given", "shape", "reason"),
    [
        ([], (2,), "no slice"),
        (3, (2,), "no list"),
        ("0,2", (2,), "no list"),
        ([3], (2,), "no pair"),
        ([((0,), (1,), (2,))], (2,), "no pair"),
        ([((0.5,), (1,))], (2,), "no pair"),
        ([((0,), (1,))], (2,), "1 elements"),
        ([((0,), (2,)), ((1,), (1,))], (2,), "overlap"),
        ([((0,), (2,)), ((0,), (2,))], (2,), "overlap"),
        ([((), ()), ((), ())], (), "overlap"),
        ([((0,), (3,))], (2,), "beyond"),
        ([((-1,), (3,))], (2,), "before 0"),
        ([((0,), (-1,))], (2,), "before 0"),
        ([((0, 0), (2, 2))], (2,), "axes"),
        ([((0,), (2,)), ((2,), (0,))], (2,), "empty"),
        ([((0, 0), (1, 0)), ((1, 0), (1, 0))], (2, 0), "empty"),
    ],
)
def test_slices_that_do_not(given, shape, reason):
    with pytest.raises(SlicesError, match=reason):
        as_slices(given, shape)
