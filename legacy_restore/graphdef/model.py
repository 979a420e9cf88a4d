"""What a saved graph consists of, as data.

Names stand here as they stand in the file: inputs of nodes are ``node``, ``node:1`` or
``^node``, tensors ``node:0``. What a file does not say is None or empty. Values of
constants are not kept, but for strings.
"""

from __future__ import annotations

import dataclasses
from typing import Mapping, NamedTuple, Optional, Tuple

Shape = Optional[Tuple[Optional[int], ...]]
"""A static shape: None where the rank, or one axis, is not known."""


@dataclasses.dataclass(frozen=True)
class Constant:
    """The value of a constant, without the value.

    Attributes:
      dtype: TensorFlow's name of its type.
      shape: Its shape.
      nbytes: Bytes of the value in memory; of strings, those of their contents.
      stored: Bytes that it takes in the file; one number stands for equal elements.
      strings: The elements of a small string tensor as stored, else None.
    """

    dtype: str
    shape: Tuple[int, ...]
    nbytes: int
    stored: int
    strings: Optional[Tuple[bytes, ...]] = None


# A graph has up to a million of them: a tuple takes a third of a frozen dataclass.
class Node(NamedTuple):
    """One operation.

    Attributes:
      name: Unique in its graph or function.
      op: The kind of operation, or the name of the function that it calls.
      inputs: Tensors and operations that it takes.
      device: The device that it asks for, or empty.
      dtype: The attribute ``dtype``: of variables, placeholders and constants.
      shape: The attribute ``shape``, of the same.
      shared_name: Under which resources with this container are one; empty: the name.
      container: Container of the resource, or empty.
      colocated: Names of the operations with whose device it has to be.
      functions: Functions that its attributes name, sorted.
      constant: What the attribute ``value`` holds.
      key_dtype: Of a table, the dtype of its keys.
      value_dtype: Of a table, the dtype of its values.
      token: Of a ``PyFunc``, the number under which the process knew the function.
      paths: What its attributes name outside of the graph: files, addresses.
    """

    name: str
    op: str
    inputs: Tuple[str, ...] = ()
    device: str = ""
    dtype: Optional[str] = None
    shape: Shape = None
    shared_name: str = ""
    container: str = ""
    colocated: Tuple[str, ...] = ()
    functions: Tuple[str, ...] = ()
    constant: Optional[Constant] = None
    key_dtype: Optional[str] = None
    value_dtype: Optional[str] = None
    token: str = ""
    paths: Tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Function:
    """One function of a graph's library.

    Attributes:
      name: Its name, which nodes use as their op or name in an attribute.
      nodes: Its body.
      gradient: The function that is its gradient; empty where the library says none.
      implements: What it implements; any function that implements the same may run in
        its place. Empty for most.
    """

    name: str
    nodes: Tuple[Node, ...]
    gradient: str = ""
    implements: str = ""


@dataclasses.dataclass(frozen=True)
class Graph:
    """A ``GraphDef``.

    Attributes:
      nodes: The graph itself, in the order of the file.
      functions: Its library.
      producer: The version of GraphDef of the TensorFlow that wrote it.
      min_consumer: The lowest such version of a TensorFlow that may read it.
    """

    nodes: Tuple[Node, ...] = ()
    functions: Tuple[Function, ...] = ()
    producer: int = 0
    min_consumer: int = 0


@dataclasses.dataclass(frozen=True)
class SavedSlice:
    """Which part of a partitioned variable a variable is (``SaveSliceInfoDef``).

    Attributes:
      full_name: Name of the whole variable, the key in a checkpoint.
      full_shape: Shape of the whole.
      offset: Where the part begins, one number for each axis.
      shape: Shape of the part.
    """

    full_name: str
    full_shape: Tuple[int, ...]
    offset: Tuple[int, ...]
    shape: Tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class VariableRecord:
    """What a collection says about a variable (``VariableDef``).

    Attributes:
      variable: Name of the variable's tensor or handle.
      initializer: Name of the operation that assigns its initial value.
      snapshot: Name of the tensor by which it is read.
      is_resource: Whether it is a resource variable.
      trainable: Whether it is trained; None: the file is older than the field.
      saved_slice: Which part of a partitioned variable it is, or None.
    """

    variable: str
    initializer: str
    snapshot: str
    is_resource: bool
    trainable: Optional[bool]
    saved_slice: Optional[SavedSlice]


@dataclasses.dataclass(frozen=True)
class Collection:
    """One collection.

    Attributes:
      key: Its name.
      kind: ``node_list``, ``bytes_list``, ``int64_list``, ``float_list``, ``any_list``.
      size: Number of elements.
      nodes: The names in a ``node_list``.
      variables: The variables that are in one of variables.
    """

    key: str
    kind: str
    size: int
    nodes: Tuple[str, ...] = ()
    variables: Tuple[VariableRecord, ...] = ()


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """One input or output of a signature.

    Attributes:
      key: What a caller calls it.
      tensors: Name of its tensor; of a sparse one values, indices and dense shape; of
        a composite one those of its components.
      dtype: TensorFlow's name of its type, or None where the file has none.
      shape: Its static shape.
      encoding: ``"dense"``, ``"sparse"`` or ``"composite"``.
    """

    key: str
    tensors: Tuple[str, ...]
    dtype: Optional[str]
    shape: Shape
    encoding: str = "dense"


@dataclasses.dataclass(frozen=True)
class Signature:
    """One way to call a graph.

    Attributes:
      key: Its name.
      method: Such as ``tensorflow/serving/predict``; of session bundles ``generic``,
        ``regression`` or ``classification``.
      inputs: What it takes, sorted by key.
      outputs: What it gives, sorted by key.
      undirected: Tensors of a session bundle's generic signature, which may be either.
    """

    key: str
    method: str
    inputs: Tuple[TensorInfo, ...]
    outputs: Tuple[TensorInfo, ...]
    undirected: Tuple[TensorInfo, ...] = ()


@dataclasses.dataclass(frozen=True)
class Asset:
    """A file beside the graph that it reads.

    Attributes:
      filename: Its name as stored; it forms no path.
      tensor: Name of the tensor that takes its path.
    """

    filename: str
    tensor: str


@dataclasses.dataclass(frozen=True)
class Saver:
    """How a graph is saved and restored (``SaverDef``).

    Attributes:
      filename_tensor: Takes the prefix.
      save_tensor: Gives the prefix when everything is saved.
      restore_op: Restores all.
      is_sharded: Whether each device saves a file of its own.
      version: Of the format that it writes: 2, 1, or 0 (older than the field).
    """

    filename_tensor: str = ""
    save_tensor: str = ""
    restore_op: str = ""
    is_sharded: bool = False
    version: int = 0


@dataclasses.dataclass(frozen=True)
class MetaGraph:
    """A ``MetaGraphDef``: a graph and what is known about it.

    Attributes:
      graph: The graph.
      tags: Of a SavedModel, what this graph is for; may be empty.
      tensorflow_version: Version of the writer; empty before 0.12.
      tensorflow_git_version: What it was built from, as stored.
      saver: How it is restored, or None.
      collections: By key.
      signatures: By key.
      assets: The files that it reads.
      has_object_graph: Whether objects of TensorFlow 2 are described.
    """

    graph: Graph
    tags: Tuple[str, ...] = ()
    tensorflow_version: str = ""
    tensorflow_git_version: str = ""
    saver: Optional[Saver] = None
    collections: Mapping[str, Collection] = dataclasses.field(default_factory=dict)
    signatures: Mapping[str, Signature] = dataclasses.field(default_factory=dict)
    assets: Tuple[Asset, ...] = ()
    has_object_graph: bool = False


@dataclasses.dataclass(frozen=True)
class SavedModel:
    """A ``SavedModel``: graphs that share variables and assets.

    Attributes:
      schema_version: 1; of TF-Hub modules 0.
      meta_graphs: In the order of the file.
    """

    schema_version: int
    meta_graphs: Tuple[MetaGraph, ...]
