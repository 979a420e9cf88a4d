"""Tests of running a function on models in processes of their own."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.graph.child import _message_of
from legacy_restore.graph.map_each import _ended, _read
from legacy_restore.report.outcomes import ChildTraceback, raise_for_failed
from tests.conftest import ROOT
from tests.graph import child_work
from tests.graph.helpers import linear_values, write
from tests.graph.test_saved_graphs import model_of
from tests.saved_graphs import saved_case

NAMES = ("total", "raises", "dies")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write(tmp_path_factory.mktemp("map") / "model.ckpt", linear_values())


def model(name, checkpoint, build=child_work.build, **more):
    return lr.Model(name, build, checkpoint, **more)


@pytest.fixture(scope="module")
def outcomes(checkpoint):
    """What becomes of one model of each kind, in one call."""
    models = [model(name, checkpoint) for name in NAMES]
    models.insert(1, model("broken", checkpoint, child_work.broken))
    models.append(model("total2", checkpoint, child_work.build_ref))
    found = lr.map_each(child_work.behave, models, on_error="collect")
    assert [one.model for one in found] == ["total", "broken", *NAMES[1:], "total2"]
    return {one.model: one for one in found}


def test_results_are_those_of_the_restored_values(outcomes):
    expected = linear_values()["dense/kernel"].sum()
    results = [outcomes[name].result for name in ("total", "total2")]
    assert [one[0] for one in results] == pytest.approx([float(expected)] * 2)
    assert len({os.getpid(), *(one[1] for one in results)}) == 3
    assert {one[2] for one in results} == {os.getcwd()}


def test_failures_stop_no_other_model_and_are_no_results(outcomes):
    assert {name for name, one in outcomes.items() if one.ok} == {"total", "total2"}
    for one in outcomes.values():
        if not one.ok:
            with pytest.raises(type(one.error)) as caught:
                _ = one.result
            assert caught.value is one.error


def test_exceptions_come_back_with_their_traceback_as_cause(outcomes):
    error = outcomes["raises"].error
    assert type(error) is KeyError
    assert error.args == ("where it failed",)
    assert type(error.__cause__) is ChildTraceback
    assert "child_work.py" in str(error.__cause__)
    error = outcomes["broken"].error
    assert type(error) is errors.BuildError
    assert [one.id for one in error.findings] == ["builder-failed"]


def outcome_of(name, checkpoint):
    """What a process would send of it, made in this one."""
    called = (child_work.behave, model(name, checkpoint), {})
    return _read(name, _message_of(pickle.dumps(called)))


def test_exceptions_that_cannot_be_handed_over_are_told(checkpoint):
    error = outcome_of("two", checkpoint).error
    assert type(error) is errors.ChildError
    assert [(one.id, one.model) for one in error.findings] == [("child-failed", "two")]
    assert "TakesTwo: 1 and 2" in str(error)
    assert "child_work.py" in str(error.__cause__)


def test_results_that_cannot_be_pickled_are_told(checkpoint):
    error = outcome_of("lambda", checkpoint).error
    assert [one.id for one in error.findings] == ["child-failed"]
    assert "returned" in str(error)


def test_a_function_that_exits_has_no_result(checkpoint):
    error = outcome_of("exits", checkpoint).error
    assert [one.id for one in error.findings] == ["child-failed"]
    assert "SystemExit(3" in str(error)


def test_an_interrupted_process_ends_as_programs_do(checkpoint):
    with pytest.raises(KeyboardInterrupt):
        outcome_of("interrupted", checkpoint)


def test_processes_that_die_say_how_and_of_which_model(outcomes):
    killed = outcomes["dies"].error
    assert [one.id for one in killed.findings] == ["child-died"]
    assert "'dies'" in str(killed)
    assert "killed by signal 9 (SIGKILL): out of memory?" in str(killed)


def test_nobody_waits_for_what_a_dead_process_has_started(
    checkpoint, tmp_path, monkeypatch
):
    note = tmp_path / "pid"
    monkeypatch.setenv("ORPHAN", str(note))
    models = [model("orphans", checkpoint)]
    [outcome] = lr.map_each(child_work.behave, models, on_error="collect")
    os.kill(int(note.read_text()), signal.SIGKILL)  # It is there still.
    assert [one.id for one in outcome.error.findings] == ["child-died"]


def test_failures_are_raised_with_the_outcomes_of_all(outcomes):
    with pytest.raises(errors.ChildError) as caught:
        raise_for_failed(list(outcomes.values()), len(outcomes))
    error = caught.value
    assert [one.ok for one in error.outcomes] == [True, False, False, False, True]
    assert [(one.id, one.model) for one in error.findings] == [
        ("child-failed", "broken"),
        ("child-failed", "raises"),
        ("child-died", "dies"),
    ]
    assert "KeyError" in str(error)
    assert type(error.__cause__) is errors.BuildError
    again = pickle.loads(pickle.dumps(error))
    assert again.outcomes[0].result == error.outcomes[0].result


def test_the_first_failure_stops_if_asked_to(checkpoint):
    models = [model(name, checkpoint) for name in ("leaves", "total")]
    with pytest.raises(errors.ChildError) as caught:
        lr.map_each(child_work.behave, models, on_error="stop")
    assert [one.model for one in caught.value.outcomes] == ["leaves"]
    assert "1 were not run" in str(caught.value)
    assert "exit code 0, without a result" in str(caught.value)


def test_what_cannot_be_handed_over_is_refused_before_a_process_starts(
    checkpoint, monkeypatch
):
    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", None)

    def local():
        return child_work.build()

    models = [
        model("first", checkpoint, lambda: child_work.build()),
        model("second", checkpoint, local),
        model("third", checkpoint),
    ]
    with pytest.raises(errors.UsageError) as caught:
        lr.map_each(lambda restored: None, models)
    found = caught.value.findings
    assert [(one.id, one.model) for one in found] == [
        ("not-picklable", None),
        ("not-picklable", "first"),
        ("not-picklable", "second"),
    ]
    assert "build=" in found[1].subject and "<lambda>" in found[1].subject
    assert len(str(caught.value).splitlines()) <= 15


def test_checkpoints_that_do_not_open_are_refused_before_a_process_starts(
    checkpoint, monkeypatch, tmp_path
):
    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", None)
    models = [
        model("a", checkpoint),
        model("b", tmp_path / "none"),
        model("c", tmp_path / "neither"),
    ]
    with pytest.raises(errors.RestoreError) as caught:
        lr.map_each(child_work.behave, models)
    assert [one.model for one in caught.value.findings] == ["b", "c"]
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "function, options",
    [
        (None, {}),
        (child_work.behave, {"on_error": "ignore"}),
        (child_work.behave, {"verify": "no"}),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(checkpoint, function, options):
    with pytest.raises(errors.UsageError):
        lr.map_each(function, [model("a", checkpoint)], **options)
    with pytest.raises(errors.UsageError):
        lr.map_each(child_work.behave, [])


@pytest.mark.parametrize(
    "code, text",
    [
        (-11, "was killed by signal 11 (SIGSEGV)"),
        (-200, "was killed by signal 200"),
        (7, "ended with exit code 7"),
    ],
)
def test_the_end_of_a_process_in_words(code, text):
    assert _ended(code) == text


# Programs of their own.


def program(path, text):
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return str(path)


def started(*arguments):
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )


BLOCKING = """
    import os, signal, sys
    import legacy_restore as lr
    from tests.graph.child_work import build

    def block(restored):
        print(os.getpid(), flush=True)
        signal.pause()

    if __name__ == "__main__":
        lr.map_each(block, [lr.Model("m", build, sys.argv[1])])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_parent_that_is_ended_leaves_no_process(checkpoint, tmp_path, number):
    parent = started(program(tmp_path / "main.py", BLOCKING), checkpoint)
    pid = int(parent.stdout.readline())
    os.kill(pid, 0)  # It is there.
    parent.send_signal(number)
    # Both hold its standard output: that ends when both have ended, and not before.
    assert parent.stdout.read() == ""
    parent.communicate()
    assert parent.returncode not in (0, None)


def test_a_program_without_a_guard_is_told_so_and_starts_no_more(checkpoint, tmp_path):
    text = """
        import sys
        import legacy_restore as lr
        from tests.graph.child_work import behave, build

        print("imported", flush=True)
        lr.map_each(behave, [lr.Model("total", build, sys.argv[1])] * 3)
    """
    done = started(program(tmp_path / "main.py", text), checkpoint)
    out, log = done.communicate()
    assert done.returncode == 1
    assert out.split() == ["imported"] * 2  # Here, and in the one process.
    assert log.strip().splitlines()[-1].endswith('__name__ == "__main__":')
    assert "UsageError" in log


def test_a_function_below_the_guard_is_told_so(checkpoint, tmp_path):
    text = """
        import sys
        import legacy_restore as lr
        from tests.graph.child_work import build

        if __name__ == "__main__":
            def function(restored):
                return None
            try:
                lr.map_each(function, [lr.Model("m", build, sys.argv[1])])
            except lr.errors.ChildError as error:
                print(type(error.outcomes[0].error).__name__, error)
    """
    done = started(program(tmp_path / "main.py", text), checkpoint)
    out, log = done.communicate()
    assert done.returncode == 0, log
    assert out.startswith("UsageError")
    assert "cannot be imported by another process" in out


def test_what_an_interactive_session_defines_is_refused(checkpoint):
    text = (
        "import sys, legacy_restore as lr\n"
        "from tests.graph.child_work import build\n"
        "def function(restored): return 1\n"
        "try: lr.map_each(function, [lr.Model('m', build, sys.argv[1])])\n"
        "except lr.errors.UsageError as error: print(error)\n"
        "print('tensorflow' in sys.modules)\n"
    ).replace("from tests.graph.child_work import build", "build = dict")
    done = started("-c", text, checkpoint)
    out, log = done.communicate()
    assert done.returncode == 0, log
    assert "function=function" in out and "interactive session" in out
    assert out.split()[-1] == "False"


def test_saved_graphs_run_in_processes_of_their_own():
    names = ["rnn", "tables"]
    models = [model_of(saved_case(name), name) for name in names]
    for name, one in zip(names, lr.map_each(child_work.outputs_of_case, models)):
        expected = saved_case(name).outputs
        assert set(one.result) == set(expected)
        for key, value in expected.items():
            np.testing.assert_allclose(one.result[key], value, atol=1e-5)


def test_a_function_of_a_saved_graph_that_cannot_be_handed_over_is_named():
    model = model_of(saved_case("py_func"), "m")
    with pytest.raises(errors.UsageError) as caught:
        lr.map_each(child_work.outputs_of_case, [model])
    (finding,) = caught.value.findings
    assert (finding.id, finding.model) == ("not-picklable", "m")
    assert finding.subject.startswith("model 'm': py_functions={")
