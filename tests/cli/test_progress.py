"""Progress on stderr: few lines, however many steps; by a clock of the test's own."""

import logging

import pytest

from legacy_restore.cli import progress


class Clock:
    """Time that passes when told to, and timers that run out then."""

    def __init__(self):
        self.now = 0.0
        self.timers = []

    def monotonic(self):
        return self.now

    def pass_by(self, seconds):
        self.now += seconds
        for timer in list(self.timers):
            if timer.due <= self.now:
                self.timers.remove(timer)
                timer.function()


class Timer:
    """Stands for ``threading.Timer``."""

    clock = None

    def __init__(self, seconds, function):
        self.due = self.clock.now + seconds
        self.function = function

    def start(self):
        self.clock.timers.append(self)

    def cancel(self):
        if self in self.clock.timers:
            self.clock.timers.remove(self)


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(Timer, "clock", found)
    monkeypatch.setattr(progress.time, "monotonic", found.monotonic)
    monkeypatch.setattr(progress.threading, "Timer", Timer)
    return found


def lines(capsys):
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


log = logging.getLogger("legacy_restore")


def test_short_work_says_nothing(clock, capsys):
    with progress.progress_on_stderr():
        for number in range(5):
            log.debug("step %d", number)
            clock.pass_by(0.1)
    clock.pass_by(10)
    assert lines(capsys) == []
    assert clock.timers == []


def test_thousands_of_steps_make_a_line_a_second_each_the_latest(clock, capsys):
    with progress.progress_on_stderr():
        for number in range(1000):
            log.debug("step %d", number)
            clock.pass_by(1 / 256)
    found = lines(capsys)
    assert found == ["[  1.0 s] step 255", "[  2.0 s] step 511", "[  3.0 s] step 767"]


def test_a_long_step_is_announced_though_it_began_early(clock, capsys):
    with progress.progress_on_stderr():
        log.debug("first")
        log.debug("long")
        clock.pass_by(1)
        assert lines(capsys) == ["[  1.0 s] long"]
        clock.pass_by(5)
        log.debug("next")
        assert lines(capsys) == ["[  6.0 s] next"]
