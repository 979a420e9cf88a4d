"""Collections of a graph that several builders fill, one after the other.

Old builders read ``tf.trainable_variables()`` and its like without a scope: the second
model of a graph would count, clip or save the variables of the first. So each builder
finds empty collections, and all of them are put together afterwards.
"""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, List


@contextlib.contextmanager
def own_collections(graph: Any) -> Iterator[None]:
    """Empties all collections; afterwards puts what was in them before the new."""
    # Keys that are no text are TensorFlow's own bookkeeping of scopes and stay.
    outer: Dict[str, List[Any]] = {
        key: list(graph.get_collection_ref(key))
        for key in graph.get_all_collection_keys()
    }
    for key in outer:
        graph.clear_collection(key)
    try:
        yield
    finally:
        for key, items in outer.items():
            graph.get_collection_ref(key)[:0] = items
