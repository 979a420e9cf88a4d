"""Which model owns a variable, and who else reaches for it."""

import pytest

from legacy_restore.graph.ownership import Ownership
from legacy_restore.tf import tf


@pytest.fixture
def owned(kind):
    """A graph with a variable ``a/w`` of a model ``a`` that reads it."""
    with tf.Graph().as_default() as graph:
        with tf.variable_scope("a", use_resource=kind == "resource"):
            w = tf.get_variable("w", [2])
            read = tf.identity(w)
            result = read * 2.0 + w
        ownership = Ownership()
        ownership.add("a", [w.op], graph.get_operations())
        yield ownership, graph, w, read, result


def claims(owned, use):
    """The findings after a model ``b`` was built."""
    ownership, graph = owned[:2]
    before = len(graph.get_operations())
    use()
    return ownership.claims("b", graph.get_operations()[before:], [])


def test_a_model_of_its_own_claims_nothing(owned):
    assert claims(owned, lambda: tf.constant(1.0) * 2.0) == []


@pytest.mark.parametrize(
    "use",
    [
        lambda w, read: w + 1.0,
        lambda w, read: tf.identity(w),
        lambda w, read: w.read_value(),
        lambda w, read: tf.assign(w, [0.0, 0.0]),
        lambda w, read: tf.assign_add(w, [0.0, 0.0]),
        lambda w, read: tf.gather(w, [0]),
        lambda w, read: read * 2.0,
        lambda w, read: tf.cond(tf.constant(True), lambda: w + 0.0, lambda: w * 2.0),
        lambda w, read: tf.while_loop(
            lambda n, t: n < 2, lambda n, t: (n + 1, t + w), [0, tf.zeros([2])]
        ),
    ],
)
def test_whoever_uses_the_variable_claims_it(owned, use):
    _, _, w, read, _ = owned
    [finding] = claims(owned, lambda: use(w, read))
    assert (finding.id, finding.model) == ("variable-claimed", "b")
    assert finding.subject == "a/w"
    assert "'a'" in finding.message
    assert finding.hint


def test_whoever_uses_what_was_computed_of_it_claims_that(owned):
    result = owned[4]
    [finding] = claims(owned, lambda: result * 2.0)
    assert (finding.id, finding.subject) == ("variable-claimed", result.op.name)


def test_whoever_returns_the_variable_claims_it(owned):
    ownership, _, w, _, result = owned
    found = ownership.claims("b", [], [w, result, None])
    assert [one.subject for one in found] == ["a/w", result.op.name]


def test_each_variable_is_claimed_once(owned):
    w = owned[2]
    assert len(claims(owned, lambda: [w + 1.0, w * 2.0, w - 1.0])) == 1


def handle(name, shared_name):
    """A variable operation with a storage name of its own."""
    made = tf.raw_ops.VarHandleOp(
        dtype=tf.float32, shape=[2], shared_name=shared_name, name=name
    )
    return made.op


def ref(name, shared_name):
    """The same of a ref variable."""
    made = tf.raw_ops.VariableV2(
        dtype=tf.float32, shape=[2], shared_name=shared_name, name=name
    )
    return made.op


def stored_twice(ownership, *operations):
    return [one.subject for one in ownership.add("b", operations, [])]


def test_variables_with_one_storage_are_found():
    with tf.Graph().as_default():
        ownership = Ownership()
        ownership.add("a", [handle("a_w", "w"), ref("a_b", "")], [])
        assert stored_twice(ownership, handle("b_w", "other"), ref("b_b", "")) == []
        [finding] = ownership.add("b", [handle("b_v", "w")], [])
        assert (finding.id, finding.subject) == ("variable-claimed", "b_v")
        assert "'a'" in finding.message
        assert "a_w" in finding.message
        # Without a name of its own the storage has that of the operation.
        assert stored_twice(ownership, ref("b_u", "a_b")) == ["b_u"]


def test_resource_variables_of_the_empty_name_are_one():
    with tf.Graph().as_default() as graph:
        one, other = handle("one", ""), handle("other", "")
        assign = tf.raw_ops.AssignVariableOp(
            resource=one.outputs[0], value=tf.constant([1.0, 2.0])
        )
        read = tf.raw_ops.ReadVariableOp(resource=other.outputs[0], dtype=tf.float32)
        with tf.Session(graph=graph) as session:
            session.run(assign)
            assert session.run(read).tolist() == [1.0, 2.0]
        ownership = Ownership()
        ownership.add("a", [one], [])
        assert stored_twice(ownership, other) == ["other"]


def test_containers_keep_variables_of_one_name_apart():
    with tf.Graph().as_default():
        ownership = Ownership()
        ownership.add("a", [handle("a_w", "w")], [])
        with tf.get_default_graph().container("apart"):
            other, same = handle("b_w", "w"), handle("b_v", "w")
        assert stored_twice(ownership, other) == []
        assert stored_twice(ownership, same) == ["b_v"]


def test_two_variables_of_one_model_with_one_storage_are_found():
    with tf.Graph().as_default():
        twice = [handle("one", "w"), handle("two", "w"), handle("three", "w")]
        assert stored_twice(Ownership(), *twice) == ["two", "three"]
