"""The variables of a saved graph, found by their operations.

No collection has to list a variable: files that were made for serving often have none.
Where one does, its ``VariableDef`` says what the variable's initialiser is and which
part of a partitioned variable it is (``tensorflow/core/framework/variable.proto``); the
graph alone tells the first, and what the Saver reads the second.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Dict, FrozenSet, Iterable, List, Optional, Set, Tuple

from legacy_restore.importing.collections import variable_in
from legacy_restore.importing.graph_index import GraphIndex
from legacy_restore.importing.nodes import is_control, node_of
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.importing.stored_as import StoredAs
from legacy_restore.planning.spec import Shape
from legacy_restore.tf import VariableDef, tf

VARIABLE_TYPES = frozenset(
    ["Variable", "VariableV2", "AutoReloadVariable", "VarHandleOp"]
)
"""The types of operations that hold the state of a variable."""

_RESOURCE_TYPE = "VarHandleOp"
_ASSIGNMENTS = {"ref": "Assign", "resource": "AssignVariableOp"}
_READS = {"ref": "Identity", "resource": "ReadVariableOp"}
_RESTORES = frozenset(["Restore", "RestoreSlice", "RestoreV2"])
_GLOBAL = "variables"
_LOCAL = frozenset(["local_variables", "metric_variables"])
_TRAINABLE = "trainable_variables"
_PART = re.compile(r"/part_[0-9]+(?=/|$)")
# Where what is added for a variable stands.
ADDED = "legacy_restore"


@dataclasses.dataclass(frozen=True)
class SavedSlice:
    """Which part of a partitioned variable a variable is.

    Attributes:
      full_name: The name of the whole.
      full_shape: The shape of the whole.
      offset: Where the part begins, on each axis.
      shape: The shape of the part.
    """

    full_name: str
    full_shape: Tuple[int, ...]
    offset: Tuple[int, ...]
    shape: Tuple[int, ...]

    @property
    def text(self) -> str:
        """The part as ``RestoreV2`` takes it: ``4 10 0,2:0,10``."""
        places = ":".join(f"{one},{size}" for one, size in zip(self.offset, self.shape))
        return " ".join([*map(str, self.full_shape), places])


@dataclasses.dataclass(frozen=True, eq=False)
class SavedVariable:
    """A variable of a saved graph, or a part of one.

    Attributes:
      name: Its node.
      kind: ``"ref"`` or ``"resource"``.
      dtype: TensorFlow's name of its dtype.
      shape: Its static shape.
      definition: Its ``VariableDef``, or None where no collection has one.
      collections: The keys of the collections that hold it.
      is_local: Whether it is a local variable and no global one.
      is_trainable: Whether an optimizer would train it.
      initializer: The node that initialises it, or an empty text.
      snapshot: A tensor of its value that waits for nothing, or an empty text.
      slice: Which part of a partitioned variable it is, as its ``VariableDef`` says;
        else None.
      device: The device that it was made for.
    """

    name: str
    kind: str
    dtype: str
    shape: Shape
    definition: Any = None
    collections: FrozenSet[str] = frozenset()
    is_local: bool = False
    is_trainable: bool = False
    initializer: str = ""
    snapshot: str = ""
    slice: Optional[SavedSlice] = None
    device: str = ""


def find_variables(
    meta_graph: Any, op_defs: OpDefs, index: Optional[GraphIndex] = None
) -> Tuple[SavedVariable, ...]:
    """Returns the variables of a saved graph, in the order of the file.

    Args:
      meta_graph: The ``MetaGraphDef``; it is not changed.
      op_defs: What is known about its operations.
      index: Its nodes, where they are at hand.
    """
    del op_defs  # What a variable is no file can define anew.
    found = [one for one in meta_graph.graph_def.node if one.op in VARIABLE_TYPES]
    listed = _Listed(meta_graph, {one.name for one in found})
    index = index or GraphIndex(meta_graph)
    return tuple(
        _variable(node, listed, index.nodes, index.consumers(node.name))
        for node in found
    )


def left_in_graph(
    variables: Iterable[SavedVariable], meta_graph: Any
) -> Tuple[SavedVariable, ...]:
    """Returns the variables that are in a graph of which parts were left out.

    Args:
      variables: Those of the whole file.
      meta_graph: What is left of it.

    Returns:
      Variables whose initialiser and snapshot are in the graph too, or empty.
    """
    left = {node.name for node in meta_graph.graph_def.node}
    return tuple(
        dataclasses.replace(
            one,
            initializer=one.initializer if one.initializer in left else "",
            snapshot=one.snapshot if node_of(one.snapshot) in left else "",
        )
        for one in variables
        if one.name in left
    )


def variable_definition(
    variable: SavedVariable, saved_as: Optional[StoredAs] = None
) -> Any:
    """Returns a ``VariableDef`` from which a ``tf.Variable`` can be made.

    That of the file, as far as it fits the graph; where it says nothing of slices, they
    are those that the Saver reads. What ``added_nodes`` returns has to be in the graph.

    Args:
      variable: The variable.
      saved_as: What the file's Saver reads for it, or None.
    """
    definition = VariableDef()
    if variable.definition is not None:
        definition.CopyFrom(variable.definition)
    is_resource = variable.kind == "resource"
    if definition.is_resource != is_resource:
        definition.is_resource = is_resource
    definition.variable_name = f"{variable.name}:0"
    definition.initializer_name = variable.initializer or _added(variable, "Assign")
    definition.snapshot_name = variable.snapshot or f"{_added(variable, 'read')}:0"
    definition.initial_value_name = ""
    definition.trainable = variable.is_trainable
    place = variable.slice
    if place is None and saved_as is not None and saved_as.slice:
        place = parse_slice(saved_as, variable.name)
    definition.ClearField("save_slice_info_def")
    if place is not None:
        info = definition.save_slice_info_def
        info.full_name = place.full_name
        info.full_shape.extend(place.full_shape)
        info.var_offset.extend(place.offset)
        info.var_shape.extend(place.shape)
    return definition


def added_nodes(variable: SavedVariable) -> List[Any]:
    """Returns the nodes that a variable lacks to be a ``tf.Variable``.

    An initialiser that nobody is to run: it assigns what nobody feeds. And a read.
    """
    found = []
    dtype = tf.as_dtype(variable.dtype).as_datatype_enum
    if not variable.initializer:
        value = tf.NodeDef(name=_added(variable, "value"), op="Placeholder")
        value.attr["dtype"].type = dtype
        value.attr["shape"].shape.CopyFrom(tf.TensorShape(variable.shape).as_proto())
        assign = tf.NodeDef(
            name=_added(variable, "Assign"),
            op=_ASSIGNMENTS[variable.kind],
            input=[variable.name, value.name],
        )
        assign.attr["T" if variable.kind == "ref" else "dtype"].type = dtype
        found += [value, assign]
    if not variable.snapshot:
        read = tf.NodeDef(
            name=_added(variable, "read"),
            op=_READS[variable.kind],
            input=[variable.name],
        )
        read.attr["T" if variable.kind == "ref" else "dtype"].type = dtype
        found.append(read)
    for node in found:
        node.device = variable.device
    return found


def parse_slice(saved_as: StoredAs, name: str) -> Optional[SavedSlice]:
    """Returns the part of a tensor that a Saver reads for a variable.

    The whole is called like the variable without ``/part_3``, else like its key.

    Args:
      saved_as: What the Saver reads.
      name: The variable's node.

    Returns:
      The part; None where the text is none.
    """
    words = saved_as.slice.split()
    try:
        full_shape = tuple(int(one) for one in words[:-1])
        places = words[-1].split(":") if words else []
        offset, shape = [], []
        for size, place in zip(full_shape, places):
            start, _, length = place.partition(",")
            offset.append(0 if start == "-" else int(start))
            shape.append(size if start == "-" else int(length))
    except ValueError:
        return None
    if not words or len(places) != len(full_shape):
        return None
    whole = _PART.sub("", name)
    full_name = whole if whole != name else saved_as.key
    return SavedSlice(full_name, full_shape, tuple(offset), tuple(shape))


class _Listed:
    """What the collections of a file say about its variables."""

    def __init__(self, meta_graph: Any, names: Set[str]) -> None:
        # Without that collection nobody knows: then every weight counts.
        self.tells_trainable = _TRAINABLE in meta_graph.collection_def
        self.definitions: Dict[str, Any] = {}
        self.collections: Dict[str, Set[str]] = {}
        for key in sorted(meta_graph.collection_def):
            collection = meta_graph.collection_def[key]
            for data in collection.bytes_list.value:
                definition = variable_in(key, data)
                name = "" if definition is None else node_of(definition.variable_name)
                if name in names:
                    self.definitions.setdefault(name, definition)
                    self.collections.setdefault(name, set()).add(key)
            for text in collection.node_list.value:
                name = node_of(text)
                if name in names:
                    self.collections.setdefault(name, set()).add(key)


def _variable(
    node: Any, listed: _Listed, nodes: Dict[str, Any], consumers: Iterable[Any]
) -> SavedVariable:
    name = str(node.name)
    definition = listed.definitions.get(name)
    collections = frozenset(listed.collections.get(name, ()))
    kind = "resource" if node.op == _RESOURCE_TYPE else "ref"
    users = list(consumers)
    dtype = tf.as_dtype(node.attr["dtype"].type).base_dtype
    is_local = bool(collections & _LOCAL) and _GLOBAL not in collections
    is_trainable = _TRAINABLE in collections
    if not listed.tells_trainable:
        is_trainable = not is_local and bool(dtype.is_floating)
    return SavedVariable(
        name=name,
        kind=kind,
        dtype=dtype.name,
        shape=_shape(node.attr["shape"].shape),
        definition=definition,
        collections=collections,
        is_local=is_local,
        is_trainable=is_trainable,
        initializer=_initializer(name, kind, definition, nodes, users),
        snapshot=_snapshot(name, kind, definition, users),
        slice=None if definition is None else _slice(definition),
        device=str(node.device),
    )


def _initializer(
    name: str,
    kind: str,
    definition: Any,
    nodes: Dict[str, Any],
    users: List[Any],
) -> str:
    """The node that initialises a variable: the one it says, or that stands alone."""
    assigning = [
        one.name
        for one in users
        if one.op == _ASSIGNMENTS[kind]
        and one.input[0] in (name, f"{name}:0")
        and not _is_restored(one, nodes)
    ]
    if definition is not None and node_of(definition.initializer_name) in assigning:
        return node_of(definition.initializer_name)
    if f"{name}/Assign" in assigning:
        return f"{name}/Assign"
    return assigning[0] if len(assigning) == 1 else ""


def _is_restored(assignment: Any, nodes: Dict[str, Any]) -> bool:
    """Whether an assignment takes what is read from a checkpoint."""
    above = list(assignment.input[1:2])
    for _ in range(4):  # As far as Savers put something between.
        found = nodes.get(node_of(above[0])) if above else None
        if found is None:
            return False
        if found.op in _RESTORES:
            return True
        above = [one for one in found.input if not is_control(one)][:1]
    return False


def _snapshot(name: str, kind: str, definition: Any, users: List[Any]) -> str:
    """A tensor of a variable's value that waits for nothing."""
    reading = [
        one.name
        for one in users
        if one.op == _READS[kind] and list(one.input) in ([name], [f"{name}:0"])
    ]
    if definition is not None:
        said = node_of(definition.snapshot_name)
        if said in reading:
            return f"{said}:0"
    return f"{reading[0]}:0" if reading else ""


def _slice(definition: Any) -> Optional[SavedSlice]:
    if not definition.HasField("save_slice_info_def"):
        return None
    info = definition.save_slice_info_def
    if not info.full_name:
        return None
    return SavedSlice(
        info.full_name,
        tuple(info.full_shape),
        tuple(info.var_offset),
        tuple(info.var_shape),
    )


def _shape(proto: Any) -> Shape:
    if proto.unknown_rank:
        return None
    return tuple(None if one.size < 0 else int(one.size) for one in proto.dim)


def _added(variable: SavedVariable, name: str) -> str:
    return f"{ADDED}/{variable.name}/{name}"
