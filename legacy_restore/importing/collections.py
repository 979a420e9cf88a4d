"""What the collections of a ``MetaGraphDef`` hold.

A collection is a list of names of the graph (``node_list``), of numbers, of messages
of any type (``any_list``), or of bytes, of which only its key says what they are:
texts, or messages of a type that Python code registered for the key
(``tensorflow/python/framework/ops.py``, ``register_proto_function``). The types below
are those that TensorFlow registers itself.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional

from legacy_restore.importing.contexts import COND_CONTEXTS, WHILE_CONTEXTS
from legacy_restore.tf import (
    CondContextDef,
    DecodeError,
    QueueRunnerDef,
    SaverDef,
    VariableDef,
    WhileContextDef,
)

VARIABLE_COLLECTIONS = (
    "variables",
    "trainable_variables",
    "model_variables",
    "moving_average_variables",
    "local_variables",
    "metric_variables",
    "global_step",
)
"""The collections of variables that TensorFlow itself makes."""

_TYPES: Mapping[str, Any] = {
    **dict.fromkeys(VARIABLE_COLLECTIONS, VariableDef),
    WHILE_CONTEXTS: WhileContextDef,
    COND_CONTEXTS: CondContextDef,
    "queue_runners": QueueRunnerDef,
    "savers": SaverDef,
}


def message_type(key: str) -> Optional[Any]:
    """Returns the type of the messages in a collection of bytes, None if unknown."""
    return _TYPES.get(key)


def parse(message_class: Any, data: bytes) -> Optional[Any]:
    """Returns the message that bytes are, or None if they are no such message."""
    found = message_class()
    try:
        found.ParseFromString(data)
    except DecodeError:
        return None
    return found


def as_variable(data: bytes) -> Optional[Any]:
    """Returns the ``VariableDef`` that bytes of an unknown collection are, or None.

    Bytes of another kind may parse too, but hardly with both of the names in it that
    each variable has.
    """
    found = parse(VariableDef, data)
    if found is None or not found.variable_name or not found.initializer_name:
        return None
    return found


def is_text(data: bytes) -> bool:
    """Returns whether bytes are a text that somebody may have put there."""
    try:
        return data.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False
