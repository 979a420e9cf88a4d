"""Other weights in the same graph."""

import os
import threading

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf
from tests.graph.conftest import temporary_files
from tests.graph.helpers import (
    apply,
    assert_same,
    damage,
    data_file,
    ids,
    linear,
    linear_model,
    linear_values,
    of_kind,
    only,
    values_in,
    write,
)


def refuse_swap(restored, name, location):
    """Swaps what has to be refused; shows that nothing changed, gives the error."""
    before = {one: values_in(restored, one) for one in restored}
    operations = len(restored.graph.get_operations())
    plan, report = restored.plan, restored[name].report
    files = temporary_files()
    with pytest.raises(errors.RestoreError) as caught:
        restored[name].swap(location)
    for one in restored:
        assert_same(values_in(restored, one), before[one])
    assert len(restored.graph.get_operations()) == operations
    assert restored.plan is plan
    assert restored[name].report is report
    assert temporary_files() == files
    assert restored.check().ok
    return caught.value


def test_one_model_gets_other_weights_and_the_rest_keep_theirs(kind, tmp_path):
    models = [
        linear_model(kind, name, tmp_path, seed) for seed, name in enumerate("ab")
    ]
    other = write(tmp_path / "other" / "m-7", linear_values(5))
    with lr.restore(models) as restored:
        restored.graph.finalize()
        before = len(restored.graph.get_operations())
        report = restored["b"].swap(other)
        assert_same(values_in(restored, "a"), linear_values(0))
        assert_same(values_in(restored, "b"), linear_values(5))
        assert len(restored.graph.get_operations()) == before
        assert report is restored["b"].report
        assert report.plan.location.prefix == other
        assert restored.plan["b"].location.prefix == other
        assert restored.plan["a"].location.prefix != other
        check = restored.check()
        assert [row.status.value for row in check.rows] == ["equal"] * 4


def test_a_model_is_swapped_by_a_path_object_and_by_a_step(kind, tmp_path):
    model = linear_model(kind, "m", tmp_path)
    for step in (1, 2):
        write(tmp_path / "runs" / f"m-{step}", linear_values(step))
    with lr.restore([model]) as restored:
        restored["m"].swap(tmp_path / "runs")
        assert_same(values_in(restored, "m"), linear_values(2))
        restored["m"].swap(f"{tmp_path / 'runs'}@1")
        assert_same(values_in(restored, "m"), linear_values(1))


def test_forty_five_checkpoints_in_a_row(kind, tmp_path):
    model = linear_model(kind, "m", tmp_path)
    prefixes = [
        write(tmp_path / "many" / f"m-{seed}", linear_values(seed))
        for seed in range(45)
    ]
    x = np.float32([[1, 2, 3]])
    with lr.restore([model]) as restored:
        before = len(restored.graph.get_operations())
        for seed, prefix in enumerate(prefixes):
            restored["m"].swap(prefix)
            expected = apply(linear_values(seed), x)
            np.testing.assert_allclose(restored["m"](x=x)["y"], expected, rtol=1e-5)
        assert restored.check().ok
        assert len(restored.graph.get_operations()) == before


def test_other_keys_are_read_by_the_rules_of_the_model(kind, tmp_path):
    model = linear_model(kind, "m", tmp_path)
    values = linear_values(3)
    scoped = write(
        tmp_path / "scoped", {f"old/scope/{key}": values[key] for key in values}
    )
    with lr.restore([model]) as restored:
        restored["m"].swap(scoped)
        assert_same(values_in(restored, "m"), values)
        assert restored.check().ok
        restored["m"].swap(model.checkpoint)
        assert_same(values_in(restored, "m"), linear_values(0))


def test_rules_and_waivers_hold_for_a_swap_too(kind, tmp_path):
    def build():
        outputs = linear("ref")()
        tf.get_variable("head", [1], initializer=tf.ones_initializer())
        return outputs

    def renamed(seed):
        values = linear_values(seed)
        return {key.replace("kernel", "weights"): values[key] for key in values}

    model = lr.Model(
        "m",
        of_kind(kind, build),
        write(tmp_path / "a", renamed(1)),
        rules=[lr.Rename("weights$", "kernel")],
        allow_missing=["head"],
    )
    with lr.restore([model]) as restored:
        restored["m"].swap(write(tmp_path / "b", renamed(2)))
        expected = {**linear_values(2), "head": np.ones(1, np.float32)}
        assert_same(values_in(restored, "m"), expected)
        with_head = {**renamed(3), "head": np.zeros(1, np.float32)}
        error = refuse_swap(restored, "m", write(tmp_path / "c", with_head))
        assert only(error.findings, "swap-differs").subject == "m/head"


def test_a_variable_that_was_restored_may_not_be_missing(kind, tmp_path):
    def build():
        outputs = linear("ref")()
        tf.get_variable("head", [1])
        tf.get_variable("tail", [1])
        return outputs

    values = {**linear_values(), "head": np.zeros(1, np.float32)}
    model = lr.Model(
        "m",
        of_kind(kind, build),
        write(tmp_path / "a", values),
        allow_missing=["head|tail"],
    )
    with lr.restore([model]) as restored:
        error = refuse_swap(restored, "m", write(tmp_path / "b", linear_values()))
        finding = only(error.findings, "swap-differs")
        assert finding.subject == "m/head"
        assert "lacks it" in finding.message


def test_a_checkpoint_that_does_not_fit_is_refused(kind, tmp_path):
    models = [
        linear_model(kind, name, tmp_path, seed) for seed, name in enumerate("ab")
    ]
    values = {**linear_values(), "dense/bias": np.zeros(9, np.float32)}
    wrong = write(tmp_path / "wrong", values)
    with lr.restore(models) as restored:
        error = refuse_swap(restored, "a", wrong)
        assert ids(error.findings) == ["shape-mismatch"]
        assert "nothing was changed" in str(error)


def test_a_location_where_nothing_is(kind, tmp_path):
    with lr.restore([linear_model(kind, "m", tmp_path)]) as restored:
        error = refuse_swap(restored, "m", tmp_path / "nowhere")
        assert ids(error.findings) == ["location-not-found"]
        assert error.exit_code == 3
        with pytest.raises(errors.UsageError):
            restored["m"].swap(None)


def test_damage_that_only_reading_shows_changes_nothing(kind, tmp_path):
    models = [
        linear_model(kind, name, tmp_path, seed) for seed, name in enumerate("ab")
    ]
    broken = write(tmp_path / "broken", linear_values(5))
    damage(broken, "dense/kernel")
    with lr.restore(models) as restored:
        error = refuse_swap(restored, "b", broken)
        assert ids(error.findings) == ["tensor-corrupt"]
        assert "the weights are as they were" in str(error)
        restored["b"].swap(models[0].checkpoint)
        assert_same(values_in(restored, "b"), linear_values(0))


def test_files_replaced_while_they_are_read_change_nothing(kind, tmp_path):
    model = linear_model(kind, "m", tmp_path)
    other = write(tmp_path / "other", linear_values(5))
    with lr.restore([model]) as restored:
        session = restored.session
        run = session.run

        def run_and_touch(fetches, *args, **kwargs):
            found = run(fetches, *args, **kwargs)
            if args or kwargs:
                os.utime(data_file(other), (1, 1))
            return found

        session.run = run_and_touch
        try:
            with pytest.raises(errors.RestoreError) as caught:
                restored["m"].swap(other)
        finally:
            session.run = run
        assert ids(caught.value.findings) == ["checkpoint-changed"]
        assert_same(values_in(restored, "m"), linear_values(0))
        assert restored.check().ok


def test_ctrl_c_after_the_run_puts_the_weights_back(kind, tmp_path, monkeypatch):
    model = linear_model(kind, "m", tmp_path)
    other = write(tmp_path / "other", linear_values(5))

    def interrupt(opened):
        raise KeyboardInterrupt

    with lr.restore([model]) as restored:
        monkeypatch.setattr("legacy_restore.graph.swap.refuse_if_changed", interrupt)
        with pytest.raises(KeyboardInterrupt):
            restored["m"].swap(other)
        assert_same(values_in(restored, "m"), linear_values(0))
        assert restored.check().ok


def test_trained_weights_are_swapped_and_kept_on_failure_too(kind, tmp_path):
    model = linear_model(kind, "m", tmp_path)
    broken = write(tmp_path / "broken", linear_values(5))
    damage(broken, "dense/bias")
    with lr.restore([model]) as restored:
        with restored.graph.as_default():
            train = [tf.assign_add(one, one) for one in restored["m"].variables]
        restored.session.run(train)
        trained = values_in(restored, "m")
        with pytest.raises(errors.RestoreError):
            restored["m"].swap(broken)
        assert_same(values_in(restored, "m"), trained)


def test_a_closed_session(kind, tmp_path):
    model = linear_model(kind, "m", tmp_path)
    with lr.restore([model]) as restored:
        pass
    with pytest.raises(errors.ClosedError):
        restored["m"].swap(model.checkpoint)


def test_a_model_that_feeds_another_is_swapped_alone(kind, tmp_path):
    def build():
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        return {"z": x * tf.get_variable("scale", [2])}

    scale = np.float32([2, 3])
    models = [
        linear_model(kind, "a", tmp_path),
        lr.Model("b", of_kind(kind, build), write(tmp_path / "b", {"scale": scale})),
    ]
    x = np.float32([[1, 2, 3]])
    with lr.restore(models, connect={"b/x": "a/y"}) as restored:
        restored["a"].swap(write(tmp_path / "other", linear_values(5)))
        found = restored["b"]({"a/x": x})["z"]
        np.testing.assert_allclose(found, apply(linear_values(5), x) * scale, rtol=1e-5)


def test_no_call_sees_weights_of_two_checkpoints(kind, tmp_path):
    """Sixteen threads call during a hundred swaps."""

    def build():
        parts = [tf.get_variable(f"part_{n}", [500]) for n in range(8)]
        return tf.stack([tf.reduce_max(part) for part in parts])

    def constant(value):
        return {f"part_{n}": np.full(500, value, np.float32) for n in range(8)}

    prefixes = [write(tmp_path / f"m-{n}", constant(n)) for n in range(3)]
    model = lr.Model("m", of_kind(kind, build), prefixes[0])
    mixed, seen, failed = [], set(), []
    done = threading.Event()
    with lr.restore([model]) as restored:

        def call():
            try:
                while not done.is_set():
                    found = set(restored["m"]().tolist())
                    seen.update(found)
                    if len(found) != 1:
                        mixed.append(found)
            except Exception as error:
                failed.append(error)

        threads = [threading.Thread(target=call) for _ in range(16)]
        for thread in threads:
            thread.start()
        for number in range(100):
            restored["m"].swap(prefixes[number % 3])
        done.set()
        for thread in threads:
            thread.join(60)
        assert not failed
        assert not mixed
        assert seen >= {0.0, 1.0}
        assert restored.check().ok


def test_two_threads_that_swap_two_models_lose_neither_plan(kind, tmp_path):
    models = [
        linear_model(kind, name, tmp_path, seed) for seed, name in enumerate("ab")
    ]
    other = [write(tmp_path / f"other-{seed}", linear_values(seed)) for seed in (5, 6)]
    with lr.restore(models) as restored:

        def swap(name):
            for number in range(10):
                restored[name].swap(other[number % 2])

        threads = [threading.Thread(target=swap, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert {one.location.prefix for one in restored.plan.models} == {other[1]}
        assert restored.check().ok


def test_ctrl_c_when_all_is_done_leaves_weights_and_plan_in_step(kind, tmp_path):
    model = linear_model(kind, "m", tmp_path)
    other = write(tmp_path / "other", linear_values(5))
    with lr.restore([model]) as restored:
        plan, report = restored.plan, restored["m"].report

        class Interrupted(type(restored["m"])):
            def __setattr__(self, name, value):
                super().__setattr__(name, value)
                if name == "report" and value is not report:
                    raise KeyboardInterrupt

        restored["m"].__class__ = Interrupted
        with pytest.raises(KeyboardInterrupt):
            restored["m"].swap(other)
        assert restored.plan is plan
        assert restored["m"].report is report
        assert_same(values_in(restored, "m"), linear_values(0))
        assert restored.check().ok


def test_a_model_beside_one_whose_first_key_is_a_text(kind, tmp_path):
    def build():
        return tf.identity(tf.get_variable("a", initializer=tf.constant(b"")))

    texts = write(tmp_path / "t", {"a": np.array(b"x", dtype=object)})
    models = [
        lr.Model("t", of_kind(kind, build), texts),
        linear_model(kind, "m", tmp_path),
    ]
    other = write(tmp_path / "other", linear_values(5))
    with lr.restore(models) as restored:
        restored["m"].swap(other)
        assert_same(values_in(restored, "m"), linear_values(5))
        assert restored["t"]() == b"x"


def test_a_swap_while_a_model_calls_another_one(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("legacy_restore.graph.gate._PATIENCE", 0.05)
    found = {}
    begun, waiting = threading.Event(), threading.Event()

    def call(x):
        begun.set()
        waiting.wait(20)
        return found["restored"]["b"](x=x)["y"]

    def build():
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        called = tf.py_func(call, [x], tf.float32, stateful=True)
        return called * tf.get_variable("scale", [])

    prefix = write(tmp_path / "a", {"scale": np.float32(2)})
    models = [
        lr.Model("a", of_kind(kind, build), prefix),
        linear_model(kind, "b", tmp_path),
    ]
    x = np.float32([[1, 2, 3]])
    with lr.restore(models) as restored:
        found["restored"] = restored
        swap = threading.Thread(target=lambda: restored["b"].swap(models[1].checkpoint))
        calls = threading.Thread(target=lambda: found.update(y=restored["a"](x=x)))
        calls.start()
        begun.wait(20)
        swap.start()
        while not restored._gate._changes_waiting:
            assert swap.is_alive()
        waiting.set()
        calls.join(60)
        swap.join(60)
        assert not swap.is_alive()
        np.testing.assert_allclose(found["y"], 2 * apply(linear_values(), x), rtol=1e-5)
