"""What the benchmark of saved graphs runs in its own processes: ``JOB JSON``.

Stock TensorFlow imports every copy under a scope and restores it with the Saver that
it finds in the file. The last line on stdout is the result.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from typing import Any, Dict, Iterator, Mapping, Optional

import memory
import tensorflow.compat.v1 as tf
from saved_graphs_cases import PRUNED, STOCK, WHOLE
from variants import local_names

import legacy_restore as lr

# What ours load must not be loaded in the measured span.
import legacy_restore.graph.imported as _imported

_LOADED = (lr.Model, lr.plan, lr.restore, _imported)
_WIDTH = 8


def write(prefix: str, kind: str, layers: int) -> Dict[str, Any]:
    """Writes a training graph with its checkpoint; none with an empty prefix."""
    if prefix:
        os.makedirs(os.path.dirname(prefix), exist_ok=True)
        with tf.Graph().as_default(), tf.Session() as session:
            _build(kind, layers)
            session.run(tf.global_variables_initializer())
            tf.train.Saver().save(session, prefix)
    return {
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
    }


def run(prefix: str, output: str, variant: str, copies: int) -> Dict[str, Any]:
    """Imports and restores a file several times, and measures it."""
    with tf.Graph().as_default(), tf.Session() as session:
        session.run(tf.zeros([]))  # What a process pays once is not measured.
    scopes = [f"m{number}" for number in range(copies)]
    if variant == STOCK:
        return _stock(prefix, scopes)
    return _ours(prefix, output, scopes, prune={PRUNED: True, WHOLE: False}[variant])


class _Span:
    """Time and peak memory of what is measured."""

    seconds = 0.0
    peak: Optional[int] = None
    remark: Optional[str] = "memory was not measured: this system has no /proc"

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        before = 0
        if memory.is_available():
            refused = memory.reset_peak()
            self.remark = f"peaks may be older: {refused}" if refused else None
            before = memory.resident()
        started = time.perf_counter()
        yield
        self.seconds = time.perf_counter() - started
        if memory.is_available():
            self.peak = max(0, memory.peak() - before)

    def to_json(self, graph: Any) -> Dict[str, Any]:
        return {
            "seconds": self.seconds,
            "peak_bytes": self.peak,
            "remark": self.remark,
            "operations": len(graph.get_operations()),
        }


def _stock(prefix: str, scopes: Any) -> Dict[str, Any]:
    span = _Span()
    with tf.Graph().as_default() as graph, contextlib.ExitStack() as stack:
        with span.measured():
            session = stack.enter_context(tf.Session())
            for scope in scopes:
                saver = tf.train.import_meta_graph(f"{prefix}.meta", import_scope=scope)
                saver.restore(session, prefix)
        for scope in scopes:
            variables = {
                one.op.name[len(scope) + 1 :]: one
                for one in tf.global_variables(f"{scope}/")
            }
            compare(session, variables, prefix)
    return span.to_json(graph)


def _ours(prefix: str, output: str, scopes: Any, prune: bool) -> Dict[str, Any]:
    span = _Span()
    with contextlib.ExitStack() as stack:
        with span.measured():
            models = [
                lr.Model.from_meta_graph(
                    scope, prefix, outputs={"output": output}, prune=prune
                )
                for scope in scopes
            ]
            restored = stack.enter_context(lr.restore(models))
        for scope in scopes:
            variables = local_names(scope, restored[scope].variables)
            compare(restored.session, variables, prefix)
        return span.to_json(restored.graph)


def compare(session: Any, variables: Mapping[str, Any], prefix: str) -> None:
    """Demands that variables equal the tensors of their names, bit by bit."""
    reader = tf.train.load_checkpoint(prefix)
    stored = reader.get_variable_to_shape_map()
    known = {name: one for name, one in variables.items() if name in stored}
    if not known:
        raise AssertionError(f"{prefix}: no variable of {len(variables)} has its name")
    for name, value in session.run(known).items():
        if value.tobytes() != reader.get_tensor(name).tobytes():
            raise AssertionError(f"{prefix}: {name} has another value in the session")


def _build(kind: str, layers: int) -> None:
    is_resource = kind == "resource"
    value = tf.placeholder(tf.float32, [None, _WIDTH], name="input")
    for number in range(layers):
        with tf.variable_scope(f"layer_{number}", use_resource=is_resource):
            weights = tf.get_variable("weights", [_WIDTH, _WIDTH])
            biases = tf.get_variable("biases", [_WIDTH])
        value = tf.nn.relu(tf.matmul(value, weights) + biases)
    output = tf.identity(value, name="output")
    tf.train.AdamOptimizer().minimize(tf.reduce_mean(tf.square(output)))


_JOBS = {"write": write, "run": run}

if __name__ == "__main__":
    print(json.dumps(_JOBS[sys.argv[1]](**json.loads(sys.argv[2]))))
