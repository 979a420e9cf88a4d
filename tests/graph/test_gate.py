"""The gate between calls and swaps."""

import threading

import pytest

from legacy_restore.graph.gate import Gate

PATIENCE = 20  # Seconds, for what happens at once unless the gate is broken.


def test_uses_go_on_at_once():
    gate = Gate()
    together = threading.Barrier(4, timeout=PATIENCE)

    def use():
        with gate.use():
            together.wait()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not together.broken


def test_a_change_waits_for_uses_and_goes_before_those_that_come_later():
    gate = Gate()
    order = []

    def change():
        with gate.change():
            order.append("change")

    def use():
        with gate.use():
            order.append("use")

    changing = threading.Thread(target=change)
    using = threading.Thread(target=use)
    with gate.use():
        changing.start()
        while not gate._changes_waiting:
            assert changing.is_alive()
        using.start()
        assert order == []
    changing.join(PATIENCE)
    using.join(PATIENCE)
    assert order == ["change", "use"]


def test_changes_are_alone():
    gate = Gate()
    inside = []
    most = []

    def change():
        for _ in range(200):
            with gate.change():
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=change) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(most) == 800
    assert max(most) == 1


@pytest.mark.parametrize("way", ["use", "change"])
def test_it_opens_again_after_an_error(way):
    gate = Gate()
    with pytest.raises(ZeroDivisionError), getattr(gate, way)():
        raise ZeroDivisionError
    with gate.change():
        pass
    with gate.use():
        pass


def test_a_use_inside_of_another_goes_on_while_a_change_waits(monkeypatch):
    """As when a py_func of one model calls another model."""
    monkeypatch.setattr("legacy_restore.graph.gate._PATIENCE", 0.05)
    gate = Gate()
    changing = threading.Thread(target=lambda: gate.change().__enter__())
    with gate.use():
        changing.start()
        while not gate._changes_waiting:
            assert changing.is_alive()
        with gate.use():
            pass
        assert changing.is_alive()
    changing.join(PATIENCE)
    assert not changing.is_alive()


def test_nothing_waits_once_it_is_open_for_good():
    gate = Gate()
    with gate.use():
        changing = threading.Thread(target=lambda: gate.change().__enter__())
        changing.start()
        while not gate._changes_waiting:
            assert changing.is_alive()
        gate.open_for_good()
        changing.join(PATIENCE)
        assert not changing.is_alive()
        with gate.use():
            pass
