"""What the benchmark of series runs in processes of their own: ``JOB JSON``.

Each way takes step after step; what a step restored is compared with its checkpoint
before the next, outside of what is measured. The last line on stdout is the result.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import Any, Callable, Dict, Iterator, List, Optional

import memory
import tensorflow.compat.v1 as tf
from cases import Case, builder
from child import write
from variants import Prefixes, compare, local_names

import legacy_restore as lr

# What ours load must not be loaded in the measured span.
_PUBLIC = (lr.Model, lr.plan, lr.restore)


class Steps:
    """Time of each step, the most memory in any, and the operations after each."""

    def __init__(self) -> None:
        """Begins: memory is counted from here."""
        self.seconds: List[float] = []
        self.operations: List[int] = []
        self._remark: Optional[str] = None
        self._before = memory.resident() if memory.is_available() else 0
        self._peak: Optional[int] = None
        if not memory.is_available():
            self._remark = "memory was not measured: this system has no /proc"

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        """Measures one step."""
        if memory.is_available():
            refused = memory.reset_peak()
            if refused:
                self._remark = f"peaks may be those of the imports: {refused}"
        started = time.perf_counter()
        yield
        self.seconds.append(time.perf_counter() - started)
        if memory.is_available():
            self._peak = max(self._peak or 0, memory.peak() - self._before)

    def graph_is(self, graph: Any) -> None:
        """Notes how many operations there are after a step."""
        self.operations.append(len(graph.get_operations()))

    def to_json(self) -> Dict[str, Any]:
        """Returns what was measured; the second step is the first that is usual."""
        second = min(1, len(self.seconds) - 1)
        return {
            "seconds_second": self.seconds[second],
            "seconds_last": self.seconds[-1],
            "seconds_all": sum(self.seconds),
            "operations_added": self.operations[-1] - self.operations[second],
            "peak_bytes": self._peak,
            "remark": self._remark,
        }


def saver_each_time(case: Case, kind: str, prefixes: Prefixes) -> Steps:
    """What people write: a new Saver for each checkpoint."""
    return _stock(case, kind, prefixes, lambda: tf.train.Saver)


def one_saver(case: Case, kind: str, prefixes: Prefixes) -> Steps:
    """One Saver, made with the graph."""

    def made() -> Callable[[], Any]:
        saver = tf.train.Saver()
        return lambda: saver

    return _stock(case, kind, prefixes, made)


def swap(case: Case, kind: str, prefixes: Prefixes) -> Steps:
    """``swap`` as it is."""
    return _swaps(case, kind, prefixes, {})


def swap_low(case: Case, kind: str, prefixes: Prefixes) -> Steps:
    """``swap`` that keeps no old weights."""
    return _swaps(case, kind, prefixes, {"memory": "low"})


def restore(case: Case, kind: str, prefixes: Prefixes) -> Steps:
    """All models at once: a single step."""
    models = _models(case, kind, prefixes)
    steps = Steps()
    with contextlib.ExitStack() as stack:
        with steps.step():
            restored = stack.enter_context(lr.restore(models))
        steps.graph_is(restored.graph)
        for model in models:
            _compare_model(restored, model.name, prefixes[model.name])
    return steps


def restore_each(case: Case, kind: str, prefixes: Prefixes) -> Steps:
    """One model after the other, each closed when the next is asked for."""
    models = _models(case, kind, prefixes)
    steps = Steps()
    each = iter(lr.restore_each(models))
    for model in models:
        with steps.step():
            restored = next(each)
        steps.graph_is(restored.graph)
        _compare_model(restored, model.name, prefixes[model.name])
    if next(each, None) is not None:
        raise AssertionError("restore_each gives more models than there are")
    return steps


BY_NAME: Dict[str, Callable[[Case, str, Prefixes], Steps]] = {
    "Saver each time": saver_each_time,
    "Saver.restore": one_saver,
    "swap": swap,
    "swap low": swap_low,
    "restore": restore,
    "restore_each": restore_each,
}
"""The ways by name."""


def run(
    case: Dict[str, Any], prefixes: Dict[str, str], kind: str, variant: str
) -> Dict[str, Any]:
    """Goes through a series once."""
    return BY_NAME[variant](Case(**case), kind, prefixes).to_json()


def _models(case: Case, kind: str, prefixes: Prefixes) -> List[Any]:
    build = builder(case, kind)
    return [lr.Model(scope, build, prefix) for scope, prefix in prefixes.items()]


def _stock(
    case: Case,
    kind: str,
    prefixes: Prefixes,
    made: Callable[[], Callable[[], Any]],
) -> Steps:
    """Restores each checkpoint; ``made`` is called once, what it returns each time."""
    with tf.Graph().as_default() as graph:
        builder(case, kind)()
        variables = {variable.op.name: variable for variable in tf.global_variables()}
        saver_for_one = made()
        steps = Steps()
        with tf.Session() as session:
            for prefix in prefixes.values():
                with steps.step():
                    saver_for_one().restore(session, prefix)
                steps.graph_is(graph)
                compare(session, variables, prefix)
    return steps


def _swaps(case: Case, kind: str, prefixes: Prefixes, options: Dict[str, Any]) -> Steps:
    """Restores the first checkpoint, which is not counted, and swaps each in."""
    steps = Steps()
    first, *_ = prefixes.values()
    name = "model"
    with lr.restore([lr.Model(name, builder(case, kind), first)]) as restored:
        for prefix in prefixes.values():
            with steps.step():
                restored[name].swap(prefix, **options)
            steps.graph_is(restored.graph)
            _compare_model(restored, name, prefix)
    return steps


def _compare_model(restored: Any, name: str, prefix: str) -> None:
    variables = local_names(name, restored[name].variables)
    compare(restored.session, variables, prefix)


_JOBS = {"write": write, "run": run}

if __name__ == "__main__":
    print(json.dumps(_JOBS[sys.argv[1]](**json.loads(sys.argv[2]))))
