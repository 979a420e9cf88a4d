"""Restoring a scope of the caller's own graph and session."""

import contextlib
import os

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf
from tests.graph.conftest import temporary_files
from tests.graph.helpers import (
    assert_same,
    damage,
    data_file,
    ids,
    linear,
    linear_values,
    of_kind,
    only,
    write,
)
from tests.graph.table_models import HashTable, saved, tables


class Own:
    """A graph and a session of a caller, with a variable scope in it."""

    def __init__(self, build, scopes=("m",)):
        self.graph = tf.Graph()
        with self.graph.as_default():
            for scope in scopes:
                with tf.variable_scope(scope):
                    build()
            self.initialize = tf.global_variables_initializer()
        self.session = tf.Session(graph=self.graph)

    def values(self, scope="m"):
        found = self.session.run(
            {v.op.name: v for v in lr.scope_variables(scope, graph=self.graph)}
        )
        return {name[len(scope) + 1 :]: value for name, value in found.items()}

    def refuse(self, scope, location, error=errors.RestoreError, **more):
        """Restores what has to be refused; shows that no value changed."""
        before = self.values("")
        files = temporary_files()
        with pytest.raises(error) as caught:
            lr.restore_scope(self.session, scope, location, **more)
        assert_same(self.values(""), before)
        assert temporary_files() == files
        return caught.value


@pytest.fixture
def own(kind):
    """Builds a caller's graph; closes its sessions afterwards."""
    made = []

    def make(build=None, scopes=("m",)):
        found = Own(linear(kind) if build is None else of_kind(kind, build), scopes)
        made.append(found)
        return found

    yield make
    for one in made:
        one.session.close()


def test_a_scope_is_restored_and_the_rest_is_left_alone(own, tmp_path):
    mine = own(scopes=("a", "a_1", "b/c"))
    mine.session.run(mine.initialize)
    before = mine.values("a_1")
    prefix = write(tmp_path / "m", linear_values(4))
    report = lr.restore_scope(mine.session, "a", prefix)
    assert_same(mine.values("a"), linear_values(4))
    assert_same(mine.values("a_1"), before)
    lr.restore_scope(mine.session, "b/c", tmp_path / "m")
    assert_same(mine.values("b/c"), linear_values(4))
    assert report.coverage.restored_variables == 2
    assert str(report).startswith("a  2 restored")


def test_a_session_without_any_value(own, tmp_path):
    mine = own()
    lr.restore_scope(mine.session, "m", write(tmp_path / "m", linear_values(4)))
    assert_same(mine.values(), linear_values(4))


def test_the_root_scope(own, tmp_path):
    mine = own(scopes=("a", "b"))
    values = linear_values(4)
    saved = {f"{scope}/{key}": values[key] for scope in "ab" for key in values}
    lr.restore_scope(mine.session, "", write(tmp_path / "m", saved))
    assert_same(mine.values("a"), values)
    assert_same(mine.values("b"), values)


def test_a_second_call_adds_no_operation_also_for_other_keys(own, tmp_path):
    mine = own()
    values = linear_values(5)
    prefix = write(tmp_path / "m", linear_values(4))
    other = write(tmp_path / "o", {f"x/{key}": values[key] for key in values})
    lr.restore_scope(mine.session, "m", prefix)
    before = len(mine.graph.get_operations())
    mine.graph.finalize()
    lr.restore_scope(mine.session, "m/", other)
    assert_same(mine.values(), values)
    assert len(mine.graph.get_operations()) == before


def test_a_finalised_graph_is_refused_with_a_hint(own, tmp_path):
    mine = own()
    mine.session.run(mine.initialize)
    mine.graph.finalize()
    error = mine.refuse("m", write(tmp_path / "m", linear_values(4)))
    assert "init_fn('m'" in only(error.findings, "graph-finalized").hint


def test_what_does_not_fit_is_refused_before_anything_changes(own, tmp_path):
    mine = own()
    mine.session.run(mine.initialize)
    wrong = {**linear_values(), "dense/bias": np.zeros(5, np.float32)}
    before = len(mine.graph.get_operations())
    error = mine.refuse("m", write(tmp_path / "m", wrong))
    assert ids(error.findings) == ["shape-mismatch"]
    error = mine.refuse("m", tmp_path / "nowhere")
    assert ids(error.findings) == ["location-not-found"]
    assert len(mine.graph.get_operations()) == before


def test_rules_and_waivers(own, tmp_path):
    mine = own()
    values = linear_values(4)
    saved = {"old/weights": values["dense/kernel"], "head": np.zeros(3, np.float32)}
    prefix = write(tmp_path / "m", saved)
    mine.session.run(mine.initialize)
    bias = mine.values()["dense/bias"]
    lr.restore_scope(
        mine.session,
        "m",
        prefix,
        rules=[lr.Rename("^old/weights$", "dense/kernel")],
        allow_missing=["dense/bias"],
        allow_unused=["head"],
    )
    expected = {"dense/kernel": values["dense/kernel"], "dense/bias": bias}
    assert_same(mine.values(), expected)
    with pytest.raises(errors.UsageError):
        lr.restore_scope(mine.session, "m", prefix, rules=["old"])


def test_a_damaged_byte_changes_nothing(own, tmp_path):
    mine = own(scopes=("m", "n"))
    mine.session.run(mine.initialize)
    prefix = write(tmp_path / "m", linear_values(4))
    damage(prefix, "dense/kernel")
    error = mine.refuse("m", prefix)
    assert ids(error.findings) == ["tensor-corrupt"]
    assert "variables that had values have them still" in str(error)


def failing_head(kind):
    """A layer, and a variable whose initialiser fails."""

    def build():
        checked = tf.debugging.assert_greater(tf.random_uniform([]), 2.0)
        with tf.control_dependencies([checked]):
            start = tf.identity(tf.zeros([2]))
        tf.get_variable("head", initializer=start)
        return linear(kind)()

    return build


def test_an_initialiser_that_fails_changes_nothing(own, kind, tmp_path):
    mine = own(failing_head(kind))
    prefix = write(tmp_path / "m", linear_values(4))
    own_values = linear_values(9)
    with mine.graph.as_default():
        dense = lr.scope_variables("m/dense")
    for variable in dense:
        value = own_values[variable.op.name[2:]]
        initializer = variable.initializer
        mine.session.run(initializer, {initializer.inputs[1]: value})
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_scope(mine.session, "m", prefix, allow_missing=["head"])
    assert ids(caught.value.findings) == ["initializer-failed"]
    found = mine.session.run({v.op.name[2:]: v for v in dense})
    assert_same(found, own_values)


def test_only_what_has_no_value_is_initialised(own, tmp_path):
    def build():
        tf.get_variable("w", [2])
        tf.get_variable("a", initializer=tf.ones([2]))
        tf.get_variable("b", initializer=tf.ones([2]))
        tf.get_local_variable("c", initializer=tf.ones([2]))

    mine = own(build)
    prefix = write(tmp_path / "m", {"w": np.float32([1, 2])})
    [a] = [v for v in lr.scope_variables("m", graph=mine.graph) if v.op.name == "m/a"]
    mine.session.run(a.initializer, {a.initializer.inputs[1]: np.float32([7, 7])})
    lr.restore_scope(mine.session, "m", prefix, allow_missing=["a|b"])
    found = {key: value.tolist() for key, value in mine.values().items()}
    assert found == {"w": [1, 2], "a": [7, 7], "b": [1, 1]}


def with_table(path):
    """A variable, and a lookup table that reads a file."""

    def build():
        tf.get_variable("w", [2])
        table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                path,
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            -1,
        )
        return table.lookup(tf.constant(["b"]), name="found")

    return build


def test_tables_are_filled_and_may_be_filled_again(own, tmp_path):
    words = tmp_path / "words"
    words.write_text("a\nb\n")
    mine = own(with_table(str(words)))
    for seed in range(2):
        prefix = write(tmp_path / f"m{seed}", {"w": np.float32([seed, 2])})
        lr.restore_scope(mine.session, "m", prefix)
        assert mine.values()["w"].tolist() == [seed, 2]
    lookups = [op for op in mine.graph.get_operations() if "TableFind" in op.type]
    assert mine.session.run(lookups[0].outputs[0]).tolist() == [1]


def test_a_vocabulary_file_that_is_missing_or_vanishes(own, tmp_path, monkeypatch):
    words = tmp_path / "words"
    words.write_text("a\nb\n")
    mine = own(with_table(str(words)))
    mine.session.run(mine.initialize)
    prefix = write(tmp_path / "m", {"w": np.float32([1, 2])})
    words.unlink()
    error = mine.refuse("m", prefix)
    assert ids(error.findings) == ["vocabulary-missing"]
    monkeypatch.setattr(
        "legacy_restore.graph.build_findings.vocabulary_findings", lambda *_: []
    )
    error = mine.refuse("m", prefix)
    assert ids(error.findings) == ["initializer-failed"]


def test_files_replaced_while_they_are_read_change_nothing(own, tmp_path):
    mine = own()
    mine.session.run(mine.initialize)
    prefix = write(tmp_path / "m", linear_values(4))
    run = mine.session.run

    def run_and_touch(fetches, feed_dict=None):
        found = run(fetches, feed_dict)
        if feed_dict:
            os.utime(data_file(prefix), (1, 1))
        return found

    mine.session.run = run_and_touch
    error = mine.refuse("m", prefix)
    assert ids(error.findings) == ["checkpoint-changed"]


class Cancelled(BaseException):
    """Stands for Ctrl-C."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_failure_of_any_run_changes_nothing(own, tmp_path, when):
    words = tmp_path / "words"
    words.write_text("a\n")

    def build():
        with_table(str(words))()
        first = tf.get_variable("first", initializer=tf.ones([2]))
        tf.get_variable("second", initializer=tf.identity(first))

    prefix = write(tmp_path / "m", {"w": np.float32([1, 2])})
    steps = 0
    while True:
        mine = own(build)
        [w] = lr.scope_variables("m/w", graph=mine.graph)
        mine.session.run(w.initializer, {w.initializer.inputs[1]: [5, 6]})
        runs = []
        run = mine.session.run

        def failing(*args, run=run, runs=runs, fail_at=steps):
            runs.append(args)
            if len(runs) == fail_at + 1 and when == "before":
                raise Cancelled
            found = run(*args)
            if len(runs) == fail_at + 1:
                raise Cancelled
            return found

        mine.session.run = failing
        try:
            lr.restore_scope(mine.session, "m", prefix, allow_missing=["first|second"])
        except Cancelled:
            mine.session.run = run
            assert mine.session.run(w).tolist() == [5, 6]
            steps += 1
            continue
        break
    assert steps == 6  # Which have values, keeping, reading, two waves, the table.


def test_scopes_that_are_not_there(own, tmp_path):
    mine = own(scopes=("encoder",))
    mine.session.run(mine.initialize)
    error = mine.refuse("encodr", tmp_path / "m", error=errors.UsageError)
    assert "'encoder'" in error.hint
    for session in (None, mine.graph, 3):
        with pytest.raises(errors.UsageError):
            lr.restore_scope(session, "encoder", tmp_path / "m")


def test_a_variable_without_an_object_is_refused(own, tmp_path):
    def build():
        linear("ref")()
        tf.get_variable("hidden", [1], collections=["none"], trainable=False)
        tf.get_default_graph().clear_collection("none")

    mine = own(build)
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_scope(mine.session, "m", write(tmp_path / "m", linear_values()))
    finding = only(caught.value.findings, "variable-without-object")
    assert finding.subject == "m/hidden"


def test_a_closed_session(own, tmp_path):
    mine = own()
    mine.session.close()
    with pytest.raises(errors.ClosedError):
        lr.restore_scope(mine.session, "m", write(tmp_path / "m", linear_values()))


def test_partitioned_variables_and_what_the_caller_has_entered(own, tmp_path):
    def build():
        tf.get_variable("w", [5, 2], partitioner=tf.fixed_size_partitioner(3))

    value = np.arange(10, dtype=np.float32).reshape(5, 2)
    mine = own(build)
    mine.session.run(mine.initialize)
    prefix = write(tmp_path / "m", {"w": value})
    with contextlib.ExitStack() as entered:
        entered.enter_context(mine.graph.as_default())
        entered.enter_context(tf.control_dependencies([tf.no_op()]))
        entered.enter_context(tf.name_scope("outer"))
        entered.enter_context(tf.device("/device:GPU:7"))
        report = lr.restore_scope(mine.session, "m", prefix)
    assert len(report.plan.rows) == 1
    found = mine.session.run(lr.scope_variables("m", graph=mine.graph))
    assert np.concatenate(found).tolist() == value.tolist()


def test_a_mutable_table_is_restored_and_kept_on_failure(own, tmp_path):
    found = {}

    def build():
        tf.get_variable("w", [2])
        found["table"] = table = HashTable(tf.string, tf.int64, -1, name="words")
        keys, values = tf.constant(["a", "b"]), tf.constant([7, 8], tf.int64)
        found["insert"] = table.insert(keys, values)
        found["lookup"] = table.lookup(keys)

    mine = own(build)
    mine.session.run([mine.initialize, found["insert"]])
    with mine.graph.as_default():
        saver = tf.train.Saver()
        first = saver.save(mine.session, str(tmp_path / "first"))
        keys, values = tf.constant(["a", "c"]), tf.constant([1, 2], tf.int64)
        more = found["table"].insert(keys, values)
    mine.session.run(more)
    lookup = found["lookup"]
    assert mine.session.run(lookup).tolist() == [1, 8]
    damage(first, "m/w")
    with pytest.raises(errors.RestoreError):
        lr.restore_scope(mine.session, "m", first)
    assert mine.session.run(lookup).tolist() == [1, 8]
    damage(first, "m/w")
    report = lr.restore_scope(mine.session, "m", first)
    assert mine.session.run(lookup).tolist() == [7, 8]
    before = len(mine.graph.get_operations())
    lr.restore_scope(mine.session, "m", first)
    assert len(mine.graph.get_operations()) == before
    assert [row.variable.kind for row in report.plan.rows][1:] == ["table", "table"]
    mine.session.run(more)
    refuse = "legacy_restore.graph.scope_restore.run_initializers"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refuse, lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            lr.restore_scope(mine.session, "m", first)
    assert mine.session.run(lookup).tolist() == [1, 8]


def test_a_waived_table_with_entries_keeps_them(own, tmp_path):
    found = {}

    def build():
        tf.get_variable("w", [2])
        table = HashTable(tf.string, tf.int64, -1, name="t")
        key = tf.constant(["a"])
        first = table.insert(key, tf.constant([0], tf.int64))
        tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, first)
        found["train"] = table.insert(key, tf.constant([42], tf.int64))
        found["lookup"] = table.lookup(key)

    prefix = write(tmp_path / "m", {"w": np.float32([1, 2])})
    for trained, expected in (([], [0]), ([found], [42])):
        mine = own(build)
        if trained:
            mine.session.run(found["train"])
        lr.restore_scope(mine.session, "m", prefix, allow_missing=["t-.*"])
        assert mine.session.run(found["lookup"]).tolist() == expected


def test_a_dense_table_of_another_empty_key_is_refused(own, tmp_path):
    prefix = saved(tmp_path / "m", tables())
    mine = own(tables(empty_key=-7))
    with pytest.raises(errors.RestoreError) as caught:
        lr.restore_scope(mine.session, "m", prefix)
    assert ids(caught.value.findings) == ["table-mismatch"]


def test_locations_and_scopes_that_cannot_be_meant(own, tmp_path):
    mine = own()
    for location in (None, 3):
        with pytest.raises(errors.UsageError):
            lr.restore_scope(mine.session, "m", location)
    for scope in ("/", None, lr.Model("m", lambda: None, "m")):
        with pytest.raises(errors.UsageError):
            lr.restore_scope(mine.session, scope, tmp_path / "m")
    for graph in (3, mine.session):
        with pytest.raises(errors.UsageError):
            lr.scope_variables("m", graph=graph)
