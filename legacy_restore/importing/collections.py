"""What the collections of a ``MetaGraphDef`` hold.

A collection is a list of names of the graph (``node_list``), of numbers, of messages
of any type (``any_list``), or of bytes, of which only its key says what they are:
texts, or messages of a type that Python code registered for the key
(``tensorflow/python/framework/ops.py``, ``register_proto_function``). The types below
are those that TensorFlow registers itself.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from legacy_restore.checkpoint.wire import FormatError, read_fields
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


# Fields of ``VariableDef`` that are texts; a variable has the first two.
_TEXTS = frozenset([1, 2, 3, 6])


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
    # Protocol buffers write to stderr that a text is no UTF-8 before they fail.
    return parse(VariableDef, data) if _may_be_variable(data) else None


def variable_in(key: str, data: bytes) -> Optional[Any]:
    """Returns the ``VariableDef`` that an entry of a collection is, or None."""
    kind = message_type(key)
    if kind is VariableDef:
        return parse(VariableDef, data)
    return as_variable(data) if kind is None else None


def _may_be_variable(data: bytes) -> bool:
    texts: Dict[int, str] = {}
    try:
        for field in read_fields(data):
            if field.number in _TEXTS:
                texts[field.number] = field.as_bytes().decode("utf-8")
    except (FormatError, UnicodeDecodeError):
        return False
    return bool(texts.get(1) and texts.get(2))


def is_text(data: bytes) -> bool:
    """Returns whether bytes are a text that somebody may have put there."""
    try:
        return data.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False
