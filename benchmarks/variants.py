"""The ways to restore that are compared.

Each restores all models of a case into one graph and one session, measures it, and
compares all values with the checkpoints afterwards: how fast a wrong restore was is of
no interest. The values to compare with come from TensorFlow's own reader.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, Mapping, Sequence

import numpy as np
import tensorflow.compat.v1 as tf
from cases import VARIANTS, Case, builder, is_slot
from meter import Measurement, Meter

import legacy_restore as lr

Prefixes = Mapping[str, str]
"""The prefix of the checkpoint of each model, by scope."""

# What the legacy_restore variants load must not be loaded in the measured span.
_PUBLIC = (lr.Model, lr.plan, lr.restore)


def naive(case: Case, kind: str, prefixes: Prefixes) -> Measurement:
    """What people write: all initialisers, then one scoped Saver after the other."""
    return _stock(
        case, kind, prefixes, lambda: _with_savers(prefixes, _run_initializers)
    )


def expert(case: Case, kind: str, prefixes: Prefixes) -> Measurement:
    """The same by people who know that a restored variable needs no initialiser."""
    return _stock(
        case, kind, prefixes, lambda: _with_savers(prefixes, lambda session: None)
    )


def init_from_checkpoint(case: Case, kind: str, prefixes: Prefixes) -> Measurement:
    """What fine-tuning code does: the initialisers read, each its own variable."""

    def restore() -> Callable[[Any], None]:
        for scope, prefix in prefixes.items():
            tf.train.init_from_checkpoint(prefix, {"/": f"{scope}/"})
        return _run_initializers

    return _stock(case, kind, prefixes, restore)


def verify_read(case: Case, kind: str, prefixes: Prefixes) -> Measurement:
    """``lr.plan`` and ``lr.restore``."""
    return _ours(case, kind, prefixes, lr.restore)


def verify_session(case: Case, kind: str, prefixes: Prefixes) -> Measurement:
    """The same, and proof that every variable of the session equals its checkpoint."""
    return _ours(case, kind, prefixes, lambda plan: lr.restore(plan, verify="session"))


BY_NAME: Dict[str, Callable[[Case, str, Prefixes], Measurement]] = dict(
    zip(
        VARIANTS,
        (naive, expert, init_from_checkpoint, verify_read, verify_session),
    )
)
"""The variants by name."""


def _run_initializers(session: Any) -> None:
    session.run(tf.global_variables_initializer())


def _with_savers(
    prefixes: Prefixes, prepare: Callable[[Any], None]
) -> Callable[[Any], None]:
    """Makes a Saver for each scope; returns what restores a session with them."""
    savers = {scope: tf.train.Saver(_variables_of(scope)) for scope in prefixes}

    def restore(session: Any) -> None:
        prepare(session)
        for scope, saver in savers.items():
            saver.restore(session, prefixes[scope])

    return restore


def _stock(
    case: Case,
    kind: str,
    prefixes: Prefixes,
    add_operations: Callable[[], Callable[[Any], None]],
) -> Measurement:
    """Measures a way of stock TensorFlow.

    Args:
      case: What to restore.
      kind: The kind of its variables.
      prefixes: Where from.
      add_operations: Adds to the built graph what restores; returns what runs it.
    """
    meter = Meter()
    build = builder(case, kind)
    outputs = {}
    with tf.Graph().as_default() as graph:
        for scope in prefixes:
            with tf.variable_scope(scope):
                outputs[scope] = build()
        meter.start()
        restore = add_operations()
        with tf.Session() as session:
            restore(session)
            meter.restored()
            first = next(iter(prefixes))
            session.run(outputs[first], {f"{first}/x:0": _input(case)})
            measured = meter.first_output()
            for scope, prefix in prefixes.items():
                compare(session, _variables_of(scope), prefix)
    return _with_graph(measured, graph)


def _ours(
    case: Case, kind: str, prefixes: Prefixes, restore: Callable[[Any], Any]
) -> Measurement:
    meter = Meter()
    build = builder(case, kind)

    def build_unmeasured() -> Any:
        with meter.excluded():
            return build()

    models = [
        lr.Model(scope, build_unmeasured, prefix) for scope, prefix in prefixes.items()
    ]
    meter.start()
    with restore(lr.plan(models)) as restored:
        meter.restored()
        restored[models[0].name](x=_input(case))
        measured = meter.first_output()
        for model in models:
            variables = local_names(model.scope, restored[model.name].variables)
            compare(restored.session, variables, prefixes[model.scope])
    return _with_graph(measured, restored.graph)


def _with_graph(measured: Measurement, graph: Any) -> Measurement:
    """Adds the size of the graph, which nobody waited for."""
    return dataclasses.replace(measured, graph_bytes=graph.as_graph_def().ByteSize())


def _variables_of(scope: str) -> Dict[str, Any]:
    inside = [v for v in tf.global_variables() if v.op.name.startswith(scope + "/")]
    return local_names(scope, inside)


def local_names(scope: str, variables: Sequence[Any]) -> Dict[str, Any]:
    """Returns variables by their names without the scope."""
    return {variable.op.name[len(scope) + 1 :]: variable for variable in variables}


def _input(case: Case) -> np.ndarray:
    return np.ones([1, case.width], np.float32)


def compare(session: Any, variables: Mapping[str, Any], prefix: str) -> None:
    """Demands that a model's variables equal its checkpoint, bit by bit."""
    reader = tf.train.load_checkpoint(prefix)
    stored = reader.get_variable_to_shape_map()
    keys = sorted(key for key in stored if not is_slot(key))
    if keys != sorted(variables):
        raise AssertionError(f"{prefix}: {len(variables)} variables, {len(keys)} keys")
    values = session.run(dict(variables))
    for key in keys:
        if values[key].tobytes() != reader.get_tensor(key).tobytes():
            raise AssertionError(f"{prefix}: {key} has another value in the session")
