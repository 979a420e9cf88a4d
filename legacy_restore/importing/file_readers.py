"""Which operations of a saved graph read files, and which constants name the files.

Told by the ``OpDef``: an argument ``filename`` or ``filenames``. A name goes a long way
in a SavedModel of TensorFlow 2: a placeholder is assigned to a variable, which is read
and given to a function, in which a table is filled.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, Dict, FrozenSet, Iterator, List, Mapping, Optional, Set, Tuple

from legacy_restore.importing.calls import LOOPS, calls_of, handed_on_from
from legacy_restore.importing.effects import VARIABLES, arguments_of
from legacy_restore.importing.handle_uses import HandleReader, Place
from legacy_restore.importing.nodes import (
    all_bodies,
    functions_named,
    implemented_by,
    nodes_by_name,
)
from legacy_restore.importing.op_defs import OpDefs

_ARGUMENTS = ("filename", "filenames")
_WRITERS = ("Save", "WriteFile")
_TABLES = "InitializeTable"


@dataclasses.dataclass(frozen=True)
class FileReader:
    """An operation that reads a file.

    Attributes:
      function: The function that it stands in; empty for the graph itself.
      node: The name of its node.
      fills_table: Whether it fills a lookup table.
      names: Where the names of the files come from: constants and placeholders, or
        what computes them; of what nobody can follow, the argument or node at which
        that begins.
      variables: The variables of the graph that hold the names on their way.
    """

    function: str
    node: str
    fills_table: bool
    names: FrozenSet[Place]
    variables: FrozenSet[str] = frozenset()


def find_file_readers(meta_graph: Any, op_defs: OpDefs) -> Tuple[FileReader, ...]:
    """Returns the operations that read files, in the graph and in all functions.

    Args:
      meta_graph: The ``MetaGraphDef``; not changed.
      op_defs: What is known about its operations.
    """
    return tuple(_Tracer(meta_graph, op_defs).readers())


class _Tracer:
    """Follows names of files back to where they come from."""

    def __init__(self, meta_graph: Any, op_defs: OpDefs) -> None:
        self._op_defs = op_defs
        self._of_readers: Dict[str, Optional[Any]] = {}
        self._bodies: Mapping[str, Mapping[str, Any]] = {
            function: nodes_by_name(nodes) for function, nodes in all_bodies(meta_graph)
        }
        self._functions: Mapping[str, Any] = {
            one.signature.name: one for one in meta_graph.graph_def.library.function
        }
        self._entered = self._entered_otherwise(meta_graph)
        self._given = self._given_to_functions()
        self._handles = HandleReader(self._bodies, self._functions, op_defs)

    def readers(self) -> Iterator[FileReader]:
        """Yields all operations that read files."""
        for function, nodes in self._bodies.items():
            for node in nodes.values():
                if node.op.startswith(_WRITERS):
                    continue
                named = self._named_files(node)
                if named:
                    found: Set[Place] = set()
                    seen: Set[Place] = set()
                    for one in named:
                        self._follow(function, one, found, seen)
                    yield FileReader(
                        function=function,
                        node=node.name,
                        fills_table=node.op.startswith(_TABLES),
                        names=frozenset(found),
                        variables=self._variables_among(seen),
                    )

    def _named_files(self, node: Any) -> List[str]:
        known = self._reading(node.op)
        if known is None:
            return []
        return [
            tensor
            for tensor, argument in arguments_of(node, known)
            if argument.name in _ARGUMENTS
        ]

    def _reading(self, op: str) -> Optional[Any]:
        """The ``OpDef`` of an operation that reads files, None of another."""
        if op not in self._of_readers:
            known = self._op_defs.get(op)
            names = [] if known is None else [one.name for one in known.input_arg]
            is_reader = any(one in _ARGUMENTS for one in names)
            self._of_readers[op] = known if is_reader else None
        return self._of_readers[op]

    def _variables_among(self, places: Set[Place]) -> FrozenSet[str]:
        """The variables of the graph itself."""
        nodes = self._bodies[""]
        return frozenset(
            name
            for function, name in places
            if not function and name in nodes and nodes[name].op in VARIABLES
        )

    def _entered_otherwise(self, meta_graph: Any) -> Set[str]:
        """The functions that somebody may call with what is not told here.

        Such as those that datasets, remote calls and gradients run, and those that
        implement the same as another.
        """
        found = {name for name, one in self._functions.items() if implemented_by(one)}
        for one in meta_graph.graph_def.library.gradient:
            found.add(one.gradient_func)
        for nodes in self._bodies.values():
            for node in nodes.values():
                calls = calls_of(node, self._functions)
                named = collections.Counter(functions_named(node))
                named.subtract(one.function for one in calls)
                found.update(name for name, times in named.items() if times > 0)
        return found

    def _given_to_functions(self) -> Dict[Place, List[Place]]:
        """What functions get for their arguments, by function and argument."""
        found: Dict[Place, List[Place]] = {}
        for function, nodes in self._bodies.items():
            for node in nodes.values():
                for call in calls_of(node, self._functions):
                    called = self._functions[call.function]
                    arguments = [one.name for one in called.signature.input_arg]
                    for argument, tensor in zip(arguments, call.inputs):
                        key = (call.function, argument)
                        found.setdefault(key, []).append((function, tensor))
                if node.op in LOOPS:
                    self._add_turns(node, found)
        return found

    def _add_turns(self, node: Any, found: Dict[Place, List[Place]]) -> None:
        """Adds what a loop's functions get from the turn before."""
        called = [one.function for one in calls_of(node, self._functions)]
        for giving in called:
            results = self._functions[giving].ret
            outputs = self._functions[giving].signature.output_arg
            for taking in called:
                arguments = self._functions[taking].signature.input_arg
                for argument, output in zip(arguments, outputs):
                    given = (giving, results[output.name])
                    found.setdefault((taking, argument.name), []).append(given)

    def _follow(
        self, function: str, tensor: str, found: Set[Place], seen: Set[Place]
    ) -> None:
        body = self._bodies[function]
        name = handed_on_from(tensor, body)
        place = (function, name)
        if place in seen:
            return
        seen.add(place)
        if name not in body:
            if function in self._entered:
                found.add(place)
            for caller, given in self._given.get(place, ()):
                self._follow(caller, given, found, seen)
            return
        node = body[name]
        if node.op == "ReadVariableOp":
            self._follow(function, node.input[0], found, seen)
        elif node.op in VARIABLES:
            uses = self._handles.of(function, name)
            found |= uses.others
            for where, value in uses.values:
                self._follow(where, value, found, seen)
        else:
            found.add(place)
