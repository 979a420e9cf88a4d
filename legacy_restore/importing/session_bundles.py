"""Session bundles, the SavedModels of TensorFlow 0.x, in the terms of later ones.

They keep signatures and assets in collections, in messages that later releases do not
know (``tensorflow/contrib/session_bundle/manifest.proto``). Here they are put where a
SavedModel has them.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Mapping, Set

from legacy_restore.graphdef.messages import Message, message_of
from legacy_restore.graphdef.model import Signature, TensorInfo
from legacy_restore.graphdef.signatures import (
    DEFAULT_SIGNATURE,
    read_asset,
    read_bundle_signatures,
)
from legacy_restore.importing.nodes import node_of

SIGNATURES = "serving_signatures"
_ASSETS = "serving_assets"
_DEFAULT = "serving_default"
# The pair of generic signatures has no name either. These two are what TensorFlow's own
# conversion gives (tensorflow/contrib/session_bundle/bundle_shim.py).
_NAMED = "serving_default_from_named"
_INPUTS, _OUTPUTS = "inputs", "outputs"


def is_session_bundle(meta_graph: Any) -> bool:
    """Returns whether a ``MetaGraphDef`` has the signatures of a session bundle."""
    return SIGNATURES in meta_graph.collection_def


def with_signatures(meta_graph: Any) -> Any:
    """Puts signatures and assets of a session bundle where a SavedModel has them.

    The default signature becomes ``serving_default``. Two generic ones called
    ``inputs`` and ``outputs`` are one, ``serving_default`` if there is no other. Of any
    other generic signature nothing says what goes in: placeholders do.

    Args:
      meta_graph: A ``MetaGraphDef``.

    Raises:
      FormatError: The collections hold something else.
    """
    found: Dict[str, Signature] = {}

    def take_signatures(message: Message) -> None:
        found.update({one.key: one for one in read_bundle_signatures(message)})

    def take_asset(message: Message) -> None:
        asset = read_asset(message)
        listed = meta_graph.asset_file_def.add()
        listed.tensor_info.name = asset.tensor
        listed.filename = asset.filename

    _each(meta_graph, SIGNATURES, take_signatures)
    _each(meta_graph, _ASSETS, take_asset)
    fed = {
        node.name
        for node in meta_graph.graph_def.node
        if node.op.startswith("Placeholder")
    }
    for key, signature in _paired(found).items():
        _put(meta_graph.signature_def[key], _directed(signature, fed))
    return meta_graph


def _each(meta_graph: Any, key: str, take: Callable[[Message], None]) -> None:
    if key in meta_graph.collection_def:
        for one in meta_graph.collection_def[key].any_list.value:
            take(message_of(one.value))


def _paired(found: Mapping[str, Signature]) -> Dict[str, Signature]:
    others = dict(found)
    signatures = {}
    if DEFAULT_SIGNATURE in others:
        signatures[_DEFAULT] = others.pop(DEFAULT_SIGNATURE)
    if {_INPUTS, _OUTPUTS} <= set(others):
        inputs, outputs = others.pop(_INPUTS), others.pop(_OUTPUTS)
        key = _NAMED if signatures else _DEFAULT
        pair = Signature(key, "generic", inputs.inputs, outputs.outputs)
        signatures[key] = pair
    return {**others, **signatures}


def _directed(signature: Signature, fed: Set[str]) -> Signature:
    def those(is_fed: bool) -> Iterable[TensorInfo]:
        return (
            one
            for one in signature.undirected
            if (node_of(one.tensors[0]) in fed) is is_fed
        )

    return Signature(
        signature.key,
        signature.method,
        (*signature.inputs, *those(True)),
        (*signature.outputs, *those(False)),
    )


def _put(target: Any, signature: Signature) -> None:
    target.method_name = signature.method
    for tensors, into in (
        (signature.inputs, target.inputs),
        (signature.outputs, target.outputs),
    ):
        for one in tensors:
            if one.tensors[0]:
                into[one.key].name = one.tensors[0]
