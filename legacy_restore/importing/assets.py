"""The files that a saved graph reads: its assets.

The name of an asset is a constant of the graph, and in it stands the path that the file
had on the machine of whoever saved it. SavedModels and session bundles list their
assets and have copies of them in a folder (``saved_model/loader_impl.py`` feeds the
paths of those when it runs the init operation); a ``.meta`` has the constants alone.
Here the real paths are written into the constants.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Optional, Tuple

from google.protobuf import message as protobuf

from legacy_restore.importing.asset_files import (
    as_absolute,
    file_beside,
    is_there,
    places_beside,
    stays_inside,
)
from legacy_restore.importing.file_readers import FileReader, find_file_readers
from legacy_restore.importing.handle_uses import Place
from legacy_restore.importing.nodes import all_bodies, node_of
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.saved_graph import SavedGraph
from legacy_restore.report.findings import KINDS, Finding
from legacy_restore.tf import tf

# Collections of ``AssetFileDef`` (SavedModels of TensorFlow 1), of ``AssetFile``
# (session bundles), and of names of tensors.
_DEFINITIONS = ("saved_model_assets", "serving_assets")
_TENSORS = "asset_filepaths"
_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Asset:
    """A file that a saved graph reads.

    Attributes:
      name: What it is called: the name in a list of assets, else that in the path.
      path: The path that stands in the graph; empty where a placeholder stands.
      function: The function in which the path stands; empty for the graph itself.
      node: The node that holds the path.
      element: Which of the paths in that node.
      is_declared: Whether the file lists it among its assets.
      is_required: Whether the graph cannot do without: it is declared, or fills a
        table.
    """

    name: str
    path: str
    function: str
    node: str
    element: int
    is_declared: bool
    is_required: bool

    @property
    def names(self) -> Tuple[str, ...]:
        """What ``assets=`` may call it, the surest first."""
        return tuple(dict.fromkeys(filter(None, (self.name, self.path, self._last))))

    @property
    def _last(self) -> str:
        return self.path.replace("\\", "/").rsplit("/", 1)[-1]

    @property
    def names_beside(self) -> Tuple[str, ...]:
        """What it may be called beside the graph, the surest first."""
        # A list of assets may have another name than the path ends with.
        is_listed = self.name != self._last
        given = (self.name, self.path) if is_listed else (self.path, self.name)
        return tuple(dict.fromkeys(filter(None, (*given, self._last))))


def find_assets(
    saved: SavedGraph, readers: Optional[Iterable[FileReader]] = None
) -> Tuple[Asset, ...]:
    """Returns all files whose names stand in a saved graph, in the order of the file.

    Args:
      saved: The whole file; not changed.
      readers: The operations that read files, where they are at hand.
    """
    meta_graph = saved.meta_graph
    if readers is None:
        readers = find_file_readers(meta_graph, OpDefs(meta_graph))
    declared = _declared(meta_graph)
    tables = {place for one in readers if one.fills_table for place in one.names}
    known = {place for one in readers for place in one.names}.union(
        ("", name) for name in declared
    )
    return tuple(
        asset
        for function, nodes in all_bodies(meta_graph)
        for node in nodes
        if (function, node.name) in known
        for asset in _in_node(function, node, declared, tables)
    )


def asset_nodes(assets: Iterable[Asset]) -> FrozenSet[str]:
    """Returns the nodes of the graph itself that hold the paths of assets."""
    return frozenset(one.node for one in assets if not one.function)


def allowed_readers(
    readers: Iterable[FileReader],
    assets: Iterable[Asset],
    given: Mapping[str, str],
) -> FrozenSet[Place]:
    """Returns the operations that read nothing but assets, declared or given.

    Args:
      readers: The operations that read files.
      assets: The assets of the whole file.
      given: The argument ``assets=``.

    Returns:
      Function, empty for the graph itself, and node of each.
    """
    matched = _matched(assets, given)
    allowed: Dict[Place, bool] = {}
    for one in assets:
        place = (one.function, one.node)
        is_good = one.is_declared or one in matched
        allowed[place] = allowed.get(place, True) and is_good
    return frozenset(
        (reader.function, reader.node)
        for reader in readers
        if _reads_only(reader, allowed)
    )


def place_assets(
    meta_graph: Any,
    assets: Tuple[Asset, ...],
    given: Mapping[str, str],
    directory: str,
    model: Optional[str] = None,
    trust: bool = False,
) -> Tuple[Any, Tuple[Finding, ...]]:
    """Writes the paths of the files that are there into the graph.

    A file elsewhere is read if the caller names it: what stands in a graph may be the
    path of any file of this machine.

    Args:
      meta_graph: The ``MetaGraphDef``, as far as it is kept.
      assets: The assets of the whole file; those that nothing needs are passed over.
      given: The argument ``assets=``: paths by the names of assets, or by the paths
        that stand in the graph. They go before what lies beside it.
      directory: The directory of the graph.
      model: What findings call the model.
      trust: Takes the absolute paths in the graph, where nothing lies beside it.
    """
    findings = _unused(assets, given, model)
    matched = _matched(assets, given)
    nodes = {
        (function, node.name): node
        for function, listed in all_bodies(meta_graph)
        for node in listed
    }
    refused: Dict[str, Finding] = {}
    for asset in assets:
        node = nodes.get((asset.function, asset.node))
        if node is None:
            continue
        if not asset.is_required and asset not in matched:
            continue
        path = _found(asset, matched.get(asset), directory)
        if path is None and _is_elsewhere(asset, matched.get(asset)):
            # Of what is not declared, trust decides elsewhere; the path stays as it is.
            path = asset.path if trust or not asset.is_declared else None
        if path is not None:
            _write(node, asset.element, path)
        else:
            finding = _missing(asset, matched.get(asset), directory, model)
            refused.setdefault(finding.subject, finding)
    return meta_graph, (*findings, *refused.values())


def _declared(meta_graph: Any) -> Dict[str, str]:
    """The nodes that the file lists as assets, with the names of the files.

    The name is empty where the file does not say it.
    """
    found: Dict[str, str] = {}
    collections = meta_graph.collection_def
    listed = list(meta_graph.asset_file_def)
    for key in _DEFINITIONS:
        if key in collections:
            listed += _definitions(collections[key].any_list.value)
    for one in listed:
        found.setdefault(node_of(one.tensor_info.name), one.filename)
    if _TENSORS in collections:
        for name in collections[_TENSORS].node_list.value:
            found.setdefault(node_of(name), "")
    return found


def _definitions(values: Iterable[Any]) -> List[Any]:
    """Decodes what a collection lists, but for what is no such message.

    A session bundle's message has the same two fields under other names.
    """
    found = []
    for value in values:
        definition = tf.MetaGraphDef().asset_file_def.add()
        try:
            definition.ParseFromString(value.value)
        except protobuf.DecodeError:
            continue  # The constants alone tell of the file then.
        found.append(definition)
    return found


def _in_node(
    function: str, node: Any, declared: Mapping[str, str], tables: Iterable[Place]
) -> List[Asset]:
    if node.op == "Const":
        if node.attr["value"].tensor.tensor_content:
            return []  # That is what TensorFlow takes, and no path beside it.
        paths = [_text(one) for one in node.attr["value"].tensor.string_val]
    elif node.op.startswith("Placeholder") and not function:
        paths = [""]
    else:
        return []
    is_declared = not function and node.name in declared
    fills_table = (function, node.name) in tables
    name = declared.get(node.name, "") if is_declared else ""
    if not paths or not (paths[0] or name):
        return []
    return [
        Asset(
            name=name or path.replace("\\", "/").rsplit("/", 1)[-1],
            path=path,
            function=function,
            node=node.name,
            element=number,
            is_declared=is_declared,
            is_required=is_declared or fills_table,
        )
        for number, path in enumerate(paths)
    ]


def _text(data: bytes) -> str:
    return os.fsdecode(data)


def _matched(assets: Iterable[Asset], given: Mapping[str, str]) -> Dict[Asset, str]:
    """The path that was given for each asset that has one."""
    found: Dict[Asset, str] = {}
    for key in given:
        for one in _named(assets, key):
            found[one] = os.fspath(given[key])
    return found


def _named(assets: Iterable[Asset], key: str) -> List[Asset]:
    """The assets that a name means: in a list of the file, as a path, or its end."""
    listed = list(assets)
    for is_meant in (
        lambda one: one.is_declared and one.name == key,
        lambda one: one.path == key,
        lambda one: key in one.names,
    ):
        found = [one for one in listed if is_meant(one)]
        if found:
            return found if len({one.path for one in found}) == 1 else []
    return []


def _unused(
    assets: Tuple[Asset, ...], given: Mapping[str, str], model: Optional[str]
) -> List[Finding]:
    names = sorted({one.name for one in assets})
    known = f"its assets are {', '.join(names[:_SHOWN])}" if names else "it has none"
    findings = []
    for key in given:
        if _named(assets, key):
            continue
        several = sorted({one.path for one in assets if key in one.names})
        message = f"several have that name: {', '.join(several)}" if several else known
        findings.append(Finding(KINDS["unused-asset"], key, message, model=model))
    return findings


def _found(asset: Asset, given: Optional[str], directory: str) -> Optional[str]:
    """The path of the file; None if it is not there."""
    if given is not None:
        return as_absolute(given) if is_there(given) else None
    if not stays_inside(asset.name):
        return None
    return file_beside(directory, asset.names_beside)


def _is_elsewhere(asset: Asset, given: Optional[str]) -> bool:
    """Whether the path in the graph is that of a file on this machine."""
    if given is not None or not stays_inside(asset.name) or "\0" in asset.path:
        return False
    return os.path.isabs(asset.path) and is_there(asset.path)


def _missing(
    asset: Asset, given: Optional[str], directory: str, model: Optional[str]
) -> Finding:
    hint = f'assets={{"{asset.name}": "..."}} names the file'
    if _is_elsewhere(asset, given):
        hint = f"assets={{{asset.name!r}: {asset.path!r}}}, if the model may read it"
    if given is not None:
        message = f"there is no file {given}"
    elif not stays_inside(asset.name):
        message = "the name leads out of the graph's directory"
    else:
        where = ", ".join(places_beside(directory))
        message = f"it is not in {where}"
        if _is_elsewhere(asset, given):
            message += f"; the graph names {asset.path}, which is there"
        elif os.path.isabs(asset.path):
            message += f", and {asset.path} is not there either"
    return Finding(KINDS["asset-missing"], asset.name, message, model=model, hint=hint)


def _write(node: Any, element: int, path: str) -> None:
    """Puts a path into a constant, or makes one of a placeholder."""
    data = os.fsencode(path)
    if node.op == "Const":
        node.attr["value"].tensor.string_val[element] = data
        return
    node.op = "Const"
    for key in list(node.attr):
        if not key.startswith("_"):
            del node.attr[key]
    node.attr["dtype"].type = tf.string.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(data))


def _reads_only(reader: FileReader, allowed: Mapping[Place, bool]) -> bool:
    return bool(reader.names) and all(allowed.get(one, False) for one in reader.names)
