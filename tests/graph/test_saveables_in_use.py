"""Mutable tables and other saveable objects in a session: compared, swapped, saved."""

import contextlib
import functools

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf
from tests.graph.helpers import (
    assert_same,
    damage,
    ids,
    numbers,
    values_in,
    write,
)
from tests.graph.table_models import (
    DenseTable,
    expected,
    fill,
    looked_up,
    saved,
    tables,
)
from tests.graph.test_saveables import KEYS, ROWS, Halves, statuses, with_object


def changed(restored, *operations):
    """What ``check`` says after operations on the tables, of all that is not equal."""
    restored.session.run(list(operations))
    return {row: status for row, status in statuses(restored).items() if row in ROWS}


def insert(restored, table, keys, values):
    with restored.graph.as_default():
        return table.insert(
            tf.constant(keys, table.key_dtype), tf.constant(values, table.value_dtype)
        )


@pytest.fixture
def used(kind, tmp_path):
    """A restored model, and the tables that its builder made."""
    build = tables(kind)
    with lr.restore([lr.Model("m", build, saved(tmp_path / "m", build))]) as restored:
        yield restored, dict(zip(("words", "vectors", "counts"), build.made))


# check.


@pytest.mark.parametrize(
    "table, key, value",
    [
        ("words", [b"new"], [9]),
        ("vectors", [55], [[1.0, 1.0]]),
        ("counts", [77], [1]),
    ],
)
def test_an_insert_is_found(used, table, key, value):
    restored, made = used
    found = changed(restored, insert(restored, made[table], key, value))
    differing = {row for row, status in found.items() if status != "equal"}
    assert differing == {f"m/{table}-keys", f"m/{table}-values"}
    assert set(found.values()) == {"equal", "changed"}


@pytest.mark.parametrize(
    "table, key, value",
    [
        ("words", [b"a"], [9]),
        ("vectors", [1], [[0.5, -0.0]]),
        ("counts", [4], [1]),
    ],
)
def test_another_value_is_found(used, table, key, value):
    restored, made = used
    found = changed(restored, insert(restored, made[table], key, value))
    assert {row for row, status in found.items() if status != "equal"} == {
        f"m/{table}-values"
    }


def test_entries_in_another_order_are_equal(used):
    restored, made = used
    with restored.graph.as_default():
        removed = [
            made["words"].remove(tf.constant([b"a", b"b"])),
            made["counts"].remove(tf.constant([4, 6], tf.int64)),
        ]
    restored.session.run(removed)
    assert statuses(restored)["m/words-keys"] == "changed"
    restored.session.run(insert(restored, made["counts"], list(range(90, 99)), [0] * 9))
    with restored.graph.as_default():
        gone = made["counts"].remove(tf.constant(list(range(90, 99)), tf.int64))
    restored.session.run(gone)
    again = [
        insert(restored, made["words"], [b"b", b"a"], [2, 1]),
        insert(restored, made["counts"], [6, 4], [60, 40]),
    ]
    found = changed(restored, *again)
    assert found == dict.fromkeys(ROWS, "equal")
    buckets = restored.session.run(restored.plan.built["m"].saveables[ROWS[4]].tensors)
    assert len(buckets[0]) > 8  # It has grown: the bytes are others.


def test_files_that_were_replaced_prove_nothing_of_a_table(kind, tmp_path):
    build = tables(kind)
    prefix = saved(tmp_path / "m", build)
    with lr.restore([lr.Model("m", build, prefix)]) as restored:
        made = dict(zip(("words", "vectors", "counts"), build.made))
        restored.session.run(insert(restored, made["words"], [b"new"], [9]))
        [weights] = restored["m"].variables
        with restored.graph.as_default():
            weights.load(np.float32([8, 9]), restored.session)
        assert statuses(restored)["m/words-keys"] == "changed"
        restored["m"].save(prefix, overwrite=True)
        rows = {row.variable: row for row in restored.check().rows}
        assert rows["m/w"].status.value == "changed"
        for name in ("m/words-keys", "m/words-values"):
            assert rows[name].status.value == "unproved"
            assert "replaced since" in rows[name].reason


def test_of_other_objects_only_equality_is_proved(kind, tmp_path):
    stored = {"halves/low": numbers([2], 1), "halves/high": numbers([2], 2)}
    model = lr.Model("m", with_object(kind, Halves), write(tmp_path / "m", stored))
    with lr.restore([model]) as restored:
        # Initialisers of local variables run last: this object saves one.
        rows = {row.variable: row for row in restored.check().rows}
        assert rows["m/halves/low"].status.value == "unproved"
        assert "Halves" in rows["m/halves/low"].reason
        restored["m"].swap(model.checkpoint)
        assert statuses(restored)["m/halves/low"] == "equal"
        assert statuses(restored)["m/halves/high"] == "equal"


# The barrier.


def test_a_damaged_byte_in_another_file_changes_no_table(kind, tmp_path):
    first, last = tables(kind), tables(kind)
    prefixes = {
        "a": saved(tmp_path / "a", first, 1),
        "b": saved(tmp_path / "b", last, 2),
    }
    damage(prefixes["b"], "w")
    models = [lr.Model(*pair) for pair in zip("ab", (first, last), prefixes.values())]
    plan = lr.plan(models)
    operations = plan.operations.restore_operations()
    with plan.graph.as_default(), tf.Session(graph=plan.graph) as session:
        session.run(tf.global_variables_initializer())
        fill(session, first.made)
        fill(session, last.made)
        everything = [
            tensor
            for built in plan.built.values()
            for one in built.saveables.values()
            for tensor in one.tensors
        ] + list(tf.global_variables())
        before = session.run(everything)
        before = [np.array(value) for value in before]
        for _ in range(5):
            with pytest.raises(tf.errors.OpError):
                session.run(operations, plan.operations.feeds(prefixes))
            for was, now in zip(before, session.run(everything)):
                assert was.tolist() == now.tolist()
        damage(prefixes["b"], "w")  # The same bit again: as it was.
        session.run(operations, plan.operations.feeds(prefixes))
        assert session.run(first.made[0].lookup(tf.constant([b"a"]))).tolist() == [2]


def test_whatever_restores_an_object_waits_for_every_read(kind, tmp_path):
    builders = [tables(kind), tables(kind)]
    models = [
        lr.Model(name, build, saved(tmp_path / name, build))
        for name, build in zip("ab", builders)
    ]
    plan = lr.plan(models)
    before = len(plan.graph.get_operations())
    assert len(plan.operations.models) == 2
    made = plan.graph.get_operations()[before:]
    reads = {one.name for one in made if one.type == "RestoreV2"}
    imports = [one for one in made if one.type == "LookupTableImportV2"]
    assert len(imports) == 6
    for one in imports:
        waited, stack = set(), [one]
        while stack:
            operation = stack.pop()
            if operation.name not in waited:
                waited.add(operation.name)
                stack += operation.control_inputs
                stack += [tensor.op for tensor in operation.inputs]
        assert reads <= waited


# swap.


def test_a_swap_replaces_the_entries(kind, tmp_path):
    build, other = tables(kind), tables(kind)
    models = [
        lr.Model("a", build, saved(tmp_path / "a", build)),
        lr.Model("b", other, saved(tmp_path / "b", other, 5)),
    ]
    new = saved(tmp_path / "new", tables(kind, "scoped"), 100)
    with lr.restore(models) as restored:
        restored.session.run(insert(restored, build.made[0], [b"nul"], [4]))
        restored.graph.finalize()
        before = len(restored.graph.get_operations())
        restored["a"].swap(new)
        assert len(restored.graph.get_operations()) == before
        assert_same(looked_up(restored["a"]), expected(100))
        assert_same(looked_up(restored["b"]), expected(5))
        assert set(statuses(restored).values()) == {"equal"}


@pytest.mark.parametrize("key", ["w", *KEYS])
def test_a_damaged_file_leaves_the_entries(kind, tmp_path, key):
    build = tables(kind)
    model = lr.Model("m", build, saved(tmp_path / "m", build))
    new = saved(tmp_path / "new", tables(kind), 100)
    damage(new, key)
    with lr.restore([model]) as restored:
        before = values_in(restored, "m")
        with pytest.raises(errors.RestoreError) as caught:
            restored["m"].swap(new)
        assert ids(caught.value.findings) == ["tensor-corrupt"]
        assert_same(values_in(restored, "m"), before)
        assert_same(looked_up(restored["m"]), expected())
        assert set(statuses(restored).values()) == {"equal"}


def test_entries_are_put_back_when_the_files_changed_meanwhile(
    kind, tmp_path, monkeypatch
):
    build, other = tables(kind), tables(kind)
    models = [
        lr.Model("m", build, saved(tmp_path / "m", build)),
        lr.Model("n", other, saved(tmp_path / "n", other, 5)),
    ]
    new = saved(tmp_path / "new", tables(kind), 100)
    seen = []

    def refuse(opened):
        # All of it is assigned by now.
        seen.append(looked_up(restored["m"])["words"][0])
        raise errors.RestoreError("changed meanwhile")

    with lr.restore(models) as restored:
        restored.session.run(insert(restored, build.made[0], [b"extra"], [4]))
        before = values_in(restored, "m")
        monkeypatch.setattr("legacy_restore.graph.swap.refuse_if_changed", refuse)
        # Calls are held while weights are swapped; this one looks all the same.
        past_the_gate = functools.partial(contextlib.nullcontext, restored.session)
        monkeypatch.setattr(restored["m"]._main, "_used", past_the_gate)
        with pytest.raises(errors.RestoreError, match="changed meanwhile"):
            restored["m"].swap(new)
        assert seen == [101]
        assert_same(values_in(restored, "m"), before)
        assert_same(looked_up(restored["m"]), expected())
        found = restored["m"](word=[b"extra"], number=np.int64([]))
        assert found["words"].tolist() == [4]
        assert_same(looked_up(restored["n"]), expected(5))


# save.


def test_saved_tables_move_to_another_scope_and_to_stock_tensorflow(kind, tmp_path):
    build = tables(kind, "inner")
    model = lr.Model("m", build, saved(tmp_path / "m", tables(kind, "old/inner")))
    with lr.restore([model]) as restored:
        restored.session.run(insert(restored, build.made[0], [b"nul"], [4]))
        prefix = restored["m"].save(tmp_path / "out")
        weights = values_in(restored, "m")["inner/w"]
    with lr.open_checkpoint(prefix) as checkpoint:
        assert sorted(checkpoint) == sorted(["inner/w", *KEYS])
    again = lr.Model("other", tables(kind, "inner"), prefix, scope="far/away")
    with lr.restore([again], verify="session") as restored:
        found = looked_up(restored["other"])
        assert found["words"].tolist() == [1, 2, 3, 4]
        del found["words"]
        assert_same(found, {name: expected()[name] for name in found})
    with tf.Graph().as_default(), tf.Session() as session:
        outputs = build()
        tf.train.Saver().restore(session, prefix)
        assert session.run(outputs["w"]).tobytes() == weights.tobytes()
        asked = build.made[0].lookup(tf.constant([b"a", b"nul"]))
        assert session.run(asked).tolist() == [1, 4]


def test_a_table_that_was_missing_is_saved(kind, tmp_path):
    build = tables(kind)
    prefix = write(tmp_path / "m", {"w": numbers([2])})
    model = lr.Model(
        "m", build, prefix, allow_missing=["(words|vectors|counts)-(keys|values)"]
    )
    with lr.restore([model]) as restored:
        restored.session.run(insert(restored, build.made[0], [b"a"], [4]))
        out = restored["m"].save(tmp_path / "out")
    with lr.restore([lr.Model("m", tables(kind), out)], verify="session") as restored:
        assert looked_up(restored["m"])["words"].tolist() == [4, -1, -1, -1]


def test_the_saver_of_a_model_has_its_tables(used, tmp_path):
    restored, made = used
    restored.session.run(insert(restored, made["words"], [b"a"], [9]))
    with restored.graph.as_default():
        restored["m"].saver.restore(restored.session, str(tmp_path / "m"))
    assert_same(looked_up(restored["m"]), expected())
    assert statuses(restored) == dict.fromkeys(["m/w", *ROWS], "equal")


def test_texts_in_a_dense_table_are_compared_as_entries(tmp_path):
    def build():
        build.made = DenseTable(
            tf.string,
            tf.int64,
            default_value=-1,
            empty_key="",
            deleted_key="$",
            initial_num_buckets=4,
            name="dense",
        )
        return build.made.lookup(tf.constant([b"a", b"nul\0", b"nul"]))

    def put(keys, values):
        return build.made.insert(tf.constant(keys), tf.constant(values, tf.int64))

    with tf.Graph().as_default(), tf.Session() as session:
        build()
        session.run(put([b"a", b"nul\0"], [1, 2]))
        prefix = tf.train.Saver().save(session, str(tmp_path / "d"))
    with lr.restore([lr.Model("m", build, prefix)], verify="session") as restored:
        assert restored["m"]().tolist() == [1, 2, -1]
        with restored.graph.as_default():
            more = put([b"b", b"c", b"d", b"e"], [3, 4, 5, 6])
            fewer = build.made.remove(tf.constant([b"b", b"c", b"d", b"e"]))
        restored.session.run(more)
        assert set(statuses(restored).values()) == {"changed"}
        restored.session.run(fewer)
        assert set(statuses(restored).values()) == {"equal"}
