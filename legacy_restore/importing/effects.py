"""What running an operation of a saved graph does, besides giving outputs.

Decided by the ``OpDef`` and not by names: who takes a reference or a resource and gives
nothing back has written to it. What is known to read only is listed; everything else
that is stateful counts as a write, or as something that nobody knows.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Optional, Set, Tuple

from legacy_restore.importing.calls import Call, calls_of, handed_on_from
from legacy_restore.importing.graph_index import GraphIndex
from legacy_restore.importing.nodes import is_control, nodes_by_name
from legacy_restore.importing.op_defs import OpDefs
from legacy_restore.tf import tf

VARIABLES = frozenset(["AutoReloadVariable", "VarHandleOp", "Variable", "VariableV2"])
"""Types of operations that are variables."""

# Flow of control has a type of its own for references, which it does not write to.
_READS = re.compile(
    r"Assert|Print(V2)?|(Eager)?PyFunc|Restore.*|Ref[A-Z].*"
    r"|(Var)?Is.*Initialized(Op)?|.*IsInitialized(V2)?|Read.*Op|VariableShape"
    r"|Resource(Gather|GatherNd|StridedSlice)|DisableCopyOnRead"
    r"|LookupTable(Export|Find|Size)(V2)?|(Priority)?Queue(Size|IsClosed)(V2)?"
    r"|Iterator.*ToStringHandle|IteratorGetDevice|DatasetTo.*|.*Handle(Op|V2)?"
)


@dataclasses.dataclass(frozen=True)
class Effects:
    """What running one or several operations does.

    Attributes:
      tables: The tables that are written to, by the names of their nodes.
      iterators: Likewise the iterators.
      variables: Likewise the variables.
      others: What else is done, each as ``node (Type)``.
    """

    tables: FrozenSet[str] = frozenset()
    iterators: FrozenSet[str] = frozenset()
    variables: FrozenSet[str] = frozenset()
    others: FrozenSet[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.tables or self.iterators or self.variables or self.others)


def together(effects: Iterable[Effects]) -> Effects:
    """Returns what all of them do."""
    listed = list(effects)
    return Effects(
        frozenset().union(*(one.tables for one in listed)),
        frozenset().union(*(one.iterators for one in listed)),
        frozenset().union(*(one.variables for one in listed)),
        frozenset().union(*(one.others for one in listed)),
    )


@dataclasses.dataclass(frozen=True)
class _Writes:
    """What a node does, in the terms of the body that it stands in.

    Attributes:
      handles: Nodes or arguments of that body whose resources are written to.
      others: What else is done.
    """

    handles: Tuple[str, ...] = ()
    others: Tuple[str, ...] = ()


_NOTHING = _Writes()


class EffectsReader:
    """Tells what the operations of one saved graph do."""

    def __init__(
        self, meta_graph: Any, op_defs: OpDefs, index: Optional[GraphIndex] = None
    ) -> None:
        """Takes a ``MetaGraphDef``, which is not changed, and its index if at hand."""
        self._op_defs = op_defs
        self._nodes = (index or GraphIndex(meta_graph)).nodes
        self._functions: Mapping[str, Any] = {
            one.signature.name: one for one in meta_graph.graph_def.library.function
        }
        self._known: Dict[str, _Writes] = {}
        self._gives_table: Dict[str, bool] = {}
        self._bodies: Dict[str, Mapping[str, Any]] = {}

    def of(self, name: str) -> Effects:
        """Returns what one node of the graph does, without those before it."""
        writes = self._writes(self._nodes[name], self._nodes)
        found: Dict[str, List[str]] = {"table": [], "iterator": [], "variable": []}
        others = list(writes.others)
        for handle in writes.handles:
            kind = self._kind(handle)
            found.setdefault(kind, []).append(handle)
            if kind == "other":
                others.append(f"{name} ({self._nodes[name].op})")
        return Effects(
            frozenset(found["table"]),
            frozenset(found["iterator"]),
            frozenset(found["variable"]),
            frozenset(others),
        )

    def is_table(self, name: str) -> bool:
        """Returns whether a node of the graph is a lookup table."""
        return self._kind(name) == "table"

    def is_iterator(self, name: str) -> bool:
        """Returns whether a node of the graph is an iterator that is initialised."""
        return self._kind(name) == "iterator"

    def _kind(self, name: str) -> str:
        node = self._nodes.get(name)
        if node is None:
            return "other"
        if node.op in VARIABLES:
            return "variable"
        if node.op in ("Iterator", "IteratorV2"):
            return "iterator"
        if node.op not in self._gives_table:
            known = self._op_defs.get(node.op)
            outputs = [] if known is None else [one.name for one in known.output_arg]
            self._gives_table[node.op] = "table_handle" in outputs
        return "table" if self._gives_table[node.op] else "other"

    def _writes(self, node: Any, body: Mapping[str, Any]) -> _Writes:
        """What a node of the graph or of a function does."""
        calls = calls_of(node, self._functions)
        if calls:
            return _joined(self._of_call(one, body) for one in calls)
        known = self._op_defs.get(node.op)
        if known is None:
            return _Writes(others=(f"{node.name} ({node.op})",))
        has_references = any(one.is_ref for one in known.input_arg)
        if not known.is_stateful and not has_references:
            return _NOTHING
        if _READS.fullmatch(node.op):
            return _NOTHING
        handles = _handles(node, known)
        if handles:
            return _Writes(tuple(handed_on_from(one, body) for one in handles))
        if _is_source(known):
            return _NOTHING
        return _Writes(others=(f"{node.name} ({node.op})",))

    def _of_function(self, name: str) -> _Writes:
        """What a function does, in terms of its arguments."""
        if name not in self._known:
            self._learn(name)
        return self._known[name]

    def _learn(self, name: str) -> None:
        """Finds out what a function does, and all that it calls.

        Functions may call each other in a circle: each is looked at again until none
        of them is known to do more than before.
        """
        order = self._callees_first(name)
        self._known.update(dict.fromkeys(order, _NOTHING))
        is_growing = True
        while is_growing:
            is_growing = False
            for one in order:
                body = self._bodies[one]
                # What was known stays first, so that only more can make a difference.
                writes = [self._writes(node, body) for node in body.values()]
                found = _joined([self._known[one], *writes])
                is_growing = is_growing or found != self._known[one]
                self._known[one] = found

    def _callees_first(self, name: str) -> List[str]:
        """A function and those that it calls and nothing is known of yet."""
        order: List[str] = []
        entered: Set[str] = set()
        stack = [(name, False)]
        while stack:
            one, is_done = stack.pop()
            if is_done:
                order.append(one)
                continue
            if one in entered or one in self._known:
                continue
            entered.add(one)
            body = nodes_by_name(self._functions[one].node_def)
            self._bodies[one] = body
            stack.append((one, True))
            stack += [
                (called.function, False)
                for node in body.values()
                for called in calls_of(node, self._functions)
            ]
        return order

    def _of_call(self, call: Call, body: Mapping[str, Any]) -> _Writes:
        """What a call does, in terms of the body that it stands in."""
        writes = self._of_function(call.function)
        arguments = self._functions[call.function].signature.input_arg
        places = dict(zip((one.name for one in arguments), call.inputs))
        return _Writes(
            tuple(
                handed_on_from(places[one], body)
                for one in writes.handles
                if one in places
            ),
            writes.others
            + tuple(
                f"{one} in {call.function}"
                for one in writes.handles
                if one not in places
            ),
        )


def _joined(parts: Iterable[_Writes]) -> _Writes:
    listed = list(parts)
    return _Writes(
        tuple(dict.fromkeys(one for part in listed for one in part.handles)),
        tuple(dict.fromkeys(one for part in listed for one in part.others)),
    )


def arguments_of(node: Any, known: Any) -> List[Tuple[str, Any]]:
    """Returns each data input of a node with the argument of the ``OpDef`` it is for.

    Args:
      node: A ``NodeDef``.
      known: The ``OpDef`` of its type.
    """
    given = [one for one in node.input if not is_control(one)]
    found: List[Tuple[str, Any]] = []
    for argument in known.input_arg:
        count = 1
        if argument.number_attr:
            count = node.attr[argument.number_attr].i
        elif argument.type_list_attr:
            count = len(node.attr[argument.type_list_attr].list.type)
        found += [(one, argument) for one in given[:count]]
        given = given[count:]
    return found


def _handles(node: Any, known: Any) -> List[str]:
    """The inputs of a node that are references or resources."""
    return [one for one, argument in arguments_of(node, known) if _is_handle(argument)]


def _is_handle(argument: Any) -> bool:
    return bool(argument.is_ref or argument.type == tf.resource.as_datatype_enum)


def _is_source(known: Any) -> bool:
    """Whether an operation makes something: a handle, a dataset, random numbers."""
    made = (tf.resource.as_datatype_enum, tf.variant.as_datatype_enum)
    if any(one.is_ref or one.type in made for one in known.output_arg):
        return True
    return bool(known.output_arg) and any(one.name == "seed" for one in known.attr)
