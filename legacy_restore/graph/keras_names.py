"""Layer names as a builder would get them in a program of its own.

Keras numbers the layers that have no name: ``dense``, ``dense_1``. Keras 3 counts over
the whole process, tf_keras and the tf.keras of TensorFlow 1.15 over a graph, so that
the layers of a second model would have other names than those in its checkpoint. Each
builder finds the counters at zero; afterwards they are as they were, so that layers
which the caller makes later get the names that they would have got without us.

The counters are private. Where a version of Keras keeps them elsewhere, nothing happens
here, and the layers are numbered on, which the plan then refuses.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Iterator

_KERAS_3 = "keras.src.backend.common.global_state"
_KERAS_3_COUNTERS = "object_name_uids"
_KERAS_2 = (
    "tf_keras.src.backend",
    "tf_keras.backend",
    "tensorflow.python.keras.backend",
)
_KERAS_2_COUNTERS = "PER_GRAPH_OBJECT_NAME_UIDS"


@contextlib.contextmanager
def own_layer_names(graph: Any) -> Iterator[None]:
    """Sets the counters of all Keras versions to zero, and back afterwards."""
    with contextlib.ExitStack() as stack:
        # Only what is imported can have counted; a builder may import it first.
        stack.enter_context(_keras_3_counters())
        for name in _KERAS_2:
            counters = getattr(sys.modules.get(name), _KERAS_2_COUNTERS, None)
            if counters is not None:
                stack.enter_context(_graph_counters(counters, graph))
        yield


@contextlib.contextmanager
def _keras_3_counters() -> Iterator[None]:
    state = sys.modules.get(_KERAS_3)
    read = getattr(state, "get_global_attribute", None)
    write = getattr(state, "set_global_attribute", None)
    if read is None or write is None:
        yield
        return
    before = read(_KERAS_3_COUNTERS)
    write(_KERAS_3_COUNTERS, None)
    try:
        yield
    finally:
        write(_KERAS_3_COUNTERS, before)


@contextlib.contextmanager
def _graph_counters(counters: Any, graph: Any) -> Iterator[None]:
    before = counters.pop(graph, None)
    try:
        yield
    finally:
        counters.pop(graph, None)
        if before is not None:
            counters[graph] = before
