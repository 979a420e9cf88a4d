"""What a saved graph consists of: the writer, variables, signatures, files, surprises.

Everything is told from the file alone; nothing is imported, placed or run.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, Dict, Iterable, List, Optional, Tuple

from legacy_restore.examining.graph_interface import (
    PLACEHOLDERS,
    Placeholder,
    ProposedInterface,
    fed_shape,
    proposed_interface,
)
from legacy_restore.examining.graph_variables import (
    GraphTable,
    GraphVariable,
    located_nodes,
    operation_of,
    shape_json,
    tables_of,
    variables_of,
)
from legacy_restore.graphdef.model import (
    Collection,
    Graph,
    MetaGraph,
    Saver,
    Signature,
    TensorInfo,
)
from legacy_restore.graphdef.op_registry import Origin, origin_of

# Of tensorflow/core/ops/script_ops.cc; the function itself is in no file.
_PYTHON_OPS = ("PyFunc", "PyFuncStateless", "EagerPyFunc")

# Collections with what runs after a restore: tensorflow/python/saved_model/constants.py
# and tensorflow/contrib/session_bundle/constants.py.
_INIT_COLLECTIONS = (
    "saved_model_main_op",
    "legacy_init_op",
    "saved_model_initializers",
    "serving_init_op",
    "table_initializer",
)


@dataclasses.dataclass(frozen=True)
class OpCount:
    """How many nodes of a graph and its functions are of one operation."""

    op: str
    nodes: int
    origin: Origin

    def to_json(self) -> Dict[str, Any]:
        """Returns the count as JSON-ready data."""
        return {"op": self.op, "nodes": self.nodes, "origin": self.origin.value}


@dataclasses.dataclass(frozen=True)
class PythonFunction:
    """A node that calls into the Python process in which the graph was built.

    Attributes:
      name: The node.
      op: ``PyFunc`` or one of its kin.
      token: Under which that process knew the function.
      function: The graph's function in whose body it is, or None.
    """

    name: str
    op: str
    token: str
    function: Optional[str]


@dataclasses.dataclass(frozen=True)
class Constants:
    """How much the constants of a graph and its functions are.

    Attributes:
      nodes: Number of them.
      nbytes: Bytes of their values in memory.
      stored: Bytes that they take in the file.
    """

    nodes: int
    nbytes: int
    stored: int


@dataclasses.dataclass(frozen=True)
class GraphSummary:
    """What one graph consists of.

    Attributes:
      tags: Of a SavedModel, what the graph is for.
      tensorflow_version: Of the writer, or None where it did not say (before 0.12; a
        ``GraphDef`` never says).
      tensorflow_git_version: What the writer was built from, as stored, or None.
      producer: The writer's version of GraphDef.
      min_consumer: The lowest version of a TensorFlow that may read it.
      num_nodes: Nodes of the graph, without its functions.
      ops: Operations in graph and functions, by name; functions that are called like
        operations are not among them.
      functions: Names of its functions with the number of nodes of each.
      variables: By name.
      signatures: By key.
      tables: By name.
      python_functions: By name.
      devices: Device strings in graph and functions, with the number of nodes.
      placeholders: In the order of the file.
      constants: Their number and size.
      collections: By key.
      init_ops: What runs after a restore.
      saver: How it is restored, or None.
      has_object_graph: Whether it has the objects of TensorFlow 2.
      proposed: What could be meant by its inputs and outputs; None where signatures
        say it.
    """

    tags: Tuple[str, ...]
    tensorflow_version: Optional[str]
    tensorflow_git_version: Optional[str]
    producer: int
    min_consumer: int
    num_nodes: int
    ops: Tuple[OpCount, ...]
    functions: Tuple[Tuple[str, int], ...]
    variables: Tuple[GraphVariable, ...]
    signatures: Tuple[Signature, ...]
    tables: Tuple[GraphTable, ...]
    python_functions: Tuple[PythonFunction, ...]
    devices: Tuple[Tuple[str, int], ...]
    placeholders: Tuple[Placeholder, ...]
    constants: Constants
    collections: Tuple[Collection, ...]
    init_ops: Tuple[str, ...]
    saver: Optional[Saver]
    has_object_graph: bool
    proposed: Optional[ProposedInterface] = None

    @property
    def foreign_ops(self) -> List[OpCount]:
        """The operations that are not TensorFlow's own."""
        return [one for one in self.ops if one.origin is not Origin.CORE]

    @property
    def needs_checkpoint(self) -> bool:
        """Whether values of this graph are in a checkpoint.

        A TF-Hub module has no Saver: what is in the collection of its variables is
        restored.
        """
        is_saved = any(one.key == "variables" and one.size for one in self.collections)
        return self.saver is not None or is_saved

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data; ``docs/inspect-json.md`` describes it."""
        return {
            "tags": list(self.tags),
            "tensorflow_version": self.tensorflow_version,
            "tensorflow_git_version": self.tensorflow_git_version,
            "producer": self.producer,
            "min_consumer": self.min_consumer,
            "nodes": self.num_nodes,
            "ops": [one.to_json() for one in self.ops],
            "functions": [{"name": name, "nodes": n} for name, n in self.functions],
            "variables": [one.to_json() for one in self.variables],
            "signatures": [_signature_json(one) for one in self.signatures],
            "tables": [one.to_json() for one in self.tables],
            "foreign_ops": [one.to_json() for one in self.foreign_ops],
            "python_functions": _as_dicts(self.python_functions),
            "devices": [{"device": name, "nodes": n} for name, n in self.devices],
            "placeholders": [one.to_json() for one in self.placeholders],
            "constants": dataclasses.asdict(self.constants),
            "collections": [
                {"key": one.key, "kind": one.kind, "size": one.size}
                for one in self.collections
            ],
            "init_ops": list(self.init_ops),
            "saver": None if self.saver is None else dataclasses.asdict(self.saver),
            "has_object_graph": self.has_object_graph,
            "proposed": None if self.proposed is None else self.proposed.to_json(),
        }


def summarise(meta_graph: MetaGraph) -> GraphSummary:
    """Returns what a graph consists of."""
    graph = meta_graph.graph
    return GraphSummary(
        tags=meta_graph.tags,
        tensorflow_version=meta_graph.tensorflow_version or None,
        tensorflow_git_version=meta_graph.tensorflow_git_version or None,
        producer=graph.producer,
        min_consumer=graph.min_consumer,
        num_nodes=len(graph.nodes),
        ops=_op_counts(graph),
        functions=tuple(sorted((one.name, len(one.nodes)) for one in graph.functions)),
        variables=variables_of(meta_graph),
        signatures=tuple(meta_graph.signatures.values()),
        tables=tables_of(graph),
        python_functions=_python_functions(graph),
        devices=_counted(node.device for node, _ in located_nodes(graph)),
        placeholders=tuple(
            Placeholder(one.name, one.op, one.dtype, fed_shape(one, graph.producer))
            for one in graph.nodes
            if one.op in PLACEHOLDERS
        ),
        constants=_constants(graph),
        collections=tuple(meta_graph.collections.values()),
        init_ops=_init_ops(meta_graph),
        saver=meta_graph.saver,
        has_object_graph=meta_graph.has_object_graph,
        proposed=None if meta_graph.signatures else proposed_interface(meta_graph),
    )


def _as_dicts(rows: Iterable[Any]) -> List[Dict[str, Any]]:
    return [dataclasses.asdict(row) for row in rows]


def _counted(names: Iterable[str]) -> Tuple[Tuple[str, int], ...]:
    """Names that are not empty, sorted, with how often they occur."""
    found = collections.Counter(name for name in names if name)
    return tuple(sorted(found.items()))


def _op_counts(graph: Graph) -> Tuple[OpCount, ...]:
    functions = {one.name for one in graph.functions}
    counts = _counted(node.op for node, _ in located_nodes(graph))
    return tuple(
        OpCount(op, count, origin_of(op)) for op, count in counts if op not in functions
    )


def _python_functions(graph: Graph) -> Tuple[PythonFunction, ...]:
    return tuple(
        PythonFunction(node.name, node.op, node.token, function)
        for node, function in located_nodes(graph)
        if node.op in _PYTHON_OPS
    )


def _constants(graph: Graph) -> Constants:
    found = [
        node.constant
        for node, _ in located_nodes(graph)
        if node.op == "Const" and node.constant is not None
    ]
    return Constants(
        nodes=len(found),
        nbytes=sum(one.nbytes for one in found),
        stored=sum(one.stored for one in found),
    )


def _init_ops(meta_graph: MetaGraph) -> Tuple[str, ...]:
    names: List[str] = []
    for key in _INIT_COLLECTIONS:
        if key in meta_graph.collections:
            names += meta_graph.collections[key].nodes
    return tuple(sorted({operation_of(name) for name in names}))


def _signature_json(signature: Signature) -> Dict[str, Any]:
    return {
        "key": signature.key,
        "method": signature.method,
        "inputs": [_tensor_json(one) for one in signature.inputs],
        "outputs": [_tensor_json(one) for one in signature.outputs],
        "undirected": [_tensor_json(one) for one in signature.undirected],
    }


def _tensor_json(tensor: TensorInfo) -> Dict[str, Any]:
    return {
        "key": tensor.key,
        "tensors": list(tensor.tensors),
        "dtype": tensor.dtype,
        "shape": shape_json(tensor.shape),
        "encoding": tensor.encoding,
    }
