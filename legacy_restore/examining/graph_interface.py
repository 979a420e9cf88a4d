"""What could go into a saved graph and come out of it, where no signature says so.

Inputs are what a caller feeds: placeholders, and the operations by which an input
pipeline hands over its elements. Outputs are of two kinds. One is computed from inputs,
and nothing goes on with it. The other is where a training graph is in the place of the
caller: what is computed from some inputs, and all that goes on with it also takes
another one, such as the labels that a loss compares the logits with.

Left out is what is there for training and for files: summaries, savers, initialisers,
assignments, gradients (https://github.com/tensorflow/tensorflow/issues/6774 and many
others ask for the names of the rest).
"""

from __future__ import annotations

import dataclasses
import re
from typing import (
    Any,
    Dict,
    FrozenSet,
    List,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from legacy_restore.examining.graph_variables import operation_of, shape_json
from legacy_restore.graphdef.model import MetaGraph, Node, Shape

PLACEHOLDERS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")

# What hands over elements: of a Dataset, a queue, a reader of files.
_PIPELINES = re.compile(r"IteratorGetNext\w*|QueueDequeue\w*|ReaderRead\w*")

# Until this version of GraphDef the shape [] of a placeholder means "any"; see
# PlaceholderShapeFn in tensorflow/core/ops/array_ops.cc.
_LAST_PRODUCER_WITHOUT_SCALARS = 21

# Operations that change state or files, exist for others that do, or tell of shapes.
_NO_OUTPUT = re.compile(
    r"NoOp|Const|Assert|Abort|Variable(?:V2)?|VarHandleOp|ReadVariableOp"
    r"|(?:Is|Var)\w*Initialized\w*|(?:Resource)?(?:Sparse)?(?:Apply|Assign)\w*"
    r"|(?:Resource)?(?:Strided)?(?:Slice)?Assign\w*|(?:Resource)?Scatter\w+"
    r"|\w*Summary(?:V2)?|Save\w*|Restore\w*|MergeV2Checkpoints|Sharded\w+"
    r"|Queue(?:Enqueue|Close|Size|IsClosed)\w*|\w*Queue(?:V[23])?|\w*Reader(?:V2)?"
    r"|\w*HashTable\w*|InitializeTable\w*|LookupTable(?:Import|Insert|Size|Export)\w*"
    r"|MakeIterator|Iterator(?:V2)?|OneShotIterator|\w*Dataset(?:V\d)?"
    r"|Send|Recv|ControlTrigger|DestroyResourceOp|DestroyTemporaryVariable"
    r"|Shape|ShapeN|Size|Rank|Switch|RefSwitch|Random\w+|TruncatedNormal"
)
# A scatter of tensors is no assignment, and computes something.
_OUTPUT_AFTER_ALL = frozenset(["ScatterNd", "ScatterNdNonAliasingAdd"])
_VARIABLES = frozenset(["Variable", "VariableV2", "VarHandleOp"])
_READS = frozenset(["Identity", "ReadVariableOp"])

# The scope of what tf.gradients makes, unless its caller names another; and what
# sessions of a Supervisor ask for.
_GRADIENTS = re.compile(r"(?:.*/)?gradients(?:_\d+)?/.*", re.DOTALL)
_NOT_MEANT = re.compile(
    r"(?:.*/)?(?:report_uninitialized_\w+/.*|random_(?:uniform|normal)(?:/.*)?)",
    re.DOTALL,
)

# What is fed to choose or to weigh, in its own name or in that of what takes it.
_SWITCH = re.compile(
    r"keep_?prob|drop_?out|learning_?rate|is_?train|phase_?train", re.I
)

# Operations that people end networks with.
_LAST_OPS = ("Softmax", "Sigmoid", "LogSoftmax", "ArgMax", "TopKV2")


@dataclasses.dataclass(frozen=True)
class Placeholder:
    """What a caller may or must feed.

    Attributes:
      name: Name of the operation.
      op: Its type; one with a default need not be fed.
      dtype: TensorFlow's name of its type, or None where the file has none.
      shape: Its static shape.
    """

    name: str
    op: str
    dtype: Optional[str]
    shape: Shape

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data."""
        return {**dataclasses.asdict(self), "shape": shape_json(self.shape)}


@dataclasses.dataclass(frozen=True)
class ProposedOutput:
    """What a caller may want.

    Attributes:
      name: Name of the operation.
      op: Its type.
      is_end: Whether nothing goes on with it; else other inputs join behind it.
    """

    name: str
    op: str
    is_end: bool

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class ProposedInterface:
    """What could be meant by inputs and outputs of a graph.

    Attributes:
      inputs: In the order of the file.
      outputs: In the order of the file.
    """

    inputs: Tuple[Placeholder, ...]
    outputs: Tuple[ProposedOutput, ...]

    def likely_outputs(self, room: int = 4) -> Dict[str, str]:
        """Returns the outputs to try first, by a short key.

        In a training graph that is what the loss is made of, not the loss.
        """
        inner = [one for one in self.outputs if not one.is_end]
        usual = [one for one in self.outputs if one.op in _LAST_OPS]
        chosen = (inner or usual or list(self.outputs))[-room:]
        names: Dict[str, str] = {}
        for one in chosen:
            key = one.name.rpartition("/")[2]
            names[one.name if key in names else key] = one.name
        return names

    def to_json(self) -> Dict[str, Any]:
        """Returns it as JSON-ready data; ``docs/inspect-json.md`` describes it."""
        return {
            "inputs": [one.to_json() for one in self.inputs],
            "outputs": [one.to_json() for one in self.outputs],
        }


def proposed_interface(meta_graph: MetaGraph) -> ProposedInterface:
    """Returns what could be meant by inputs and outputs of a graph.

    Nothing inside of functions is proposed: it cannot be fed or fetched.
    """
    return _Proposer(meta_graph).proposed()


class _Proposer:
    """One graph, and what was found out about its nodes."""

    def __init__(self, meta_graph: MetaGraph) -> None:
        self._meta_graph = meta_graph
        self._nodes = meta_graph.graph.nodes
        self._of_saver = _of_saver(meta_graph)
        self._fed = [node for node in self._nodes if self._is_fed(node)]
        self._left_out = self._names_left_out()

    def proposed(self) -> ProposedInterface:
        producer = self._meta_graph.graph.producer
        inputs = (
            Placeholder(node.name, node.op, node.dtype, fed_shape(node, producer))
            for node in self._fed
        )
        return ProposedInterface(tuple(inputs), tuple(self._outputs(producer)))

    def _outputs(self, producer: int) -> List[ProposedOutput]:
        has_input = self._needing([node.name for node in self._fed])
        has_variable = self._needing(
            [node.name for node in self._nodes if node.op in _VARIABLES]
        )
        candidates = [one for one in self._nodes if one.name not in self._left_out]
        # What comes of inputs and weights; where nothing does, of inputs; else all.
        of_inputs = [one for one in candidates if one.name in has_input]
        of_both = [one for one in of_inputs if one.name in has_variable]
        consumers = _consumers(self._nodes, self._left_out)
        inner = self._before_others(of_both, consumers, producer)
        for chosen in (of_both, of_inputs, candidates):
            ends = {one.name for one in chosen if not consumers.get(one.name)}
            if ends or inner:
                break
        return [
            ProposedOutput(node.name, node.op, node.name in ends)
            for node in candidates
            if node.name in ends or node.name in inner
        ]

    def _before_others(
        self, candidates: Sequence[Node], consumers: Dict[str, List[str]], producer: int
    ) -> Set[str]:
        """Nodes of which all that goes on with them takes another input as well."""
        joining = [
            node.name
            for node in self._fed
            if _may_be_labels(node, consumers.get(node.name, ()), producer)
        ]
        joins = _needs(self._nodes, joining)
        found: Dict[str, int] = {}
        for node in candidates:
            here = joins.get(node.name, 0)
            after = consumers.get(node.name)
            if here and after and all(joins.get(one, 0) != here for one in after):
                found[node.name] = here
        # Behind a loss everything takes labels; what takes fewer inputs is before it.
        masks = set(found.values())
        return {
            name
            for name, here in found.items()
            if not any(one != here and one & here == one for one in masks)
        }

    def _needing(self, sources: Sequence[str]) -> Set[str]:
        """Names of what depends on some nodes; everything, where there are none."""
        if not sources:
            return {node.name for node in self._nodes}
        return set(_needs(self._nodes, sources, one_bit=1))

    def _is_fed(self, node: Node) -> bool:
        if node.op in PLACEHOLDERS:
            assets = (operation_of(one.tensor) for one in self._meta_graph.assets)
            return node.name not in self._of_saver and node.name not in set(assets)
        return _PIPELINES.fullmatch(node.op) is not None

    def _names_left_out(self) -> FrozenSet[str]:
        variables = {node.name for node in self._nodes if node.op in _VARIABLES}
        gradients = [node.name for node in self._nodes if _is_gradient(node)]
        found = set(self._of_saver).union(node.name for node in self._fed)
        found.update(_needs(self._nodes, gradients, one_bit=1))
        writers: Set[str] = set()
        for node in self._nodes:
            is_read = node.op in _READS and _first_input(node) in variables
            if is_read or _NOT_MEANT.fullmatch(node.name):
                found.add(node.name)
            elif node.op not in _OUTPUT_AFTER_ALL and _NO_OUTPUT.fullmatch(node.op):
                found.add(node.name)
                if "Assign" in node.op:
                    writers.add(node.name + "/")
        # What belongs to an assignment by its name: bn/AssignMovingAvg/sub.
        found.update(node.name for node in self._nodes if _below(node.name, writers))
        return frozenset(found)


def _first_input(node: Node) -> str:
    return operation_of(node.inputs[0]) if node.inputs else ""


def _is_gradient(node: Node) -> bool:
    return _GRADIENTS.fullmatch(node.name) is not None


def _of_saver(meta_graph: MetaGraph) -> FrozenSet[str]:
    """The nodes of the file's Saver, known by the tensor that takes the prefix."""
    saver = meta_graph.saver
    if saver is None or not saver.filename_tensor:
        return frozenset()
    filename = operation_of(saver.filename_tensor)
    found = set(_needs(meta_graph.graph.nodes, [filename], one_bit=1))
    scope, slash, _ = filename.rpartition("/")
    if slash:
        nodes = meta_graph.graph.nodes
        found.update(one.name for one in nodes if one.name.startswith(scope + slash))
    return frozenset(found)


def _may_be_labels(node: Node, consumers: Sequence[str], producer: int) -> bool:
    """Whether an input is no switch or rate, which joins anywhere in a network."""
    if fed_shape(node, producer) == () or node.dtype == "bool":
        return False
    if node.op == "PlaceholderWithDefault":
        return False
    return not any(_SWITCH.search(name) for name in (node.name, *consumers))


def fed_shape(node: Node, producer: int) -> Shape:
    """Returns the shape of a placeholder, as it is meant.

    Args:
      node: The placeholder.
      producer: The version of GraphDef of the graph's writer.
    """
    is_any = node.op == "Placeholder" and producer <= _LAST_PRODUCER_WITHOUT_SCALARS
    return None if is_any and node.shape == () else node.shape


def _below(name: str, scopes: Set[str]) -> bool:
    position = name.rfind("/")
    while position > 0:
        if name[: position + 1] in scopes:
            return True
        position = name.rfind("/", 0, position)
    return False


def _consumers(nodes: Sequence[Node], left_out: FrozenSet[str]) -> Dict[str, List[str]]:
    """Names of the nodes that take each node's outputs; waiting is no taking."""
    found: Dict[str, List[str]] = {}
    for node in nodes:
        if node.name in left_out:
            continue
        for one in node.inputs:
            if not one.startswith("^"):
                found.setdefault(operation_of(one), []).append(node.name)
    return found


def _needs(
    nodes: Sequence[Node], sources: Sequence[str], one_bit: int = 0
) -> Dict[str, int]:
    """On which sources values depend: a bit for each source, or one for all of them.

    Nodes mostly stand behind what they take; only loops make it go round again.
    """
    bits = {name: one_bit or 1 << number for number, name in enumerate(sources)}
    changed = bool(bits)
    while changed:
        changed = False
        for node in nodes:
            mask = before = bits.get(node.name, 0)
            for one in node.inputs:
                if not one.startswith("^"):
                    mask |= bits.get(operation_of(one), 0)
            if mask != before:
                bits[node.name] = mask
                changed = True
    return bits
