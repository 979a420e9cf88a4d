"""Reading values of variables, and putting them back."""

import numpy as np
import pytest

from legacy_restore import errors
from legacy_restore.graph.kept import Kept, values_kept
from legacy_restore.graph.restore_graph import Restorable, make_groups
from legacy_restore.graph.values import read_parts
from legacy_restore.graph.variables import OwnedVariable, describe, static_shape
from legacy_restore.planning.plan import Action, ModelPlan, PlanRow
from legacy_restore.tf import tf
from tests.graph.helpers import assert_same, ids
from tests.planning.specs import entry


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


def kept_of(made):
    """What keeps variables: the operations that restore them."""
    owned = {
        one.op.name: OwnedVariable(one.op.name, (one,), static_shape(one.shape))
        for one in made
    }
    specs = [describe(one, "", set(), set()) for one in owned.values()]
    rows = tuple(
        PlanRow("m", spec, Action.RESTORE, entry(spec.name, dtype=spec.dtype))
        for spec in specs
    )
    plan = ModelPlan("m", "", None, None, "", rows, ())
    groups = make_groups(tf.get_default_graph(), [Restorable(plan, owned, {})])
    return Kept(groups["m"], [], owned)


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
    kept = kept_of(made)
    before = len(session.graph.get_operations())
    old = session.run(made)
    new = [np.float32([7, 7, 7]), [b"b", b"c"], False, np.float16(3)]
    with pytest.raises(error), values_kept(session, kept):
        session.run(assigns, dict(zip(fed, new)))
        assert session.run(made[2]) == np.bool_(False)
        raise error
    assert_same(dict(enumerate(session.run(made))), dict(enumerate(old)))
    assert len(session.graph.get_operations()) == before


def test_what_succeeds_stays(kind, session):
    [made] = variables(kind, np.float32([1, 2]))
    assign = tf.assign(made, [3, 4])
    session.run(made.initializer)
    with values_kept(session, kept_of([made])):
        session.run(assign)
    assert session.run(made).tolist() == [3, 4]


def test_a_variable_without_a_value_is_left_alone(kind, session):
    first, second = variables(kind, 1.0, 2.0)
    session.run(first.initializer)
    with pytest.raises(ValueError), values_kept(session, kept_of([first, second])):
        session.run(second.initializer)
        raise ValueError
    assert read_parts(session, [first, second]) == [1, 2]


def test_an_assignment_in_place_does_not_change_what_is_kept(kind, session):
    [made] = variables(kind, np.zeros(1000, np.float32))
    add = tf.assign_add(made, np.ones(1000, np.float32))
    session.run(made.initializer)
    with pytest.raises(ValueError), values_kept(session, kept_of([made])):
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
    with pytest.raises(ValueError), values_kept(session, kept_of(made)):
        session.run(assign)
        raise ValueError
    assert [one.tolist() for one in session.run(made)] == [[0, 0], [1, 1], [2, 2]]


def test_an_initial_value_that_may_not_be_fed_is_no_hindrance(kind, session):
    start = tf.constant([1.0, 2.0])
    made = variables(kind, start, tf.zeros([2]))
    session.run([one.initializer for one in made])
    tf.get_static_value(start)  # Forbids to feed it from then on.
    with pytest.raises(ValueError), values_kept(session, kept_of(made)):
        session.run([tf.assign(one, [7, 7]) for one in made])
        raise ValueError
    assert [one.tolist() for one in session.run(made)] == [[1, 2], [0, 0]]


def test_a_value_of_another_shape_is_refused_before_anything_is_done(session):
    made = tf.Variable(tf.zeros([2]), use_resource=False)
    session.run(tf.assign(made, [1, 2, 3], validate_shape=False))
    done = []
    kept = kept_of([made])
    with pytest.raises(errors.RestoreError) as caught, values_kept(session, kept):
        done.append(True)
    assert not done
    assert ids(caught.value.findings) == ["shape-mismatch"]
    assert session.run(made).tolist() == [1, 2, 3]
