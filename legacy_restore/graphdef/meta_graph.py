"""Meta graphs and SavedModels.

A ``.meta`` file is a ``MetaGraphDef``, a ``saved_model.pb`` a ``SavedModel``. Out of
``tensorflow/core/protobuf`` (meta_graph.proto, saver.proto, saved_model.proto)::

    SavedModel    1 saved_model_schema_version  2 meta_graphs
    MetaGraphDef  1 meta_info_def  2 graph_def  3 saver_def  4 collection_def (map)
                  5 signature_def (map)  6 asset_file_def  7 object_graph_def
    SaverDef      1 filename_tensor_name  2 save_tensor_name  3 restore_op_name
                  4 max_to_keep  5 sharded  7 version
"""

from __future__ import annotations

from typing import Any, Dict, List

from legacy_restore.checkpoint.wire import FormatError
from legacy_restore.graphdef.graph_collections import read_collection
from legacy_restore.graphdef.messages import Message
from legacy_restore.graphdef.meta_info import read_meta_info
from legacy_restore.graphdef.model import (
    Asset,
    Collection,
    MetaGraph,
    SavedModel,
    Saver,
    Signature,
)
from legacy_restore.graphdef.nodes import read_graph
from legacy_restore.graphdef.signatures import (
    read_asset,
    read_bundle_signatures,
    read_signature,
)

MAX_META_GRAPHS = 1_000
"""Most graphs of a SavedModel, which has one for each set of tags: a handful."""

_ASSET_TYPES = ("tensorflow.AssetFileDef", "tensorflow.serving.AssetFile")
_BUNDLE_SIGNATURES = "tensorflow.serving.Signatures"


def read_saved_model(message: Message) -> SavedModel:
    """Decodes a ``SavedModel``.

    Raises:
      FormatError: It is none.
    """
    schema_version = 0
    meta_graphs: List[MetaGraph] = []
    for part in message.fields():
        if part.number == 1:
            schema_version = part.integer()
        elif part.number == 2:
            if len(meta_graphs) == MAX_META_GRAPHS:
                raise FormatError(f"holds more than {MAX_META_GRAPHS:,} graphs")
            meta_graphs.append(read_meta_graph(part.message()))
    return SavedModel(schema_version, tuple(meta_graphs))


def read_meta_graph(message: Message) -> MetaGraph:
    """Decodes a ``MetaGraphDef``.

    Raises:
      FormatError: It is none.
    """
    message.count()
    found: Dict[str, Any] = {}
    collections: Dict[str, Collection] = {}
    signatures: Dict[str, Signature] = {}
    assets: List[Asset] = []

    def take_any(type_name: str, value: Message) -> None:
        if type_name in _ASSET_TYPES:
            assets.append(read_asset(value))
        elif type_name == _BUNDLE_SIGNATURES:
            signatures.update({one.key: one for one in read_bundle_signatures(value)})

    for part in message.fields():
        if part.number == 1:
            found.update(read_meta_info(part.message()))
        elif part.number == 2:
            if "graph" in found:  # TensorFlow would merge them.
                raise FormatError("a meta graph with two graphs")
            found["graph"] = read_graph(part.message())
        elif part.number == 3:
            found["saver"] = _read_saver(part.message())
        elif part.number == 4:
            key, value = part.message().entry()
            collections[key] = read_collection(key, value, take_any)
        elif part.number == 5:
            key, value = part.message().entry()
            signatures[key] = read_signature(key, value)
        elif part.number == 6:
            assets.append(read_asset(part.message()))
        elif part.number == 7:
            found["has_object_graph"] = True
    if "graph" not in found:
        raise FormatError("a meta graph without graph")
    return MetaGraph(
        collections={key: collections[key] for key in sorted(collections)},
        signatures={key: signatures[key] for key in sorted(signatures)},
        # TensorFlow 1 lists an asset in a collection, 2 in a field; both may be there.
        assets=tuple(dict.fromkeys(assets)),
        **found,
    )


def _read_saver(message: Message) -> Saver:
    found: Dict[str, Any] = {}
    for part in message.fields():
        if part.number == 1:
            found["filename_tensor"] = part.text()
        elif part.number == 2:
            found["save_tensor"] = part.text()
        elif part.number == 3:
            found["restore_op"] = part.text()
        elif part.number == 5:
            found["is_sharded"] = bool(part.integer())
        elif part.number == 7:
            found["version"] = part.integer()
    return Saver(**found)
