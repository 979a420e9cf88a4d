"""Restoring in part, and from tensors of other shapes, dtypes and vocabularies."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.report.check_report import CheckStatus
from legacy_restore.tf import tf
from tests.graph.helpers import (
    assert_same,
    damage,
    ids,
    numbers,
    of_id,
    of_kind,
    only,
    values_in,
    variables,
    write,
    write_v1,
)

FILL = 7.0


def filled(kind, shapes, dtypes=None):
    """A builder of variables whose initialisers give 7 everywhere."""

    def build():
        for name, shape in shapes.items():
            dtype = (dtypes or {}).get(name, tf.float32)
            value = FILL if dtype.is_floating else int(FILL)
            fill = tf.constant_initializer(value, dtype)
            tf.get_variable(name, shape, dtype, fill)

    return of_kind(kind, build)


def vectors(w, v, seed=0):
    return {"w": numbers((w,), seed), "v": numbers((v,), seed)}


def statuses(report):
    return [row.status for row in report.rows]


def padded(stored, shape):
    value = np.full(shape, FILL, stored.dtype)
    value[tuple(map(slice, stored.shape))] = stored
    return value


@pytest.fixture(params=["V2", "V1"])
def write_any(request):
    """Writes a checkpoint of either format."""
    return {"V2": write, "V1": write_v1}[request.param]


# Shapes.


def test_a_slice_takes_the_leading_part(kind, tmp_path, write_any):
    stored = {"w": numbers((4, 3)), "b": numbers((3,), 1)}
    prefix = write_any(tmp_path / "m" / "ckpt", stored)
    build = filled(kind, {"w": [2, 3], "b": [3]})
    model = lr.Model("m", build, prefix, allow_shape={"w": "slice"})
    with lr.restore([model], verify="session") as restored:
        assert_same(values_in(restored, "m"), {"w": stored["w"][:2], "b": stored["b"]})
        assert statuses(restored.check()) == 2 * [CheckStatus.EQUAL]
        assert restored.report.coverage.restored_parameters == 9


def test_a_pad_leaves_the_rest_to_the_initialiser(kind, tmp_path, write_any):
    stored = {"w": numbers((2, 3)), "b": numbers((3,), 1)}
    prefix = write_any(tmp_path / "m" / "ckpt", stored)
    build = filled(kind, {"w": [4, 5], "b": [3]})
    model = lr.Model("m", build, prefix, allow_shape={"w": "pad"})
    with lr.restore([model], verify="session") as restored:
        expected = {"w": padded(stored["w"], [4, 5]), "b": stored["b"]}
        assert_same(values_in(restored, "m"), expected)
        assert statuses(restored.check()) == 2 * [CheckStatus.EQUAL]
        assert restored.report.coverage.restored_parameters == 9
        assert restored.report.coverage.parameters == 23


def test_a_list_initialises_all_of_it(kind, tmp_path):
    prefix = write(tmp_path / "m" / "ckpt", {"w": numbers((2,)), "v": numbers((3,))})
    build = filled(kind, {"w": [5], "v": [3]})
    model = lr.Model("m", build, prefix, allow_shape=["w"])
    with lr.restore([model], verify="session") as restored:
        found = values_in(restored, "m")
        assert_same(found, {"w": np.full([5], FILL, "f4"), "v": numbers((3,))})


def test_the_check_sees_a_change_of_what_was_stored_and_of_nothing_else(kind, tmp_path):
    stored = numbers((2, 2))
    prefix = write(tmp_path / "m" / "ckpt", {"w": stored})
    model = lr.Model("m", filled(kind, {"w": [3, 2]}), prefix, allow_shape={"w": "pad"})
    with lr.restore([model]) as restored:
        [variable] = restored["m"].variables
        value = padded(stored, [3, 2])
        with restored.graph.as_default():
            fed = tf.placeholder(tf.float32, [3, 2])
            assign = tf.assign(variable, fed)
        value[2] = 1.5
        restored.session.run(assign, {fed: value})
        assert restored.check().ok
        value[1, 1] += 1
        restored.session.run(assign, {fed: value})
        assert statuses(restored.check()) == [CheckStatus.CHANGED]


def test_what_reads_a_padded_variable_reads_the_finished_one(kind, tmp_path):
    stored = numbers((2,))
    prefix = write(tmp_path / "m" / "ckpt", {"w": stored})

    def build():
        w = tf.get_variable("w", [3], initializer=tf.constant_initializer(FILL))
        tf.get_variable("copy", initializer=lambda: w.read_value() * 2)

    model = lr.Model(
        "m",
        of_kind(kind, build),
        prefix,
        allow_shape={"w": "pad"},
        allow_missing=["copy"],
    )
    with lr.restore([model]) as restored:
        found = values_in(restored, "m")
        assert_same(found, {"w": padded(stored, [3]), "copy": 2 * padded(stored, [3])})


def test_scalars_strings_and_empty_parts(kind, tmp_path):
    if kind == "resource" and tf.__version__.startswith("1."):
        pytest.skip("no string resource variables in this test's stock Saver")
    stored = {"s": np.array([b"a", b"bc", b""], object), "e": numbers((0, 3))}
    prefix = write(tmp_path / "m" / "ckpt", stored)

    def build():
        tf.get_variable("s", [2], tf.string, tf.constant_initializer([b"x", b"y"]))
        tf.get_variable("e", [2, 3], initializer=tf.constant_initializer(FILL))

    model = lr.Model(
        "m", of_kind(kind, build), prefix, allow_shape={"s": "slice", "e": "pad"}
    )
    with lr.restore([model], verify="session") as restored:
        found = values_in(restored, "m")
        assert found["s"].tolist() == [b"a", b"bc"]
        assert (found["e"] == FILL).all()


@pytest.mark.parametrize("action", ["slice", "pad"])
def test_what_cannot_be_done_is_refused_before_a_session(
    kind, tmp_path, refused, action
):
    prefix = write(tmp_path / "m" / "ckpt", {"w": numbers((3, 3))})
    build = filled(kind, {"w": [2, 4]})
    error = refused([lr.Model("m", build, prefix, allow_shape={"w": action})])
    assert ids(error.findings) == ["shape-mismatch"]
    assert f"{action} would have to" in str(error)


def test_a_damaged_tensor_is_named_and_leaves_nothing(kind, tmp_path, refused):
    for number, action in enumerate(["slice", "pad"]):
        prefix = write(
            tmp_path / action / "ckpt", {"w": numbers((3,)), "v": numbers((3,))}
        )
        damage(prefix, "w")
        build = filled(kind, {"w": [2 + 2 * number], "v": [3]})
        model = lr.Model("m", build, prefix, allow_shape={"w": action})
        error = refused([model], sessions_opened=1)
        assert ids(error.findings) == ["tensor-corrupt"]
        assert only(error.findings, "tensor-corrupt").subject == "w"


# Dtypes.


@pytest.mark.parametrize("dtype", [tf.float16, tf.float64, tf.int32, tf.bfloat16])
def test_a_cast_gives_what_tensorflow_casts(kind, tmp_path, dtype):
    stored = numbers((3, 2)) * 100
    prefix = write(tmp_path / "m" / "ckpt", {"w": stored})
    build = variables(kind, {"w": [3, 2]}, dtype)
    if dtype == tf.int32:
        build = filled(kind, {"w": [3, 2]}, {"w": dtype})
    model = lr.Model("m", build, prefix, cast={"w": dtype})
    with lr.restore([model], verify="session") as restored:
        found = values_in(restored, "m")["w"]
        expected = stored.astype(dtype.as_numpy_dtype)
        assert found.dtype == expected.dtype
        assert found.tobytes() == expected.tobytes()
        remarks = of_id(restored["m"].report.findings, "cast-lossy")
        assert len(remarks) == (dtype != tf.float64)
        assert ("rounded" in str(restored.report)) is bool(remarks)


def test_every_overflow_is_refused_at_once(kind, tmp_path, refused):
    stored = {
        "f": np.float32([1, 7e4, -9e4]),
        "i": np.int64([[1, 2**40]]),
        "p": np.float32([1e30]),
    }
    prefix = write(tmp_path / "m" / "ckpt", stored)
    dtypes = {"f": tf.float16, "i": tf.int32, "p": tf.float16}
    build = filled(kind, {"f": [3], "i": [1, 2], "p": [2]}, dtypes)
    cast = {"[fp]": "float16", "i": np.int32}
    model = lr.Model("m", build, prefix, cast=cast, allow_shape={"p": "pad"})
    error = refused([model], sessions_opened=1)
    found = {one.subject: one.message for one in error.findings}
    assert ids(error.findings) == 3 * ["cast-overflow"]
    assert found["m/f"] == "2 of 3 values, the largest -90000.0, the first at [1]"
    assert found["m/i"].endswith("the first at [0, 1]")
    assert "m/p" in found


def test_shape_and_dtype_may_both_differ(kind, tmp_path):
    stored = np.int32([1, 2])
    prefix = write(tmp_path / "m" / "ckpt", {"w": stored})
    build = filled(kind, {"w": [3]}, {"w": tf.float64})
    model = lr.Model(
        "m", build, prefix, cast={"w": "float64"}, allow_shape={"w": "pad"}
    )
    with lr.restore([model], verify="session") as restored:
        assert_same(values_in(restored, "m"), {"w": np.float64([1, 2, FILL])})


# A choice of variables.


def test_what_is_not_chosen_keeps_its_initialiser(kind, tmp_path):
    stored = {"e/w": numbers((2,)), "d/w": numbers((2,), 1), "d/v": numbers((9,), 2)}
    prefix = write(tmp_path / "m" / "ckpt", stored)
    shapes = {"e/w": [2], "d/w": [2], "d/v": [2], "d/none": [2]}
    for more in ({"only": ["e/.*"]}, {"exclude": ["d/.*"]}):
        model = lr.Model("m", filled(kind, shapes), prefix, **more)
        with lr.restore([model], verify="session") as restored:
            found = values_in(restored, "m")
            assert_same({"e/w": found.pop("e/w")}, {"e/w": stored["e/w"]})
            assert all((value == FILL).all() for value in found.values())
            assert statuses(restored.check()).count(CheckStatus.INITIALIZED) == 3


# Swapping and saving.


def test_a_swap_converts_and_keeps_what_is_not_stored(kind, tmp_path):
    old, new = numbers((2, 2)), numbers((2, 2), 1)
    first = write(tmp_path / "a" / "ckpt", {"w": old, "v": old})
    second = write(tmp_path / "b" / "ckpt", {"w": new, "v": new})
    build = filled(kind, {"w": [3, 2], "v": [1, 2]})
    shapes = {"w": "pad", "v": "slice"}
    model = lr.Model("m", build, first, allow_shape=shapes)
    with lr.restore([model]) as restored:
        count = len(restored.graph.get_operations())
        restored.graph.finalize()
        restored["m"].swap(second)
        assert len(restored.graph.get_operations()) == count
        expected = {"w": padded(new, [3, 2]), "v": new[:1]}
        assert_same(values_in(restored, "m"), expected)
        restored.check().raise_if_failed()


def test_a_swap_may_need_another_conversion_than_the_restore(kind, tmp_path):
    shapes = {"w": [3], "v": [3], "u": [2]}
    first = write(
        tmp_path / "a" / "ckpt",
        {"w": numbers((3,)), "v": numbers((5,)), "u": numbers((2,))},
    )
    second = write(
        tmp_path / "b" / "ckpt",
        {"w": numbers((5,), 1), "v": numbers((3,), 1), "u": numbers((2,), 1)},
    )
    model = lr.Model("m", filled(kind, shapes), first, allow_shape={"w|v": "slice"})
    with lr.restore([model]) as restored:
        for prefix, seed in ((second, 1), (first, 0), (second, 1)):
            restored["m"].swap(prefix)
            restored.check().raise_if_failed()
            large = "w" if seed else "v"
            expected = {
                name: numbers((5 if name == large else shape[0],), seed)[: shape[0]]
                for name, shape in shapes.items()
            }
            assert_same(values_in(restored, "m"), expected)


def test_a_swap_may_cast_what_the_restore_did_not(kind, tmp_path):
    first = write(
        tmp_path / "a" / "ckpt", {"w": np.float32([1, 2]), "v": numbers((2,))}
    )
    second = write(
        tmp_path / "b" / "ckpt", {"w": np.float64([3, 4]), "v": numbers((2,))}
    )
    third = write(
        tmp_path / "c" / "ckpt", {"w": np.float64([3, 1e39]), "v": numbers((2,))}
    )
    build = filled(kind, {"w": [2], "v": [2]})
    start = lr.Model("m", build, second, cast={"w": tf.float32})
    with lr.restore([start]) as restored:
        before = values_in(restored, "m")
        with pytest.raises(errors.RestoreError) as caught:
            restored["m"].swap(third)
        assert ids(caught.value.findings) == ["cast-overflow"]
        assert_same(values_in(restored, "m"), before)
        with pytest.raises(errors.RestoreError) as caught:  # The waiver is unused.
            restored["m"].swap(first)
        assert ids(caught.value.findings) == ["unused-waiver"]
        restored.check().raise_if_failed()


def test_a_damaged_tensor_fails_a_swap_and_changes_nothing(kind, tmp_path):
    first = write(tmp_path / "a" / "ckpt", vectors(2, 3))
    second = write(
        tmp_path / "b" / "ckpt", {"w": numbers((2,), 1), "v": numbers((3,), 1)}
    )
    damage(second, "w")
    build = filled(kind, {"w": [4], "v": [3]})
    model = lr.Model("m", build, first, allow_shape={"w": "pad"})
    with lr.restore([model]) as restored:
        before = values_in(restored, "m")
        with pytest.raises(errors.RestoreError):
            restored["m"].swap(second)
        assert_same(values_in(restored, "m"), before)


def test_what_was_converted_is_saved_as_it_is(kind, tmp_path):
    stored = {"w": numbers((4,)), "v": np.int32([1, 2]), "u": numbers((2,))}
    prefix = write(tmp_path / "m" / "ckpt", stored)
    build = filled(kind, {"w": [2], "v": [3], "u": [2]}, {"v": tf.float32})
    model = lr.Model(
        "m",
        build,
        prefix,
        allow_shape={"w": "slice", "v": "pad"},
        cast={"v": "float32"},
    )
    with lr.restore([model]) as restored:
        saved = restored["m"].save(tmp_path / "saved")
        expected = values_in(restored, "m")
    with lr.open_checkpoint(saved) as checkpoint:
        assert_same({key: checkpoint[key] for key in checkpoint}, expected)
    with lr.restore([lr.Model("n", build, saved)], verify="session") as restored:
        assert_same(values_in(restored, "n"), expected)


def test_models_are_converted_beside_each_other(kind, tmp_path):
    models = []
    for name, size in (("a", 2), ("b", 5), ("c", 3)):
        prefix = write(tmp_path / name / "ckpt", {"w": numbers((size,), size)})
        shapes = {"a": {"w": "pad"}, "b": {"w": "slice"}}.get(name, {})
        build = filled(kind, {"w": [3]})
        models.append(lr.Model(name, build, prefix, allow_shape=shapes))
    with lr.restore(models, verify="session") as restored:
        assert_same(values_in(restored, "a"), {"w": padded(numbers((2,), 2), [3])})
        assert_same(values_in(restored, "b"), {"w": numbers((5,), 5)[:3]})
        assert_same(values_in(restored, "c"), {"w": numbers((3,), 3)})
        other = write(tmp_path / "d" / "ckpt", {"w": numbers((1,), 9)})
        before = values_in(restored, "b")
        restored["a"].swap(other)
        expected = padded(numbers((2,), 2), [3])
        expected[:1] = numbers((1,), 9)
        assert_same(values_in(restored, "a"), {"w": expected})
        assert_same(values_in(restored, "b"), before)


# A session of the caller's own.


def scope_graph(kind, shapes):
    graph = tf.Graph()
    with graph.as_default(), tf.variable_scope("m"):
        filled(kind, shapes)()
    return graph


def values_of_scope(session):
    with session.graph.as_default():
        found = session.run({v.op.name: v for v in lr.scope_variables("m")})
    return {name[2:]: value for name, value in found.items()}


def test_a_scope_is_padded_over_its_initialiser_or_the_value_it_has(kind, tmp_path):
    stored = numbers((2,))
    prefix = write(tmp_path / "m" / "ckpt", {"w": stored, "v": stored})
    graph = scope_graph(kind, {"w": [3], "v": [1]})
    shapes = {"w": "pad", "v": "slice"}
    with tf.Session(graph=graph) as session:
        report = lr.restore_scope(session, "m", prefix, allow_shape=shapes)
        assert len(of_id(report.findings, "converted")) == 2
        expected = {"w": padded(stored, [3]), "v": stored[:1]}
        assert_same(values_of_scope(session), expected)
        count = len(graph.get_operations())
        session.run(graph.get_operation_by_name("m/w/Assign"))
        lr.restore_scope(session, "m", prefix, allow_shape=shapes)
        assert len(graph.get_operations()) == count
        assert_same(values_of_scope(session), expected)
    with tf.Session(graph=graph) as session:
        with graph.as_default():
            [w] = [v for v in lr.scope_variables("m") if v.op.name == "m/w"]
            w.load(np.float32([5, 5, 5]), session)
        lr.restore_scope(session, "m", prefix, allow_shape=shapes)
        assert values_of_scope(session)["w"].tolist() == [*stored.tolist(), 5]


def test_a_scope_is_restored_as_each_checkpoint_needs_it(kind, tmp_path):
    fitting = write(tmp_path / "a" / "ckpt", vectors(3, 2))
    growing = write(tmp_path / "b" / "ckpt", vectors(2, 2, 1))
    graph = scope_graph(kind, {"w": [3], "v": [2]})
    with tf.Session(graph=graph) as session:
        lr.restore_scope(session, "m", fitting)
        lr.restore_scope(session, "m", growing, allow_shape={"w": "pad"})
        expected = vectors(3, 2)
        expected["w"][:2] = vectors(2, 2, 1)["w"]
        expected["v"] = vectors(2, 2, 1)["v"]
        assert_same(values_of_scope(session), expected)
        lr.restore_scope(session, "m", fitting)
        assert_same(values_of_scope(session), vectors(3, 2))


def test_a_scope_is_restored_in_part_in_a_finalised_graph(kind, tmp_path):
    stored = {"w": np.float64([1, 2]), "v": numbers((2,)), "u": numbers((2,))}
    prefix = write(tmp_path / "m" / "ckpt", stored)
    graph = scope_graph(kind, {"w": [3], "v": [2], "u": [2]})
    function = lr.init_fn(
        "m",
        prefix,
        graph=graph,
        allow_shape={"w": "pad"},
        cast={"w": "float32"},
        exclude=["u"],
    )
    graph.finalize()
    with tf.Session(graph=graph) as session:
        function(session)
        found = {
            v.op.name: session.run(v)
            for v in graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)
        }
    assert found["m/w"].tolist() == [1, 2, FILL]
    assert (found["m/u"] == FILL).all()
    assert_same({"v": found["m/v"]}, {"v": stored["v"]})


def test_a_scope_keeps_its_values_where_a_later_step_fails(kind, tmp_path):
    prefix = write(tmp_path / "m" / "ckpt", {"w": numbers((2,)), "v": numbers((4,))})
    graph = tf.Graph()
    with graph.as_default(), tf.variable_scope("m"):
        filled(kind, {"w": [3], "v": [2]})()

        def fails():
            with tf.control_dependencies([tf.Assert(tf.constant(False), ["no"])]):
                return tf.ones([2])

        of_kind(kind, lambda: tf.get_variable("late", initializer=fails))()
    with tf.Session(graph=graph) as session:
        with graph.as_default():
            for variable in lr.scope_variables("m"):
                if variable.op.name != "m/late":
                    session.run(variable.initializer)
        with pytest.raises(errors.RestoreError) as caught:
            lr.restore_scope(
                session,
                "m",
                prefix,
                allow_shape={"w": "pad", "v": "slice"},
                allow_missing=["late"],
            )
        assert ids(caught.value.findings) == ["initializer-failed"]
        for name in ("m/w", "m/v"):
            variable = next(
                v
                for v in graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)
                if v.op.name == name
            )
            assert (session.run(variable) == FILL).all()
