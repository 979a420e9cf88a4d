"""Collections that cannot be restored.

``import_meta_graph`` fails as a whole for one of them: for bytes of a type that nobody
registered (UnicodeDecodeError), for the name of an object that is no operation
(``opaque_kernel_saveable`` of cuDNN models: KeyError). What they hold is no part of
what a model computes.
"""

from __future__ import annotations

from typing import Any, List, Optional, Tuple

from legacy_restore.importing.collections import (
    as_variable,
    is_text,
    message_type,
    parse,
)
from legacy_restore.importing.message_lists import keep_only
from legacy_restore.importing.nodes import node_of
from legacy_restore.report.findings import KINDS, Finding

_ANY = "type.googleapis.com/"

# Session bundles and SavedModels keep what they say of themselves as Any.
_KNOWN_ANY = ("serving_", "saved_model_")


def repair_collections(meta_graph: Any) -> Tuple[Any, List[Finding]]:
    """Drops what cannot be restored.

    Returns:
      The message, changed in place, and a remark for each collection of which
      something was dropped.
    """
    findings = []
    names = {node.name for node in meta_graph.graph_def.node}
    for key in sorted(meta_graph.collection_def):
        reason = _repair(key, meta_graph.collection_def[key], names)
        if reason is None:
            continue
        findings.append(Finding(KINDS["collection-dropped"], key, reason))
        collection = meta_graph.collection_def[key]
        kind = collection.WhichOneof("kind")
        if kind is None or not getattr(collection, kind).value:
            del meta_graph.collection_def[key]
    return meta_graph, findings


def _repair(key: str, collection: Any, names: Any) -> Optional[str]:
    """Takes away what cannot be restored; returns what that was, None if nothing."""
    kind = collection.WhichOneof("kind")
    if kind is None:
        return "it holds nothing"
    values = getattr(collection, kind).value
    count = len(values)
    if kind == "node_list":
        gone = sorted({one for one in values if node_of(one) not in names})
        keep_only(values, lambda one: node_of(one) in names)
        what = f"names of no operation: {', '.join(gone[:3])}"
    elif kind == "bytes_list":
        message_class = message_type(key)
        keep_only(values, lambda one: _is_sound(message_class, one))
        what = "bytes of a type that nobody knows"
        if message_class is not None:
            what = f"bytes that are no {message_class.DESCRIPTOR.name}"
    elif kind == "any_list" and not key.startswith(_KNOWN_ANY):
        what = "messages of a type that nobody knows: " + ", ".join(
            sorted({one.type_url.replace(_ANY, "") for one in values})[:3]
        )
        del values[:]
    if len(values) == count:
        return None
    return f"{count - len(values)} of {count} entries are {what}"


def _is_sound(message_class: Any, data: bytes) -> bool:
    if message_class is not None:
        return parse(message_class, data) is not None
    return is_text(data) or as_variable(data) is not None
