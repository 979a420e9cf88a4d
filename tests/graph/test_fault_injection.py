"""Faults at every step of a restore and of a swap: all is as it was, nothing left."""

import contextlib
import hashlib
import itertools
import os
import pathlib
import shutil
import sys
import tempfile

import numpy as np
import pytest

import legacy_restore as lr
from legacy_restore import errors
from legacy_restore.tf import tf
from tests.graph.conftest import counted_sessions
from tests.graph.helpers import assert_same, linear, of_kind, write

PACKAGE = os.path.dirname(os.path.abspath(lr.__file__))
# What restores, and what it has in common with objects that no graph holds.
WATCHED = tuple(os.path.join(PACKAGE, one, "") for one in ("graph", "restoring"))
FAULTS = {
    "OSError": lambda: OSError("injected"),
    "InternalError": lambda: tf.errors.InternalError(None, None, "injected"),
    "KeyboardInterrupt": lambda: KeyboardInterrupt("injected"),
    "MemoryError": lambda: MemoryError("injected"),
}
# What opens, finds and makes files; what takes them away again is not failed.
SYSTEM_CALLS = (open, os.open, os.stat, os.lstat, os.listdir, os.mkdir, os.symlink)
MANY = 500


def values(seed):
    """What the checkpoints of both models hold."""
    random = np.random.RandomState(seed)
    shapes = {"p": (7, 2), "w": (3,), "dense/kernel": (3, 2), "dense/bias": (2,)}
    return {
        name: random.uniform(-1, 1, shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def build_rich(vocabulary):
    """Parts, a chain of waived variables, and a table with a file."""

    def build():
        tf.get_variable("p", [7, 2], partitioner=tf.fixed_size_partitioner(3))
        w = tf.get_variable("w", [3])
        with tf.variable_scope("dense"):
            tf.get_variable("kernel", [3, 2])
            tf.get_variable("bias", [2])
        first = tf.Variable(_initialized(w) * 2.0, name="first")
        noise = tf.random_uniform([3], seed=7)
        tf.Variable(_initialized(first) + noise, name="second")
        table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                vocabulary,
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            -1,
        )
        words = tf.placeholder_with_default(["b", "no"], [None], name="words")
        return {"ids": table.lookup(words), "w": tf.identity(w)}

    return build


def _initialized(variable):
    # TensorFlow 2 has no initialized_value() that works in a graph.
    return variable.read_value()


class World:
    """Two models, and all that a failure may not change."""

    def __init__(self, kind, directory):
        # TensorFlow cannot read below such a name: links in a temporary directory.
        self.files = pathlib.Path(str(directory)) / "runs[1]"
        vocabulary = self.files / "words.txt"
        self.first = [write(self.files / f"{m}-1", self.of(m, 1)) for m in "ab"]
        self.second = [write(self.files / f"{m}-2", self.of(m, 2)) for m in "ab"]
        vocabulary.write_text("a\nb\n")
        self.models = [
            lr.Model(
                "a",
                of_kind(kind, build_rich(str(vocabulary))),
                self.first[0],
                allow_missing=["first", "second"],
            ),
            lr.Model("b", linear(kind), self.first[1]),
        ]
        self.before = self.outside()

    @staticmethod
    def of(model, seed):
        """What the checkpoint of a model holds."""
        keep = "" if model == "a" else "dense/"
        found = values(10 * seed + ord(model))
        return {key: found[key] for key in found if key.startswith(keep)}

    def outside(self):
        """Files, open files and the caller's graph."""
        return {
            "files": {
                str(path): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(self.files.rglob("*"))
                if path.is_file()
            },
            "temporary": sorted(os.listdir(tempfile.gettempdir())),
            "open": self.open_files(),
            "graph": id(tf.get_default_graph()),
            "operations": len(tf.get_default_graph().get_operations()),
        }

    def open_files(self):
        """The open files that are the models', or temporary."""
        found = []
        roots = (str(self.files), tempfile.gettempdir())
        with contextlib.suppress(FileNotFoundError):
            for number in os.listdir("/proc/self/fd"):
                with contextlib.suppress(OSError):
                    target = os.readlink(f"/proc/self/fd/{number}")
                    found += [target] if target.startswith(roots) else []
        return sorted(found)

    def assert_untouched(self):
        """Shows that nothing outside of sessions and their graphs has changed."""
        assert self.outside() == self.before

    def assert_restored(self, restored, seeds):
        """Shows that a session holds what it should, with all that follows from it."""
        for model, seed in zip("ab", seeds):
            found = values_of_files(restored, model)
            assert_same(found, self.of(model, seed))
        assert restored["a"]()["ids"].tolist() == [1, -1]
        assert restored.check().ok


def variables_of(restored):
    """All values of a session by the names of their variables, as they are."""
    everything = [one for name in restored for one in restored[name].variables]
    found = restored.session.run({one.op.name: one for one in everything})
    return {name: np.array(value) for name, value in found.items()}


def values_of_files(restored, model):
    """The values that a model has from its file, by key."""
    found = {
        name[2:]: value
        for name, value in variables_of(restored).items()
        if name.startswith(model + "/") and not name.endswith(("/first", "/second"))
    }
    parts = sorted(name for name in found if "/part_" in name)
    if parts:
        found["p"] = np.concatenate([found.pop(name) for name in parts])
    return found


@pytest.fixture
def world(kind, tmp_path):
    return World(kind, tmp_path)


class Injected:
    """A fault at one of the steps of a call; ``hit`` says at which it came.

    Steps are known by their number, or by their name if the ones before are given:
    then it is the first that is not among them.
    """

    def __init__(self, fault, number=None, names=()):
        self.fault, self.number, self.names = fault, number, names
        self.steps = 0
        self.hit = None

    def step(self, name):
        """Counts a step; raises if it is the one."""
        self.steps += 1
        is_it = name not in self.names
        if self.number is not None:
            is_it = self.steps - 1 == self.number
        if is_it and self.hit is None:
            self.hit = name
            raise FAULTS[self.fault]()


@contextlib.contextmanager
def at_run(injected, when):
    """Fails before a ``session.run``, or when it has been carried out."""
    run = tf.Session.run

    def failing(self, fetches, *args, **kwargs):
        if when == "before":
            injected.step("run")
        found = run(self, fetches, *args, **kwargs)
        if when == "after":
            injected.step("run")
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.Session, "run", failing)
        yield


@contextlib.contextmanager
def profiled(profile):
    """Calls a function at all calls of functions, of Python and of C."""
    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)


def at_function(injected):
    """Fails where a function that knows the graph is called."""

    def profile(frame, event, argument):
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(WATCHED):
            file = os.path.basename(code.co_filename)
            injected.step(f"{file}:{code.co_name}:{code.co_firstlineno}")

    return profiled(profile)


def at_system_call(injected):
    """Fails where the toolkit, or what it calls, asks the operating system."""

    def profile(frame, event, function):
        # Taking a temporary directory away cannot be made up for when it fails.
        is_cleaning = frame.f_code.co_filename == shutil.__file__
        if event == "c_call" and function in SYSTEM_CALLS and not is_cleaning:
            injected.step(function.__name__)

    return profiled(profile)


def fail_restore(world, plan, injected, failing):
    """Restores with a fault; shows that nothing is left; gives what was hit."""
    with counted_sessions() as sessions:
        try:
            with failing:
                restored = lr.restore(plan)
        except BaseException as error:
            assert injected.hit, error
            assert_expected(error, injected)
        else:
            # What asks for a file and does without it has lost the fault by right.
            assert injected.hit is None or injected.fault == "OSError", injected.hit
            world.assert_restored(restored, (1, 1))
            restored.close()
        assert sessions.closed == sessions.opened
    world.assert_untouched()
    return injected.hit


def assert_expected(error, injected):
    """Shows that an error is the injected one, or says it."""
    wanted = type(FAULTS[injected.fault]())
    if not isinstance(error, errors.LegacyRestoreError):
        assert isinstance(error, wanted), injected.hit
        return
    assert injected.fault in ("OSError", "InternalError"), injected.hit
    assert len(str(error).splitlines()) <= 15


def fail_swap(world, restored, location, injected, failing):
    """Swaps with a fault; shows that all is as it was; gives what was hit."""
    before = variables_of(restored)
    plan, report = restored.plan, restored["a"].report
    operations = len(restored.graph.get_operations())
    outside = world.outside()
    try:
        with failing:
            restored["a"].swap(location)
    except BaseException as error:
        assert injected.hit, error
        assert_expected(error, injected)
        assert_same(variables_of(restored), before)
        assert restored.plan is plan, injected.hit
        assert restored["a"].report is report
        assert restored.check().ok
    else:
        assert injected.hit is None or injected.fault == "OSError", injected.hit
    assert len(restored.graph.get_operations()) == operations
    assert world.outside() == outside
    return injected.hit


def sweep(attempt):
    """Attempts with a fault at step 0, 1, 2, ... until none is left to be hit."""
    for number in range(MANY):
        if attempt(number) is None:
            return number
    raise AssertionError(f"more than {MANY} steps")


def sweep_by_name(attempt):
    """Attempts with a fault at one step after the other; returns their names."""
    names = []
    for number in range(MANY):
        hit = attempt(Injected(sorted(FAULTS)[number % len(FAULTS)], names=names))
        if hit is None:
            return names
        names.append(hit)
    raise AssertionError(f"more than {MANY} steps")


def files_of(names):
    return {name.partition(".py:")[0] for name in names}


def test_restore_fails_at_every_run(world):
    plan = lr.plan(world.models)
    for fault, when in itertools.product(FAULTS, ("before", "after")):

        def attempt(number, fault=fault, when=when):
            injected = Injected(fault, number)
            return fail_restore(world, plan, injected, at_run(injected, when))

        # The reads, two waves of initialisers, the tables.
        assert sweep(attempt) == 4


def test_swap_fails_at_every_run(world):
    with lr.restore(world.models) as restored:
        for fault, when in itertools.product(FAULTS, ("before", "after")):

            def attempt(number, fault=fault, when=when):
                injected = Injected(fault, number)
                failing = at_run(injected, when)
                return fail_swap(world, restored, world.second[0], injected, failing)

            # The values before, and the reads.
            assert sweep(attempt) == 2
            world.assert_restored(restored, (2, 1))
            restored["a"].swap(world.first[0])
            world.assert_restored(restored, (1, 1))


def test_restore_fails_in_every_function(world):
    lr.restore(world.models).close()  # All modules are imported from here on.
    plan = lr.plan(world.models)

    def attempt(injected):
        return fail_restore(world, plan, injected, at_function(injected))

    wanted = "restore reading refusals operations alias initialise restored reports"
    hits = sweep_by_name(attempt)
    assert files_of(hits) >= set(wanted.split())


def test_swap_fails_in_every_function(world):
    with lr.restore(world.models) as restored:

        def attempt(injected):
            failing = at_function(injected)
            return fail_swap(world, restored, world.second[0], injected, failing)

        wanted = "restored gate swap reading refusals operations values alias opened"
        assert files_of(sweep_by_name(attempt)) >= set(wanted.split())
        world.assert_restored(restored, (2, 1))


def test_restore_fails_at_every_system_call(world):
    plan = lr.plan(world.models)

    def attempt(number):
        injected = Injected("OSError", number)
        return fail_restore(world, plan, injected, at_system_call(injected))

    assert sweep(attempt) > 4


def test_swap_fails_at_every_system_call(world):
    with lr.restore(world.models) as restored:

        def attempt(number):
            injected = Injected("OSError", number)
            failing = at_system_call(injected)
            return fail_swap(world, restored, world.second[0], injected, failing)

        assert sweep(attempt) > 4
        world.assert_restored(restored, (2, 1))
