"""Which operations of a saved graph read files, and which constants name the files.

Told by the ``OpDef``: an argument ``filename`` or ``filenames``. A name goes a long way
in a SavedModel of TensorFlow 2: a placeholder is assigned to a variable, which is read
and given to a function, in which a table is filled.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, FrozenSet, Iterator, List, Mapping, Set, Tuple

from legacy_restore.importing.calls import calls_of, handed_on_from
from legacy_restore.importing.effects import VARIABLES, arguments_of
from legacy_restore.importing.nodes import all_bodies, nodes_by_name
from legacy_restore.importing.op_defs import OpDefs

_ARGUMENTS = ("filename", "filenames")
_WRITERS = ("Save", "WriteFile")
_TABLES = "InitializeTable"
_ASSIGNMENTS = ("Assign", "AssignVariableOp")

Place = Tuple[str, str]
"""A function, empty for the graph itself, and a node in it."""


@dataclasses.dataclass(frozen=True)
class FileReader:
    """An operation that reads a file.

    Attributes:
      function: The function that it stands in; empty for the graph itself.
      node: The name of its node.
      fills_table: Whether it fills a lookup table.
      names: Where the names of the files come from: constants and placeholders, or
        what computes them.
    """

    function: str
    node: str
    fills_table: bool
    names: FrozenSet[Place]


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
        self._bodies: Mapping[str, Mapping[str, Any]] = {
            function: nodes_by_name(nodes) for function, nodes in all_bodies(meta_graph)
        }
        self._arguments: Mapping[str, List[str]] = {
            one.signature.name: [argument.name for argument in one.signature.input_arg]
            for one in meta_graph.graph_def.library.function
        }
        self._given = self._given_to_functions()

    def readers(self) -> Iterator[FileReader]:
        """Yields all operations that read files."""
        for function, nodes in self._bodies.items():
            for node in nodes.values():
                if node.op.startswith(_WRITERS):
                    continue
                named = self._named_files(node)
                if named:
                    found: Set[Place] = set()
                    for one in named:
                        self._follow(function, one, found, set())
                    fills = node.op.startswith(_TABLES)
                    yield FileReader(function, node.name, fills, frozenset(found))

    def _named_files(self, node: Any) -> List[str]:
        known = self._op_defs.get(node.op)
        if known is None or not any(one.name in _ARGUMENTS for one in known.input_arg):
            return []
        return [
            tensor
            for tensor, argument in arguments_of(node, known)
            if argument.name in _ARGUMENTS
        ]

    def _given_to_functions(self) -> Dict[Place, List[Place]]:
        """What functions get for their arguments, by function and argument."""
        found: Dict[Place, List[Place]] = {}
        for function, nodes in self._bodies.items():
            for node in nodes.values():
                for call in calls_of(node, self._arguments):
                    arguments = self._arguments[call.function]
                    for argument, tensor in zip(arguments, call.inputs):
                        key = (call.function, argument)
                        found.setdefault(key, []).append((function, tensor))
        return found

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
            for caller, given in self._given.get(place, ()):
                self._follow(caller, given, found, seen)
            return
        node = body[name]
        if node.op == "ReadVariableOp":
            self._follow(function, node.input[0], found, seen)
        elif node.op in VARIABLES:
            for one in body.values():
                is_value = one.op in _ASSIGNMENTS and len(one.input) > 1
                if is_value and handed_on_from(one.input[0], body) == name:
                    self._follow(function, one.input[1], found, seen)
        else:
            found.add(place)
