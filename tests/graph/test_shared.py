"""Several models, one storage for what they share."""

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.report.check_report import CheckStatus
from legacy_restore.tf import tf
from tests.graph import table_models
from tests.graph.helpers import (
    assert_same,
    damage,
    ids,
    numbers,
    of_kind,
    only,
    values_in,
    values_of,
    variables,
    write,
    write_v1,
)

SHAPES = {"emb/bias": (3,), "emb/w": (6, 3), "out/w": (3, 2)}
AB = ("a", "b")
EMB = [lr.Shared("emb", models=AB)]


def values(seed, emb=0, shapes=None):
    """Values of a model of a seed, those below ``emb`` of another one."""
    of_emb = values_of(shapes or SHAPES, emb)
    own = values_of(shapes or SHAPES, seed)
    return {name: of_emb[name] if name.startswith("emb") else own[name] for name in own}


def model(kind, name, prefix, shapes=None, **more):
    return lr.Model(name, variables(kind, shapes or SHAPES), prefix, **more)


@pytest.fixture
def pair(kind, tmp_path):
    """Two models whose checkpoints agree in what is below ``emb``."""
    return [
        model(kind, name, write(tmp_path / name / "m", values(seed)))
        for seed, name in enumerate(AB, 1)
    ]


@pytest.fixture
def unlike(kind, tmp_path):
    """Two models whose checkpoints do not."""
    return [
        model(kind, name, write(tmp_path / name / "m", values(seed, emb=seed)))
        for seed, name in enumerate(AB, 1)
    ]


def storages(session, restored, name):
    """The values of a variable in each model."""
    found = [
        next(one for one in restored[model].variables if one.op.name.endswith(name))
        for model in restored
    ]
    return session.run(found)


def test_two_models_have_one_storage_and_each_its_own_objects(pair):
    with lr.restore(pair, shared=EMB, verify="session") as restored:
        assert_same(values_in(restored, "a"), values(1))
        assert_same(values_in(restored, "b"), values(2))
        a, b = (restored[name].variables for name in AB)
        assert [one.op.name for one in b] == [f"b/{name}" for name in SHAPES]
        assert not set(map(id, a)) & set(map(id, b))
        new = numbers([6, 3], 77)
        with restored.graph.as_default():
            b[1].load(new, restored.session)
        found = storages(restored.session, restored, "emb/w")
        assert [(one == new).all() for one in found] == [True, True]
        # And what nobody shares stays apart.
        assert_same(
            {"out/w": values_in(restored, "b")["out/w"]}, {"out/w": values(2)["out/w"]}
        )


def test_stock_tensorflow_keeps_two_of_them(kind, pair):
    # What is shared here on purpose are two variables without it.
    with lr.restore(pair) as restored:
        first = restored["b"].variables[1]
        with restored.graph.as_default():
            first.load(numbers([6, 3], 77), restored.session)
        one, other = storages(restored.session, restored, "emb/w")
        assert not (one == other).all()


def test_the_same_as_one_variable_that_stock_tensorflow_shares(kind, pair):
    """Training steps on both models give what one reused variable gives."""

    def step(w, x):
        loss = tf.reduce_sum(tf.square(tf.convert_to_tensor(w) * x))
        return tf.train.GradientDescentOptimizer(0.1).minimize(loss, var_list=[w])

    with tf.Graph().as_default(), tf.Session() as session:
        with tf.variable_scope("s", use_resource=kind == "resource"):
            w = tf.get_variable("w", [6, 3])
        steps = [step(w, 2.0), step(w, 3.0)]
        w.load(values(1)["emb/w"], session)
        for one in steps:
            session.run(one)
        expected = session.run(w)
    with lr.restore(pair, shared=EMB) as restored:
        with restored.graph.as_default():
            steps = [
                step(restored[name].variables[1], x) for name, x in zip(AB, (2.0, 3.0))
            ]
        for one in steps:
            restored.session.run(one)
        for found in storages(restored.session, restored, "emb/w"):
            assert found.tobytes() == expected.tobytes()
        changed = restored.check().with_status(CheckStatus.CHANGED)
        assert [row.variable for row in changed] == ["a/emb/w", "b/emb/w"]


def test_initialisers_of_what_is_shared_are_never_run(kind, tmp_path):
    def build():
        def fail(*args, **kwargs):
            with tf.control_dependencies([tf.Assert(False, ["initialised"])]):
                return tf.zeros([2])

        w = tf.get_variable("emb/w", [2], initializer=fail)
        return tf.identity(w)

    models = [
        lr.Model(
            name, of_kind(kind, build), write(tmp_path / name, {"emb/w": numbers([2])})
        )
        for name in AB
    ]
    with lr.restore(models, shared=EMB, verify="session") as restored:
        assert (restored["b"]() == numbers([2])).all()


def test_checkpoints_that_differ_are_refused_with_how_far_they_are_apart(
    unlike, refused
):
    error = refused(unlike, shared=EMB)
    assert ids(error.findings) == ["shared-differs", "shared-differs"]
    found = {one.subject: one.message for one in error.findings if one.is_error}
    assert sorted(found) == ["b/emb/bias", "b/emb/w"]
    one, other = values(1, 1)["emb/w"], values(2, 2)["emb/w"]
    largest = np.abs(one.astype(np.float64) - other).max()
    assert f"18 of 18 differ, at most by {largest:.6g}" in found["b/emb/w"]
    assert "owner='a'" in str(error) and "--shared=a:a/b=emb" in str(error)


def test_one_element_is_enough(kind, tmp_path, refused):
    other = values(2)
    other["emb/w"] = other["emb/w"].copy()
    other["emb/w"][5, 2] = np.nextafter(other["emb/w"][5, 2], np.float32(9))
    models = [
        model(kind, "a", write(tmp_path / "a" / "m", values(1))),
        model(kind, "b", write(tmp_path / "b" / "m", other)),
    ]
    error = refused(models, shared=EMB)
    assert only(error.findings, "shared-differs").message.count("1 of 18 differ") == 1


@pytest.mark.parametrize("owner, seed", [("a", 1), ("b", 2)])
def test_a_named_owner_decides(unlike, owner, seed):
    shared = [lr.Shared("emb", AB, owner=owner)]
    other = {"a": "b", "b": "a"}[owner]
    with lr.restore(unlike, shared=shared, verify="session") as restored:
        for number, name in enumerate(AB, 1):
            assert_same(values_in(restored, name), values(number, emb=seed))
        remark = only(restored.report.findings, "shared-copy-differs")
        assert remark.model == other and "2 variables" in remark.message
        assert remark.message in str(restored.report)
        rows = {row.variable: row.key for row in restored.check().rows}
        assert rows[f"{other}/emb/w"] == "emb/w"


@pytest.mark.parametrize("owner", [None, "a", "b", "c"])
def test_other_keys_formats_and_cuts_are_compared_by_values(kind, tmp_path, owner):
    def parted():
        with tf.variable_scope("emb", partitioner=tf.fixed_size_partitioner(2)):
            w = tf.get_variable("w", SHAPES["emb/w"])
        bias = tf.get_variable("emb/bias", SHAPES["emb/bias"])
        return tf.convert_to_tensor(w), bias, tf.get_variable("out/w", SHAPES["out/w"])

    whole = values(1)
    files = {
        "a": write(tmp_path / "a" / "m", whole),
        "b": write_v1(tmp_path / "b" / "m", values(2)),
        "d": write(tmp_path / "d" / "m", {f"old_{k}": v for k, v in values(4).items()}),
    }
    with tf.Graph().as_default(), tf.Session() as session:
        parted()
        for one in tf.global_variables():
            name = one.op.name
            value = values(3)[name] if name in SHAPES else None
            if value is None:
                start = one._get_save_slice_info().var_offset[0]
                value = whole["emb/w"][start : start + 3]
            one.load(value, session)
        (tmp_path / "c").mkdir()
        files["c"] = tf.train.Saver().save(session, str(tmp_path / "c" / "m"))
    models = [
        model(
            kind,
            name,
            prefix,
            rules=[lr.Rename("^old_", "")] if name == "d" else [],
        )
        for name, prefix in sorted(files.items())
    ]
    shared = [lr.Shared("emb", models=tuple("abcd"), owner=owner)]
    with lr.restore(models, shared=shared, verify="session") as restored:
        assert [one.id for one in restored.report.findings] == []
        for seed, name in enumerate("abcd", 1):
            assert_same(values_in(restored, name), values(seed))
        assert restored.report.coverage.variables == 2 + 4
        assert len(restored.check().rows) == 12


@pytest.mark.parametrize("shards", [1, 2])
def test_partitioned_variables_share_part_by_part(kind, tmp_path, shards):
    def build():
        with tf.variable_scope("emb", partitioner=tf.fixed_size_partitioner(3)):
            w = tf.get_variable("w", SHAPES["emb/w"])
        return tf.convert_to_tensor(w) + tf.get_variable("out", [])

    models = [
        lr.Model(
            name,
            of_kind(kind, build),
            write(tmp_path / name / "m", {"emb/w": numbers([6, 3]), "out": seed}),
        )
        for name, seed in (("a", np.float32(1)), ("b", np.float32(2)))
    ]
    with lr.restore(models[:: 1 if shards == 1 else -1], shared=EMB) as restored:
        assert restored.check().ok
        parts = [one for one in restored["b"].variables if "part_" in one.op.name]
        assert len(parts) == 3
        with restored.graph.as_default():
            parts[1].load(np.zeros([2, 3], "f4"), restored.session)
        expected = numbers([6, 3])
        expected[2:4] = 0
        assert (restored["a"]() == expected + 1).all()
        assert (restored["b"]() == expected + 2).all()
        prefix = restored["b"].save(tmp_path / "saved")
        with lr.open_checkpoint(prefix) as saved:
            assert (saved["emb/w"] == expected).all()
            assert len(saved.entry("emb/w").slices) == 3


def test_a_checkpoint_may_lack_what_another_one_has(kind, tmp_path):
    for lacking in AB:
        models = []
        for seed, name in enumerate(AB, 1):
            own = values(seed)
            if name == lacking:
                own = {"out/w": own["out/w"]}
            prefix = write(tmp_path / lacking / name / "m", own)
            models.append(model(kind, name, prefix))
        with lr.restore(models, shared=EMB, verify="session") as restored:
            for seed, name in enumerate(AB, 1):
                assert_same(values_in(restored, name), values(seed))


def test_every_model_saves_what_is_shared(kind, pair, tmp_path):
    with lr.restore(pair, shared=EMB) as restored:
        before = len(restored.graph.get_operations())
        for seed, name in enumerate(AB, 1):
            prefix = restored[name].save(tmp_path / f"saved_{name}")
            with lr.open_checkpoint(prefix) as saved:
                assert_same(dict(saved), values(seed))
        assert len(restored.graph.get_operations()) == before
        # A stock Saver of one model's variables has them too.
        with restored.graph.as_default():
            saver = tf.train.Saver(restored["b"].variables)
            prefix = saver.save(restored.session, str(tmp_path / "stock"))
        with lr.open_checkpoint(prefix) as saved:
            assert_same(dict(saved), {f"b/{k}": v for k, v in values(2).items()})
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.import_meta_graph(prefix + ".meta").restore(session, prefix)
        found = session.run(
            ["a/emb/w:0" if kind == "ref" else "a/emb/w/Read/ReadVariableOp:0"]
        )
        assert (found[0] == values(2)["emb/w"]).all()


def test_three_models_some_of_which_share_more(kind, tmp_path):
    models = [
        model(kind, name, write(tmp_path / name / "m", values(seed)))
        for seed, name in enumerate("abc", 1)
    ]
    shared = [lr.Shared("emb/w", tuple("abc")), lr.Shared("emb/bias", ("c", "a"))]
    with lr.restore(models, shared=shared, verify="session") as restored:
        with restored.graph.as_default():
            for one in restored["c"].variables[:2]:
                one.load(np.zeros(one.shape.as_list(), "f4"), restored.session)
        found = {name: values_in(restored, name) for name in "abc"}
        assert [found[name]["emb/w"].any() for name in "abc"] == [False] * 3
        assert [found[name]["emb/bias"].any() for name in "abc"] == [False, True, False]


def test_whole_models_are_shared(kind, pair, tmp_path):
    twin = model(kind, "twin", pair[0].checkpoint)
    with lr.restore([pair[0], twin], shared=[lr.Shared("", ("a", "twin"))]) as restored:
        assert restored.report.coverage.variables == 3
        assert restored["twin"].saver is None
        assert restored.check().ok
        assert_same(values_in(restored, "twin"), values(1))
        restored["twin"].save(tmp_path / "saved")


def test_a_damaged_file_leaves_nothing_and_is_named(kind, pair, refused):
    damage(pair[0].checkpoint, "emb/w")
    error = refused(pair, shared=EMB, sessions_opened=1)
    assert only(error.findings, "tensor-corrupt").model == "a"


def test_a_damaged_copy_is_found_where_it_has_to_be_read(kind, unlike, refused):
    damage(unlike[1].checkpoint, "emb/w")
    error = refused(unlike, shared=EMB)
    assert ids(error.findings) == ["shared-differs", "tensor-corrupt"]
    assert only(error.findings, "tensor-corrupt").model == "b"
    assert error.exit_code == 3


def shapes_with(name, shape):
    return {**SHAPES, name: shape}


def test_unlike_variables_are_refused(kind, pair, tmp_path, refused):
    shapes = shapes_with("emb/w", (5, 3))
    prefix = write(tmp_path / "c" / "m", values(3, shapes=shapes))
    other = model(kind, "c", prefix, shapes)
    error = refused([pair[0], other], shared=[lr.Shared("emb", ("a", "c"))])
    finding = only(error.findings, "shared-mismatch")
    assert (finding.subject, finding.model) == ("c/emb/w", "c")
    assert "float32[6,3]" in finding.message and finding.expected == "float32[5,3]"


def test_the_other_kind_is_refused(kind, pair, tmp_path, refused):
    other_kind = {"ref": "resource", "resource": "ref"}[kind]
    other = model(other_kind, "b", pair[1].checkpoint)
    error = refused([pair[0], other], shared=EMB)
    assert set(ids(error.findings)) == {"shared-mismatch"}


def test_other_devices_are_refused_and_the_same_one_is_shared(kind, pair, refused):
    def build():
        with tf.device("/cpu:0"):
            return variables(kind, SHAPES)()

    placed = [lr.Model(one.name, build, one.checkpoint) for one in pair]
    error = refused([pair[0], placed[1]], shared=EMB)
    assert "CPU:0" in only_message(error)
    with lr.restore(placed, shared=EMB, verify="session") as restored:
        assert restored.check().ok


def only_message(error):
    return {one.message for one in error.findings if one.id == "shared-mismatch"}.pop()


def test_a_storage_name_that_was_given_is_refused(kind, pair, refused):
    def build():
        found = variables(kind, SHAPES)()
        w = tf.get_default_graph().get_operation_by_name("b/emb/w")
        w._set_attr("shared_name", tf.AttrValue(s=b"mine"))
        return found

    odd = lr.Model("b", build, pair[1].checkpoint)
    error = refused([pair[0], odd], shared=EMB)
    assert "'mine'" in only_message(error)


def test_a_builder_that_takes_the_storage_of_another_is_refused_all_the_same(
    kind, pair, refused
):
    def build():
        found = variables(kind, SHAPES)()
        w = tf.get_default_graph().get_operation_by_name("b/out/w")
        w._set_attr("shared_name", tf.AttrValue(s=b"a/out/w"))
        return found

    odd = lr.Model("b", build, pair[1].checkpoint)
    error = refused([pair[0], odd], shared=EMB)
    assert only(error.findings, "variable-claimed").subject == "b/out/w"


def test_what_is_no_list_of_shared_is_refused(pair):
    for given in ("emb", EMB[0], [("emb", AB)], [lr.Shared("emb", ("a", "z"))]):
        with pytest.raises(errors.UsageError):
            lr.plan(pair, shared=given)
    plan = lr.plan(pair, shared=EMB)
    with pytest.raises(errors.UsageError, match="shared belongs to"):
        lr.restore(plan, shared=EMB)


def test_a_plan_is_restored_more_than_once(pair):
    plan = lr.plan(pair, shared=EMB)
    for _ in range(2):
        with lr.restore(plan) as restored:
            assert restored.check().ok
            assert_same(values_in(restored, "b"), values(2))


def test_a_refused_plan_says_everything_at_once(unlike, tmp_path):
    shared = [lr.Shared("emb", AB), lr.Shared("nothing", AB)]
    plan = lr.plan(unlike, shared=shared)
    found = {one.id for one in plan.findings if one.is_error}
    assert found == {"shared-differs", "unused-shared"}
    assert plan.to_json()["ok"] is False


def test_averages_of_both_models_or_of_one(kind, tmp_path, refused):
    def build():
        w = tf.get_variable("emb/w", [2])
        tf.get_variable("out", [])
        return w * 1.0

    def saved(name, average):
        raw = {"emb/w": numbers([2], 1), "out": np.float32(1)}
        shadows = {
            "emb/w/ExponentialMovingAverage": average,
            "out/ExponentialMovingAverage": np.float32(2),
        }
        return write(tmp_path / name, {**raw, **shadows})

    def averaged(name, average, weights):
        prefix = saved(name + weights, average)
        return lr.Model(name, of_kind(kind, build), prefix, weights=weights)

    average = numbers([2], 2)
    both = [averaged(name, average, "ema") for name in AB]
    with lr.restore(both, shared=EMB, verify="session") as restored:
        assert (restored["b"]() == average).all()
    one = [averaged("a", average, "ema"), averaged("b", average, "raw")]
    assert ids(refused(one, shared=EMB).findings) == ["shared-differs"]
    owned = [lr.Shared("emb", AB, owner="a")]
    with lr.restore(one, shared=owned, verify="session") as restored:
        assert (restored["b"]() == average).all()


def test_connected_models_share_as_well(kind, tmp_path):
    def build():
        x = tf.placeholder(tf.float32, [None, 3], "x")
        return x @ tf.get_variable("emb/w", [3, 3]) * tf.get_variable("s", [])

    w = numbers([3, 3])
    models = [
        lr.Model(
            name, of_kind(kind, build), write(tmp_path / name, {"emb/w": w, "s": s})
        )
        for name, s in (("a", np.float32(2)), ("b", np.float32(4)))
    ]
    x = numbers([5, 3], 9)
    with lr.restore(models, shared=EMB, connect={"b/x": "a"}) as restored:
        found = restored["b"]({"a/x": x})
        np.testing.assert_allclose(found, (x @ w * 2) @ w * 4, rtol=1e-4)


def test_slots_outside_of_the_scope_are_each_models_own(kind, tmp_path):
    def build():
        w = tf.get_variable("emb/w", [2])
        return tf.train.MomentumOptimizer(0.5, 0.9).minimize(tf.reduce_sum(w * w))

    def run_alone(seed):
        prefix = str(tmp_path / f"m{seed}")
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(seed)
            of_kind(kind, build)()
            session.run(tf.global_variables_initializer())
            w, slot = tf.global_variables()
            w.load(numbers([2]), session)
            slot.load(numbers([2], seed), session)
            return tf.train.Saver().save(session, prefix)

    models = [
        lr.Model(name, of_kind(kind, build), run_alone(n))
        for n, name in enumerate(AB, 5)
    ]
    with lr.restore(models, shared=EMB, verify="session") as restored:
        w, slot = restored["a"].variables
        other_w, other_slot = restored["b"].variables
        assert slot.op.name == "a/a/emb/w/Momentum"
        before = restored.session.run([slot, other_slot])
        assert (before[0] == numbers([2], 5)).all() and (
            before[1] == numbers([2], 6)
        ).all()
        restored.session.run(restored["b"].outputs)
        after = restored.session.run([w, other_w, slot, other_slot])
        assert (after[0] == after[1]).all() and (after[0] != numbers([2])).all()
        assert (after[2] == before[0]).all() and (after[3] != before[1]).all()


def test_an_initialiser_that_reads_what_is_shared_comes_after_it(kind, tmp_path):
    """``b/twice`` is made of ``b/emb/w``, which the initialiser of ``a/emb/w`` sets."""

    def build(last):
        def build_one():
            w = tf.get_variable(
                "emb/w", [2], initializer=tf.random_uniform_initializer()
            )
            if last:
                initial = w.read_value() * 2.0
                tf.get_variable("twice", initializer=initial)
            return tf.get_variable("out", [])

        return of_kind(kind, build_one)

    models = [
        lr.Model(
            name,
            build(name == "b"),
            write(tmp_path / name, {"out": np.float32(1)}),
            allow_missing=["emb/w", "twice"] if name == "b" else ["emb/w"],
        )
        for name in AB
    ]
    with lr.restore(models, shared=EMB) as restored:
        found = values_in(restored, "b")
        assert (found["twice"] == found["emb/w"] * 2).all()
        assert (values_in(restored, "a")["emb/w"] == found["emb/w"]).all()
        status = {row.variable: row.status for row in restored.check().rows}
        assert status["b/emb/w"] is CheckStatus.INITIALIZED


def test_local_variables_stay_apart(kind, tmp_path):
    def build():
        step = tf.get_variable("emb/step", [], collections=["local_variables"])
        return step + tf.get_variable("emb/w", [])

    models = [
        lr.Model(
            name, of_kind(kind, build), write(tmp_path / name, {"emb/w": np.float32(1)})
        )
        for name in AB
    ]
    with lr.restore(models, shared=EMB) as restored:
        a, b = (restored[name].variables[0] for name in AB)
        with restored.graph.as_default():
            a.load(5.0, restored.session)
            b.load(6.0, restored.session)
        assert restored.session.run([a, b]) == [5.0, 6.0]


def test_memory_is_there_once(kind, tmp_path):
    """What the session allocates for two models is what it does for one."""
    shapes = {"emb/w": (256, 1024)}
    models = [
        model(kind, name, write(tmp_path / name, values_of(shapes)), shapes)
        for name in AB
    ]
    with lr.restore(models, shared=EMB) as restored:
        handles = [one.op for name in AB for one in restored[name].variables]
        stored = {one.get_attr("shared_name").decode() or one.name for one in handles}
        assert stored == {"a/emb/w"}
        # On machines with several devices both have to be on one.
        assert b"loc:@a/emb/w" in handles[1].colocation_groups()
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        metadata = tf.RunMetadata()
        restored.session.run(
            restored["b"].outputs, options=options, run_metadata=metadata
        )
        nodes = {
            n.node_name for d in metadata.step_stats.dev_stats for n in d.node_stats
        }
        assert not any(name.startswith("a/") for name in nodes)


def test_mutable_tables_are_refused(kind, tmp_path, refused):
    build = table_models.tables(kind)
    models = [
        lr.Model(name, build, table_models.saved(tmp_path / name, build)) for name in AB
    ]
    error = refused(models, shared=[lr.Shared("", AB)])
    found = [one.subject for one in error.findings if one.id == "shared-mismatch"]
    assert {"a/words-keys", "b/words-keys", "b/counts-values"} <= set(found)
    with lr.restore(
        models, shared=[lr.Shared("w", AB, "b")], verify="session"
    ) as restored:
        assert table_models.looked_up(restored["b"])["words"].tolist()[:2] == [1, 2]


def test_mutable_tables_that_no_checkpoint_has_are_refused(kind, pair, refused):
    def build():
        with tf.variable_scope("emb"):
            table_models.HashTable(
                tf.string, tf.int64, -1, name="words", checkpoint=False
            )
        return variables(kind, SHAPES)()

    models = [lr.Model(one.name, build, one.checkpoint) for one in pair]
    error = refused(models, shared=EMB)
    assert only_message(error) == "a mutable table cannot be shared"
    # Outside of the scope each has its own.
    with lr.restore(models, shared=[lr.Shared("out", AB, "a")]) as restored:
        assert restored.check().ok


def test_containers_are_those_of_the_source(kind, pair):
    def build():
        with tf.container("own"):
            return variables(kind, SHAPES)()

    other = lr.Model("b", build, pair[1].checkpoint)
    with lr.restore([pair[0], other], shared=EMB, verify="session") as restored:
        assert_same(values_in(restored, "b"), values(2))


def test_variables_of_layers(kind, tmp_path):
    """Keras makes its variables in a way of its own, resource variables always."""
    keras = pytest.importorskip("tensorflow.keras")

    def build():
        x = tf.placeholder(tf.float32, [None, 3], "x")
        scale = tf.get_variable("scale", [], use_resource=kind == "resource")
        return keras.layers.Dense(2, name="head")(x) * scale

    saved = {
        "head/kernel": numbers([3, 2]),
        "head/bias": numbers([2], 1),
        "scale": np.float32(2),
    }
    models = [lr.Model(name, build, write(tmp_path / name, saved)) for name in AB]
    shared = [lr.Shared("head", AB), lr.Shared("scale", AB)]
    with lr.restore(models, shared=shared, verify="session") as restored:
        x = numbers([4, 3], 8)
        expected = (x @ saved["head/kernel"] + saved["head/bias"]) * 2
        np.testing.assert_allclose(restored["b"](x=x), expected, rtol=1e-5)
        assert restored.report.coverage.variables == 3


def test_it_is_one_storage_also_in_a_scope_of_another_graph(pair):
    with lr.restore(pair, shared=EMB) as restored, restored.graph.as_default():
        meta_graph = tf.train.export_meta_graph(graph=restored.graph)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.import_meta_graph(meta_graph, import_scope="m")
        found = {one.op.name: one for one in tf.global_variables()}
        a, b = found["m/a/emb/w"], found["m/b/emb/w"]
        session.run(a.initializer)
        a, b = session.run([a, b])
        assert a.tobytes() == b.tobytes()
