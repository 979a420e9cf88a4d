"""Slots of partitioned variables, which TensorFlow stores in pieces out of a scope."""

import contextlib

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore.report.check_report import CheckStatus
from legacy_restore.tf import tf
from tests.checkpoint.builders import BundleBuilder, parts_along
from tests.graph.helpers import ids, numbers, of_id, of_kind, only

OPTIMIZERS = {
    "Adagrad": lambda: tf.train.AdagradOptimizer(0.1),
    "Momentum": lambda: tf.train.MomentumOptimizer(0.1, 0.9),
    "Adam": lambda: tf.train.AdamOptimizer(0.1),
}


def trained(scope, optimizer="Adagrad", parts=2, train_scope="", average=False):
    """A builder that trains a partitioned variable and a whole one in a scope."""

    def build():
        with scope_of(scope):
            with tf.variable_scope("n"):
                partitioner = tf.fixed_size_partitioner(parts)
                w = tf.get_variable("w", (12, 5), partitioner=partitioner)
                b = tf.get_variable("b", (3,))
            loss = tf.reduce_sum(tf.convert_to_tensor(w) ** 2) + tf.reduce_sum(b)
            with scope_of(train_scope):
                train = OPTIMIZERS[optimizer]().minimize(loss)
                if average:
                    averages = tf.train.ExponentialMovingAverage(0.9)
                    with tf.control_dependencies([train]):
                        train = averages.apply(tf.trainable_variables())
        return {
            "w": tf.convert_to_tensor(w),
            "b": tf.identity(b),
            "train": tf.group(train),
        }

    return build


def scope_of(name):
    return tf.variable_scope(name) if name else contextlib.ExitStack()


def after_a_step(tmp_path, build, name="trained"):
    """Writes what a stock Saver writes after one step; gives prefix and values."""
    with tf.Graph().as_default(), tf.Session() as session:
        outputs = build()
        # The weights first: the averages' initialisers read them.
        weights = tf.trainable_variables()
        session.run(tf.variables_initializer(weights))
        names = {one.op.name for one in weights}
        others = [one for one in tf.global_variables() if one.op.name not in names]
        session.run(tf.variables_initializer(others))
        session.run(outputs["train"])
        prefix = str(tmp_path / name)
        tf.train.Saver().save(session, prefix, write_meta_graph=False)
        return prefix, session.run({one.op.name: one for one in tf.global_variables()})


def weights(parts=3):
    """A builder of the weights that ``trained`` trains, in other parts."""

    def build():
        with tf.variable_scope("n"):
            partitioner = tf.fixed_size_partitioner(parts)
            w = tf.get_variable("w", (12, 5), partitioner=partitioner)
            b = tf.get_variable("b", (3,))
        return {"w": tf.convert_to_tensor(w), "b": tf.identity(b)}

    return build


@pytest.mark.parametrize(
    "scope, optimizer, train_scope",
    [
        ("m", "Adam", ""),
        ("a/b", "Momentum", ""),
        ("encoder", "Adagrad", ""),
        ("encoder", "Adam", "train"),
    ],
)
def test_weights_beside_slots_that_were_made_in_a_scope(
    kind, tmp_path, scope, optimizer, train_scope
):
    build = of_kind(kind, trained(scope, optimizer, 12, train_scope, average=True))
    prefix, values = after_a_step(tmp_path, build)
    with lr.open_checkpoint(prefix) as checkpoint:
        assert any(not entry.is_complete for entry in checkpoint.entries())
        for key in checkpoint:
            checkpoint.verify_tensor(key)
        assert checkpoint.digest
        assert ids(checkpoint.findings) == []
    plan = lr.plan([lr.Model("x", of_kind(kind, weights()), prefix)])
    found = {one.id for one in plan.findings}
    assert found == {"matched-under-prefix", "unused-training-state"}
    with lr.restore(plan) as restored:
        found = restored["x"]()
        parts = [values[f"{scope}/n/w/part_{number}"] for number in range(12)]
        assert (found["w"] == np.concatenate(parts)).all()
        assert (found["b"] == values[f"{scope}/n/b"]).all()
        assert not restored.check().with_status(CheckStatus.UNPROVED)
        restored.check().raise_if_failed()


def slots_of(values):
    """The values of slots and averages, by what optimizers call them, sorted."""
    names = sorted(name for name in values if name.count("part_"))
    return {name.rpartition("n/w/")[2]: values[name] for name in names}


def assert_restored(restored, values):
    found = restored.session.run({one.op.name: one for one in restored["m"].variables})
    found = slots_of({name: found[name] for name in found})
    expected = slots_of(values)
    assert sorted(found) == sorted(expected)
    assert any("/" in name for name in found)
    for name, value in expected.items():
        assert (found[name] == value).all(), name


TRAINED = [
    ("m", "m", "Adam", ""),
    ("m", "m", "Adagrad", "train"),
    ("m", "", "Adam", ""),
    ("encoder", "", "Momentum", ""),
    ("encoder", "", "Adagrad", "train"),
    ("a/b", "", "Adam", "long_scope_of_training"),
]


@pytest.mark.parametrize("scope, in_file, optimizer, train_scope", TRAINED)
def test_slots_are_restored_proved_saved_and_swapped(
    kind, tmp_path, scope, in_file, optimizer, train_scope
):
    # Twelve parts: in a scope of one letter part_10 is stored with part_0.
    same = {"optimizer": optimizer, "parts": 12, "train_scope": train_scope}
    build = of_kind(kind, trained(in_file, **same))
    prefix, values = after_a_step(tmp_path, build)
    inner = of_kind(kind, trained("", **same))
    plan = lr.plan([lr.Model("m", inner, prefix, scope=scope)])
    assert plan.ok, plan
    assert plan.coverage.restored_parameters == sum(map(np.size, values.values()))
    with lr.restore(plan) as restored:
        assert_restored(restored, values)
        report = restored.check()
        assert {row.status for row in report.rows} == {CheckStatus.EQUAL}
        saved = restored["m"].save(tmp_path / "saved")
        other, others = after_a_step(tmp_path, build, "other")
        restored["m"].swap(other)
        assert_restored(restored, others)
        restored.check().raise_if_failed()
        slot = next(
            one
            for one in restored["m"].variables
            if one.op.name.endswith("0/" + optimizer)
        )
        with restored.graph.as_default():
            restored.session.run(tf.assign(slot, tf.ones(slot.shape) * 77))
        changed = restored.check().with_status(CheckStatus.CHANGED)
        assert len(changed) == 1
    # What was saved has the names of a model that was trained at the root.
    at_root, _ = after_a_step(tmp_path, of_kind(kind, trained("", **same)), "root")
    with lr.open_checkpoint(saved) as one, lr.open_checkpoint(at_root) as wanted:
        assert set(one) == set(wanted)
        assert [x.is_complete for x in one.entries()] == [
            x.is_complete for x in wanted.entries()
        ]
    with lr.restore([lr.Model("m", inner, saved, scope="other")]) as restored:
        assert_restored(restored, values)


def test_slots_of_a_scope_of_another_length_are_missing_and_may_be(kind, tmp_path):
    build = of_kind(kind, trained("encoder"))
    prefix, values = after_a_step(tmp_path, build)
    inner = of_kind(kind, trained(""))
    plan = lr.plan([lr.Model("m", inner, prefix)])
    missing = {one.subject for one in of_id(plan.findings, "missing-key")}
    assert missing == {
        "m/n/w/0/Adagrad",
        "m/n/w/1/Adagrad",
        "m/m/n/b/Adagrad",
    }
    model = lr.Model("m", inner, prefix, allow_missing=[".*/Adagrad"])
    plan = lr.plan([model])
    assert plan.ok
    with lr.restore(plan) as restored:
        names = {one.op.name: one for one in restored["m"].variables}
        found = restored.session.run(names["m/n/w/part_1"])
        assert (found == values["encoder/n/w/part_1"]).all()


def test_parts_that_are_cut_otherwise_are_not_proved(kind, tmp_path):
    build = of_kind(kind, trained("", parts=2))
    prefix, values = after_a_step(tmp_path, build)
    model = lr.Model("m", of_kind(kind, trained("", parts=4)), prefix)
    with lr.restore([model]) as restored:
        names = {one.op.name: one for one in restored["m"].variables}
        found = restored.session.run(names["m/m/n/w/part_1/Adagrad"])
        assert (found == values["n/w/part_0/Adagrad"][3:]).all()
        report = restored.check()
        assert not report.with_status(CheckStatus.CHANGED)
        unproved = report.with_status(CheckStatus.UNPROVED)
        assert {row.variable for row in unproved} == {
            f"m/n/w/{number}/Adagrad" for number in range(4)
        }
        assert all("other slices" in row.reason for row in unproved)


@pytest.mark.parametrize("parts", [0, 1, 2, 3])
def test_a_variable_of_which_a_slice_is_missing_is_refused(
    kind, tmp_path, refused, parts
):
    def build():
        partitioner = tf.fixed_size_partitioner(parts) if parts else None
        w = tf.get_variable("n/w", (12, 5), partitioner=partitioner)
        return tf.convert_to_tensor(w)

    build = of_kind(kind, build)
    builder = BundleBuilder().add("n/b", numbers([3]))
    builder.add_sliced("n/w", numbers([12, 5]), parts_along(0, (12, 5), [6]))
    prefix = builder.write(tmp_path / "m")
    permitted = {"allow_unused": ["n/b"]}
    error = refused([lr.Model("m", build, prefix, **permitted)])
    assert ids(error.findings) == ["missing-key"]
    finding = only(error.findings, "missing-key")
    assert finding.message == "the checkpoint has only part of n/w: 30 of 60 elements"
    assert finding.waiver == ("allow_missing", "n/w")
    permitted["allow_missing"] = ["n/w"]
    with lr.restore([lr.Model("m", build, prefix, **permitted)]) as restored:
        [row] = restored.check().rows
        assert row.status is CheckStatus.INITIALIZED


def test_a_saver_of_a_scope_that_is_trained_has_all_slots(kind, tmp_path):
    build = of_kind(kind, trained("m", "Adam"))
    with tf.Graph().as_default(), tf.Session() as session:
        build()
        session.run(tf.global_variables_initializer())
        prefix = lr.scoped_saver("m").save(session, str(tmp_path / "s"))
    with lr.open_checkpoint(prefix) as checkpoint:
        assert "n/w/0/Adam_1" in checkpoint
        assert "n/b/Adam_1" in checkpoint
