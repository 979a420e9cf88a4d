"""Reading values of variables, and putting them back."""

import numpy as np
import pytest

from legacy_restore.graph.tf import tf
from legacy_restore.graph.values import read_parts, values_kept
from tests.graph.helpers import assert_same


class Cancelled(BaseException):
    """Stands for Ctrl-C."""


@pytest.fixture
def session():
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as found:
        yield found


def variables(kind, *starts):
    return [
        tf.Variable(start, use_resource=kind == "resource", name=f"v{number}")
        for number, start in enumerate(starts)
    ]


def test_a_variable_without_a_value_is_told_from_others(kind, session):
    made = variables(kind, *range(9))
    session.run([one.initializer for one in made if one is not made[6]])
    assert read_parts(session, made) == [0, 1, 2, 3, 4, 5, None, 7, 8]


@pytest.mark.parametrize("error", [ValueError, Cancelled])
def test_values_are_put_back_bit_by_bit(kind, session, error):
    start = [np.float32([1, np.nan, -0.0]), [b"a\0", b""], True, np.float16(2)]
    made = variables(kind, *start)
    fed = [tf.placeholder(one.dtype.base_dtype) for one in made]
    assigns = [
        tf.assign(one, tensor, validate_shape=False) for one, tensor in zip(made, fed)
    ]
    session.run([one.initializer for one in made])
    before = len(session.graph.get_operations())
    old = session.run(made)
    new = [np.float32([7, 7, 7]), [b"b", b"c"], False, np.float16(3)]
    with pytest.raises(error), values_kept(session, made):
        session.run(assigns, dict(zip(fed, new)))
        assert session.run(made[2]) == np.bool_(False)
        raise error
    assert_same(dict(enumerate(session.run(made))), dict(enumerate(old)))
    assert len(session.graph.get_operations()) == before


def test_what_succeeds_stays(kind, session):
    [made] = variables(kind, np.float32([1, 2]))
    assign = tf.assign(made, [3, 4])
    session.run(made.initializer)
    with values_kept(session, [made]):
        session.run(assign)
    assert session.run(made).tolist() == [3, 4]


def test_a_variable_without_a_value_is_left_alone(kind, session):
    first, second = variables(kind, 1.0, 2.0)
    session.run(first.initializer)
    with pytest.raises(ValueError), values_kept(session, [first, second]):
        session.run(second.initializer)
        raise ValueError
    assert read_parts(session, [first, second]) == [1, 2]


def test_an_assignment_in_place_does_not_change_what_is_kept(kind, session):
    [made] = variables(kind, np.zeros(1000, np.float32))
    add = tf.assign_add(made, np.ones(1000, np.float32))
    session.run(made.initializer)
    with pytest.raises(ValueError), values_kept(session, [made]):
        for _ in range(3):
            session.run(add)
        raise ValueError
    assert not session.run(made).any()


def test_variables_with_one_initial_value_get_their_own_back(kind, session):
    shared = tf.zeros([2])
    made = variables(kind, shared, shared, shared)
    session.run([one.initializer for one in made])
    for number, one in enumerate(made):
        session.run(tf.assign(one, [number, number]))
    assign = [tf.assign(one, [9, 9]) for one in made]
    with pytest.raises(ValueError), values_kept(session, made):
        session.run(assign)
        raise ValueError
    assert [one.tolist() for one in session.run(made)] == [[0, 0], [1, 1], [2, 2]]
