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
